/* larder: a walk over all items that splits and merges don't disturb
 *
 * A bucket holds the hashes that agree in their low bits: as many as the geometry has at the time.
 * With the bits reversed that is one run of numbers, which a split halves and a merge doubles. So
 * the walk goes up through the reversed hashes: it visits the bucket that holds its position, of
 * its items those not below the position (a merge may have brought some that were visited), and
 * goes on behind the bucket's run.
 * Source: the reverse binary iteration of Redis' SCAN (P. Noordhuis, 2012), here for linear
 *   hashing. */
#include "src/store/partition.h"

#define POSITION_END ((uint64_t)1 << 32)

static uint32_t reversed(uint32_t bits) {
    bits = (bits >> 16) | (bits << 16);
    bits = (bits >> 8 & 0x00ff00ffu) | (bits & 0x00ff00ffu) << 8;
    bits = (bits >> 4 & 0x0f0f0f0fu) | (bits & 0x0f0f0f0fu) << 4;
    bits = (bits >> 2 & 0x33333333u) | (bits & 0x33333333u) << 2;
    return (bits >> 1 & 0x55555555u) | (bits & 0x55555555u) << 1;
}

struct bucket_visit {
    struct store_core *core;
    struct partition *p;
    uint64_t position;
    store_visit *visit;
    void *context;
};

static void visit_slot(const struct bucket_visit *at, uint64_t slot) {
    struct store *store = at->core->store;
    struct item *item = item_at(store, slot_location(slot));
    uint32_t shape = atom_load_relaxed(&item->shape);
    struct store_head head;
    item_head(store, slot, shape, &head);
    bool seen = reversed(hash_bucket_bits(item_hash(store, item, shape))) < at->position;
    if (!seen && !item_is_dead(at->p, head.version, head.expiry, at->core->now)) {
        uint8_t key[STORE_KEY_BYTES_MAX];
        slab_copy_out(key, item_byte(item, item_key_offset(shape)), head.key_bytes);
        at->visit(at->context, &head, key);
    }
}

static void visit_line(const struct bucket_visit *at, const struct bucket *line, uint64_t home) {
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        if (slot != 0 && (slot >> SLOT_HOME_SHIFT & (BUCKET_GROUP - 1)) == home) {
            visit_slot(at, slot);
        }
    }
}

/* Visits the bucket that holds the position; returns where the next one begins. Under the lock. */
static uint64_t visit_bucket(const struct bucket_visit *at) {
    struct store *store = at->core->store;
    uint64_t geometry = atom_load_relaxed(&at->p->geometry);
    uint32_t hash = reversed((uint32_t)at->position);
    uint32_t number = geometry_bucket_of(geometry, hash);
    const struct bucket *line = index_bucket(store, at->p, number);
    visit_line(at, line, number & (BUCKET_GROUP - 1));
    for (uint32_t row = atom_load_relaxed(&line->overflow); row != 0;) {
        line = overflow_bucket(store, at->p, row);
        visit_line(at, line, number & (BUCKET_GROUP - 1));
        row = atom_load_relaxed(&line->overflow);
    }
    uint32_t level = (uint32_t)(geometry >> 32);
    bool split = (hash & ((1u << level) - 1)) < (uint32_t)geometry;
    uint64_t run = POSITION_END >> (level + split);
    return (at->position & ~(run - 1)) + run;
}

bool store_walk_step(struct store_core *core, struct store_walk *walk, store_visit *visit,
                     void *context) {
    struct store *store = core->store;
    if (walk->partition >= store->partition_count) {
        return false;
    }
    struct bucket_visit at = {.core = core,
                              .p = &store->partitions[walk->partition],
                              .position = walk->position,
                              .visit = visit,
                              .context = context};
    partition_lock(core, at.p);
    walk->position = visit_bucket(&at);
    partition_unlock(core, at.p);
    if (walk->position >= POSITION_END) {
        walk->position = 0;
        walk->partition++;
    }
    return true;
}

unsigned store_walk_progress(const struct store *store, const struct store_walk *walk) {
    uint64_t parts = (uint64_t)walk->partition * 1000 + (walk->position * 1000 >> 32);
    return (unsigned)(parts / store->partition_count);
}
