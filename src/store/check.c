/* larder: the consistency checker - index <-> items <-> queues <-> pages <-> pool
 *
 * For tests, with no other thread inside the store. */
#include "src/store/partition.h"

struct census {
    struct store *store;
    struct partition *p;
    uint64_t items, small, bytes, chunk_bytes, small_bytes, expiring;
    uint64_t class_items[SLAB_CLASSES_MAX + 1];
    uint64_t class_chunks[SLAB_CLASSES_MAX + 1];
};

#define CHECK(condition, text)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return text;                                                                           \
        }                                                                                          \
    } while (0)

static const struct slab_page *chunk_page(const struct store *store, uint64_t location) {
    return slab_page_of(&store->pool, slab_location_page(&store->pool, location));
}

/* The chunk is the partition's and is marked used. */
static const char *check_chunk(struct census *census, uint64_t location) {
    const struct store *store = census->store;
    CHECK(slab_location_valid(&store->pool, location), "a location lies outside the arena");
    const struct slab_page *page = chunk_page(store, location);
    CHECK(atom_load_relaxed(&page->kind) == SLAB_PAGE_CHUNKS, "an item lies in no page of chunks");
    CHECK(atom_load_relaxed(&page->owner) == census->p->number, "an item lies in a foreign page");
    unsigned index = slab_chunk_index(&store->pool, location);
    uint64_t start = slab_chunk_location(&store->pool, slab_location_page(&store->pool, location),
                                         index);
    CHECK(start == location, "a location is not the start of a chunk");
    unsigned class_id = atom_load_relaxed(&page->class_id);
    _Atomic uint64_t *bitmap =
        slab_page_bitmap(&store->pool, slab_location_page(&store->pool, location), class_id);
    CHECK((atom_load_relaxed(&bitmap[index / 64]) >> index % 64 & 1) != 0,
          "an item lies in a free chunk");
    census->class_chunks[class_id]++;
    return NULL;
}

static const char *check_chain(struct census *census, uint64_t head, uint32_t shape) {
    struct store *store = census->store;
    struct item_chain *chain = item_chain(item_at(store, head), shape);
    uint64_t bytes = ITEM_VALUE_BYTES(shape);
    uint64_t last = head;
    for (uint64_t at = atom_load_relaxed(&chain->next); at != 0;) {
        const char *wrong = check_chunk(census, at);
        CHECK(wrong == NULL, wrong);
        struct continuation *chunk = continuation_at(store, at);
        CHECK(atom_load_relaxed(&chunk->shape) == ITEM_CONTINUATION, "a chain holds another chunk");
        CHECK(atom_load_relaxed(&chunk->head) == head, "a continuation names another head");
        bytes += atom_load_relaxed(&chunk->used_bytes);
        last = at;
        at = atom_load_relaxed(&chunk->next);
    }
    CHECK(atom_load_relaxed(&chain->tail) == last, "a chain's tail is not its last chunk");
    CHECK(atom_load_relaxed(&chain->value_bytes) == bytes, "a chain's bytes are not its value's");
    return NULL;
}

static const char *check_slot(struct census *census, uint32_t bucket, uint64_t slot) {
    struct store *store = census->store;
    struct partition *p = census->p;
    uint64_t location = slot_location(slot);
    const char *wrong = check_chunk(census, location);
    CHECK(wrong == NULL, wrong);
    struct item *item = item_at(store, location);
    uint32_t shape = atom_load_relaxed(&item->shape);
    CHECK(ITEM_KEY_BYTES(shape) != 0, "a slot names a chunk without an item");
    uint64_t hash = item_hash(store, item, shape);
    CHECK(partition_of(store, hash) == p, "an item is in another partition's index");
    CHECK(geometry_bucket_of(atom_load_relaxed(&p->geometry), hash) == bucket,
          "an item is in another bucket");
    CHECK(slot_match(slot) == slot_match_of(hash, bucket), "a slot has another tag");
    CHECK(atom_load_relaxed(&item->version) >> 9 <= p->clock, "a version is ahead of the clock");
    CHECK(atom_load_relaxed(lend_counter(store, location)) == 0 || (shape & ITEM_CHAINED) != 0,
          "an item that is never lent is on loan");
    if ((shape & ITEM_CHAINED) != 0) {
        wrong = check_chain(census, location, shape);
        CHECK(wrong == NULL, wrong);
    }
    uint64_t chunk_bytes = item_chunk_bytes(store, location, shape);
    census->items++;
    census->bytes += item_memcached_bytes(store, item, shape);
    census->chunk_bytes += chunk_bytes;
    census->class_items[atom_load_relaxed(&chunk_page(store, location)->class_id)]++;
    census->expiring += item_expiry(item, shape) != 0;
    if ((slot & SLOT_MAIN) == 0) {
        census->small++;
        census->small_bytes += chunk_bytes;
    }
    return NULL;
}

static const char *check_line(struct census *census, uint32_t bucket, const struct bucket *line,
                              bool overflow) {
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        uint32_t home = (uint32_t)(slot >> SLOT_HOME_SHIFT) & (BUCKET_GROUP - 1);
        if (slot == 0 || (overflow && home != bucket % BUCKET_GROUP)) {
            continue;
        }
        CHECK(home == bucket % BUCKET_GROUP, "a slot lies in another's primary bucket");
        const char *wrong = check_slot(census, bucket, slot);
        CHECK(wrong == NULL, wrong);
    }
    return NULL;
}

static const char *check_bucket(struct census *census, uint32_t number) {
    struct store *store = census->store;
    struct partition *p = census->p;
    const struct bucket *bucket = index_bucket(store, p, number);
    const struct bucket *first = index_bucket(store, p, number & ~(BUCKET_GROUP - 1));
    CHECK((atom_load_relaxed(&bucket->version) & 1) == 0, "a bucket is left in change");
    CHECK(atom_load_relaxed(&bucket->overflow) == atom_load_relaxed(&first->overflow),
          "neighbours disagree about their chain");
    const char *wrong = check_line(census, number, bucket, false);
    uint32_t row = atom_load_relaxed(&bucket->overflow);
    while (wrong == NULL && row != 0) {
        CHECK(row < atom_load_relaxed(&p->overflow_rows), "an overflow link leads nowhere");
        const struct bucket *line = overflow_bucket(store, p, row);
        wrong = check_line(census, number, line, true);
        row = atom_load_relaxed(&line->overflow);
    }
    return wrong;
}

/* Pages as the bin lists them, against what they say themselves. */
static const char *check_bin(struct census *census, unsigned class_id, uint64_t *used) {
    const struct slab_pool *pool = &census->store->pool;
    const struct slab_bin *bin = &census->p->classes[class_id].bin;
    uint64_t pages = 0;
    uint64_t free_chunks = 0;
    for (unsigned list = 0; list < SLAB_FULLNESS_LISTS; list++) {
        for (uint32_t at = bin->pages_by_fullness[list]; at != SLAB_NO_PAGE;) {
            const struct slab_page *page = slab_page_of(pool, at);
            unsigned count = 0;
            unsigned words = (pool->classes.per_page[class_id] + 63u) / 64;
            _Atomic uint64_t *bitmap = slab_page_bitmap(pool, at, class_id);
            for (unsigned word = 0; word < words; word++) {
                count += (unsigned)__builtin_popcountll(atom_load_relaxed(&bitmap[word]));
            }
            CHECK(count == atom_load_relaxed(&page->used_count), "a page miscounts its chunks");
            CHECK(page->fullness == list, "a page is in the wrong list");
            CHECK(atom_load_relaxed(&page->class_id) == class_id, "a page has another class");
            free_chunks += pool->classes.per_page[class_id] - count;
            *used += (uint64_t)count * pool->classes.chunk_bytes[class_id];
            pages++;
            at = page->next;
        }
    }
    CHECK(pages == atom_load_relaxed(&bin->pages), "a bin miscounts its pages");
    CHECK(free_chunks == bin->chunks_free, "a bin miscounts its free chunks");
    return NULL;
}

static const char *check_counts(struct census *census, uint64_t used_bytes) {
    struct partition *p = census->p;
    CHECK(census->items == atom_load_relaxed(&p->counters.items), "the items are miscounted");
    CHECK(census->bytes == atom_load_relaxed(&p->counters.bytes), "the bytes are miscounted");
    CHECK(census->chunk_bytes == p->chunk_bytes, "the chunk bytes are miscounted");
    CHECK(census->small_bytes == p->small_bytes, "the small queue's bytes are miscounted");
    CHECK(census->small <= p->small.entries, "a small item is not in the small queue");
    if (p->limbo_head == 0) {
        CHECK(census->chunk_bytes + atom_load_relaxed(&p->uncommitted_bytes) == used_bytes,
              "chunks are lost");
        CHECK(atom_load_relaxed(&p->limbo_bytes) == 0, "limbo's bytes are miscounted");
    }
    for (unsigned i = 1; i <= census->store->pool.classes.count; i++) {
        CHECK(census->class_items[i] == atom_load_relaxed(&p->classes[i].items),
              "a class miscounts its items");
    }
    return NULL;
}

static uint64_t table_pages(const struct partition *p) {
    return (uint64_t)atom_load_relaxed(&p->index.pages) + atom_load_relaxed(&p->overflow.pages) +
           atom_load_relaxed(&p->ghosts.pages) + p->small.pages + p->retired_count +
           (p->spare_page != SLAB_NO_PAGE);
}

static const char *check_partition(struct store *store, struct partition *p, uint64_t *pages) {
    struct census census = {.store = store, .p = p};
    const char *wrong = NULL;
    uint32_t buckets = geometry_buckets(atom_load_relaxed(&p->geometry));
    for (uint32_t i = 0; wrong == NULL && i < buckets; i++) {
        wrong = check_bucket(&census, i);
    }
    uint64_t used_bytes = 0;
    uint64_t chunk_pages = 0;
    *pages += table_pages(p);
    for (unsigned i = 1; wrong == NULL && i <= store->pool.classes.count; i++) {
        wrong = check_bin(&census, i, &used_bytes);
        chunk_pages += atom_load_relaxed(&p->classes[i].bin.pages);
    }
    *pages += chunk_pages;
    CHECK(wrong != NULL || chunk_pages == atom_load_relaxed(&p->chunk_pages),
          "the pages of chunks are miscounted");
    return wrong != NULL ? wrong : check_counts(&census, used_bytes);
}

/* Every page is free or somebody's; the expiring items of all pages are those of the index. */
static const char *check_pool(struct store *store, uint64_t pages) {
    const struct slab_pool *pool = &store->pool;
    uint64_t free_pages = 0;
    for (unsigned list = 0; list < pool->node_count * 2; list++) {
        const struct slab_node *node = &pool->nodes[list / 2];
        uint32_t at = list % 2 == 0 ? node->free_head : node->table_head;
        while (at != SLAB_NO_PAGE) {
            const struct slab_page *page = slab_page_of(pool, at);
            CHECK(atom_load_relaxed(&page->kind) == SLAB_PAGE_FREE, "a free page is in use");
            free_pages++;
            at = page->next;
        }
    }
    CHECK(free_pages == atom_load_relaxed(&pool->pages_free), "free pages are miscounted");
    for (uint32_t i = 0; i < atom_load_relaxed(&pool->extents_live); i++) {
        bool leaving = atom_load_relaxed(&pool->extents[i].leaving) != 0;
        free_pages += leaving ? pool->extents[i].free_count : 0u;
    }
    CHECK(pages == atom_load_relaxed(&pool->pages_used), "pages in use are miscounted");
    CHECK(free_pages + pages == atom_load_relaxed(&pool->pages_resident), "pages are lost");
    return NULL;
}

const char *store_check(struct store *store) {
    uint64_t pages = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        const char *wrong = check_partition(store, &store->partitions[i], &pages);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return check_pool(store, pages);
}
