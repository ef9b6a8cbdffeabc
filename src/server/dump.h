/* larder: all items, one line each: lru_crawler metadump and mgdump, stats cachedump
 *
 * Purpose: a walk over the store, a bucket a step, written into a parked slot of the reply as fast
 *   as the client reads: complete (an item that is there throughout is shown exactly once) while
 *   writes go on; the connection goes on afterwards.
 * Owner: the session that asked, through its slot.   Threads: its core's.
 * Memory: one block, and up to DUMP_BYTES_AHEAD of output.
 * Limits: DUMP_BUCKETS_MAX buckets a turn.
 * Errors: outcomes in memcached's words; without memory in the middle the connection ends. */
#ifndef LARDER_SERVER_DUMP_H
#define LARDER_SERVER_DUMP_H

#include "src/engine/admin.h"

/* "all", "hash", or numbers of classes with commas between; bit i of *classes: class i. */
MUST_CHECK bool dump_parse_classes(struct span text, uint64_t *classes);

/* lru_crawler metadump <classes>, lru_crawler mgdump <classes>, stats cachedump <class> <limit> */
enum outcome dump_metadump(struct admin_call *call);
enum outcome dump_mgdump(struct admin_call *call);
enum outcome dump_cachedump(struct admin_call *call);

#endif
