/* larder: the io_uring back end: submissions
 *
 * What a connection wants from the kernel is noted in back_wants and turned into submissions when
 * the next turn begins: a start after a stop, say, cancels out and costs nothing, and a full
 * submission queue only means that the rest follows a turn later. back_flags says what is with the
 * kernel. The connection is closed when its last completion has been taken. Operations are recalled
 * by their user_data, which the kernel finds by hash; by descriptor it would look at every request
 * of the ring. */
#include "io/uring.h"

#include <poll.h>

enum {
    CONN_SUBMISSIONS_MAX = 4, /* of one connection, at most */
    PART_BYTES_MAX = 1u << 30 /* moved at once; an entry's length has 32 bits */
};

void uring_want(struct io_conn *conn, unsigned wants) {
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

bool uring_unwant(struct io_conn *conn, unsigned wants) {
    bool was = (conn->back_wants & wants) != 0;

    conn->back_wants = (uint8_t)(conn->back_wants & ~wants);
    return was;
}

static struct io_uring_sqe *submission(struct io_conn *conn) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring_of(conn->io)->ring);

    ASSERT(sqe != NULL);
    conn->operations++;
    return sqe;
}

/* After io_uring_prep_*(), some of which clear it. */
static void submission_tag(struct io_uring_sqe *sqe, const struct io_conn *conn,
                           enum uring_operation operation) {
    sqe->user_data = uring_tag(operation, conn->generation, conn->slot);
}

static struct msghdr *message_of(struct uring_io *back, const struct io_uring_sqe *sqe,
                                 struct iovec *iov, unsigned count) {
    struct msghdr *message = &back->messages[sqe - back->ring.sq.sqes];

    *message = (struct msghdr){.msg_iov = iov, .msg_iovlen = count};
    return message;
}

static void submit_stream(struct uring_io *back, struct io_conn *conn) {
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

static size_t bytes_at_once(const struct iovec *part, size_t bytes_max) {
    return part->iov_len < bytes_max ? part->iov_len : bytes_max;
}

static void submit_into(struct uring_io *back, struct io_conn *conn) {
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

static void submit_send(struct uring_io *back, struct io_conn *conn) {
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

static void submit_cancel(struct io_conn *conn, enum uring_operation operation) {
    struct io_uring_sqe *sqe = submission(conn);

    io_uring_prep_cancel64(sqe, uring_tag(operation, conn->generation, conn->slot), 0);
    submission_tag(sqe, conn, URING_CANCEL);
}

static enum uring_operation recv_operation(const struct io_conn *conn) {
    if (conn->recv_state == IO_RECV_DIRECT) {
        return URING_RECV_INTO;
    }
    return (conn->io->features & IO_FEATURE_BUFFER_RING) != 0 ? URING_RECV : URING_POLL;
}

static void submit_conn(struct uring_io *back, struct io_conn *conn) {
    unsigned wants = conn->back_wants;

    conn->back_wants = 0;
    if ((wants & URING_WANT_RECV_CANCEL) != 0 && (conn->back_flags & URING_ARMED_RECV) != 0) {
        submit_cancel(conn, recv_operation(conn));
    }
    if ((wants & URING_WANT_SEND_CANCEL) != 0 && (conn->back_flags & URING_ARMED_SEND) != 0) {
        submit_cancel(conn, URING_SEND);
    }
    if ((wants & URING_WANT_RECV) != 0) {
        ASSERT((conn->back_flags & URING_ARMED_RECV) == 0);
        uring_flag_set(conn, URING_ARMED_RECV);
        if (conn->recv_state == IO_RECV_DIRECT) {
            submit_into(back, conn);
        } else {
            submit_stream(back, conn);
        }
    }
    if ((wants & URING_WANT_SEND) != 0) {
        ASSERT((conn->back_flags & URING_ARMED_SEND) == 0);
        uring_flag_set(conn, URING_ARMED_SEND);
        submit_send(back, conn);
    }
}

void uring_closed_check(struct io_conn *conn) {
    if (conn->closing && conn->operations == 0 && !conn->in_work) {
        io_conn_mark(conn, IO_MARK_CLOSED);
    }
}

void uring_submit_conns(struct uring_io *back) {
    while (back->work_first != NULL &&
           io_uring_sq_space_left(&back->ring) >= CONN_SUBMISSIONS_MAX) {
        struct io_conn *conn = back->work_first;

        back->work_first = conn->work_next;
        conn->work_next = NULL;
        conn->in_work = false;
        submit_conn(back, conn);
        uring_closed_check(conn);
    }
}

void uring_submit_bell(struct uring_io *back) {
    struct io_uring_sqe *sqe;

    if (back->bell_armed || io_uring_sq_space_left(&back->ring) == 0) {
        return;
    }
    sqe = io_uring_get_sqe(&back->ring);
    io_uring_prep_read(sqe, back->bell_fd, &back->bell_value, sizeof(back->bell_value), 0);
    sqe->user_data = uring_tag(URING_BELL, 0, 0);
    back->bell_armed = true;
}

static void submit_accept(struct uring_io *back, struct io_listener *listener) {
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

static void submit_accept_cancel(struct uring_io *back, struct io_listener *listener) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&back->ring);

    io_uring_prep_cancel64(sqe, uring_tag(URING_ACCEPT, listener->generation, listener->slot), 0);
    sqe->user_data = uring_tag(URING_ACCEPT_CANCEL, listener->generation, listener->slot);
    listener->operations++;
    listener->cancelling = true;
}

void uring_submit_listeners(struct uring_io *back) {
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
