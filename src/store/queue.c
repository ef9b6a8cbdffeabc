/* larder: the small queue and the ghosts of S3-FIFO
 *
 * A fragment is 32 bits of the key's hash: `fragment_bits` bucket bits, the rest tag. It finds the
 * slot again wherever the chunk has moved; when the item is gone or promoted it finds nothing and
 * is skipped. A fragment that matches another small item evicts that one early: harmless.
 * Ghosts are 16-bit fingerprints of evicted keys, 32 to a line, one line for 8 buckets (more
 * than half of the items), oldest replaced.
 * Source: J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023. */
#include "src/store/partition.h"

/* Small-queue entries a page. */
static uint32_t entries_per_page(const struct store *store) {
    return slab_page_bytes(&store->pool) / 4;
}

static _Atomic uint32_t *entry_at(const struct store *store, uint32_t page, uint32_t at) {
    return (_Atomic uint32_t *)(void *)slab_page_memory(&store->pool, page) + at;
}

void small_queue_init(struct small_queue *queue) {
    *queue = (struct small_queue){.head_page = SLAB_NO_PAGE, .tail_page = SLAB_NO_PAGE};
}

static uint32_t fragment_of(const struct partition *p, uint64_t hash) {
    uint32_t bits = p->fragment_bits;
    return (hash_bucket_bits(hash) & ((1u << bits) - 1)) | hash_tag(hash) << bits;
}

/* The spare page becomes the queue's newest. */
static bool queue_extend(struct store *store, struct partition *p) {
    struct small_queue *queue = &p->small;
    uint32_t page = p->spare_page;
    upkeep_request(p, UPKEEP_SPARE);
    if (page == SLAB_NO_PAGE) {
        return false;
    }
    p->spare_page = SLAB_NO_PAGE;
    struct slab_page *meta = slab_page_of(&store->pool, page);
    atom_store_relaxed(&meta->owner, (uint16_t)p->number);
    atom_store_release(&meta->kind, (uint8_t)SLAB_PAGE_TABLE);
    meta->next = SLAB_NO_PAGE;
    if (queue->head_page == SLAB_NO_PAGE) {
        queue->tail_page = page;
        queue->tail_at = 0;
    } else {
        slab_page_of(&store->pool, queue->head_page)->next = page;
    }
    queue->head_page = page;
    queue->head_at = 0;
    queue->pages++;
    return true;
}

bool small_queue_push(struct store *store, struct partition *p, uint64_t hash) {
    struct small_queue *queue = &p->small;
    bool full = queue->head_page == SLAB_NO_PAGE || queue->head_at == entries_per_page(store);
    if (full && !queue_extend(store, p)) {
        return false;
    }
    atom_store_relaxed(entry_at(store, queue->head_page, queue->head_at), fragment_of(p, hash));
    queue->head_at++;
    queue->entries++;
    return true;
}

/* The tail page is used up: it goes, unless it is the head page too, which starts anew. */
static void queue_shorten(struct store *store, struct partition *p) {
    struct small_queue *queue = &p->small;
    queue->tail_at = 0;
    if (queue->tail_page == queue->head_page) {
        queue->head_at = 0;
        return;
    }
    uint32_t page = queue->tail_page;
    queue->tail_page = slab_page_of(&store->pool, page)->next;
    queue->pages--;
    slab_pool_give(&store->pool, page);
}

bool small_queue_pop(struct store *store, struct partition *p, uint32_t *fragment) {
    struct small_queue *queue = &p->small;
    if (queue->entries == 0) {
        return false;
    }
    *fragment = atom_load_relaxed(entry_at(store, queue->tail_page, queue->tail_at));
    queue->tail_at++;
    queue->entries--;
    bool used_up = queue->tail_at == entries_per_page(store) ||
                   (queue->tail_page == queue->head_page && queue->tail_at == queue->head_at);
    if (used_up) {
        queue_shorten(store, p);
    }
    return true;
}

bool small_queue_peek(struct store *store, struct partition *p, unsigned ahead,
                      uint32_t *fragment) {
    struct small_queue *queue = &p->small;
    uint32_t at = queue->tail_at + ahead;
    if (ahead >= queue->entries || at >= entries_per_page(store)) {
        return false;
    }
    *fragment = atom_load_relaxed(entry_at(store, queue->tail_page, at));
    return true;
}

/* -- ghosts ------------------------------------------------------------------------------------ */

static _Atomic uint64_t *ghost_line(const struct store *store, const struct partition *p,
                                    uint64_t hash) {
    uint32_t bucket = geometry_bucket_of(atom_load_relaxed(&p->geometry), hash);
    return table_row(store, &p->ghosts, bucket / 8);
}

static uint64_t fingerprint(uint64_t hash) {
    uint64_t print = hash_tag(hash);
    return print == 0 ? 1 : print;
}

/* Shifts the line by one: the newest is word 0's lowest, the oldest word 7's highest. */
void ghost_add(struct store *store, struct partition *p, uint64_t hash) {
    _Atomic uint64_t *line = ghost_line(store, p, hash);
    uint64_t carry = fingerprint(hash);
    for (unsigned i = 0; i < GHOST_AGES; i++) {
        uint64_t word = atom_load_relaxed(&line[i]);
        atom_store_relaxed(&line[i], word << 16 | carry);
        carry = word >> 48;
    }
}

unsigned ghost_take(struct store *store, struct partition *p, uint64_t hash) {
    _Atomic uint64_t *line = ghost_line(store, p, hash);
    uint64_t print = fingerprint(hash);
    for (unsigned i = 0; i < GHOST_AGES; i++) {
        uint64_t word = atom_load_relaxed(&line[i]);
        uint64_t differs = word ^ print * 0x0001000100010001u;
        /* A zero in one of four 16-bit lanes (H. Warren, Hacker's Delight, 6-1). */
        uint64_t zero = (differs - 0x0001000100010001u) & ~differs & 0x8000800080008000u;
        if (zero != 0) {
            unsigned lane = (unsigned)__builtin_ctzll(zero) / 16;
            atom_store_relaxed(&line[i], word & ~((uint64_t)0xffff << lane * 16));
            return i + 1;
        }
    }
    return 0;
}

void ghost_prefetch(const struct store *store, const struct partition *p, uint64_t hash) {
    __builtin_prefetch(ghost_line(store, p, hash), 1);
}
