/* larder: sums over the pages of a restart file
 *
 * Values are most of the bytes and are only summed on demand: a wrong value stays one, a wrong
 * header or slot would lead astray. All threads there are help: memory is read once through. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "src/base/hash.h"
#include "src/store/restart_file.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#define THREADS_MAX 16u

/* Bytes of a chunk that are its header and key; the page's class bounds what a damaged one says. */
static uint32_t chunk_head_bytes(const uint8_t *chunk, uint32_t chunk_bytes) {
    uint32_t shape;
    memcpy(&shape, chunk + offsetof(struct item, shape), sizeof(shape));
    uint32_t bytes = (shape & ITEM_CONTINUATION) != 0 ? (uint32_t)sizeof(struct continuation)
                                                      : item_value_offset(shape);
    return bytes < chunk_bytes ? bytes : chunk_bytes;
}

static void sum_chunks(const struct restart_sums *sums, uint32_t page, uint64_t *head,
                       uint64_t *value) {
    const struct slab_pool *pool = &sums->store->pool;
    unsigned class_id = atom_load_relaxed(&slab_page_of(pool, page)->class_id);
    uint32_t chunk_bytes = pool->classes.chunk_bytes[class_id];
    unsigned chunks = pool->classes.per_page[class_id];
    uint32_t lead_bytes = pool->classes.lead_bytes[class_id];
    *head = hash_xxh3(slab_page_memory(pool, page), lead_bytes, *head);
    for (unsigned i = slab_page_next_used(pool, page, 0); i < chunks;
         i = slab_page_next_used(pool, page, i + 1)) {
        const uint8_t *chunk = slab_page_memory(pool, page) + lead_bytes + i * chunk_bytes;
        uint32_t bytes = chunk_head_bytes(chunk, chunk_bytes);
        *head = hash_xxh3(chunk, bytes, *head);
        if (sums->values != NULL) {
            *value = hash_xxh3(chunk + bytes, chunk_bytes - bytes, *value);
        }
    }
}

static void sum_page(struct restart_sums *sums, uint32_t page) {
    const struct slab_pool *pool = &sums->store->pool;
    unsigned kind = atom_load_relaxed(&slab_page_of(pool, page)->kind);
    uint64_t head = page;
    uint64_t value = page;
    if (kind == SLAB_PAGE_TABLE) {
        head = hash_xxh3(slab_page_memory(pool, page), slab_page_bytes(pool), head);
    } else if (kind == SLAB_PAGE_CHUNKS) {
        sum_chunks(sums, page, &head, &value);
    }
    if (!sums->compare) {
        sums->heads[page] = head;
        if (sums->values != NULL) {
            sums->values[page] = value;
        }
    } else if (sums->heads[page] != head ||
               (sums->values != NULL && sums->values[page] != value)) {
        atom_store_relaxed(&sums->differs, 1u);
    }
}

static void *sum_extents(void *context) {
    struct restart_sums *sums = context;
    const struct slab_pool *pool = &sums->store->pool;
    uint32_t extents = sums->pages / pool->pages_per_extent;
    for (;;) {
        uint32_t extent = atom_fetch_add(&sums->next_extent, 1u);
        if (extent >= extents || atom_load_relaxed(&sums->differs) != 0) {
            return NULL;
        }
        uint32_t first = extent * pool->pages_per_extent;
        if (sums->fault_in) {
            (void)madvise(slab_page_memory(pool, first), SLAB_EXTENT_BYTES, MADV_POPULATE_READ);
        }
        for (uint32_t i = 0; i < pool->pages_per_extent; i++) {
            sum_page(sums, first + i);
        }
    }
}

static unsigned thread_count(uint32_t extents) {
    cpu_set_t set;
    unsigned count = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        count = (unsigned)CPU_COUNT(&set);
    }
    count = count < THREADS_MAX ? count : THREADS_MAX;
    return count < extents ? count : extents;
}

bool restart_sums_run(struct restart_sums *sums) {
    pthread_t helpers[THREADS_MAX];
    unsigned wanted = thread_count(sums->pages / sums->store->pool.pages_per_extent);
    unsigned started = 0;
    atom_store_relaxed(&sums->next_extent, 0u);
    atom_store_relaxed(&sums->differs, 0u);
    while (started + 1 < wanted &&
           pthread_create(&helpers[started], NULL, sum_extents, sums) == 0) {
        started++;
    }
    (void)sum_extents(sums);
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(helpers[i], NULL);
    }
    return atom_load_relaxed(&sums->differs) == 0;
}
