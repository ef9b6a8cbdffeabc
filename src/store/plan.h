/* larder: what a store of a given size will look like
 *
 * Purpose: partitions, pages, classes and the bytes that an item costs, computed without creating
 *   a store: what `larder --memory-plan` prints, and what store_create() goes by.
 * Owner: the caller.   Threads: any; pure.   Memory: plain data, about 18 KB a plan.
 * Limits: those of the store.   Errors: none; a configuration that store_create() refuses has no
 *   plan worth reading. */
#ifndef LARDER_STORE_PLAN_H
#define LARDER_STORE_PLAN_H

#include <stdint.h>

#include "slab/classes.h"
#include "src/store/store.h"

struct store_plan {
    uint64_t memory_bytes;
    uint64_t partition_bytes; /* share of each */
    unsigned partitions;
    uint32_t page_bytes;
    /* Beside the budget: */
    uint64_t partitions_bytes; /* locks, counters, heads of queues */
    uint64_t page_meta_bytes;  /* of all pages of the budget */
    struct slab_classes classes;
};

/* What an item costs, in hundredths of a byte. The chunk is exact; index and queues are what they
 * are at working load. */
struct store_plan_item {
    uint32_t chunk_bytes;  /* of the last or only chunk */
    uint32_t chunks;       /* 1, or those of a chain */
    uint64_t item_bytes;   /* header, key and value */
    uint64_t chunks_cents; /* all chunks, with their share of what is left of their pages */
    uint64_t index_cents;  /* slots, overflow, ghosts, small queue */
    uint64_t meta_cents;   /* page metadata, beside the budget */
    uint64_t total_cents;
    uint64_t items;        /* as fit into the budget */
};

/* Pages of a store with this budget a partition: 16 or 64 KiB. */
uint32_t store_page_bytes(uint64_t partition_bytes);

void store_plan_create(const struct store_config *config, struct store_plan *plan);

/* For keys of `key_bytes` (1..250), values of `value_bytes`, without client flags. */
void store_plan_item(const struct store_plan *plan, uint32_t key_bytes, uint64_t value_bytes,
                     bool expires, struct store_plan_item *item);

#endif
