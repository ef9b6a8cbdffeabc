/* larder: what all calls of a handle do first and last
 *
 * Purpose: shared by calls.c and batch.c.
 * Owner: the handle.   Threads: one at a time.
 * Memory: operations that have ended are lent to the caller until the next call.
 * Limits: none.   Errors: calls_may_wait says no, and larder_why() why. */
#ifndef LARDER_CLIENT_CALLS_H
#define LARDER_CLIENT_CALLS_H

#include "src/client/client.h"

/* Takes back what the last call has lent. */
void calls_begin(struct larder *larder);
/* The operation's item lives until the next call. */
void calls_lend(struct larder *larder, struct op *op);
/* Whether nothing that was submitted is under way. */
MUST_CHECK bool calls_may_wait(struct larder *larder);

#endif
