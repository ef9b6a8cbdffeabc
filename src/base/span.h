/* larder: a borrowed run of bytes
 *
 * Purpose: pointer and length together, for everything that comes off the wire.
 * Owner: whoever lent it.   Threads: as the memory it names.   Memory: borrowed, never freed.
 * Limits: none.   Errors: none. */
#ifndef LARDER_BASE_SPAN_H
#define LARDER_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    size_t len;
};

static inline struct span span_of(const void *data, size_t len) {
    return (struct span){.data = data, .len = len};
}

static inline struct span span_from_text(const char *text) {
    return span_of(text, strlen(text));
}

static inline bool span_equal(struct span a, struct span b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text) {
    return span_equal(a, span_from_text(text));
}

#endif
