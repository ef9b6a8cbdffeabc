/* larder: eviction - S3-FIFO with one order a partition over all classes
 *
 * New items enter the small queue (a tenth of the bytes, more while main is dead: balance.c). Who
 * is at its end goes to main if it was read, else out, leaving a ghost; who returns while its ghost
 * is known enters main at once. Main is a clock hand over the index buckets: an item that was read
 * loses one count, one that was not leaves. Size counts: a large item must have been read twice,
 * and a tiny one leaves in every other sweep only.
 * Source: J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023; the hand
 * over the index instead of a queue is ours (no bytes an item, nothing to go stale). */
#include "src/store/sizes.h"

/* A large item: as long as this many of the mean; a tiny one: that part of it. */
#define LARGE_MEANS 2u
#define TINY_PARTS 2u
/* Fragments or buckets looked at in one hold. */
#define SCAN_MAX 32u
#define PREFETCH_AHEAD 8u
/* Small-queue entries kept at least before the queue is shortened. */
#define SMALL_ENTRIES_MIN 4096u
/* Share of the items in the small queue while memory is free. */
#define SMALL_SHARE 10u
/* The store is full when no more than this share of its pages is free. */
#define FILLED_FREE_SHARE 128u

/* A search for victims. */
struct hunt {
    struct store *store;
    struct partition *p;
    uint32_t now;
    bool force; /* spare nobody */
    bool spare_fetched; /* in main */
    unsigned wanted;
    unsigned count;
    struct cursor victims[EVICT_BATCH_MAX];
};

static uint32_t slot_chunk_bytes(const struct store *store, uint64_t slot) {
    return store->pool.classes.chunk_bytes[location_class(store, slot_location(slot))];
}

uint64_t item_memcached_bytes(const struct store *store, struct item *item, uint32_t shape) {
    return store_item_bytes(store, ITEM_KEY_BYTES(shape), item_client_flags(item, shape),
                            item_value_bytes(item, shape));
}

uint64_t item_chunk_bytes(const struct store *store, uint64_t location, uint32_t shape) {
    const struct slab_classes *classes = &store->pool.classes;
    uint64_t bytes = classes->chunk_bytes[location_class(store, location)];
    if ((shape & ITEM_CHAINED) != 0) {
        struct item *item = item_at(store, location);
        uint64_t rest = item_value_bytes(item, shape) - ITEM_VALUE_BYTES(shape);
        uint64_t room = slab_chunk_bytes_max(classes) - sizeof(struct continuation);
        uint64_t tail = atom_load_relaxed(&item_chain(item, shape)->tail);
        bytes += rest / room * slab_chunk_bytes_max(classes);
        bytes += rest % room == 0 ? 0 : classes->chunk_bytes[location_class(store, tail)];
    }
    return bytes;
}

/* -- leaving ----------------------------------------------------------------------------------- */

static void count_expired(struct partition *p, struct partition_class *class, uint64_t slot) {
    atom_own_add(&p->counters.reclaimed, 1u);
    atom_own_add(&class->reclaimed, 1u);
    if ((slot & SLOT_FETCHED) == 0) {
        atom_own_add(&p->counters.expired_unfetched, 1u);
        atom_own_add(&class->expired_unfetched, 1u);
    }
}

static void count_evicted(struct partition *p, struct partition_class *class, struct item *item,
                          uint64_t slot, uint32_t now) {
    atom_own_add(&p->counters.evictions, 1u);
    atom_own_add(&class->evicted, 1u);
    if ((slot & SLOT_FETCHED) == 0) {
        atom_own_add(&p->counters.evicted_unfetched, 1u);
        atom_own_add(&class->evicted_unfetched, 1u);
    }
    if (slot_freq(slot) != 0) {
        atom_own_add(&p->counters.evicted_active, 1u);
        atom_own_add(&class->evicted_active, 1u);
    }
    if (item_expiry(item, atom_load_relaxed(&item->shape)) != 0) {
        atom_own_add(&class->evicted_nonzero, 1u);
    }
    /* Another core may be a second ahead. */
    uint32_t accessed = atom_load_relaxed(&item->accessed);
    atom_store_relaxed(&class->evicted_age_last, accessed < now ? now - accessed : 0u);
}

/* The item is out of the index already, and still whole. */
static void tell_evicted(struct store *store, const struct partition *p, uint64_t slot,
                         uint32_t now) {
    struct item *item = item_at(store, slot_location(slot));
    uint32_t shape = atom_load_relaxed(&item->shape);
    struct store_head head;
    uint8_t key[STORE_KEY_BYTES_MAX];
    item_head(store, slot, shape, &head);
    slab_copy_out(key, item_byte(item, item_key_offset(shape)), head.key_bytes);
    store->config.evicted(store->config.evicted_context, p->number, now, &head, key);
}

void item_account(struct store *store, struct partition *p, struct item *item, uint32_t shape,
                  uint64_t slot) {
    uint64_t location = slot_location(slot);
    struct partition_class *class = &p->classes[location_class(store, location)];
    uint64_t chunk_bytes = item_chunk_bytes(store, location, shape);
    uint64_t bytes = item_memcached_bytes(store, item, shape);
    uint32_t expiry = item_expiry(item, shape);
    atom_own_add(&p->counters.items, 1u);
    atom_own_add(&p->counters.items_total, 1u);
    atom_own_add(&p->counters.bytes, bytes);
    atom_own_add(&class->items, 1u);
    atom_own_add(&class->bytes, bytes);
    sizes_count(p, bytes, 1);
    p->chunk_bytes += chunk_bytes;
    if ((slot & SLOT_MAIN) == 0) {
        p->small_bytes += chunk_bytes;
        atom_own_add(&class->items_small, 1u);
    }
    if (expiry != 0) {
        page_note_expiry(store, location, expiry);
    }
}

void item_discard(struct store *store, struct partition *p, uint64_t slot, enum leave leave,
                  uint32_t now) {
    uint64_t location = slot_location(slot);
    struct item *item = item_at(store, location);
    uint32_t shape = atom_load_relaxed(&item->shape);
    struct partition_class *class = &p->classes[location_class(store, location)];
    uint64_t chunk_bytes = item_chunk_bytes(store, location, shape);
    uint64_t bytes = item_memcached_bytes(store, item, shape);
    if (leave == LEAVE_EXPIRED) {
        count_expired(p, class, slot);
    } else if (leave == LEAVE_EVICTED) {
        count_evicted(p, class, item, slot, now);
        balance_note_victim(p, chunk_bytes);
        if (atom_load_relaxed(&store->evictions_watched) != 0) {
            tell_evicted(store, p, slot, now);
        }
    }
    atom_own_add(&p->counters.items, (uint64_t)-1);
    atom_own_add(&p->counters.bytes, (uint64_t)0 - bytes);
    atom_own_add(&class->items, (uint64_t)-1);
    atom_own_add(&class->bytes, (uint64_t)0 - bytes);
    sizes_count(p, bytes, (uint32_t)-1);
    p->chunk_bytes -= chunk_bytes;
    if ((slot & SLOT_MAIN) == 0) {
        p->small_bytes -= chunk_bytes;
        atom_own_add(&class->items_small, (uint64_t)-1);
    }
    if (item_expiry(item, shape) != 0) {
        page_drop_expiry(store, location);
    }
    if ((shape & ITEM_CHAINED) != 0) {
        limbo_add(store, p, location, chunk_bytes);
    } else {
        (void)space_give(store, p, location);
    }
}

void item_unlink(struct store *store, struct partition *p, const struct cursor *cursor,
                 enum leave leave, uint32_t now) {
    item_discard(store, p, index_remove(store, p, cursor), leave, now);
    if (index_wants_merge(p)) {
        upkeep_request(p, UPKEEP_MERGE);
    }
}

/* -- choosing ---------------------------------------------------------------------------------- */

/* Items with a short TTL are left to expire, where the operator asked for that (temporary_ttl). */
static bool is_spared(const struct store *store, struct item *item, uint32_t now) {
    uint32_t ttl_s = atom_load_relaxed(&store->temporary_ttl);
    if (ttl_s == 0) {
        return false;
    }
    uint32_t expiry = item_expiry(item, atom_load_relaxed(&item->shape));
    return expiry > now && expiry - now <= ttl_s;
}

static void victim_add(struct hunt *hunt, const struct cursor *cursor) {
    hunt->victims[hunt->count++] = *cursor;
    uint32_t page = slab_location_page(&hunt->store->pool, slot_location(cursor->slot));
    __builtin_prefetch(slab_page_of(&hunt->store->pool, page), 1);
    __builtin_prefetch(cursor->item);
}

/* A search for the slot of a small-queue entry. */
struct fragment_search {
    uint32_t bits;        /* bucket bits */
    uint64_t want, mask;  /* of slot_match() */
    bool exact;           /* the item's hash decides */
    unsigned found_count; /* slots that match */
};

/* Looks at one line; the first match is the cursor's. */
static void fragment_look(struct store *store, struct partition *p, struct bucket *line,
                          struct fragment_search *search, struct cursor *cursor) {
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        if (slot == 0 || (slot_match(slot) & search->mask) != search->want ||
            (slot & SLOT_MAIN) != 0) {
            continue;
        }
        struct item *item = item_at(store, slot_location(slot));
        uint64_t differs = 0;
        if (search->exact) {
            differs = item_hash(store, item, atom_load_relaxed(&item->shape)) ^ search->bits;
        }
        if ((differs & ((1u << p->fragment_bits) - 1)) != 0 || search->found_count++ != 0) {
            continue;
        }
        cursor->line = line;
        cursor->slot_index = i;
        cursor->slot = slot;
        cursor->item = item;
    }
}

/* The slot in the small queue that a fragment stands for. Where several in the bucket match, their
 * items' hashes decide: taking the wrong one would leave the right one without an entry once a
 * split has parted them. */
static bool fragment_find(struct store *store, struct partition *p, uint32_t fragment,
                          struct cursor *cursor) {
    struct fragment_search search = {.bits = fragment & ((1u << p->fragment_bits) - 1)};
    cursor->bucket = geometry_bucket_of(atom_load_relaxed(&p->geometry), search.bits);
    cursor->home = index_bucket(store, p, cursor->bucket);
    search.want = (uint64_t)(fragment >> p->fragment_bits) << 2 | (cursor->bucket & 3);
    search.mask = (uint64_t)(UINT32_MAX >> p->fragment_bits) << 2 | 3;
    for (unsigned pass = 0; pass < 2; pass++) {
        search.found_count = 0;
        search.exact = pass == 1;
        struct bucket *line = cursor->home;
        fragment_look(store, p, line, &search, cursor);
        uint32_t row = atom_load_relaxed(&line->overflow);
        while (row != 0) {
            line = overflow_bucket(store, p, row);
            fragment_look(store, p, line, &search, cursor);
            row = atom_load_relaxed(&line->overflow);
        }
        if (search.found_count < 2) {
            break;
        }
    }
    return search.found_count != 0;
}

/* Marks the slot as main's. For a victim too, so that no other fragment finds it again. */
static void slot_set_main(const struct cursor *cursor) {
    _Atomic uint64_t *word = &cursor->line->slots[cursor->slot_index];
    uint64_t slot = atom_load_relaxed(word);
    while (!atom_compare_exchange(word, &slot, slot_with_freq(slot, 0) | SLOT_MAIN)) {
    }
}

static void uncount_small(struct store *store, struct partition *p, const struct cursor *cursor) {
    uint64_t location = slot_location(cursor->slot);
    uint32_t shape = atom_load_relaxed(&cursor->item->shape);
    p->small_bytes -= item_chunk_bytes(store, location, shape);
    atom_own_add(&p->classes[location_class(store, location)].items_small, (uint64_t)-1);
}

/* Moves an item from the small queue to main; its counter starts again. */
static void promote(struct store *store, struct partition *p, const struct cursor *cursor) {
    slot_set_main(cursor);
    uncount_small(store, p, cursor);
}

static void prefetch_fragment(struct store *store, struct partition *p, unsigned ahead) {
    uint32_t fragment;
    if (small_queue_peek(store, p, ahead, &fragment)) {
        uint32_t bits = fragment & ((1u << p->fragment_bits) - 1);
        uint32_t bucket = geometry_bucket_of(atom_load_relaxed(&p->geometry), bits);
        __builtin_prefetch(index_bucket(store, p, bucket), 1);
        ghost_prefetch(store, p, bits);
    }
}

static bool small_is_due(const struct partition *p) {
    return p->small_bytes * BALANCE_UNIT > p->chunk_bytes * p->balance->share;
}

/* The item's chunk against the mean of all items. */
static bool is_large(const struct hunt *hunt, uint64_t slot) {
    const struct partition *p = hunt->p;
    uint64_t bytes = slot_chunk_bytes(hunt->store, slot);
    return bytes * atom_load_relaxed(&p->counters.items) > p->chunk_bytes * LARGE_MEANS;
}

static bool is_tiny(const struct hunt *hunt, uint64_t slot) {
    const struct partition *p = hunt->p;
    uint64_t bytes = slot_chunk_bytes(hunt->store, slot);
    return bytes * atom_load_relaxed(&p->counters.items) * TINY_PARTS < p->chunk_bytes;
}

/* One read is enough, but two are asked of an item that several others could live in. */
static bool is_worth_keeping(const struct hunt *hunt, uint64_t slot) {
    unsigned freq = slot_freq(slot);
    return freq > 1 || (freq == 1 && !is_large(hunt, slot));
}

static void choose_small(struct hunt *hunt) {
    struct store *store = hunt->store;
    struct partition *p = hunt->p;
    for (unsigned i = 0; i < SCAN_MAX && hunt->count < hunt->wanted; i++) {
        uint32_t fragment;
        if (!small_queue_pop(store, p, &fragment)) {
            return;
        }
        prefetch_fragment(store, p, PREFETCH_AHEAD);
        struct cursor cursor;
        if (!fragment_find(store, p, fragment, &cursor)) {
            continue;
        }
        bool kept = is_worth_keeping(hunt, cursor.slot) || is_spared(store, cursor.item, hunt->now);
        if (kept && !hunt->force) {
            promote(store, p, &cursor);
            unsigned class_id = location_class(store, slot_location(cursor.slot));
            atom_own_add(&p->counters.promotions, 1u);
            atom_own_add(&p->classes[class_id].promotions, 1u);
        } else {
            /* All that a ghost needs of the hash: bucket bits from the fragment, tag of the
             * slot. */
            ghost_add(store, p, (fragment & ((1u << p->fragment_bits) - 1)) |
                                    cursor.slot >> SLOT_TAG_SHIFT << 32);
            slot_set_main(&cursor);
            victim_add(hunt, &cursor);
        }
    }
}

/* Looks at one line under the hand, in the group that begins at bucket `group`. */
static void clock_line(struct hunt *hunt, struct bucket *line, uint32_t group) {
    struct cursor cursor = {.line = line};
    for (unsigned i = 0; i < BUCKET_SLOTS && hunt->count < hunt->wanted; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        if ((slot & SLOT_MAIN) == 0) {
            continue;
        }
        if (hunt->spare_fetched && (slot & SLOT_FETCHED) != 0) {
            continue;
        }
        if (!hunt->force && is_worth_keeping(hunt, slot)) {
            (void)atom_compare_exchange(&line->slots[i], &slot,
                                        slot_with_freq(slot, slot_freq(slot) - 1));
            continue;
        }
        if (!hunt->force && hunt->p->hand_odd && is_tiny(hunt, slot)) {
            continue;
        }
        cursor.slot_index = i;
        cursor.slot = slot;
        cursor.bucket = group + ((uint32_t)(slot >> SLOT_HOME_SHIFT) & (BUCKET_GROUP - 1));
        cursor.home = index_bucket(hunt->store, hunt->p, cursor.bucket);
        cursor.item = item_at(hunt->store, slot_location(slot));
        if (hunt->force || !is_spared(hunt->store, cursor.item, hunt->now)) {
            victim_add(hunt, &cursor);
        }
    }
}

static void choose_main(struct hunt *hunt) {
    struct store *store = hunt->store;
    struct partition *p = hunt->p;
    for (unsigned i = 0; i < SCAN_MAX && hunt->count < hunt->wanted; i++) {
        if (p->hand >= geometry_buckets(atom_load_relaxed(&p->geometry))) {
            p->hand = 0;
            p->hand_odd = !p->hand_odd;
        }
        uint32_t group = p->hand & ~(BUCKET_GROUP - 1);
        struct bucket *line = index_bucket(store, p, p->hand);
        __builtin_prefetch(line + 2, 1);
        clock_line(hunt, line, group);
        /* The group's chain is looked at with its first bucket. */
        uint32_t row = p->hand == group ? atom_load_relaxed(&line->overflow) : 0;
        while (row != 0) {
            line = overflow_bucket(store, p, row);
            clock_line(hunt, line, group);
            row = atom_load_relaxed(&line->overflow);
        }
        if (hunt->count < hunt->wanted) {
            p->hand++;
        }
    }
}

unsigned evict_batch(struct store *store, struct partition *p, unsigned count, bool force,
                     uint32_t now) {
    struct hunt hunt = {.store = store, .p = p, .now = now, .force = force};
    hunt.wanted = count < EVICT_BATCH_MAX ? count : EVICT_BATCH_MAX;
    bool idle = p->balance->idle && !force;
    hunt.spare_fetched = idle;
    if (small_is_due(p) || (idle && p->small.entries != 0)) {
        choose_small(&hunt);
    } else {
        choose_main(&hunt);
        p->balance->idle = p->balance->idle && hunt.count != 0; /* all has been read: as ever */
    }
    for (unsigned i = 0; i < hunt.count; i++) {
        struct cursor *victim = &hunt.victims[i];
        victim->shape = atom_load_relaxed(&victim->item->shape);
        bool dead = item_is_dead(p, atom_load_relaxed(&victim->item->version),
                                 item_expiry(victim->item, victim->shape), now);
        if ((victim->slot & SLOT_MAIN) == 0) {
            uncount_small(store, p, victim);
        }
        item_unlink(store, p, victim, dead ? LEAVE_EXPIRED : LEAVE_EVICTED, now);
    }
    balance_step(store, p);
    return hunt.count;
}

/* While memory is still free nobody is judged: the oldest go to main as they are. So much of it is
 * populated ahead of need that having all of it does not mean that it is used. */
void evict_balance(struct store *store, struct partition *p) {
    const struct slab_pool *pool = &store->pool;
    bool filling = slab_pool_can_populate(pool) ||
                   atom_load_relaxed(&pool->pages_free) >
                       atom_load_relaxed(&pool->pages_limit) / FILLED_FREE_SHARE;
    uint64_t items = atom_load_relaxed(&p->counters.items);
    uint64_t bound = (filling ? items / SMALL_SHARE : items) + SMALL_ENTRIES_MIN;
    for (unsigned i = 0; i < 2 && p->small.entries > bound; i++) {
        uint32_t fragment;
        struct cursor cursor;
        if (small_queue_pop(store, p, &fragment) &&
            fragment_find(store, p, fragment, &cursor)) {
            promote(store, p, &cursor);
        }
    }
}
