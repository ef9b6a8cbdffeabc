/* larder: tests of the latency histogram */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/hist.h"
#include "bench/rng.h"

static struct hist *new_hist(void) {
    struct hist *hist = malloc(sizeof(*hist));
    assert_non_null(hist);
    hist_reset(hist);
    return hist;
}

static void buckets_follow_each_other_without_gap_or_overlap(void **state) {
    (void)state;
    assert_int_equal(hist_bucket(0), 0);
    for (size_t i = 1; i < HIST_BUCKETS; i++) {
        uint64_t low = hist_bucket_low_ns(i);
        assert_true(low > hist_bucket_low_ns(i - 1));
        assert_int_equal(hist_bucket(low), i);
        assert_int_equal(hist_bucket(low - 1), i - 1);
    }
}

static void a_bucket_is_at_most_a_128th_of_its_value_wide(void **state) {
    (void)state;
    for (size_t i = 256; i + 1 < HIST_BUCKETS; i++) {
        uint64_t low = hist_bucket_low_ns(i);
        uint64_t width = hist_bucket_low_ns(i + 1) - low;
        assert_true(width * 128 <= low);
    }
}

static void values_beyond_the_range_count_as_its_end(void **state) {
    (void)state;
    assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
    struct hist *hist = new_hist();
    hist_record(hist, UINT64_MAX / 4, 1);
    assert_int_equal(hist->count, 1);
    assert_true(hist_quantile_ns(hist, 0.5) >= (UINT64_C(1) << (HIST_VALUE_BITS - 1)));
    free(hist);
}

static void an_empty_histogram_answers_zero(void **state) {
    (void)state;
    struct hist *hist = new_hist();
    assert_int_equal(hist_quantile_ns(hist, 0.5), 0);
    assert_true(hist_mean_ns(hist) <= 0.0);
    free(hist);
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void quantiles_are_within_one_percent_of_the_sorted_values(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    static const double SHARES[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0};
    uint64_t *values = malloc(COUNT * sizeof(*values));
    assert_non_null(values);
    struct hist *hist = new_hist();
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < COUNT; i++) {
        /* from nanoseconds to minutes, as many in each octave */
        values[i] = rng_next(&rng) >> (27 + rng_below(&rng, 30));
        hist_record(hist, values[i], 1);
    }
    qsort(values, COUNT, sizeof(*values), compare_u64);
    for (size_t i = 0; i < sizeof(SHARES) / sizeof(SHARES[0]); i++) {
        size_t rank = (size_t)(SHARES[i] * COUNT);
        double exact = (double)values[rank > 0 ? rank - 1 : 0];
        double told = (double)hist_quantile_ns(hist, SHARES[i]);
        assert_true(told >= exact * 0.99 && told <= exact * 1.01);
    }
    free(hist);
    free(values);
}

static void no_quantile_exceeds_the_largest_value(void **state) {
    (void)state;
    struct hist *hist = new_hist();
    hist_record(hist, 1000003, 10);
    assert_true(hist_quantile_ns(hist, 1.0) <= 1000003);
    assert_int_equal(hist->max_ns, 1000003);
    free(hist);
}

static void a_batch_counts_like_its_single_values(void **state) {
    (void)state;
    struct hist *singly = new_hist();
    struct hist *batch = new_hist();
    for (int i = 0; i < 16; i++)
        hist_record(singly, 12345, 1);
    hist_record(batch, 12345, 16);
    assert_memory_equal(singly, batch, sizeof(*batch));
    free(singly);
    free(batch);
}

static void merging_adds_counts_and_keeps_the_maximum(void **state) {
    (void)state;
    struct hist *a = new_hist();
    struct hist *b = new_hist();
    hist_record(a, 100, 3);
    hist_record(b, 200, 1);
    hist_merge(a, b);
    assert_int_equal(a->count, 4);
    assert_int_equal(a->max_ns, 200);
    assert_int_equal(hist_quantile_ns(a, 0.75), 100);
    assert_int_equal(hist_quantile_ns(a, 0.76), 200);
    assert_true(hist_mean_ns(a) > 124.9 && hist_mean_ns(a) < 125.1);
    free(a);
    free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_without_gap_or_overlap),
        cmocka_unit_test(a_bucket_is_at_most_a_128th_of_its_value_wide),
        cmocka_unit_test(values_beyond_the_range_count_as_its_end),
        cmocka_unit_test(an_empty_histogram_answers_zero),
        cmocka_unit_test(quantiles_are_within_one_percent_of_the_sorted_values),
        cmocka_unit_test(no_quantile_exceeds_the_largest_value),
        cmocka_unit_test(a_batch_counts_like_its_single_values),
        cmocka_unit_test(merging_adds_counts_and_keeps_the_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
