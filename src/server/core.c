/* larder: one core: an I/O loop, an engine, and the connections they serve */
#include "src/server/core.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "io/listen.h"
#include "src/server/server.h"
#include "src/server/trim.h"

enum {
    CORE_SECOND_NS = 1000000000,
    CORE_REJECT_BYTES = 4096,
    CORE_TURN_REQUESTS_A_SHARE = 200,
    CORE_TURN_REQUESTS_LITERAL = 20, /* the default of -R */
};

/* -- accepting --------------------------------------------------------------------------------- */

static void core_reject(struct core *core, int fd) {
    static const char text[] = "ERROR Too many open connections\r\n";
    if (io_backend_of(core->io) != IO_BACKEND_SIM) {
        /* The socket buffer of a new connection has room, and nobody waits for the answer. What the
         * client has sent already is taken, lest the close become a reset. */
        char taken[CORE_REJECT_BYTES];
        ssize_t sent = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        ssize_t got = recv(fd, taken, sizeof(taken), MSG_DONTWAIT);
        (void)sent;
        (void)got;
    }
    io_fd_close(core->io, fd);
    counter_add(&core->counters.connections_rejected, 1);
}

void core_assign(struct core *core, int fd, uint32_t listener) {
    struct server *server = core->server;
    struct core *least = core;
    for (unsigned i = 0; i < server->core_count; i++) {
        struct core *other = server->cores[i];
        if (atom_load_relaxed(&other->connections_assigned) <
            atom_load_relaxed(&least->connections_assigned)) {
            least = other;
        }
    }
    struct mail mail = {.fd = fd, .listener = listener};
    atom_fetch_add(&least->connections_assigned, 1);
    if (least == core) {
        connection_open(core, fd, listener);
        return;
    }
    if (!mailbox_post(&least->mailbox, &mail)) {
        atom_fetch_sub(&least->connections_assigned, 1);
        atom_fetch_add(&core->connections_assigned, 1);
        connection_open(core, fd, listener);
        return;
    }
    counter_add(&core->counters.connections_handed, 1);
    io_doorbell_ring(least->io);
}

static void core_accepted(struct core_listener *listener, const struct io_event *event) {
    struct core *core = listener->core;
    struct server *server = core->server;
    if (listener->io == NULL) {
        if (event->error == 0) {
            io_fd_close(core->io, event->fd);
        }
        return;
    }
    if (event->error != 0) {
        counter_add(&core->counters.accept_errors, 1);
        counter_add(&core->counters.listen_disabled, 1);
        listener->failed = true;
        server_log(server, 1, "accept: %s", strerror(event->error));
        return;
    }
    if (!server_connection_enter(server, core->now_ns)) {
        core_reject(core, event->fd);
        return;
    }
    if (!server->listeners[listener->index].local) {
        listen_prepare_accepted(event->fd);
    }
    core_assign(core, event->fd, listener->index);
}

/* Whether listeners accept follows the server's limit; those that failed are tried again. */
static void core_listeners_update(struct core *core) {
    bool paused = atom_load_relaxed(&core->server->accept_paused) != 0;
    for (unsigned i = 0; i < core->listener_count; i++) {
        struct core_listener *listener = &core->listeners[i];
        if (listener->io == NULL) {
            continue;
        }
        if (paused) {
            io_listen_pause(listener->io);
        } else {
            io_listen_resume(listener->io);
            listener->failed = false;
        }
    }
}

static void core_take_mail(struct core *core) {
    struct mail mail;
    for (unsigned i = 0; i < MAILBOX_CELLS && mailbox_take(&core->mailbox, &mail); i++) {
        if (core->draining) {
            io_fd_close(core->io, mail.fd);
            atom_fetch_sub(&core->connections_assigned, 1);
            server_connection_leave(core->server, core->now_ns);
        } else {
            connection_open(core, mail.fd, mail.listener);
        }
    }
}

/* -- stopping ---------------------------------------------------------------------------------- */

static void core_drain_begin(struct core *core) {
    core->draining = true;
    core->drain_until_ns = core->now_ns + CORE_DRAIN_NS_MAX;
    for (unsigned i = 0; i < core->listener_count; i++) {
        if (core->listeners[i].io != NULL) {
            io_listen_stop(core->listeners[i].io);
            core->listeners[i].io = NULL;
        }
    }
    struct connection *connection;
    for (uint32_t i = 0; (connection = connection_table_at(&core->connections, i)) != NULL; i++) {
        if (atom_load_relaxed(&connection->state) == CONNECTION_OPEN) {
            connection_mark(connection);
        }
    }
}

static void core_drain(struct core *core) {
    if (!core->draining) {
        return;
    }
    if (core->now_ns >= core->drain_until_ns) {
        struct connection *connection;
        for (uint32_t i = 0; (connection = connection_table_at(&core->connections, i)) != NULL;
             i++) {
            connection_close(connection, CONNECTION_REASON_SHUTDOWN);
        }
    }
    core->finished = core->connections.open == 0 && core->listeners_open == 0 &&
                     atom_load_relaxed(&core->connections_assigned) == 0;
}

/* -- the step ---------------------------------------------------------------------------------- */

static void core_doorbell(struct core *core) {
    core_take_mail(core);
    core_listeners_update(core);
    if (!core->draining && atom_load_acquire(&core->server->stop) != SERVER_RUNS) {
        core_drain_begin(core);
    }
}

static void core_event(struct core *core, const struct io_event *event) {
    switch (event->kind) {
    case IO_ACCEPTED:
        core_accepted(event->owner, event);
        break;
    case IO_LISTEN_CLOSED:
        core->listeners_open--;
        break;
    case IO_DOORBELL:
        core_doorbell(core);
        break;
    default:
        connection_event(event->owner, event);
    }
}

/* Sends, pauses and closes what this turn has touched. */
static void core_settle(struct core *core) {
    do {
        for (struct session *session; (session = engine_session_next(&core->engine)) != NULL;) {
            connection_mark(session->context);
        }
        while (core->dirty != NULL) {
            struct connection *connection = core->dirty;
            core->dirty = connection->dirty_next;
            connection->dirty = false;
            connection_settle(connection);
        }
    } while (core->engine.touched_head != NULL); /* what was encrypted may complete something */
}

/* A round over the slots now and then, in portions; only if there is something to find. */
static void core_inspect(struct core *core) {
    if (core->inspect_count == 0) {
        bool wanted = core->heard || core->server->settings->idle_timeout_s != 0 ||
                      core->engine_config.auth != NULL || core->server->tls != NULL ||
                      atom_load_relaxed(&core->connections.sends) != 0;
        bool due = wanted && core->now - core->inspected_at >= CORE_INSPECT_EVERY_S;
        if (!due) {
            return;
        }
        core->inspected_at = core->now;
        core->inspect_next = 0;
        core->heard = false;
        core->inspect_count =
            atom_load_relaxed(&core->connections.chunk_count) * CONNECTION_CHUNK_SLOTS;
    }
    for (unsigned i = 0; i < CORE_INSPECT_MAX && core->inspect_next < core->inspect_count; i++) {
        connection_inspect(connection_table_at(&core->connections, core->inspect_next++));
    }
    if (core->inspect_next >= core->inspect_count) {
        core->inspect_count = 0;
    }
}

static bool core_upkeep(struct core *core) {
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    bool more = store_upkeep(core->store_core, CORE_UPKEEP_NS_MAX);
    clock_gettime(CLOCK_MONOTONIC, &after);
    counter_add(&core->counters.upkeep_ns,
                (after.tv_sec - before.tv_sec) * CORE_SECOND_NS + after.tv_nsec - before.tv_nsec);
    return more;
}

/* Sleeps until something happens, at most until the store's clock moves on. */
static int64_t core_wait_ns(const struct core *core) {
    if (core->more) {
        return 0;
    }
    int64_t since_ns = (core->now_ns - core->server->clock_base_ns) % CORE_SECOND_NS;
    int64_t wait_ns = CORE_SECOND_NS - (since_ns < 0 ? 0 : since_ns);
    if (core->draining && wait_ns > core->drain_until_ns - core->now_ns) {
        wait_ns = core->drain_until_ns - core->now_ns;
    }
    return wait_ns < 0 ? CORE_SECOND_NS / 100 : wait_ns;
}

static void core_log(void *context, const struct session *session, char prefix,
                     struct span text) {
    const struct core *core = context;
    const struct connection *connection = session->context;
    server_log(core->server, 2, "%c%d %.*s", prefix, atom_load_relaxed(&connection->fd),
               (int)(text.len > INT32_MAX ? INT32_MAX : text.len), (const char *)text.data);
}

/* The engine calls nothing where nothing is to be logged; `verbosity` may change that. */
static void core_log_update(struct core *core) {
    bool wanted = atom_load_relaxed(&core->server->verbosity) >= 2;
    core->engine_config.log = wanted ? core_log : NULL;
}

/* A core that has nothing to do for a while holds no buffers. */
static void core_trim(struct core *core, unsigned events) {
    if (events != 0 || core->more) {
        core->busy_at = core->now;
        core->trimmed = false;
    } else if (!core->trimmed && core->now - core->busy_at >= CORE_TRIM_AFTER_S) {
        buffers_trim(&core->engine.buffers);
        io_trim(core->io);
        trim_heap();
        core->trimmed = true;
    }
}

void core_step(struct core *core) {
    unsigned count = io_turn(core->io, core->events, CORE_EVENTS_MAX, core_wait_ns(core));
    uint32_t before = core->now;
    core->now_ns = io_now_ns(core->io);
    core->now = server_clock(core->server, core->now_ns);
    core_log_update(core);
    watch_core_update(core);
    engine_turn_begin(&core->engine, core->now);
    bool more = connection_tls_step(core);
    for (unsigned i = 0; i < count; i++) {
        core_event(core, &core->events[i]);
    }
    more |= core->tls.first != NULL;
    more |= engine_resume(&core->engine);
    if (core->tasks != NULL) {
        more |= tasks_run(core);
    }
    engine_flush(&core->engine);
    if (core->now != before) {
        core_listeners_update(core);
    }
    core_inspect(core);
    core_settle(core);
    connection_table_recycle(&core->connections); /* before the drain looks whether any is left */
    core_drain(core);
    more |= core_upkeep(core) || core->inspect_count != 0;
    engine_turn_end(&core->engine);
    if (store_housekeeping_due(core->server->store)) {
        server_wake(core->server);
    }
    core->more = more;
    core_trim(core, count);
    counter_add(&core->counters.turns_busy, count != 0 || more);
}

void core_run(struct core *core) {
    while (!core->finished) {
        core_step(core);
    }
}

/* -- life -------------------------------------------------------------------------------------- */

struct core *core_create(struct server *server, unsigned index) {
    /* pages of its own, untouched as yet: malloc's may lie on another node already */
    void *memory = mmap(NULL, sizeof(struct core), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (server->plan != NULL) {
        unsigned node = server->plan->cores[index].node;
        (void)topology_prefer_memory(server->plan, node, memory, sizeof(struct core));
    }
    struct core *core = memory;
    core->server = server;
    core->index = index;
    mailbox_init(&core->mailbox);
    prefixes_init(&core->prefixes);
    watch_core_init(core);
    return core;
}

void core_destroy(struct core *core) {
    prefixes_fini(&core->prefixes);
    munmap(core, sizeof(*core));
}

/* memcached's -R counts requests of one wake-up, with a system call each; here a turn serves every
 * connection that has sent something, so a share is larger: 4000 by default. Who asks for less than
 * the default gets it to the letter. */
static uint32_t core_turn_requests_max(const struct settings *settings) {
    uint64_t requests = settings->requests_per_turn_max;
    requests *= requests < CORE_TURN_REQUESTS_LITERAL ? 1 : CORE_TURN_REQUESTS_A_SHARE;
    return requests > UINT32_MAX ? UINT32_MAX : (uint32_t)requests;
}

static void core_engine_config(struct core *core) {
    const struct settings *settings = core->server->settings;
    static const enum parser_protocol protocols[] = {
        [SETTINGS_PROTOCOL_AUTO] = PARSER_AUTO,
        [SETTINGS_PROTOCOL_ASCII] = PARSER_ASCII_ONLY,
        [SETTINGS_PROTOCOL_BINARY] = PARSER_BINARY_ONLY,
    };
    core->engine_config = (struct engine_config){
        .protocol = protocols[settings->protocol],
        .turn_requests_max = core_turn_requests_max(settings),
        .connection_bytes_max = settings->read_buffers_bytes_max / core->server->core_count,
        .epoch = core->server->epoch,
        .version = SERVER_MEMCACHED_VERSION,
        .flush_enabled = settings->flush_enabled,
        .auth = settings->auth_path != NULL || settings->sasl_enabled ? &core->server->auth
                                                                      : NULL,
        .admin = &core->server->hooks,
        .log_context = core,
    };
}

int core_start(struct core *core, struct io *io) {
    struct server *server = core->server;
    core->io = io;
    if (!connection_table_init(&core->connections, server_connections_bound(server))) {
        return ENOMEM;
    }
    core->store_core = store_core_create(server->store, core->index);
    if (core->store_core == NULL) {
        return ENOMEM;
    }
    core_engine_config(core);
    engine_init(&core->engine, &core->engine_config, server->store, core->store_core);
    core->now_ns = io_now_ns(io);
    core->now = server_clock(server, core->now_ns);
    core->inspected_at = core->now;
    return 0;
}

int core_listen(struct core *core, uint32_t index) {
    if (core->listener_count == IO_LISTENERS_MAX) {
        return EMFILE;
    }
    struct core_listener *listener = &core->listeners[core->listener_count];
    *listener = (struct core_listener){.core = core, .index = index};
    int error = io_listen_start(core->io, core->server->listeners[index].fd, listener,
                                &listener->io);
    if (error != 0) {
        return error;
    }
    core->listener_count++;
    core->listeners_open++;
    counter_add(&core->counters.connections_total, 1); /* as memcached counts */
    return 0;
}

static void core_sessions_drop(struct core *core) {
    engine_turn_begin(&core->engine, core->now);
    struct connection *connection;
    for (uint32_t i = 0; (connection = connection_table_at(&core->connections, i)) != NULL; i++) {
        unsigned state = atom_load_relaxed(&connection->state);
        if (state == CONNECTION_OPEN || state == CONNECTION_CLOSING) {
            connection_abandon(connection);
        }
    }
    engine_turn_end(&core->engine);
}

void core_stop(struct core *core) {
    struct mail mail;
    while (core->io != NULL && mailbox_take(&core->mailbox, &mail)) {
        io_fd_close(core->io, mail.fd); /* handed over after this core had finished */
        atom_fetch_sub(&core->connections_assigned, 1);
        server_connection_leave(core->server, core->now_ns);
    }
    /* first the kernel lets go of everything, then its owners do */
    io_destroy(core->io);
    core->io = NULL;
    if (core->store_core != NULL) {
        core_sessions_drop(core);
        engine_fini(&core->engine);
        store_core_destroy(core->store_core);
        core->store_core = NULL;
    }
    connection_table_fini(&core->connections);
    free(core->tls.plain);
    core->tls.plain = NULL;
}
