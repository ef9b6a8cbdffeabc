/* larder: figures of the store, summed over partitions without stopping anybody */
#include <string.h>

#include "src/store/partition.h"

static void add_partition(struct store_totals *totals, const struct partition *p) {
    const struct partition_counters *from = &p->counters;
    totals->items += atom_load_relaxed(&from->items);
    totals->items_total += atom_load_relaxed(&from->items_total);
    totals->bytes += atom_load_relaxed(&from->bytes);
    totals->evictions += atom_load_relaxed(&from->evictions);
    totals->evicted_unfetched += atom_load_relaxed(&from->evicted_unfetched);
    totals->evicted_active += atom_load_relaxed(&from->evicted_active);
    totals->expired_unfetched += atom_load_relaxed(&from->expired_unfetched);
    totals->reclaimed += atom_load_relaxed(&from->reclaimed);
    totals->expired_upkeep += atom_load_relaxed(&from->expired_upkeep);
    totals->checked_upkeep += atom_load_relaxed(&from->checked_upkeep);
    totals->no_memory += atom_load_relaxed(&from->no_memory);
    totals->too_large += atom_load_relaxed(&from->too_large);
    totals->page_moves += atom_load_relaxed(&from->page_moves);
    totals->splits += atom_load_relaxed(&from->splits);
    totals->merges += atom_load_relaxed(&from->merges);
    totals->evacuations += atom_load_relaxed(&from->evacuations);
    totals->promotions += atom_load_relaxed(&from->promotions);
    totals->ghost_hits += atom_load_relaxed(&from->ghost_hits);
    totals->lock_waits += atom_load_relaxed(&from->lock_waits);
    totals->uncommitted_bytes += atom_load_relaxed(&p->uncommitted_bytes);
    totals->lent_bytes += atom_load_relaxed(&p->lent_bytes);
    totals->limbo_bytes += atom_load_relaxed(&p->limbo_bytes);
}

static void totals_raw(const struct store *store, struct store_totals *totals) {
    memset(totals, 0, sizeof(*totals));
    uint64_t buckets = 0;
    uint64_t table_pages = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        const struct partition *p = &store->partitions[i];
        add_partition(totals, p);
        buckets += geometry_buckets(atom_load_relaxed(&p->geometry));
        table_pages += atom_load_relaxed(&p->index.pages) + atom_load_relaxed(&p->overflow.pages) +
                       atom_load_relaxed(&p->ghosts.pages);
    }
    for (unsigned i = 0; i < store->config.core_count; i++) {
        const struct store_core *core = atom_load_acquire(&store->cores[i]);
        totals->read_retries += core == NULL ? 0 : atom_load_relaxed(&core->read_retries);
    }
    const struct slab_pool *pool = &store->pool;
    totals->memory_limit_bytes = atom_load_relaxed(&pool->pages_limit) << pool->page_shift;
    totals->memory_used_bytes = atom_load_relaxed(&pool->pages_used) << pool->page_shift;
    totals->page_bytes = slab_page_bytes(pool);
    totals->pages_total = atom_load_relaxed(&pool->pages_resident);
    totals->pages_free = atom_load_relaxed(&pool->pages_free);
    totals->index_bytes = table_pages << pool->page_shift;
    totals->partitions = store->partition_count;
    totals->classes = pool->classes.count;
    while (((uint64_t)2 << totals->index_power) <= buckets * BUCKET_SLOTS) {
        totals->index_power++;
    }
}

void store_refusals(const struct store *store, struct store_refusals *refusals) {
    const struct slab_refusals *of_pool = &store->pool.refusals;
    *refusals = (struct store_refusals){
        .memory = atom_load_relaxed(&of_pool->memory),
        .huge = atom_load_relaxed(&of_pool->huge),
        .advice = atom_load_relaxed(&of_pool->advice),
        .node = atom_load_relaxed(&of_pool->node),
        .huge_bytes = (uint64_t)atom_load_relaxed(&store->pool.huge_extents) * SLAB_EXTENT_BYTES,
    };
}

void store_totals(const struct store *store, struct store_totals *totals) {
    totals_raw(store, totals);
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&store->flush_mutex;
    pthread_mutex_lock(mutex);
    struct store_totals baseline = store->baseline;
    pthread_mutex_unlock(mutex);
    const struct store_totals *base = &baseline;
    totals->items_total -= base->items_total;
    totals->evictions -= base->evictions;
    totals->evicted_unfetched -= base->evicted_unfetched;
    totals->evicted_active -= base->evicted_active;
    totals->expired_unfetched -= base->expired_unfetched;
    totals->reclaimed -= base->reclaimed;
    totals->expired_upkeep -= base->expired_upkeep;
    totals->checked_upkeep -= base->checked_upkeep;
    totals->no_memory -= base->no_memory;
    totals->too_large -= base->too_large;
}

unsigned store_partitions(const struct store *store) {
    return store->partition_count;
}

unsigned store_class_count(const struct store *store) {
    return store->pool.classes.count;
}

/* False: the class never had anything to tell. */
static bool class_totals_raw(const struct store *store, unsigned class_id,
                             struct store_class_totals *totals) {
    const struct slab_classes *classes = &store->pool.classes;
    memset(totals, 0, sizeof(*totals));
    if (class_id == 0 || class_id > classes->count) {
        return false;
    }
    totals->chunk_bytes = classes->chunk_bytes[class_id];
    totals->chunks_per_page = classes->per_page[class_id];
    for (uint32_t i = 0; i < store->partition_count; i++) {
        const struct partition_class *from = &store->partitions[i].classes[class_id];
        totals->pages += atom_load_relaxed(&from->bin.pages);
        totals->chunks_used += atom_load_relaxed(&from->bin.chunks_used);
        totals->items += atom_load_relaxed(&from->items);
        totals->bytes += atom_load_relaxed(&from->bytes);
        totals->items_small += atom_load_relaxed(&from->items_small);
        totals->evicted += atom_load_relaxed(&from->evicted);
        totals->evicted_nonzero += atom_load_relaxed(&from->evicted_nonzero);
        totals->evicted_unfetched += atom_load_relaxed(&from->evicted_unfetched);
        totals->expired_unfetched += atom_load_relaxed(&from->expired_unfetched);
        totals->reclaimed += atom_load_relaxed(&from->reclaimed);
        totals->expired_upkeep += atom_load_relaxed(&from->expired_upkeep);
        totals->checked_upkeep += atom_load_relaxed(&from->checked_upkeep);
        totals->evicted_active += atom_load_relaxed(&from->evicted_active);
        totals->promotions += atom_load_relaxed(&from->promotions);
        totals->no_memory += atom_load_relaxed(&from->no_memory);
        uint32_t age = atom_load_relaxed(&from->evicted_age_last);
        totals->evicted_age_last = age > totals->evicted_age_last ? age : totals->evicted_age_last;
    }
    uint64_t chunks = totals->pages * totals->chunks_per_page;
    totals->chunks_free = chunks > totals->chunks_used ? chunks - totals->chunks_used : 0;
    totals->age_oldest = totals->evicted_age_last;
    return totals->pages != 0 || totals->evicted != 0 || totals->reclaimed != 0 ||
           totals->no_memory != 0;
}

bool store_class_totals(const struct store *store, unsigned class_id,
                        struct store_class_totals *totals) {
    bool used = class_totals_raw(store, class_id, totals);
    if (!used) {
        return false;
    }
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&store->flush_mutex;
    pthread_mutex_lock(mutex);
    struct store_class_totals base = store->class_baselines[class_id];
    pthread_mutex_unlock(mutex);
    totals->evicted -= base.evicted;
    totals->evicted_nonzero -= base.evicted_nonzero;
    totals->evicted_unfetched -= base.evicted_unfetched;
    totals->expired_unfetched -= base.expired_unfetched;
    totals->reclaimed -= base.reclaimed;
    totals->expired_upkeep -= base.expired_upkeep;
    totals->checked_upkeep -= base.checked_upkeep;
    totals->evicted_active -= base.evicted_active;
    totals->promotions -= base.promotions;
    totals->no_memory -= base.no_memory;
    return true;
}

unsigned store_class_stored(const struct store_core *core) {
    return core->class_stored;
}

unsigned store_class_found(const struct store_core *core) {
    return core->class_found;
}

unsigned store_class_for(const struct store_core *core, const struct store_key *key,
                         uint32_t client_flags, uint64_t value_bytes) {
    const struct store *store = core->store;
    uint32_t fields = client_flags != 0 ? (uint32_t)ITEM_HAS_FLAGS : 0;
    return write_needs_chain(store, fields, key->len, value_bytes)
               ? store->pool.classes.count
               : fit_class(store, partition_of(store, key->hash),
                           item_key_offset(fields) + key->len + value_bytes);
}

void store_counters_reset(struct store *store) {
    struct store_totals totals;
    pthread_mutex_lock(&store->flush_mutex);
    totals_raw(store, &totals);
    store->baseline = totals;
    for (unsigned i = 1; i <= store->pool.classes.count; i++) {
        (void)class_totals_raw(store, i, &store->class_baselines[i]);
    }
    pthread_mutex_unlock(&store->flush_mutex);
}
