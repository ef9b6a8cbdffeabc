/* larder: tests of spans */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/base/span.h"

static void spans_of_the_same_bytes_are_equal(void **state) {
    (void)state;
    assert_true(span_equal(span_from_text("abc"), span_of("abcd", 3)));
    assert_true(span_is(span_of("abcd", 3), "abc"));
    assert_false(span_is(span_of("abcd", 4), "abc"));
}

static void empty_spans_are_equal_wherever_they_point(void **state) {
    (void)state;
    assert_true(span_equal(span_of(NULL, 0), span_from_text("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_of_the_same_bytes_are_equal),
        cmocka_unit_test(empty_spans_are_equal_wherever_they_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
