/* larder: the bytes of an item
 *
 * Purpose: lays an item out in its chunk and reads it back, with or without the lock.
 * Owner: the partition.   Threads: written under the partition's lock or while unreachable; read by
 *   anybody, who then checks the bucket's version before using a length or link.
 * Memory: in the arena.
 * Limits: keys to 250 bytes; what one chunk holds to 32767 bytes of value, the rest in a chain.
 * Errors: none.
 *
 *   head chunk                                             continuation chunk of a large value
 *   +0   version u64                                       +0   next location u64 (0 = last)
 *   +8   shape u32                                         +8   shape u32: continuation
 *   +12  accessed u32 (store seconds, coarse)              +12  bytes used u32
 *   +16  [token u64]     only if the client chose it       +16  head location u64
 *        [next u64, tail u64, value bytes u64] if chained  +24  bytes
 *        [expiry u32]    with a TTL; always above 512 bytes
 *        [flags u32]     only if not 0; always if chained
 *        key, value (of a chain: its first part)
 *
 *   shape:  31 | 30 continuation | 29 binary key | 28 win sent | 27 stale | 26 chained | 25 token |
 *   24 flags |
 *           23 expiry | 22..8 value bytes in this chunk | 7..0 key bytes
 *   A shape with key bytes 0 marks a chunk that no index slot names: taken but not yet linked, in
 *   limbo, or a continuation. */
#ifndef LARDER_STORE_ITEM_H
#define LARDER_STORE_ITEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/atomic.h"

struct item {
    _Atomic uint64_t version;
    _Atomic uint32_t shape;
    _Atomic uint32_t accessed;
    uint8_t rest[];
};

struct item_chain {
    _Atomic uint64_t next;
    _Atomic uint64_t tail;
    _Atomic uint64_t value_bytes;
};

struct continuation {
    _Atomic uint64_t next;
    _Atomic uint32_t shape;
    _Atomic uint32_t used_bytes;
    _Atomic uint64_t head;
    uint8_t bytes[];
};

#define ITEM_KEY_BYTES(shape) ((shape) & 0xffu)
#define ITEM_VALUE_SHIFT 8
#define ITEM_VALUE_MASK 0x7fffu
#define ITEM_VALUE_BYTES(shape) (((shape) >> ITEM_VALUE_SHIFT) & ITEM_VALUE_MASK)

enum item_mark {
    ITEM_HAS_EXPIRY = 1 << 23,
    ITEM_HAS_FLAGS = 1 << 24,
    ITEM_HAS_TOKEN = 1 << 25,
    ITEM_CHAINED = 1 << 26,
    ITEM_STALE = 1 << 27,
    ITEM_WIN_SENT = 1 << 28,
    ITEM_KEY_BINARY = 1 << 29,
    ITEM_CONTINUATION = 1 << 30,
};

/* expiry, flags, token, chain */
#define ITEM_FIELDS_SHIFT 23
/* Any mark: neither a field nor a state besides key and value. */
#define ITEM_MARKS ((uint32_t)0x7f << ITEM_FIELDS_SHIFT)

/* What an item is to look like. */
struct item_form {
    uint32_t shape;
    uint32_t expiry;
    uint32_t client_flags;
    uint64_t token;
};

static inline uint32_t item_token_offset(void) {
    return (uint32_t)sizeof(struct item);
}

static inline uint32_t item_chain_offset(uint32_t shape) {
    return item_token_offset() + ((shape & ITEM_HAS_TOKEN) != 0 ? 8u : 0u);
}

static inline uint32_t item_expiry_offset(uint32_t shape) {
    uint32_t chain = (shape & ITEM_CHAINED) != 0 ? (uint32_t)sizeof(struct item_chain) : 0u;
    return item_chain_offset(shape) + chain;
}

static inline uint32_t item_flags_offset(uint32_t shape) {
    return item_expiry_offset(shape) + ((shape & ITEM_HAS_EXPIRY) != 0 ? 4u : 0u);
}

/* The optional fields' marks are four neighbours, so that one load adds them up. */
static inline uint32_t item_key_offset(uint32_t shape) {
    static const uint8_t offsets[] = {16, 20, 20, 24, 24, 28, 28, 32,
                                      40, 44, 44, 48, 48, 52, 52, 56};
    return offsets[shape >> ITEM_FIELDS_SHIFT & (sizeof(offsets) - 1)];
}

static inline uint32_t item_value_offset(uint32_t shape) {
    return item_key_offset(shape) + ITEM_KEY_BYTES(shape);
}

static inline uint32_t item_total_bytes(uint32_t shape) {
    return item_value_offset(shape) + ITEM_VALUE_BYTES(shape);
}

static inline uint8_t *item_byte(struct item *item, uint32_t offset) {
    return (uint8_t *)item + offset;
}

static inline struct item_chain *item_chain(struct item *item, uint32_t shape) {
    return (struct item_chain *)(void *)item_byte(item, item_chain_offset(shape));
}

/* Optional fields are 4-byte aligned; the token and the chain 8-byte. */
static inline _Atomic uint32_t *item_u32(struct item *item, uint32_t offset) {
    return (_Atomic uint32_t *)(void *)item_byte(item, offset);
}

static inline _Atomic uint64_t *item_u64(struct item *item, uint32_t offset) {
    return (_Atomic uint64_t *)(void *)item_byte(item, offset);
}

static inline uint32_t item_expiry(struct item *item, uint32_t shape) {
    return (shape & ITEM_HAS_EXPIRY) != 0
               ? atom_load_relaxed(item_u32(item, item_expiry_offset(shape)))
               : 0;
}

static inline uint32_t item_client_flags(struct item *item, uint32_t shape) {
    return (shape & ITEM_HAS_FLAGS) != 0
               ? atom_load_relaxed(item_u32(item, item_flags_offset(shape)))
               : 0;
}

static inline uint64_t item_token(struct item *item, uint32_t shape, uint64_t version) {
    return (shape & ITEM_HAS_TOKEN) != 0 ? atom_load_relaxed(item_u64(item, item_token_offset()))
                                         : version;
}

static inline uint64_t item_value_bytes(struct item *item, uint32_t shape) {
    return (shape & ITEM_CHAINED) != 0
               ? atom_load_relaxed(&item_chain(item, shape)->value_bytes)
               : ITEM_VALUE_BYTES(shape);
}

#endif
