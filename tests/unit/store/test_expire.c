/* larder: tests of expiry and flush_all */
#include "tests/unit/store/fixture.h"

static enum store_outcome put_until(struct fixture *f, const char *key, uint64_t bytes,
                                    uint32_t expiry) {
    struct store_write write = write_of(f, key);
    write.expiry = expiry;
    return put_as(f, &write, f->pattern, bytes);
}

static void key_number(char *key, unsigned number) {
    (void)snprintf(key, 64, "key-%u", number);
}

static void the_sweep_takes_out_the_dead_and_never_the_living(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    enum { KEYS = 20000, LIVES_S_MAX = 50 };
    static uint32_t expiry[KEYS];
    char key[64];
    uint64_t random = 77;
    (void)pattern(&f, 9000, 0);
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, i);
        uint64_t r = random_next(&random);
        expiry[i] = r % 4 == 0 ? 0 : f.now + 1 + (uint32_t)(r >> 8) % LIVES_S_MAX;
        uint64_t bytes = r % 500 == 1 ? 9000 : r >> 40 & 255;
        assert_int_equal(put_until(&f, key, bytes, expiry[i]), STORE_OK);
    }
    for (unsigned second = 0; second <= LIVES_S_MAX; second++) {
        unsigned living = 0;
        fixture_upkeep(&f);
        for (unsigned i = 0; i < KEYS; i++) {
            living += expiry[i] == 0 || expiry[i] > f.now;
        }
        uint64_t items = totals_of(&f).items;
        assert_true(items >= living);
        /* A page is looked at when a hundredth of its chunks should be dead. */
        assert_true(items - living <= KEYS / 25);
        fixture_pass(&f, 1);
    }
    fixture_pass(&f, 1);
    fixture_upkeep(&f);
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, i);
        assert_int_equal(has(&f, key), expiry[i] == 0);
    }
    struct store_totals totals = totals_of(&f);
    assert_true(totals.expired_upkeep > KEYS / 2);
    assert_int_equal(totals.expired_unfetched, totals.reclaimed);
    assert_int_equal(totals.limbo_bytes, 0);
    fixture_close(&f);
}

static void a_visit_leaves_exact_bounds(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 1000, 0);
    /* One page: the earliest and the latest go by delete, which the bounds do not follow. */
    for (unsigned i = 0; i < 10; i++) {
        key_number(key, i);
        assert_int_equal(put_until(&f, key, 900, f.now + 10 + i * 10), STORE_OK);
    }
    uint32_t page = slab_location_page(&f.store->pool, slot_location(slot_of(&f, "key-5")));
    const struct slab_page *meta = slab_page_of(&f.store->pool, page);
    assert_int_equal(atom_load_relaxed(&meta->expiry_earliest), f.now + 10);
    assert_int_equal(atom_load_relaxed(&meta->expiry_latest), f.now + 100);
    assert_int_equal(atom_load_relaxed(&meta->expiring_count), 10);
    assert_int_equal(delete_key(&f, "key-0"), STORE_OK);
    assert_int_equal(delete_key(&f, "key-9"), STORE_OK);
    uint32_t start = f.now;
    fixture_pass(&f, 25); /* key-1 is dead */
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).items, 7);
    assert_int_equal(atom_load_relaxed(&meta->expiring_count), 7);
    assert_int_equal(atom_load_relaxed(&meta->expiry_earliest), start + 30);
    assert_int_equal(atom_load_relaxed(&meta->expiry_latest), start + 90);
    for (unsigned i = 2; i < 9; i++) {
        key_number(key, i);
        assert_int_equal(touch(&f, key, 0), STORE_OK);
    }
    assert_int_equal(atom_load_relaxed(&meta->expiring_count), 0);
    assert_int_equal(atom_load_relaxed(&meta->expiry_earliest), UINT32_MAX);
    fixture_close(&f);
}

static void short_lives_among_long_ones_are_found_within_a_minute(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 160 * MIB; /* large pages, hundreds of chunks */
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 100, 0);
    for (unsigned i = 0; i < 20000; i++) {
        key_number(key, i);
        uint32_t lives_s = i % 2 != 0 ? 30 : 1000000;
        assert_int_equal(put_until(&f, key, 60, f.now + lives_s), STORE_OK);
    }
    for (unsigned second = 0; second < 92; second++) {
        fixture_pass(&f, 1);
        fixture_upkeep(&f);
    }
    assert_int_equal(totals_of(&f).items, 10000);
    fixture_close(&f);
}

static void what_is_linked_during_a_visit_is_within_the_bounds(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 100, 0);
    for (unsigned i = 0; i < 100; i++) {
        key_number(key, i);
        assert_int_equal(put_until(&f, key, 40, f.now + (i < 90 ? 2 : 20)), STORE_OK);
    }
    fixture_pass(&f, 3);
    (void)expire_step(f.core, 128); /* begins, one hold */
    assert_non_null(f.core->visit.p);
    assert_int_equal(put_until(&f, "key-95", 40, f.now + 5), STORE_OK);
    assert_int_equal(touch(&f, "key-99", f.now + 5000), STORE_OK);
    for (unsigned i = 0; i < 100 && f.core->visit.p != NULL; i++) {
        (void)expire_step(f.core, 1);
    }
    assert_null(f.core->visit.p);
    uint32_t page = slab_location_page(&f.store->pool, slot_location(slot_of(&f, "key-95")));
    const struct slab_page *meta = slab_page_of(&f.store->pool, page);
    assert_true(atom_load_relaxed(&meta->expiry_earliest) <= f.now + 5);
    assert_true(atom_load_relaxed(&meta->expiry_latest) >= f.now + 5000);
    assert_int_equal(totals_of(&f).items, 10);
    fixture_close(&f);
}

static void cores_that_sleep_leave_nothing_expired_for_good(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.core_count = 4;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 1000, 0);
    unsigned count = 10000;
    for (unsigned i = 0; i < count; i++) {
        key_number(key, i);
        assert_int_equal(put_until(&f, key, 900, f.now + 2), STORE_OK);
    }
    fixture_pass(&f, 3);
    for (unsigned i = 0; i < 20; i++) {
        fixture_upkeep(&f);
        fixture_pass(&f, 1);
    }
    assert_int_equal(totals_of(&f).items, 0);
    fixture_close(&f);
}

static void flush_kills_what_was_stored_before_and_nothing_after(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.partition_count = 4;
    config.memory_bytes = 32 * MIB;
    fixture_open(&f, &config);
    char key[64];
    for (unsigned i = 0; i < 1000; i++) {
        key_number(key, i);
        assert_int_equal(put_text(&f, key, "old"), STORE_OK);
    }
    store_flush(f.core, 0);
    for (unsigned i = 0; i < 1000; i += 2) {
        key_number(key, i);
        assert_int_equal(get(&f, key).read, STORE_FLUSHED);
        assert_int_equal(put_text(&f, key, "new"), STORE_OK);
    }
    for (unsigned second = 0; second < 3; second++) {
        fixture_pass(&f, 1);
        fixture_upkeep(&f);
    }
    assert_int_equal(totals_of(&f).items, 500);
    for (unsigned i = 0; i < 1000; i++) {
        key_number(key, i);
        assert_int_equal(has(&f, key), i % 2 == 0);
    }
    fixture_close(&f);
}

static void a_delayed_flush_takes_effect_when_it_is_due(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "before", "v"), STORE_OK);
    store_flush(f.core, f.now + 5);
    assert_int_equal(put_text(&f, "between", "v"), STORE_OK);
    fixture_pass(&f, 4);
    assert_true(has(&f, "before"));
    fixture_pass(&f, 1);
    assert_false(has(&f, "before"));
    assert_false(has(&f, "between"));
    assert_int_equal(put_text(&f, "after", "v"), STORE_OK);
    fixture_pass(&f, 100);
    assert_true(has(&f, "after"));
    fixture_close(&f);
}

static void a_later_flush_replaces_the_pending_one(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "key", "v"), STORE_OK);
    store_flush(f.core, f.now + 5);
    store_flush(f.core, f.now + 50);
    fixture_pass(&f, 10);
    assert_true(has(&f, "key"));
    store_flush(f.core, 0);
    assert_false(has(&f, "key"));
    assert_int_equal(put_text(&f, "key", "v"), STORE_OK);
    fixture_pass(&f, 100);
    assert_true(has(&f, "key"));
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sweep_takes_out_the_dead_and_never_the_living),
        cmocka_unit_test(a_visit_leaves_exact_bounds),
        cmocka_unit_test(short_lives_among_long_ones_are_found_within_a_minute),
        cmocka_unit_test(what_is_linked_during_a_visit_is_within_the_bounds),
        cmocka_unit_test(cores_that_sleep_leave_nothing_expired_for_good),
        cmocka_unit_test(flush_kills_what_was_stored_before_and_nothing_after),
        cmocka_unit_test(a_delayed_flush_takes_effect_when_it_is_due),
        cmocka_unit_test(a_later_flush_replaces_the_pending_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
