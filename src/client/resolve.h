/* larder: addresses of a server, without waiting for a name server
 *
 * Purpose: texts that are addresses and paths of unix sockets are read at once; a name is looked up
 *   by a thread of its own, because getaddrinfo has no bound on its time, and the result is awaited
 *   through a descriptor like any other event.
 * Owner: the node; resolve_end may come before the answer does.
 * Threads: one, beside the thread inside, which ends with its answer.
 * Memory: malloc, freed by the last of the two.
 * Limits: RESOLVE_ADDRESSES_MAX addresses of a name.
 * Errors: a static text. */
#ifndef LARDER_CLIENT_RESOLVE_H
#define LARDER_CLIENT_RESOLVE_H

#include <sys/socket.h>

#include "src/base/assert.h"
#include "src/client/ring.h"

enum { RESOLVE_ADDRESSES_MAX = 8 };

struct address {
    struct sockaddr_storage storage;
    socklen_t bytes;
};

struct addresses {
    struct address list[RESOLVE_ADDRESSES_MAX];
    unsigned count;
};

struct resolve;

/* An address or a path. False: it is a name. */
MUST_CHECK bool resolve_text(const struct ring_server *server, struct addresses *addresses);

/* Begins to look up a name. NULL: *why. */
MUST_CHECK struct resolve *resolve_begin(const struct ring_server *server, const char **why);
/* Can be read when there is an answer. */
int resolve_fd(const struct resolve *resolve);
/* False: there is no answer yet. addresses->count 0: *why. */
MUST_CHECK bool resolve_take(struct resolve *resolve, struct addresses *addresses,
                             const char **why);
/* NULL is allowed. */
void resolve_end(struct resolve *resolve);

#endif
