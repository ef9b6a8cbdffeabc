/* larder: the epoll back end: completions emulated on readiness
 *
 * A connection is registered once, edge-triggered for both directions, and never changed after:
 * starting, stopping and sending cost no epoll_ctl(2). What an edge said is remembered in
 * back_flags until a system call shows that it no longer holds: EAGAIN, or fewer bytes than asked
 * for, which for a stream socket means the same (epoll(7)). Connections that can be read and want
 * to be stand in a work list; each gives one receive a turn, so that none starves another. Sends
 * are tried at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/arena.h"
#include "io/io_core.h"

enum {
    POLLED_MAX = 512, /* readiness events fetched a turn */
    ROUNDS_MAX = 4,   /* receives from one connection a turn */
    ACCEPTS_MAX = 64, /* accepted from one listener a turn */
    NS_PER_MS = 1000000
};

/* back_flags */
enum {
    CAN_READ = 1u << 0,
    HUNG_UP = 1u << 1 /* a short receive does not prove that nothing is left: the end is */
};

/* epoll_event.data: what, generation, slot */
enum { TAG_CONN, TAG_LISTENER, TAG_BELL };

struct epoll_io {
    struct io io;
    struct arena arena;
    struct io_conn *work_first;
    struct io_conn *work_last;
    int epoll_fd;
    int bell_fd;
    bool listeners_ready;
    bool pwait2_refused;
    struct epoll_event polled[POLLED_MAX];
};

static struct epoll_io *of(struct io *io) {
    return (struct epoll_io *)io;
}

static void count_syscall(struct io *io) {
    atom_own_add(&io->counters.syscalls, 1);
}

static uint64_t tag_make(unsigned what, uint32_t generation, uint32_t slot) {
    return (uint64_t)slot << 32 | (uint64_t)generation << 4 | what;
}

static void work_push(struct epoll_io *back, struct io_conn *conn) {
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

static struct io_conn *work_pop(struct epoll_io *back) {
    struct io_conn *conn = back->work_first;

    back->work_first = conn->work_next;
    conn->work_next = NULL;
    conn->in_work = false;
    return conn;
}

static bool wants_read(const struct io_conn *conn) {
    return !conn->closing &&
           (conn->recv_state == IO_RECV_STREAM || conn->recv_state == IO_RECV_DIRECT) &&
           (conn->marks & IO_MARK_RECEIVED_INTO) == 0;
}

static void conn_readable_note(struct io_conn *conn, size_t asked, size_t got) {
    if (got < asked && (conn->back_flags & HUNG_UP) == 0) {
        conn->back_flags = (uint8_t)(conn->back_flags & ~(unsigned)CAN_READ);
    }
}

static bool passing(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* One receive into the core's memory; there is room in arena and batch. */
static void conn_receive(struct epoll_io *back, struct io_conn *conn, struct io_batch *batch) {
    const uint8_t *data = NULL;
    size_t length = 0;
    int error = arena_receive(&back->arena, conn->fd, &data, &length);

    count_syscall(&back->io);
    if (error == EINTR) {
        return;
    }
    if (passing(error)) {
        conn->back_flags = (uint8_t)(conn->back_flags & ~(unsigned)CAN_READ);
    } else if (error != 0 || length == 0) {
        io_batch_ended(batch, conn, error);
    } else {
        conn_readable_note(conn, back->arena.buffer_bytes, length);
        io_batch_received(batch, conn, data, length);
    }
}

static size_t iov_bytes(const struct iovec *iov, unsigned count) {
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        bytes += iov[i].iov_len;
    }
    return bytes;
}

static void conn_receive_into(struct io_conn *conn, struct io_batch *batch) {
    struct msghdr message = {.msg_iov = conn->recv_iov, .msg_iovlen = conn->recv_count};
    ssize_t got = recvmsg(conn->fd, &message, MSG_DONTWAIT);
    int error = got < 0 ? errno : 0;

    count_syscall(conn->io);
    if (error == EINTR) {
        return;
    }
    if (passing(error)) {
        conn->back_flags = (uint8_t)(conn->back_flags & ~(unsigned)CAN_READ);
        return;
    }
    if (got > 0) {
        conn_readable_note(conn, iov_bytes(conn->recv_iov, conn->recv_count), (size_t)got);
    }
    io_batch_received_into(batch, conn, got > 0 ? (size_t)got : 0, error);
}

/* Each connection of the list gives one receive; what may hold more goes behind the others. */
static void work_round(struct epoll_io *back, struct io_batch *batch) {
    struct io_conn *last = back->work_last;
    struct io_conn *conn = NULL;

    while (back->work_first != NULL && conn != last && !io_batch_full(batch) &&
           arena_has_room(&back->arena)) {
        conn = work_pop(back);
        if (conn->closing) {
            io_conn_mark(conn, IO_MARK_CLOSED);
        }
        if (!wants_read(conn) || (conn->back_flags & CAN_READ) == 0) {
            continue;
        }
        if (conn->recv_state == IO_RECV_DIRECT) {
            conn_receive_into(conn, batch);
        } else {
            conn_receive(back, conn, batch);
        }
        if (wants_read(conn) && (conn->back_flags & CAN_READ) != 0) {
            work_push(back, conn);
        }
    }
}

static void work_run(struct epoll_io *back, struct io_batch *batch) {
    for (unsigned round = 0; round < ROUNDS_MAX && back->work_first != NULL; round++) {
        work_round(back, batch);
    }
}

static ssize_t send_once(struct io_conn *conn, size_t *asked) {
    uint32_t bytes_max = conn->io->config.send_bytes_max;
    struct msghdr message = {.msg_iov = conn->send_iov, .msg_iovlen = conn->send_count};

    count_syscall(conn->io);
    if (conn->send_count > 1 && bytes_max == 0) {
        *asked = iov_bytes(conn->send_iov, conn->send_count);
        return sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    *asked = conn->send_iov->iov_len;
    if (bytes_max != 0 && *asked > bytes_max) {
        *asked = bytes_max;
    }
    return send(conn->fd, conn->send_iov->iov_base, *asked, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends until all is sent or the socket is full; the edge that follows continues. */
static void conn_send(struct io_conn *conn) {
    for (;;) {
        size_t asked;
        ssize_t sent = send_once(conn, &asked);
        int error = sent < 0 ? errno : 0;

        if (error == EINTR) {
            continue;
        }
        if (passing(error)) {
            return;
        }
        if (error != 0) {
            io_conn_sent(conn, error);
            return;
        }
        conn->send_bytes += (size_t)sent;
        io_iov_advance(&conn->send_iov, &conn->send_count, (size_t)sent);
        if (conn->send_count == 0) {
            io_conn_sent(conn, 0);
            return;
        }
        atom_own_add(&conn->io->counters.sends_short, 1);
    }
}

static void conn_polled(struct epoll_io *back, struct io_conn *conn, uint32_t events) {
    if (conn->closing) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        conn->back_flags |= CAN_READ;
        if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            conn->back_flags |= HUNG_UP;
        }
        if (wants_read(conn)) {
            work_push(back, conn);
        }
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && conn->sending) {
        conn_send(conn);
    }
}

static void bell_drain(struct epoll_io *back) {
    uint64_t rings;

    /* says EAGAIN at worst; the bell's word tells whether there is an event */
    (void)!read(back->bell_fd, &rings, sizeof(rings));
    count_syscall(&back->io);
}

static void listener_polled(struct epoll_io *back, uint32_t slot, uint32_t generation) {
    struct io_listener *listener = slot < IO_LISTENERS_MAX ? back->io.listeners[slot] : NULL;

    if (listener != NULL && listener->generation == generation) {
        listener->armed = true;
        back->listeners_ready = true;
    }
}

static void polled_take(struct epoll_io *back, const struct epoll_event *polled) {
    uint64_t tag = polled->data.u64;
    uint32_t slot = (uint32_t)(tag >> 32);
    uint32_t generation = (uint32_t)(tag >> 4) & IO_GENERATION_MASK;
    struct io_conn *conn;

    switch (tag & 15u) {
    case TAG_BELL:
        bell_drain(back);
        return;
    case TAG_LISTENER:
        listener_polled(back, slot, generation);
        return;
    default:
        conn = io_conn_find(&back->io, slot, generation);
        if (conn != NULL) {
            conn_polled(back, conn, polled->events);
        }
        return;
    }
}

static int poll_for(struct epoll_io *back, int64_t wait_ns) {
    int count;

    count_syscall(&back->io);
    if (wait_ns > 0 && !back->pwait2_refused) {
        struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};

        count = epoll_pwait2(back->epoll_fd, back->polled, POLLED_MAX, &wait, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        back->pwait2_refused = true; /* Linux before 5.11 */
    }
    if (wait_ns > 0) {
        int64_t ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;

        return epoll_wait(back->epoll_fd, back->polled, POLLED_MAX,
                          ms > INT32_MAX ? INT32_MAX : (int)ms);
    }
    return epoll_wait(back->epoll_fd, back->polled, POLLED_MAX, wait_ns < 0 ? -1 : 0);
}

/* Returns false when the listener has no more, or is paused. */
static bool listener_accept(struct io_listener *listener, struct io_batch *batch) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    int error = fd < 0 ? errno : 0;

    count_syscall(listener->io);
    if (error == EAGAIN || error == EWOULDBLOCK) {
        listener->armed = false;
        return false;
    }
    if (error == 0) {
        io_batch_accepted(batch, listener, fd, 0);
        return true;
    }
    if (io_accept_error_passes(error)) {
        return true;
    }
    listener->state = IO_LISTEN_PAUSED;
    io_batch_accepted(batch, listener, -1, error);
    return false;
}

static void listeners_run(struct epoll_io *back, struct io_batch *batch) {
    bool more = false;

    for (unsigned i = 0; i < IO_LISTENERS_MAX; i++) {
        struct io_listener *listener = back->io.listeners[i];
        unsigned accepts = 0;

        if (listener == NULL || !listener->armed || listener->state != IO_LISTEN_ACCEPTING) {
            continue;
        }
        while (accepts < ACCEPTS_MAX && !io_batch_full(batch) && listener_accept(listener, batch)) {
            accepts++;
        }
        more |= listener->armed && listener->state == IO_LISTEN_ACCEPTING;
    }
    back->listeners_ready = more;
}

static void epoll_turn(struct io *io, struct io_batch *batch, int64_t wait_ns_max) {
    struct epoll_io *back = of(io);
    int64_t wait_ns = wait_ns_max;
    int count;

    arena_reset(&back->arena);
    io_marks_deliver(io, batch);
    if (batch->count > 0 || back->work_first != NULL || back->listeners_ready) {
        wait_ns = 0;
    }
    if (wait_ns != 0 && !io_sleep_begin(io)) {
        wait_ns = 0;
    }
    if (wait_ns != 0) {
        atom_own_add(&io->counters.sleeps, 1);
    }
    count = poll_for(back, wait_ns);
    io_bell_deliver(io, batch);
    for (int i = 0; i < count; i++) {
        polled_take(back, &back->polled[i]);
    }
    if (back->listeners_ready) {
        listeners_run(back, batch);
    }
    work_run(back, batch);
    io_marks_deliver(io, batch);
    io->now_ns = io_clock_ns();
}

static int conn_register(struct io_conn *conn) {
    struct epoll_io *back = of(conn->io);
    struct epoll_event wanted = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.u64 = tag_make(TAG_CONN, conn->generation, conn->slot),
    };

    count_syscall(conn->io);
    return epoll_ctl(back->epoll_fd, EPOLL_CTL_ADD, conn->fd, &wanted) == 0 ? 0 : errno;
}

static void recv_begin(struct io_conn *conn) {
    if ((conn->back_flags & CAN_READ) != 0) {
        work_push(of(conn->io), conn);
    }
}

static void recv_stop(struct io_conn *conn) {
    io_conn_mark(conn, IO_MARK_RECV_STOPPED);
}

static void recv_into_cancel(struct io_conn *conn) {
    conn->recv_bytes = 0;
    conn->recv_error = ECANCELED;
    io_conn_mark(conn, IO_MARK_RECEIVED_INTO);
}

static void send_cancel(struct io_conn *conn) {
    io_conn_sent(conn, ECANCELED);
}

/* Nothing of the connection is ever with the kernel: close(2) itself, when IO_CLOSED is delivered
 * in the next turn, sends the end. From the work list it is taken when its time there comes. */
static void conn_close(struct io_conn *conn) {
    if (!conn->in_work) {
        io_conn_mark(conn, IO_MARK_CLOSED);
    }
}

static int listener_register(struct io_listener *listener) {
    struct epoll_io *back = of(listener->io);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET};
    int flags = fcntl(listener->fd, F_GETFL);

    wanted.data.u64 = tag_make(TAG_LISTENER, listener->generation, listener->slot);
    if (flags < 0 || fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return errno;
    }
    return epoll_ctl(back->epoll_fd, EPOLL_CTL_ADD, listener->fd, &wanted) == 0 ? 0 : errno;
}

static void listener_change(struct io_listener *listener) {
    if (listener->state == IO_LISTEN_STOPPING) {
        io_listener_mark_closed(listener);
    } else if (listener->state == IO_LISTEN_ACCEPTING && listener->armed) {
        of(listener->io)->listeners_ready = true;
    }
}

static void fd_close(struct io *io, int fd) {
    count_syscall(io);
    (void)close(fd);
}

static void bell_write(struct io *io) {
    uint64_t one = 1;

    (void)!write(of(io)->bell_fd, &one, sizeof(one));
}

static void epoll_destroy(struct io *io) {
    struct epoll_io *back = of(io);

    if (back->epoll_fd >= 0) {
        (void)close(back->epoll_fd);
    }
    if (back->bell_fd >= 0) {
        (void)close(back->bell_fd);
    }
    arena_fini(&back->arena);
    io_fini(io);
    free(back);
}

static void epoll_trim(struct io *io) {
    arena_trim(&of(io)->arena);
}

static const struct io_ops epoll_ops = {
    .backend = IO_BACKEND_EPOLL,
    .turn = epoll_turn,
    .trim = epoll_trim,
    .conn_open = conn_register,
    .recv_start = recv_begin,
    .recv_stop = recv_stop,
    .recv_into = recv_begin,
    .recv_into_cancel = recv_into_cancel,
    .send = conn_send,
    .send_cancel = send_cancel,
    .close = conn_close,
    .listen_start = listener_register,
    .listen_change = listener_change,
    .fd_close = fd_close,
    .bell_write = bell_write,
    .destroy = epoll_destroy,
};

static int epoll_io_init(struct epoll_io *back, const struct io_config *config) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = tag_make(TAG_BELL, 0, 0)};
    int error = io_init(&back->io, &epoll_ops, config);

    back->epoll_fd = -1;
    back->bell_fd = -1;
    if (error == 0) {
        error = arena_init(&back->arena, config->buffer_bytes, config->buffers_initial);
    }
    if (error != 0) {
        return error;
    }
    back->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    back->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (back->epoll_fd < 0 || back->bell_fd < 0 ||
        epoll_ctl(back->epoll_fd, EPOLL_CTL_ADD, back->bell_fd, &wanted) != 0) {
        return errno;
    }
    atom_store_relaxed(&back->io.counters.buffers, config->buffers_initial);
    return 0;
}

int io_create_epoll(const struct io_config *config, struct io **out) {
    struct epoll_io *back = aligned_alloc(CACHE_LINE_BYTES, sizeof(*back));
    int error;

    *out = NULL;
    if (back == NULL) {
        return ENOMEM;
    }
    *back = (struct epoll_io){.epoll_fd = -1};
    error = epoll_io_init(back, config);
    if (error != 0) {
        epoll_destroy(&back->io);
        return error;
    }
    *out = &back->io;
    return 0;
}
