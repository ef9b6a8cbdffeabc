/* larder: what a pool leaves to the one that takes over its file */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slab/pool_lists.h"

static uint32_t pages_live(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->extents_live) * pool->pages_per_extent;
}

void slab_pool_save(const struct slab_pool *pool, struct pack *pack) {
    uint32_t pages = pages_live(pool);
    pack_u32(pack, pages);
    pack_put(pack, pool->meta, (uint64_t)pages * sizeof(struct slab_page));
    for (uint32_t i = 0; i < pages / pool->pages_per_extent; i++) {
        uint8_t for_tables = pool->extents[i].for_tables;
        pack_put(pack, &for_tables, sizeof(for_tables));
    }
}

/* Whether every byte is allocated: then saying so once more is saved, which costs 0.2 s a GiB. Some
 * systems know no holes; those that do tell of the one that is left before the first extent. */
static bool is_allocated(const struct slab_pool *pool, uint64_t bytes) {
    off_t gap = lseek(pool->fd, 0, SEEK_HOLE);
    off_t hole = lseek(pool->fd, (off_t)SLAB_FILE_OFFSET, SEEK_HOLE);
    return gap >= 0 && gap < (off_t)SLAB_FILE_OFFSET &&
           hole >= (off_t)(SLAB_FILE_OFFSET + bytes);
}

/* Allocates what was given back to the system as well: a page that is free must not fault. */
static bool extents_enable(struct slab_pool *pool, uint32_t extents) {
    uint64_t bytes = (uint64_t)extents * SLAB_EXTENT_BYTES;
    int error = is_allocated(pool, bytes)
                    ? 0
                    : posix_fallocate(pool->fd, (off_t)SLAB_FILE_OFFSET, (off_t)bytes);
    if (error != 0) {
        errno = error;
        return false;
    }
    uint64_t pages = (uint64_t)extents * pool->pages_per_extent;
    if (mprotect(pool->meta, pool_meta_bytes(pool, pages), PROT_READ | PROT_WRITE) != 0 ||
        mprotect(pool->base, bytes, PROT_READ | PROT_WRITE) != 0) {
        return false;
    }
    (void)madvise(pool->base, bytes, MADV_HUGEPAGE);
    return true;
}

/* For now no page is free. */
static bool page_restore(struct slab_pool *pool, uint32_t page) {
    struct slab_page *meta = slab_page_of(pool, page);
    unsigned kind = atom_load_relaxed(&meta->kind);
    if (kind == SLAB_PAGE_TABLE) {
        pool_extent_of(pool, page)->table_count++;
    }
    for (unsigned i = 0; i < SLAB_LARGEST_PER_PAGE; i++) {
        atom_store_relaxed(&meta->lends[i], 0u);
    }
    meta->node = (uint8_t)slab_pool_extent_node(pool, page / pool->pages_per_extent);
    bool known = kind == SLAB_PAGE_FREE || kind == SLAB_PAGE_COLD || kind == SLAB_PAGE_TABLE ||
                 kind == SLAB_PAGE_CHUNKS;
    return known && atom_load_relaxed(&meta->class_id) <= pool->classes.count;
}

/* What was free, or gone, is free. */
static void page_free(struct slab_pool *pool, uint32_t page) {
    unsigned kind = atom_load_relaxed(&slab_page_of(pool, page)->kind);
    if (kind == SLAB_PAGE_FREE || kind == SLAB_PAGE_COLD) {
        slab_pool_give(pool, page);
    }
}

bool slab_pool_restore(struct slab_pool *pool, struct unpack *unpack) {
    uint32_t pages = unpack_u32(unpack);
    if (pages == 0 || pages > pool->pages_reserved || pages % pool->pages_per_extent != 0 ||
        !extents_enable(pool, pages / pool->pages_per_extent)) {
        return false;
    }
    unpack_get(unpack, pool->meta, (uint64_t)pages * sizeof(struct slab_page));
    atom_store_relaxed(&pool->extents_live, pages / pool->pages_per_extent);
    atom_store_relaxed(&pool->pages_resident, pages);
    atom_store_relaxed(&pool->pages_used, pages);
    for (uint32_t i = 0; i < pages / pool->pages_per_extent; i++) {
        uint8_t for_tables;
        unpack_get(unpack, &for_tables, sizeof(for_tables));
        pool->extents[i].for_tables = for_tables == 1;
    }
    bool good = !unpack->failed;
    for (uint32_t page = pages; good && page-- > 0;) {
        good = page_restore(pool, page);
    }
    for (uint32_t page = pages; good && page-- > 0;) {
        page_free(pool, page);
    }
    /* What is in use above the limit stays until it is given back. */
    slab_pool_limit_set(pool, atom_load_relaxed(&pool->pages_limit) << pool->page_shift);
    return good;
}
