/* larder: admin commands that change something
 *
 * Purpose: the engine's hooks for verbosity, shutdown, cache_memlimit, debugtime, lru,
 *   lru_crawler, slabs; and the table of
 *   all hooks, `stats` included (stats.h).
 * Owner: the server.   Threads: the core whose session asked.
 * Memory: none.   Limits: none.   Errors: outcomes, in memcached's words. */
#ifndef LARDER_SERVER_CONTROL_H
#define LARDER_SERVER_CONTROL_H

#include "src/engine/admin.h"

struct server;

/* memcached's machinery: control_tuning.c */
enum outcome control_lru(struct admin_call *call);
enum outcome control_lru_crawler(struct admin_call *call);
enum outcome control_slabs(struct admin_call *call);

/* Fills the table; `server` is what the functions get as call->context. */
void control_hooks_init(struct admin_hooks *hooks, struct server *server);

#endif
