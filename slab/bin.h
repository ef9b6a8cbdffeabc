/* larder: the chunks of one class in one partition
 *
 * Purpose: takes and gives chunks of one size. Pages stand in one of five lists by how full they
 *   are: chunks are taken from the fullest that has one, so that the emptiest drain and can be
 *   evacuated.
 * Owner: the partition; all calls under its lock.   Threads: one at a time.
 * Memory: 40 bytes; pages come from and go to the pool through the caller.
 * Limits: SLAB_LARGEST_PER_PAGE..2048 chunks a page.   Errors: no chunk: location 0. */
#ifndef LARDER_SLAB_BIN_H
#define LARDER_SLAB_BIN_H

#include <stdint.h>

#include "slab/pool.h"

#define SLAB_FULLNESS_QUARTERS 4u
#define SLAB_FULLNESS_FULL 4u
#define SLAB_FULLNESS_LISTS 5u

struct slab_bin {
    uint32_t pages_by_fullness[SLAB_FULLNESS_LISTS]; /* heads; [0] = under a quarter used */
    _Atomic uint32_t pages;
    _Atomic uint32_t chunks_used;
    uint32_t chunks_free;
    uint8_t class_id;
};

void slab_bin_init(struct slab_bin *bin, unsigned class_id);

/* A page just taken from the pool becomes the bin's, all chunks free. */
void slab_bin_add_page(struct slab_pool *pool, struct slab_bin *bin, uint32_t page, unsigned owner);

/* Takes a chunk; 0 when the bin has none free. */
uint64_t slab_bin_take(struct slab_pool *pool, struct slab_bin *bin);

/* Gives a chunk back. Returns its page when that is empty now and has left the bin (the caller
 * gives it to the pool or another bin), else SLAB_NO_PAGE. */
uint32_t slab_bin_give(struct slab_pool *pool, struct slab_bin *bin, uint64_t location);

/* The emptiest page among the first few of the emptiest list, a full one if there is no other;
 * SLAB_NO_PAGE if the bin has none. With `skip` = n > 0 the n-th page in the order of the lists,
 * for who found the emptiest pinned: each n names another page. */
uint32_t slab_bin_emptiest(struct slab_pool *pool, const struct slab_bin *bin, unsigned skip);

/* Takes a chunk from a page other than `except` (whose chunks are being moved away); 0 = none. */
uint64_t slab_bin_take_elsewhere(struct slab_pool *pool, struct slab_bin *bin, uint32_t except);

/* The index of the chunk in its page. */
unsigned slab_chunk_index(const struct slab_pool *pool, uint64_t location);
/* The location of chunk `index` of `page`. */
uint64_t slab_chunk_location(const struct slab_pool *pool, uint32_t page, unsigned index);
/* The next used chunk of the page at or after `index`; the chunk count when there is none. */
unsigned slab_page_next_used(const struct slab_pool *pool, uint32_t page, unsigned index);

#endif
