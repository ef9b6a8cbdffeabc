/* larder: listening sockets and the socket options that memcached sets
 *
 * Purpose: makes the sockets that io_listen_start() takes, and prepares accepted ones.
 * Owner: a socket returned belongs to the caller until io_listen_start() takes it.
 * Threads: any; no state.
 * Memory: none kept; struct listen_sockets is the caller's.
 * Limits: LISTEN_SOCKETS_MAX sockets an address; a unix path shorter than sockaddr_un.sun_path.
 * Errors: 0 or errno, with a reason in words for the log; on an error nothing is left open.
 */
#ifndef LARDER_IO_LISTEN_H
#define LARDER_IO_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/io.h"

/* Sockets that one `-l` address may resolve to: v4 and v6 of a name. */
#define LISTEN_SOCKETS_MAX 16u
#define LISTEN_REASON_BYTES 160u

struct listen_config {
    const char *host; /* name or number as in `-l`; NULL = every address; "[...]" is not stripped */
    uint16_t port;    /* 0 = the system picks one (the same for all sockets of the call) */
    int backlog;      /* `-b`, listen(2)'s */
    bool ipv4;        /* families asked for; at least one */
    bool ipv6;
};

struct listen_sockets {
    int fds[LISTEN_SOCKETS_MAX];
    unsigned count;
    uint16_t port;                    /* that they are bound to */
    char reason[LISTEN_REASON_BYTES]; /* what failed; "" on success */
};

/* One socket for each address that host resolves to, as memcached binds them: SO_REUSEADDR,
 * SO_KEEPALIVE, no linger, TCP_NODELAY, IPV6_V6ONLY; never SO_REUSEPORT, so that a second server on
 * the port fails. An address family that the host lacks is skipped if another worked. EADDRINUSE:
 * somebody listens there. ENOENT: the name does not resolve. May block in the resolver. */
MUST_CHECK int listen_tcp(const struct listen_config *config, struct listen_sockets *out);

/* A unix socket at path with the permission bits of mask (`-a`, octal as given, e.g. 0700). A
 * socket that nobody serves any more is removed first (any other file is left, EADDRINUSE follows).
 */
MUST_CHECK int listen_unix(const char *path, mode_t mask, int backlog, struct listen_sockets *out);

/* Sets on an accepted TCP socket what is not inherited from the listener everywhere: TCP_NODELAY,
 * SO_KEEPALIVE. Unix sockets are left alone. Errors are of no consequence and ignored. */
void listen_prepare_accepted(int fd);

#endif
