/* larder: jump consistent hash
 *
 * The key's hash seeds a generator that says at which counts of buckets the key jumps to the newest
 * one; its bucket is where it jumped last (J. Lamping, E. Veach, "A fast, minimal memory,
 * consistent hash algorithm", 2014). No table, O(log n), and as even as the hash, but only the last
 * bucket can go without moving what is in the others. The hash is XXH3 with seed 0.
 *
 * A server has as many buckets as its weight, in the order of the list: buckets 0..2 | 3 | 4..5 for
 * the weights 3, 1, 2. */
#include <stdlib.h>

#include "src/base/hash.h"
#include "src/client/ring_kind.h"

bool ring_jump_build(struct ring *ring) {
    uint64_t end = 0;

    ring->points = calloc(ring->server_count, sizeof(*ring->points));
    if (ring->points == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < ring->server_count; i++) {
        end += ring->servers[i].weight;
        ring->points[i] = end;
    }
    return true;
}

static uint64_t jump_bucket(uint64_t seed, uint64_t bucket_count) {
    uint64_t bucket = 0;

    for (double next = 0; next < (double)bucket_count;) {
        bucket = (uint64_t)next;
        seed = seed * 2862933555777941757u + 1;
        next = (double)(bucket + 1) * (2147483648.0 / (double)((seed >> 33) + 1));
    }
    return bucket;
}

uint32_t ring_jump_pick(const struct ring *ring, struct span key) {
    uint64_t bucket = jump_bucket(hash_xxh3(key.data, key.len, 0), ring->weight_sum);

    if (ring->weight_sum == ring->server_count) {
        return (uint32_t)bucket;
    }
    uint32_t from = 0;

    for (uint32_t to = ring->server_count - 1; from < to;) {
        uint32_t middle = from + (to - from) / 2;

        if (ring->points[middle] <= bucket) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}
