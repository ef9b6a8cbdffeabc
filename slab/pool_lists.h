/* larder: which pages are free, and the lock over that
 *
 * Purpose: what pool.c and pool_release.c share; nobody else includes this.
 * Owner: the pool.   Threads: everything but pool_extent_of() with the pool locked.
 * Memory: links in the pages' metadata.
 * Limits: a hold walks over the pages of one extent at most.   Errors: SLAB_NO_PAGE. */
#ifndef LARDER_SLAB_POOL_LISTS_H
#define LARDER_SLAB_POOL_LISTS_H

#include "slab/pool.h"

/* Held for some ten instructions, or a walk over the pages of an extent. */
void pool_lock(struct slab_pool *pool);
void pool_unlock(struct slab_pool *pool);

struct slab_extent *pool_extent_of(const struct slab_pool *pool, uint32_t page);

/* The page is free: it goes into its node's list, unless its extent is leaving. */
void pool_free_push(struct slab_pool *pool, uint32_t page);
/* A free page, of the node `wanted` if it has one, else of any; what is kept for tables comes last,
 * or, for a table, first. */
uint32_t pool_free_pop(struct slab_pool *pool, unsigned wanted, bool table);
/* Keeps an extent of the node that is free as a whole, if there is one, for tables. */
void pool_tables_begin(struct slab_pool *pool, unsigned node);

/* The extent's free pages are out of the lists from now on, or back in them. */
void pool_extent_leave(struct slab_pool *pool, uint32_t number);
void pool_extent_stay(struct slab_pool *pool, uint32_t number);

/* -- pool_system.c, without the lock ----------------------------------------------------------- */

/* Bytes of the metadata of so many pages, in whole pages of the system. */
uint64_t pool_meta_bytes(const struct slab_pool *pool, uint64_t pages);
/* Gets memory for the extent behind the live ones, and for its metadata. False: refused. */
MUST_CHECK bool pool_extent_commit(struct slab_pool *pool, uint32_t number);
/* Brings memory of a live extent back. False: the system has none. */
MUST_CHECK bool pool_touch(struct slab_pool *pool, uint8_t *memory, uint64_t bytes);
/* Lets memory go; it reads as zeros from then on. */
void pool_drop(const struct slab_pool *pool, uint8_t *memory, uint64_t bytes);
/* Lets the pool's file, if it has one, take the place of what was reserved there. The file may be
 * shorter as yet. False with errno set. */
MUST_CHECK bool pool_map_file(const struct slab_pool *pool, uint8_t *memory, uint64_t bytes);

#endif
