/* larder: larder_get_or_compute(): one computes, the others wait or get what is old
 *
 * Who computes is decided at the server, among all processes, and in the origin's table, among the
 * callers of this one. The server's part, over meta: a read with N, which leaves an empty item
 * where none is, and R, so that the first reader of an item that is missing, stale or due gets W,
 * and all others Z. An item stays on the server for `origin_stale_s` longer than it is good; R asks
 * for that time, so W comes when it is due. Servers without meta: who can add the lock key
 * computes. */
#include <stdio.h>
#include <time.h>

#include "src/client/calls.h"
#include "src/client/origin.h"
#include "src/client/record.h"

enum { POLL_MS_MIN = 4, POLL_MS_MAX = 64 };

enum guard {
    GUARD_NONE,   /* the server does not help: it is not there */
    GUARD_WON,    /* this call has the server's word that it shall compute */
    GUARD_LOCK,   /* the same, by a lock key */
    GUARD_LATE,   /* another shall, and has not in time */
    GUARD_OTHERS, /* another shall */
};

struct call {
    struct larder *larder;
    struct larder_origin *origin;
    const struct origin_options *options;
    const struct larder_compute *compute;
    struct larder_key key;
    struct larder_item *item;
    struct larder_item seen; /* what the server said last; its value only until the next request */
    struct record record;
    uint64_t until_ns;
    unsigned poll_ms;
    enum guard guard;
    bool has_old; /* larder->kept is a value that is due or stale */
};

/* What a computation writes to. */
struct computed {
    struct larder_output output;
    struct bytes bytes;
    bool failed;
};

bool larder_output_write(struct larder_output *output, const void *data, size_t bytes) {
    struct computed *computed = (struct computed *)output;

    computed->failed |= bytes > 0 && !bytes_append(&computed->bytes, span_of(data, bytes));
    return !computed->failed;
}

static uint64_t wall_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / MS_NS;
}

/* ---- Ends ---------------------------------------------------------------------------------- */

/* Copies the value to where it outlives further requests. */
static bool keep(struct call *call, struct span value) {
    struct bytes *kept = &call->larder->kept;

    bytes_clear(kept, OP_VALUE_KEPT_BYTES);
    return value.len == 0 || bytes_append(kept, value);
}

/* With the value that is kept, where the result has one. */
static enum larder_result finish(struct call *call, enum larder_result result, const char *why) {
    bool has_value = result == LARDER_HIT || result == LARDER_STALE;
    struct span kept = bytes_span(&call->larder->kept);
    struct larder_item *item = call->item;

    (void)snprintf(call->larder->why, sizeof(call->larder->why), "%s", why);
    item->result = result;
    item->marks = call->seen.marks;
    item->flags = call->seen.flags;
    item->server = call->seen.server;
    item->ttl_s = LARDER_UNKNOWN;
    item->idle_s = LARDER_UNKNOWN;
    item->value = has_value && kept.len > 0 ? (const void *)kept.data : "";
    item->value_bytes = has_value ? kept.len : 0;
    item->why = call->larder->why;
    return result;
}

static enum larder_result finish_with_old(struct call *call, enum larder_result otherwise,
                                          const char *why) {
    return finish(call, call->has_old ? LARDER_STALE : otherwise, why);
}

/* ---- The server's part --------------------------------------------------------------------- */

static struct larder_request request_of(const struct call *call, enum larder_verb verb) {
    return (struct larder_request){.verb = verb, .key = call->key.data,
                                   .key_bytes = call->key.bytes};
}

static bool server_knows_meta(const struct call *call) {
    struct larder_server server = {.meta = false};
    bool replica = (call->seen.marks & LARDER_MARK_REPLICA) != 0;

    return larder_server_at(call->larder, call->seen.server, replica, &server) && server.meta;
}

/* "lock:KEY"; of a long key its end: two keys may then share a lock, and one waits in vain for a
 * while. */
static enum larder_result ask_lock(struct call *call, enum larder_verb verb, uint32_t ttl_s) {
    uint8_t name[LARDER_KEY_BYTES_MAX] = "lock:";
    size_t room = sizeof(name) - 5;
    size_t bytes = call->key.bytes < room ? call->key.bytes : room;
    struct larder_request request = {
        .verb = verb, .ask = LARDER_PLACE_BY, .key = name, .key_bytes = 5 + bytes, .value = "1",
        .value_bytes = 1, .place = call->key.data, .place_bytes = call->key.bytes, .ttl_s = ttl_s};

    memcpy(name + 5, (const uint8_t *)call->key.data + call->key.bytes - bytes, bytes);
    return larder_do(call->larder, &request, NULL);
}

/* Whoever had the lock may have stored a value and given it back since this call looked. */
static void lock(struct call *call) {
    enum larder_result result = ask_lock(call, LARDER_ADD, call->options->lock_s);
    struct larder_request request = request_of(call, LARDER_GET);
    struct larder_item item;

    call->guard = result == LARDER_NOT_STORED ? GUARD_OTHERS : GUARD_NONE;
    if (result != LARDER_STORED) {
        return;
    }
    (void)larder_do(call->larder, &request, &item);
    call->guard = item.cas == call->seen.cas ? GUARD_LOCK : GUARD_OTHERS;
    if (call->guard == GUARD_OTHERS) {
        (void)ask_lock(call, LARDER_DELETE, 0);
    }
}

/* How long what was seen is good, in ms. The clock of who stored it is believed where it agrees
 * with the server's word to a second or two, because it is finer; alone with classic servers. */
static uint64_t remaining_ms(const struct call *call) {
    uint64_t now_ms = wall_ms();
    uint64_t due_ms = call->record.due_ms;
    uint64_t by_clock = due_ms == 0 ? UINT64_MAX : due_ms > now_ms ? due_ms - now_ms : 0;

    if (call->seen.ttl_s == LARDER_UNKNOWN) {
        return by_clock;
    }
    if (call->seen.ttl_s == LARDER_NEVER) {
        return UINT64_MAX;
    }
    uint64_t left_s = (uint64_t)call->seen.ttl_s;
    uint64_t by_server =
        left_s > call->options->stale_s ? (left_s - call->options->stale_s) * 1000 : 0;

    return by_clock + 2000 > by_server && by_clock < by_server + 2000 ? by_clock : by_server;
}

/* A value that is good for a while more: whether this caller shall compute it all the same. */
static bool wins_early(struct call *call, uint64_t left_ms) {
    const struct origin_options *options = call->options;

    if (left_ms == UINT64_MAX || !record_is_early(&call->record, left_ms, options->early_percent,
                                                  client_random(call->larder))) {
        return false;
    }
    if (!keep(call, call->record.value)) {
        return false;
    }
    if (call->seen.ttl_s < 0 || !server_knows_meta(call)) {
        lock(call);
        return call->guard == GUARD_LOCK;
    }
    struct larder_request request = request_of(call, LARDER_GET);
    struct larder_item item;

    request.ask = LARDER_NO_VALUE | LARDER_RECACHE;
    request.recache_s = (uint32_t)call->seen.ttl_s + 2; /* more than it has */
    if (larder_do(call->larder, &request, &item) != LARDER_HIT ||
        (item.marks & LARDER_MARK_WON) == 0) {
        return false;
    }
    call->seen.cas = item.cas;
    call->guard = GUARD_WON;
    return true;
}

/* There is no good value: who computes one? */
static void choose_guard(struct call *call, bool answered) {
    unsigned marks = call->seen.marks;

    if ((marks & LARDER_MARK_WON) != 0) {
        call->guard = GUARD_WON;
    } else if ((marks & LARDER_MARK_SENT) != 0) {
        struct span key = span_of(call->key.data, call->key.bytes);

        call->guard = origin_takes_up(call->origin, key) ? GUARD_WON : GUARD_OTHERS;
    } else if (answered && !server_knows_meta(call)) {
        lock(call);
    } else {
        call->guard = GUARD_NONE;
    }
}

/* A value came. True: it is all there is to do. */
static bool take_value(struct call *call, enum larder_result *result) {
    struct larder_item *seen = &call->seen;
    bool due = (seen->marks & (LARDER_MARK_WON | LARDER_MARK_STALE)) != 0;

    if (call->record.is_failure) {
        *result = finish(call, LARDER_FAILED, "the computation failed a moment ago");
        return true;
    }
    uint64_t left_ms = remaining_ms(call);

    if (due || left_ms == 0) {
        call->has_old = keep(call, call->record.value);
        return false;
    }
    uint32_t server = seen->server;

    if (!wins_early(call, left_ms)) {
        *call->item = *seen;
        *result = LARDER_HIT;
        if (seen->why[0] != '\0' || bytes_count(&call->larder->kept) > 0) {
            *result = finish(call, LARDER_HIT, "");
        }
        return true;
    }
    seen->server = server;
    call->has_old = true;
    return false;
}

/* Asks the server for the value and for who shall compute it. True: that was all. */
static bool look(struct call *call, enum larder_result *result) {
    struct larder_request request = request_of(call, LARDER_GET);

    request.ask = LARDER_VIVIFY | LARDER_RECACHE;
    request.vivify_s = call->options->lock_s;
    request.recache_s = call->options->stale_s;
    bytes_clear(&call->larder->kept, OP_VALUE_KEPT_BYTES);
    call->has_old = false;
    call->guard = GUARD_NONE;
    *result = larder_do(call->larder, &request, &call->seen);
    if (*result == LARDER_BAD_ARGUMENT || *result == LARDER_NO_MEMORY) {
        *call->item = call->seen;
        return true;
    }
    bool has_value = *result == LARDER_HIT || *result == LARDER_STALE;

    call->record = record_read(span_of(call->seen.value, call->seen.value_bytes));
    call->seen.value_bytes = call->record.value.len;
    if (has_value && take_value(call, result)) {
        return true;
    }
    if (call->guard == GUARD_NONE) { /* or it was won early */
        choose_guard(call, has_value || (*result == LARDER_MISS && call->seen.why[0] == '\0'));
    }
    return false;
}

/* ---- Computing ----------------------------------------------------------------------------- */

/* The value with its trailer, over what was seen when the right to compute was won. A cas keeps
 * what has been written meanwhile; I has what was marked stale meanwhile stay so. */
static void store(struct call *call, struct span value, uint32_t flags, uint32_t ttl_s,
                  bool lock_is_over) {
    struct larder_request request = request_of(call, LARDER_SET);
    bool guarded = call->guard == GUARD_WON || call->guard == GUARD_LATE;

    request.value = value.data;
    request.value_bytes = value.len;
    request.flags = flags;
    request.ttl_s = ttl_s;
    if (guarded && !lock_is_over && call->seen.cas != 0) {
        request.verb = LARDER_CAS;
        request.cas = call->seen.cas;
        request.ask = call->guard == GUARD_WON ? LARDER_INVALIDATE : 0;
    }
    (void)larder_do(call->larder, &request, NULL);
}

static void store_value(struct call *call, struct computed *computed, uint64_t cost_ns) {
    const struct origin_options *options = call->options;
    uint64_t ttl_ms = (uint64_t)computed->output.ttl_s * 1000;
    uint64_t drawn = client_random(call->larder) >> 32; /* 32 bits */
    uint64_t cost_us = cost_ns / 1000;
    struct record record = {.cost_us = cost_us < UINT32_MAX ? (uint32_t)cost_us : UINT32_MAX};
    uint8_t trailer[RECORD_TRAILER_BYTES];

    ttl_ms -= (ttl_ms * options->jitter_percent / 100 * drawn) >> 32;
    record.due_ms = ttl_ms == 0 ? 0 : wall_ms() + ttl_ms;
    record_write_trailer(&record, trailer);
    if (!bytes_append(&computed->bytes, span_of(trailer, sizeof(trailer)))) {
        return;
    }
    uint64_t ttl_s = ttl_ms == 0 ? 0 : (ttl_ms + 999) / 1000 + options->stale_s;

    store(call, bytes_span(&computed->bytes), computed->output.flags,
          ttl_s < UINT32_MAX ? (uint32_t)ttl_s : UINT32_MAX,
          cost_ns >= (uint64_t)options->lock_s * 1000 * MS_NS);
    computed->bytes.end -= sizeof(trailer);
}

static enum larder_result end_well(struct call *call, struct flight *flight,
                                   struct computed *computed, uint64_t cost_ns) {
    store_value(call, computed, cost_ns);
    if (call->guard == GUARD_LOCK) {
        (void)ask_lock(call, LARDER_DELETE, 0);
    }
    bool kept = keep(call, bytes_span(&computed->bytes));

    origin_end(call->origin, flight, &computed->bytes, computed->output.flags);
    call->seen.flags = computed->output.flags;
    call->seen.marks = LARDER_MARK_COMPUTED;
    return kept ? finish(call, LARDER_HIT, "") : finish(call, LARDER_NO_MEMORY, "out of memory");
}

/* Where there is no old value, the failure is stored for its back-off, so that no process asks the
 * origin meanwhile. Where there is one it stays, and with it the server's word that it is being
 * computed: this process takes that up again after the back-off. */
static void store_failure(struct call *call) {
    uint32_t backoff_s = (call->options->backoff_ms + 999) / 1000;
    uint8_t trailer[RECORD_TRAILER_BYTES];
    struct record record = {.is_failure = true};

    record_write_trailer(&record, trailer);
    if (backoff_s > 0 && !call->has_old && call->guard != GUARD_NONE) {
        store(call, span_of(trailer, sizeof(trailer)), 0, backoff_s, false);
    }
    if (call->guard == GUARD_LOCK) {
        bool keeps = backoff_s > 0 && call->has_old;

        (void)ask_lock(call, keeps ? LARDER_TOUCH : LARDER_DELETE, backoff_s);
    }
}

static enum larder_result end_badly(struct call *call, struct flight *flight) {
    store_failure(call);
    origin_end_failed(call->origin, flight, call->guard == GUARD_WON && call->has_old);
    return finish_with_old(call, LARDER_FAILED, "the computation failed");
}

static enum larder_result lead(struct call *call, struct flight *flight) {
    struct computed computed = {.output = {.ttl_s = call->compute->ttl_s}};
    uint64_t begun_ns = origin_now_ns();
    bool good = call->compute->function(call->compute->context, &call->key, &computed.output) &&
                !computed.failed;
    uint64_t cost_ns = origin_now_ns() - begun_ns;
    enum larder_result result =
        good ? end_well(call, flight, &computed, cost_ns) : end_badly(call, flight);

    bytes_fini(&computed.bytes);
    origin_leave(call->origin, flight);
    return result;
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/* What another caller of this process has computed. Leaves the flight. */
static enum larder_result share(struct call *call, struct flight *flight) {
    struct span value;
    bool good = flight_value(flight, &value, &call->seen.flags);
    bool kept = good && keep(call, value);

    origin_leave(call->origin, flight);
    if (!good) {
        return finish_with_old(call, LARDER_FAILED, "the computation failed");
    }
    call->seen.marks = LARDER_MARK_COMPUTED;
    return kept ? finish(call, LARDER_HIT, "") : finish(call, LARDER_NO_MEMORY, "out of memory");
}

/* Until the server is asked again. */
static void nap(struct call *call) {
    uint64_t now_ns = origin_now_ns();
    uint64_t ns = client_jitter_ns(call->larder, call->poll_ms);

    ns = now_ns + ns > call->until_ns ? call->until_ns - now_ns : ns;
    call->poll_ms = call->poll_ms * 2 < POLL_MS_MAX ? call->poll_ms * 2 : POLL_MS_MAX;
    struct timespec time = {.tv_sec = (time_t)(ns / (1000 * MS_NS)),
                            .tv_nsec = (long)(ns % (1000 * MS_NS))};

    (void)nanosleep(&time, NULL);
}

static enum larder_result finish_late(struct call *call) {
    struct span key = span_of(call->key.data, call->key.bytes);
    enum origin_role role = ORIGIN_FULL;
    struct flight *flight = NULL;

    if (call->options->computes_late && !call->has_old) {
        flight = origin_begin(call->origin, key, 0, &role);
    }
    if (role == ORIGIN_LEADS) {
        call->guard = GUARD_LATE;
        return lead(call, flight);
    }
    if (flight != NULL) {
        origin_leave(call->origin, flight);
    }
    return finish_with_old(call, LARDER_TIMED_OUT, "another caller computes it for too long");
}

/* The right to compute, unused: whoever comes next may have it. */
static void give_up(struct call *call) {
    if (call->guard == GUARD_LOCK) {
        (void)ask_lock(call, LARDER_DELETE, 0);
    } else if (call->guard == GUARD_WON && !call->has_old) {
        struct larder_request request = request_of(call, LARDER_DELETE);

        request.cas = call->seen.cas;
        (void)larder_do(call->larder, &request, NULL);
    }
}

/* Begins or joins the computation in this process. True: the call has ended. */
static bool take_part(struct call *call, struct flight **flight, enum larder_result *result) {
    struct span key = span_of(call->key.data, call->key.bytes);
    bool serves_old = call->has_old && !call->options->waits_for_fresh;
    enum origin_role role = ORIGIN_FOLLOWS;

    if (call->guard == GUARD_OTHERS) {
        *flight = origin_join(call->origin, key);
    } else {
        *flight = origin_begin(call->origin, key, serves_old ? 0 : call->until_ns, &role);
    }
    if (role == ORIGIN_LEADS) {
        *result = lead(call, *flight);
        return true;
    }
    if (role == ORIGIN_FOLLOWS && !serves_old) {
        return false;
    }
    if (*flight != NULL) {
        origin_leave(call->origin, *flight);
    }
    if (role == ORIGIN_FULL) {
        give_up(call);
        *result = finish_with_old(call, LARDER_TIMED_OUT, "too many computations are under way");
    } else if (role == ORIGIN_FAILED) {
        store_failure(call);
        *result = finish_with_old(call, LARDER_FAILED, "the computation failed a moment ago");
    } else {
        *result = finish(call, LARDER_STALE, "another caller computes it");
    }
    return true;
}

enum larder_result larder_get_or_compute(struct larder *larder, struct larder_origin *origin,
                                         const struct larder_key *key,
                                         const struct larder_compute *compute,
                                         struct larder_item *item) {
    struct larder_item unwanted;
    struct call call = {.larder = larder, .origin = origin, .options = origin_options(origin),
                        .compute = compute, .key = *key, .item = item != NULL ? item : &unwanted,
                        .poll_ms = POLL_MS_MIN};
    enum larder_result result;
    struct flight *flight;

    *call.item = (struct larder_item){.value = "", .why = ""};
    call.until_ns = origin_now_ns() + call.options->wait_ms * MS_NS;
    for (;;) {
        if (look(&call, &result) || take_part(&call, &flight, &result)) {
            return result;
        }
        if (flight != NULL && origin_wait(origin, flight, call.until_ns)) {
            return share(&call, flight);
        }
        if (flight != NULL) {
            origin_leave(origin, flight);
        }
        if (origin_now_ns() >= call.until_ns) {
            return finish_late(&call);
        }
        nap(&call);
    }
}
