/* larder: tests of numbers in text */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/base/number.h"

static void digits_are_read_up_to_the_last_of_64_bits(void **state) {
    uint64_t value = 7;

    (void)state;
    assert_true(number_parse_u64(span_from_text("0"), &value));
    assert_int_equal(value, 0);
    assert_true(number_parse_u64(span_from_text("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(number_parse_u64(span_from_text("00000000000000000000000000012"), &value));
    assert_int_equal(value, 12);
}

static void what_is_no_number_leaves_the_value_alone(void **state) {
    static const char *const texts[] = {"",     "-",  "+1", " 1", "1 ", "1a", "a", "-1",
                                        "0x10", "1.", "18446744073709551616",
                                        "99999999999999999999"};
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(number_parse_u64(span_from_text(texts[i]), &value));
        assert_int_equal(value, 7);
    }
}

static void narrower_numbers_are_bounded(void **state) {
    uint32_t unsigned_value = 7;
    int32_t value = 7;
    int64_t wide = 7;

    (void)state;
    assert_true(number_parse_u32(span_from_text("4294967295"), &unsigned_value));
    assert_false(number_parse_u32(span_from_text("4294967296"), &unsigned_value));
    assert_true(number_parse_i32(span_from_text("-2147483648"), &value));
    assert_int_equal(value, INT32_MIN);
    assert_false(number_parse_i32(span_from_text("-2147483649"), &value));
    assert_true(number_parse_i32(span_from_text("2147483647"), &value));
    assert_false(number_parse_i32(span_from_text("2147483648"), &value));
    assert_false(number_parse_i32(span_from_text("-"), &value));
    assert_false(number_parse_i32(span_from_text("--1"), &value));
    assert_true(number_parse_i64(span_from_text("-9223372036854775808"), &wide));
    assert_true(wide == INT64_MIN);
    assert_false(number_parse_i64(span_from_text("9223372036854775808"), &wide));
}

static void flags_are_read_as_strtoul_does(void **state) {
    uint32_t flags = 7;

    (void)state;
    assert_true(number_parse_flags(span_from_text("4294967295"), &flags));
    assert_int_equal(flags, UINT32_MAX);
    assert_true(number_parse_flags(span_from_text("4294967296"), &flags));
    assert_int_equal(flags, 0);
    assert_true(number_parse_flags(span_from_text("\t+5\tx"), &flags));
    assert_int_equal(flags, 5);
    assert_true(number_parse_flags(span_from_text("-0"), &flags));
    assert_false(number_parse_flags(span_from_text("-1"), &flags));
    assert_false(number_parse_flags(span_from_text("5x"), &flags));
    assert_false(number_parse_flags(span_from_text(""), &flags));
    assert_false(number_parse_flags(span_from_text("18446744073709551616"), &flags));
}

static void an_exptime_is_cut_to_32_bits(void **state) {
    int32_t exptime = 7;

    (void)state;
    assert_true(number_parse_exptime(span_from_text("-1"), &exptime));
    assert_int_equal(exptime, -1);
    assert_true(number_parse_exptime(span_from_text("99999999999"), &exptime));
    assert_int_equal(exptime, 1215752191);
    assert_true(number_parse_exptime(span_from_text("4294967296"), &exptime));
    assert_int_equal(exptime, 0);
    assert_true(number_parse_exptime(span_from_text("00000000000000000000000000001"), &exptime));
    assert_int_equal(exptime, 1);
    assert_false(number_parse_exptime(span_from_text("9223372036854775808"), &exptime));
    assert_false(number_parse_exptime(span_from_text("1-"), &exptime));
}

static void every_length_is_written(void **state) {
    uint64_t value = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        char wanted[32];
        uint8_t text[NUMBER_TEXT_BYTES_MAX];
        size_t bytes = number_write_u64(text, value);

        assert_int_equal(snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)value), bytes);
        assert_memory_equal(text, wanted, bytes);
        value = i < 120 ? i : value * 7 + i;
    }
    uint8_t text[NUMBER_TEXT_BYTES_MAX];

    assert_int_equal(number_write_u64(text, UINT64_MAX), NUMBER_TEXT_BYTES_MAX);
    assert_memory_equal(text, "18446744073709551615", NUMBER_TEXT_BYTES_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_read_up_to_the_last_of_64_bits),
        cmocka_unit_test(what_is_no_number_leaves_the_value_alone),
        cmocka_unit_test(narrower_numbers_are_bounded),
        cmocka_unit_test(flags_are_read_as_strtoul_does),
        cmocka_unit_test(an_exptime_is_cut_to_32_bits),
        cmocka_unit_test(every_length_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
