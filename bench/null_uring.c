/* larder: the server without a store over io_uring */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/null.h"

/* One ring a thread: multishot accept, multishot receives from one ring of provided buffers, task
 * work run only where the loop waits, one send a connection and turn. user_data is the
 * connection's address with the kind of operation in its low bits. */
enum {
    ENTRIES = 1024,
    COMPLETIONS = 4096,
    BUFFERS = 256, /* a power of two */
    BUFFER_BYTES = 16 * 1024,
    BUFFER_GROUP = 0,
    OP_ACCEPT = 0,
    OP_RECV = 1,
    OP_SEND = 2,
    OP_MASK = 3,
};

struct uring_server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    char *buffers;
    const struct null_replies *replies;
    int listener;
    /* connections that have something to send after this batch of completions */
    struct null_conn *ready[COMPLETIONS];
    uint32_t ready_count;
    struct msghdr message; /* per send: the kernel copies it while submitting */
};

static struct io_uring_sqe *next_sqe(struct uring_server *server) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);
    if (sqe == NULL) {
        io_uring_submit(&server->ring);
        sqe = io_uring_get_sqe(&server->ring);
    }
    return sqe;
}

static void arm(struct io_uring_sqe *sqe, struct null_conn *conn, uint64_t op) {
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)conn | op);
}

static void return_buffer(struct uring_server *server, unsigned short id) {
    io_uring_buf_ring_add(server->buffer_ring, server->buffers + (size_t)id * BUFFER_BYTES,
                          BUFFER_BYTES, id, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(server->buffer_ring, 1);
}

static bool map_buffers(struct uring_server *server) {
    size_t bytes = BUFFERS * sizeof(struct io_uring_buf);
    void *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    server->buffers = malloc((size_t)BUFFERS * BUFFER_BYTES);
    if (ring == MAP_FAILED || server->buffers == NULL)
        return false;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)ring, .ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
    int result = io_uring_register_buf_ring(&server->ring, &reg, 0);
    errno = -result;
    server->buffer_ring = ring;
    io_uring_buf_ring_init(server->buffer_ring);
    for (unsigned short id = 0; result == 0 && id < BUFFERS; id++)
        return_buffer(server, id);
    return result == 0;
}

static bool open_ring(struct uring_server *server) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    int result = io_uring_queue_init_params(ENTRIES, &server->ring, &params);
    errno = -result;
    if (result != 0)
        return false;
    io_uring_register_ring_fd(&server->ring);
    return map_buffers(server);
}

static bool arm_accept(struct uring_server *server) {
    struct io_uring_sqe *sqe = next_sqe(server);
    if (sqe == NULL)
        return false;
    io_uring_prep_multishot_accept(sqe, server->listener, NULL, NULL, SOCK_CLOEXEC);
    arm(sqe, NULL, OP_ACCEPT);
    return true;
}

static bool arm_recv(struct uring_server *server, struct null_conn *conn) {
    struct io_uring_sqe *sqe = next_sqe(server);
    if (sqe == NULL)
        return false;
    io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    arm(sqe, conn, OP_RECV);
    return true;
}

/* MSG_WAITALL has the kernel go on with a short send by itself. Only one part goes with an
 * operation: its bytes are constant, so nothing of the connection is lent to the kernel, and a run
 * of equal requests is one part anyway. Several parts go by sendmsg, whose header is copied at
 * submission. */
static bool arm_send(struct uring_server *server, struct null_conn *conn) {
    struct io_uring_sqe *sqe = next_sqe(server);
    if (sqe == NULL)
        return false;
    if (conn->part_count == 1) {
        io_uring_prep_send(sqe, conn->fd, conn->parts[0].iov_base, conn->parts[0].iov_len,
                           MSG_NOSIGNAL | MSG_WAITALL);
        arm(sqe, conn, OP_SEND);
        conn->is_sending = true;
        return true;
    }
    server->message = (struct msghdr){.msg_iov = conn->parts, .msg_iovlen = conn->part_count};
    io_uring_prep_sendmsg(sqe, conn->fd, &server->message, MSG_NOSIGNAL | MSG_WAITALL);
    arm(sqe, conn, OP_SEND);
    conn->is_sending = true;
    /* the next send reuses the header */
    return io_uring_submit(&server->ring) >= 0;
}

static bool take_accept(struct uring_server *server, const struct io_uring_cqe *cqe) {
    if ((cqe->flags & IORING_CQE_F_MORE) == 0 && !arm_accept(server))
        return false;
    if (cqe->res < 0)
        return true;
    const int on = 1;
    (void)setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct null_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return false;
    conn->fd = cqe->res;
    return arm_recv(server, conn);
}

/* The connection ends when neither a receive nor a send is with the kernel and no list names it. */
static void end_conn(struct null_conn *conn) {
    if (!conn->is_closed || conn->is_sending || conn->is_ready)
        return;
    close(conn->fd);
    free(conn);
}

static void want_send(struct uring_server *server, struct null_conn *conn) {
    if (conn->is_sending || conn->is_ready || conn->is_closed || conn->part_count == 0)
        return;
    conn->is_ready = true;
    server->ready[server->ready_count++] = conn;
}

static bool take_recv(struct uring_server *server, struct null_conn *conn,
                      const struct io_uring_cqe *cqe) {
    if (cqe->res > 0) {
        unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        bool ok = null_feed(conn, server->replies, server->buffers + (size_t)id * BUFFER_BYTES,
                            (size_t)cqe->res);
        return_buffer(server, id);
        if (!ok)
            shutdown(conn->fd, SHUT_RDWR);
        want_send(server, conn);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) != 0)
        return true;
    if (cqe->res > 0 || cqe->res == -ENOBUFS)
        return arm_recv(server, conn);
    conn->is_closed = true;
    end_conn(conn);
    return true;
}

static void take_send(struct uring_server *server, struct null_conn *conn,
                      const struct io_uring_cqe *cqe) {
    conn->is_sending = false;
    if (cqe->res < 0)
        conn->part_count = 0;
    else
        null_sent(conn, (size_t)cqe->res);
    want_send(server, conn);
    end_conn(conn);
}

static bool take(struct uring_server *server, const struct io_uring_cqe *cqe) {
    struct null_conn *conn = (struct null_conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)OP_MASK);
    switch (cqe->user_data & OP_MASK) {
    case OP_RECV:
        return take_recv(server, conn, cqe);
    case OP_SEND:
        take_send(server, conn, cqe);
        return true;
    default:
        return take_accept(server, cqe);
    }
}

static bool turn(struct uring_server *server) {
    int result = io_uring_submit_and_wait(&server->ring, 1);
    if (result < 0 && result != -EINTR && result != -EBUSY) {
        errno = -result;
        return false;
    }
    unsigned head;
    unsigned count = 0;
    bool ok = true;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&server->ring, head, cqe) {
        ok = take(server, cqe) && ok;
        count++;
        if (count == COMPLETIONS / 2)
            break;
    }
    io_uring_cq_advance(&server->ring, count);
    for (uint32_t i = 0; ok && i < server->ready_count; i++) {
        struct null_conn *conn = server->ready[i];
        conn->is_ready = false;
        if (conn->is_closed)
            end_conn(conn);
        else
            ok = arm_send(server, conn);
    }
    server->ready_count = 0;
    return ok;
}

bool null_uring_serve(int listener, const struct null_replies *replies) {
    struct uring_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return false;
    server->listener = listener;
    server->replies = replies;
    bool ok = open_ring(server) && arm_accept(server);
    while (ok)
        ok = turn(server);
    return false;
}
