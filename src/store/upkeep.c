/* larder: work ahead of need, in slices
 *
 * Ownership is a duty: a core looks after the partitions whose number it is congruent to, and then
 * after any other that says it has work due. Each step is one bounded hold of one partition's
 * lock. */
#include <time.h>

#include "src/store/restart_file.h"

#define EXPIRY_PAGES_A_STEP 32u
/* For an index, the small queue, a spare page and some classes. */
#define PARTITION_PAGES_MIN 16u

/* One step for one partition. True: there may be more. */
static bool partition_step(struct store_core *core, struct partition *p) {
    struct store *store = core->store;
    uint32_t due = atom_load_relaxed(&p->upkeep_due);
    bool grow = index_wants_growth(p);
    if (due == 0 && !grow) {
        return false;
    }
    if ((due & UPKEEP_SPARE) != 0) {
        link_settle(core, p);
        return true;
    }
    if (!lock_try(&p->lock, &core->hold)) {
        return false; /* its holder does what is due, or the next slice will */
    }
    bool limbo = limbo_step(store, p);
    bool index = index_step(store, p);
    index_reap(store, p);
    uint32_t left = (p->limbo_head != 0 ? (uint32_t)UPKEEP_LIMBO : 0) |
                    (index_wants_merge(p) || p->retired_count != 0 ? (uint32_t)UPKEEP_MERGE : 0);
    uint32_t spare = atom_load_relaxed(&p->upkeep_due) & UPKEEP_SPARE;
    atom_store_relaxed(&p->upkeep_due, left | spare);
    partition_unlock(core, p);
    return limbo || index || spare != 0;
}

/* Gives pages back while the store holds more than its budget allows (cache_memlimit). */
static bool shrink_step(struct store_core *core) {
    const struct store *store = core->store;
    bool due = core->shrink.p != NULL || slab_pool_excess_used(&store->pool) != 0 ||
               atom_load_relaxed(&store->pool.leaving_extents) != 0;
    return due && store->config.evict && space_shrink_step(core);
}

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A slice of upkeep: what it may still spend. The clock is only read once something was done. */
struct slice {
    struct store_core *core;
    uint64_t budget_ns;
    uint64_t start_ns;
    bool spent;
};

static void slice_spend(struct slice *slice) {
    uint64_t now = clock_ns();
    slice->start_ns = slice->start_ns == 0 ? now : slice->start_ns;
    slice->spent = now - slice->start_ns >= slice->budget_ns;
}

/* Partitions first, first + stride, ... */
static void slice_partitions(struct slice *slice, uint32_t first, uint32_t stride) {
    struct store *store = slice->core->store;
    for (uint32_t i = first; i < store->partition_count && !slice->spent; i += stride) {
        while (!slice->spent && partition_step(slice->core, &store->partitions[i])) {
            slice_spend(slice);
        }
    }
}

/* What this core left behind in another's partition, whose owner may sleep. */
static void slice_left(struct slice *slice) {
    struct store_core *core = slice->core;
    if (core->upkeep_left == 0) {
        return;
    }
    struct partition *p = &core->store->partitions[core->upkeep_left - 1];
    core->upkeep_left = 0;
    while (!slice->spent && partition_step(core, p)) {
        slice_spend(slice);
    }
}

bool store_upkeep(struct store_core *core, uint64_t budget_ns) {
    struct slice slice = {.core = core, .budget_ns = budget_ns};
    slice_left(&slice);
    slice_partitions(&slice, core->index, core->store->config.core_count);
    if (core->upkeep_swept != core->now && !slice.spent) {
        core->upkeep_swept = core->now; /* once a second for those whose owner sleeps */
        slice_partitions(&slice, 0, 1);
    }
    while (!slice.spent && (shrink_step(core) || expire_step(core, EXPIRY_PAGES_A_STEP))) {
        slice_spend(&slice);
    }
    return slice.spent;
}

/* -- the housekeeping thread ------------------------------------------------------------------- */

bool store_housekeeping_due(const struct store *store) {
    const struct slab_pool *pool = &store->pool;
    uint64_t resident = atom_load_relaxed(&pool->pages_resident);
    uint64_t limit = atom_load_relaxed(&pool->pages_limit);
    return (slab_pool_is_low(pool) && slab_pool_can_populate(pool)) ||
           resident > limit + pool->pages_per_extent;
}

bool store_housekeeping(struct store *store) {
    slab_pool_retry(&store->pool);
    if (slab_pool_is_low(&store->pool) && slab_pool_can_populate(&store->pool)) {
        return slab_pool_populate(&store->pool);
    }
    return slab_pool_release(&store->pool, store->config.evict);
}

uint64_t memory_bytes_min(const struct store *store) {
    uint64_t pages = (uint64_t)store->partition_count * PARTITION_PAGES_MIN;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        const struct partition *p = &store->partitions[i];
        pages += atom_load_relaxed(&p->ghosts.pages) + atom_load_relaxed(&p->overflow.pages);
    }
    uint64_t bytes = pages << store->pool.page_shift;
    return bytes > SLAB_EXTENT_BYTES ? bytes : SLAB_EXTENT_BYTES;
}

bool store_memory_limit_set(struct store *store, uint64_t memory_bytes) {
    if (memory_bytes > store->pool.reserved_bytes || memory_bytes < memory_bytes_min(store)) {
        return false;
    }
    slab_pool_limit_set(&store->pool, memory_bytes);
    return true;
}
