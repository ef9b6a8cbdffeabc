/* larder: a bounded run of bytes from one thread to another
 *
 * Purpose: carries records to the housekeeping thread and lines to a watcher's core.
 * Owner: struct watch, or a watcher.
 * Threads: one writer at a time, whose turns are ordered by something else (a thread, a lock), and
 *   one reader. Source: L. Lamport, "Proving the Correctness of Multiprocess Programs", 1977.
 * Memory: one block.   Limits: whole writes only.
 * Errors: a write that does not fit is refused. */
#ifndef LARDER_SERVER_WATCH_RING_H
#define LARDER_SERVER_WATCH_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/assert.h"
#include "src/base/atomic.h"

struct watch_ring {
    CACHE_ALIGNED _Atomic uint64_t written; /* bytes ever */
    _Atomic uint64_t writes;                /* that went well */
    _Atomic uint64_t refused;
    CACHE_ALIGNED _Atomic uint64_t taken; /* bytes ever */
    uint64_t bytes;                       /* a power of two */
    uint8_t data[];
};

/* At least `bytes_min` bytes. NULL: no memory. */
MUST_CHECK struct watch_ring *watch_ring_create(uint64_t bytes_min);
void watch_ring_destroy(struct watch_ring *ring);

/* False: it does not fit. */
bool watch_ring_write(struct watch_ring *ring, const void *data, size_t bytes);
uint64_t watch_ring_used(const struct watch_ring *ring);
/* Copies the `bytes` bytes behind the first `offset` unread ones; they must be there. */
void watch_ring_peek(const struct watch_ring *ring, uint64_t offset, void *to, size_t bytes);
/* The first `bytes` bytes are done with. */
void watch_ring_take(struct watch_ring *ring, size_t bytes);

#endif
