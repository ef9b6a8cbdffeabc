/* larder: finding the end of a token, 16 bytes at a time
 *
 * Purpose: the inner loop of the ASCII parser.
 * Owner: none.   Threads: any.   Memory: reads only inside from..end.   Limits: none.
 * Errors: none. */
#ifndef LARDER_PROTO_SCAN_H
#define LARDER_PROTO_SCAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>

static inline unsigned scan_block(const uint8_t *block) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)block);
    __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));

    return (unsigned)_mm_movemask_epi8(hits);
}
#endif

/* The first space or line feed in from..end, else `end`. Bytes from `start` (<= from) on may be
 * read. */
static inline const uint8_t *scan_token_end(const uint8_t *start, const uint8_t *from,
                                            const uint8_t *end) {
#ifdef __SSE2__
    while (end - from >= 16) {
        unsigned hits = scan_block(from);

        if (hits) {
            return from + __builtin_ctz(hits);
        }
        from += 16;
    }
    if (end - start >= 16 && from < end) {
        /* the last 16 bytes, of which those before `from` do not count */
        unsigned hits = scan_block(end - 16) & (0xffffu << (16 - (end - from)));

        return hits ? end - 16 + __builtin_ctz(hits) : end;
    }
#endif
    while (from < end && *from != ' ' && *from != '\n') {
        from++;
    }
    return from;
}

#endif
