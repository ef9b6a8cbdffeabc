/* larder: tests of the plan - what is planned is what items come to cost */
#include "tests/unit/store/fixture.h"

#include "src/store/plan.h"

#define KEYS_MAX 400000u

/* Fills the store with values of one size until it has evicted for a while. */
static uint64_t items_when_full(struct fixture *f, uint64_t value_bytes, uint32_t expiry) {
    char key[32];
    (void)pattern(f, value_bytes, 0);
    for (unsigned i = 0; i < KEYS_MAX && totals_of(f).evictions < 2000; i++) {
        (void)snprintf(key, sizeof(key), "key-%012x", i);
        struct store_write write = write_of(f, key);
        write.expiry = expiry;
        assert_int_equal(put_as(f, &write, f->pattern, value_bytes), STORE_OK);
        if (i % 64 == 0) {
            (void)store_upkeep(f->core, 20000);
            fixture_pass(f, 0);
        }
    }
    assert_true(totals_of(f).evictions >= 2000);
    return totals_of(f).items;
}

/* Pages that are partly free, and tables that grow by whole pages, are slack of a small store. */
static void check_size(uint64_t value_bytes, bool expires) {
    struct fixture f;
    struct store_config config = fixture_config();
    struct store_plan plan;
    struct store_plan_item item;
    store_plan_create(&config, &plan);
    store_plan_item(&plan, 16, value_bytes, expires, &item);
    fixture_open(&f, &config);
    uint64_t items = items_when_full(&f, value_bytes, expires ? 100000 : 0);
    assert_true(items * 100 >= item.items * 96);
    assert_true(items * 100 <= item.items * 103);
    fixture_close(&f);
}

static void a_full_store_holds_as_many_items_as_planned(void **state) {
    (void)state;
    static const uint64_t sizes[] = {10, 100, 300, 1000, 2000};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_size(sizes[i], false);
    }
    check_size(100, true);
}

static void the_plan_is_what_the_store_does(void **state) {
    (void)state;
    struct store_config config = fixture_config();
    config.partition_count = 0;
    config.core_count = 2;
    config.memory_bytes = 64 * MIB;
    struct store_plan plan;
    store_plan_create(&config, &plan);
    struct fixture f;
    fixture_open(&f, &config);
    assert_int_equal(plan.partitions, f.store->partition_count);
    assert_int_equal(plan.page_bytes, slab_page_bytes(&f.store->pool));
    assert_int_equal(plan.classes.count, f.store->pool.classes.count);
    assert_memory_equal(plan.classes.per_page, f.store->pool.classes.per_page,
                        sizeof(plan.classes.per_page));
    fixture_close(&f);
}

/* The targets for 64 KiB pages, with keys of 16 bytes, less what the process takes. */
static void small_items_cost_at_most_36_bytes_beyond_key_and_value(void **state) {
    (void)state;
    static const struct {
        uint64_t value_bytes, cents_max;
    } rows[] = {{10, 6250}, {50, 10250}, {100, 15050}, {300, 35100}, {1000, 106000},
                {4000, 412500}};
    struct store_config config = fixture_config();
    config.memory_bytes = 256 * MIB;
    struct store_plan plan;
    store_plan_create(&config, &plan);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct store_plan_item item;
        struct store_plan_item expiring;
        store_plan_item(&plan, 16, rows[i].value_bytes, false, &item);
        store_plan_item(&plan, 16, rows[i].value_bytes, true, &expiring);
        assert_true(item.total_cents <= rows[i].cents_max);
        assert_true(expiring.total_cents <= item.total_cents + 400);
    }
}

static void a_chain_is_planned_as_it_is_stored(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    struct store_plan plan;
    struct store_plan_item item;
    fixture_open(&f, &config);
    store_plan_create(&config, &plan);
    for (uint64_t bytes = 5000; bytes < 300 * KIB; bytes += 28411) {
        assert_int_equal(put(&f, "large", pattern(&f, bytes, 1), bytes), STORE_OK);
        fixture_upkeep(&f);
        uint64_t chunks = 0;
        for (unsigned id = 1; id <= plan.classes.count; id++) {
            chunks += atom_load_relaxed(&f.p->classes[id].bin.chunks_used);
        }
        store_plan_item(&plan, 5, bytes, false, &item);
        assert_int_equal(item.chunks, chunks);
    }
    fixture_close(&f);
}

/* With as many items as primary slots the overflow holds a fifth of them. */
static void the_index_takes_less_than_12_bytes_an_item(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    uint64_t items = items_when_full(&f, 4, 0);
    uint64_t rows = geometry_buckets(atom_load_relaxed(&f.p->geometry)) +
                    atom_load_relaxed(&f.p->overflow_rows) - f.p->overflow_free_count;
    assert_true(rows * ROW_BYTES <= items * 12);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_store_holds_as_many_items_as_planned),
        cmocka_unit_test(the_plan_is_what_the_store_does),
        cmocka_unit_test(small_items_cost_at_most_36_bytes_beyond_key_and_value),
        cmocka_unit_test(a_chain_is_planned_as_it_is_stored),
        cmocka_unit_test(the_index_takes_less_than_12_bytes_an_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
