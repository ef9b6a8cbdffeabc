/* larder: loans of large values, and the limbo of dead ones
 *
 * A loan and an unlink may race; who sees whom is settled by two sequentially consistent edges:
 *   lender:   count += 1 (seq_cst)          unlinker: bucket version changed
 *             bucket version unchanged?               fence (seq_cst)
 *                                                     count == 0?
 * At least one of them sees the other: either the lender finds the version changed and gives up, or
 * the unlinker finds the count raised and leaves the chain alone until it is 0 again. */
#include "src/store/partition.h"

/* Loans, dead chains and unfinished uploads together: 1/8 of the partition's share. */
#define UNSETTLED_SHARE 8u
/* Entries of limbo looked at in one step. */
#define LIMBO_LOOK_MAX 4u

_Atomic uint32_t *lend_counter(struct store *store, uint64_t location) {
    uint32_t page = slab_location_page(&store->pool, location);
    uint64_t offset = ((location - 1) << 3) & (slab_page_bytes(&store->pool) - 1);
    uint32_t quarter = (uint32_t)(offset / (slab_page_bytes(&store->pool) / 4));
    return &slab_page_of(&store->pool, page)->lends[quarter];
}

bool lend_allowed(struct store *store, const struct partition *p, uint64_t location,
                  uint64_t bytes) {
    uint64_t limit = atom_load_relaxed(&store->pool.pages_limit) << store->pool.page_shift;
    uint64_t share = limit / store->partition_count / UNSETTLED_SHARE;
    uint64_t lent = atom_load_relaxed(&p->lent_bytes);
    if (bytes > share) {
        /* Too large for a copy: one of them at a time, to any number of readers. */
        return lent <= share || atom_load_relaxed(lend_counter(store, location)) != 0;
    }
    return lent + atom_load_relaxed(&p->limbo_bytes) + atom_load_relaxed(&p->uncommitted_bytes) +
               bytes <=
           share;
}

uint64_t store_lend_bytes_min(void) {
    return LEND_BYTES_MIN;
}

/* -- what the holder of a lease does ----------------------------------------------------------- */

/* A value may grow behind what is on loan (append.c): the lease's own length ends a walk. */

void lease_walk_begin(const struct store *store, const struct store_lease *lease,
                      struct lease_walk *walk) {
    *walk = (struct lease_walk){
        .piece = {slab_at(&store->pool, lease->location) + lease->head_offset, lease->head_bytes},
        .next = lease->next,
        .end = lease->value_bytes,
    };
}

bool lease_walk_next(const struct store *store, struct lease_walk *walk) {
    uint64_t position = walk->position + walk->piece.iov_len;
    if (walk->next == 0 || position >= walk->end) {
        return false;
    }
    struct continuation *chunk = continuation_at(store, walk->next);
    uint64_t left = walk->end - position;
    uint64_t used = atom_load_relaxed(&chunk->used_bytes);
    walk->position = position;
    walk->piece = (struct iovec){chunk->bytes, used < left ? used : left};
    walk->next = atom_load_relaxed(&chunk->next);
    return true;
}

/* Goes to the piece that holds `offset`; what of it begins there. Empty: there is none. */
static struct iovec walk_to(const struct store *store, struct lease_walk *walk, uint64_t offset) {
    while (offset >= walk->position + walk->piece.iov_len) {
        if (!lease_walk_next(store, walk)) {
            return (struct iovec){NULL, 0};
        }
    }
    uint64_t skip = offset - walk->position;
    return (struct iovec){(uint8_t *)walk->piece.iov_base + skip, walk->piece.iov_len - skip};
}

unsigned store_lease_spans(const struct store *store, const struct store_lease *lease,
                           uint64_t *offset, struct iovec *spans, unsigned count) {
    struct lease_walk walk;
    unsigned filled = 0;
    lease_walk_begin(store, lease, &walk);
    while (filled < count && *offset < lease->value_bytes) {
        spans[filled] = walk_to(store, &walk, *offset);
        if (spans[filled].iov_len == 0) {
            break;
        }
        *offset += spans[filled].iov_len;
        filled++;
    }
    return filled;
}

void store_lease_copy(const struct store *store, const struct store_lease *lease, uint64_t offset,
                      uint8_t *to, size_t bytes) {
    struct lease_walk walk;
    lease_walk_begin(store, lease, &walk);
    while (bytes > 0) {
        struct iovec span = walk_to(store, &walk, offset);
        size_t part = span.iov_len < bytes ? span.iov_len : bytes;
        if (part == 0) {
            return;
        }
        slab_copy_out(to, span.iov_base, part);
        offset += part;
        to += part;
        bytes -= part;
    }
}

void store_lease_return(struct store_core *core, struct store_lease *lease) {
    if (lease->location == 0) {
        return;
    }
    struct store *store = core->store;
    struct partition *p = &store->partitions[lease->partition];
    (void)atom_fetch_sub(&p->lent_bytes, lease->value_bytes);
    uint32_t before = atom_fetch_sub(lend_counter(store, lease->location), 1u);
    ASSERT(before != 0);
    lease->location = 0;
}

/* -- limbo ------------------------------------------------------------------------------------- */

void limbo_add(struct store *store, struct partition *p, uint64_t location, uint64_t bytes) {
    struct item *item = item_at(store, location);
    /* No slot names it any more: page moves must leave it alone. */
    uint32_t shape = atom_load_relaxed(&item->shape);
    atom_store_relaxed(&item->shape, shape & ~0xffu);
    atom_store_relaxed(&item->accessed, (uint32_t)(bytes / 8)); /* what limbo_bytes counts */
    atom_store_relaxed(&item->version, 0u);
    if (p->limbo_tail == 0) {
        p->limbo_head = location;
    } else {
        atom_store_relaxed(&item_at(store, p->limbo_tail)->version, location);
    }
    p->limbo_tail = location;
    atom_own_add(&p->limbo_bytes, bytes / 8 * 8);
    upkeep_request(p, UPKEEP_LIMBO);
}

static void limbo_shift(struct store *store, struct partition *p) {
    uint64_t location = p->limbo_head;
    p->limbo_head = atom_load_relaxed(&item_at(store, location)->version);
    if (p->limbo_head == 0) {
        p->limbo_tail = 0;
    }
}

/* To the end of the line: it is on loan. */
static void limbo_rotate(struct store *store, struct partition *p) {
    uint64_t location = p->limbo_head;
    if (location == p->limbo_tail) {
        return;
    }
    limbo_shift(store, p);
    atom_store_relaxed(&item_at(store, location)->version, 0u);
    atom_store_relaxed(&item_at(store, p->limbo_tail)->version, location);
    p->limbo_tail = location;
}

/* Where the chain behind a head in limbo begins. Its shape has lost the key bytes only. */
static struct item_chain *limbo_chain(struct store *store, uint64_t location) {
    struct item *item = item_at(store, location);
    return item_chain(item, atom_load_relaxed(&item->shape));
}

static void chain_free_some(struct store *store, struct partition *p, uint64_t location) {
    struct item_chain *chain = limbo_chain(store, location);
    for (unsigned i = 0; i < FREE_BATCH_MAX; i++) {
        uint64_t next = atom_load_relaxed(&chain->next);
        if (next == 0) {
            uint32_t granules = atom_load_relaxed(&item_at(store, location)->accessed);
            atom_own_add(&p->limbo_bytes, (uint64_t)0 - (uint64_t)granules * 8);
            limbo_shift(store, p);
            (void)space_give(store, p, location);
            return;
        }
        atom_store_relaxed(&chain->next, atom_load_relaxed(&continuation_at(store, next)->next));
        (void)space_give(store, p, next);
    }
}

bool limbo_step(struct store *store, struct partition *p) {
    for (unsigned i = 0; i < LIMBO_LOOK_MAX && p->limbo_head != 0; i++) {
#ifdef LARDER_PLANT_UNLINK_UNFENCED
        uint32_t loans = atom_load_relaxed(lend_counter(store, p->limbo_head));
#else
        atom_fence_seq_cst();
        uint32_t loans = atom_load_seq_cst(lend_counter(store, p->limbo_head));
#endif
        if (loans == 0) {
            chain_free_some(store, p, p->limbo_head);
            return true;
        }
        limbo_rotate(store, p);
    }
    return false;
}
