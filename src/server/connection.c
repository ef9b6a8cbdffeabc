/* larder: one client's connection on its core */
#include "src/server/connection.h"

#include <errno.h>
#include <string.h>

#include "src/engine/engine.h"
#include "src/server/core.h"
#include "src/server/server.h"
#include "src/server/tls.h"

/* A lent value may be on its way for so long (store seconds), then it is copied or dropped. */
enum { CONNECTION_LOAN_S_MAX = 10 };

const char *connection_reason_text(enum connection_reason reason) {
    static const char *const texts[] = {
#define REASON(NAME, text) [CONNECTION_##NAME] = text,
#include "src/server/reasons.def"
#undef REASON
    };
    ASSERT(reason < CONNECTION_REASONS);
    return texts[reason];
}

static unsigned connection_state_of(const struct connection *connection) {
    return atom_load_relaxed(&connection->state);
}

static void connection_state_set(struct connection *connection, enum connection_state state) {
    atom_store_relaxed(&connection->state, (uint8_t)state);
}

/* `more` is 1, or UINT32_MAX for one less. */
static void connection_sends_add(struct core *core, uint32_t more) {
    atom_own_add(&core->connections.sends, more);
}

void connection_mark(struct connection *connection) {
    if (!connection->dirty) {
        connection->dirty = true;
        connection->dirty_next = connection->core->dirty;
        connection->core->dirty = connection;
    }
}

/* The parser takes the protocol of -B; an address of -l may have named its own. */
static void connection_session_init(struct connection *connection, uint32_t listener) {
    struct core *core = connection->core;
    session_init(&connection->session, &core->engine, connection);
    static const enum parser_protocol protocols[] = {
        [SETTINGS_PROTOCOL_AUTO] = PARSER_AUTO,
        [SETTINGS_PROTOCOL_ASCII] = PARSER_ASCII_ONLY,
        [SETTINGS_PROTOCOL_BINARY] = PARSER_BINARY_ONLY,
    };
    enum parser_protocol wanted = protocols[core->server->listeners[listener].protocol];
    if (wanted != core->engine_config.protocol) {
        parser_init(&connection->session.parser, wanted, ENGINE_VALUE_BYTES_INLINE_MAX);
    }
}

static const char *connection_protocol_text(const struct server *server, uint32_t listener) {
    switch (server->listeners[listener].protocol) {
    case SETTINGS_PROTOCOL_ASCII:
        return "ascii";
    case SETTINGS_PROTOCOL_BINARY:
        return "binary";
    default:
        return "auto-negotiating";
    }
}

static void connection_refuse(struct core *core, int fd) {
    io_fd_close(core->io, fd);
    atom_fetch_sub(&core->connections_assigned, 1);
    counter_add(&core->counters.accept_errors, 1);
    server_connection_leave(core->server, core->now_ns);
}

void connection_open(struct core *core, int fd, uint32_t listener) {
    struct connection *connection = connection_table_take(&core->connections);
    if (connection == NULL) {
        connection_refuse(core, fd);
        return;
    }
    connection->core = core;
    if (io_conn_open(core->io, fd, connection, &connection->io) != 0) {
        connection_table_give(&core->connections, connection);
        connection_refuse(core, fd);
        return;
    }
    atom_store_relaxed(&connection->listener, listener);
    atom_store_relaxed(&connection->active_at, core->now);
    atom_store_relaxed(&connection->fd, fd);
    connection_state_set(connection, CONNECTION_OPEN);
    connection_session_init(connection, listener);
    atom_store_relaxed(&connection->phase, (uint8_t)SESSION_READS);
    counter_add(&core->counters.connections_total, 1);
    server_log(core->server, 2, "<%d new %s client connection", fd,
               connection_protocol_text(core->server, listener));
    if ((core->watch_streams & WATCH_CONNEVENTS) != 0) {
        watch_connection(connection, false);
    }
    connection->receive = RECEIVE_STREAM;
    io_recv_start(connection->io);
    if (!connection_tls_open(connection, listener)) {
        connection_close(connection, CONNECTION_REASON_MEMORY);
    }
}

const char *connection_phase_text(unsigned phase) {
    static const char *const texts[] = {
        [SESSION_READS] = "conn_read",
        [SESSION_READS_VALUE] = "conn_nread",
        [SESSION_WATCHES] = "conn_watch",
    };
    return texts[phase];
}

void connection_close(struct connection *connection, enum connection_reason reason) {
    if (connection_state_of(connection) != CONNECTION_OPEN) {
        return;
    }
    server_log(connection->core->server, 3, "%d: going from %s to conn_closing",
               atom_load_relaxed(&connection->fd),
               connection_phase_text(atom_load_relaxed(&connection->phase)));
    connection_state_set(connection, CONNECTION_CLOSING);
    connection->reason = (uint8_t)reason;
    if ((connection->core->watch_streams & WATCH_CONNEVENTS) != 0) {
        watch_connection(connection, true);
    }
    io_close(connection->io);
}

/* The kernel holds nothing of this connection any more. */
static void connection_closed(struct connection *connection) {
    struct core *core = connection->core;
    ASSERT(connection_state_of(connection) == CONNECTION_CLOSING);
    server_log(core->server, 2, "<%d connection closed.", atom_load_relaxed(&connection->fd));
    if (connection->sending) {
        connection_sends_add(core, UINT32_MAX);
    }
    if (connection->receive == RECEIVE_DIRECT) {
        session_received_direct(&connection->session, 0);
    }
    session_fini(&connection->session);
    connection_tls_close(connection);
    connection_op_give(&core->connections, &connection->send_op);
    connection_op_give(&core->connections, &connection->receive_op);
    atom_store_relaxed(&connection->fd, -1);
    connection_state_set(connection, CONNECTION_CLOSED);
    connection->slot_next = core->connections.closed;
    core->connections.closed = connection;
    atom_fetch_sub(&core->connections_assigned, 1);
    server_connection_leave(core->server, core->now_ns);
}

void connection_abandon(struct connection *connection) {
    connection_state_set(connection, CONNECTION_CLOSING);
    connection_closed(connection);
}

/* -- events ------------------------------------------------------------------------------------ */

static void connection_received_bytes(struct connection *connection, size_t bytes) {
    counter_add(&connection->core->counters.bytes_read, bytes);
    atom_store_relaxed(&connection->active_at, connection->core->now);
}

/* The end of the stream, or an error, in either way of receiving. */
static void connection_receive_ended(struct connection *connection, int error) {
    if (connection->receive != RECEIVE_STOPPING) {
        connection->receive = RECEIVE_IDLE;
    }
    connection->ended = true;
    if (!connection->tls_queued) {
        session_end_input(&connection->session);
    }
    if (error != 0) {
        connection_close(connection, CONNECTION_REASON_RECEIVE);
    }
}

static void connection_received(struct connection *connection, const struct io_event *event) {
    if (event->error != 0 || event->length == 0) {
        connection_receive_ended(connection, event->error);
        return;
    }
    connection->heard = true;
    connection->core->heard = true;
    if (connection->tls != NULL) {
        connection_tls_received(connection, event->data, event->length);
        return;
    }
    connection_received_bytes(connection, event->length);
    session_feed(&connection->session, event->data, event->length);
}

static void connection_received_into(struct connection *connection, const struct io_event *event) {
    connection->receive = RECEIVE_IDLE;
    connection_received_bytes(connection, event->length);
    session_received_direct(&connection->session, event->length);
    connection_op_give(&connection->core->connections, &connection->receive_op);
    if (event->error != 0 || event->length == 0) {
        connection_receive_ended(connection, event->error);
    }
}

static void connection_sent(struct connection *connection, const struct io_event *event) {
    struct core *core = connection->core;
    uint64_t bytes = event->error == 0 ? connection->send_bytes : event->length;
    connection->sending = false;
    connection_sends_add(core, UINT32_MAX);
    connection_op_give(&core->connections, &connection->send_op);
    if (connection->tls != NULL) {
        tls_sent(connection->tls, bytes);
        bytes = 0; /* what the session said left it when it was encrypted */
    }
    counter_add(&core->counters.bytes_written, bytes);
    session_sent(&connection->session, bytes);
    if (event->error != 0 && event->error != ECANCELED) {
        connection_close(connection, CONNECTION_REASON_SEND);
        return;
    }
    if (connection->recalled) {
        connection->recalled = false;
        if (!reply_recall(&connection->session.reply, core->server->store, core->store_core,
                          connection->send_started + 1)) {
            connection_close(connection, CONNECTION_REASON_MEMORY);
        }
    }
}

void connection_event(struct connection *connection, const struct io_event *event) {
    if (event->kind == IO_CLOSED) {
        connection_closed(connection);
        return;
    }
    if (connection_state_of(connection) != CONNECTION_OPEN) {
        return;
    }
    connection_mark(connection);
    switch (event->kind) {
    case IO_RECEIVED:
        connection_received(connection, event);
        break;
    case IO_RECV_STOPPED:
        connection->receive = RECEIVE_IDLE;
        break;
    case IO_RECEIVED_INTO:
        connection_received_into(connection, event);
        break;
    case IO_SENT:
        connection_sent(connection, event);
        break;
    default:
        ASSERT(false && "an event that is not a connection's");
    }
}

/* -- settling ---------------------------------------------------------------------------------- */

static uint64_t connection_bytes(const struct iovec *iovecs, unsigned count) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += iovecs[i].iov_len;
    }
    return bytes;
}

static unsigned connection_output(struct connection *connection, struct iovec *iovecs,
                                  unsigned count) {
    return connection->tls != NULL ? tls_output(connection->tls, iovecs, count)
                                   : session_output(&connection->session, iovecs, count);
}

static void connection_send(struct connection *connection) {
    struct core *core = connection->core;
    struct iovec *iovecs = connection->small;
    unsigned count = connection_output(connection, iovecs, CONNECTION_IOVECS_SMALL);
    if (count == CONNECTION_IOVECS_SMALL) {
        connection->send_op = connection_op_take(&core->connections);
        if (connection->send_op != NULL) {
            iovecs = connection->send_op->iovecs;
            count = connection_output(connection, iovecs, CONNECTION_IOVECS_MAX);
        }
    }
    if (count == 0) {
        return;
    }
    connection->send_bytes = connection_bytes(iovecs, count);
    connection->send_started = core->now;
    connection->sending = true;
    connection_sends_add(core, 1);
    counter_add(&core->counters.sends, 1);
    io_send(connection->io, iovecs, count);
}

static bool connection_receive_direct(struct connection *connection) {
    struct core *core = connection->core;
    connection->receive_op = connection_op_take(&core->connections);
    if (connection->receive_op == NULL) {
        return false;
    }
    _Static_assert((int)SESSION_DIRECT_SPANS_MAX <= (int)CONNECTION_IOVECS_MAX, "they fit");
    unsigned count = session_direct_space(&connection->session, connection->receive_op->iovecs,
                                          SESSION_DIRECT_SPANS_MAX);
    if (count == 0) {
        connection_op_give(&core->connections, &connection->receive_op);
        return false;
    }
    connection->receive = RECEIVE_DIRECT;
    counter_add(&core->counters.receives_direct, 1);
    io_recv_into(connection->io, connection->receive_op->iovecs, count);
    return true;
}

/* Brings receiving into the state that the session wants. */
static void connection_receive(struct connection *connection, unsigned wants) {
    bool stream = (wants & (SESSION_WANTS_PAUSE | SESSION_WANTS_DIRECT | SESSION_WANTS_CLOSE)) == 0;
    if (connection->ended) {
        return;
    }
    switch (connection->receive) {
    case RECEIVE_STREAM:
        if (!stream) {
            connection->receive = RECEIVE_STOPPING;
            counter_add(&connection->core->counters.receives_stopped, 1);
            io_recv_stop(connection->io);
        }
        break;
    case RECEIVE_IDLE:
        if ((wants & (SESSION_WANTS_PAUSE | SESSION_WANTS_CLOSE)) != 0 ||
            ((wants & SESSION_WANTS_DIRECT) != 0 && connection_receive_direct(connection))) {
            break;
        }
        connection->receive = RECEIVE_STREAM;
        io_recv_start(connection->io);
        break;
    case RECEIVE_STOPPING:
        if (stream) {
            connection->receive = RECEIVE_STREAM;
            io_recv_start(connection->io);
        }
        break;
    default:
        break;
    }
}

/* Everything that came was executed and everything answered has left. */
static bool connection_is_quiet(const struct connection *connection) {
    const struct session *session = &connection->session;
    if (connection->tls_failed) {
        return !connection->sending && tls_output_bytes(connection->tls) == 0;
    }
    return !connection->sending && !session->ready && !session->stalled && session->pending == 0 &&
           reply_is_empty(&session->reply) && connection_tls_is_quiet(connection);
}

static enum connection_reason connection_reason_of(const struct connection *connection) {
    static const enum connection_reason reasons[] = {
        [SESSION_OPEN] = CONNECTION_REASON_NORMAL,
        [SESSION_CLOSE_NORMAL] = CONNECTION_REASON_NORMAL,
        [SESSION_CLOSE_ERROR] = CONNECTION_REASON_ERROR,
        [SESSION_CLOSE_SHUTDOWN] = CONNECTION_REASON_SHUTDOWN,
        [SESSION_CLOSE_IDLE] = CONNECTION_REASON_IDLE,
        [SESSION_CLOSE_MEMORY] = CONNECTION_REASON_MEMORY,
    };
    if (connection->core->draining) {
        return CONNECTION_REASON_SHUTDOWN;
    }
    return connection->tls_failed ? CONNECTION_REASON_TLS
                                  : reasons[connection->session.close_reason];
}

/* ThreadSanitizer must not see the kernel write where a reader may still look (it checks afterwards
 * that what it saw was whole): in that build every value is copied. */
static unsigned connection_wants(const struct connection *connection) {
    unsigned wants = session_wants(&connection->session);
    wants = LARDER_TSAN ? wants & ~(unsigned)SESSION_WANTS_DIRECT : wants;
    return connection->tls != NULL ? connection_tls_wants(connection, wants) : wants;
}

static void connection_phase_set(struct connection *connection) {
    unsigned before = atom_load_relaxed(&connection->phase);
    unsigned phase = session_phase(&connection->session);
    if (phase != before) {
        server_log(connection->core->server, 3, "%d: going from %s to %s",
                   atom_load_relaxed(&connection->fd), connection_phase_text(before),
                   connection_phase_text(phase));
        atom_store_relaxed(&connection->phase, (uint8_t)phase);
    }
}

void connection_settle(struct connection *connection) {
    if (connection_state_of(connection) != CONNECTION_OPEN) {
        return;
    }
    struct core *core = connection->core;
    if (connection->tls != NULL) {
        connection_tls_encrypt(connection);
    }
    unsigned wants = connection_wants(connection);
    connection_phase_set(connection);
    if ((wants & SESSION_WANTS_ABORT) != 0) {
        connection_close(connection, connection_reason_of(connection));
        return;
    }
    if ((wants & SESSION_WANTS_SEND) != 0 && !connection->sending) {
        connection_send(connection);
    }
    if (connection->session.ready) {
        counter_add(&core->counters.yields, 1);
    }
    bool close = (wants & SESSION_WANTS_CLOSE) != 0 || core->draining;
    if (close && connection->tls != NULL && connection_is_quiet(connection) &&
        connection_tls_farewell(connection)) {
        connection_send(connection);
    }
    if (close && connection_is_quiet(connection)) {
        connection_close(connection, connection_reason_of(connection));
        return;
    }
    connection_receive(connection, wants);
}

static bool connection_is_idle(const struct connection *connection) {
    const struct session *session = &connection->session;
    return session_is_idle(session) && session->close_reason == SESSION_OPEN &&
           !connection->sending && connection_tls_is_quiet(connection);
}

void connection_inspect(struct connection *connection) {
    struct core *core = connection->core;
    if (connection_state_of(connection) != CONNECTION_OPEN) {
        return;
    }
    uint32_t idle_s = core->now - atom_load_relaxed(&connection->active_at);
    uint32_t idle_s_max = core->server->settings->idle_timeout_s;
    if (connection->heard && idle_s == 0) {
        core->heard = true; /* when it is silent */
    } else if (connection->heard) {
        connection->heard = false;
        io_recv_check(connection->io);
    }
    if (idle_s_max != 0 && idle_s > idle_s_max && connection_is_idle(connection)) {
        counter_add(&core->counters.connections_kicked, 1);
        session_close(&connection->session, SESSION_CLOSE_IDLE); /* as if the client had quit */
        return;
    }
    if (session_login_is_overdue(&connection->session)) {
        connection_close(connection, CONNECTION_REASON_LOGIN);
        return;
    }
    if (connection_tls_is_overdue(connection)) {
        connection_close(connection, CONNECTION_REASON_TLS);
        return;
    }
    if (connection->sending && !connection->recalled &&
        core->now - connection->send_started > CONNECTION_LOAN_S_MAX) {
        connection->recalled = true;
        counter_add(&core->counters.sends_recalled, 1);
        io_send_cancel(connection->io);
    }
}
