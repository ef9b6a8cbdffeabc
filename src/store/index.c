/* larder: the index - linear hashing over 64-byte buckets whose neighbours share overflow
 *
 * Source: W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980; group
 *   overflow after P.-A. Larson's partial expansions; seqlock readers as in slab/slab_copy.h.
 *
 * Order of a split (and backwards of a merge), under the lock: both buckets' versions odd; geometry
 * published; slots moved; versions even. A reader with the old geometry either sees a version
 * change, or, on a miss, the changed geometry. */
#include <string.h>
#include <sys/mman.h>

#include "src/store/partition.h"

/* As many items as there are slots in primary buckets; merge below 0.4. */
#define LOAD_SPLIT_TENTHS 10u
#define LOAD_MERGE_TENTHS 4u
#ifdef LARDER_SCHEDULE
/* One group at first: few keys make chains, splits and merges. */
#define INDEX_BUCKETS_MIN BUCKET_GROUP
#define INDEX_LEVEL_START(store) 2u
#else
/* Never merged below a page of 64 KiB. */
#define INDEX_BUCKETS_MIN 1024u
/* A page of buckets. */
#define INDEX_LEVEL_START(store) ((store)->page_rows_shift)
#endif
/* Overflow buckets at hand before a redistribution begins: it cannot stop half way. */
#define OVERFLOW_READY_MIN (GATHERED_MAX / BUCKET_SLOTS)
#define GATHERED_MAX (BUCKET_SLOTS * 16)

static bool table_init(struct table *table, uint32_t pages_max) {
    void *directory = mmap(NULL, (uint64_t)pages_max * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (directory == MAP_FAILED) {
        table->directory = NULL;
        return false;
    }
    table->directory = directory;
    table->pages_max = pages_max;
    atom_store_relaxed(&table->pages, 0u);
    return true;
}

static void table_fini(struct table *table) {
    if (table->directory != NULL) {
        munmap(table->directory, (uint64_t)table->pages_max * sizeof(uint32_t));
    }
}

/* Adds the partition's spare page to the table. */
static bool table_extend(struct store *store, struct partition *p, struct table *table) {
    uint32_t pages = atom_load_relaxed(&table->pages);
    if (pages == table->pages_max) {
        return false;
    }
    if (p->spare_page == SLAB_NO_PAGE) {
        upkeep_request(p, UPKEEP_SPARE);
        return false;
    }
    struct slab_page *meta = slab_page_of(&store->pool, p->spare_page);
    atom_store_relaxed(&meta->owner, (uint16_t)p->number);
    atom_store_release(&meta->kind, (uint8_t)SLAB_PAGE_TABLE);
    atom_store_release(&table->directory[pages], p->spare_page);
    atom_store_release(&table->pages, pages + 1);
    p->spare_page = SLAB_NO_PAGE;
    upkeep_request(p, UPKEEP_SPARE);
    return true;
}

static bool table_has_row(const struct store *store, const struct table *table, uint32_t row) {
    return row >> store->page_rows_shift < atom_load_relaxed(&table->pages);
}

bool index_init(struct store *store, struct partition *p) {
    uint32_t share = store->pool.pages_reserved / store->partition_count;
    uint32_t pages_max = share / 2 + 64;
    p->spare_page = SLAB_NO_PAGE;
    p->overflow_free = 0;
    atom_store_relaxed(&p->overflow_rows, 1u); /* row 0 is "none" */
    return table_init(&p->index, pages_max) && table_init(&p->overflow, pages_max) &&
           table_init(&p->ghosts, pages_max);
}

bool index_start(struct store *store, struct partition *p) {
    atom_store_relaxed(&p->geometry, (uint64_t)INDEX_LEVEL_START(store) << 32);
    struct table *table =
        atom_load_relaxed(&p->index.pages) == 0 ? &p->index : &p->ghosts;
    return table_extend(store, p, table);
}

void index_fini(struct store *store, struct partition *p) {
    (void)store;
    table_fini(&p->index);
    table_fini(&p->overflow);
    table_fini(&p->ghosts);
}

/* -- overflow buckets -------------------------------------------------------------------------- */

static uint32_t overflow_take(struct store *store, struct partition *p) {
    uint32_t row = p->overflow_free;
    if (row != 0) {
        p->overflow_free_count--;
        p->overflow_free = atom_load_relaxed(&overflow_bucket(store, p, row)->overflow);
        return row;
    }
    row = atom_load_relaxed(&p->overflow_rows);
    if (!table_has_row(store, &p->overflow, row) && !table_extend(store, p, &p->overflow)) {
        return 0;
    }
    atom_store_release(&p->overflow_rows, row + 1);
    return row;
}

static void overflow_give(struct store *store, struct partition *p, uint32_t row) {
    atom_store_relaxed(&overflow_bucket(store, p, row)->overflow, p->overflow_free);
    p->overflow_free = row;
    p->overflow_free_count++;
}

/* All buckets of the group that exist in the present geometry, and the first in any case: the group
 * of a bucket that a merge has just ended may be empty. */
static unsigned group_size(const struct partition *p, uint32_t bucket) {
    uint32_t first = bucket & ~(BUCKET_GROUP - 1);
    uint32_t buckets = geometry_buckets(atom_load_relaxed(&p->geometry));
    if (buckets <= first) {
        return 1;
    }
    return buckets - first < BUCKET_GROUP ? buckets - first : BUCKET_GROUP;
}

static void group_link(struct store *store, struct partition *p, uint32_t bucket, uint32_t row) {
    uint32_t first = bucket & ~(BUCKET_GROUP - 1);
    unsigned count = group_size(p, bucket);
    for (unsigned i = 0; i < count; i++) {
        atom_store_release(&index_bucket(store, p, first + i)->overflow, row);
    }
}

static bool line_is_empty(const struct bucket *line) {
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        if (atom_load_relaxed(&line->slots[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Takes an emptied overflow bucket out of the group's chain. A reader of any of the four may be on
 * its way through it: all four versions change. */
static void chain_unlink(struct store *store, struct partition *p, uint32_t bucket,
                         struct bucket *line) {
    uint32_t first = bucket & ~(BUCKET_GROUP - 1);
    unsigned count = group_size(p, bucket);
    for (unsigned i = 0; i < count; i++) {
        bucket_change_begin(index_bucket(store, p, first + i));
    }
    uint32_t next = atom_load_relaxed(&line->overflow);
    uint32_t row = atom_load_relaxed(&index_bucket(store, p, first)->overflow);
    struct bucket *before = NULL;
    while (overflow_bucket(store, p, row) != line) {
        before = overflow_bucket(store, p, row);
        row = atom_load_relaxed(&before->overflow);
    }
    if (before == NULL) {
        group_link(store, p, bucket, next);
    } else {
        atom_store_release(&before->overflow, next);
    }
    overflow_give(store, p, row);
    for (unsigned i = 0; i < count; i++) {
        bucket_change_end(index_bucket(store, p, first + i));
    }
}

/* -- finding ----------------------------------------------------------------------------------- */

static void cursor_start(struct store *store, struct partition *p, uint64_t hash,
                         struct cursor *cursor) {
    cursor->bucket = geometry_bucket_of(atom_load_relaxed(&p->geometry), hash);
    cursor->home = index_bucket(store, p, cursor->bucket);
    cursor->line = cursor->home;
    cursor->slot_index = 0;
    cursor->slot = 0;
    cursor->item = NULL;
}

/* Goes on to the next slot with the wanted tag. */
static bool cursor_next(struct store *store, struct partition *p, uint64_t match,
                        struct cursor *cursor) {
    struct bucket *line = cursor->line;
    unsigned from = cursor->slot_index;
    for (;;) {
        unsigned i = line_find(line, match, from, &cursor->slot);
        if (i < BUCKET_SLOTS) {
            cursor->line = line;
            cursor->slot_index = i;
            return true;
        }
        uint32_t row = atom_load_relaxed(&line->overflow);
        if (row == 0) {
            cursor->slot = 0;
            return false;
        }
        line = overflow_bucket(store, p, row);
        from = 0;
    }
}

bool index_find(struct store *store, struct partition *p, const struct store_key *key,
                struct cursor *cursor) {
    cursor_start(store, p, key->hash, cursor);
    uint64_t match = slot_match_of(key->hash, cursor->bucket);
    for (; cursor_next(store, p, match, cursor); cursor->slot_index++) {
        struct item *item = item_at(store, slot_location(cursor->slot));
        uint32_t shape = atom_load_relaxed(&item->shape);
        if (ITEM_KEY_BYTES(shape) == key->len &&
            slab_equal(item_byte(item, item_key_offset(shape)), key->data, key->len)) {
            cursor->item = item;
            cursor->shape = shape;
            return true;
        }
    }
    return false;
}

bool index_find_location(struct store *store, struct partition *p, uint64_t hash,
                         uint64_t location, struct cursor *cursor) {
    cursor_start(store, p, hash, cursor);
    uint64_t match = slot_match_of(hash, cursor->bucket);
    for (; cursor_next(store, p, match, cursor); cursor->slot_index++) {
        if (slot_location(cursor->slot) == location) {
            cursor->item = item_at(store, location);
            cursor->shape = atom_load_relaxed(&cursor->item->shape);
            return true;
        }
    }
    return false;
}

uint64_t item_hash(const struct store *store, struct item *item, uint32_t shape) {
    uint8_t key[STORE_KEY_BYTES_MAX + 8];
    uint32_t len = ITEM_KEY_BYTES(shape);
    slab_copy_out(key, item_byte(item, item_key_offset(shape)), len);
    return store_hash(store, key, len);
}

/* -- changing ---------------------------------------------------------------------------------- */

static bool line_put(struct bucket *line, uint64_t slot) {
#pragma GCC unroll 7
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        if (atom_load_relaxed(&line->slots[i]) == 0) {
            atom_store_release(&line->slots[i], slot);
            return true;
        }
    }
    return false;
}

/* Puts a slot into the bucket or its group's chain. */
static bool bucket_put(struct store *store, struct partition *p, uint32_t bucket, uint64_t slot) {
    struct bucket *home = index_bucket(store, p, bucket);
    if (line_put(home, slot)) {
        return true;
    }
    uint32_t first = atom_load_relaxed(&home->overflow);
    for (uint32_t row = first; row != 0;) {
        struct bucket *line = overflow_bucket(store, p, row);
        if (line_put(line, slot)) {
            return true;
        }
        row = atom_load_relaxed(&line->overflow);
    }
    uint32_t row = overflow_take(store, p);
    if (row == 0) {
        return false;
    }
    struct bucket *line = overflow_bucket(store, p, row);
    for (unsigned i = 1; i < BUCKET_SLOTS; i++) {
        atom_store_relaxed(&line->slots[i], 0u);
    }
    atom_store_relaxed(&line->slots[0], slot);
    atom_store_relaxed(&line->overflow, first);
    group_link(store, p, bucket, row);
    return true;
}

bool index_insert(struct store *store, struct partition *p, uint64_t hash, uint64_t location,
                  bool main_queue) {
    uint32_t bucket = geometry_bucket_of(atom_load_relaxed(&p->geometry), hash);
    struct bucket *home = index_bucket(store, p, bucket);
    uint64_t slot = slot_match_of(hash, bucket) << SLOT_MATCH_SHIFT | location;
    slot |= main_queue ? SLOT_MAIN : 0;
    bucket_change_begin(home);
    bool done = bucket_put(store, p, bucket, slot);
    bucket_change_end(home);
    return done;
}

uint64_t index_remove(struct store *store, struct partition *p, const struct cursor *cursor) {
    bucket_change_begin(cursor->home);
    uint64_t slot = atom_exchange(&cursor->line->slots[cursor->slot_index], 0u);
    bucket_change_end(cursor->home);
    if (cursor->line != cursor->home && line_is_empty(cursor->line)) {
        chain_unlink(store, p, cursor->bucket, cursor->line);
    }
    return slot;
}

void index_relocate(const struct cursor *cursor, uint64_t location, uint64_t clear_bits) {
    _Atomic uint64_t *word = &cursor->line->slots[cursor->slot_index];
    uint64_t slot = atom_load_relaxed(word);
    while (!atom_compare_exchange(word, &slot,
                                  slot_with_location(slot, location) & ~clear_bits)) {
    }
}

/* -- growing and shrinking --------------------------------------------------------------------- */

static bool index_loaded(const struct partition *p, unsigned tenths) {
    uint64_t buckets = geometry_buckets(atom_load_relaxed(&p->geometry));
    return atom_load_relaxed(&p->counters.items) * 10 > buckets * BUCKET_SLOTS * tenths;
}

bool index_wants_growth(const struct partition *p) {
    return index_loaded(p, LOAD_SPLIT_TENTHS);
}

bool index_wants_merge(const struct partition *p) {
    uint64_t geometry = atom_load_relaxed(&p->geometry);
    return geometry_buckets(geometry) > INDEX_BUCKETS_MIN && !index_loaded(p, LOAD_MERGE_TENTHS);
}

/* The slots of one bucket, taken out of primary and chain. */
struct gathered {
    uint64_t slots[GATHERED_MAX];
    unsigned count;
};

/* Takes the bucket's slots out of one line. */
static void gather_line(struct bucket *line, uint64_t home, struct gathered *gathered) {
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        if (slot != 0 && (slot >> SLOT_HOME_SHIFT & (BUCKET_GROUP - 1)) == home &&
            gathered->count < GATHERED_MAX) {
            gathered->slots[gathered->count++] = atom_exchange(&line->slots[i], 0u);
        }
    }
}

static void gather(struct store *store, struct partition *p, uint32_t bucket,
                   struct gathered *gathered) {
    uint64_t home = bucket & (BUCKET_GROUP - 1);
    struct bucket *line = index_bucket(store, p, bucket);
    gathered->count = 0;
    gather_line(line, home, gathered);
    for (uint32_t row = atom_load_relaxed(&line->overflow); row != 0;) {
        line = overflow_bucket(store, p, row);
        gather_line(line, home, gathered);
        row = atom_load_relaxed(&line->overflow);
    }
}

/* Drops overflow buckets that gathering has emptied. */
static void chain_trim(struct store *store, struct partition *p, uint32_t bucket) {
    uint32_t row = atom_load_relaxed(&index_bucket(store, p, bucket)->overflow);
    while (row != 0) {
        struct bucket *line = overflow_bucket(store, p, row);
        uint32_t next = atom_load_relaxed(&line->overflow);
        if (line_is_empty(line)) {
            chain_unlink(store, p, bucket, line);
        }
        row = next;
    }
}

/* A new bucket: empty, linked to its group's chain if a neighbour has one. */
static void bucket_birth(struct store *store, struct partition *p, uint32_t number) {
    struct bucket *bucket = index_bucket(store, p, number);
    uint32_t link = 0;
    if ((number & (BUCKET_GROUP - 1)) != 0) {
        link = atom_load_relaxed(&index_bucket(store, p, number - 1)->overflow);
    }
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        atom_store_relaxed(&bucket->slots[i], 0u);
    }
    atom_store_relaxed(&bucket->overflow, link);
}

static uint64_t geometry_grown(uint64_t geometry) {
    uint32_t level = (uint32_t)(geometry >> 32);
    uint32_t split = (uint32_t)geometry + 1;
    return split == 1u << level ? (uint64_t)(level + 1) << 32 : (uint64_t)level << 32 | split;
}

static uint64_t geometry_shrunk(uint64_t geometry) {
    uint32_t level = (uint32_t)(geometry >> 32);
    uint32_t split = (uint32_t)geometry;
    return split == 0 ? (uint64_t)(level - 1) << 32 | ((1u << (level - 1)) - 1)
                      : (uint64_t)level << 32 | (split - 1);
}

/* Tables must reach a bucket before it is born: the index and its ghosts. A page that a merge
 * retired must be gone first: a reader that stands still in it would take the old geometry for the
 * new. */
static bool tables_cover(struct store *store, struct partition *p, uint32_t bucket) {
    index_reap(store, p);
    bool index = table_has_row(store, &p->index, bucket) ||
                 (p->retired_count == 0 && table_extend(store, p, &p->index));
    return index && (table_has_row(store, &p->ghosts, bucket / 8) ||
                     table_extend(store, p, &p->ghosts));
}

static bool overflow_ready(struct store *store, struct partition *p) {
    uint32_t last = atom_load_relaxed(&p->overflow_rows) + OVERFLOW_READY_MIN - 1;
    return p->overflow_free_count >= OVERFLOW_READY_MIN ||
           table_has_row(store, &p->overflow, last) || table_extend(store, p, &p->overflow);
}

/* How many slots redistributing the bucket would gather. */
static unsigned bucket_count(struct store *store, struct partition *p, uint32_t bucket) {
    uint64_t home = bucket & (BUCKET_GROUP - 1);
    struct bucket *line = index_bucket(store, p, bucket);
    unsigned count = 0;
    for (;;) {
        for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
            uint64_t slot = atom_load_relaxed(&line->slots[i]);
            count += slot != 0 && (slot >> SLOT_HOME_SHIFT & (BUCKET_GROUP - 1)) == home;
        }
        uint32_t row = atom_load_relaxed(&line->overflow);
        if (row == 0) {
            return count;
        }
        line = overflow_bucket(store, p, row);
    }
}

static void scatter(struct store *store, struct partition *p, const struct gathered *gathered,
                    const uint64_t *hashes) {
    uint64_t geometry = atom_load_relaxed(&p->geometry);
    for (unsigned i = 0; i < gathered->count; i++) {
        uint32_t bucket = geometry_bucket_of(geometry, hashes[i]);
        bool put = bucket_put(store, p, bucket, gathered->slots[i]);
        ASSERT(put);
    }
}

/* What the slots of a bucket hash to; read before anything is taken out. */
static void gathered_hashes(struct store *store, const struct gathered *gathered,
                            uint64_t *hashes) {
    for (unsigned i = 0; i < gathered->count; i++) {
        __builtin_prefetch(item_at(store, slot_location(gathered->slots[i])));
    }
    for (unsigned i = 0; i < gathered->count; i++) {
        struct item *item = item_at(store, slot_location(gathered->slots[i]));
        hashes[i] = item_hash(store, item, atom_load_relaxed(&item->shape));
    }
}

/* Redistributes what `from` holds under the geometry `next`; `other` is its partner. */
static void redistribute(struct store *store, struct partition *p, uint32_t from, uint32_t other,
                         uint64_t next) {
    struct bucket *from_bucket = index_bucket(store, p, from);
    struct bucket *other_bucket = index_bucket(store, p, other);
    struct gathered gathered;
    uint64_t hashes[GATHERED_MAX];
    bucket_change_begin(from_bucket);
    bucket_change_begin(other_bucket);
    gather(store, p, from, &gathered);
    gathered_hashes(store, &gathered, hashes);
    atom_store_release(&p->geometry, next);
    scatter(store, p, &gathered, hashes);
    bucket_change_end(other_bucket);
    bucket_change_end(from_bucket);
    chain_trim(store, p, from);
}

static bool index_split(struct store *store, struct partition *p) {
    uint64_t geometry = atom_load_relaxed(&p->geometry);
    uint32_t child = geometry_buckets(geometry);
    uint32_t parent = (uint32_t)geometry;
    if (geometry >> 32 >= 31 || !tables_cover(store, p, child) || !overflow_ready(store, p) ||
        bucket_count(store, p, parent) > GATHERED_MAX) {
        return false;
    }
    bucket_birth(store, p, child);
    redistribute(store, p, parent, child, geometry_grown(geometry));
    atom_own_add(&p->counters.splits, 1u);
    return true;
}

/* After a merge the last index page may be without buckets. */
static void index_retire(struct store *store, struct partition *p) {
    uint32_t buckets = geometry_buckets(atom_load_relaxed(&p->geometry));
    uint32_t rows = 1u << store->page_rows_shift;
    uint32_t pages = atom_load_relaxed(&p->index.pages);
    /* Half a page of slack, so that a size on the edge doesn't go to and fro. */
    if (pages < 2 || buckets + rows / 2 > (pages - 1) * rows || p->retired_count == RETIRED_MAX) {
        return;
    }
    uint32_t page = atom_load_relaxed(&p->index.directory[pages - 1]);
    atom_store_relaxed(&p->index.pages, pages - 1);
    p->retired[p->retired_count++] =
        (struct retired_page){.epoch = atom_fetch_add(&store->epoch, 1u), .page = page};
}

static bool index_merge(struct store *store, struct partition *p) {
    uint64_t next = geometry_shrunk(atom_load_relaxed(&p->geometry));
    uint32_t child = geometry_buckets(next);
    uint32_t parent = (uint32_t)next;
    if (p->retired_count == RETIRED_MAX || !overflow_ready(store, p) ||
        bucket_count(store, p, child) > GATHERED_MAX) {
        return false;
    }
    /* The child leaves the group: what the chain holds of it is gathered first. */
    redistribute(store, p, child, parent, next);
    atom_own_add(&p->counters.merges, 1u);
    index_retire(store, p);
    return true;
}

void index_reap(struct store *store, struct partition *p) {
    uint64_t oldest = p->retired_count == 0 ? 0 : store_epoch_oldest(store);
    for (unsigned i = 0; i < p->retired_count;) {
        if (p->retired[i].epoch < oldest) {
            slab_pool_give(&store->pool, p->retired[i].page);
            p->retired[i] = p->retired[--p->retired_count];
        } else {
            i++;
        }
    }
}

bool index_step(struct store *store, struct partition *p) {
    if (index_wants_growth(p)) {
        return index_split(store, p);
    }
    if (index_wants_merge(p)) {
        return index_merge(store, p);
    }
    return false;
}
