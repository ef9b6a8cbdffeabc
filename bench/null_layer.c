/* larder: the server without a store over larder's own I/O layer
 *
 * What io/ costs above the leanest loops of null_uring.c and null_epoll.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/null.h"
#include "io/io.h"
#include "io/listen.h"

enum { EVENTS = 512, CONNS_MAX = 65536 };

struct layer_conn {
    struct null_conn pending; /* replies that wait for the send in flight */
    struct layer_conn *ready; /* the next that has something to send after this batch */
    struct io_conn *conn;
    bool is_closing;
    struct iovec sending[NULL_PARTS];
};

struct layer_server {
    struct io *io;
    struct io_listener *listener;
    struct layer_conn *ready;
    const struct null_replies *replies;
};

static void close_conn(struct layer_conn *conn) {
    conn->is_closing = true;
    io_close(conn->conn);
}

static bool take_accepted(struct layer_server *server, const struct io_event *event) {
    struct layer_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL || event->error != 0) {
        errno = event->error != 0 ? event->error : ENOMEM;
        return false;
    }
    listen_prepare_accepted(event->fd);
    errno = io_conn_open(server->io, event->fd, conn, &conn->conn);
    if (errno != 0)
        return false;
    io_recv_start(conn->conn);
    return true;
}

static void want_send(struct layer_server *server, struct layer_conn *conn) {
    if (conn->pending.is_sending || conn->pending.is_ready || conn->pending.part_count == 0)
        return;
    conn->pending.is_ready = true;
    conn->ready = server->ready;
    server->ready = conn;
}

static void take_received(struct layer_server *server, struct layer_conn *conn,
                          const struct io_event *event) {
    if (event->error != 0 || event->length == 0 ||
        !null_feed(&conn->pending, server->replies, (const char *)event->data, event->length)) {
        close_conn(conn);
        return;
    }
    want_send(server, conn);
}

static bool take(struct layer_server *server, const struct io_event *event) {
    struct layer_conn *conn = event->owner;
    if (event->kind == IO_ACCEPTED)
        return take_accepted(server, event);
    if (event->kind == IO_CLOSED) {
        free(conn);
        return true;
    }
    if (conn == NULL || conn->is_closing)
        return true;
    if (event->kind == IO_RECEIVED) {
        take_received(server, conn, event);
    } else if (event->kind == IO_SENT) {
        conn->pending.is_sending = false;
        if (event->error != 0)
            close_conn(conn);
        else
            want_send(server, conn);
    }
    return true;
}

static void send_ready(struct layer_server *server) {
    while (server->ready != NULL) {
        struct layer_conn *conn = server->ready;
        server->ready = conn->ready;
        conn->pending.is_ready = false;
        if (conn->is_closing)
            continue;
        memcpy(conn->sending, conn->pending.parts,
               conn->pending.part_count * sizeof(conn->sending[0]));
        conn->pending.is_sending = true;
        io_send(conn->conn, conn->sending, conn->pending.part_count);
        conn->pending.part_count = 0;
    }
}

static bool serve(enum io_backend backend, int listener, const struct null_replies *replies) {
    struct io_config config = {.backend = backend, .conns_max = CONNS_MAX};
    struct layer_server server = {.replies = replies};
    static _Thread_local struct io_event events[EVENTS];
    errno = io_create(&config, &server.io);
    if (errno == 0)
        errno = io_listen_start(server.io, listener, NULL, &server.listener);
    bool ok = errno == 0;
    while (ok) {
        unsigned count = io_turn(server.io, events, EVENTS, -1);
        for (unsigned i = 0; ok && i < count; i++)
            ok = take(&server, &events[i]);
        send_ready(&server);
    }
    return false;
}

bool null_layer_epoll_serve(int listener, const struct null_replies *replies) {
    return serve(IO_BACKEND_EPOLL, listener, replies);
}

bool null_layer_uring_serve(int listener, const struct null_replies *replies) {
    return serve(IO_BACKEND_URING, listener, replies);
}
