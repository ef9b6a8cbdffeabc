/* larder: tests of expiry and flush_all */
#include "tests/unit/store/fixture.h"

static enum store_outcome put_until(struct fixture *f, const char *key, uint64_t bytes,
                                    uint32_t expiry) {
    struct store_write write = write_of(f, key);
    write.expiry = expiry;
    return put_as(f, &write, f->pattern, bytes);
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
        key_number(key, "key", i);
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
        key_number(key, "key", i);
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
        key_number(key, "key", i);
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
        key_number(key, "key", i);
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
        key_number(key, "key", i);
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

/* Of all items, those that are dead, in a thousand; looked at without the store's help. */
static unsigned dead_mille(const struct fixture *f) {
    const struct slab_pool *pool = &f->store->pool;
    uint64_t items = 0;
    uint64_t dead = 0;
    uint32_t pages = atom_load_relaxed(&pool->extents_live) * pool->pages_per_extent;
    for (uint32_t page = 0; page < pages; page++) {
        const struct slab_page *meta = slab_page_of(pool, page);
        if (atom_load_relaxed(&meta->kind) != SLAB_PAGE_CHUNKS) {
            continue;
        }
        unsigned chunks = pool->classes.per_page[atom_load_relaxed(&meta->class_id)];
        unsigned at = slab_page_next_used(pool, page, 0);
        for (; at < chunks; at = slab_page_next_used(pool, page, at + 1)) {
            struct item *item = item_at(f->store, slab_chunk_location(pool, page, at));
            uint32_t shape = atom_load_relaxed(&item->shape);
            uint32_t expiry = ITEM_KEY_BYTES(shape) == 0 ? 0 : item_expiry(item, shape);
            items += ITEM_KEY_BYTES(shape) != 0;
            dead += expiry != 0 && expiry <= f->now;
        }
    }
    return items == 0 ? 0 : (unsigned)(dead * 1000 / items);
}

/* Each second so many new keys with a life of `from` to `to` seconds; upkeep runs beside. */
static void live_shortly(struct fixture *f, unsigned a_second, uint32_t from, uint32_t to) {
    char key[64];
    uint64_t random = 5;
    uint64_t evictions = 0;
    unsigned number = 0;
    for (unsigned second = 0; second < 3 * to; second++) {
        fixture_pass(f, 1);
        for (unsigned i = 0; i < a_second; i++) {
            key_number(key, "key", number++);
            uint32_t lives_s = from + (uint32_t)(random_next(&random) % (to - from + 1));
            assert_int_equal(put_until(f, key, 60, f->now + lives_s), STORE_OK);
            if (i % 32 == 0) {
                (void)store_upkeep(f->core, 1000000);
            }
            if (i == a_second / 2) { /* upkeep keeps pace: half a second is enough */
                uint64_t before = totals_of(f).evictions;
                assert_true(before == evictions || dead_mille(f) <= 20);
            }
        }
        fixture_upkeep(f);
        uint64_t now = totals_of(f).evictions;
        assert_true(now == evictions || dead_mille(f) <= 20);
        evictions = now;
    }
}

static void with_short_lives_nobody_is_evicted_while_the_dead_lie_about(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    /* What lives at a time fits by half; then twice as much. */
    static const struct {
        unsigned a_second;
        uint32_t from, to;
        bool evicts;
    } rows[] = {{4000, 1, 30, false}, {16000, 1, 30, true}, {8000, 20, 20, true}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture_open(&f, &config);
        (void)pattern(&f, 100, 0);
        live_shortly(&f, rows[i].a_second, rows[i].from, rows[i].to);
        assert_int_equal(totals_of(&f).evictions != 0, rows[i].evicts);
        fixture_close(&f);
    }
}

/* Mixed lives: what is looked at in vain is bounded, what is wholly dead goes all the same. */
static void looks_at_the_living_are_rationed(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 100, 0);
    for (unsigned i = 0; i < 20000; i++) {
        key_number(key, "key", i);
        uint32_t lives_s = i < 10000 ? 2 + i % 100 : 20; /* mixed pages, then uniform ones */
        assert_int_equal(put_until(&f, key, 60, f.now + lives_s), STORE_OK);
    }
    fixture_pass(&f, 21);
    (void)store_upkeep(f.core, 1); /* the sweep begins */
    f.core->expiry_looks = 100;
    fixture_upkeep(&f);
    assert_int_equal(f.core->expiry_looks, 0);
    uint64_t items = totals_of(&f).items;
    /* Of the mixed ones hardly any went, all of the others. */
    assert_true(items > 9000 && items < 11000);
    fixture_pass(&f, 1);
    (void)store_upkeep(f.core, 1);
    assert_int_equal(f.core->expiry_dead_mille, 15); /* a visit has to be worth more now */
    assert_true(f.core->expiry_looks >= 100000);
    for (unsigned second = 0; second < 8; second++) {
        fixture_pass(&f, 1);
        fixture_upkeep(&f);
    }
    assert_int_equal(f.core->expiry_dead_mille, 10); /* there were looks enough */
    assert_true(dead_mille(&f) <= 20);
    fixture_close(&f);
}

static void a_flush_frees_memory_without_being_asked_for_it(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    unsigned keys = fill_until_full(&f, "key", 500);
    assert_true(keys > 10000);
    store_flush(f.core, f.now);
    fixture_pass(&f, 1);
    assert_int_equal(put_text(&f, "after", "lives"), STORE_OK);
    fixture_upkeep(&f);
    fixture_pass(&f, 1);
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).items, 1);
    assert_text(&f, "after", "lives");
    assert_true(totals_of(&f).memory_used_bytes < 3 * MIB);
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
        key_number(key, "key", i);
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
        key_number(key, "key", i);
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
        key_number(key, "key", i);
        assert_int_equal(put_text(&f, key, "old"), STORE_OK);
    }
    store_flush(f.core, 0);
    for (unsigned i = 0; i < 1000; i += 2) {
        key_number(key, "key", i);
        assert_int_equal(get(&f, key).read, STORE_FLUSHED);
        assert_int_equal(put_text(&f, key, "new"), STORE_OK);
    }
    for (unsigned second = 0; second < 3; second++) {
        fixture_pass(&f, 1);
        fixture_upkeep(&f);
    }
    assert_int_equal(totals_of(&f).items, 500);
    for (unsigned i = 0; i < 1000; i++) {
        key_number(key, "key", i);
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
        cmocka_unit_test(with_short_lives_nobody_is_evicted_while_the_dead_lie_about),
        cmocka_unit_test(looks_at_the_living_are_rationed),
        cmocka_unit_test(a_flush_frees_memory_without_being_asked_for_it),
        cmocka_unit_test(what_is_linked_during_a_visit_is_within_the_bounds),
        cmocka_unit_test(cores_that_sleep_leave_nothing_expired_for_good),
        cmocka_unit_test(flush_kills_what_was_stored_before_and_nothing_after),
        cmocka_unit_test(a_delayed_flush_takes_effect_when_it_is_due),
        cmocka_unit_test(a_later_flush_replaces_the_pending_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
