/* larder: numbers in text, bounded
 *
 * Purpose: the only place where digits from outside become integers, and the other way. Nothing
 *   reads past the span; nothing needs a terminating NUL.
 * Owner: none.   Threads: any.   Memory: none.
 * Limits: 64 bits; number_write_u64 needs NUMBER_TEXT_BYTES_MAX.
 * Errors: false, and *value is unchanged. */
#ifndef LARDER_BASE_NUMBER_H
#define LARDER_BASE_NUMBER_H

#include "src/base/assert.h"
#include "src/base/span.h"

enum { NUMBER_TEXT_BYTES_MAX = 20 };

/* Digits only, at least one, in range. */
MUST_CHECK bool number_parse_u64(struct span text, uint64_t *value);
MUST_CHECK bool number_parse_u32(struct span text, uint32_t *value);
/* The same with an optional minus. */
MUST_CHECK bool number_parse_i32(struct span text, int32_t *value);
MUST_CHECK bool number_parse_i64(struct span text, int64_t *value);

/* What memcached gets from strtoul and strtol for the flags and the exptime of a storage command:
 * white space before the number, a sign, white space and then anything behind it; the value is cut
 * to 32 bits. Refused: no digits, more than 64 bits, for flags a negative number. */
MUST_CHECK bool number_parse_flags(struct span text, uint32_t *value);
MUST_CHECK bool number_parse_exptime(struct span text, int32_t *value);

/* Two digits for each of 0..99. */
extern const uint8_t number_digit_pairs[200];

/* number_write_u64 from 10,000 on. */
size_t number_write_long(uint8_t *to, uint64_t value);

/* Writes the digits, returns how many. */
static inline size_t number_write_u64(uint8_t *to, uint64_t value) {
    if (value < 10) {
        to[0] = (uint8_t)('0' + value);
        return 1;
    }
    if (value < 100) {
        memcpy(to, number_digit_pairs + 2 * value, 2);
        return 2;
    }
    if (value < 10000) {
        unsigned high = (unsigned)value / 100;
        unsigned low = (unsigned)value % 100;
        size_t digits = high < 10 ? 1 : 2;

        to[0] = (uint8_t)('0' + high);
        if (digits == 2) {
            memcpy(to, number_digit_pairs + 2 * high, 2);
        }
        memcpy(to + digits, number_digit_pairs + 2 * low, 2);
        return digits + 2;
    }
    return number_write_long(to, value);
}

#endif
