/* larder: keys in text: percent-encoded
 *
 * Purpose: dumps and watch lines carry keys of any bytes.   Owner: none.   Threads: any.
 * Memory: the caller's.   Limits: keys of STORE_KEY_BYTES_MAX bytes.   Errors: none.
 * Source: RFC 3986, 2.1 and 2.3. */
#ifndef LARDER_SERVER_URI_H
#define LARDER_SERVER_URI_H

#include <stddef.h>
#include <stdint.h>

#include "src/store/store.h"

enum {
    URI_KEY_BYTES_MAX = 3 * STORE_KEY_BYTES_MAX + 1, /* with a final NUL */
};

/* Writes no NUL; returns the bytes written. */
size_t uri_encode(char *to, const uint8_t *key, size_t key_bytes);

#endif
