/* larder: appends behind the end of a large value
 *
 * A value of a megabyte that grows by a line a time must not be copied for each line. A value that
 * an append makes anew ends in a chunk of the largest class. What comes later goes into what is
 * left of that, and into further chunks of that class that are linked behind it; those are taken
 * and filled before, while nobody can reach them. So all chunks of a value but its first and last
 * are of the largest class and full, as item_chunk_bytes() has it.
 *
 *   head -> full -> ... -> full -> last, filled up -> new, full -> new, begun
 *
 * Length, link and version change in one hold, under the bucket's odd version: readers who are on
 * their way through the chain find it changed. Bytes that were published stay where they are and
 * as they are, so that a loan, which has its own length, holds on to them undisturbed. */
#include "src/store/partition.h"
#include "src/store/sizes.h"

/* Chunks linked in one hold; a longer piece is cheap to copy the value for. */
#define CHUNKS_MAX 64u
#define ROUNDS_MAX 100u

struct growth {
    struct store_core *core;
    struct partition *p;
    const struct store_write *write;
    const struct lease_walk *piece;
    uint64_t *token;
    /* what was found, under the lock */
    struct cursor cursor;
    struct item_chain *chain;
    struct continuation *last;
    uint64_t version;
    uint64_t room; /* behind what the last chunk holds */
    unsigned class_id; /* of the last chunk */
    /* new chunks, filled */
    uint64_t first_new, last_new;
    uint64_t chunks;
    uint64_t prepared_for; /* the item's version then */
};

enum step { GROWTH_DONE, GROWTH_AGAIN, GROWTH_WANTS_CHUNKS, GROWTH_REFUSED };

/* Nothing about the item changes but its value's length. */
static bool is_plain(const struct store_write *write, uint32_t shape) {
    return (shape & ITEM_CHAINED) != 0 &&
           (shape & (ITEM_HAS_TOKEN | ITEM_STALE | ITEM_WIN_SENT)) == 0 && !write->compare &&
           !write->set_token && !write->stale && !write->win_sent;
}

static uint32_t chunk_room(const struct store *store, unsigned class_id) {
    return store->pool.classes.chunk_bytes[class_id] - (uint32_t)sizeof(struct continuation);
}

static bool growth_find(struct growth *growth) {
    const struct store *store = growth->core->store;
    struct cursor *cursor = &growth->cursor;
    if (!item_find_live(growth->core, growth->p, &growth->write->key, cursor) ||
        !is_plain(growth->write, cursor->shape)) {
        return false;
    }
    growth->chain = item_chain(cursor->item, cursor->shape);
    uint64_t last = atom_load_relaxed(&growth->chain->tail);
    uint64_t bytes = atom_load_relaxed(&growth->chain->value_bytes) + growth->piece->end;
    uint32_t flags = item_client_flags(cursor->item, cursor->shape);
    if (atom_load_relaxed(&growth->chain->next) == 0 ||
        !store_item_fits(store, growth->write->key.len, flags, bytes)) {
        return false;
    }
    growth->last = continuation_at(store, last);
    growth->class_id = location_class(store, last);
    growth->room = chunk_room(store, growth->class_id);
    growth->room -= atom_load_relaxed(&growth->last->used_bytes);
    growth->version = atom_load_relaxed(&cursor->item->version);
    return true;
}

static uint64_t chunks_wanted(const struct growth *growth) {
    uint64_t bytes = growth->piece->end;
    uint64_t each = chunk_room(growth->core->store, growth->class_id);
    return bytes <= growth->room ? 0 : (bytes - growth->room + each - 1) / each;
}

/* Copies the piece's next bytes to `to`, or passes them over. */
static void piece_take(const struct store *store, struct lease_walk *walk, uint8_t *to,
                       uint64_t bytes) {
    while (bytes > 0) {
        size_t part = walk->piece.iov_len < bytes ? walk->piece.iov_len : bytes;
        if (to != NULL) {
            slab_move(to, walk->piece.iov_base, part);
            to += part;
        }
        bytes -= part;
        walk->position += part;
        walk->piece.iov_base = (uint8_t *)walk->piece.iov_base + part;
        walk->piece.iov_len -= part;
        if (walk->piece.iov_len == 0) {
            bool more = lease_walk_next(store, walk);
            ASSERT(more || bytes == 0);
        }
    }
}

/* -- new chunks -------------------------------------------------------------------------------- */

/* Not yet marked as a continuation: whoever empties its page leaves it alone. */
static uint64_t chunk_take(struct growth *growth, unsigned *spent) {
    struct store_core *core = growth->core;
    uint64_t location = 0;
    for (unsigned i = 0; i < ROUNDS_MAX && location == 0; i++) {
        partition_lock(core, growth->p);
        location = space_take(core->store, growth->p, growth->class_id);
        partition_unlock(core, growth->p);
        if (location == 0 && !space_make(core, growth->p, growth->class_id, spent)) {
            break;
        }
    }
    return location;
}

static void growth_give_back(struct growth *growth) {
    struct store *store = growth->core->store;
    if (growth->first_new == 0) {
        return;
    }
    partition_lock(growth->core, growth->p);
    while (growth->first_new != 0) {
        uint64_t location = growth->first_new;
        growth->first_new = atom_load_relaxed(&continuation_at(store, location)->next);
        (void)space_give(store, growth->p, location);
    }
    partition_unlock(growth->core, growth->p);
    growth->chunks = 0;
}

/* Takes the chunks and fills them with what the last one has no room for. */
static bool growth_prepare(struct growth *growth) {
    struct store *store = growth->core->store;
    struct lease_walk walk = *growth->piece;
    uint64_t wanted = chunks_wanted(growth);
    uint64_t left = walk.end - growth->room;
    uint64_t each = chunk_room(store, growth->class_id);
    unsigned spent = 0;
    growth_give_back(growth);
    growth->prepared_for = growth->version;
    piece_take(store, &walk, NULL, growth->room);
    while (growth->chunks < wanted) {
        uint64_t location = chunk_take(growth, &spent);
        if (location == 0) {
            return false;
        }
        struct continuation *chunk = continuation_at(store, location);
        uint64_t part = left < each ? left : each;
        atom_store_relaxed(&chunk->next, 0u);
        atom_store_relaxed(&chunk->used_bytes, (uint32_t)part);
        piece_take(store, &walk, chunk->bytes, part);
        left -= part;
        if (growth->first_new == 0) {
            growth->first_new = location;
        } else {
            atom_store_relaxed(&continuation_at(store, growth->last_new)->next, location);
        }
        growth->last_new = location;
        growth->chunks++;
    }
    return true;
}

/* -- publishing, under the lock ---------------------------------------------------------------- */

static void chunks_link(struct growth *growth) {
    struct store *store = growth->core->store;
    uint64_t head = slot_location(growth->cursor.slot);
    for (uint64_t at = growth->first_new; at != 0;) {
        struct continuation *chunk = continuation_at(store, at);
        atom_store_relaxed(&chunk->head, head);
        atom_store_relaxed(&chunk->shape, (uint32_t)ITEM_CONTINUATION);
        at = atom_load_relaxed(&chunk->next);
    }
    atom_store_relaxed(&growth->last->next, growth->first_new);
    atom_store_relaxed(&growth->chain->tail, growth->last_new);
    growth->first_new = 0;
    growth->chunks = 0;
}

/* Copies at most what the last chunk has room for, 16 KiB. */
static void growth_publish(struct growth *growth) {
    struct cursor *cursor = &growth->cursor;
    struct lease_walk walk = *growth->piece;
    uint64_t part = walk.end < growth->room ? walk.end : growth->room;
    uint32_t used = atom_load_relaxed(&growth->last->used_bytes);
    uint64_t value_bytes = atom_load_relaxed(&growth->chain->value_bytes) + walk.end;
    bucket_change_begin(cursor->home);
    piece_take(growth->core->store, &walk, growth->last->bytes + used, part);
    atom_store_relaxed(&growth->last->used_bytes, used + (uint32_t)part);
    if (chunks_wanted(growth) != 0) {
        chunks_link(growth);
    }
    atom_store_relaxed(&growth->chain->value_bytes, value_bytes);
    atom_store_relaxed(&cursor->item->version, partition_next_version(growth->p));
    index_relocate(cursor, slot_location(cursor->slot),
                   growth->write->keep_fetched ? 0 : SLOT_FETCHED);
    bucket_change_end(cursor->home);
    atom_store_relaxed(&cursor->item->accessed, growth->core->now);
}

static void growth_count(struct growth *growth, uint64_t chunk_bytes) {
    struct partition *p = growth->p;
    const struct cursor *cursor = &growth->cursor;
    uint64_t bytes = growth->piece->end;
    unsigned class_id = location_class(growth->core->store, slot_location(cursor->slot));
    if (p->sizes != NULL) {
        uint64_t after = item_memcached_bytes(growth->core->store, cursor->item, cursor->shape);
        sizes_change(p, after - bytes, (uint32_t)-1);
        sizes_change(p, after, 1);
    }
    p->chunk_bytes += chunk_bytes;
    p->small_bytes += (cursor->slot & SLOT_MAIN) == 0 ? chunk_bytes : 0;
    atom_own_add(&p->counters.items_total, 1u);
    atom_own_add(&p->counters.bytes, bytes);
    atom_own_add(&p->classes[class_id].bytes, bytes);
    growth->core->class_stored = class_id;
}

static void growth_answer(struct growth *growth) {
    const struct store_write *write = growth->write;
    if (growth->token != NULL) {
        bool in_items = growth->core->store->config.token_in_items;
        *growth->token = in_items ? atom_load_relaxed(&growth->cursor.item->version) : 0;
    }
    if (write->value_bytes != NULL) {
        *write->value_bytes = atom_load_relaxed(&growth->chain->value_bytes);
    }
}

static void growth_finish(struct growth *growth) {
    const struct store *store = growth->core->store;
    uint64_t location = slot_location(growth->cursor.slot);
    uint64_t before = item_chunk_bytes(store, location, growth->cursor.shape);
    growth_publish(growth);
    growth_count(growth, item_chunk_bytes(store, location, growth->cursor.shape) - before);
    growth_answer(growth);
}

/* One hold's worth. */
static enum step growth_step(struct growth *growth) {
    if (!growth_find(growth)) {
        return GROWTH_REFUSED;
    }
    uint64_t wanted = chunks_wanted(growth);
    bool prepared = wanted == growth->chunks && growth->version == growth->prepared_for;
    if (wanted != 0 && !prepared) {
        bool may = wanted <= CHUNKS_MAX &&
                   growth->class_id == growth->core->store->pool.classes.count;
        return may ? GROWTH_WANTS_CHUNKS : GROWTH_REFUSED;
    }
    growth_finish(growth);
    return GROWTH_DONE;
}

bool append_in_place(struct store_core *core, const struct store_write *write,
                     const struct lease_walk *piece, uint64_t *token) {
    struct growth growth = {.core = core,
                            .p = partition_of(core->store, write->key.hash),
                            .write = write,
                            .piece = piece,
                            .token = token};
    enum step step = GROWTH_AGAIN;
    for (unsigned i = 0; i < ROUNDS_MAX && step == GROWTH_AGAIN; i++) {
        partition_lock(core, growth.p);
        step = growth_step(&growth);
        partition_unlock(core, growth.p);
        if (step == GROWTH_WANTS_CHUNKS && growth_prepare(&growth)) {
            step = GROWTH_AGAIN;
        }
    }
    growth_give_back(&growth);
    return step == GROWTH_DONE;
}
