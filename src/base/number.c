/* larder: numbers in text, bounded */
#include "src/base/number.h"

bool number_parse_u64(struct span text, uint64_t *value) {
    uint64_t sum = 0;

    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, digit, &sum)) {
            return false;
        }
    }
    *value = sum;
    return true;
}

bool number_parse_u32(struct span text, uint32_t *value) {
    uint64_t wide;

    if (!number_parse_u64(text, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

bool number_parse_i64(struct span text, int64_t *value) {
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t wide;

    if (negative) {
        text = span_of(text.data + 1, text.len - 1);
    }
    if (!number_parse_u64(text, &wide) || wide > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *value = (int64_t)(negative ? 0 - wide : wide);
    return true;
}

bool number_parse_i32(struct span text, int32_t *value) {
    int64_t wide;

    if (!number_parse_i64(text, &wide) || wide < INT32_MIN || wide > INT32_MAX) {
        return false;
    }
    *value = (int32_t)wide;
    return true;
}

static bool is_white(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The number inside white space: its sign and its digits. False: something else is there. */
static bool number_strip(struct span text, bool *negative, struct span *digits) {
    size_t at = 0;

    while (at < text.len && is_white(text.data[at])) {
        at++;
    }
    *negative = at < text.len && text.data[at] == '-';
    if (at < text.len && (*negative || text.data[at] == '+')) {
        at++;
    }
    size_t start = at;

    while (at < text.len && (unsigned)text.data[at] - '0' <= 9) {
        at++;
    }
    *digits = span_of(text.data + start, at - start);
    while (digits->len > 1 && digits->data[0] == '0') {
        *digits = span_of(digits->data + 1, digits->len - 1);
    }
    return digits->len > 0 && (at == text.len || is_white(text.data[at]));
}

bool number_parse_flags(struct span text, uint32_t *value) {
    struct span digits;
    bool negative;
    uint64_t wide;

    if (!number_strip(text, &negative, &digits) || !number_parse_u64(digits, &wide) ||
        (negative && wide != 0)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

bool number_parse_exptime(struct span text, int32_t *value) {
    struct span digits;
    bool negative;
    uint64_t wide;

    if (!number_strip(text, &negative, &digits) || !number_parse_u64(digits, &wide) ||
        wide > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *value = (int32_t)(uint32_t)(negative ? 0 - wide : wide);
    return true;
}

static const uint8_t digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                     "25262728293031323334353637383940414243444546474849"
                                     "50515253545556575859606162636465666768697071727374"
                                     "75767778798081828384858687888990919293949596979899";

size_t number_write_u64(uint8_t *to, uint64_t value) {
    uint8_t text[NUMBER_TEXT_BYTES_MAX];
    size_t at = sizeof text;

    if (value < 10) {
        to[0] = (uint8_t)('0' + value);
        return 1;
    }
    while (value >= 100) {
        at -= 2;
        memcpy(text + at, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(text + at, digit_pairs + 2 * value, 2);
    } else {
        text[--at] = (uint8_t)('0' + value);
    }
    memcpy(to, text + at, sizeof text - at);
    return sizeof text - at;
}
