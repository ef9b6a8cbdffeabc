/* larder: putting a new item in its place, under the lock */
#include "src/store/sizes.h"

uint32_t write_marks_rare(const struct store_write *write) {
    /* An invalidating write may have to keep the old expiry. */
    return (write->invalidate ? (uint32_t)ITEM_HAS_EXPIRY : 0) |
           (write->stale ? (uint32_t)ITEM_STALE : 0) |
           (write->win_sent ? (uint32_t)ITEM_WIN_SENT : 0) |
           (write->set_token ? (uint32_t)ITEM_HAS_TOKEN : 0) |
           (write->key_is_binary ? (uint32_t)ITEM_KEY_BINARY : 0);
}

bool write_needs_chain(const struct store *store, uint32_t marks, uint32_t key_bytes,
                       uint64_t value_bytes) {
    uint64_t bytes = item_key_offset(marks | ITEM_HAS_EXPIRY) + key_bytes + value_bytes;
    return bytes > slab_chunk_bytes_max(&store->pool.classes);
}

/* Fields and key; the value is the caller's, and so is the order of publishing. */
static void item_write_head(struct attempt *attempt, struct item *item) {
    const struct store_write *write = attempt->write;
    uint32_t shape = attempt->shape;
    atom_store_relaxed(&item->accessed, attempt->core->now);
    if ((shape & ITEM_HAS_TOKEN) != 0) {
        atom_store_relaxed(item_u64(item, item_token_offset()), write->token);
    }
    if ((shape & ITEM_HAS_EXPIRY) != 0) {
        atom_store_relaxed(item_u32(item, item_expiry_offset(shape)), attempt->expiry);
    }
    if ((shape & ITEM_HAS_FLAGS) != 0) {
        atom_store_relaxed(item_u32(item, item_flags_offset(shape)), write->client_flags);
    }
    slab_fill(item_byte(item, item_key_offset(shape)), write->key.data, write->key.len);
}

/* Gives the item its version; returns the CAS unique that clients see. */
static void item_stamp(struct attempt *attempt, struct item *item) {
    uint64_t version = partition_next_version(attempt->p);
    atom_store_relaxed(&item->version, version);
    atom_store_relaxed(&item->shape, attempt->shape);
    if (attempt->token != NULL) {
        bool in_items = attempt->core->store->config.token_in_items;
        *attempt->token = !in_items ? 0
                          : (attempt->shape & ITEM_HAS_TOKEN) != 0 ? attempt->write->token
                                                                   : version;
    }
}

/* An add that finds the key counts as an access, as in memcached. */
static void count_access(const struct cursor *cursor) {
    uint64_t slot = cursor->slot;
    if (slot_freq(slot) < SLOT_FREQ_MAX) {
        (void)atom_compare_exchange(&cursor->line->slots[cursor->slot_index], &slot,
                                    slot_with_freq(slot, slot_freq(slot) + 1));
    }
}

static enum store_outcome decide_compared(struct attempt *attempt, const struct cursor *cursor,
                                          uint64_t version) {
    const struct store_write *write = attempt->write;
    uint64_t token = item_token(cursor->item, cursor->shape, version);
    attempt->core->class_found =
        location_class(attempt->core->store, slot_location(cursor->slot));
    if (!attempt->core->store->config.token_in_items || write->compare_token == 0) {
        return STORE_EXISTS;
    }
    if (token == write->compare_token) {
        return STORE_OK;
    }
    if (!write->invalidate || write->compare_token > token) {
        return STORE_EXISTS;
    }
    attempt->expiry = item_expiry(cursor->item, cursor->shape);
    attempt->shape |= ITEM_STALE | (cursor->shape & ITEM_WIN_SENT);
    return STORE_OK;
}

static enum store_outcome decide_live(struct attempt *attempt, const struct cursor *cursor) {
    const struct store_write *write = attempt->write;
    uint64_t version = atom_load_relaxed(&cursor->item->version);
    if (attempt->expect_version != 0 && attempt->expect_version != version) {
        attempt->changed = true;
        return STORE_EXISTS;
    }
    if (write->mode == STORE_ADD) {
        count_access(cursor);
        return STORE_NOT_STORED;
    }
    return write->compare ? decide_compared(attempt, cursor, version) : STORE_OK;
}

static enum store_outcome decide_absent(struct attempt *attempt) {
    const struct store_write *write = attempt->write;
    if (attempt->expect_version != 0) {
        attempt->changed = true;
        return STORE_NOT_STORED;
    }
    if (write->compare) {
        return STORE_NOT_FOUND;
    }
    return write->mode == STORE_SET || write->mode == STORE_ADD ? STORE_OK : STORE_NOT_STORED;
}

bool item_find_live(struct store_core *core, struct partition *p, const struct store_key *key,
                    struct cursor *cursor) {
    if (!index_find(core->store, p, key, cursor)) {
        return false;
    }
    if (item_is_dead(p, atom_load_relaxed(&cursor->item->version),
                     item_expiry(cursor->item, cursor->shape), core->now)) {
        item_unlink(core->store, p, cursor, LEAVE_EXPIRED, core->now);
        return false;
    }
    return true;
}

/* The chunk of the live item serves the new one too: as large as needed, no larger than a new one
 * would be, short, not shared. */
static bool fits_in_place(struct attempt *attempt, const struct cursor *cursor) {
    const struct store *store = attempt->core->store;
    uint32_t bytes = item_total_bytes(attempt->shape);
    unsigned class_id = location_class(store, slot_location(cursor->slot));
    attempt->class_id = class_id;
    return attempt->value != NULL && (cursor->shape & ITEM_CHAINED) == 0 &&
           bytes <= FILL_IN_HOLD_BYTES_MAX &&
           bytes <= store->pool.classes.chunk_bytes[class_id] &&
           class_id <= fit_class(store, attempt->p, bytes);
}

/* What memcached would count less or more, both items being of one chunk and one key. */
static uint64_t size_change(uint32_t before, uint32_t after) {
    uint64_t flags = (after & ITEM_HAS_FLAGS) / (ITEM_HAS_FLAGS / 4u);
    return ITEM_VALUE_BYTES(after) + flags - ITEM_VALUE_BYTES(before) -
           (before & ITEM_HAS_FLAGS) / (ITEM_HAS_FLAGS / 4u);
}

static void recount_in_place(struct attempt *attempt, const struct cursor *cursor) {
    struct partition *p = attempt->p;
    atom_own_add(&p->counters.items_total, 1u);
    if (cursor->shape != attempt->shape) {
        uint64_t bytes = size_change(cursor->shape, attempt->shape);
        if (__builtin_expect(p->sizes != NULL, 0)) {
            uint64_t after =
                item_memcached_bytes(attempt->core->store, cursor->item, attempt->shape);
            sizes_change(p, after - bytes, (uint32_t)-1);
            sizes_change(p, after, 1);
        }
        atom_own_add(&p->counters.bytes, bytes);
        atom_own_add(&p->classes[attempt->class_id].bytes, bytes);
    }
}

/* The marks that an item loses with its value. */
static uint64_t lost_marks(const struct attempt *attempt) {
    return attempt->write->keep_fetched ? 0 : SLOT_FETCHED;
}

static void overwrite_in_place(struct attempt *attempt, const struct cursor *cursor) {
    struct store *store = attempt->core->store;
    struct item *item = cursor->item;
    uint64_t location = slot_location(cursor->slot);
    if (item_expiry(item, cursor->shape) != 0) {
        page_drop_expiry(store, location);
    }
    bucket_change_begin(cursor->home);
    item_write_head(attempt, item);
    slab_fill(item_byte(item, item_value_offset(attempt->shape)), attempt->value->iov_base,
              attempt->value->iov_len);
    item_stamp(attempt, item);
    index_relocate(cursor, location, lost_marks(attempt));
    bucket_change_end(cursor->home);
    recount_in_place(attempt, cursor);
    if (attempt->expiry != 0) {
        page_note_expiry(store, location, attempt->expiry);
    }
}

/* The new item inherits the old one's place and counter. */
static void link_over(struct attempt *attempt, const struct cursor *cursor) {
    struct store *store = attempt->core->store;
    struct item *item = item_at(store, attempt->location);
    item_write_head(attempt, item);
    item_stamp(attempt, item);
    bucket_change_begin(cursor->home);
    uint64_t before = atom_load_relaxed(&cursor->line->slots[cursor->slot_index]);
    index_relocate(cursor, attempt->location, lost_marks(attempt));
    bucket_change_end(cursor->home);
    uint64_t slot = atom_load_relaxed(&cursor->line->slots[cursor->slot_index]);
    item_account(store, attempt->p, item, attempt->shape, slot);
    item_discard(store, attempt->p, before, LEAVE_REPLACED, attempt->core->now);
    attempt->location = 0;
}

static void link_new(struct attempt *attempt) {
    struct store *store = attempt->core->store;
    struct partition *p = attempt->p;
    uint64_t hash = attempt->write->key.hash;
    struct item *item = item_at(store, attempt->location);
    item_write_head(attempt, item);
    item_stamp(attempt, item);
    unsigned returned = ghost_take(store, p, hash);
    bool main_queue = returned != 0 || p->balance->idle || !small_queue_push(store, p, hash);
    if (!index_insert(store, p, hash, attempt->location, main_queue)) {
        atom_store_relaxed(&item->shape, attempt->shape & ~0xffu);
        attempt->need = NEED_TABLE_PAGE;
        if (returned != 0) {
            ghost_add(store, p, hash); /* for the next attempt */
        }
        return;
    }
    if (returned != 0) {
        atom_own_add(&p->counters.ghost_hits, 1u);
        balance_note_return(p, returned);
    }
    item_account(store, p, item, attempt->shape,
                 attempt->location | (main_queue ? SLOT_MAIN : 0));
    attempt->location = 0;
    evict_balance(store, p);
    if (index_wants_growth(p)) {
        (void)index_step(store, p);
    }
}

/* Takes a chunk and fills it, in this hold: only for short items. */
static bool take_and_fill(struct attempt *attempt) {
    struct store *store = attempt->core->store;
    uint32_t bytes = item_total_bytes(attempt->shape);
    attempt->class_id = fit_class_counted(store, attempt->p, bytes);
    uint64_t location = space_take(store, attempt->p, attempt->class_id);
    if (location == 0) {
        attempt->need = NEED_CHUNK;
        return false;
    }
    struct item *item = item_at(store, location);
    slab_fill(item_byte(item, item_value_offset(attempt->shape)), attempt->value->iov_base,
              attempt->value->iov_len);
    attempt->location = location;
    return true;
}

enum store_outcome link_attempt(struct attempt *attempt) {
    struct cursor cursor;
    attempt->need = NEED_NOTHING;
    attempt->expiry = attempt->write->expiry;
    if (__builtin_expect(attempt->write->invalidate, 0)) {
        attempt->shape &= ~(uint32_t)(ITEM_STALE | ITEM_WIN_SENT); /* of an earlier try */
    }
    bool live = item_find_live(attempt->core, attempt->p, &attempt->write->key, &cursor);
    enum store_outcome outcome =
        live ? decide_live(attempt, &cursor) : decide_absent(attempt);
    if (outcome != STORE_OK) {
        attempt->core->class_stored =
            attempt->location != 0
                ? location_class(attempt->core->store, attempt->location)
                : fit_class(attempt->core->store, attempt->p, item_total_bytes(attempt->shape));
        return outcome;
    }
    if (live && attempt->location == 0 && fits_in_place(attempt, &cursor)) {
        overwrite_in_place(attempt, &cursor);
        attempt->core->class_stored = attempt->class_id;
        return STORE_OK;
    }
    if (attempt->location == 0 && !take_and_fill(attempt)) {
        return STORE_OK;
    }
    attempt->core->class_stored = location_class(attempt->core->store, attempt->location);
    if (live) {
        link_over(attempt, &cursor);
    } else {
        link_new(attempt);
    }
    return STORE_OK;
}

void count_no_memory(struct store_core *core, struct partition *p, unsigned class_id) {
    partition_lock(core, p);
    atom_own_add(&p->counters.no_memory, 1u);
    atom_own_add(&p->classes[class_id].no_memory, 1u);
    partition_unlock(core, p);
}

bool link_fetch(struct attempt *attempt, unsigned *spent) {
    struct store_core *core = attempt->core;
    if (attempt->need == NEED_TABLE_PAGE) {
        return space_make_table_page(core, attempt->p);
    }
    if (space_make(core, attempt->p, attempt->class_id, spent)) {
        return true;
    }
    count_no_memory(core, attempt->p, attempt->class_id);
    return false;
}

void link_settle(struct store_core *core, struct partition *p) {
    uint32_t due = atom_load_relaxed(&p->upkeep_due);
    while ((due & UPKEEP_SPARE) != 0) {
        /* Not under the lock: whoever holds it may add other bits meanwhile. */
        if (atom_compare_exchange(&p->upkeep_due, &due, due & ~(uint32_t)UPKEEP_SPARE)) {
            (void)!space_make_table_page(core, p);
            return;
        }
    }
}

void link_failed_set(struct store_core *core, const struct store_write *write,
                     enum store_outcome why) {
    struct partition *p = partition_of(core->store, write->key.hash);
    struct cursor cursor;
    partition_lock(core, p);
    if (why == STORE_TOO_LARGE) {
        atom_own_add(&p->counters.too_large, 1u);
    }
    if (write->mode == STORE_SET && !write->compare &&
        index_find(core->store, p, &write->key, &cursor)) {
        item_unlink(core->store, p, &cursor, LEAVE_REPLACED, core->now);
    }
    partition_unlock(core, p);
}
