/* larder: where a core receives bytes that live for one turn, when it receives them itself
 *
 * Purpose: epoll, and io_uring without provided buffers, receive into this memory when a socket is
 *   readable. Receives of a turn are packed behind one another, so that small requests stay in the
 *   first few cache lines, turn after turn.
 * Owner: the core's back end.   Threads: the owner's.
 * Memory: one mapping of buffers_max * buffer_bytes, of which untouched pages cost nothing. What is
 *   given out is valid until arena_reset().
 * Limits: a receive takes place only while buffer_bytes are free; then the turn is over for it.
 * Errors: arena_init() returns errno.
 */
#ifndef LARDER_IO_ARENA_H
#define LARDER_IO_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/assert.h"

struct arena {
    uint8_t *bytes;
    size_t size_bytes;
    size_t used_bytes;
    size_t buffer_bytes;
};

MUST_CHECK int arena_init(struct arena *arena, uint32_t buffer_bytes, uint32_t buffers);
void arena_fini(struct arena *arena);

/* Forgets what the turn before received. */
static inline void arena_reset(struct arena *arena) {
    arena->used_bytes = 0;
}

/* Forgets it, and gives the memory back to the system. */
void arena_trim(struct arena *arena);

/* Is there room for one more receive of buffer_bytes? */
static inline bool arena_has_room(const struct arena *arena) {
    return arena->size_bytes - arena->used_bytes >= arena->buffer_bytes;
}

/* recv(2) of at most buffer_bytes, never waiting. Returns 0 with *data and *length (0: end of the
 * stream), or errno. There must be room. */
MUST_CHECK int arena_receive(struct arena *arena, int fd, const uint8_t **data, size_t *length);

#endif
