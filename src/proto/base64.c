/* larder: base64, for keys of meta commands */
#include "src/proto/base64.h"

static const uint8_t digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { NO_DIGIT = 64 };

static unsigned digit_value(uint8_t byte) {
    const uint8_t *found = byte ? memchr(digits, byte, 64) : NULL;

    return found ? (unsigned)(found - digits) : NO_DIGIT;
}

size_t base64_decode(struct span text, uint8_t *to) {
    size_t bytes = 0;
    unsigned in_block = 0;
    unsigned padding = 0;
    uint32_t block = 0;
    bool ended = false;

    for (size_t i = 0; i < text.len; i++) {
        bool pad = text.data[i] == '=';
        unsigned digit = pad ? 0 : digit_value(text.data[i]);

        if (digit == NO_DIGIT) {
            continue;
        }
        in_block++;
        if (ended) {
            in_block %= 4;
            continue; /* what stands behind the padding only has to be whole */
        }
        padding += pad;
        block = block << 6 | digit;
        if (in_block == 4) {
            to[bytes++] = (uint8_t)(block >> 16);
            to[bytes++] = (uint8_t)(block >> 8);
            to[bytes++] = (uint8_t)block;
            in_block = 0;
            ended = padding > 0;
        }
    }
    return in_block != 0 || padding > 2 ? 0 : bytes - padding;
}

size_t base64_encode(struct span bytes, uint8_t *to) {
    size_t at = 0;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t block = (uint32_t)bytes.data[i] << 16 |
                         (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)bytes.data[i + 2] : 0);

        to[at++] = digits[block >> 18];
        to[at++] = digits[block >> 12 & 63];
        to[at++] = left > 1 ? digits[block >> 6 & 63] : '=';
        to[at++] = left > 2 ? digits[block & 63] : '=';
    }
    return at;
}
