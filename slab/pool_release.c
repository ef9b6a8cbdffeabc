/* larder: the pool's way back - what goes to the system when the limit is lowered
 *
 * Memory goes back in whole extents where that is possible, so that huge pages stay whole: extents
 * that hold items alone are marked to leave, their free pages are no longer handed out, their
 * owners empty the rest (src/store/space.c). Extents that hold tables, which nobody can move, go
 * page by page. */
#include <stddef.h>

#include "slab/pool_lists.h"

/* Extents looked at in one hold of the pool's lock, and by one search for a page that leaves. */
#define EXTENTS_A_HOLD 64u
#define EXTENTS_A_SEARCH 256u

/* What was to leave stays: the limit has changed. Some extents a hold. */
static void leaving_stay(struct slab_pool *pool) {
    uint32_t extents = atom_load_acquire(&pool->extents_live);
    pool_lock(pool);
    pool->empty_extents = SLAB_NO_PAGE;
    for (uint32_t i = 0; i < extents; i++) {
        if (atom_load_relaxed(&pool->extents[i].leaving) != 0) {
            pool_extent_stay(pool, i);
        }
        if (i % EXTENTS_A_HOLD == 0) {
            pool_unlock(pool);
            pool_lock(pool);
        }
    }
    pool_unlock(pool);
}

void slab_pool_limit_set(struct slab_pool *pool, uint64_t limit_bytes) {
    uint64_t pages = limit_bytes >> pool->page_shift;
    ASSERT(pages <= pool->pages_reserved);
    pool_lock(pool);
    uint64_t used = atom_load_relaxed(&pool->pages_used);
    atom_store_relaxed(&pool->pages_limit, pages);
    atom_store_relaxed(&pool->pages_ceiling, used > pages ? used : pages);
    atom_store_relaxed(&pool->looked_used, UINT64_MAX);
    pool_unlock(pool);
    leaving_stay(pool);
}

/* Pages that may stay: resident memory may exceed the limit by the rest of one extent. */
static uint64_t resident_max(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->pages_limit) + pool->pages_per_extent;
}

/* Whether so many extents are marked that what stays is within the limit. */
static bool enough_leave(const struct slab_pool *pool) {
    uint64_t leaving = atom_load_relaxed(&pool->leaving_extents);
    return atom_load_relaxed(&pool->pages_resident) <=
           resident_max(pool) + leaving * pool->pages_per_extent;
}

/* Marks extents from the last on: at first those that are empty, then such as hold items alone. */
static void leaving_mark(struct slab_pool *pool, bool empty) {
    uint32_t extents = atom_load_acquire(&pool->extents_live);
    pool_lock(pool);
    for (uint32_t i = extents; i-- > 0 && !enough_leave(pool);) {
        const struct slab_extent *extent = &pool->extents[i];
        bool movable = !extent->cold && extent->table_count == 0 && extent->cold_count == 0 &&
                       atom_load_relaxed(&extent->leaving) == 0;
        if (movable && (!empty || extent->free_count == pool->pages_per_extent)) {
            pool_extent_leave(pool, i);
        }
        if (i % EXTENTS_A_HOLD == 0) {
            pool_unlock(pool);
            pool_lock(pool);
        }
    }
    pool_unlock(pool);
}

static bool release_extent(struct slab_pool *pool) {
    pool_lock(pool);
    uint32_t number = pool->empty_extents;
    struct slab_extent *extent = number == SLAB_NO_PAGE ? NULL : &pool->extents[number];
    if (extent != NULL) {
        pool->empty_extents = extent->next;
        atom_store_relaxed(&extent->leaving, (uint8_t)0);
        atom_own_add(&pool->leaving_extents, (uint32_t)-1);
        atom_own_add(&pool->pages_resident, (uint64_t)0 - pool->pages_per_extent);
        extent->free_count = 0;
        extent->cold = true;
    }
    pool_unlock(pool);
    if (extent == NULL) {
        return false;
    }
    pool_drop(pool, pool->base + (uint64_t)number * SLAB_EXTENT_BYTES, SLAB_EXTENT_BYTES);
    pool_lock(pool);
    extent->next = pool->cold_extents;
    pool->cold_extents = number;
    pool_unlock(pool);
    return true;
}

/* A page in an extent that tables keep here. */
static bool release_page(struct slab_pool *pool) {
    pool_lock(pool);
    uint32_t page = pool_free_pop(pool, 0, false);
    if (page != SLAB_NO_PAGE && pool_extent_of(pool, page)->huge) {
        pool_free_push(pool, page); /* whole or not at all */
        page = SLAB_NO_PAGE;
    } else if (page != SLAB_NO_PAGE) {
        atom_store_relaxed(&slab_page_of(pool, page)->kind, (uint8_t)SLAB_PAGE_COLD);
        pool_extent_of(pool, page)->cold_count++;
        atom_own_add(&pool->pages_resident, (uint64_t)0 - 1u);
    }
    pool_unlock(pool);
    if (page == SLAB_NO_PAGE) {
        return false;
    }
    pool_drop(pool, slab_page_memory(pool, page), slab_page_bytes(pool));
    pool_lock(pool);
    slab_page_of(pool, page)->next = pool->cold_head;
    pool->cold_head = page;
    pool_unlock(pool);
    return true;
}

bool slab_pool_release(struct slab_pool *pool, bool may_empty) {
    if (atom_load_relaxed(&pool->pages_resident) <= resident_max(pool)) {
        return false;
    }
    uint64_t used = atom_load_relaxed(&pool->pages_used);
    if (!enough_leave(pool) && atom_load_relaxed(&pool->looked_used) != used) {
        leaving_mark(pool, true);
        if (may_empty) {
            leaving_mark(pool, false);
        }
        atom_store_relaxed(&pool->looked_used, used);
    }
    return release_extent(pool) ||
           (atom_load_relaxed(&pool->leaving_extents) == 0 && release_page(pool));
}

uint32_t slab_pool_leaving(const struct slab_pool *pool, uint32_t *page) {
    uint32_t extents = atom_load_acquire(&pool->extents_live);
    uint32_t at = *page + 1;
    for (unsigned i = 0; i < EXTENTS_A_SEARCH && i < extents; i++) {
        uint32_t number = at / pool->pages_per_extent;
        if (number >= extents) {
            at = 0;
            number = 0;
        }
        uint32_t end = (number + 1) * pool->pages_per_extent;
        bool leaving = atom_load_relaxed(&pool->extents[number].leaving) != 0;
        for (; leaving && at < end; at++) {
            if (atom_load_relaxed(&slab_page_of(pool, at)->kind) == SLAB_PAGE_CHUNKS) {
                *page = at;
                return at;
            }
        }
        at = end;
    }
    *page = at - 1;
    return SLAB_NO_PAGE;
}
