/* larder: xxHash, named in this file only
 *
 * Purpose: XXH3 with 64 bits (xxHash 0.8, doc/xxhash_spec.md), inlined into those who call it.
 * Owner: none.   Threads: any.   Memory: none.   Limits: none.   Errors: none. */
#ifndef LARDER_BASE_HASH_H
#define LARDER_BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_xxh3(const void *data, size_t len, uint64_t seed) {
    return XXH3_64bits_withSeed(data, len, seed);
}

#endif
