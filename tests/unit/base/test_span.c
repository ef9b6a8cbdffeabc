/* larder: tests of spans */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/base/span.h"

static void an_empty_span_needs_no_bytes(void **state)
{
    struct span none = {0};

    (void)state;
    assert_null(none.data);
    assert_int_equal(none.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_span_needs_no_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
