/* larder: which pages are free, and the lock over that */
#include "slab/pool_lists.h"

#include <sched.h>

/* About 20 us of pauses. */
#define SPINS_MAX 700u

/* Held for some ten instructions; whoever holds it much longer is off its processor. */
void pool_lock(struct slab_pool *pool) {
    uint32_t unlocked = 0;
    for (unsigned i = 1; !atom_compare_exchange(&pool->locked, &unlocked, 1u); i++) {
        unlocked = 0;
        cpu_pause();
        if (i % SPINS_MAX == 0) {
            sched_yield();
        }
    }
}

void pool_unlock(struct slab_pool *pool) {
    atom_store_release(&pool->locked, 0u);
}

struct slab_extent *pool_extent_of(const struct slab_pool *pool, uint32_t page) {
    return &pool->extents[page / pool->pages_per_extent];
}

static uint32_t *list_of(struct slab_pool *pool, uint32_t page) {
    struct slab_node *node = &pool->nodes[slab_page_of(pool, page)->node];
    return pool_extent_of(pool, page)->for_tables ? &node->table_head : &node->free_head;
}

/* Free pages in lists are doubly linked: an extent that leaves takes its own out. */
static void list_push(struct slab_pool *pool, uint32_t page) {
    uint32_t *head = list_of(pool, page);
    struct slab_page *meta = slab_page_of(pool, page);
    meta->prev = SLAB_NO_PAGE;
    meta->next = *head;
    if (*head != SLAB_NO_PAGE) {
        slab_page_of(pool, *head)->prev = page;
    }
    *head = page;
    pool->nodes[meta->node].free_count++;
    atom_own_add(&pool->pages_free, 1u);
}

static void list_remove(struct slab_pool *pool, uint32_t page) {
    struct slab_page *meta = slab_page_of(pool, page);
    if (meta->prev == SLAB_NO_PAGE) {
        *list_of(pool, page) = meta->next;
    } else {
        slab_page_of(pool, meta->prev)->next = meta->next;
    }
    if (meta->next != SLAB_NO_PAGE) {
        slab_page_of(pool, meta->next)->prev = meta->prev;
    }
    pool->nodes[meta->node].free_count--;
    atom_own_add(&pool->pages_free, (uint64_t)0 - 1u);
}

/* A leaving extent is empty now. */
static void extent_empty(struct slab_pool *pool, struct slab_extent *extent) {
    extent->next = pool->empty_extents;
    pool->empty_extents = (uint32_t)(extent - pool->extents);
}

/* With the pool locked. */
void pool_free_push(struct slab_pool *pool, uint32_t page) {
    struct slab_page *meta = slab_page_of(pool, page);
    struct slab_extent *extent = pool_extent_of(pool, page);
    if (atom_load_relaxed(&meta->kind) == SLAB_PAGE_TABLE) {
        extent->table_count--;
    }
    extent->free_count++;
    atom_store_relaxed(&meta->kind, (uint8_t)SLAB_PAGE_FREE);
    atom_store_relaxed(&meta->class_id, (uint8_t)0);
    if (atom_load_relaxed(&extent->leaving) == 0) {
        list_push(pool, page);
    } else if (extent->free_count == pool->pages_per_extent) {
        extent_empty(pool, extent);
    }
}

static uint32_t pop(struct slab_pool *pool, uint32_t page) {
    if (page != SLAB_NO_PAGE) {
        list_remove(pool, page);
        pool_extent_of(pool, page)->free_count--;
    }
    return page;
}

/* From the node wanted, then from any; what is kept for tables comes last, or first. */
uint32_t pool_free_pop(struct slab_pool *pool, unsigned wanted, bool table) {
    for (unsigned pass = 0; pass < 2; pass++) {
        bool from_tables = table == (pass == 0);
        for (unsigned i = 0; i < pool->node_count; i++) {
            struct slab_node *node = &pool->nodes[(wanted + i) % pool->node_count];
            uint32_t head = from_tables ? node->table_head : node->free_head;
            if (head != SLAB_NO_PAGE) {
                return pop(pool, head);
            }
        }
    }
    return SLAB_NO_PAGE;
}

/* The newest of the node's extents, if it is free as a whole, is for tables from now on. */
void pool_tables_begin(struct slab_pool *pool, unsigned node) {
    uint32_t page = pool->nodes[node].free_head;
    if (page == SLAB_NO_PAGE || pool_extent_of(pool, page)->free_count != pool->pages_per_extent) {
        return;
    }
    uint32_t first = page - page % pool->pages_per_extent;
    for (uint32_t i = 0; i < pool->pages_per_extent; i++) {
        list_remove(pool, first + i);
    }
    pool_extent_of(pool, page)->for_tables = true;
    for (uint32_t i = pool->pages_per_extent; i-- > 0;) {
        list_push(pool, first + i);
    }
}

/* With the pool locked: the extent's pages are out of the lists, or back in them. */
void pool_extent_leave(struct slab_pool *pool, uint32_t number) {
    struct slab_extent *extent = &pool->extents[number];
    uint32_t first = number * pool->pages_per_extent;
    for (uint32_t i = 0; i < pool->pages_per_extent; i++) {
        if (atom_load_relaxed(&slab_page_of(pool, first + i)->kind) == SLAB_PAGE_FREE) {
            list_remove(pool, first + i);
        }
    }
    extent->for_tables = false;
    atom_store_relaxed(&extent->leaving, (uint8_t)1);
    atom_own_add(&pool->leaving_extents, 1u);
    if (extent->free_count == pool->pages_per_extent) {
        extent_empty(pool, extent);
    }
}

void pool_extent_stay(struct slab_pool *pool, uint32_t number) {
    uint32_t first = number * pool->pages_per_extent;
    atom_store_relaxed(&pool->extents[number].leaving, (uint8_t)0);
    atom_own_add(&pool->leaving_extents, (uint32_t)-1);
    for (uint32_t i = 0; i < pool->pages_per_extent; i++) {
        if (atom_load_relaxed(&slab_page_of(pool, first + i)->kind) == SLAB_PAGE_FREE) {
            list_push(pool, first + i);
        }
    }
}
