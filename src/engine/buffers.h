/* larder: a core's memory for connections
 *
 * Purpose: recycled blocks of two sizes for partial input and for output, and single larger ones,
 *   all counted against one bound, so that no client makes memory grow.
 * Owner: the engine_core.   Threads: its core's; `used_bytes` may be read by any.
 * Memory: malloc; up to BUFFERS_KEPT_MAX free blocks of each size are kept.
 * Limits: `bytes_max` over everything that is handed out, blocks kept included.
 * Errors: NULL at the bound or when the system has no memory. */
#ifndef LARDER_ENGINE_BUFFERS_H
#define LARDER_ENGINE_BUFFERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/assert.h"

enum {
    BUFFERS_SMALL_BYTES = 2048,
    BUFFERS_BLOCK_BYTES = 16 * 1024,
    BUFFERS_KEPT_MAX = 256,
};

struct buffers_free {
    struct buffers_free *next;
};

struct buffers {
    struct buffers_free *small_free;
    struct buffers_free *block_free;
    uint32_t small_kept;
    uint32_t block_kept;
    uint64_t bytes_max;
    _Atomic uint64_t used_bytes; /* handed out and kept */
    _Atomic uint64_t free_bytes; /* of these kept */
    _Atomic uint64_t refused;    /* how often the bound said no */
};

void buffers_init(struct buffers *buffers, uint64_t bytes_max);
/* Frees what is kept. */
void buffers_trim(struct buffers *buffers);
/* Everything must have been given back. */
void buffers_fini(struct buffers *buffers);

/* At least `bytes_min` bytes; `*bytes` says how many. */
MUST_CHECK void *buffers_take(struct buffers *buffers, size_t bytes_min, size_t *bytes);
/* `bytes` as told by take. */
void buffers_give(struct buffers *buffers, void *memory, size_t bytes);

#endif
