/* larder: -e, the file that keeps items over a restart
 *
 * Purpose: opens the file before the store is made, says what became of it, lets the store's clock
 *   go on where it stood, and leaves the store in the file when the server stops gracefully.
 * Owner: the server.   Threads: the main thread, while no core runs.   Memory: see restart.h.
 * Limits: see restart.h.
 * Errors: a file that cannot be had is the operator's mistake, said on stderr; one that cannot be
 *   taken over is a clean start with one line that says why. */
#ifndef LARDER_SERVER_MEMORY_FILE_H
#define LARDER_SERVER_MEMORY_FILE_H

#include <stdbool.h>

#include "src/base/assert.h"

struct server;

/* Opens the file of the settings, if there is one. False: complained. */
MUST_CHECK bool memory_file_open(struct server *server);
/* Says whether the store was taken over, and why not. After store_create(). */
void memory_file_report(struct server *server);
/* Leaves the store in the file. After the last thread has gone, or when none was started. */
void memory_file_save(struct server *server);
void memory_file_close(struct server *server);

#endif
