/* larder: what a store of a given size will look like */
#include "src/store/plan.h"

#include <string.h>

#include "src/store/partition.h"

/* From this size of a partition on a class strands little of it: pages are large. */
#define LARGE_PAGES_FROM ((uint64_t)128 << 20)
/* Bytes an item at the load at which the index splits, in hundredths, as measured with a million
 * items: primary and overflow buckets, ghosts, and the small queue's entries. */
#define INDEX_CENTS 1190u
#define GHOSTS_CENTS 115u
#define SMALL_CENTS 45u

uint32_t store_page_bytes(uint64_t partition_bytes) {
    return partition_bytes >= LARGE_PAGES_FROM ? 65536 : 16384;
}

void store_plan_create(const struct store_config *config, struct store_plan *plan) {
    memset(plan, 0, sizeof(*plan));
    plan->memory_bytes = config->memory_bytes;
    plan->partitions = config->partition_count != 0
                           ? config->partition_count
                           : store_partition_count(config->memory_bytes, config->item_bytes_max,
                                                   config->core_count);
    plan->partition_bytes = config->memory_bytes / plan->partitions;
    plan->page_bytes = store_page_bytes(plan->partition_bytes);
    plan->partitions_bytes = plan->partitions * sizeof(struct partition);
    plan->page_meta_bytes = plan->memory_bytes / plan->page_bytes * sizeof(struct slab_page);
    slab_classes_init(&plan->classes, plan->page_bytes, plan->partition_bytes);
}

/* A chunk with its part of the page, and of the page's metadata. */
static void add_chunks(const struct store_plan *plan, unsigned class_id, uint64_t count,
                       struct store_plan_item *item) {
    uint64_t per_page = plan->classes.per_page[class_id];
    item->chunks += (uint32_t)count;
    item->chunk_bytes = plan->classes.chunk_bytes[class_id];
    item->chunks_cents += count * 100 * plan->page_bytes / per_page;
    item->meta_cents += count * 100 * sizeof(struct slab_page) / per_page;
}

/* Head chunk and continuations: all of the largest class but the last. */
static void add_chain(const struct store_plan *plan, uint64_t head_bytes, uint64_t value_bytes,
                      struct store_plan_item *item) {
    uint64_t most = slab_chunk_bytes_max(&plan->classes);
    uint64_t room = most - sizeof(struct continuation);
    uint64_t rest = value_bytes - (most - head_bytes);
    add_chunks(plan, plan->classes.count, 1 + rest / room, item);
    if (rest % room != 0) {
        uint64_t bytes = rest % room + sizeof(struct continuation);
        add_chunks(plan, slab_class_of(&plan->classes, bytes), 1, item);
    }
}

void store_plan_item(const struct store_plan *plan, uint32_t key_bytes, uint64_t value_bytes,
                     bool expires, struct store_plan_item *item) {
    memset(item, 0, sizeof(*item));
    bool roomy = value_bytes > FILL_IN_HOLD_BYTES_MAX; /* has room for an expiry in any case */
    uint32_t shape = expires || roomy ? (uint32_t)ITEM_HAS_EXPIRY : 0;
    uint64_t head_bytes = item_key_offset(shape) + key_bytes;
    unsigned class_id = slab_class_of(&plan->classes, head_bytes + value_bytes);
    if (class_id != 0) {
        add_chunks(plan, class_id, 1, item);
    } else {
        shape = ITEM_CHAINED | ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS;
        head_bytes = item_key_offset(shape) + key_bytes;
        add_chain(plan, head_bytes, value_bytes, item);
    }
    item->item_bytes = head_bytes + value_bytes;
    item->index_cents = INDEX_CENTS + GHOSTS_CENTS + SMALL_CENTS;
    uint64_t budget_cents = item->chunks_cents + item->index_cents;
    item->total_cents = budget_cents + item->meta_cents;
    item->items = plan->memory_bytes * 100 / budget_cents;
}
