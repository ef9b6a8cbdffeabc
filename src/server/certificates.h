/* larder: reading certificates again: refresh_certs and SIGHUP
 *
 * Purpose: files are read by the housekeeping thread, so that no core waits for a disk; the command
 *   is answered when that is done.
 *
 *     core           command: park the answer, wanted + 1, wake ... task: done >= mine? answer
 *     housekeeping   done < wanted: read the files, keep the reason, done = wanted, ring all cores
 *
 * Owner: the server.   Threads: as drawn; `wanted` is raised by cores, `done` by housekeeping.
 * Memory: a block a command, until it is answered.   Limits: none of its own (REPLY_SLOTS_MAX).
 * Errors: told to the client in one line; what was read before stays. */
#ifndef LARDER_SERVER_CERTIFICATES_H
#define LARDER_SERVER_CERTIFICATES_H

#include "src/base/assert.h"
#include "src/engine/admin.h"
#include "src/server/tls.h"

struct server;

/* Reads them now. False: nothing changed, *reason says why. Housekeeping thread, or a server
 * without one. */
MUST_CHECK bool certificates_read(struct server *server, char reason[static TLS_REASON_BYTES_MAX]);

/* The housekeeping thread's part: reads them if a client has asked. */
void certificates_housekeeping(struct server *server);

/* The command. */
enum outcome certificates_refresh(struct admin_call *call);

#endif
