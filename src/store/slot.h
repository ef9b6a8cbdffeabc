/* larder: slots and buckets of the index
 *
 * Purpose: one 64-byte line holds a version, a link and seven slots; one slot is one word.
 * Owner: the partition.   Threads: slots are written under the lock, except that readers raise freq
 *   and fetched by compare-exchange; read by anybody under the version's check.
 * Memory: index pages of the pool.   Limits: 2^42 granules of 8 bytes.   Errors: none.
 *
 *   slot, 8 bytes (0 = free; only ever read or written as one word)
 *    63        48 47  46 45  44 43   42 41                                    0
 *   +------------+------+------+----+---+--------------------------------------+
 *   |   tag 16   |home 2|freq 2|main|fet|            location (42)             |
 *   +------------+------+------+----+---+--------------------------------------+
 *   home: which of the four buckets of its group it belongs to (tells in a shared overflow bucket).
 *   freq: accesses since the queue last looked, saturating at 2.  main: queue, else small.
 *   fet: fetched since it was stored; sticky.
 *
 *   bucket, 64 bytes, aligned: u32 version (odd = being changed) | u32 overflow | u64 slot[7]
 *   Four neighbours share one chain of overflow buckets; each holds the link. In an overflow bucket
 *   the version is unused and `overflow` links on. Overflow numbers start at 1. */
#ifndef LARDER_STORE_SLOT_H
#define LARDER_STORE_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/base/atomic.h"

#define BUCKET_SLOTS 7u
#define BUCKET_GROUP 4u

struct bucket {
    CACHE_ALIGNED _Atomic uint32_t version;
    _Atomic uint32_t overflow;
    _Atomic uint64_t slots[BUCKET_SLOTS];
};

#define SLOT_LOCATION_MASK (((uint64_t)1 << 42) - 1)
#define SLOT_FETCHED ((uint64_t)1 << 42)
#define SLOT_MAIN ((uint64_t)1 << 43)
#define SLOT_FREQ_SHIFT 44
#define SLOT_FREQ_MASK ((uint64_t)3 << SLOT_FREQ_SHIFT)
#define SLOT_HOME_SHIFT 46
#define SLOT_TAG_SHIFT 48
#define SLOT_MATCH_SHIFT SLOT_HOME_SHIFT /* tag and home are compared together */
#define SLOT_FREQ_MAX 2u

/* Bits of the 64-bit hash: bucket 0..31, tag 32..47, partition 48..63. */
static inline uint32_t hash_bucket_bits(uint64_t hash) {
    return (uint32_t)hash;
}

static inline uint32_t hash_tag(uint64_t hash) {
    return (uint32_t)(hash >> 32) & 0xffffu;
}

static inline uint32_t hash_partition(uint64_t hash, uint32_t partition_count) {
    return (uint32_t)((hash >> 48) * partition_count >> 16);
}

/* The 18 bits that a slot of this hash in this bucket carries. */
static inline uint64_t slot_match_of(uint64_t hash, uint32_t bucket) {
    return (uint64_t)hash_tag(hash) << 2 | (bucket & (BUCKET_GROUP - 1));
}

static inline uint64_t slot_location(uint64_t slot) {
    return slot & SLOT_LOCATION_MASK;
}

static inline uint64_t slot_match(uint64_t slot) {
    return slot >> SLOT_MATCH_SHIFT;
}

static inline unsigned slot_freq(uint64_t slot) {
    return (unsigned)(slot >> SLOT_FREQ_SHIFT) & 3u;
}

static inline uint64_t slot_with_freq(uint64_t slot, unsigned freq) {
    return (slot & ~SLOT_FREQ_MASK) | (uint64_t)freq << SLOT_FREQ_SHIFT;
}

static inline uint64_t slot_with_location(uint64_t slot, uint64_t location) {
    return (slot & ~SLOT_LOCATION_MASK) | location;
}

/* The first slot of the line at or behind `from` that matches and is in use; BUCKET_SLOTS if there
 * is none. Unrolled: three instructions a slot. */
static inline unsigned line_find(const struct bucket *line, uint64_t match, unsigned from,
                                 uint64_t *found) {
#pragma GCC unroll 7
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        if (slot_match(slot) == match && i >= from && slot != 0) {
            *found = slot;
            return i;
        }
    }
    return BUCKET_SLOTS;
}

/* The seqlock's writing side; under the partition's lock. */
static inline void bucket_change_begin(struct bucket *bucket) {
    atom_store_relaxed(&bucket->version, atom_load_relaxed(&bucket->version) + 1);
    atom_fence_release();
}

static inline void bucket_change_end(struct bucket *bucket) {
    atom_store_release(&bucket->version, atom_load_relaxed(&bucket->version) + 1);
}

#endif
