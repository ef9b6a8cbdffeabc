/* larder: the io_uring back end: turns and completions */
#include "io/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { NS_PER_SECOND = 1000000000 };

static void stream_over(struct io_conn *conn) {
    uring_flag_clear(conn, URING_ARMED_RECV);
    if (conn->recv_state == IO_RECV_STOPPING) {
        io_conn_mark(conn, IO_MARK_RECV_STOPPED);
    } else if (conn->recv_state == IO_RECV_STREAM) {
        uring_want(conn, URING_WANT_RECV);
        atom_own_add(&conn->io->counters.rearmed, 1);
    }
}

/* An error that says nothing about the connection. */
static bool passing(int result) {
    return result == -EAGAIN || result == -EINTR || result == -ENOBUFS || result == -ECANCELED;
}

static void take_recv(struct uring_io *back, struct io_conn *conn, const struct io_uring_cqe *cqe,
                      struct io_batch *batch) {
    const uint8_t *data = NULL;

    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        data = uring_buffers_take(&back->buffers, cqe->flags);
    }
    if (conn->closing) {
        return;
    }
    if (cqe->res > 0) {
        io_batch_received(batch, conn, data, (size_t)cqe->res);
    } else if (cqe->res == -ENOBUFS) {
        back->buffers.lacking = true;
        atom_own_add(&back->io.counters.buffers_lacking, 1);
    } else if (!passing(cqe->res)) {
        io_batch_ended(batch, conn, -cqe->res);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        stream_over(conn);
    }
}

/* Without provided buffers: the socket can be read, as with epoll. */
static void take_poll(struct uring_io *back, struct io_conn *conn, const struct io_uring_cqe *cqe,
                      struct io_batch *batch) {
    const uint8_t *data = NULL;
    size_t length = 0;
    int error = -cqe->res;

    if (conn->closing) {
        return;
    }
    if (cqe->res > 0) {
        error = EAGAIN;
        if (conn->recv_state == IO_RECV_STREAM && arena_has_room(&back->arena)) {
            error = arena_receive(&back->arena, conn->fd, &data, &length);
            atom_own_add(&back->io.counters.syscalls, 1);
        }
    }
    if (error == 0 && length > 0) {
        io_batch_received(batch, conn, data, length);
    } else if (!passing(-error)) {
        io_batch_ended(batch, conn, error);
    }
    stream_over(conn);
}

static void take_into(struct io_conn *conn, int result, struct io_batch *batch) {
    uring_flag_clear(conn, URING_ARMED_RECV);
    if (conn->closing) {
        return;
    }
    if (result == -EINTR || result == -EAGAIN) {
        uring_want(conn, URING_WANT_RECV);
    } else {
        io_batch_received_into(batch, conn, result > 0 ? (size_t)result : 0,
                               result < 0 ? -result : 0);
    }
}

static void take_send(struct io_conn *conn, int result, struct io_batch *batch) {
    bool recalled = (conn->back_flags & URING_SEND_RECALLED) != 0;

    uring_flag_clear(conn, URING_ARMED_SEND);
    if (conn->closing) {
        return;
    }
    if (result > 0) {
        conn->send_bytes += (size_t)result;
        io_iov_advance(&conn->send_iov, &conn->send_count, (size_t)result);
    }
    if (conn->send_count == 0) {
        io_batch_sent(batch, conn, 0);
    } else if (recalled && (result > 0 || passing(result))) {
        io_batch_sent(batch, conn, ECANCELED);
    } else if (result > 0 || passing(result)) {
        uring_want(conn, URING_WANT_SEND);
        atom_own_add(&conn->io->counters.sends_short, 1);
    } else {
        io_batch_sent(batch, conn, result == 0 ? EPIPE : -result);
    }
}

static void take_conn(struct uring_io *back, const struct io_uring_cqe *cqe,
                      struct io_batch *batch) {
    uint32_t slot = (uint32_t)(cqe->user_data >> 32);
    uint32_t generation = (uint32_t)(cqe->user_data >> 4) & IO_GENERATION_MASK;
    struct io_conn *conn = io_conn_find(&back->io, slot, generation);

    ASSERT(conn != NULL && conn->operations > 0);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        conn->operations--;
    }
    switch (cqe->user_data & 15u) {
    case URING_RECV:
        take_recv(back, conn, cqe, batch);
        break;
    case URING_POLL:
        take_poll(back, conn, cqe, batch);
        break;
    case URING_RECV_INTO:
        take_into(conn, cqe->res, batch);
        break;
    case URING_SEND:
        take_send(conn, cqe->res, batch);
        break;
    default: /* URING_CANCEL: the recalled operation answers for itself */
        break;
    }
    uring_closed_check(conn);
}

static void take_accept(struct uring_io *back, const struct io_uring_cqe *cqe,
                        struct io_batch *batch) {
    struct io_listener *listener = back->io.listeners[cqe->user_data >> 32];
    bool over = (cqe->flags & IORING_CQE_F_MORE) == 0;

    ASSERT(listener != NULL && listener->operations > 0);
    if (over) {
        listener->operations--;
        listener->armed = false;
        back->listeners_work = true;
    }
    if (cqe->res >= 0) {
        if (listener->state == IO_LISTEN_STOPPING) {
            (void)close(cqe->res);
        } else {
            io_batch_accepted(batch, listener, cqe->res, 0);
        }
        return;
    }
    if (over && listener->state == IO_LISTEN_ACCEPTING && cqe->res != -EAGAIN &&
        cqe->res != -ECANCELED && !io_accept_error_passes(-cqe->res)) {
        listener->state = IO_LISTEN_PAUSED;
        io_batch_accepted(batch, listener, -1, -cqe->res);
    }
}

static void take_accept_cancel(struct uring_io *back, const struct io_uring_cqe *cqe) {
    struct io_listener *listener = back->io.listeners[cqe->user_data >> 32];

    ASSERT(listener != NULL && listener->operations > 0);
    listener->operations--;
    listener->cancelling = false;
    back->listeners_work = true;
}

/* Each completion makes one event at most. */
static void take(struct uring_io *back, const struct io_uring_cqe *cqe, struct io_batch *batch) {
    switch (cqe->user_data & 15u) {
    case URING_BELL:
        back->bell_armed = false;
        break;
    case URING_ACCEPT:
        take_accept(back, cqe, batch);
        break;
    case URING_ACCEPT_CANCEL:
        take_accept_cancel(back, cqe);
        break;
    default:
        take_conn(back, cqe, batch);
        break;
    }
}

static void take_all(struct uring_io *back, struct io_batch *batch) {
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&back->ring, head, cqe) {
        if (io_batch_full(batch)) {
            break;
        }
        take(back, cqe, batch);
        count++;
    }
    io_uring_cq_advance(&back->ring, count);
}

static void submit_and_wait(struct uring_io *back, int64_t wait_ns) {
    struct io_uring_cqe *cqe;
    struct __kernel_timespec wait = {.tv_sec = wait_ns / NS_PER_SECOND,
                                     .tv_nsec = wait_ns % NS_PER_SECOND};
    int result;

    if (wait_ns == 0) {
        result = io_uring_submit_and_get_events(&back->ring);
    } else {
        atom_own_add(&back->io.counters.sleeps, 1);
        result = io_uring_submit_and_wait_timeout(&back->ring, &cqe, 1, wait_ns < 0 ? NULL : &wait,
                                                  NULL);
    }
    atom_own_add(&back->io.counters.syscalls, 1);
    /* what could not be submitted stays in the queue and goes with the next turn */
    ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
           result == -EBUSY || result == -ENOMEM);
}

static void uring_turn(struct io *io, struct io_batch *batch, int64_t wait_ns_max) {
    struct uring_io *back = uring_of(io);
    int64_t wait_ns = wait_ns_max;

    if ((io->features & IO_FEATURE_BUFFER_RING) != 0) {
        uring_buffers_return(&back->buffers);
        atom_store_relaxed(&io->counters.buffers, back->buffers.count);
    } else {
        arena_reset(&back->arena);
    }
    io_marks_deliver(io, batch);
    uring_submit_bell(back);
    if (back->listeners_work) {
        uring_submit_listeners(back);
    }
    uring_submit_conns(back);
    if (io_uring_cq_has_overflow(&back->ring)) {
        atom_own_add(&io->counters.overflows, 1);
    }
    if (batch->count > 0 || io_marks_pending(io) || back->work_first != NULL ||
        back->listeners_work || io_uring_cq_ready(&back->ring) > 0) {
        wait_ns = 0;
    }
    if (wait_ns != 0 && !io_sleep_begin(io)) {
        wait_ns = 0;
    }
    submit_and_wait(back, wait_ns);
    io_bell_deliver(io, batch);
    take_all(back, batch);
    io_marks_deliver(io, batch);
    io->now_ns = io_clock_ns();
}

/* With DEFER_TASKRUN the kernel fills buffers in our own system calls only, and tells of each. */
static void uring_trim(struct io *io) {
    struct uring_io *back = uring_of(io);

    if ((io->features & IO_FEATURE_BUFFER_RING) == 0) {
        arena_trim(&back->arena);
    } else if ((io->features & IO_FEATURE_DEFER_TASKRUN) != 0 &&
               back->buffers.taken_count == 0 && io_uring_cq_ready(&back->ring) == 0 &&
               !io_uring_cq_has_overflow(&back->ring)) {
        uring_buffers_trim(&back->buffers);
    }
}

static int conn_open(struct io_conn *conn) {
    (void)conn;
    return 0;
}

static void recv_start(struct io_conn *conn) {
    (void)uring_unwant(conn, URING_WANT_RECV_CANCEL);
    if ((conn->back_flags & URING_ARMED_RECV) == 0) {
        uring_want(conn, URING_WANT_RECV);
    }
}

static void recv_stop(struct io_conn *conn) {
    if (!uring_unwant(conn, URING_WANT_RECV) && (conn->back_flags & URING_ARMED_RECV) != 0) {
        uring_want(conn, URING_WANT_RECV_CANCEL);
    } else {
        io_conn_mark(conn, IO_MARK_RECV_STOPPED);
    }
}

/* A multishot receive that found "no more data" does not look for the error behind it (seen with
 * Linux 6.18): the socket has ended, the receive waits on. Armed anew it finds the error. */
static void recv_check(struct io_conn *conn) {
    struct pollfd look = {.fd = conn->fd, .events = POLLIN};

    if ((conn->back_flags & URING_ARMED_RECV) == 0) {
        return;
    }
    atom_own_add(&conn->io->counters.syscalls, 1);
    if (poll(&look, 1, 0) == 1 && (look.revents & (POLLERR | POLLHUP)) != 0) {
        uring_want(conn, URING_WANT_RECV_CANCEL);
    }
}

static void recv_into(struct io_conn *conn) {
    uring_want(conn, URING_WANT_RECV);
}

static void recv_into_cancel(struct io_conn *conn) {
    if (uring_unwant(conn, URING_WANT_RECV)) {
        conn->recv_error = ECANCELED;
        io_conn_mark(conn, IO_MARK_RECEIVED_INTO);
    } else {
        uring_want(conn, URING_WANT_RECV_CANCEL);
    }
}

static void send_start(struct io_conn *conn) {
    uring_flag_clear(conn, URING_SEND_RECALLED);
    uring_want(conn, URING_WANT_SEND);
}

static void send_cancel(struct io_conn *conn) {
    if (uring_unwant(conn, URING_WANT_SEND)) {
        io_conn_sent(conn, ECANCELED);
        return;
    }
    uring_flag_set(conn, URING_SEND_RECALLED);
    uring_want(conn, URING_WANT_SEND_CANCEL);
}

static void conn_close(struct io_conn *conn) {
    conn->back_wants = 0;
    if (conn->operations > 0) {
        /* close(2) sends no FIN while a receive holds the file */
        (void)shutdown(conn->fd, SHUT_RDWR);
        atom_own_add(&conn->io->counters.syscalls, 1);
        uring_want(conn, URING_WANT_RECV_CANCEL | URING_WANT_SEND_CANCEL);
    }
    uring_closed_check(conn);
}

static int listen_start(struct io_listener *listener) {
    int flags = fcntl(listener->fd, F_GETFL);

    /* io_uring answers EAGAIN for a listener that does not block instead of waiting */
    if (flags < 0 || fcntl(listener->fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        return errno;
    }
    uring_of(listener->io)->listeners_work = true;
    return 0;
}

static void listen_change(struct io_listener *listener) {
    uring_of(listener->io)->listeners_work = true;
}

static void fd_close(struct io *io, int fd) {
    atom_own_add(&io->counters.syscalls, 1);
    (void)close(fd);
}

static void bell_write(struct io *io) {
    uint64_t one = 1;

    (void)!write(uring_of(io)->bell_fd, &one, sizeof(one));
}

const struct io_ops uring_ops = {
    .backend = IO_BACKEND_URING,
    .turn = uring_turn,
    .trim = uring_trim,
    .conn_open = conn_open,
    .recv_start = recv_start,
    .recv_stop = recv_stop,
    .recv_check = recv_check,
    .recv_into = recv_into,
    .recv_into_cancel = recv_into_cancel,
    .send = send_start,
    .send_cancel = send_cancel,
    .close = conn_close,
    .listen_start = listen_start,
    .listen_change = listen_change,
    .fd_close = fd_close,
    .bell_write = bell_write,
    .destroy = uring_destroy,
};
