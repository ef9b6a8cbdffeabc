/* larder: the simulated back end: what a kernel may do with a core's operations, chosen by seed
 *
 * A connection that may have something to do stands in the work list. A turn goes through the list
 * in random order, withholds some, and gives each of the others at most one receive and one
 * completed send. What is not done stays in the list, so that nothing is ever forgotten. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/sim_core.h"

enum { PERMILLE = 1000, MILLION = 1000000 };

/* back_flags */
enum { SEND_RECALLED = 1u << 0, INTO_RECALLED = 1u << 1 };

static struct sim_io *of(struct io *io) {
    return (struct sim_io *)io;
}

static struct sim_socket *socket_of(const struct io_conn *conn) {
    return sim_socket_of(of(conn->io)->net, conn->fd);
}

static void work_push(struct sim_io *back, struct io_conn *conn) {
    if (conn->in_work) {
        return;
    }
    conn->in_work = true;
    back->work = sim_grow(back->work, back->work_count, &back->work_room, sizeof(back->work[0]));
    back->work[back->work_count++] = conn;
}

void sim_conn_wake(struct io_conn *conn) {
    of(conn->io)->asleep = false;
    if ((conn->marks & IO_MARK_CLOSED) == 0) {
        work_push(of(conn->io), conn);
    }
}

void sim_listener_wake(struct io_listener *listener) {
    of(listener->io)->asleep = false;
    of(listener->io)->listeners_work = true;
}

static void shuffle(struct sim_net *net, struct io_conn **conns, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)sim_net_random(net, i);
        struct io_conn *swapped = conns[i - 1];

        conns[i - 1] = conns[j];
        conns[j] = swapped;
    }
}

/* An allocation of its own for each receive, of exactly its size, freed in the next turn. */
static uint8_t *chunk_make(struct sim_io *back, size_t bytes) {
    uint8_t *chunk = malloc(bytes);

    ASSERT(chunk != NULL);
    back->chunks =
        sim_grow(back->chunks, back->chunks_count, &back->chunks_room, sizeof(back->chunks[0]));
    back->chunks[back->chunks_count++] = chunk;
    return chunk;
}

static void chunks_free(struct sim_io *back) {
    for (size_t i = 0; i < back->chunks_count; i++) {
        free(back->chunks[i]);
    }
    back->chunks_count = 0;
}

static void breaks_perhaps(struct sim_socket *socket) {
    struct sim_net *net = socket->net;

    if (!socket->reset && sim_chance(net, net->config.reset_per_million, MILLION)) {
        sim_socket_reset(socket);
    }
}

static void receive_stream(struct sim_io *back, struct io_conn *conn, struct io_batch *batch) {
    struct sim_socket *socket = socket_of(conn);
    size_t bytes = sim_socket_readable(socket);
    uint8_t *chunk;

    breaks_perhaps(socket);
    if (socket->reset) {
        io_batch_ended(batch, conn, ECONNRESET);
        return;
    }
    if (bytes == 0) {
        if (sim_socket_at_end(socket)) {
            io_batch_ended(batch, conn, 0);
        }
        return;
    }
    if (sim_chance(back->net, back->net->config.lacking_permille, PERMILLE)) {
        atom_own_add(&back->io.counters.buffers_lacking, 1);
        return;
    }
    if (bytes > back->io.config.buffer_bytes) {
        bytes = back->io.config.buffer_bytes;
    }
    bytes = sim_portion(back->net, bytes);
    chunk = chunk_make(back, bytes);
    sim_socket_read(socket, chunk, bytes);
    io_batch_received(batch, conn, chunk, bytes);
}

/* Moves what there is into the parts; returns the bytes. */
static size_t scatter(struct sim_socket *socket, struct io_conn *conn) {
    size_t left = sim_portion(socket->net, sim_socket_readable(socket));
    size_t done = 0;

    for (unsigned i = 0; i < conn->recv_count && left > 0; i++) {
        struct iovec *part = &conn->recv_iov[i];
        size_t bytes = left < part->iov_len ? left : part->iov_len;

        sim_socket_read(socket, part->iov_base, bytes);
        done += bytes;
        left -= bytes;
    }
    return done;
}

static void receive_into(struct io_conn *conn, struct io_batch *batch) {
    struct sim_socket *socket = socket_of(conn);
    bool recalled = (conn->back_flags & INTO_RECALLED) != 0;

    breaks_perhaps(socket);
    if (socket->reset) {
        io_batch_received_into(batch, conn, 0, ECONNRESET);
    } else if (recalled && sim_chance(socket->net, 1, 2)) {
        io_batch_received_into(batch, conn, 0, ECANCELED);
    } else if (sim_socket_readable(socket) > 0) {
        io_batch_received_into(batch, conn, scatter(socket, conn), 0);
    } else if (sim_socket_at_end(socket)) {
        io_batch_received_into(batch, conn, 0, 0);
    } else if (recalled) {
        io_batch_received_into(batch, conn, 0, ECANCELED);
    }
    if (conn->recv_state == IO_RECV_IDLE) {
        conn->back_flags = (uint8_t)(conn->back_flags & ~(unsigned)INTO_RECALLED);
    }
}

/* A stop may let bytes through that were under way. */
static void receive_stopping(struct sim_io *back, struct io_conn *conn, struct io_batch *batch) {
    const struct sim_socket *socket = socket_of(conn);
    bool goes_on = sim_chance(back->net, 1, 2);

    if (goes_on) {
        receive_stream(back, conn, batch);
    }
    if (!goes_on || socket->reset || sim_socket_at_end(socket)) {
        io_conn_mark(conn, IO_MARK_RECV_STOPPED);
    }
}

static void receive(struct sim_io *back, struct io_conn *conn, struct io_batch *batch) {
    if ((conn->marks & IO_MARK_RECV_STOPPED) != 0) {
        return;
    }
    switch (conn->recv_state) {
    case IO_RECV_STREAM:
        receive_stream(back, conn, batch);
        break;
    case IO_RECV_STOPPING:
        receive_stopping(back, conn, batch);
        break;
    case IO_RECV_DIRECT:
        receive_into(conn, batch);
        break;
    default:
        break;
    }
}

/* What a peer that has closed still takes: nothing, or bytes that vanish. */
static void send_to_nobody(struct sim_socket *socket, struct io_conn *conn,
                           struct io_batch *batch) {
    if (sim_chance(socket->net, 1, 2)) {
        io_batch_sent(batch, conn, EPIPE);
        return;
    }
    while (conn->send_count > 0) {
        size_t bytes = conn->send_iov->iov_len;

        conn->send_bytes += bytes;
        io_iov_advance(&conn->send_iov, &conn->send_count, bytes);
    }
    io_batch_sent(batch, conn, 0);
}

/* One part of one send(2), as much as fits. */
static bool send_some(struct sim_socket *socket, struct io_conn *conn) {
    size_t room = sim_socket_room(socket);
    size_t bytes = conn->send_iov->iov_len < room ? conn->send_iov->iov_len : room;

    if (bytes == 0) {
        return false;
    }
    bytes = sim_portion(socket->net, bytes);
    sim_socket_write(socket, conn->send_iov->iov_base, bytes);
    conn->send_bytes += bytes;
    io_iov_advance(&conn->send_iov, &conn->send_count, bytes);
    return true;
}

static void send_on(struct io_conn *conn, struct io_batch *batch) {
    struct sim_socket *socket = socket_of(conn);
    bool recalled = (conn->back_flags & SEND_RECALLED) != 0;

    breaks_perhaps(socket);
    if (socket->reset) {
        io_batch_sent(batch, conn, sim_chance(socket->net, 1, 2) ? EPIPE : ECONNRESET);
        return;
    }
    if (!socket->peer->open) {
        send_to_nobody(socket, conn, batch);
        return;
    }
    while (conn->send_count > 0 && send_some(socket, conn)) {
        if (sim_chance(socket->net, socket->net->config.short_permille, PERMILLE)) {
            atom_own_add(&conn->io->counters.sends_short, 1);
            break;
        }
    }
    if (conn->send_count == 0) {
        io_batch_sent(batch, conn, 0);
    } else if (recalled) {
        io_batch_sent(batch, conn, ECANCELED);
    }
}

/* Until the last completion the kernel may use the memory of what is in flight: so do we, a little.
 */
static void closing_go_on(struct io_conn *conn) {
    struct sim_socket *socket = socket_of(conn);

    if (sim_chance(socket->net, 1, 2)) {
        if (conn->sending && !socket->reset && socket->peer->open) {
            (void)send_some(socket, conn);
        }
        if (conn->recv_state == IO_RECV_DIRECT && sim_socket_readable(socket) > 0) {
            (void)scatter(socket, conn);
            conn->recv_state = IO_RECV_IDLE;
        }
        conn->sending = false;
        work_push(of(conn->io), conn);
        return;
    }
    io_conn_mark(conn, IO_MARK_CLOSED);
}

static bool conn_has_work(const struct io_conn *conn) {
    const struct sim_socket *socket = socket_of(conn);
    bool readable = sim_socket_readable(socket) > 0 || sim_socket_at_end(socket) || socket->reset;

    if (conn->closing) {
        return (conn->marks & IO_MARK_CLOSED) == 0;
    }
    if (conn->recv_state == IO_RECV_STOPPING && (conn->marks & IO_MARK_RECV_STOPPED) == 0) {
        return true;
    }
    if (readable && (conn->recv_state == IO_RECV_STREAM || conn->recv_state == IO_RECV_DIRECT)) {
        return true;
    }
    if ((conn->back_flags & INTO_RECALLED) != 0) {
        return true;
    }
    return conn->sending &&
           (socket->reset || !socket->peer->open || (conn->back_flags & SEND_RECALLED) != 0 ||
            sim_socket_room(socket) > 0);
}

static void conn_progress(struct sim_io *back, struct io_conn *conn, struct io_batch *batch) {
    bool send_first = sim_chance(back->net, 1, 2);

    if (conn->closing) {
        closing_go_on(conn);
        return;
    }
    for (unsigned step = 0; step < 2; step++) {
        if ((step == 0) == send_first) {
            if (conn->sending) {
                send_on(conn, batch);
            }
        } else {
            receive(back, conn, batch);
        }
    }
    if (conn_has_work(conn)) {
        work_push(back, conn);
    }
}

/* Two events a connection at most, so that much room must be left. */
static bool batch_has_room(const struct io_batch *batch) {
    return batch->capacity - batch->count >= 2;
}

static void work_run(struct sim_io *back, struct io_batch *batch) {
    struct io_conn **work = back->work;
    size_t count = back->work_count;

    back->work = NULL;
    back->work_count = 0;
    back->work_room = 0;
    shuffle(back->net, work, count);
    for (size_t i = 0; i < count; i++) {
        work[i]->in_work = false;
        if (!batch_has_room(batch) ||
            sim_chance(back->net, back->net->config.defer_permille, PERMILLE)) {
            work_push(back, work[i]);
        } else {
            conn_progress(back, work[i], batch);
        }
    }
    free(work);
}

/* False when nothing more can be accepted now. */
static bool listener_accept(struct io_listener *listener, struct io_batch *batch) {
    struct sim_net *net = of(listener->io)->net;
    struct sim_socket *socket = sim_socket_of(net, listener->fd);
    struct sim_socket *first;

    if (socket->backlog_count == 0 || listener->state != IO_LISTEN_ACCEPTING) {
        return false;
    }
    if (sim_chance(net, net->config.accept_permille, PERMILLE)) {
        listener->state = IO_LISTEN_PAUSED;
        io_batch_accepted(batch, listener, -1, EMFILE);
        return false;
    }
    first = socket->backlog[0];
    socket->backlog_count--;
    memmove(socket->backlog, socket->backlog + 1, socket->backlog_count * sizeof(first));
    io_batch_accepted(batch, listener, first->fd, 0);
    return true;
}

static void listeners_run(struct sim_io *back, struct io_batch *batch) {
    bool more = false;

    for (unsigned i = 0; i < IO_LISTENERS_MAX; i++) {
        struct io_listener *listener = back->io.listeners[i];

        if (listener == NULL || listener->state == IO_LISTEN_STOPPING) {
            continue;
        }
        if (sim_chance(back->net, back->net->config.defer_permille, PERMILLE)) {
            more = true;
            continue;
        }
        while (batch_has_room(batch) && listener_accept(listener, batch)) {
        }
        more |= listener->state == IO_LISTEN_ACCEPTING && !batch_has_room(batch);
    }
    back->listeners_work = more;
}

static void sim_turn(struct io *io, struct io_batch *batch, int64_t wait_ns_max) {
    struct sim_io *back = of(io);
    struct sim_net *net = back->net;

    back->asleep = false;
    chunks_free(back);
    net->now_ns += net->config.turn_ns;
    sim_net_deliver(net);
    io_marks_deliver(io, batch);
    io_bell_deliver(io, batch);
    if (back->listeners_work) {
        listeners_run(back, batch);
    }
    work_run(back, batch);
    io_marks_deliver(io, batch);
    if (batch->count == 0 && wait_ns_max != 0 && back->work_count == 0 && !back->listeners_work &&
        !io_marks_pending(io) && io_sleep_begin(io)) {
        atom_own_add(&io->counters.sleeps, 1);
        back->asleep = true;
        back->wake_ns = wait_ns_max < 0 || wait_ns_max > INT64_MAX - net->now_ns
                            ? INT64_MAX
                            : net->now_ns + wait_ns_max;
    }
    io->now_ns = net->now_ns;
}

bool sim_io_runnable(const struct io *io) {
    const struct sim_io *back = (const struct sim_io *)io;

    return !back->asleep || back->wake_ns <= back->net->now_ns;
}

static int conn_open(struct io_conn *conn) {
    struct sim_socket *socket = socket_of(conn);

    ASSERT(socket->peer != NULL && socket->conn == NULL);
    socket->conn = conn;
    return 0;
}

static void conn_wake(struct io_conn *conn) {
    sim_conn_wake(conn);
}

static void recv_into_cancel(struct io_conn *conn) {
    conn->back_flags |= INTO_RECALLED;
    sim_conn_wake(conn);
}

static void send_start(struct io_conn *conn) {
    conn->back_flags = (uint8_t)(conn->back_flags & ~(unsigned)SEND_RECALLED);
    sim_conn_wake(conn);
}

static void send_cancel(struct io_conn *conn) {
    conn->back_flags |= SEND_RECALLED;
    sim_conn_wake(conn);
}

static int listen_start(struct io_listener *listener) {
    struct sim_socket *socket = sim_socket_of(of(listener->io)->net, listener->fd);

    ASSERT(socket->peer == NULL && socket->listener == NULL);
    socket->listener = listener;
    sim_listener_wake(listener);
    return 0;
}

static void listen_change(struct io_listener *listener) {
    if (listener->state == IO_LISTEN_STOPPING) {
        sim_socket_of(of(listener->io)->net, listener->fd)->listener = NULL;
        io_listener_mark_closed(listener);
    }
    sim_listener_wake(listener);
}

static void fd_close(struct io *io, int fd) {
    sim_socket_close(sim_socket_of(of(io)->net, fd));
}

static void bell_write(struct io *io) {
    of(io)->asleep = false;
}

static void sim_destroy(struct io *io) {
    struct sim_io *back = of(io);
    struct sim_io **at = &back->net->ios;

    while (*at != back) {
        at = &(*at)->next;
    }
    *at = back->next;
    chunks_free(back);
    free(back->chunks);
    free(back->work);
    io_fini(io);
    free(back);
}

static const struct io_ops sim_ops = {
    .backend = IO_BACKEND_SIM,
    .turn = sim_turn,
    .conn_open = conn_open,
    .recv_start = conn_wake,
    .recv_stop = conn_wake,
    .recv_into = conn_wake,
    .recv_into_cancel = recv_into_cancel,
    .send = send_start,
    .send_cancel = send_cancel,
    .close = conn_wake,
    .listen_start = listen_start,
    .listen_change = listen_change,
    .fd_close = fd_close,
    .bell_write = bell_write,
    .destroy = sim_destroy,
};

int sim_io_create(struct sim_net *net, const struct io_config *config, struct io **out) {
    struct io_config complete = *config;
    struct sim_io *back;
    int error;

    *out = NULL;
    if (!io_config_complete(&complete)) {
        return EINVAL;
    }
    back = aligned_alloc(CACHE_LINE_BYTES, sizeof(*back));
    if (back == NULL) {
        return ENOMEM;
    }
    *back = (struct sim_io){.net = net};
    error = io_init(&back->io, &sim_ops, &complete);
    if (error != 0) {
        io_fini(&back->io);
        free(back);
        return error;
    }
    back->io.now_ns = net->now_ns;
    (void)strcpy(back->io.features_text, "sim");
    back->next = net->ios;
    net->ios = back;
    *out = &back->io;
    return 0;
}
