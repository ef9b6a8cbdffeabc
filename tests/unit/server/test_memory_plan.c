/* larder: tests of --memory-plan, and of what -m is held against */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/server/memory_limit.h"
#include "src/server/memory_plan.h"
#include "tests/unit/server/command_line.h"

/* The plan of a command line, to be freed; NULL when it is refused. */
static char *plan_of(const char *text) {
    struct command_line line = command_line_parse(text);
    assert_true(line.runs);
    assert_true(line.settings->memory_plan_print);
    char *printed = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&printed, &bytes);
    assert_non_null(out);
    bool good = memory_plan_print(line.settings, out);
    (void)fclose(out);
    command_line_free(&line);
    if (!good) {
        free(printed);
        printed = NULL;
    }
    return printed;
}

static void assert_says(const char *plan, const char *words) {
    if (strstr(plan, words) == NULL) {
        fail_msg("not in the plan: %s\n%s", words, plan);
    }
}

static void the_plan_names_partitions_pages_classes_and_costs(void **state) {
    (void)state;
    char *plan = plan_of("larder --memory-plan=100 -m 256 -t 1");
    assert_non_null(plan);
    assert_says(plan, "budget      256 MiB");
    assert_says(plan, "partitions  2 of 128.0 MiB, for 1 threads");
    assert_says(plan, "pages       64 KiB; items above 16384 bytes");
    assert_says(plan, "\n     100      136       1        150.0     34.0      0.0");
    assert_says(plan, "\nclasses     158, of which 82 serve from the start");
    free(plan);
}

static void the_plan_follows_m_i_and_t(void **state) {
    (void)state;
    char *plan = plan_of("larder -m 64 -I 4m -t 4 --memory-plan=10,5000000");
    assert_non_null(plan);
    assert_says(plan, "partitions  1 of 64.0 MiB, for 4 threads");
    assert_says(plan, "pages       16 KiB; items above 4096 bytes");
    assert_says(plan, "items       up to 4194304 bytes (-I)");
    assert_says(plan, "5000000 is more than -I allows");
    free(plan);
}

static void without_sizes_the_plan_shows_usual_ones(void **state) {
    (void)state;
    char *plan = plan_of("larder --memory-plan");
    assert_non_null(plan);
    assert_says(plan, "\n      10       48 ");
    assert_says(plan, "\n  500000 ");
    free(plan);
}

static void what_is_no_size_is_refused(void **state) {
    (void)state;
    assert_null(plan_of("larder --memory-plan=ten"));
    assert_null(plan_of("larder --memory-plan=10,-1"));
    assert_null(plan_of("larder --memory-plan=10x"));
}

static void what_stands_beside_m_grows_with_threads_and_memory(void **state) {
    (void)state;
    struct command_line small = command_line_parse("larder -m 64");
    struct command_line large = command_line_parse("larder -m 1024");
    uint64_t one = memory_fixed_bytes(small.settings, 1);
    assert_true(one > (uint64_t)6 << 20 && one < (uint64_t)12 << 20);
    assert_true(memory_fixed_bytes(small.settings, 8) > one + ((uint64_t)8 << 20));
    assert_true(memory_fixed_bytes(large.settings, 1) > one + ((uint64_t)1 << 20));
    command_line_free(&small);
    command_line_free(&large);
}

/* -- what fits --------------------------------------------------------------------------------- */

static bool applied(const struct memory_limit *limit, const char *text, uint64_t *mib) {
    struct command_line line = command_line_parse(text);
    assert_true(line.runs);
    bool good = memory_limit_apply(limit, line.settings);
    *mib = line.settings->memory_bytes >> 20;
    command_line_free(&line);
    return good;
}

static void what_fits_is_left_alone(void **state) {
    (void)state;
    static const struct memory_limit unknown = {0};
    static const struct memory_limit machine = {.machine_bytes = (uint64_t)1 << 30};
    uint64_t mib;
    assert_true(applied(&unknown, "larder -m 1000000 -t 4", &mib));
    assert_int_equal(mib, 1000000);
    assert_true(applied(&machine, "larder -m 1000 -t 4", &mib));
    assert_int_equal(mib, 1000);
}

static void more_than_machine_or_cgroup_have_is_lowered(void **state) {
    (void)state;
    static const struct memory_limit machine = {.machine_bytes = (uint64_t)1 << 30};
    static const struct memory_limit group = {.machine_bytes = (uint64_t)64 << 30,
                                              .cgroup_bytes = (uint64_t)512 << 20};
    uint64_t mib;
    assert_true(applied(&machine, "larder -m 1024 -t 4", &mib));
    assert_true(mib >= 900 && mib <= 960);
    assert_true(applied(&machine, "larder -m 1000000 -t 4", &mib));
    assert_true(mib >= 900 && mib <= 960);
    assert_true(applied(&group, "larder -m 2000 -t 4", &mib));
    assert_true(mib >= 440 && mib <= 480);
}

static void a_machine_too_small_for_the_item_size_or_the_threads_is_refused(void **state) {
    (void)state;
    static const struct memory_limit group = {.cgroup_bytes = (uint64_t)64 << 20};
    uint64_t mib;
    assert_false(applied(&group, "larder -m 2000 -I 64m -t 4", &mib));
    assert_false(applied(&group, "larder -m 2000 -t 128", &mib));
    assert_true(applied(&group, "larder -m 2000 -t 4", &mib));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_names_partitions_pages_classes_and_costs),
        cmocka_unit_test(the_plan_follows_m_i_and_t),
        cmocka_unit_test(without_sizes_the_plan_shows_usual_ones),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(what_fits_is_left_alone),
        cmocka_unit_test(more_than_machine_or_cgroup_have_is_lowered),
        cmocka_unit_test(a_machine_too_small_for_the_item_size_or_the_threads_is_refused),
        cmocka_unit_test(what_stands_beside_m_grows_with_threads_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
