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

const uint8_t number_digit_pairs[200] = {
#define PAIRS(tens)                                                                                \
    tens, '0', tens, '1', tens, '2', tens, '3', tens, '4', tens, '5', tens, '6', tens, '7', tens,  \
        '8', tens, '9'
    PAIRS('0'), PAIRS('1'), PAIRS('2'), PAIRS('3'), PAIRS('4'),
    PAIRS('5'), PAIRS('6'), PAIRS('7'), PAIRS('8'), PAIRS('9'),
#undef PAIRS
};

size_t number_write_long(uint8_t *to, uint64_t value) {
    uint8_t text[NUMBER_TEXT_BYTES_MAX];
    size_t at = sizeof text;

    while (value >= 10) {
        at -= 2;
        memcpy(text + at, number_digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value > 0) {
        text[--at] = (uint8_t)('0' + value);
    }
    memcpy(to, text + at, sizeof text - at);
    return sizeof text - at;
}
