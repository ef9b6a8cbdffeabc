/* larder: a partition in the tail of a restart file
 *
 * Index, overflow, ghosts and small queue lie in pages of the pool and stay where they are: what is
 * written is which pages those are. Each part has its pair; who changes a part changes its pair and
 * raises RESTART_FORMAT. Counters of what happened begin at zero with a new process, as those of
 * memcached do; counts of what is there go on. */
#include "src/store/restart_file.h"
#include "src/store/sizes.h"

/* Dead chains are freed some chunks at a time; more rounds than any store has chunks. */
#define SETTLE_STEPS_MAX UINT32_MAX

bool partition_settle(struct store *store, struct partition *p) {
    for (uint32_t i = 0; i < SETTLE_STEPS_MAX && limbo_step(store, p); i++) {
    }
    index_reap(store, p);
    if (p->spare_page != SLAB_NO_PAGE) {
        slab_pool_give(&store->pool, p->spare_page);
        p->spare_page = SLAB_NO_PAGE;
    }
    return p->limbo_head == 0 && p->retired_count == 0 && p->uploads == NULL &&
           atom_load_relaxed(&p->uncommitted_bytes) == 0;
}

/* -- tables ------------------------------------------------------------------------------------ */

static void table_save(const struct table *table, struct pack *pack) {
    uint32_t pages = atom_load_relaxed(&table->pages);
    pack_u32(pack, pages);
    for (uint32_t i = 0; i < pages; i++) {
        pack_u32(pack, atom_load_relaxed(&table->directory[i]));
    }
}

static bool page_is_table(const struct store *store, const struct partition *p, uint32_t page) {
    if (page >= store->pool.pages_reserved) {
        return false;
    }
    const struct slab_page *meta = slab_page_of(&store->pool, page);
    return atom_load_relaxed(&meta->kind) == SLAB_PAGE_TABLE &&
           atom_load_relaxed(&meta->owner) == p->number;
}

static bool table_restore(const struct store *store, const struct partition *p,
                          struct table *table, struct unpack *unpack) {
    uint32_t pages = unpack_u32(unpack);
    if (pages > table->pages_max) {
        return false;
    }
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t page = unpack_u32(unpack);
        if (!page_is_table(store, p, page)) {
            return false;
        }
        atom_store_relaxed(&table->directory[i], page);
    }
    atom_store_relaxed(&table->pages, pages);
    return true;
}

/* -- index ------------------------------------------------------------------------------------- */

static void index_save(const struct partition *p, struct pack *pack) {
    pack_u64(pack, atom_load_relaxed(&p->geometry));
    pack_u32(pack, atom_load_relaxed(&p->overflow_rows));
    pack_u32(pack, p->overflow_free);
    pack_u32(pack, p->overflow_free_count);
    table_save(&p->index, pack);
    table_save(&p->overflow, pack);
}

static bool index_restore(const struct store *store, struct partition *p, struct unpack *unpack) {
    uint64_t geometry = unpack_u64(unpack);
    uint32_t rows = unpack_u32(unpack);
    atom_store_relaxed(&p->geometry, geometry);
    atom_store_relaxed(&p->overflow_rows, rows);
    p->overflow_free = unpack_u32(unpack);
    p->overflow_free_count = unpack_u32(unpack);
    if (!table_restore(store, p, &p->index, unpack) ||
        !table_restore(store, p, &p->overflow, unpack) || geometry >> 32 > 31) {
        return false;
    }
    uint64_t held = (uint64_t)atom_load_relaxed(&p->index.pages) << store->page_rows_shift;
    uint64_t overflow = (uint64_t)atom_load_relaxed(&p->overflow.pages) << store->page_rows_shift;
    return geometry_buckets(geometry) <= held && (rows <= overflow || rows == 1) &&
           p->overflow_free < rows;
}

/* -- queues and ghosts ------------------------------------------------------------------------- */

static void queues_save(const struct partition *p, struct pack *pack) {
    table_save(&p->ghosts, pack);
    pack_put(pack, &p->small, sizeof(p->small));
    pack_u64(pack, p->small_bytes);
    pack_u32(pack, p->hand);
    pack_u32(pack, p->hand_odd ? 1 : 0);
    pack_put(pack, p->balance, sizeof(*p->balance));
}

static bool queues_restore(const struct store *store, struct partition *p,
                           struct unpack *unpack) {
    bool ghosts = table_restore(store, p, &p->ghosts, unpack);
    unpack_get(unpack, &p->small, sizeof(p->small));
    p->small_bytes = unpack_u64(unpack);
    p->hand = unpack_u32(unpack);
    p->hand_odd = unpack_u32(unpack) == 1;
    unpack_get(unpack, p->balance, sizeof(*p->balance));
    uint32_t page = p->small.tail_page;
    for (uint32_t i = 1; i < p->small.pages && page_is_table(store, p, page); i++) {
        page = slab_page_of(&store->pool, page)->next;
    }
    bool queue = p->small.pages == 0
                     ? p->small.entries == 0 && page == SLAB_NO_PAGE
                     : page_is_table(store, p, page) && page == p->small.head_page;
    uint64_t rows = (uint64_t)atom_load_relaxed(&p->ghosts.pages) << store->page_rows_shift;
    return ghosts && queue && geometry_buckets(atom_load_relaxed(&p->geometry)) <= rows * 8;
}

/* -- classes ----------------------------------------------------------------------------------- */

static void class_save(const struct partition_class *class, struct pack *pack) {
    pack_put(pack, &class->bin, sizeof(class->bin));
    pack_u64(pack, atom_load_relaxed(&class->items));
    pack_u64(pack, atom_load_relaxed(&class->bytes));
    pack_u64(pack, atom_load_relaxed(&class->items_small));
    pack_u32(pack, atom_load_relaxed(&class->evicted_age_last));
}

static bool class_restore(const struct store *store, struct partition_class *class,
                          struct unpack *unpack) {
    unsigned class_id = class->bin.class_id;
    unpack_get(unpack, &class->bin, sizeof(class->bin));
    atom_store_relaxed(&class->items, unpack_u64(unpack));
    atom_store_relaxed(&class->bytes, unpack_u64(unpack));
    atom_store_relaxed(&class->items_small, unpack_u64(unpack));
    atom_store_relaxed(&class->evicted_age_last, unpack_u32(unpack));
    bool good = class->bin.class_id == class_id;
    for (unsigned i = 0; good && i < SLAB_FULLNESS_LISTS; i++) {
        uint32_t page = class->bin.pages_by_fullness[i];
        good = page == SLAB_NO_PAGE || page < store->pool.pages_reserved;
    }
    return good;
}

/* -- sizes ------------------------------------------------------------------------------------- */

static void page_count_sizes(struct store *store, uint32_t page) {
    const struct slab_pool *pool = &store->pool;
    struct slab_page *meta = slab_page_of(pool, page);
    unsigned chunks = pool->classes.per_page[atom_load_relaxed(&meta->class_id)];
    unsigned owner = atom_load_relaxed(&meta->owner);
    for (unsigned i = slab_page_next_used(pool, page, 0);
         i < chunks && owner < store->partition_count; i = slab_page_next_used(pool, page, i + 1)) {
        struct item *item = item_at(store, slab_chunk_location(pool, page, i));
        uint32_t shape = atom_load_relaxed(&item->shape);
        if (ITEM_KEY_BYTES(shape) != 0) {
            sizes_count(&store->partitions[owner], item_memcached_bytes(store, item, shape), 1);
        }
    }
}

void sizes_restore(struct store *store) {
    uint32_t pages = atom_load_relaxed(&store->pool.extents_live) * store->pool.pages_per_extent;
    for (uint32_t page = 0; store->config.track_sizes && page < pages; page++) {
        if (atom_load_relaxed(&slab_page_of(&store->pool, page)->kind) == SLAB_PAGE_CHUNKS) {
            page_count_sizes(store, page);
        }
    }
}

/* -- the whole --------------------------------------------------------------------------------- */

void partition_save(struct store *store, struct partition *p, struct pack *pack) {
    pack_u64(pack, p->clock);
    pack_u64(pack, atom_load_relaxed(&p->flush_version));
    pack_u32(pack, atom_load_relaxed(&p->flush_count));
    pack_u32(pack, atom_load_relaxed(&p->chunk_pages));
    pack_u64(pack, p->chunk_bytes);
    pack_u64(pack, atom_load_relaxed(&p->counters.items));
    pack_u64(pack, atom_load_relaxed(&p->counters.bytes));
    index_save(p, pack);
    queues_save(p, pack);
    pack_put(pack, &p->fit, sizeof(p->fit));
    for (unsigned i = 1; i <= store->pool.classes.count; i++) {
        class_save(&p->classes[i], pack);
    }
}

bool partition_restore(struct store *store, struct partition *p, struct unpack *unpack) {
    p->clock = unpack_u64(unpack);
    atom_store_relaxed(&p->flush_version, unpack_u64(unpack));
    atom_store_relaxed(&p->flush_count, unpack_u32(unpack));
    atom_store_relaxed(&p->chunk_pages, unpack_u32(unpack));
    p->chunk_bytes = unpack_u64(unpack);
    atom_store_relaxed(&p->counters.items, unpack_u64(unpack));
    atom_store_relaxed(&p->counters.items_total, atom_load_relaxed(&p->counters.items));
    atom_store_relaxed(&p->counters.bytes, unpack_u64(unpack));
    bool good = index_restore(store, p, unpack) && queues_restore(store, p, unpack);
    unpack_get(unpack, &p->fit, sizeof(p->fit));
    for (unsigned i = 1; good && i <= store->pool.classes.count; i++) {
        good = class_restore(store, &p->classes[i], unpack);
    }
    p->spare_page = SLAB_NO_PAGE;
    upkeep_request(p, UPKEEP_SPARE);
    return good && !unpack->failed;
}
