/* larder: tests of the choice of operations and keys */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "bench/plan.h"

enum {
    RANKS = 50,
    DRAWS = 400000,
};

/* The sum of (seen - expected)^2 / expected over RANKS cells: for a right generator its mean is
 * RANKS - 1 = 49 and its standard deviation 10, so 100 is five deviations away. */
static double chi_square(double skew, uint64_t seed) {
    uint64_t seen[RANKS] = {0};
    struct zipf zipf;
    struct rng rng;
    double weights = 0.0;
    double sum = 0.0;
    zipf_init(&zipf, RANKS, skew);
    rng_init(&rng, seed);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = zipf_next(&zipf, &rng);
        assert_true(rank < RANKS);
        seen[rank]++;
    }
    for (int r = 1; r <= RANKS; r++)
        weights += pow(r, -skew);
    for (int r = 1; r <= RANKS; r++) {
        double expected = DRAWS * pow(r, -skew) / weights;
        double off = (double)seen[r - 1] - expected;
        sum += off * off / expected;
    }
    return sum;
}

static void zipf_draws_have_the_frequencies_of_the_law(void **state) {
    (void)state;
    static const double SKEWS[] = {0.0, 0.5, 0.9, 0.99, 1.0, 1.000001, 1.01, 1.2, 2.0};
    for (size_t i = 0; i < sizeof(SKEWS) / sizeof(SKEWS[0]); i++)
        assert_true(chi_square(SKEWS[i], 11 + i) < 100.0);
}

static void the_chi_square_sees_a_slightly_wrong_skew(void **state) {
    (void)state;
    uint64_t first = 0;
    struct zipf zipf;
    struct rng rng;
    zipf_init(&zipf, RANKS, 1.05);
    rng_init(&rng, 3);
    for (int i = 0; i < DRAWS; i++)
        first += zipf_next(&zipf, &rng) == 0;
    double weights = 0.0;
    for (int r = 1; r <= RANKS; r++)
        weights += 1.0 / r;
    double off = (double)first - DRAWS / weights;
    assert_true(off * off / (DRAWS / weights) > 100.0);
}

static void one_rank_is_always_drawn(void **state) {
    (void)state;
    struct zipf zipf;
    struct rng rng;
    zipf_init(&zipf, 1, 1.0);
    rng_init(&rng, 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zipf_next(&zipf, &rng), 0);
}

static struct plan plan_of(enum plan_keys kind, uint64_t keys) {
    struct plan plan = {.kind = kind, .keys = keys, .get_parts = 1, .keys_per_get = 1};
    zipf_init(&plan.zipf, keys, 1.0);
    plan_seed(&plan, 1);
    return plan;
}

static void an_ordered_plan_stores_every_key_once_and_ends(void **state) {
    (void)state;
    struct plan plan = plan_of(PLAN_ORDER, 100);
    struct op op;
    uint64_t token = 0;
    plan.order_next = 10;
    plan.order_end = 100;
    for (uint64_t number = 10; number < 100; number++) {
        assert_true(plan_next(&plan, &op, &token));
        assert_int_equal(op.kind, OP_SET);
        assert_int_equal(token, dataset_token(number));
    }
    assert_false(plan_next(&plan, &op, &token));
    assert_false(plan_next(&plan, &op, &token));
}

static void a_ratio_of_90_to_10_is_kept(void **state) {
    (void)state;
    struct plan plan = plan_of(PLAN_UNIFORM, 100);
    plan.get_parts = 90;
    plan.set_parts = 10;
    uint64_t gets = 0;
    for (int i = 0; i < 100000; i++) {
        struct op op;
        uint64_t token = 0;
        assert_true(plan_next(&plan, &op, &token));
        gets += op.kind == OP_GET;
    }
    assert_in_range(gets, 89500, 90500);
}

/* How many of the draws are one of the tokens of the key numbers [0, hot). */
static int draws_below(struct plan *plan, uint64_t hot, int draws) {
    int found = 0;
    for (int i = 0; i < draws; i++) {
        struct op op;
        uint64_t token = 0;
        assert_true(plan_next(plan, &op, &token));
        for (uint64_t number = 0; number < hot; number++)
            found += token == dataset_token(number);
    }
    return found;
}

static void a_hot_set_takes_its_share_of_the_draws(void **state) {
    (void)state;
    struct plan plan = plan_of(PLAN_HOT, 1000000);
    plan.hot_keys = 10;
    plan.hot_percent = 100;
    assert_int_equal(draws_below(&plan, 10, 10000), 10000);
    plan.hot_percent = 80;
    assert_in_range(draws_below(&plan, 10, 10000), 7800, 8200);
}

static void uniform_draws_reach_every_key(void **state) {
    (void)state;
    struct plan plan = plan_of(PLAN_UNIFORM, 10);
    assert_int_equal(draws_below(&plan, 10, 1000), 1000);
    assert_in_range(draws_below(&plan, 1, 10000), 850, 1150);
}

static void a_multi_get_draws_all_its_keys(void **state) {
    (void)state;
    struct plan plan = plan_of(PLAN_ZIPF, 100000);
    struct op op;
    uint64_t tokens[24] = {0};
    plan.keys_per_get = 24;
    assert_true(plan_next(&plan, &op, tokens));
    assert_int_equal(op.keys, 24);
    for (int i = 0; i < 24; i++)
        assert_true(tokens[i] != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipf_draws_have_the_frequencies_of_the_law),
        cmocka_unit_test(the_chi_square_sees_a_slightly_wrong_skew),
        cmocka_unit_test(one_rank_is_always_drawn),
        cmocka_unit_test(an_ordered_plan_stores_every_key_once_and_ends),
        cmocka_unit_test(a_ratio_of_90_to_10_is_kept),
        cmocka_unit_test(a_hot_set_takes_its_share_of_the_draws),
        cmocka_unit_test(uniform_draws_reach_every_key),
        cmocka_unit_test(a_multi_get_draws_all_its_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
