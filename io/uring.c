/* larder: the io_uring back end: submissions and completions
 *
 * What a connection wants from the kernel is noted in back_wants and turned into submissions when
 * the next turn begins: a start after a stop, say, cancels out and costs nothing, and a full
 * submission queue only means that the rest follows a turn later. back_flags says what is with the
 * kernel. The connection is closed when its last completion has been taken. Operations are recalled
 * by their user_data, which the kernel finds by hash; by descriptor it would look at every request
 * of the ring. */
#include "io/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* back_wants */
enum {
    WANT_RECV = 1u << 0,
    WANT_SEND = 1u << 1,
    WANT_RECV_CANCEL = 1u << 2,
    WANT_SEND_CANCEL = 1u << 3
};

/* back_flags */
enum { ARMED_RECV = 1u << 0, ARMED_SEND = 1u << 1, SEND_RECALLED = 1u << 2 };

enum {
    CONN_SUBMISSIONS_MAX = 4,  /* of one connection, at most */
    PART_BYTES_MAX = 1u << 30, /* moved at once; an entry's length has 32 bits */
    NS_PER_SECOND = 1000000000
};

static void flag_set(struct io_conn *conn, unsigned flag)
{
    conn->back_flags = (uint8_t)(conn->back_flags | flag);
}

static void flag_clear(struct io_conn *conn, unsigned flag)
{
    conn->back_flags = (uint8_t)(conn->back_flags & ~flag);
}

static void want(struct io_conn *conn, unsigned wants)
{
    struct uring_io *back = uring_of(conn->io);

    conn->back_wants = (uint8_t)(conn->back_wants | wants);
    if (conn->in_work) {
        return;
    }
    conn->in_work = true;
    conn->work_next = NULL;
    if (back->work_first == NULL) {
        back->work_first = conn;
    } else {
        back->work_last->work_next = conn;
    }
    back->work_last = conn;
}

/* Takes wants back that were not submitted yet; true if there were any. */
static bool unwant(struct io_conn *conn, unsigned wants)
{
    bool was = (conn->back_wants & wants) != 0;

    conn->back_wants = (uint8_t)(conn->back_wants & ~wants);
    return was;
}

static struct io_uring_sqe *submission(struct io_conn *conn)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring_of(conn->io)->ring);

    ASSERT(sqe != NULL);
    conn->operations++;
    return sqe;
}

/* After io_uring_prep_*(), some of which clear it. */
static void submission_tag(struct io_uring_sqe *sqe, const struct io_conn *conn,
                           enum uring_operation operation)
{
    sqe->user_data = uring_tag(operation, conn->generation, conn->slot);
}

static struct msghdr *message_of(struct uring_io *back, const struct io_uring_sqe *sqe,
                                 struct iovec *iov, unsigned count)
{
    struct msghdr *message = &back->messages[sqe - back->ring.sq.sqes];

    *message = (struct msghdr){.msg_iov = iov, .msg_iovlen = count};
    return message;
}

static void submit_stream(struct uring_io *back, struct io_conn *conn)
{
    uint32_t features = back->io.features;
    struct io_uring_sqe *sqe;

    if ((features & IO_FEATURE_BUFFER_RING) == 0) {
        sqe = submission(conn);
        io_uring_prep_poll_add(sqe, conn->fd, POLLIN | POLLRDHUP);
        submission_tag(sqe, conn, URING_POLL);
        return;
    }
    sqe = submission(conn);
    if ((features & IO_FEATURE_RECV_MULTISHOT) != 0) {
        io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv(sqe, conn->fd, NULL, 0, 0);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    submission_tag(sqe, conn, URING_RECV);
}

static size_t bytes_at_once(const struct iovec *part, size_t bytes_max)
{
    return part->iov_len < bytes_max ? part->iov_len : bytes_max;
}

static void submit_into(struct uring_io *back, struct io_conn *conn)
{
    struct io_uring_sqe *sqe = submission(conn);
    size_t bytes = bytes_at_once(conn->recv_iov, PART_BYTES_MAX);

    if (conn->recv_count == 1) {
        io_uring_prep_recv(sqe, conn->fd, conn->recv_iov->iov_base, bytes, 0);
    } else {
        io_uring_prep_recvmsg(sqe, conn->fd,
                              message_of(back, sqe, conn->recv_iov, conn->recv_count), 0);
    }
    submission_tag(sqe, conn, URING_RECV_INTO);
}

static void submit_send(struct uring_io *back, struct io_conn *conn)
{
    struct io_uring_sqe *sqe = submission(conn);
    uint32_t bytes_max = back->io.config.send_bytes_max;
    size_t bytes = bytes_at_once(conn->send_iov, bytes_max != 0 ? bytes_max : PART_BYTES_MAX);
    int flags = MSG_NOSIGNAL;

    if ((back->io.features & IO_FEATURE_SEND_WAITALL) != 0 && bytes_max == 0) {
        flags |= MSG_WAITALL;
    }
    if (conn->send_count == 1 || bytes_max != 0) {
        io_uring_prep_send(sqe, conn->fd, conn->send_iov->iov_base, bytes, flags);
    } else {
        io_uring_prep_sendmsg(sqe, conn->fd,
                              message_of(back, sqe, conn->send_iov, conn->send_count),
                              (unsigned)flags);
    }
    submission_tag(sqe, conn, URING_SEND);
}

static void submit_cancel(struct io_conn *conn, enum uring_operation operation)
{
    struct io_uring_sqe *sqe = submission(conn);

    io_uring_prep_cancel64(sqe, uring_tag(operation, conn->generation, conn->slot), 0);
    submission_tag(sqe, conn, URING_CANCEL);
}

static enum uring_operation recv_operation(const struct io_conn *conn)
{
    if (conn->recv_state == IO_RECV_DIRECT) {
        return URING_RECV_INTO;
    }
    return (conn->io->features & IO_FEATURE_BUFFER_RING) != 0 ? URING_RECV : URING_POLL;
}

static void submit_conn(struct uring_io *back, struct io_conn *conn)
{
    unsigned wants = conn->back_wants;

    conn->back_wants = 0;
    if ((wants & WANT_RECV_CANCEL) != 0 && (conn->back_flags & ARMED_RECV) != 0) {
        submit_cancel(conn, recv_operation(conn));
    }
    if ((wants & WANT_SEND_CANCEL) != 0 && (conn->back_flags & ARMED_SEND) != 0) {
        submit_cancel(conn, URING_SEND);
    }
    if ((wants & WANT_RECV) != 0) {
        ASSERT((conn->back_flags & ARMED_RECV) == 0);
        flag_set(conn, ARMED_RECV);
        if (conn->recv_state == IO_RECV_DIRECT) {
            submit_into(back, conn);
        } else {
            submit_stream(back, conn);
        }
    }
    if ((wants & WANT_SEND) != 0) {
        ASSERT((conn->back_flags & ARMED_SEND) == 0);
        flag_set(conn, ARMED_SEND);
        submit_send(back, conn);
    }
}

static void conn_closed_check(struct io_conn *conn)
{
    if (conn->closing && conn->operations == 0 && !conn->in_work) {
        io_conn_mark(conn, IO_MARK_CLOSED);
    }
}

static void submit_conns(struct uring_io *back)
{
    while (back->work_first != NULL &&
           io_uring_sq_space_left(&back->ring) >= CONN_SUBMISSIONS_MAX) {
        struct io_conn *conn = back->work_first;

        back->work_first = conn->work_next;
        conn->work_next = NULL;
        conn->in_work = false;
        submit_conn(back, conn);
        conn_closed_check(conn);
    }
}

static void submit_bell(struct uring_io *back)
{
    struct io_uring_sqe *sqe;

    if (back->bell_armed || io_uring_sq_space_left(&back->ring) == 0) {
        return;
    }
    sqe = io_uring_get_sqe(&back->ring);
    io_uring_prep_read(sqe, back->bell_fd, &back->bell_value, sizeof(back->bell_value), 0);
    sqe->user_data = uring_tag(URING_BELL, 0, 0);
    back->bell_armed = true;
}

static void submit_accept(struct uring_io *back, struct io_listener *listener)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&back->ring);

    if ((back->io.features & IO_FEATURE_ACCEPT_MULTISHOT) != 0) {
        io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
    } else {
        io_uring_prep_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
    }
    sqe->user_data = uring_tag(URING_ACCEPT, listener->generation, listener->slot);
    listener->operations++;
    listener->armed = true;
}

static void submit_accept_cancel(struct uring_io *back, struct io_listener *listener)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&back->ring);

    io_uring_prep_cancel64(sqe, uring_tag(URING_ACCEPT, listener->generation, listener->slot), 0);
    sqe->user_data = uring_tag(URING_ACCEPT_CANCEL, listener->generation, listener->slot);
    listener->operations++;
    listener->cancelling = true;
}

static void submit_listeners(struct uring_io *back)
{
    if (io_uring_sq_space_left(&back->ring) < IO_LISTENERS_MAX) {
        return;
    }
    back->listeners_work = false;
    for (unsigned i = 0; i < IO_LISTENERS_MAX; i++) {
        struct io_listener *listener = back->io.listeners[i];

        if (listener == NULL || listener->cancelling) {
            continue;
        }
        if (listener->state == IO_LISTEN_ACCEPTING && !listener->armed) {
            submit_accept(back, listener);
        } else if (listener->state != IO_LISTEN_ACCEPTING && listener->armed) {
            submit_accept_cancel(back, listener);
        } else if (listener->state == IO_LISTEN_STOPPING && listener->operations == 0 &&
                   !listener->closed_mark) {
            io_listener_mark_closed(listener);
        }
    }
}

static void stream_over(struct io_conn *conn)
{
    flag_clear(conn, ARMED_RECV);
    if (conn->recv_state == IO_RECV_STOPPING) {
        io_conn_mark(conn, IO_MARK_RECV_STOPPED);
    } else if (conn->recv_state == IO_RECV_STREAM) {
        want(conn, WANT_RECV);
        atom_own_add(&conn->io->counters.rearmed, 1);
    }
}

/* An error that says nothing about the connection. */
static bool passing(int result)
{
    return result == -EAGAIN || result == -EINTR || result == -ENOBUFS || result == -ECANCELED;
}

static void take_recv(struct uring_io *back, struct io_conn *conn, const struct io_uring_cqe *cqe,
                      struct io_batch *batch)
{
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
                      struct io_batch *batch)
{
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

static void take_into(struct io_conn *conn, int result, struct io_batch *batch)
{
    flag_clear(conn, ARMED_RECV);
    if (conn->closing) {
        return;
    }
    if (result == -EINTR || result == -EAGAIN) {
        want(conn, WANT_RECV);
    } else {
        io_batch_received_into(batch, conn, result > 0 ? (size_t)result : 0,
                               result < 0 ? -result : 0);
    }
}

static void take_send(struct io_conn *conn, int result, struct io_batch *batch)
{
    bool recalled = (conn->back_flags & SEND_RECALLED) != 0;

    flag_clear(conn, ARMED_SEND);
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
        want(conn, WANT_SEND);
        atom_own_add(&conn->io->counters.sends_short, 1);
    } else {
        io_batch_sent(batch, conn, result == 0 ? EPIPE : -result);
    }
}

static void take_conn(struct uring_io *back, const struct io_uring_cqe *cqe, struct io_batch *batch)
{
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
    conn_closed_check(conn);
}

static void take_accept(struct uring_io *back, const struct io_uring_cqe *cqe,
                        struct io_batch *batch)
{
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

static void take_accept_cancel(struct uring_io *back, const struct io_uring_cqe *cqe)
{
    struct io_listener *listener = back->io.listeners[cqe->user_data >> 32];

    ASSERT(listener != NULL && listener->operations > 0);
    listener->operations--;
    listener->cancelling = false;
    back->listeners_work = true;
}

/* Each completion makes one event at most. */
static void take(struct uring_io *back, const struct io_uring_cqe *cqe, struct io_batch *batch)
{
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

static void take_all(struct uring_io *back, struct io_batch *batch)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&back->ring, head, cqe)
    {
        if (io_batch_full(batch)) {
            break;
        }
        take(back, cqe, batch);
        count++;
    }
    io_uring_cq_advance(&back->ring, count);
}

static void submit_and_wait(struct uring_io *back, int64_t wait_ns)
{
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

static void uring_turn(struct io *io, struct io_batch *batch, int64_t wait_ns_max)
{
    struct uring_io *back = uring_of(io);
    int64_t wait_ns = wait_ns_max;

    if ((io->features & IO_FEATURE_BUFFER_RING) != 0) {
        uring_buffers_return(&back->buffers);
        atom_store_relaxed(&io->counters.buffers, back->buffers.count);
    } else {
        arena_reset(&back->arena);
    }
    io_marks_deliver(io, batch);
    submit_bell(back);
    if (back->listeners_work) {
        submit_listeners(back);
    }
    submit_conns(back);
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

static int conn_open(struct io_conn *conn)
{
    (void)conn;
    return 0;
}

static void recv_start(struct io_conn *conn)
{
    (void)unwant(conn, WANT_RECV_CANCEL);
    if ((conn->back_flags & ARMED_RECV) == 0) {
        want(conn, WANT_RECV);
    }
}

static void recv_stop(struct io_conn *conn)
{
    if (!unwant(conn, WANT_RECV) && (conn->back_flags & ARMED_RECV) != 0) {
        want(conn, WANT_RECV_CANCEL);
    } else {
        io_conn_mark(conn, IO_MARK_RECV_STOPPED);
    }
}

static void recv_into(struct io_conn *conn)
{
    want(conn, WANT_RECV);
}

static void recv_into_cancel(struct io_conn *conn)
{
    if (unwant(conn, WANT_RECV)) {
        conn->recv_error = ECANCELED;
        io_conn_mark(conn, IO_MARK_RECEIVED_INTO);
    } else {
        want(conn, WANT_RECV_CANCEL);
    }
}

static void send_start(struct io_conn *conn)
{
    flag_clear(conn, SEND_RECALLED);
    want(conn, WANT_SEND);
}

static void send_cancel(struct io_conn *conn)
{
    if (unwant(conn, WANT_SEND)) {
        io_conn_sent(conn, ECANCELED);
        return;
    }
    flag_set(conn, SEND_RECALLED);
    want(conn, WANT_SEND_CANCEL);
}

static void conn_close(struct io_conn *conn)
{
    conn->back_wants = 0;
    if (conn->operations > 0) {
        /* close(2) sends no FIN while a receive holds the file */
        (void)shutdown(conn->fd, SHUT_RDWR);
        atom_own_add(&conn->io->counters.syscalls, 1);
        want(conn, WANT_RECV_CANCEL | WANT_SEND_CANCEL);
    }
    conn_closed_check(conn);
}

static int listen_start(struct io_listener *listener)
{
    int flags = fcntl(listener->fd, F_GETFL);

    /* io_uring answers EAGAIN for a listener that does not block instead of waiting */
    if (flags < 0 || fcntl(listener->fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        return errno;
    }
    uring_of(listener->io)->listeners_work = true;
    return 0;
}

static void listen_change(struct io_listener *listener)
{
    uring_of(listener->io)->listeners_work = true;
}

static void fd_close(struct io *io, int fd)
{
    atom_own_add(&io->counters.syscalls, 1);
    (void)close(fd);
}

static void bell_write(struct io *io)
{
    uint64_t one = 1;

    (void)!write(uring_of(io)->bell_fd, &one, sizeof(one));
}

const struct io_ops uring_ops = {
    .backend = IO_BACKEND_URING,
    .turn = uring_turn,
    .conn_open = conn_open,
    .recv_start = recv_start,
    .recv_stop = recv_stop,
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
