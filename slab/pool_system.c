/* larder: the pool and the system - memory is had, kept on its node, and dropped
 *
 * The range is reserved without a right to it, so that it counts for nothing where the system
 * accounts strictly (vm.overcommit_memory = 2); each extent is charged when it is brought to life,
 * with the metadata of its pages. What the system refuses is noted and done without. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slab/pool_lists.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif
#define MPOL_PREFERRED_POLICY 1
#define SYSTEM_PAGE_BYTES 4096u

static off_t pool_file_offset(const struct slab_pool *pool, const uint8_t *memory) {
    return (off_t)SLAB_FILE_OFFSET + (off_t)(memory - pool->base);
}

static void refused(_Atomic int *place) {
    atom_store_relaxed(place, errno);
}

uint64_t pool_meta_bytes(const struct slab_pool *pool, uint64_t pages) {
    uint64_t bytes = pages * sizeof(struct slab_page);
    (void)pool;
    return (bytes + SYSTEM_PAGE_BYTES - 1) & ~(uint64_t)(SYSTEM_PAGE_BYTES - 1);
}

/* Memory policy by system call: the library that wraps it is not worth a dependency. A refusal (no
 * NUMA, a container) changes nothing but speed. */
static void prefer_node(struct slab_pool *pool, uint8_t *memory, uint32_t extent) {
    if (!pool->nodes_known) {
        return;
    }
    unsigned number = pool->nodes[slab_pool_extent_node(pool, extent)].number;
    uint64_t mask[SLAB_NODE_NUMBERS_MAX / 64] = {0};
    mask[number / 64] = (uint64_t)1 << (number % 64);
    if (syscall(SYS_mbind, memory, SLAB_EXTENT_BYTES, MPOL_PREFERRED_POLICY, mask,
                (unsigned long)SLAB_NODE_NUMBERS_MAX, 0u) != 0) {
        refused(&pool->refusals.node);
    }
}

bool pool_map_file(const struct slab_pool *pool, uint8_t *memory, uint64_t bytes) {
    return pool->fd < 0 || mmap(memory, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
                                pool->fd, pool_file_offset(pool, memory)) != MAP_FAILED;
}

/* Without it, a full file system would kill who touches the memory. */
static bool file_allocate(const struct slab_pool *pool, const uint8_t *memory, uint64_t bytes) {
    int error = pool->fd < 0 ? 0
                             : posix_fallocate(pool->fd, pool_file_offset(pool, memory),
                                               (off_t)bytes);
    errno = error == 0 ? errno : error;
    return error == 0;
}

/* Linux before 5.14 cannot populate: then by hand. Everything else that it says means that there is
 * no memory, which a touch by hand would answer with the out-of-memory killer. */
bool pool_touch(struct slab_pool *pool, uint8_t *memory, uint64_t bytes) {
    bool allocated = file_allocate(pool, memory, bytes);
    if (allocated && madvise(memory, bytes, MADV_POPULATE_WRITE) == 0) {
        return true;
    }
    if (!allocated || errno != EINVAL) {
        refused(&pool->refusals.memory);
        atom_store_relaxed(&pool->refused, 1u);
        return false;
    }
    for (uint64_t at = 0; at < bytes; at += SYSTEM_PAGE_BYTES) {
        *(volatile uint8_t *)(memory + at) = 0;
    }
    return true;
}

/* The reservation as it was. */
static void reserve_again(const struct slab_pool *pool, uint8_t *memory) {
    void *got = mmap(memory, SLAB_EXTENT_BYTES, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    ASSERT(got == memory); /* else its addresses are anybody's */
    bool mapped = pool_map_file(pool, memory, SLAB_EXTENT_BYTES);
    ASSERT(mapped);
}

/* Of the pages that the operator has set aside; none left, or none at all: as advised ones. What
 * was mapped there before is gone even when the system refuses. */
static bool commit_huge(struct slab_pool *pool, uint8_t *memory) {
    if (!pool->huge_wanted) {
        return false;
    }
    void *got = mmap(memory, SLAB_EXTENT_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
    if (got == MAP_FAILED) {
        refused(&pool->refusals.huge);
        pool->huge_wanted = false;
        reserve_again(pool, memory);
        return false;
    }
    return true;
}

static bool commit_undo(struct slab_pool *pool, uint8_t *memory) {
    reserve_again(pool, memory);
    atom_store_relaxed(&pool->refused, 1u);
    return false;
}

bool pool_extent_commit(struct slab_pool *pool, uint32_t number) {
    uint8_t *memory = pool->base + (uint64_t)number * SLAB_EXTENT_BYTES;
    uint64_t pages = (uint64_t)(number + 1) * pool->pages_per_extent;
    if (mprotect(pool->meta, pool_meta_bytes(pool, pages), PROT_READ | PROT_WRITE) != 0) {
        refused(&pool->refusals.memory);
        atom_store_relaxed(&pool->refused, 1u);
        return false;
    }
    bool huge = commit_huge(pool, memory);
    if (!huge && mprotect(memory, SLAB_EXTENT_BYTES, PROT_READ | PROT_WRITE) != 0) {
        refused(&pool->refusals.memory);
        return commit_undo(pool, memory);
    }
    prefer_node(pool, memory, number);
    if (!huge && madvise(memory, SLAB_EXTENT_BYTES, MADV_HUGEPAGE) != 0) {
        refused(&pool->refusals.advice);
    }
    if (!pool_touch(pool, memory, SLAB_EXTENT_BYTES)) {
        return commit_undo(pool, memory);
    }
    pool->extents[number].huge = huge;
    atom_own_add(&pool->huge_extents, huge ? 1u : 0u);
    return true;
}

void pool_drop(const struct slab_pool *pool, uint8_t *memory, uint64_t bytes) {
    if (pool->fd >= 0) {
        if (madvise(memory, bytes, MADV_REMOVE) != 0 && munlock(memory, bytes) == 0) {
            (void)madvise(memory, bytes, MADV_REMOVE);
        }
        return;
    }
    /* Locked memory (-k) is refused with EINVAL, and only let go explicitly. */
    if (madvise(memory, bytes, MADV_DONTNEED) != 0 &&
        madvise(memory, bytes, MADV_DONTNEED_LOCKED) != 0 && munlock(memory, bytes) == 0) {
        (void)madvise(memory, bytes, MADV_DONTNEED);
    }
}

void slab_pool_retry(struct slab_pool *pool) {
    atom_store_relaxed(&pool->refused, 0u);
}
