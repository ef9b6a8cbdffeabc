/* larder: what the I/O back ends share: connections, marks, events, the doorbell */
#include "io/io_core.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_SECOND 1000000000

int io_init(struct io *io, const struct io_ops *ops, const struct io_config *config) {
    io->ops = ops;
    io->config = *config;
    io->chunks_max = (config->conns_max + IO_CHUNK_CONNS - 1) / IO_CHUNK_CONNS;
    io->chunks = calloc(io->chunks_max, sizeof(io->chunks[0]));
    io->now_ns = io_clock_ns();
    return io->chunks == NULL ? ENOMEM : 0;
}

void io_fini(struct io *io) {
    for (uint32_t i = 0; i < io->chunks_count; i++) {
        free(io->chunks[i]);
    }
    free(io->chunks);
    for (unsigned i = 0; i < IO_LISTENERS_MAX; i++) {
        free(io->listeners[i]);
    }
}

int64_t io_clock_ns(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int chunk_add(struct io *io) {
    struct io_conn *chunk;
    uint32_t slot_first = io->chunks_count * IO_CHUNK_CONNS;

    if (io->chunks_count == io->chunks_max) {
        return EMFILE;
    }
    chunk = calloc(IO_CHUNK_CONNS, sizeof(*chunk));
    if (chunk == NULL) {
        return ENOMEM;
    }
    for (uint32_t i = IO_CHUNK_CONNS; i-- > 0;) {
        chunk[i].io = io;
        chunk[i].slot = slot_first + i;
        chunk[i].marked_next = io->free_first;
        io->free_first = &chunk[i];
    }
    io->chunks[io->chunks_count++] = chunk;
    return 0;
}

static void conn_release(struct io_conn *conn) {
    struct io *io = conn->io;
    uint32_t slot = conn->slot;
    uint32_t generation = (conn->generation + 1) & IO_GENERATION_MASK;

    ASSERT(conn->in_use && !conn->in_work && !conn->in_marked);
    *conn = (struct io_conn){.io = io, .slot = slot, .generation = generation};
    conn->marked_next = io->free_first;
    io->free_first = conn;
    atom_store_relaxed(&io->conns_open, io_conns_open(io) - 1);
}

int io_conn_open(struct io *io, int fd, void *owner, struct io_conn **out) {
    struct io_conn *conn;
    int error = 0;

    *out = NULL;
    if (io_conns_open(io) == io->config.conns_max) {
        return EMFILE;
    }
    if (io->free_first == NULL) {
        error = chunk_add(io);
    }
    if (error != 0) {
        return error;
    }
    conn = io->free_first;
    io->free_first = conn->marked_next;
    conn->marked_next = NULL;
    conn->fd = fd;
    conn->owner = owner;
    conn->in_use = true;
    atom_store_relaxed(&io->conns_open, io_conns_open(io) + 1);
    error = io->ops->conn_open(conn);
    if (error != 0) {
        conn_release(conn);
        return error;
    }
    *out = conn;
    return 0;
}

struct io_conn *io_conn_find(const struct io *io, uint32_t slot, uint32_t generation) {
    struct io_conn *conn;

    if (slot / IO_CHUNK_CONNS >= io->chunks_count) {
        return NULL;
    }
    conn = &io->chunks[slot / IO_CHUNK_CONNS][slot % IO_CHUNK_CONNS];
    return conn->in_use && conn->generation == generation ? conn : NULL;
}

void io_conn_mark(struct io_conn *conn, enum io_mark mark) {
    struct io *io = conn->io;

    conn->marks = (uint8_t)(conn->marks | mark);
    if (conn->in_marked) {
        return;
    }
    conn->in_marked = true;
    conn->marked_next = NULL;
    if (io->marked_first == NULL) {
        io->marked_first = conn;
    } else {
        io->marked_last->marked_next = conn;
    }
    io->marked_last = conn;
}

bool io_conn_unmark(struct io_conn *conn, enum io_mark mark) {
    bool was = (conn->marks & mark) != 0;

    conn->marks = (uint8_t)(conn->marks & ~(unsigned)mark);
    return was;
}

void io_conn_sent(struct io_conn *conn, int error) {
    conn->sending = false;
    conn->send_error = error;
    io_conn_mark(conn, IO_MARK_SENT);
}

void io_listener_mark_closed(struct io_listener *listener) {
    listener->closed_mark = true;
    listener->io->listeners_closing++;
}

struct io_event *io_batch_add(struct io_batch *batch, enum io_event_kind kind, void *owner) {
    struct io_event *event = &batch->events[batch->count];

    DEBUG_ASSERT(batch->count < batch->capacity);
    batch->count++;
    *event = (struct io_event){.kind = kind, .fd = -1, .owner = owner};
    return event;
}

void io_batch_received(struct io_batch *batch, struct io_conn *conn, const uint8_t *data,
                       size_t length) {
    struct io_event *event = io_batch_add(batch, IO_RECEIVED, conn->owner);

    event->data = data;
    event->length = length;
}

void io_batch_ended(struct io_batch *batch, struct io_conn *conn, int error) {
    if (conn->recv_state == IO_RECV_STREAM) {
        conn->recv_state = IO_RECV_IDLE;
    }
    io_batch_add(batch, IO_RECEIVED, conn->owner)->error = error;
}

void io_batch_received_into(struct io_batch *batch, struct io_conn *conn, size_t length,
                            int error) {
    struct io_event *event = io_batch_add(batch, IO_RECEIVED_INTO, conn->owner);

    conn->recv_state = IO_RECV_IDLE;
    conn->recv_iov = NULL;
    event->length = length;
    event->error = error;
}

void io_batch_sent(struct io_batch *batch, struct io_conn *conn, int error) {
    struct io_event *event = io_batch_add(batch, IO_SENT, conn->owner);

    conn->sending = false;
    conn->send_iov = NULL;
    event->length = conn->send_bytes;
    event->error = error;
}

void io_batch_accepted(struct io_batch *batch, struct io_listener *listener, int fd, int error) {
    struct io_event *event = io_batch_add(batch, IO_ACCEPTED, listener->owner);

    event->fd = fd;
    event->error = error;
}

/* One mark of the connection becomes an event; true when it was the last. */
static bool mark_deliver(struct io_conn *conn, struct io_batch *batch) {
    if (io_conn_unmark(conn, IO_MARK_SENT)) {
        io_batch_sent(batch, conn, conn->send_error);
    } else if (io_conn_unmark(conn, IO_MARK_RECEIVED_INTO)) {
        io_batch_received_into(batch, conn, conn->recv_bytes, conn->recv_error);
    } else if (io_conn_unmark(conn, IO_MARK_RECV_STOPPED)) {
        conn->recv_state = IO_RECV_IDLE;
        (void)io_batch_add(batch, IO_RECV_STOPPED, conn->owner);
    } else if (io_conn_unmark(conn, IO_MARK_CLOSED)) {
        conn->io->ops->fd_close(conn->io, conn->fd);
        (void)io_batch_add(batch, IO_CLOSED, conn->owner);
        return true;
    }
    return conn->marks == 0;
}

static void listeners_deliver(struct io *io, struct io_batch *batch) {
    for (unsigned i = 0; i < IO_LISTENERS_MAX && io->listeners_closing > 0; i++) {
        struct io_listener *listener = io->listeners[i];

        if (listener == NULL || !listener->closed_mark) {
            continue;
        }
        if (io_batch_full(batch)) {
            return;
        }
        io->ops->fd_close(io, listener->fd);
        (void)io_batch_add(batch, IO_LISTEN_CLOSED, listener->owner);
        io->listeners[i] = NULL;
        io->listeners_closing--;
        free(listener);
    }
}

void io_marks_deliver(struct io *io, struct io_batch *batch) {
    if (io->listeners_closing > 0) {
        listeners_deliver(io, batch);
    }
    while (io->marked_first != NULL && !io_batch_full(batch)) {
        struct io_conn *conn = io->marked_first;
        bool closed = (conn->marks & IO_MARK_CLOSED) != 0;

        if (!mark_deliver(conn, batch)) {
            continue;
        }
        io->marked_first = conn->marked_next;
        conn->marked_next = NULL;
        conn->in_marked = false;
        if (closed) {
            conn_release(conn);
        }
    }
}

bool io_sleep_begin(struct io *io) {
    uint32_t expected = IO_BELL_AWAKE;

    return atom_compare_exchange(&io->bell, &expected, IO_BELL_SLEEPING);
}

void io_bell_deliver(struct io *io, struct io_batch *batch) {
    if (atom_load_relaxed(&io->bell) == IO_BELL_AWAKE || io_batch_full(batch)) {
        return;
    }
    if (atom_exchange(&io->bell, IO_BELL_AWAKE) == IO_BELL_RUNG) {
        (void)io_batch_add(batch, IO_DOORBELL, NULL);
    }
}

void io_doorbell_ring(struct io *target) {
    if (atom_exchange(&target->bell, IO_BELL_RUNG) == IO_BELL_SLEEPING) {
        (void)atom_fetch_add(&target->doorbells_rung, 1);
        target->ops->bell_write(target);
    }
}

void io_iov_advance(struct iovec **iov, uint16_t *count, size_t bytes) {
    while (*count > 0 && bytes >= (*iov)->iov_len) {
        bytes -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (bytes > 0) {
        ASSERT(*count > 0);
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

bool io_accept_error_passes(int error) {
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* a firewall's */
    /* accept(2): errors that already wait on the new socket */
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}
