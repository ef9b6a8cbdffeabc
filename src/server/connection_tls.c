/* larder: connections that speak TLS: between io's events and the session
 *
 * A handshake costs a core more than thousands of requests. So a step of the core spends
 * HANDSHAKE_NS_MAX on them, or one handshake if that is longer; what other clients sent towards
 * theirs is held and waits in a queue, while the core serves everybody else between two of them.
 *
 *     received -- ready ------------------------> tls_read -> session
 *              \- handshake, none waits --------> tls_read -> session
 *               \- handshake, others wait -> held -> queue -> (a later step) tls_read -> session */
#include <stdlib.h>
#include <time.h>

#include "src/engine/engine.h"
#include "src/server/core.h"
#include "src/server/server.h"
#include "src/server/tls.h"
#include "src/server/watch.h"

enum {
    PLAIN_BYTES = 256 * 1024,      /* decrypted in one step before the engine must flush */
    HANDSHAKE_NS_MAX = 100 * 1000, /* a step spends no more on handshakes, or one */
    HELD_BYTES_PAUSE = 32 * 1024,  /* a client that waits for its handshake may send no more */
    OUTPUT_BYTES_MAX = 192 * 1024,
    ENCRYPT_IOVECS = 16,
    FAREWELL_S_MAX = 5,
    NS_A_SECOND = 1000000000,
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_A_SECOND + now.tv_nsec;
}

bool connection_tls_open(struct connection *connection, uint32_t listener) {
    struct core *core = connection->core;
    enum tls_mode mode = core->server->listeners[listener].tls;
    if (mode == TLS_MODE_OFF) {
        return true;
    }
    if (core->tls.plain == NULL) {
        core->tls.plain = malloc(PLAIN_BYTES);
    }
    if (core->tls.plain != NULL) {
        connection->tls =
            tls_create(core->server->tls, mode, &core->engine.buffers, core->now);
    }
    return connection->tls != NULL;
}

void connection_tls_close(struct connection *connection) {
    struct core_tls *shared = &connection->core->tls;
    struct connection *before = NULL;
    for (struct connection *at = shared->first; connection->tls_queued && at != NULL;
         at = at->tls_next) {
        if (at == connection) {
            *(before != NULL ? &before->tls_next : &shared->first) = at->tls_next;
            shared->last = shared->last == at ? before : shared->last;
            break;
        }
        before = at;
    }
    connection->tls_queued = false;
    tls_destroy(connection->tls);
    connection->tls = NULL;
}

/* -- input ------------------------------------------------------------------------------------- */

static void connection_tls_failed(struct connection *connection, bool handshake) {
    struct core *core = connection->core;
    connection->tls_failed = true;
    counter_add(handshake ? &core->counters.tls_handshake_errors : &core->counters.tls_proto_errors,
                1);
    server_log(core->server, 1, "<%d TLS %s: %s", atom_load_relaxed(&connection->fd),
               handshake ? "handshake failed" : "failed", tls_failure(connection->tls));
    watch_tls_failed(connection, tls_failure(connection->tls));
}

/* Decrypts what fits; returns how it ended, with the plain text fed to the session. */
static enum tls_progress connection_tls_read_some(struct connection *connection) {
    struct core *core = connection->core;
    struct core_tls *shared = &core->tls;
    enum tls_progress progress;
    size_t total = 0;
    if (PLAIN_BYTES - shared->plain_used < TLS_READ_BYTES_MIN) {
        engine_flush(&core->engine); /* nobody needs what stands there any more */
        shared->plain_used = 0;
    }
    uint8_t *plain = shared->plain + shared->plain_used;
    do {
        size_t got;
        progress = tls_read(connection->tls, plain + total,
                            PLAIN_BYTES - shared->plain_used - total, &got);
        total += got;
    } while (progress == TLS_GOT &&
             PLAIN_BYTES - shared->plain_used - total >= TLS_READ_BYTES_MIN);
    shared->plain_used += total;
    if (total > 0) {
        counter_add(&core->counters.bytes_read, total);
        atom_store_relaxed(&connection->active_at, core->now);
        session_feed(&connection->session, plain, total);
    }
    return progress;
}

static void connection_tls_read(struct connection *connection) {
    bool handshake = !tls_is_ready(connection->tls);
    enum tls_progress progress;
    do {
        progress = connection_tls_read_some(connection);
    } while (progress == TLS_GOT && connection->session.close_reason == SESSION_OPEN);
    if (handshake && tls_is_ready(connection->tls)) {
        counter_add(&connection->core->counters.tls_handshakes, 1);
        counter_add(&connection->core->counters.tls_sessions_new,
                    !tls_was_resumed(connection->tls));
        handshake = false;
    }
    if (progress == TLS_FAILED) {
        connection_tls_failed(connection, handshake);
    } else if (progress == TLS_ENDED) {
        session_end_input(&connection->session);
    }
}

/* A step towards the end of a handshake, timed. */
static void connection_tls_shake(struct connection *connection) {
    int64_t before_ns = now_ns();
    connection_tls_read(connection);
    connection->core->tls.handshake_ns += now_ns() - before_ns;
}

static void connection_tls_wait(struct connection *connection, const uint8_t *data,
                                size_t bytes) {
    struct core_tls *shared = &connection->core->tls;
    if (!tls_hold(connection->tls, data, bytes)) {
        connection_close(connection, CONNECTION_REASON_MEMORY);
        return;
    }
    if (connection->tls_queued) {
        return;
    }
    counter_add(&connection->core->counters.tls_handshakes_deferred, 1);
    connection->tls_queued = true;
    connection->tls_next = NULL;
    *(shared->last != NULL ? &shared->last->tls_next : &shared->first) = connection;
    shared->last = connection;
}

void connection_tls_received(struct connection *connection, const uint8_t *data, size_t bytes) {
    struct core_tls *shared = &connection->core->tls;
    if (connection->tls_failed || connection->session.close_reason != SESSION_OPEN) {
        return;
    }
    if (tls_is_ready(connection->tls) && !connection->tls_queued) {
        tls_feed(connection->tls, data, bytes);
        connection_tls_read(connection);
    } else if (shared->first == NULL && shared->handshake_ns < HANDSHAKE_NS_MAX) {
        tls_feed(connection->tls, data, bytes);
        connection_tls_shake(connection);
    } else {
        connection_tls_wait(connection, data, bytes);
    }
}

bool connection_tls_step(struct core *core) {
    struct core_tls *shared = &core->tls;
    shared->handshake_ns = 0;
    shared->plain_used = 0;
    while (shared->first != NULL && shared->handshake_ns < HANDSHAKE_NS_MAX) {
        struct connection *connection = shared->first;
        shared->first = connection->tls_next;
        shared->last = shared->first == NULL ? NULL : shared->last;
        connection->tls_queued = false;
        if (atom_load_relaxed(&connection->state) != CONNECTION_OPEN) {
            continue;
        }
        tls_feed_held(connection->tls);
        connection_tls_shake(connection);
        tls_held_drop(connection->tls);
        if (connection->ended) {
            session_end_input(&connection->session); /* the end waited for what came before it */
        }
        connection_mark(connection);
    }
    return shared->first != NULL;
}

/* -- output ------------------------------------------------------------------------------------ */

/* Of the operator's wish as much as larder's blocks hold; larger sends cost less. */
static size_t connection_tls_output_bytes_max(const struct connection *connection) {
    uint64_t wish = connection->core->server->settings->tls_write_bytes;
    if (wish < TLS_OUTPUT_BYTES_MIN) {
        return TLS_OUTPUT_BYTES_MIN;
    }
    return wish < OUTPUT_BYTES_MAX ? (size_t)wish : OUTPUT_BYTES_MAX;
}

/* Lent values are read here, in this step, and never while they are sent: what leaves is a copy. */
void connection_tls_encrypt(struct connection *connection) {
    struct core *core = connection->core;
    struct session *session = &connection->session;
    size_t output_bytes_max = connection_tls_output_bytes_max(connection);
    if (connection->tls_failed || !tls_is_ready(connection->tls)) {
        return;
    }
    while (tls_output_bytes(connection->tls) < output_bytes_max) {
        struct iovec iovecs[ENCRYPT_IOVECS];
        unsigned count = session_output(session, iovecs, ENCRYPT_IOVECS);
        size_t taken =
            count == 0 ? 0 : tls_write(connection->tls, iovecs, count, output_bytes_max);
        if (taken == 0) {
            break;
        }
        counter_add(&core->counters.bytes_written, taken);
        reply_sent(&session->reply, core->store_core, taken);
    }
}

unsigned connection_tls_wants(const struct connection *connection, unsigned wants) {
    const struct tls *tls = connection->tls;
    if (tls_is_broken(tls)) {
        return SESSION_WANTS_ABORT;
    }
    wants &= ~(unsigned)(SESSION_WANTS_DIRECT | SESSION_WANTS_SEND);
    if (connection->tls_failed) {
        wants = SESSION_WANTS_CLOSE;
    }
    if (connection->tls_queued) {
        wants &= ~(unsigned)SESSION_WANTS_CLOSE;
        wants |= tls_held_bytes(tls) > HELD_BYTES_PAUSE ? SESSION_WANTS_PAUSE : 0;
    }
    return wants | (tls_output_bytes(tls) > 0 ? SESSION_WANTS_SEND : 0);
}

bool connection_tls_is_quiet(const struct connection *connection) {
    return connection->tls == NULL ||
           (!connection->tls_queued && tls_output_bytes(connection->tls) == 0);
}

bool connection_tls_farewell(struct connection *connection) {
    if (connection->tls_ended || connection->tls_failed) {
        return false;
    }
    connection->tls_ended = true;
    tls_end(connection->tls);
    return tls_output_bytes(connection->tls) > 0;
}

bool connection_tls_is_overdue(const struct connection *connection) {
    struct core *core = connection->core;
    if (connection->tls == NULL) {
        return false;
    }
    if (tls_handshake_is_overdue(connection->tls, core->now)) {
        counter_add(&core->counters.tls_handshake_errors, 1);
        return true;
    }
    return (connection->tls_failed || connection->tls_ended) && connection->sending &&
           core->now - connection->send_started > FAREWELL_S_MAX;
}
