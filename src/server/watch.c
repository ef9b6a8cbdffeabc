/* larder: watch: watchers come and go, lines are dealt to them */
#include "src/server/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/server/server.h"
#include "src/server/watch_record.h"

enum {
    WATCH_BYTES_AHEAD = 16 * 1024, /* of unsent output, the rest waits in the buffer */
    WATCH_COPY_BYTES = 4096,
    WATCH_LINES_MAX = 50000,           /* in one go of the housekeeping thread */
    WATCH_EVICTED_BYTES = 16 * 1024,   /* of a partition's ring */
};

/* A connection that watches. Its core ends it (`gone`), the housekeeping thread frees it. */
struct watcher {
    struct reply_slot slot; /* first: the engine hands it back */
    struct task task;
    struct core *core;
    uint32_t streams;
    uint64_t since_us; /* what is older, left over from others, is not for this one */
    _Atomic bool gone;
    bool fed;         /* in this go; housekeeping's */
    uint64_t skipped; /* lines since the last one that fitted; housekeeping's */
    struct watch_ring *lines;
};

bool watch_init(struct watch *watch, unsigned core_count, unsigned partition_count) {
    memset(watch, 0, sizeof(*watch));
    pthread_mutex_init(&watch->lock, NULL);
    watch->ring_count = core_count + partition_count;
    watch->rings = calloc(watch->ring_count, sizeof(watch->rings[0]));
    return watch->rings != NULL;
}

static void watcher_destroy(struct watcher *watcher) {
    watch_ring_destroy(watcher->lines);
    free(watcher);
}

void watch_fini(struct watch *watch) {
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        struct watcher *watcher = atom_load_relaxed(&watch->watchers[i]);
        if (watcher != NULL) {
            watcher_destroy(watcher);
        }
    }
    for (unsigned i = 0; watch->rings != NULL && i < watch->ring_count; i++) {
        watch_ring_destroy(atom_load_relaxed(&watch->rings[i]));
    }
    free(watch->rings);
    watch->rings = NULL;
    pthread_mutex_destroy(&watch->lock);
}

/* -- a watcher on its core --------------------------------------------------------------------- */

static void watcher_send(struct watcher *watcher) {
    struct reply *reply = &watcher->slot.reply;
    uint64_t used;
    while (reply->unsent_bytes < WATCH_BYTES_AHEAD &&
           (used = watch_ring_used(watcher->lines)) != 0) {
        size_t bytes = used < WATCH_COPY_BYTES ? (size_t)used : WATCH_COPY_BYTES;
        uint8_t *to = reply_reserve(reply, bytes);
        if (to == NULL) {
            return; /* connection memory is short: later */
        }
        watch_ring_peek(watcher->lines, 0, to, bytes);
        reply_commit(reply, bytes);
        watch_ring_take(watcher->lines, bytes);
    }
}

/* The housekeeping thread rings when there is more. */
static bool watcher_step(struct task *task) {
    struct watcher *watcher = (struct watcher *)((char *)task - offsetof(struct watcher, task));
    struct session *session = watcher->slot.session;
    uint64_t before = watcher->slot.reply.unsent_bytes;
    watcher_send(watcher);
    watcher->slot.complete = session->input_ended || watcher->core->draining;
    if (watcher->slot.complete || watcher->slot.reply.unsent_bytes != before) {
        session_slot_written(session); /* the watcher may be gone after it */
    }
    return false;
}

static void watcher_end(struct reply_slot *slot) {
    struct watcher *watcher = (struct watcher *)slot;
    struct server *server = watcher->core->server;
    task_remove(watcher->core, &watcher->task);
    atom_store_release(&watcher->gone, true); /* the housekeeping thread may free it from here on */
    server_wake(server);
}

/* -- the command ------------------------------------------------------------------------------- */

static bool watch_parse_streams(const struct admin_call *call, uint32_t *streams) {
    static const struct {
        const char *word;
        uint32_t stream;
    } words[] = {
        {"fetchers", WATCH_FETCHERS},     {"mutations", WATCH_MUTATIONS},
        {"evictions", WATCH_EVICTIONS},   {"connevents", WATCH_CONNEVENTS},
        {"deletions", WATCH_DELETIONS},   {"sysevents", WATCH_SYSEVENTS},
        {"rawcmds", WATCH_NOTHING},       {"proxyreqs", WATCH_NOTHING},
        {"proxyevents", WATCH_NOTHING},   {"proxyuser", WATCH_NOTHING},
    };
    *streams = call->token_count == 0 ? WATCH_FETCHERS : 0;
    for (unsigned i = 0; i < call->token_count; i++) {
        uint32_t stream = 0;
        for (unsigned j = 0; j < sizeof(words) / sizeof(words[0]); j++) {
            stream |= span_is(call->tokens[i], words[j].word) ? words[j].stream : 0;
        }
        if (stream == 0) {
            return false;
        }
        *streams |= stream;
    }
    return true;
}

/* The rings that are not there yet; under the lock. */
static bool watch_rings_make(struct server *server, uint32_t streams) {
    struct watch *watch = &server->watch;
    unsigned count = (streams & WATCH_EVICTIONS) != 0 ? watch->ring_count : server->core_count;
    for (unsigned i = 0; i < count; i++) {
        if (atom_load_relaxed(&watch->rings[i]) != NULL) {
            continue;
        }
        struct watch_ring *ring =
            watch_ring_create(i < server->core_count ? server->settings->worker_logbuf_bytes
                                                     : WATCH_EVICTED_BYTES);
        if (ring == NULL) {
            return false;
        }
        atom_store_release(&watch->rings[i], ring);
    }
    return true;
}

/* What the watchers that are there want, together; under the lock. */
static void watch_streams_update(struct server *server) {
    uint32_t streams = 0;
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        const struct watcher *watcher = atom_load_relaxed(&server->watch.watchers[i]);
        streams |= watcher == NULL ? 0 : watcher->streams;
    }
    atom_store_relaxed(&server->watch.streams, streams);
    store_evictions_watch(server->store, (streams & WATCH_EVICTIONS) != 0);
}

/* Under the lock. */
static enum outcome watch_add(struct server *server, struct watcher *watcher) {
    struct watch *watch = &server->watch;
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        if (atom_load_relaxed(&watch->watchers[i]) != NULL) {
            continue;
        }
        if (!watch_rings_make(server, watcher->streams)) {
            return OUTCOME_WATCHER_FAILED;
        }
        atom_store_release(&watch->watchers[i], watcher);
        watch_streams_update(server);
        return OUTCOME_OK;
    }
    return OUTCOME_WATCHER_TOO_MANY;
}

/* Answers and parks; a watcher that was added already stays, gone at once, if that fails. */
static void watcher_begin(struct admin_call *call, struct watcher *watcher) {
    bool answered = reply_append(call->reply, "OK\r\n", 4);
    watcher->slot.dropped = watcher_end;
    watcher->slot.done = watcher_end;
    watcher->task.step = watcher_step;
    if (!answered || !reply_park(call->reply, call->session, &watcher->slot)) {
        call->reply->broken = true;
        atom_store_release(&watcher->gone, true);
        return;
    }
    task_add(watcher->core, &watcher->task);
    session_deafen(call->session);
    watch_core_update(watcher->core);
    server_wake(watcher->core->server);
}

enum outcome watch_run(struct admin_call *call) {
    struct server *server = call->context;
    const struct connection *connection = call->session->context;
    uint32_t streams;
    if (!server->settings->watch_enabled) {
        return OUTCOME_WATCH_NOT_ALLOWED;
    }
    if (!reply_is_empty(call->reply)) {
        return OUTCOME_WATCH_PIPELINED;
    }
    if (!watch_parse_streams(call, &streams)) {
        return OUTCOME_ERROR;
    }
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL) {
        return OUTCOME_WATCHER_FAILED;
    }
    watcher->core = connection->core;
    watcher->streams = streams;
    watcher->since_us = watch_now_us();
    watcher->lines = watch_ring_create(server->settings->watcher_logbuf_bytes);
    enum outcome outcome = OUTCOME_WATCHER_FAILED;
    if (watcher->lines != NULL) {
        pthread_mutex_lock(&server->watch.lock);
        outcome = watch_add(server, watcher);
        pthread_mutex_unlock(&server->watch.lock);
    }
    if (outcome != OUTCOME_OK) {
        watcher_destroy(watcher);
        return outcome;
    }
    watcher_begin(call, watcher);
    return OUTCOME_NONE;
}

/* -- the housekeeping thread ------------------------------------------------------------------- */

/* The first record of a ring. */
struct watch_cursor {
    struct watch_ring *ring;
    struct watch_record record;
};

static bool watch_cursor_load(struct watch_cursor *cursor) {
    const size_t head = offsetof(struct watch_record, key);
    if (watch_ring_used(cursor->ring) == 0) {
        return false;
    }
    watch_ring_peek(cursor->ring, 0, &cursor->record, head);
    watch_ring_peek(cursor->ring, head, cursor->record.key, cursor->record.key_bytes);
    return true;
}

static void watcher_skip(struct watch *watch, struct watcher *watcher) {
    watcher->skipped++;
    atom_own_add(&watch->skipped, 1u);
}

/* A watcher that was too slow is told so before the next line that fits. */
static void watcher_feed(struct watch *watch, struct watcher *watcher, const char *line,
                         size_t bytes) {
    char text[WATCH_LINE_BYTES_MAX + 64];
    int told = 0;
    if (watcher->skipped != 0) {
        told = snprintf(text, sizeof(text), "skipped=%" PRIu64 "\n", watcher->skipped);
    }
    memcpy(text + told, line, bytes);
    if (!watch_ring_write(watcher->lines, text, (size_t)told + bytes)) {
        watcher_skip(watch, watcher);
        return;
    }
    watcher->skipped = 0;
    watcher->fed = true;
    atom_own_add(&watch->sent, 1u);
}

static void watch_deal(struct watch *watch, const struct watch_record *record) {
    char line[WATCH_LINE_BYTES_MAX];
    size_t bytes = watch_line(line, record, ++watch->lines);
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        struct watcher *watcher = atom_load_acquire(&watch->watchers[i]);
        if (watcher != NULL && (watcher->streams & record->stream) != 0 &&
            record->time_us >= watcher->since_us &&
            !atom_load_relaxed(&watcher->gone)) {
            watcher_feed(watch, watcher, line, bytes);
        }
    }
}

static unsigned watch_earliest(const struct watch_cursor *cursors, unsigned count) {
    unsigned earliest = 0;
    for (unsigned i = 1; i < count; i++) {
        if (cursors[i].record.time_us < cursors[earliest].record.time_us) {
            earliest = i;
        }
    }
    return earliest;
}

/* All rings' records in the order of their times. */
static void watch_merge(struct watch *watch) {
    struct watch_cursor *cursors = malloc(watch->ring_count * sizeof(cursors[0]));
    unsigned count = 0;
    for (unsigned i = 0; cursors != NULL && i < watch->ring_count; i++) {
        cursors[count].ring = atom_load_acquire(&watch->rings[i]);
        count += cursors[count].ring != NULL && watch_cursor_load(&cursors[count]);
    }
    for (unsigned lines = 0; count > 0 && lines < WATCH_LINES_MAX; lines++) {
        unsigned i = watch_earliest(cursors, count);
        watch_deal(watch, &cursors[i].record);
        watch_ring_take(cursors[i].ring, watch_record_bytes(&cursors[i].record));
        if (!watch_cursor_load(&cursors[i])) {
            cursors[i] = cursors[--count];
        }
    }
    free(cursors);
}

/* Frees who is gone. True: somebody is left. */
static bool watch_sweep(struct server *server) {
    struct watch *watch = &server->watch;
    bool left = false;
    pthread_mutex_lock(&watch->lock);
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        struct watcher *watcher = atom_load_relaxed(&watch->watchers[i]);
        if (watcher != NULL && atom_load_acquire(&watcher->gone)) {
            atom_store_relaxed(&watch->watchers[i], NULL);
            watcher_destroy(watcher);
        }
        left |= atom_load_relaxed(&watch->watchers[i]) != NULL;
    }
    watch_streams_update(server);
    pthread_mutex_unlock(&watch->lock);
    return left;
}

bool watch_deliver(struct server *server) {
    struct watch *watch = &server->watch;
    bool any = false;
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        any |= atom_load_relaxed(&watch->watchers[i]) != NULL;
    }
    if (!any) {
        return false;
    }
    watch_merge(watch);
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        struct watcher *watcher = atom_load_acquire(&watch->watchers[i]);
        if (watcher != NULL && watcher->fed) {
            watcher->fed = false;
            io_doorbell_ring(watcher->core->io);
        }
    }
    return watch_sweep(server);
}

void watch_figures(const struct watch *watch, struct watch_figures *figures) {
    *figures = (struct watch_figures){
        .sent = atom_load_relaxed(&watch->sent),
        .skipped = atom_load_relaxed(&watch->skipped),
    };
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&watch->lock;
    pthread_mutex_lock(lock); /* nobody is freed meanwhile */
    for (unsigned i = 0; i < WATCHERS_MAX; i++) {
        const struct watcher *watcher = atom_load_acquire(&watch->watchers[i]);
        figures->watchers += watcher != NULL && !atom_load_relaxed(&watcher->gone);
    }
    pthread_mutex_unlock(lock);
    for (unsigned i = 0; i < watch->ring_count; i++) {
        const struct watch_ring *ring = atom_load_acquire(&watch->rings[i]);
        figures->written += ring == NULL ? 0 : atom_load_relaxed(&ring->writes);
        figures->dropped += ring == NULL ? 0 : atom_load_relaxed(&ring->refused);
    }
}
