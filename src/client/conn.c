/* larder: one connection of a client */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include "src/client/conn.h"
#include "src/client/secure.h"

enum { CONN_FILL_BYTES = 16384 };

void conn_init(struct conn *conn) {
    *conn = (struct conn){.fd = -1, .why = ""};
}

static const char *why_of(int error) {
    switch (error) {
    case ECONNREFUSED: return "connection refused";
    case ECONNRESET:
    case EPIPE: return "connection reset";
    case ENOENT: return "there is no such socket";
    case EACCES:
    case EPERM: return "connecting is not permitted";
    case ENETUNREACH: return "network unreachable";
    case EHOSTUNREACH: return "host unreachable";
    case ETIMEDOUT: return "connection timed out";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ENOMEM:
    case ENOBUFS: return "out of memory";
    default: return "connection failed";
    }
}

static enum conn_progress lose(struct conn *conn, const char *why) {
    conn->why = why;
    return CONN_LOST;
}

/* From here on only conn_fill may block, and only as long as it is told. */
static enum conn_progress settle(struct conn *conn) {
    conn->connecting = false;
    int flags = fcntl(conn->fd, F_GETFL);

    if (flags < 0 || fcntl(conn->fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        return lose(conn, "connection failed");
    }
    return CONN_GOT;
}

enum conn_progress conn_open(struct conn *conn, const struct sockaddr *address,
                             socklen_t address_bytes) {
    int one = 1;

    ASSERT(!conn_is_open(conn));
    conn->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        return lose(conn, why_of(errno));
    }
    if (address->sa_family != AF_UNIX) {
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
    if (connect(conn->fd, address, address_bytes) == 0) {
        return settle(conn);
    }
    if (errno == EINPROGRESS || errno == EINTR) {
        conn->connecting = true;
        return CONN_WAITS;
    }
    /* a full backlog of a unix socket says EAGAIN */
    return lose(conn, why_of(errno == EAGAIN ? ECONNREFUSED : errno));
}

bool conn_secure(struct conn *conn, struct secure_context *context, const char *name) {
    conn->secure = secure_create(context, name);
    return conn->secure != NULL;
}

void conn_close(struct conn *conn) {
    if (conn_is_open(conn)) {
        (void)close(conn->fd);
    }
    if (conn->secure != NULL) {
        secure_destroy(conn->secure);
    }
    bytes_fini(&conn->in);
    bytes_fini(&conn->out);
    bytes_fini(&conn->cipher);
    const char *why = conn->why;

    conn_init(conn);
    conn->why = why;
}

short conn_events(const struct conn *conn) {
    short events = conn->connecting ? 0 : POLLIN;

    if (conn->connecting || bytes_count(&conn->cipher) > 0 ||
        (bytes_count(&conn->out) > 0 && conn->secure == NULL)) {
        events |= POLLOUT;
    }
    return events;
}

enum conn_progress conn_connected(struct conn *conn) {
    int error = 0;
    socklen_t bytes = sizeof(error);

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) {
        error = errno;
    }
    return error == 0 ? settle(conn) : lose(conn, why_of(error));
}

/* Sends from one queue; *sent counts. */
static enum conn_progress send_queue(struct conn *conn, struct bytes *queue, uint64_t *sent) {
    while (bytes_count(queue) > 0) {
        struct span rest = bytes_span(queue);
        ssize_t bytes = send(conn->fd, rest.data, rest.len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (bytes < 0 && errno == EINTR) {
            continue;
        }
        if (bytes < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? CONN_WAITS
                                                           : lose(conn, why_of(errno));
        }
        bytes_drop(queue, (size_t)bytes);
        *sent += (uint64_t)bytes;
    }
    bytes_clear(queue, CONN_KEPT_BYTES);
    return CONN_GOT;
}

/* Plain text through TLS: what it takes counts as sent. */
static enum conn_progress flush_secure(struct conn *conn) {
    uint64_t ignored = 0;

    for (;;) {
        size_t taken = 0;

        if (!secure_write(conn->secure, bytes_span(&conn->out), &taken, &conn->cipher)) {
            return lose(conn, secure_why(conn->secure));
        }
        bytes_drop(&conn->out, taken);
        conn->sent_bytes += taken;
        enum conn_progress progress = send_queue(conn, &conn->cipher, &ignored);

        if (progress != CONN_GOT || taken == 0) {
            return progress;
        }
    }
}

enum conn_progress conn_flush(struct conn *conn) {
    if (conn->connecting) {
        return CONN_WAITS;
    }
    return conn->secure != NULL ? flush_secure(conn)
                                : send_queue(conn, &conn->out, &conn->sent_bytes);
}

/* Receives into `queue`. */
static enum conn_progress receive(struct conn *conn, struct bytes *queue, int flags) {
    uint8_t *to = bytes_reserve(queue, CONN_FILL_BYTES);

    if (to == NULL) {
        return lose(conn, "out of memory");
    }
    ssize_t bytes = recv(conn->fd, to, queue->room - queue->end, flags);

    if (bytes > 0) {
        bytes_commit(queue, (size_t)bytes);
        return CONN_GOT;
    }
    if (bytes == 0) {
        return lose(conn, "the server closed the connection");
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? CONN_WAITS
                                                                     : lose(conn, why_of(errno));
}

/* Records become plain text; TLS may want to answer. */
static enum conn_progress fill_secure(struct conn *conn) {
    struct bytes records = {.room = 0};
    enum conn_progress progress = receive(conn, &records, MSG_DONTWAIT);
    size_t before = bytes_count(&conn->in);
    bool whole = secure_read(conn->secure, bytes_span(&records), &conn->in);

    bytes_fini(&records);
    if (!whole) {
        return lose(conn, secure_why(conn->secure));
    }
    if (progress == CONN_LOST) {
        return bytes_count(&conn->in) > before ? CONN_GOT : CONN_LOST;
    }
    enum conn_progress flushed = flush_secure(conn);

    if (flushed == CONN_LOST) {
        return CONN_LOST;
    }
    return bytes_count(&conn->in) > before ? CONN_GOT : CONN_WAITS;
}

enum conn_progress conn_fill(struct conn *conn, bool may_wait) {
    if (conn->secure != NULL) {
        return fill_secure(conn);
    }
    return receive(conn, &conn->in, may_wait && conn->blocks_ms > 0 ? 0 : MSG_DONTWAIT);
}

void conn_set_blocks_ms(struct conn *conn, uint32_t ms) {
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    if (ms > 0 && conn->secure == NULL &&
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0) {
        conn->blocks_ms = ms;
    }
}

bool conn_is_fresh(const struct conn *conn) {
    uint8_t byte;
    ssize_t bytes = recv(conn->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

    /* TLS sends tickets whenever it likes */
    return (bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) ||
           (bytes > 0 && conn->secure != NULL);
}
