/* larder: copying a few bytes without a call
 *
 * Purpose: keys and the like, mostly below 32 bytes, in two overlapping moves.
 * Owner: none.   Threads: any.   Memory: reads and writes exactly the bytes named.
 * Limits: none; long runs go to memcpy.   Errors: none. */
#ifndef LARDER_BASE_COPY_H
#define LARDER_BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct copy_block {
    uint8_t bytes[16];
};

/* The areas must not overlap. */
static inline void copy_short(uint8_t *to, const uint8_t *from, size_t bytes) {
    if (bytes >= 16 && bytes <= 32) {
        struct copy_block first, last;

        memcpy(&first, from, sizeof first);
        memcpy(&last, from + bytes - sizeof last, sizeof last);
        memcpy(to, &first, sizeof first);
        memcpy(to + bytes - sizeof last, &last, sizeof last);
    } else if (bytes >= 8 && bytes < 16) {
        uint64_t first, last;

        memcpy(&first, from, sizeof first);
        memcpy(&last, from + bytes - sizeof last, sizeof last);
        memcpy(to, &first, sizeof first);
        memcpy(to + bytes - sizeof last, &last, sizeof last);
    } else {
        memcpy(to, from, bytes);
    }
}

#endif
