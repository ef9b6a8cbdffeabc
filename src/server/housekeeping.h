/* larder: what the main thread does while cores serve
 *
 * Purpose: waits for signals and for cores that want memory populated or released, and does what
 *   may block, so that no core has to.
 * Owner: the main thread.   Threads: that one; cores wake it with server_wake().
 * Memory: two descriptors.   Limits: none.   Errors: errno at the start, else none. */
#ifndef LARDER_SERVER_HOUSEKEEPING_H
#define LARDER_SERVER_HOUSEKEEPING_H

#include "src/base/assert.h"

struct server;

/* Blocks the signals that are waited for, in this thread and those it starts. Call it first. */
void housekeeping_signals_block(void);
/* Opens what server_wake() writes to. 0 or errno. */
MUST_CHECK int housekeeping_open(struct server *server);
/* Returns when the server has been asked to stop: by a signal or by the shutdown command. */
void housekeeping_run(struct server *server);
void housekeeping_close(struct server *server);

#endif
