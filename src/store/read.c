/* larder: reading without a lock
 *
 * Order of one look: geometry, bucket, its version (even), slots; header; version again before a
 * length or link is used; key; value; version once more. A miss additionally checks the geometry.
 * What fails begins anew; after READ_TRIES_MAX the reader takes the lock. Readers write to the
 * bucket line alone, and only while it is news. */
#include "src/store/partition.h"

struct look {
    struct store_core *core;
    struct partition *p;
    const struct store_key *key;
    struct store_sink *sink;
    struct store_head *head;
    struct store_lease *lease; /* NULL: nothing is lent */
    struct store_lookup *lookup; /* NULL: a plain read */
    bool force_lend;           /* whatever the bound says; internal readers */
    bool locked;
    struct bucket *bucket;
    uint32_t version;
    struct bucket *line;
    unsigned slot_index;
    uint64_t slot;
};

enum look_result {
    LOOK_MISS = STORE_MISS,
    LOOK_EXPIRED = STORE_EXPIRED,
    LOOK_FLUSHED = STORE_FLUSHED,
    LOOK_HIT = STORE_HIT,
    LOOK_LENT = STORE_LENT,
    LOOK_OTHER, /* another key's item */
    LOOK_AGAIN, /* something changed underneath */
    LOOK_LOCKED, /* look again under the lock: a win is to be had */
};

static bool look_is_valid(const struct look *look) {
    atom_fence_acquire();
    return atom_load_relaxed(&look->bucket->version) == look->version;
}

void store_prefetch_bucket(struct store_core *core, uint64_t hash, bool for_write) {
    const struct store *store = core->store;
    const struct partition *p = partition_of(store, hash);
    uint32_t number = geometry_bucket_of(atom_load_acquire(&p->geometry), hash);
    const struct bucket *bucket = index_bucket(store, p, number);
    if (for_write) {
        __builtin_prefetch(bucket, 1);
        __builtin_prefetch(&p->lock, 1);
    } else {
        __builtin_prefetch(bucket, 0);
    }
}

void store_prefetch_item(struct store_core *core, uint64_t hash) {
    const struct store *store = core->store;
    const struct partition *p = partition_of(store, hash);
    uint32_t number = geometry_bucket_of(atom_load_acquire(&p->geometry), hash);
    const struct bucket *bucket = index_bucket(store, p, number);
    uint64_t match = slot_match_of(hash, number);
    uint64_t slot = 0;
    if (line_find(bucket, match, 0, &slot) < BUCKET_SLOTS) {
        const uint8_t *item = slab_at(&store->pool, slot_location(slot));
        __builtin_prefetch(item);
        __builtin_prefetch(item + 64);
        __builtin_prefetch(item + 128);
        return;
    }
    uint32_t row = atom_load_relaxed(&bucket->overflow);
    if (row != 0 && row < atom_load_acquire(&p->overflow_rows)) {
        __builtin_prefetch(overflow_bucket(store, p, row));
    }
}

/* What only an item with marks has. */
static void head_fill_marked(struct item *item, uint32_t shape, struct store_head *head) {
    head->token = item_token(item, shape, head->version);
    head->value_bytes = item_value_bytes(item, shape);
    head->client_flags = item_client_flags(item, shape);
    head->expiry = item_expiry(item, shape);
    head->stale = (shape & ITEM_STALE) != 0;
    head->win_sent = (shape & ITEM_WIN_SENT) != 0;
    head->key_is_binary = (shape & ITEM_KEY_BINARY) != 0;
}

__attribute__((always_inline)) static inline void
head_fill(const struct store *store, uint64_t slot, uint32_t shape, struct store_head *head) {
    uint64_t location = slot_location(slot);
    struct item *item = item_at(store, location);
    head->version = atom_load_relaxed(&item->version);
    head->token = head->version;
    head->value_bytes = ITEM_VALUE_BYTES(shape);
    head->client_flags = 0;
    head->expiry = 0;
    head->accessed = atom_load_relaxed(&item->accessed);
    head->key_bytes = (uint8_t)ITEM_KEY_BYTES(shape);
    head->class_id = (uint8_t)location_class(store, location);
    head->fetched = (slot & SLOT_FETCHED) != 0;
    head->stale = false;
    head->win_sent = false;
    head->key_is_binary = false;
    if ((shape & ITEM_MARKS) != 0) {
        head_fill_marked(item, shape, head);
    }
    if (__builtin_expect(!store->config.token_in_items, 0)) {
        head->token = 0;
    }
}

void item_head(const struct store *store, uint64_t slot, uint32_t shape, struct store_head *head) {
    head_fill(store, slot, shape, head);
}

/* Copies a chained value. Every hop is checked before its link or length is used. */
static enum look_result chain_copy(struct look *look, struct item *item, uint32_t shape,
                                   uint8_t *to) {
    const struct store *store = look->core->store;
    uint64_t left = look->head->value_bytes;
    uint64_t part = ITEM_VALUE_BYTES(shape);
    uint64_t next = atom_load_relaxed(&item_chain(item, shape)->next);
    const uint8_t *from = item_byte(item, item_value_offset(shape));
    for (;;) {
        if (!look_is_valid(look) || part > left) {
            return LOOK_AGAIN;
        }
        slab_copy_out(to, from, part);
        to += part;
        left -= part;
        if (left == 0) {
            return LOOK_HIT;
        }
        if (!slab_location_valid(&store->pool, next)) {
            return LOOK_AGAIN;
        }
        struct continuation *chunk = continuation_at(store, next);
        part = atom_load_relaxed(&chunk->used_bytes);
        next = atom_load_relaxed(&chunk->next);
        from = chunk->bytes;
    }
}

/* Lends the chain: raise the count, then look whether the item still stands. */
static enum look_result chain_lend(struct look *look, struct item *item, uint32_t shape) {
    struct store *store = look->core->store;
    uint64_t location = slot_location(look->slot);
    *look->lease = (struct store_lease){
        .location = location,
        .next = atom_load_relaxed(&item_chain(item, shape)->next),
        .value_bytes = look->head->value_bytes,
        .head_offset = item_value_offset(shape),
        .head_bytes = ITEM_VALUE_BYTES(shape),
        .partition = look->p->number,
        .lent_at = look->core->now,
    };
    (void)atom_fetch_add(lend_counter(store, location), 1u);
#ifdef LARDER_PLANT_LEND_UNFENCED
    bool stands = true;
#else
    atom_fence_seq_cst();
    bool stands = atom_load_seq_cst(&look->bucket->version) == look->version;
#endif
    if (!stands) {
        (void)atom_fetch_sub(lend_counter(store, location), 1u);
        look->lease->location = 0;
        return LOOK_AGAIN;
    }
    (void)atom_fetch_add(&look->p->lent_bytes, look->lease->value_bytes);
    return LOOK_LENT;
}

static bool look_may_lend(const struct look *look, uint32_t shape) {
    return look->lease != NULL && (shape & ITEM_CHAINED) != 0 &&
           (look->force_lend ||
            (look->head->value_bytes >= LEND_BYTES_MIN &&
             lend_allowed(look->core->store, look->p, slot_location(look->slot),
                          look->head->value_bytes)));
}

/* Hands the value over as the sink wants it. */
static enum look_result value_deliver(struct look *look, struct item *item, uint32_t shape) {
    look->sink->may_lend = look_may_lend(look, shape);
    uint8_t *to = look->sink->place(look->sink, look->head);
    if (to == NULL) {
        return look->sink->may_lend ? chain_lend(look, item, shape) : LOOK_HIT;
    }
    if ((shape & ITEM_CHAINED) != 0) {
        return chain_copy(look, item, shape, to);
    }
    slab_copy_out(to, item_byte(item, item_value_offset(shape)), ITEM_VALUE_BYTES(shape));
    return LOOK_HIT;
}

/* Whether this access wins, and if so its mark: the one word of an item that changes under readers
 * without a new version, because nothing else depends on it. False: that takes the lock. */
static bool lookup_decide(struct look *look, struct item *item, uint32_t shape) {
    struct store_lookup *lookup = look->lookup;
    const struct store_head *head = look->head;
    lookup->won = lookup->created && head->win_sent && head->value_bytes == 0;
    lookup->created = lookup->won;
    if (head->win_sent) {
        return true;
    }
    uint32_t expiry = lookup->recache_touched ? look->sink->expiry : head->expiry;
    bool recache = lookup->recache && expiry != 0 && expiry < lookup->recache_before;
    if (!head->stale && !recache) {
        return true;
    }
    if (look->locked) {
        lookup->won = true;
        atom_store_relaxed(&item->shape, shape | ITEM_WIN_SENT);
    }
    return look->locked;
}

/* Lengths are garbage until the version is checked; what is in a page stays in it. */
static bool shape_is_possible(const struct store *store, uint64_t location, uint32_t shape) {
    return item_total_bytes(shape) <= slab_bytes_to_page_end(&store->pool, location);
}

static enum look_result look_at_item(struct look *look) {
    const struct store *store = look->core->store;
    uint64_t location = slot_location(look->slot);
    if (!slab_location_valid(&store->pool, location)) {
        return LOOK_AGAIN;
    }
    struct item *item = item_at(store, location);
    uint32_t shape = atom_load_relaxed(&item->shape);
#ifdef LARDER_PLANT_LENGTH_UNCHECKED
    (void)shape_is_possible;
#else
    if (!look_is_valid(look) || !shape_is_possible(store, location, shape)) {
        return LOOK_AGAIN;
    }
#endif
    if (ITEM_KEY_BYTES(shape) != look->key->len ||
        !slab_equal(item_byte(item, item_key_offset(shape)), look->key->data, look->key->len)) {
        return look_is_valid(look) ? LOOK_OTHER : LOOK_AGAIN;
    }
    head_fill(store, look->slot, shape, look->head);
#ifndef LARDER_PLANT_LENGTH_UNCHECKED
    if (!look_is_valid(look)) {
        return LOOK_AGAIN;
    }
#endif
    if (look->head->version < atom_load_relaxed(&look->p->flush_version)) {
        return LOOK_FLUSHED;
    }
    if (look->head->expiry != 0 && look->head->expiry <= look->core->now) {
        return LOOK_EXPIRED;
    }
    if (look->lookup != NULL && !lookup_decide(look, item, shape)) {
        return LOOK_LOCKED;
    }
    enum look_result result = value_deliver(look, item, shape);
    return result == LOOK_HIT && !look_is_valid(look) ? LOOK_AGAIN : result;
}

/* Follows the group's chain; false when it ended. Changes look->line. */
static enum look_result look_further(struct look *look, unsigned *hops) {
    uint32_t row = atom_load_acquire(&look->line->overflow);
    if (row == 0) {
        return LOOK_MISS;
    }
    (*hops)++;
    if ((*hops > CHAIN_HOPS_MAX && !look->locked) || !look_is_valid(look) ||
        row >= atom_load_acquire(&look->p->overflow_rows)) {
        return LOOK_AGAIN;
    }
    look->line = overflow_bucket(look->core->store, look->p, row);
    return LOOK_OTHER;
}

static enum look_result look_at_line(struct look *look, uint64_t match) {
    for (unsigned from = 0; from < BUCKET_SLOTS; from = look->slot_index + 1) {
        look->slot_index = line_find(look->line, match, from, &look->slot);
        if (look->slot_index == BUCKET_SLOTS) {
            break;
        }
        enum look_result result = look_at_item(look);
        if (result != LOOK_OTHER) {
            return result;
        }
    }
    return LOOK_OTHER;
}

static enum look_result look_once(struct look *look) {
    struct partition *p = look->p;
    const struct store *store = look->core->store;
    uint64_t geometry = atom_load_acquire(&p->geometry);
    uint32_t number = geometry_bucket_of(geometry, look->key->hash);
    uint64_t match = slot_match_of(look->key->hash, number);
    look->bucket = index_bucket(store, p, number);
    look->version = atom_load_acquire(&look->bucket->version);
    /* The bucket is still the key's: else its version tells of another's changes, and the link of
     * a bucket that a merge has ended leads anywhere. */
    if ((look->version & 1) != 0 ||
        geometry_bucket_of(atom_load_relaxed(&p->geometry), look->key->hash) != number) {
        return LOOK_AGAIN;
    }
    look->line = look->bucket;
    unsigned hops = 0;
    enum look_result result;
    do {
        result = look_at_line(look, match);
        if (result == LOOK_OTHER) {
            result = look_further(look, &hops);
        }
    } while (result == LOOK_OTHER);
#ifndef LARDER_PLANT_MISS_UNVALIDATED
    if (result == LOOK_MISS &&
        (!look_is_valid(look) || atom_load_relaxed(&p->geometry) != geometry)) {
        return LOOK_AGAIN;
    }
#endif
    return result;
}

/* What an access leaves behind: a raised counter and the fetched mark, if they are news. */
static void look_count(const struct look *look) {
    uint64_t slot = look->slot;
    if (slot_freq(slot) < SLOT_FREQ_MAX || (slot & SLOT_FETCHED) == 0) {
        unsigned freq = slot_freq(slot) < SLOT_FREQ_MAX ? slot_freq(slot) + 1 : slot_freq(slot);
        uint64_t seen = slot;
        (void)atom_compare_exchange(&look->line->slots[look->slot_index], &seen,
                                    slot_with_freq(slot, freq) | SLOT_FETCHED);
    }
}

/* The access time is coarse and written under the lock only, if that is free. */
static void look_refresh(const struct look *look) {
    struct store_core *core = look->core;
    /* Another core may be a second ahead. */
    uint32_t accessed = look->head->accessed;
    uint32_t apart = accessed < core->now ? core->now - accessed : accessed - core->now;
    if (apart < ACCESS_COARSE_S) {
        return;
    }
    if (!look->locked && !lock_try(&look->p->lock, &core->hold)) {
        return;
    }
    uint64_t slot = atom_load_relaxed(&look->line->slots[look->slot_index]);
    struct item *item = item_at(core->store, slot_location(slot));
    bool same = slot_location(slot) == slot_location(look->slot) &&
                slot_match(slot) == slot_match(look->slot) &&
                atom_load_relaxed(&item->version) == look->head->version;
    if (same) {
        atom_store_relaxed(&item->accessed, core->now);
    }
    if (!look->locked) {
        partition_unlock(core, look->p);
    }
}

static enum look_result look_until_done(struct look *look) {
    for (unsigned i = 0; i < READ_TRIES_MAX; i++) {
        enum look_result result = look_once(look);
        if (result <= LOOK_LENT) {
            return result;
        }
        if (result == LOOK_LOCKED) {
            break;
        }
        atom_own_add(&look->core->read_retries, 1u);
        cpu_pause();
    }
    partition_lock(look->core, look->p);
    look->locked = true;
    enum look_result result = look_once(look);
    ASSERT(result != LOOK_AGAIN);
    return result;
}

static enum store_read look_run(struct look *look) {
    enum look_result result = look_until_done(look);
    bool hit = result == LOOK_HIT || result == LOOK_LENT;
    enum store_access access = look->sink->access;
    if (hit && (access & STORE_ACCESS_QUIET) == 0) {
        look_count(look);
        look_refresh(look);
    }
    if (look->locked) {
        partition_unlock(look->core, look->p);
    }
    /* What was created has the expiry that it shall have. */
    if (hit && (access & STORE_ACCESS_EXPIRY) != 0 &&
        (look->lookup == NULL || !look->lookup->created)) {
        /* Gone or replaced meanwhile, or no memory for the field: the value was right when it was
         * read, and what came after it overrules this expiry. */
        const struct touch touch = {.expiry = look->sink->expiry,
                                    .expect_version = look->head->version,
                                    .counted = access == STORE_ACCESS_EXPIRY};
        (void)touch_item(look->core, look->key, &touch);
        look->head->expiry = look->lookup != NULL ? look->head->expiry : look->sink->expiry;
    }
    return (enum store_read)result;
}

enum store_read store_get(struct store_core *core, const struct store_key *key,
                          struct store_sink *sink, struct store_head *head,
                          struct store_lease *lease) {
    struct look look = {.core = core,
                        .p = partition_of(core->store, key->hash),
                        .key = key,
                        .sink = sink,
                        .head = head,
                        .lease = lease};
    return look_run(&look);
}

enum store_read read_for_rewrite(struct store_core *core, const struct store_key *key,
                                 struct store_sink *sink, struct store_head *head,
                                 struct store_lease *lease) {
    sink->access = STORE_ACCESS_QUIET;
    struct look look = {.core = core,
                        .p = partition_of(core->store, key->hash),
                        .key = key,
                        .sink = sink,
                        .head = head,
                        .lease = lease,
                        .force_lend = true};
    return look_run(&look);
}

/* Rounds of a vivifying read: an item that was just created may be gone again. */
#define VIVIFY_ROUNDS_MAX 16u

/* Whether what is created is over at once; its creator sees it all the same. */
static bool lookup_is_over(const struct store_core *core, const struct store_lookup *lookup) {
    return lookup->vivify_expiry != STORE_EXPIRY_NEVER && lookup->vivify_expiry <= core->now;
}

/* True: look again, the item is there or was. */
static bool lookup_create(struct store_core *core, const struct store_key *key,
                          struct store_lookup *lookup) {
    struct store_write write = {
        .key = *key,
        .mode = STORE_ADD,
        .expiry = lookup_is_over(core, lookup) ? STORE_EXPIRY_NEVER : lookup->vivify_expiry,
        .set_token = lookup->set_token,
        .token = lookup->token,
        .key_is_binary = lookup->key_is_binary,
        .win_sent = true,
    };
    struct iovec nothing = {(void *)(uintptr_t)key->data, 0};
    enum store_outcome outcome = write_put(core, &write, &nothing, NULL);
    lookup->created = outcome == STORE_OK;
    return lookup->created || outcome == STORE_NOT_STORED;
}

enum store_read store_look_up(struct store_core *core, const struct store_key *key,
                              struct store_lookup *lookup, struct store_head *head,
                              struct store_lease *lease) {
    enum store_read read = STORE_MISS;
    lookup->created = false;
    for (unsigned i = 0; i < VIVIFY_ROUNDS_MAX; i++) {
        struct look look = {.core = core,
                            .p = partition_of(core->store, key->hash),
                            .key = key,
                            .sink = &lookup->sink,
                            .head = head,
                            .lease = lease,
                            .lookup = lookup};
        lookup->won = false;
        read = look_run(&look);
        bool hit = read == STORE_HIT || read == STORE_LENT;
        if (hit || !lookup->vivify || !lookup_create(core, key, lookup)) {
            break;
        }
    }
    if (lookup->created && lookup_is_over(core, lookup)) {
        const struct touch touch = {.expiry = lookup->vivify_expiry,
                                    .expect_version = head->version};
        (void)touch_item(core, key, &touch);
    }
    return read;
}
