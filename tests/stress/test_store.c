/* larder: stress of the store: readers against writers, deletes, expiry, evictions, splits, page
 *     moves test_store [--seconds N] [--seed N]    N seconds for all plans together; default
 *                                            LARDER_TEST_SECONDS or 10 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/stress/stress.h"

enum { PLANS = 11, TENTHS_MIN = 2 };

struct stress_time {
    unsigned tenths_each;
    uint64_t seed;
};

static void run(void **state, const struct stress_plan *plan) {
    const struct stress_time *time = *state;

    assert_true(stress_run(plan, time->tenths_each, time->seed));
}

static void few_keys_are_overwritten_under_their_readers(void **state) {
    static const struct stress_plan plan = {
        .name = "few keys", .memory_bytes = 8 << 20, .partitions = 1, .readers = 2, .writers = 1,
        .stable_keys = 4, .stable = {16, 600}};

    run(state, &plan);
}

static void writers_of_one_partition_take_turns(void **state) {
    static const struct stress_plan plan = {
        .name = "two writers", .memory_bytes = 8 << 20, .partitions = 1, .readers = 1,
        .writers = 3, .stable_keys = 9, .stable = {16, 2000}, .brief_keys = 9,
        .brief = {16, 2000}};

    run(state, &plan);
}

static void chunks_of_deleted_items_are_used_again(void **state) {
    static const struct stress_plan plan = {
        .name = "delete and reuse", .memory_bytes = 8 << 20, .partitions = 1, .readers = 2,
        .writers = 2, .stable_keys = 8, .stable = {16, 120}, .brief_keys = 64, .brief = {16, 120}};

    run(state, &plan);
}

static void the_index_grows_and_shrinks(void **state) {
    static const struct stress_plan plan = {
        .name = "growth", .memory_bytes = 32 << 20, .partitions = 2, .readers = 2, .writers = 1,
        .stable_keys = 200, .stable = {16, 64}, .filler_keys = 20000,
        .filler = {{16, 40}, {16, 40}}};

    run(state, &plan);
}

static void items_are_evicted_under_their_readers(void **state) {
    static const struct stress_plan plan = {
        .name = "evictions", .memory_bytes = 2 << 20, .partitions = 1, .readers = 2, .writers = 2,
        .evict = true, .stable_keys = 64, .stable = {16, 300}, .brief_keys = 64,
        .brief = {16, 300}, .filler_keys = 20000, .filler = {{16, 700}, {16, 3000}}};

    run(state, &plan);
}

static void pages_change_their_class_without_losing_items(void **state) {
    static const struct stress_plan plan = {
        .name = "page moves", .memory_bytes = 24 << 20, .partitions = 2, .readers = 2,
        .writers = 1, .stable_keys = 500, .stable = {16, 900}, .filler_keys = 6000,
        .filler = {{100, 400}, {900, 2200}}};

    run(state, &plan);
}

static void large_values_stay_as_they_were_lent(void **state) {
    static const struct stress_plan plan = {
        .name = "lending", .memory_bytes = 64 << 20, .partitions = 1, .readers = 2, .writers = 2,
        .stable_keys = 6, .stable = {10000, 90000}, .brief_keys = 6, .brief = {10000, 90000},
        .lend = true};

    run(state, &plan);
}

static void large_uploads_in_a_tiny_memory_leave_whole_values(void **state) {
    static const struct stress_plan plan = {
        .name = "large uploads", .memory_bytes = 2 << 20, .partitions = 1, .readers = 1,
        .writers = 3, .evict = true, .stable_keys = 6, .stable = {90000, 240000},
        .brief_keys = 6, .brief = {16, 90000}, .lend = true};

    run(state, &plan);
}

static void owners_that_never_wake_are_not_missed(void **state) {
    static const struct stress_plan plan = {
        .name = "sleeping owners", .memory_bytes = 6 << 20, .partitions = 4, .readers = 1,
        .writers = 2, .idle_cores = 4, .evict = true, .stable_keys = 64, .stable = {16, 300},
        .brief_keys = 64, .brief = {16, 3000}, .filler_keys = 30000,
        .filler = {{16, 700}, {500, 3000}}};

    run(state, &plan);
}

static void a_store_is_taken_over_with_all_its_items(void **state) {
    static const struct stress_plan plan = {
        .name = "restarts", .memory_bytes = 64 << 20, .partitions = 3, .readers = 2, .writers = 2,
        .stable_keys = 500, .stable = {16, 20000}, .brief_keys = 100, .brief = {16, 40000},
        .filler_keys = 6000, .filler = {{16, 60}, {300, 900}}, .lend = true, .restarts = 5};

    run(state, &plan);
}

static void a_full_store_is_taken_over(void **state) {
    static const struct stress_plan plan = {
        .name = "restarts under eviction", .memory_bytes = 6 << 20, .partitions = 2,
        .readers = 1, .writers = 3, .idle_cores = 1, .evict = true, .stable_keys = 64,
        .stable = {16, 9000}, .brief_keys = 64, .brief = {16, 900}, .filler_keys = 20000,
        .filler = {{16, 700}, {16, 3000}}, .restarts = 5};

    run(state, &plan);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_keys_are_overwritten_under_their_readers),
        cmocka_unit_test(writers_of_one_partition_take_turns),
        cmocka_unit_test(chunks_of_deleted_items_are_used_again),
        cmocka_unit_test(the_index_grows_and_shrinks),
        cmocka_unit_test(items_are_evicted_under_their_readers),
        cmocka_unit_test(pages_change_their_class_without_losing_items),
        cmocka_unit_test(large_values_stay_as_they_were_lent),
        cmocka_unit_test(large_uploads_in_a_tiny_memory_leave_whole_values),
        cmocka_unit_test(owners_that_never_wake_are_not_missed),
        cmocka_unit_test(a_store_is_taken_over_with_all_its_items),
        cmocka_unit_test(a_full_store_is_taken_over),
    };
    const char *seconds = getenv("LARDER_TEST_SECONDS");
    unsigned tenths = seconds ? (unsigned)strtoul(seconds, NULL, 10) * 10 : 100;
    const char *seed = getenv("LARDER_TEST_SEED");
    struct stress_time time_each = {.seed = seed ? strtoull(seed, NULL, 10)
                                                 : (uint64_t)time(NULL)};

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            tenths = (unsigned)strtoul(argv[i + 1], NULL, 10) * 10;
        else if (strcmp(argv[i], "--seed") == 0)
            time_each.seed = strtoull(argv[i + 1], NULL, 10);
    }
    time_each.tenths_each = tenths / PLANS > TENTHS_MIN ? tenths / PLANS : TENTHS_MIN;
    struct CMUnitTest each[PLANS];

    for (unsigned i = 0; i < PLANS; i++) {
        each[i] = tests[i];
        each[i].initial_state = &time_each;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
