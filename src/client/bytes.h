/* larder: a queue of bytes that grows
 *
 * Purpose: what waits to be sent and what has been received and not been understood yet.
 * Owner: whoever holds the struct; all zero is an empty queue; fini frees.
 * Threads: one.
 * Memory: malloc; one run of bytes, moved to its front when room is wanted behind.
 * Limits: the caller's: nothing here stops growing.
 * Errors: NULL or false when memory is short; the queue is unchanged then. */
#ifndef LARDER_CLIENT_BYTES_H
#define LARDER_CLIENT_BYTES_H

#include "src/base/assert.h"
#include "src/base/span.h"

struct bytes {
    uint8_t *data;
    size_t begin;
    size_t end;
    size_t room;
};

void bytes_fini(struct bytes *bytes);

/* Empties; memory of more than `kept` bytes is given back. */
void bytes_clear(struct bytes *bytes, size_t kept);

/* bytes_reserve when there is no room yet. */
MUST_CHECK bool bytes_grow(struct bytes *bytes, size_t wanted);

static inline size_t bytes_count(const struct bytes *bytes) {
    return bytes->end - bytes->begin;
}

static inline struct span bytes_span(const struct bytes *bytes) {
    return span_of(bytes->data == NULL ? NULL : bytes->data + bytes->begin, bytes_count(bytes));
}

/* Room for `wanted` bytes behind the last; commit what was written there. */
MUST_CHECK static inline uint8_t *bytes_reserve(struct bytes *bytes, size_t wanted) {
    if (bytes->room - bytes->end < wanted && !bytes_grow(bytes, wanted)) {
        return NULL;
    }
    return bytes->data + bytes->end;
}

static inline void bytes_commit(struct bytes *bytes, size_t count) {
    ASSERT(count <= bytes->room - bytes->end);
    bytes->end += count;
}

/* Takes bytes off the front. */
static inline void bytes_drop(struct bytes *bytes, size_t count) {
    ASSERT(count <= bytes_count(bytes));
    bytes->begin += count;
    if (bytes->begin == bytes->end) {
        bytes->begin = 0;
        bytes->end = 0;
    }
}

MUST_CHECK bool bytes_append(struct bytes *bytes, struct span more);

#endif
