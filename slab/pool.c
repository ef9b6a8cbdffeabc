/* larder: one address range, cut into pages, handed out within a budget */
#include "slab/pool_lists.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Addresses of one policy are one mapping, of which Linux grants a process 65,530 (max_map_count):
 * extents that changed the node one by one would end at 128 GiB. So the first ones do, to be even
 * in a small store, and the rest in at most so many stripes. */
#define EVEN_EXTENTS 1024u
#define STRIPES_MAX 8192u

/* Free resident pages that housekeeping keeps ahead of the writers, at most: 16 extents. */
#define RESERVE_EXTENTS_MAX 16u

static void *reserve(uint64_t bytes, uint64_t alignment) {
    uint8_t *memory = mmap(NULL, bytes + alignment, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    uint64_t skip = (alignment - (uintptr_t)memory % alignment) % alignment;
    if (skip != 0) {
        munmap(memory, skip);
    }
    if (alignment != skip) {
        munmap(memory + skip + bytes, alignment - skip);
    }
    return memory + skip;
}

unsigned slab_pool_node(const struct slab_pool *pool, int number) {
    for (unsigned i = 0; pool->nodes_known && i < pool->node_count; i++) {
        if (pool->nodes[i].number == (unsigned)number) {
            return i;
        }
    }
    return 0;
}

/* Each node once, in the order in which they come. Numbers may have gaps and begin anywhere. */
static void nodes_init(struct slab_pool *pool, const struct slab_pool_config *config) {
    for (unsigned i = 0; i < SLAB_NODES_MAX; i++) {
        pool->nodes[i].free_head = SLAB_NO_PAGE;
        pool->nodes[i].table_head = SLAB_NO_PAGE;
    }
    for (unsigned i = 0; config->nodes != NULL && i < config->nodes_given; i++) {
        unsigned number = (unsigned)config->nodes[i];
        unsigned place = slab_pool_node(pool, config->nodes[i]);
        bool known = pool->nodes_known && pool->nodes[place].number == number;
        if (!known && number < SLAB_NODE_NUMBERS_MAX && pool->node_count < SLAB_NODES_MAX) {
            pool->nodes[pool->node_count++].number = number;
            pool->nodes_known = true;
        }
    }
    pool->node_count = pool->nodes_known ? pool->node_count : 1;
    uint32_t extents = pool->pages_reserved / pool->pages_per_extent;
    pool->stripe_extents = (extents + STRIPES_MAX - 1) / STRIPES_MAX;
}

unsigned slab_pool_extent_node(const struct slab_pool *pool, uint32_t extent) {
    uint32_t turn = extent < EVEN_EXTENTS ? extent : extent / pool->stripe_extents;
    return turn % pool->node_count;
}

bool slab_pool_init(struct slab_pool *pool, const struct slab_pool_config *config) {
    memset(pool, 0, sizeof(*pool));
    ASSERT(config->page_bytes == 16384 || config->page_bytes == 65536);
    pool->page_shift = config->page_bytes == 16384 ? 14 : 16;
    slab_classes_init(&pool->classes, config->page_bytes, config->partition_bytes);
    pool->pages_per_extent = SLAB_EXTENT_BYTES >> pool->page_shift;
    uint64_t extents = (config->reserved_bytes + SLAB_EXTENT_BYTES - 1) / SLAB_EXTENT_BYTES;
    pool->reserved_bytes = extents * SLAB_EXTENT_BYTES;
    pool->pages_reserved = (uint32_t)(extents * pool->pages_per_extent);
    pool->huge_wanted = config->huge_pages && !config->in_file; /* the file's system decides */
    pool->cold_head = SLAB_NO_PAGE;
    pool->cold_extents = SLAB_NO_PAGE;
    pool->empty_extents = SLAB_NO_PAGE;
    nodes_init(pool, config);
    pool->fd = config->in_file ? config->fd : -1;
    pool->base = reserve(pool->reserved_bytes, SLAB_EXTENT_BYTES);
    if (pool->base == NULL) {
        return false;
    }
    uint64_t meta_bytes = pool_meta_bytes(pool, pool->pages_reserved);
    pool->meta = pool_map_file(pool, pool->base, pool->reserved_bytes) ? reserve(meta_bytes, 4096)
                                                                       : NULL;
    if (pool->meta == NULL) {
        int saved = errno;
        munmap(pool->base, pool->reserved_bytes);
        errno = saved;
        return false;
    }
    pool->extents = mmap(NULL, extents * sizeof(struct slab_extent), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool->extents == MAP_FAILED) {
        int saved = errno;
        munmap(pool->base, pool->reserved_bytes);
        munmap(pool->meta, meta_bytes);
        errno = saved;
        return false;
    }
    pool->location_base = pool->base - 8;
    slab_pool_limit_set(pool, config->limit_bytes);
    return true;
}

void slab_pool_fini(struct slab_pool *pool) {
    munmap(pool->base, pool->reserved_bytes);
    munmap(pool->meta, pool_meta_bytes(pool, pool->pages_reserved));
    munmap(pool->extents, pool->reserved_bytes / SLAB_EXTENT_BYTES * sizeof(struct slab_extent));
}

/* Lets no more be handed out than the limit or `pages`, whichever is more. With the pool locked. */
static void ceiling_lower(struct slab_pool *pool, uint64_t pages) {
    uint64_t limit = atom_load_relaxed(&pool->pages_limit);
    uint64_t least = pages > limit ? pages : limit;
    if (least < atom_load_relaxed(&pool->pages_ceiling)) {
        atom_store_relaxed(&pool->pages_ceiling, least);
    }
}

void slab_pool_excess_drop(struct slab_pool *pool) {
    pool_lock(pool);
    ceiling_lower(pool, atom_load_relaxed(&pool->pages_used));
    pool_unlock(pool);
}

static uint32_t take(struct slab_pool *pool, unsigned node, bool table) {
    uint32_t page = SLAB_NO_PAGE;
    pool_lock(pool);
    if (atom_load_relaxed(&pool->pages_used) < atom_load_relaxed(&pool->pages_ceiling)) {
        if (table && pool->nodes[node].table_head == SLAB_NO_PAGE) {
            pool_tables_begin(pool, node);
        }
        page = pool_free_pop(pool, node, table);
    }
    if (page != SLAB_NO_PAGE) {
        atom_own_add(&pool->pages_used, 1u);
        struct slab_extent *extent = pool_extent_of(pool, page);
        extent->table_count = (uint16_t)(extent->table_count + (table ? 1 : 0));
        atom_store_relaxed(&slab_page_of(pool, page)->kind,
                           (uint8_t)(table ? SLAB_PAGE_TABLE : SLAB_PAGE_TAKEN));
    }
    pool_unlock(pool);
    return page;
}

uint32_t slab_pool_take(struct slab_pool *pool, unsigned node) {
    return take(pool, node, false);
}

uint32_t slab_pool_take_table(struct slab_pool *pool, unsigned node) {
    return take(pool, node, true);
}

void slab_pool_give(struct slab_pool *pool, uint32_t page) {
    pool_lock(pool);
    pool_free_push(pool, page);
    atom_own_add(&pool->pages_used, (uint64_t)0 - 1u);
    ceiling_lower(pool, atom_load_relaxed(&pool->pages_used) + 1);
    pool_unlock(pool);
}

bool slab_pool_can_take(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->pages_free) != 0 &&
           atom_load_relaxed(&pool->pages_used) < atom_load_relaxed(&pool->pages_ceiling);
}

bool slab_pool_can_populate(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->refused) == 0 &&
           atom_load_relaxed(&pool->pages_resident) < atom_load_relaxed(&pool->pages_limit);
}

bool slab_pool_is_low(const struct slab_pool *pool) {
    uint64_t limit = atom_load_relaxed(&pool->pages_limit);
    uint64_t reserve_pages = limit / 16;
    uint64_t most = (uint64_t)RESERVE_EXTENTS_MAX * pool->pages_per_extent;
    if (reserve_pages > most) {
        reserve_pages = most;
    }
    return atom_load_relaxed(&pool->pages_free) <= reserve_pages;
}

/* A page whose memory was given back comes first: its extent is alive already. */
static uint32_t take_cold(struct slab_pool *pool) {
    pool_lock(pool);
    uint32_t page = pool->cold_head;
    if (page != SLAB_NO_PAGE) {
        pool->cold_head = slab_page_of(pool, page)->next;
    }
    pool_unlock(pool);
    return page;
}

/* It comes back where it was: the policy of its addresses stays. */
static bool populate_cold(struct slab_pool *pool) {
    uint32_t page = take_cold(pool);
    if (page == SLAB_NO_PAGE) {
        return false;
    }
    if (!pool_touch(pool, slab_page_memory(pool, page), slab_page_bytes(pool))) {
        pool_lock(pool);
        slab_page_of(pool, page)->next = pool->cold_head;
        pool->cold_head = page;
        pool_unlock(pool);
        return false;
    }
    pool_lock(pool);
    pool_extent_of(pool, page)->cold_count--;
    pool_free_push(pool, page);
    atom_own_add(&pool->pages_resident, 1u);
    pool_unlock(pool);
    return true;
}

/* All pages of an extent are there and free. */
static void extent_arrive(struct slab_pool *pool, uint32_t number, unsigned node) {
    pool_lock(pool);
    pool->extents[number].cold = false;
    for (uint32_t i = pool->pages_per_extent; i-- > 0;) {
        uint32_t page = number * pool->pages_per_extent + i;
        slab_page_of(pool, page)->node = (uint8_t)node;
        pool_free_push(pool, page);
    }
    atom_own_add(&pool->pages_resident, pool->pages_per_extent);
    if (number == atom_load_relaxed(&pool->extents_live)) {
        atom_store_release(&pool->extents_live, number + 1);
    }
    pool_unlock(pool);
}

/* One that went back whole comes back. */
static bool populate_cold_extent(struct slab_pool *pool) {
    pool_lock(pool);
    uint32_t number = pool->cold_extents;
    if (number != SLAB_NO_PAGE) {
        pool->cold_extents = pool->extents[number].next; /* stays cold: its pages are in no list */
    }
    pool_unlock(pool);
    if (number == SLAB_NO_PAGE) {
        return false;
    }
    uint8_t *memory = pool->base + (uint64_t)number * SLAB_EXTENT_BYTES;
    if (!pool_touch(pool, memory, SLAB_EXTENT_BYTES)) {
        pool_lock(pool);
        pool->extents[number].next = pool->cold_extents;
        pool->cold_extents = number;
        pool_unlock(pool);
        return false;
    }
    extent_arrive(pool, number, slab_pool_extent_node(pool, number));
    return true;
}

static bool populate_extent(struct slab_pool *pool) {
    uint32_t extent = atom_load_relaxed(&pool->extents_live);
    if ((uint64_t)extent * SLAB_EXTENT_BYTES >= pool->reserved_bytes ||
        !pool_extent_commit(pool, extent)) {
        return false;
    }
    extent_arrive(pool, extent, slab_pool_extent_node(pool, extent));
    return true;
}

bool slab_pool_populate(struct slab_pool *pool) {
    if (!slab_pool_can_populate(pool) || atom_exchange(&pool->populating, 1u) != 0) {
        return false;
    }
    /* Looked at again: another may have reached the limit between the two. */
    bool done = slab_pool_can_populate(pool) &&
                (populate_cold(pool) || populate_cold_extent(pool) || populate_extent(pool));
    atom_store_release(&pool->populating, 0u);
    return done;
}

uint64_t slab_pool_excess_used(const struct slab_pool *pool) {
    uint64_t used = atom_load_relaxed(&pool->pages_used);
    uint64_t limit = atom_load_relaxed(&pool->pages_limit);
    return used > limit ? used - limit : 0;
}
