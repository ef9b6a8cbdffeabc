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

/* Writes the digits, returns how many. */
size_t number_write_u64(uint8_t *to, uint64_t value);

#endif
