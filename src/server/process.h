/* larder: the process around the server: limits, user, background, pid file
 *
 * Purpose  Does to the process what -r, -c, -u, -d, -k and -P ask, in memcached's order.
 * Owner    main() and the server's start.
 * Threads  Before any thread is started.
 * Memory   None kept.
 * Limits   None.
 * Errors   Reported on stderr in memcached's words, with memcached's exit codes.
 */
#ifndef LARDER_SERVER_PROCESS_H
#define LARDER_SERVER_PROCESS_H

#include <stdbool.h>

#include "src/server/settings.h"

/* Core limit, descriptor limit, change of user, background, locked memory. Call it before anything
 * is opened or listened on. False: end with *exit_code. In the background it is the child that
 * returns. */
bool process_enter(const struct settings *settings, int *exit_code)
    __attribute__((warn_unused_result));

/* How many connections of clients the descriptor limit leaves room for, at most -c; at least 1.
 * Call it after process_enter(), with the true number of threads. */
unsigned process_connections_max(const struct settings *settings, unsigned threads);

/* Writes the pid file (FILE.tmp, then renamed), once listening has succeeded; nothing without -P.
 * A failure is reported and otherwise without consequence, as in memcached. */
void process_write_pid(const struct settings *settings);

/* Removes the pid file at the end; only with -d. */
void process_remove_pid(const struct settings *settings);

#endif
