/* larder: one connection of a client
 *
 * Purpose: bytes out, bytes in, over TCP, a unix socket or TLS, without ever waiting but where
 *   conn_fill is told to.
 * Owner: a node.   Threads: one.
 * Memory: two queues that grow; what is over CONN_KEPT_BYTES goes back when they are empty.
 * Limits: none of its own: the node bounds what it asks for and what it believes.
 * Errors: CONN_LOST, with why in words; the descriptor is open until conn_close.
 *
 * The descriptor is a blocking one with a limit on receives, so that a lone request can wait in the
 * receive itself: two system calls rather than three. Every other call says MSG_DONTWAIT. */
#ifndef LARDER_CLIENT_CONN_H
#define LARDER_CLIENT_CONN_H

#include <sys/socket.h>

#include "src/client/bytes.h"

struct secure;
struct secure_context;

enum conn_progress {
    CONN_GOT,   /* bytes moved */
    CONN_WAITS, /* nothing to be had now */
    CONN_LOST,  /* refused, reset, ended; conn->why */
};

struct conn {
    int fd; /* -1: closed */
    bool connecting;
    struct bytes in;
    struct bytes out;
    struct secure *secure; /* NULL: none */
    struct bytes cipher;   /* what TLS has made of `out` and has not been sent */
    uint64_t queued_bytes; /* ever put into `out` */
    uint64_t sent_bytes;   /* of those, handed on */
    uint32_t blocks_ms;    /* how long a blocking receive waits at most; 0: not set */
    const char *why;       /* static */
};

enum { CONN_KEPT_BYTES = 1 << 17 };

void conn_init(struct conn *conn);

/* Begins to connect. */
MUST_CHECK enum conn_progress conn_open(struct conn *conn, const struct sockaddr *address,
                                        socklen_t address_bytes);
/* Over TLS: `name` is what the certificate must say, NULL for any. */
MUST_CHECK bool conn_secure(struct conn *conn, struct secure_context *context, const char *name);
void conn_close(struct conn *conn);

/* Whether there is a descriptor. */
static inline bool conn_is_open(const struct conn *conn) {
    return conn->fd >= 0;
}

/* What poll shall wait for. */
short conn_events(const struct conn *conn);

/* Room for a request; conn_queued when it is written. */
MUST_CHECK static inline uint8_t *conn_reserve(struct conn *conn, size_t bytes) {
    return bytes_reserve(&conn->out, bytes);
}

static inline void conn_queued(struct conn *conn, size_t bytes) {
    bytes_commit(&conn->out, bytes);
    conn->queued_bytes += bytes;
}

/* The connection stands: poll said that it can be written. CONN_GOT: it does. */
MUST_CHECK enum conn_progress conn_connected(struct conn *conn);

/* Sends what there is. CONN_WAITS: some is left. */
MUST_CHECK enum conn_progress conn_flush(struct conn *conn);

/* Receives what there is, once; waits up to blocks_ms if asked to (not with TLS). */
MUST_CHECK enum conn_progress conn_fill(struct conn *conn, bool may_wait);

/* Sets how long conn_fill may wait. */
void conn_set_blocks_ms(struct conn *conn, uint32_t ms);

/* Whether an idle connection is still whole: no end, no bytes that nobody asked for. */
MUST_CHECK bool conn_is_fresh(const struct conn *conn);

#endif
