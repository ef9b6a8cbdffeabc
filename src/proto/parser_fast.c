/* larder: the common storage line, read at one go */
#include "src/proto/parser.h"

enum {
    DIGITS_FAST_MAX = 9,
    NUMBERS_FAST_BYTES = 3 * (DIGITS_FAST_MAX + 2), /* three numbers and their ends */
};

/* Up to nine digits ended by `stop`; NULL otherwise. There are enough bytes to read. */
static inline const uint8_t *digits_fast(const uint8_t *at, uint8_t stop, uint32_t *value) {
    const uint8_t *last = at + DIGITS_FAST_MAX;
    unsigned digit = (unsigned)*at - '0';
    uint32_t sum = 0;

    if (digit > 9) {
        return NULL;
    }
    do {
        sum = sum * 10 + digit;
        at++;
        digit = (unsigned)*at - '0';
    } while (digit <= 9 && at < last);
    *value = sum;
    return *at == stop ? at : NULL;
}

size_t parser_set_fast(struct span input, struct request *request) {
    const uint8_t *key = input.data + 4;
    const uint8_t *end = input.data + input.len;
    const uint8_t *at = scan_token_end(input.data, key, end);
    uint32_t exptime;
    uint32_t value_bytes;

    request->key = span_of(key, (size_t)(at - key));
    if (request->key.len - 1 >= REQUEST_KEY_BYTES_MAX || end - at <= NUMBERS_FAST_BYTES ||
        *at != ' ') {
        return 0;
    }
    at = digits_fast(at + 1, ' ', &request->client_flags);
    at = at ? digits_fast(at + 1, ' ', &exptime) : NULL;
    at = at ? digits_fast(at + 1, '\r', &value_bytes) : NULL;
    if (!at || (size_t)(end - at) < (size_t)value_bytes + 4 || at[1] != '\n') {
        return 0;
    }
    const uint8_t *value = at + 2;

    request_mark(request, VERB_SET, false);
    request->exptime = (int32_t)exptime;
    request->value = span_of(value, value_bytes);
    request->value_bytes = value_bytes;
    request->value_bad_end = value[value_bytes] != '\r' || value[value_bytes + 1] != '\n';
    return (size_t)(value + value_bytes + 2 - input.data);
}
