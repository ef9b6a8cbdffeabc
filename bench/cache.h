/* larder: caches that a trace can be replayed through.
 *
 * Purpose: one form for the reference policies, larder's store and a running server. A request is a
 *     get, and a set when it misses.
 * Owner: the program.   Threads: one.   Memory: each cache's own.
 * Limits: batches of CACHE_BATCH_MAX requests.
 * Errors: what cannot be had or goes wrong ends the program with a message.
 */
#ifndef LARDER_BENCH_CACHE_H
#define LARDER_BENCH_CACHE_H

#include "bench/trace.h"

#define CACHE_BATCH_MAX 32u

struct cache {
    /* Replays `count` requests; bit i of the result: request i was a hit. */
    uint32_t (*replay)(struct cache *cache, const struct request *requests, unsigned count);
    uint64_t (*objects)(struct cache *cache);
    void (*destroy)(struct cache *cache);
};

/* References. They keep `objects` objects whatever their sizes, or, with `bytes` not 0, that many
 * bytes: key, value and CACHE_ITEM_BYTES an object. Keys are below keys_end. */
struct cache_limit {
    uint64_t keys_end;
    uint64_t objects;
    uint64_t bytes;
};
#define CACHE_ITEM_BYTES 56u /* what memcached adds to key and value, with its link in the table */

/* Exact LRU. */
struct cache *cache_lru_create(const struct cache_limit *limit);
/* S3-FIFO as published: a small queue of a tenth, promotion after two hits, counts to 3, ghosts as
 * many as main holds. J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP
 * 2023. */
struct cache *cache_s3fifo_create(const struct cache_limit *limit);

/* larder's store. */
struct cache *cache_store_create(uint64_t memory_bytes, unsigned partitions);
/* Prints how the store came to its result. */
void cache_store_tell(struct cache *cache);

/* Starts `command`, in which {port} and {memory} (MiB) are filled in, and replays through it. The
 * server must know the meta commands. */
struct cache *cache_server_create(const char *command, uint64_t memory_mib);

#endif
