/* larder: one thread a core, started and ended together
 *
 * Purpose: binds, starts and joins the cores' threads.
 *
 *     main      threads_start ......... | start line, twice | ....... | threads_join: end line |
 *     thread i  bind, io, store handle  | start line, listen, again | core_run | end line | stop
 *
 *   The start line keeps a core from handing a connection to one that is not ready; the end line
 *   keeps its I/O in being until nobody can ring its doorbell any more.
 * Owner: the main thread.   Threads: the main thread's calls.
 * Memory: one block a call of threads_start().   Limits: SETTINGS_THREADS_MAX.
 * Errors: said on stderr; nothing is left running then. */
#ifndef LARDER_SERVER_THREADS_H
#define LARDER_SERVER_THREADS_H

#include "src/base/assert.h"

struct server;
struct threads;

/* Returns when every core serves. NULL: complained. */
MUST_CHECK struct threads *threads_start(struct server *server);
/* Waits for the cores, which server_stop() ends. */
void threads_join(struct threads *threads);

#endif
