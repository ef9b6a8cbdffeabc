/* larder: the chunks of one class in one partition */
#include "slab/bin.h"

#include <string.h>

#define EMPTIEST_LOOKED_AT_MAX 8u

void slab_bin_init(struct slab_bin *bin, unsigned class_id) {
    memset(bin, 0, sizeof(*bin));
    for (unsigned i = 0; i < SLAB_FULLNESS_LISTS; i++) {
        bin->pages_by_fullness[i] = SLAB_NO_PAGE;
    }
    bin->class_id = (uint8_t)class_id;
}

static unsigned fullness_of(unsigned used, unsigned count) {
    return used == count ? SLAB_FULLNESS_FULL : used * SLAB_FULLNESS_QUARTERS / count;
}

static void list_remove(struct slab_pool *pool, struct slab_bin *bin, uint32_t page) {
    struct slab_page *meta = slab_page_of(pool, page);
    if (meta->prev == SLAB_NO_PAGE) {
        bin->pages_by_fullness[meta->fullness] = meta->next;
    } else {
        slab_page_of(pool, meta->prev)->next = meta->next;
    }
    if (meta->next != SLAB_NO_PAGE) {
        slab_page_of(pool, meta->next)->prev = meta->prev;
    }
}

static void list_add(struct slab_pool *pool, struct slab_bin *bin, uint32_t page,
                     unsigned fullness) {
    struct slab_page *meta = slab_page_of(pool, page);
    meta->fullness = (uint8_t)fullness;
    meta->prev = SLAB_NO_PAGE;
    meta->next = bin->pages_by_fullness[fullness];
    if (meta->next != SLAB_NO_PAGE) {
        slab_page_of(pool, meta->next)->prev = page;
    }
    bin->pages_by_fullness[fullness] = page;
}

static void used_count_set(struct slab_pool *pool, struct slab_bin *bin, uint32_t page,
                           unsigned used) {
    struct slab_page *meta = slab_page_of(pool, page);
    atom_store_relaxed(&meta->used_count, (uint16_t)used);
    unsigned fullness = fullness_of(used, pool->classes.per_page[bin->class_id]);
    if (fullness != meta->fullness) {
        list_remove(pool, bin, page);
        list_add(pool, bin, page, fullness);
    }
}

void slab_bin_add_page(struct slab_pool *pool, struct slab_bin *bin, uint32_t page,
                       unsigned owner) {
    struct slab_page *meta = slab_page_of(pool, page);
    unsigned chunks = pool->classes.per_page[bin->class_id];
    _Atomic uint64_t *bitmap = slab_page_bitmap(pool, page, bin->class_id);
    for (unsigned word = 0; word < (chunks + 63) / 64; word++) {
        atom_store_relaxed(&bitmap[word], 0u);
    }
    meta->search_word = 0;
    atom_store_relaxed(&meta->used_count, (uint16_t)0);
    atom_store_relaxed(&meta->expiring_count, (uint16_t)0);
    atom_store_relaxed(&meta->expiry_earliest, UINT32_MAX);
    atom_store_relaxed(&meta->expiry_latest, 0u);
    /* lends stays as it is: a late lender may have raised it and will lower it again. */
    atom_store_relaxed(&meta->owner, (uint16_t)owner);
    atom_store_relaxed(&meta->class_id, bin->class_id);
    atom_store_release(&meta->kind, (uint8_t)SLAB_PAGE_CHUNKS);
    list_add(pool, bin, page, 0);
    atom_own_add(&bin->pages, 1u);
    bin->chunks_free += chunks;
}

/* Sets the first clear bit at or after the page's search word. */
static unsigned claim_chunk(struct slab_page *meta, _Atomic uint64_t *bitmap, unsigned chunks) {
    unsigned words = (chunks + 63) / 64;
    for (unsigned i = 0, word = meta->search_word; i < words; i++, word++) {
        word = word >= words ? 0 : word;
        uint64_t used = atom_load_relaxed(&bitmap[word]);
        uint64_t free_bits = ~used;
        if (word == words - 1 && chunks % 64 != 0) {
            free_bits &= ((uint64_t)1 << chunks % 64) - 1;
        }
        if (free_bits != 0) {
            unsigned bit = (unsigned)__builtin_ctzll(free_bits);
            atom_store_relaxed(&bitmap[word], used | (uint64_t)1 << bit);
            meta->search_word = (uint16_t)word;
            return word * 64 + bit;
        }
    }
    ASSERT(false && "a page in a partial list has no free chunk");
    return 0;
}

static uint64_t take_from(struct slab_pool *pool, struct slab_bin *bin, uint32_t page) {
    struct slab_page *meta = slab_page_of(pool, page);
    unsigned index = claim_chunk(meta, slab_page_bitmap(pool, page, bin->class_id),
                                 pool->classes.per_page[bin->class_id]);
    used_count_set(pool, bin, page, atom_load_relaxed(&meta->used_count) + 1u);
    bin->chunks_free--;
    atom_own_add(&bin->chunks_used, 1u);
    return slab_chunk_location(pool, page, index);
}

uint64_t slab_bin_take(struct slab_pool *pool, struct slab_bin *bin) {
    return slab_bin_take_elsewhere(pool, bin, SLAB_NO_PAGE);
}

uint64_t slab_bin_take_elsewhere(struct slab_pool *pool, struct slab_bin *bin, uint32_t except) {
    for (unsigned fullness = SLAB_FULLNESS_FULL; bin->chunks_free != 0 && fullness-- > 0;) {
        uint32_t page = bin->pages_by_fullness[fullness];
        if (page != SLAB_NO_PAGE && page == except) {
            page = slab_page_of(pool, page)->next;
        }
        if (page != SLAB_NO_PAGE) {
            return take_from(pool, bin, page);
        }
    }
    return 0;
}

uint32_t slab_bin_give(struct slab_pool *pool, struct slab_bin *bin, uint64_t location) {
    uint32_t page = slab_location_page(pool, location);
    struct slab_page *meta = slab_page_of(pool, page);
    unsigned index = slab_chunk_index(pool, location);
    uint64_t bit = (uint64_t)1 << index % 64;
    _Atomic uint64_t *word = &slab_page_bitmap(pool, page, bin->class_id)[index / 64];
    uint64_t bits = atom_load_relaxed(word);
    ASSERT((bits & bit) != 0);
    atom_store_relaxed(word, bits & ~bit);
    if (index / 64 < meta->search_word) {
        meta->search_word = (uint16_t)(index / 64);
    }
    bin->chunks_free++;
    atom_own_add(&bin->chunks_used, (uint32_t)-1);
    unsigned used = atom_load_relaxed(&meta->used_count) - 1u;
    used_count_set(pool, bin, page, used);
    if (used != 0) {
        return SLAB_NO_PAGE;
    }
    list_remove(pool, bin, page);
    atom_own_add(&bin->pages, (uint32_t)-1);
    bin->chunks_free -= pool->classes.per_page[bin->class_id];
    return page;
}

static uint32_t nth_page(struct slab_pool *pool, const struct slab_bin *bin, unsigned nth) {
    for (unsigned fullness = 0; fullness < SLAB_FULLNESS_LISTS; fullness++) {
        uint32_t page = bin->pages_by_fullness[fullness];
        for (; page != SLAB_NO_PAGE; page = slab_page_of(pool, page)->next) {
            if (--nth == 0) {
                return page;
            }
        }
    }
    return SLAB_NO_PAGE;
}

uint32_t slab_bin_emptiest(struct slab_pool *pool, const struct slab_bin *bin, unsigned skip) {
    if (skip > 0) {
        return nth_page(pool, bin, skip);
    }
    uint32_t best = SLAB_NO_PAGE;
    unsigned best_used = UINT32_MAX;
    for (unsigned fullness = 0; fullness < SLAB_FULLNESS_LISTS && best == SLAB_NO_PAGE;
         fullness++) {
        uint32_t page = bin->pages_by_fullness[fullness];
        for (unsigned i = 0; i < EMPTIEST_LOOKED_AT_MAX && page != SLAB_NO_PAGE; i++) {
            struct slab_page *meta = slab_page_of(pool, page);
            unsigned used = atom_load_relaxed(&meta->used_count);
            if (used < best_used) {
                best = page;
                best_used = used;
            }
            page = meta->next;
        }
    }
    return best;
}

unsigned slab_chunk_index(const struct slab_pool *pool, uint64_t location) {
    uint32_t page = slab_location_page(pool, location);
    uint32_t offset = (uint32_t)(slab_at(pool, location) - slab_page_memory(pool, page));
    unsigned class_id = atom_load_relaxed(&slab_page_of(pool, page)->class_id);
    return (offset - pool->classes.lead_bytes[class_id]) / pool->classes.chunk_bytes[class_id];
}

uint64_t slab_chunk_location(const struct slab_pool *pool, uint32_t page, unsigned index) {
    unsigned class_id = atom_load_relaxed(&slab_page_of(pool, page)->class_id);
    uint64_t offset = pool->classes.lead_bytes[class_id] +
                      (uint64_t)index * pool->classes.chunk_bytes[class_id];
    return slab_location(pool, slab_page_memory(pool, page) + offset);
}

unsigned slab_page_next_used(const struct slab_pool *pool, uint32_t page, unsigned index) {
    const struct slab_page *meta = slab_page_of(pool, page);
    unsigned class_id = atom_load_relaxed(&meta->class_id);
    unsigned chunks = pool->classes.per_page[class_id];
    _Atomic uint64_t *bitmap = slab_page_bitmap(pool, page, class_id);
    while (index < chunks) {
        uint64_t bits = atom_load_relaxed(&bitmap[index / 64]) >> index % 64;
        if (bits != 0) {
            index += (unsigned)__builtin_ctzll(bits);
            return index < chunks ? index : chunks;
        }
        index = (index / 64 + 1) * 64;
    }
    return chunks;
}
