/* larder: the sockets a server listens on
 *
 * Purpose: opens what -l, -p and -s ask for, and tells where (MEMCACHED_PORT_FILENAME).
 * Owner: the server; a socket is handed to a core by core_listen().
 * Threads: the main thread, before cores run.
 * Memory: none kept.   Limits: SERVER_LISTENERS_MAX sockets.
 * Errors: said on stderr in memcached's words. */
#ifndef LARDER_SERVER_LISTENERS_H
#define LARDER_SERVER_LISTENERS_H

#include <stdbool.h>

#include "src/base/assert.h"

struct server;

/* Opens all of them, or none. Also writes the port file. False: complained, end with EX_OSERR. */
MUST_CHECK bool listeners_open(struct server *server);
/* Closes those from `first` on, which no core has taken over. */
void listeners_close(struct server *server, unsigned first);

#endif
