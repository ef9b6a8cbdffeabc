/* larder: tests of base64 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/proto/base64.h"

enum { TEXT_BYTES_MAX = 340, BYTES_MAX = 255 };

static void expect_decoded(const char *text, const char *bytes, size_t count) {
    uint8_t to[64];

    memset(to, 0x5a, sizeof to);
    assert_int_equal(base64_decode(span_from_text(text), to), count);
    assert_memory_equal(to, bytes, count);
}

static void the_vectors_of_the_rfc_hold(void **state) {
    static const char *const pairs[][2] = {
        {"f", "Zg=="},       {"fo", "Zm8="},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
    };
    uint8_t to[16];

    (void)state;
    for (unsigned i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t count = base64_encode(span_from_text(pairs[i][0]), to);

        assert_int_equal(count, strlen(pairs[i][1]));
        assert_memory_equal(to, pairs[i][1], count);
        expect_decoded(pairs[i][1], pairs[i][0], strlen(pairs[i][0]));
    }
    assert_int_equal(base64_encode(span_of(NULL, 0), to), 0);
}

static void what_was_encoded_is_decoded(void **state) {
    uint8_t bytes[BYTES_MAX];
    uint8_t text[TEXT_BYTES_MAX];
    uint8_t back[BYTES_MAX];

    (void)state;
    for (size_t len = 1; len <= BYTES_MAX; len++) {
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(i * 37 + len);
        }
        size_t count = base64_encode(span_of(bytes, len), text);

        assert_int_equal(count, (len + 2) / 3 * 4);
        assert_int_equal(base64_decode(span_of(text, count), back), len);
        assert_memory_equal(back, bytes, len);
    }
}

static void bytes_outside_the_alphabet_are_passed_over(void **state) {
    (void)state;
    expect_decoded("Z!m\xff"
                   "9-v",
                   "foo", 3);
    assert_int_equal(base64_decode(span_of((const uint8_t *)"Zm\0" "9v", 5), (uint8_t[8]){0}), 3);
}

static void what_is_not_whole_is_no_base64(void **state) {
    static const char *const texts[] = {"", "Z", "Zm", "Zm9", "Zm9vY", "====", "Z===", "Zg==Z"};

    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_decoded(texts[i], "", 0);
    }
    expect_decoded("Zg==Zm9v", "f", 1); /* passed over, but whole */
}

/* The text ends where its memory ends, so that a sanitizer sees a byte too many. */
static void nothing_is_read_or_written_behind_the_end(void **state) {
    (void)state;
    for (size_t len = 1; len <= 24; len++) {
        uint8_t *text = malloc(len);
        uint8_t *to = malloc(len * 3 / 4 + 1);

        assert_non_null(text);
        assert_non_null(to);
        memset(text, 'A', len);
        assert_int_equal(base64_decode(span_of(text, len), to), len % 4 == 0 ? len / 4 * 3 : 0);
        free(text);
        free(to);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_hold),
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(bytes_outside_the_alphabet_are_passed_over),
        cmocka_unit_test(what_is_not_whole_is_no_base64),
        cmocka_unit_test(nothing_is_read_or_written_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
