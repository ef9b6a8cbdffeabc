/* larder: plain values one after the other in memory
 *
 * Purpose: writes what is to outlive the process in the machine's own layout, and reads it back
 *   without ever passing its end. First a run that only counts (to = NULL), then one that writes.
 * Owner: a stack frame.   Threads: one.   Memory: borrowed.   Limits: none.
 * Errors: reading past the end delivers zeros and sets `failed`. */
#ifndef LARDER_BASE_PACK_H
#define LARDER_BASE_PACK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct pack {
    uint8_t *to; /* NULL: only counted */
    uint64_t bytes;
};

static inline void pack_put(struct pack *pack, const void *data, uint64_t bytes) {
    if (pack->to != NULL && bytes != 0) {
        memcpy(pack->to + pack->bytes, data, bytes);
    }
    pack->bytes += bytes;
}

static inline void pack_u32(struct pack *pack, uint32_t value) {
    pack_put(pack, &value, sizeof(value));
}

static inline void pack_u64(struct pack *pack, uint64_t value) {
    pack_put(pack, &value, sizeof(value));
}

struct unpack {
    const uint8_t *from;
    uint64_t bytes; /* left */
    bool failed;
};

static inline void unpack_get(struct unpack *unpack, void *data, uint64_t bytes) {
    if (bytes > unpack->bytes) {
        unpack->failed = true;
        unpack->bytes = 0;
        memset(data, 0, bytes);
        return;
    }
    memcpy(data, unpack->from, bytes);
    unpack->from += bytes;
    unpack->bytes -= bytes;
}

static inline uint32_t unpack_u32(struct unpack *unpack) {
    uint32_t value;
    unpack_get(unpack, &value, sizeof(value));
    return value;
}

static inline uint64_t unpack_u64(struct unpack *unpack) {
    uint64_t value;
    unpack_get(unpack, &value, sizeof(value));
    return value;
}

#endif
