/* larder: tests of the trailer behind computed values, and of computing early */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "src/client/record.h"

static struct record stored(uint8_t *bytes, const char *value, const struct record *record) {
    size_t count = strlen(value);

    memcpy(bytes, value, count);
    record_write_trailer(record, bytes + count);
    return record_read(span_of(bytes, count + RECORD_TRAILER_BYTES));
}

static void what_is_written_is_read(void **state) {
    uint8_t bytes[100];
    struct record record = {.due_ms = 1790000000123, .cost_us = 4000000000u};
    struct record read = stored(bytes, "hello", &record);
    (void)state;

    assert_true(span_is(read.value, "hello"));
    assert_int_equal(read.due_ms, 1790000000123);
    assert_int_equal(read.cost_us, 4000000000u);
    assert_false(read.is_failure);
    record.is_failure = true;
    read = stored(bytes, "", &record);
    assert_int_equal(read.value.len, 0);
    assert_true(read.is_failure);
}

static void the_layout_is_that_of_the_manual(void **state) {
    static const uint8_t expected[RECORD_TRAILER_BYTES] = {
        8, 7, 6, 5, 4, 3, 2, 1, 0x0d, 0x0c, 0x0b, 0x0a, 1, 0, 0, 0,
        'l', 'a', 'r', 'd', 'e', 'r', 0x1a, 0};
    uint8_t bytes[RECORD_TRAILER_BYTES];
    struct record record = {.due_ms = 0x0102030405060708, .cost_us = 0x0a0b0c0d};
    (void)state;

    record_write_trailer(&record, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void values_of_others_are_values(void **state) {
    uint8_t bytes[100];
    struct record record = {.due_ms = 5};
    (void)state;

    (void)stored(bytes, "", &record);
    for (size_t i = 0; i < RECORD_TRAILER_BYTES; i++) {
        struct record read = record_read(span_of(bytes + 1, i));

        assert_int_equal(read.value.len, i);
        assert_int_equal(read.due_ms, 0);
    }
    bytes[12] = 3; /* a kind there is not */
    assert_int_equal(record_read(span_of(bytes, RECORD_TRAILER_BYTES)).value.len,
                     RECORD_TRAILER_BYTES);
}

/* P(early) = exp(-remaining / (beta * cost)), Vattani et al., section 4 */
static void values_are_early_as_often_as_the_paper_says(void **state) {
    enum { DRAWS = 200000 };
    struct record record = {.cost_us = 1000000};
    uint64_t random = 88172645463325252u;
    unsigned early = 0;
    unsigned earlier = 0;
    (void)state;

    for (unsigned i = 0; i < DRAWS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        early += record_is_early(&record, 1000, 100, random);
        earlier += record_is_early(&record, 1000, 200, random);
    }
    assert_in_range(early, DRAWS * 0.36, DRAWS * 0.376);     /* 0.3679 */
    assert_in_range(earlier, DRAWS * 0.598, DRAWS * 0.615); /* 0.6065 */
}

static void early_has_its_bounds(void **state) {
    struct record record = {.cost_us = 1000};
    struct record free_of_cost = {.cost_us = 0};
    (void)state;

    assert_true(record_is_early(&record, 0, 100, 1));
    assert_false(record_is_early(&record, 0, 0, 1));
    assert_false(record_is_early(&free_of_cost, 0, 100, 1));
    assert_true(record_is_early(&record, 36, 100, 0));   /* ln 2^-53 is -36.7 */
    assert_false(record_is_early(&record, 37, 100, 0));
    assert_false(record_is_early(&record, 1, 100, UINT64_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_layout_is_that_of_the_manual),
        cmocka_unit_test(values_of_others_are_values),
        cmocka_unit_test(values_are_early_as_often_as_the_paper_says),
        cmocka_unit_test(early_has_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
