/* larder: an append that stays within the last chunk of a large value
 *
 * A value of a megabyte that grows by a line a time must not be copied for each line. A value that
 * an append makes anew ends in a chunk of the largest class; later pieces go into what is left of
 * that, in place, under the odd version, until it is full. Readers who are on their way through the
 * chain find the version changed. A value on loan is left alone: the loan's count is looked at
 * behind the change of the version, as for an unlink (lend.c), so that either the lender sees the
 * change or this sees the loan. */
#include "src/store/partition.h"
#include "src/store/sizes.h"

/* Copied in one hold: as much as a move of an item. */
#define PIECE_BYTES_MAX 4096u

struct tail {
    struct store_core *core;
    struct partition *p;
    const struct iovec *piece;
    struct cursor cursor;
    uint64_t location; /* of the head */
    struct item_chain *chain;
    struct continuation *chunk; /* the last */
    unsigned class_id;          /* of the head */
};

/* Nothing about the item changes but its value's length. */
static bool is_plain(const struct store_write *write, uint32_t shape) {
    return (shape & ITEM_CHAINED) != 0 &&
           (shape & (ITEM_HAS_TOKEN | ITEM_STALE | ITEM_WIN_SENT)) == 0 && !write->compare &&
           !write->set_token && !write->stale && !write->win_sent;
}

/* Whether the last chunk has room for the piece. */
static bool tail_find(struct tail *tail) {
    const struct store *store = tail->core->store;
    tail->chain = item_chain(tail->cursor.item, tail->cursor.shape);
    if (atom_load_relaxed(&tail->chain->next) == 0) {
        return false;
    }
    uint64_t last = atom_load_relaxed(&tail->chain->tail);
    tail->chunk = continuation_at(store, last);
    uint32_t room = store->pool.classes.chunk_bytes[location_class(store, last)] -
                    (uint32_t)sizeof(struct continuation);
    return room - atom_load_relaxed(&tail->chunk->used_bytes) >= tail->piece->iov_len;
}

static void tail_count(struct tail *tail) {
    struct partition *p = tail->p;
    uint64_t bytes = tail->piece->iov_len;
    if (p->sizes != NULL) {
        uint64_t after =
            item_memcached_bytes(tail->core->store, tail->cursor.item, tail->cursor.shape);
        sizes_change(p, after - bytes, (uint32_t)-1);
        sizes_change(p, after, 1);
    }
    atom_own_add(&p->counters.items_total, 1u);
    atom_own_add(&p->counters.bytes, bytes);
    atom_own_add(&p->classes[tail->class_id].bytes, bytes);
}

/* False: the value is on loan. */
static bool tail_fill(struct tail *tail, const struct store_write *write) {
    struct store *store = tail->core->store;
    struct item *item = tail->cursor.item;
    uint32_t bytes = (uint32_t)tail->piece->iov_len;
    uint32_t used = atom_load_relaxed(&tail->chunk->used_bytes);
    bucket_change_begin(tail->cursor.home);
    atom_fence_seq_cst();
    bool lent = atom_load_seq_cst(lend_counter(store, tail->location)) != 0;
    if (!lent) {
        slab_fill(tail->chunk->bytes + used, tail->piece->iov_base, bytes);
        atom_store_relaxed(&tail->chunk->used_bytes, used + bytes);
        uint64_t value_bytes = atom_load_relaxed(&tail->chain->value_bytes) + bytes;
        atom_store_relaxed(&tail->chain->value_bytes, value_bytes);
        atom_store_relaxed(&item->version, partition_next_version(tail->p));
        index_relocate(&tail->cursor, tail->location, write->keep_fetched ? 0 : SLOT_FETCHED);
    }
    bucket_change_end(tail->cursor.home);
    return !lent;
}

bool append_in_place(struct store_core *core, const struct store_write *write,
                     const struct iovec *piece, uint64_t *token) {
    struct store *store = core->store;
    struct tail tail = {.core = core, .p = partition_of(store, write->key.hash), .piece = piece};
    if (piece->iov_len > PIECE_BYTES_MAX) {
        return false;
    }
    partition_lock(core, tail.p);
    bool done = item_find_live(core, tail.p, &write->key, &tail.cursor) &&
                is_plain(write, tail.cursor.shape) && tail_find(&tail);
    if (done) {
        uint64_t bytes = atom_load_relaxed(&tail.chain->value_bytes) + piece->iov_len;
        uint32_t flags = item_client_flags(tail.cursor.item, tail.cursor.shape);
        tail.location = slot_location(tail.cursor.slot);
        tail.class_id = location_class(store, tail.location);
        done = store_item_fits(store, write->key.len, flags, bytes) && tail_fill(&tail, write);
    }
    if (done) {
        tail_count(&tail);
        atom_store_relaxed(&tail.cursor.item->accessed, core->now);
        if (token != NULL) {
            *token = store->config.token_in_items
                         ? atom_load_relaxed(&tail.cursor.item->version)
                         : 0;
        }
        if (write->value_bytes != NULL) {
            *write->value_bytes = atom_load_relaxed(&tail.chain->value_bytes);
        }
    }
    partition_unlock(core, tail.p);
    return done;
}
