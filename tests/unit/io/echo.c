/* larder: a server that sends back what it receives */
#include "tests/unit/io/echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"

enum { LARGE_EVERY = 3 };

struct echo_conn {
    struct echo *echo;
    struct io_conn *conn;
    size_t held; /* bytes of the output, of which the first `sending` are with the kernel */
    size_t sending;
    struct iovec out;
    struct iovec in;
    unsigned stops;
    bool receiving;
    bool stopping;
    bool direct;
    bool ended;
    bool closing;
    uint8_t bytes[ECHO_BYTES];
    uint8_t direct_bytes[ECHO_DIRECT_BYTES];
};

static void trace(struct echo *echo, const void *bytes, size_t count) {
    const uint8_t *at = bytes;

    for (size_t i = 0; i < count; i++) {
        echo->trace = (echo->trace ^ at[i]) * 0x100000001B3u;
    }
}

void echo_init(struct echo *echo, struct io *io, int listening_fd) {
    *echo = (struct echo){.io = io, .trace = 0xCBF29CE484222325u};
    if (listening_fd >= 0) {
        ASSERT(io_listen_start(io, listening_fd, NULL, &echo->listener) == 0);
    }
}

void echo_adopt(struct echo *echo, int fd) {
    struct echo_conn *conn = calloc(1, sizeof(*conn));

    ASSERT(conn != NULL);
    conn->echo = echo;
    ASSERT(io_conn_open(echo->io, fd, conn, &conn->conn) == 0);
    echo->conns++;
    conn->receiving = true;
    io_recv_start(conn->conn);
}

static void send_more(struct echo_conn *conn) {
    if (conn->sending > 0 || conn->held == 0 || conn->closing) {
        return;
    }
    conn->sending = conn->held;
    conn->out = (struct iovec){.iov_base = conn->bytes, .iov_len = conn->held};
    io_send(conn->conn, &conn->out, 1);
}

/* Takes up receiving when the output is small again; closes when all is said. */
static void conn_go_on(struct echo_conn *conn) {
    send_more(conn);
    if (conn->closing || conn->sending > 0 || conn->held > 0) {
        return;
    }
    if (conn->ended) {
        if (!conn->stopping && !conn->direct) {
            conn->closing = true;
            io_close(conn->conn);
        }
    } else if (!conn->receiving && !conn->stopping && !conn->direct) {
        conn->receiving = true;
        io_recv_start(conn->conn);
    }
}

static void stop_perhaps(struct echo_conn *conn) {
    if (conn->receiving && conn->held >= ECHO_HIGH_BYTES) {
        conn->receiving = false;
        conn->stopping = true;
        io_recv_stop(conn->conn);
    }
}

static void received(struct echo_conn *conn, const struct io_event *event) {
    if (event->error != 0) {
        conn->closing = true;
        io_close(conn->conn);
        return;
    }
    if (event->length == 0) {
        conn->ended = true;
        conn->receiving = false;
        conn_go_on(conn);
        return;
    }
    ASSERT(conn->held + event->length <= ECHO_BYTES);
    memcpy(conn->bytes + conn->held, event->data, event->length);
    conn->held += event->length;
    stop_perhaps(conn);
    conn_go_on(conn);
}

static void stopped(struct echo_conn *conn) {
    conn->stopping = false;
    conn->stops++;
    if (!conn->ended && conn->stops % LARGE_EVERY == 0 &&
        conn->held + ECHO_DIRECT_BYTES <= ECHO_BYTES) {
        conn->direct = true;
        conn->in = (struct iovec){.iov_base = conn->direct_bytes, .iov_len = ECHO_DIRECT_BYTES};
        io_recv_into(conn->conn, &conn->in, 1);
        if (conn->stops % (2 * LARGE_EVERY) == 0) {
            io_recv_into_cancel(conn->conn);
        }
        return;
    }
    conn_go_on(conn);
}

static void received_into(struct echo_conn *conn, const struct io_event *event) {
    conn->direct = false;
    if (event->error != 0 && event->error != ECANCELED) {
        conn->closing = true;
        io_close(conn->conn);
        return;
    }
    conn->ended |= event->error == 0 && event->length == 0;
    memcpy(conn->bytes + conn->held, conn->direct_bytes, event->length);
    conn->held += event->length;
    conn_go_on(conn);
}

static void sent(struct echo_conn *conn, const struct io_event *event) {
    if (event->error != 0) {
        conn->closing = true;
        io_close(conn->conn);
        return;
    }
    ASSERT(event->length == conn->sending);
    memmove(conn->bytes, conn->bytes + conn->sending, conn->held - conn->sending);
    conn->held -= conn->sending;
    conn->sending = 0;
    conn_go_on(conn);
}

static void conn_event(struct echo *echo, struct echo_conn *conn, const struct io_event *event) {
    if (event->kind == IO_CLOSED) {
        echo->conns--;
        echo->conns_served++;
        free(conn);
        return;
    }
    if (conn->closing) {
        return; /* of the same array as what made us close */
    }
    switch (event->kind) {
    case IO_RECEIVED:
        received(conn, event);
        break;
    case IO_RECV_STOPPED:
        stopped(conn);
        break;
    case IO_RECEIVED_INTO:
        received_into(conn, event);
        break;
    default:
        ASSERT(event->kind == IO_SENT);
        sent(conn, event);
        break;
    }
}

static void event_take(struct echo *echo, const struct io_event *event) {
    switch (event->kind) {
    case IO_ACCEPTED:
        if (event->error != 0) {
            echo->accept_errors++;
            io_listen_resume(echo->listener);
        } else {
            echo_adopt(echo, event->fd);
        }
        break;
    case IO_LISTEN_CLOSED:
        echo->finished = true;
        break;
    case IO_DOORBELL:
        break;
    default:
        conn_event(echo, event->owner, event);
        break;
    }
}

unsigned echo_step(struct echo *echo, int64_t wait_ns_max) {
    struct io_event events[ECHO_EVENTS];
    unsigned count = io_turn(echo->io, events, ECHO_EVENTS, wait_ns_max);
    int64_t now_ns = io_now_ns(echo->io);

    if (count > 0) {
        trace(echo, &now_ns, sizeof(now_ns));
    }
    for (unsigned i = 0; i < count; i++) {
        trace(echo, &events[i].kind, sizeof(events[i].kind));
        trace(echo, &events[i].error, sizeof(events[i].error));
        trace(echo, &events[i].length, sizeof(events[i].length));
        event_take(echo, &events[i]);
    }
    echo->events += count;
    return count;
}

void echo_stop(struct echo *echo) {
    io_listen_stop(echo->listener);
}
