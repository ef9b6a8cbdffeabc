/* larder: which operation comes next.
 *
 * Purpose: draws the operations of a run: GET or SET by a ratio, and keys uniformly, by Zipf's
 *     law, or from a hot set; or every key once, in order, to fill a server.
 * Owner: one worker each; a copy continues on its own once plan_seed() gave it another seed.
 * Threads: none of its own.
 * Memory: by value; borrows nothing.
 * Limits: as struct dataset's.
 * Errors: none; plan_next() says when a fill is complete.
 *
 * Ranks of Zipf's law are spread over the key numbers (times a prime, modulo the number of keys),
 * so that popular keys are not the ones that were stored next to each other.
 */
#ifndef LARDER_BENCH_PLAN_H
#define LARDER_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/codec.h"
#include "bench/rng.h"
#include "bench/zipf.h"

enum plan_keys {
    PLAN_UNIFORM,
    PLAN_ZIPF,
    PLAN_HOT,   /* `hot_percent` of the draws from the first `hot_keys` keys, the rest from all */
    PLAN_ORDER, /* SETs of the keys [order_next, order_end), once each */
};

struct plan {
    enum plan_keys kind;
    uint64_t keys;
    uint64_t hot_keys;
    uint32_t hot_percent;
    uint32_t get_parts; /* of get_parts + set_parts operations */
    uint32_t set_parts;
    uint32_t keys_per_get;
    uint64_t order_next;
    uint64_t order_end;
    struct zipf zipf;
    struct rng rng;
};

void plan_seed(struct plan *plan, uint64_t seed);

/* Fills in the kind and number of keys of an operation and its tokens (room for keys_per_get).
 * False when a PLAN_ORDER is complete. */
bool plan_next(struct plan *plan, struct op *op, uint64_t *tokens)
    __attribute__((warn_unused_result));

#endif
