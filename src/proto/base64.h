/* larder: base64, for keys of meta commands
 *
 * Purpose: RFC 4648 section 4 as memcached reads it: bytes outside the alphabet are passed over.
 * Owner: none.   Threads: any.   Memory: the caller's.
 * Limits: `to` of decode has room for 3 bytes per 4 of the text; of encode for 4 per 3, rounded up.
 * Errors: decode returns 0. */
#ifndef LARDER_PROTO_BASE64_H
#define LARDER_PROTO_BASE64_H

#include "src/base/span.h"

/* How many bytes the text stands for; 0: it is no base64. */
size_t base64_decode(struct span text, uint8_t *to);
size_t base64_encode(struct span bytes, uint8_t *to);

#endif
