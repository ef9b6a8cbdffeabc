/* larder: the server without a store over epoll */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/null.h"

enum {
    EVENTS = 64,
};

static bool accept_one(int epoll, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct null_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return false;
    conn->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Sends what there is, and asks to be told when the rest fits. False when the connection is
 * gone. */
static bool send_parts(int epoll, struct null_conn *conn) {
    while (conn->part_count > 0) {
        struct msghdr message = {.msg_iov = conn->parts, .msg_iovlen = conn->part_count};
        ssize_t sent = conn->part_count == 1
                           ? send(conn->fd, conn->parts[0].iov_base, conn->parts[0].iov_len,
                                  MSG_NOSIGNAL)
                           : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        null_sent(conn, (size_t)sent);
    }
    if (conn->is_sending == (conn->part_count > 0))
        return true;
    conn->is_sending = conn->part_count > 0;
    struct epoll_event event = {.events = conn->is_sending ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = conn};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &event) == 0;
}

static bool serve(int epoll, struct null_conn *conn, const struct null_replies *replies, char *in) {
    ssize_t got = recv(conn->fd, in, NULL_IN_BYTES, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        return false;
    if (got > 0 && !null_feed(conn, replies, in, (size_t)got))
        return false;
    return send_parts(epoll, conn);
}

bool null_epoll_serve(int listener, const struct null_replies *replies) {
    struct epoll_event events[EVENTS];
    char *in = malloc(NULL_IN_BYTES);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    bool ok = in != NULL && epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0;
    while (ok) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; ok && i < count; i++) {
            struct null_conn *conn = events[i].data.ptr;
            if (conn == NULL) {
                ok = accept_one(epoll, listener);
            } else if (!serve(epoll, conn, replies, in)) {
                close(conn->fd);
                free(conn);
            }
        }
    }
    free(in);
    return false;
}
