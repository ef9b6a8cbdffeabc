/* larder: keys in text: percent-encoded */
#include "src/server/uri.h"

#include <stdbool.h>

static bool uri_is_unreserved(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
           byte == '~';
}

size_t uri_encode(char *to, const uint8_t *key, size_t key_bytes) {
    static const char digits[] = "0123456789ABCDEF";
    char *at = to;
    for (size_t i = 0; i < key_bytes; i++) {
        if (uri_is_unreserved(key[i])) {
            *at++ = (char)key[i];
        } else {
            *at++ = '%';
            *at++ = digits[key[i] >> 4];
            *at++ = digits[key[i] & 15];
        }
    }
    return (size_t)(at - to);
}
