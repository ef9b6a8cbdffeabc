/* larder: tests of what the store keeps - small versions of bench/hit-ratio
 *
 * Traces, hashes and upkeep are the same in every run; the margins are for other mathematical
 * libraries. Figures of real size are in docs/decisions.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/cache.h"

#define REQUESTS 400000u
#define KEYS 60000u
#define MIB ((uint64_t)1 << 20)

enum { PARTITIONS = 2 };

/* The share of hits among the last `counted` requests. */
static double replay(struct cache *cache, const struct workload *workload, uint64_t keys,
                     uint64_t counted) {
    static struct trace trace;
    trace_init(&trace, workload, keys, REQUESTS, 1);
    uint64_t hits = 0;
    while (trace.at < REQUESTS) {
        struct request batch[CACHE_BATCH_MAX];
        bool counts = trace.at >= REQUESTS - counted;
        for (unsigned i = 0; i < CACHE_BATCH_MAX; i++) {
            trace_next(&trace, &batch[i]);
        }
        uint32_t hit = cache->replay(cache, batch, CACHE_BATCH_MAX);
        hits += counts ? (unsigned)__builtin_popcount(hit) : 0;
    }
    return (double)hits / (double)counted;
}

struct ratios {
    double store, lru, s3fifo;
    uint64_t objects;
};

static struct ratios ratios_of(const struct workload *workload, uint64_t counted) {
    struct ratios ratios;
    struct cache *cache =
        cache_store_create((uint64_t)workload->memory_mib * MIB, PARTITIONS);
    ratios.store = replay(cache, workload, KEYS, counted);
    ratios.objects = cache->objects(cache);
    cache->destroy(cache);
    struct cache_limit limit = {.keys_end = KEYS * 3 + REQUESTS, .objects = ratios.objects};
    cache = cache_lru_create(&limit);
    ratios.lru = replay(cache, workload, KEYS, counted);
    cache->destroy(cache);
    cache = cache_s3fifo_create(&limit);
    ratios.s3fifo = replay(cache, workload, KEYS, counted);
    cache->destroy(cache);
    print_message("%-12s %lu objects: store %.3f LRU %.3f S3-FIFO %.3f\n", workload->name,
                  ratios.objects, ratios.store, ratios.lru, ratios.s3fifo);
    return ratios;
}

static void popular_keys_are_kept_as_s3_fifo_would(void **state) {
    (void)state;
    const struct workload zipf = {"zipf", PATTERN_ZIPF, SIZES_FIXED, 0.9, 500, 4, 0};
    struct ratios ratios = ratios_of(&zipf, REQUESTS / 2);
    assert_true(ratios.store > ratios.s3fifo - 0.015);
    assert_true(ratios.store > ratios.lru + 0.03);
}

static void scans_do_not_drive_out_what_is_popular(void **state) {
    (void)state;
    const struct workload scan = {"scan", PATTERN_SCAN, SIZES_FIXED, 0.9, 500, 4, 0};
    struct ratios ratios = ratios_of(&scan, REQUESTS / 2);
    assert_true(ratios.store > ratios.s3fifo - 0.015);
    assert_true(ratios.store > ratios.lru + 0.03);
}

static void a_population_that_was_replaced_makes_room(void **state) {
    (void)state;
    const struct workload replaced = {"replaced", PATTERN_REPLACE, SIZES_FIXED, 1.0, 500, 8, 0};
    struct ratios ratios = ratios_of(&replaced, REQUESTS / 2);
    assert_true(ratios.store > ratios.lru - 0.02);
}

static void new_sizes_of_another_population_make_room(void **state) {
    (void)state;
    const struct workload shift = {"size-shift", PATTERN_SIZE_SHIFT, SIZES_FIXED, 1.0, 100, 8, 0};
    struct cache *cache = cache_store_create(8 * MIB, PARTITIONS);
    double whole = replay(cache, &shift, KEYS, REQUESTS * 2 / 3);
    cache->destroy(cache);
    print_message("size-shift: store %.3f\n", whole);
    assert_true(whole > 0.762);
}

static void a_loop_over_more_than_fits_is_kept_in_part(void **state) {
    (void)state;
    const struct workload loop = {"loop", PATTERN_LOOP, SIZES_FIXED, 0.0, 500, 8, 0};
    struct cache *cache = cache_store_create(8 * MIB, PARTITIONS);
    (void)replay(cache, &loop, KEYS, 1);
    uint64_t fits = cache->objects(cache);
    cache->destroy(cache);
    cache = cache_store_create(8 * MIB, PARTITIONS);
    double ratio = replay(cache, &loop, fits * 11 / 10, REQUESTS / 2);
    cache->destroy(cache);
    print_message("loop of 1.1 times %lu objects: store %.3f\n", fits, ratio);
    assert_true(ratio > 0.7);
}

static void tiny_items_are_worth_more_than_large_ones(void **state) {
    (void)state;
    const struct workload sizes = {"hot-small", PATTERN_ZIPF, SIZES_HOT_SMALL, 0.7, 0, 8, 0};
    struct ratios ratios = ratios_of(&sizes, REQUESTS / 2);
    assert_true(ratios.store > ratios.lru + 0.01);
    assert_true(ratios.objects > 23000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popular_keys_are_kept_as_s3_fifo_would),
        cmocka_unit_test(scans_do_not_drive_out_what_is_popular),
        cmocka_unit_test(a_population_that_was_replaced_makes_room),
        cmocka_unit_test(new_sizes_of_another_population_make_room),
        cmocka_unit_test(a_loop_over_more_than_fits_is_kept_in_part),
        cmocka_unit_test(tiny_items_are_worth_more_than_large_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
