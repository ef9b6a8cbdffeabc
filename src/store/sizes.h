/* larder: how many items there are of each size, for who asked to have it counted
 *
 * Purpose: `stats sizes`: a count a step of STORE_SIZE_STEP bytes, in each partition.
 * Owner: the partition.   Threads: changed under its lock, read by stats.
 * Memory: 4 bytes a step up to item_bytes_max, touched as far as items are large; apart from the
 *   budget.
 * Limits: none.   Errors: no memory at the start. */
#ifndef LARDER_STORE_SIZES_H
#define LARDER_STORE_SIZES_H

#include "src/store/partition.h"

/* False: no memory. */
MUST_CHECK bool sizes_init(const struct store *store, struct partition *p);
void sizes_fini(struct partition *p);
/* Counts items of `bytes` more (or, wrapping, less). Only where p->sizes is there. */
void sizes_change(struct partition *p, uint64_t bytes, uint32_t change);

static inline void sizes_count(struct partition *p, uint64_t bytes, uint32_t change) {
    if (__builtin_expect(p->sizes != NULL, 0)) {
        sizes_change(p, bytes, change);
    }
}

#endif
