/* larder: one connection of the load generator */
#include "bench/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    CONNECT_SECONDS_MAX = 10,
};

bool conn_init(struct conn *conn, uint32_t pipeline, uint32_t keys_per_op) {
    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
    conn->pipeline = pipeline;
    conn->keys_per_op = keys_per_op;
    conn->ops = calloc(pipeline, sizeof(*conn->ops));
    conn->tokens = calloc((size_t)pipeline * keys_per_op, sizeof(*conn->tokens));
    return conn->ops != NULL && conn->tokens != NULL;
}

void conn_fini(struct conn *conn) {
    if (conn->fd >= 0)
        close(conn->fd);
    free(conn->ops);
    free(conn->tokens);
    outq_fini(&conn->unsent);
    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
}

bool conn_open(struct conn *conn, const struct sockaddr *address, socklen_t address_bytes) {
    conn->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return false;
    const struct timeval patience = {.tv_sec = CONNECT_SECONDS_MAX};
    const int on = 1;
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(conn->fd, address, address_bytes) != 0)
        return false;
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int flags = fcntl(conn->fd, F_GETFL);
    return flags >= 0 && fcntl(conn->fd, F_SETFL, flags | O_NONBLOCK) == 0;
}
