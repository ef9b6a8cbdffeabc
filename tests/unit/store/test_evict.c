/* larder: tests of eviction */
#include "tests/unit/store/fixture.h"

static void items_that_are_read_survive_a_scan_of_ten_caches(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 200, 0);
    enum { HOT = 500 };
    for (unsigned i = 0; i < HOT; i++) {
        key_number(key, "hot", i);
        assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
        (void)get(&f, key);
        (void)get(&f, key);
    }
    unsigned capacity = (unsigned)(config.memory_bytes / 260);
    unsigned survivors = HOT;
    for (unsigned i = 0; i < capacity * 10; i++) {
        key_number(key, "scan", i);
        assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
    }
    for (unsigned i = 0; i < HOT; i++) {
        key_number(key, "hot", i);
        survivors -= !has(&f, key);
    }
    assert_true(survivors >= HOT * 95 / 100);
    fixture_close(&f);
}

/* How many of `count` items of `bytes`, each read `reads` times, are there after a scan. */
static unsigned survivors_of(uint64_t bytes, unsigned count, unsigned reads) {
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, bytes, 0);
    (void)fill_until_full(&f, "first", 200);
    for (unsigned i = 0; i < count; i++) {
        key_number(key, "large", i);
        assert_int_equal(put(&f, key, f.pattern, bytes), STORE_OK);
        for (unsigned j = 0; j < reads; j++) {
            assert_int_equal(get(&f, key).read, STORE_HIT);
        }
    }
    for (unsigned i = 0; i < 30000; i++) {
        key_number(key, "scan", i);
        assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
    }
    unsigned survivors = 0;
    for (unsigned i = 0; i < count; i++) {
        key_number(key, "large", i);
        survivors += has(&f, key);
    }
    fixture_close(&f);
    return survivors;
}

static void a_large_item_survives_a_scan_when_it_was_read_twice(void **state) {
    (void)state;
    assert_true(survivors_of(2000, 100, 2) >= 95);
    assert_true(survivors_of(200, 100, 1) >= 95);
}

static uint32_t freqs_of_main(struct fixture *f) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < geometry_buckets(atom_load_relaxed(&f->p->geometry)); i++) {
        const struct bucket *line = index_bucket(f->store, f->p, i);
        for (unsigned j = 0; j < BUCKET_SLOTS; j++) {
            uint64_t slot = atom_load_relaxed(&line->slots[j]);
            sum += (slot & SLOT_MAIN) != 0 ? slot_freq(slot) : 0;
        }
    }
    return sum;
}

/* As if so many items had been evicted, one in `returns` of which came back. */
static void turn_over(struct fixture *f, unsigned count, unsigned returns) {
    for (unsigned i = 0; i < count; i++) {
        if (returns != 0 && i % returns == 0) {
            balance_note_return(f->p, 1);
        }
        balance_note_victim(f->p, 136);
        balance_step(f->store, f->p);
    }
}

static void probes_of_main_leave_the_counters_as_they_were(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 100, 0);
    enum { ITEMS = 20000 };
    for (unsigned i = 0; i < ITEMS; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, f.pattern, 100), STORE_OK);
    }
    for (unsigned i = 0; i < ITEMS * 2; i++) {
        key_number(key, "key", i / 2);
        (void)get(&f, key);
    }
    uint32_t before = freqs_of_main(&f);
    assert_true(before > ITEMS);
    turn_over(&f, ITEMS, 0);
    /* Those of the probes still out are one lower. */
    uint32_t after = freqs_of_main(&f);
    assert_true(after <= before && before - after <= BALANCE_PROBES * BUCKET_SLOTS);
    fixture_close(&f);
}

static void the_small_queue_grows_while_victims_come_back_and_main_is_not_read(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 100, 0);
    enum { ITEMS = 20000 };
    for (unsigned i = 0; i < ITEMS; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, f.pattern, 100), STORE_OK);
    }
    assert_int_equal(f.p->balance->share, BALANCE_UNIT / 10);
    turn_over(&f, ITEMS, 4);
    assert_false(f.p->balance->idle);
    assert_int_equal(f.p->balance->share, BALANCE_UNIT * 8 / 10);
    /* Nothing is read, nothing returns. */
    turn_over(&f, ITEMS, 0);
    assert_true(f.p->balance->idle);
    assert_int_equal(f.p->balance->share, BALANCE_UNIT / 10);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < ITEMS; j++) {
            key_number(key, "key", j);
            (void)get(&f, key);
        }
        turn_over(&f, ITEMS / 20, 0);
    }
    assert_false(f.p->balance->idle);
    assert_int_equal(f.p->balance->share, BALANCE_UNIT / 10);
    fixture_close(&f);
}

static void what_nobody_reads_leaves_first(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 200, 0);
    unsigned count = (unsigned)(config.memory_bytes / 300);
    for (unsigned i = 0; i < count * 4; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
        if (i % 10 == 0) {
            (void)get(&f, key);
        }
    }
    struct store_totals totals = totals_of(&f);
    assert_true(totals.evictions > count * 2);
    assert_true(totals.evicted_unfetched > totals.evictions * 8 / 10);
    fixture_close(&f);
}

static void a_key_that_returns_while_its_ghost_is_known_enters_main(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 4 * MIB;
    fixture_open(&f, &config);
    char key[64];
    unsigned count = fill_until_full(&f, "key", 200);
    for (unsigned i = 0; i < count; i++) {
        key_number(key, "more", i);
        assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
    }
    uint64_t hits = totals_of(&f).ghost_hits;
    unsigned returned = 0;
    for (unsigned i = count / 2; i > 0 && returned < 100; i--) {
        key_number(key, "more", i);
        if (!has(&f, key)) {
            assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
            uint64_t now = totals_of(&f).ghost_hits;
            if (now != hits) {
                assert_true((slot_of(&f, key) & SLOT_MAIN) != 0);
                returned++;
            }
            hits = now;
        }
    }
    assert_true(returned >= 50);
    fixture_close(&f);
}

static void expired_items_make_room_before_living_ones(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 200, 0);
    unsigned count = (unsigned)(config.memory_bytes * 7 / 10 / 270);
    for (unsigned i = 0; i < count; i++) {
        key_number(key, "key", i);
        struct store_write write = write_of(&f, key);
        write.expiry = i % 2 != 0 ? f.now + 5 : 0;
        assert_int_equal(put_as(&f, &write, f.pattern, 200), STORE_OK);
    }
    fixture_pass(&f, 6);
    fixture_upkeep(&f);
    for (unsigned i = 0; i < count / 2; i++) {
        key_number(key, "new", i);
        assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
    }
    assert_int_equal(totals_of(&f).evictions, 0);
    for (unsigned i = 0; i < count; i += 2) {
        key_number(key, "key", i);
        assert_true(has(&f, key));
    }
    fixture_close(&f);
}

static void items_with_a_short_life_are_spared_where_asked_for(void **state) {
    (void)state;
    unsigned survivors[2];
    for (unsigned spare = 0; spare < 2; spare++) {
        struct fixture f;
        struct store_config config = fixture_config();
        config.memory_bytes = 8 * MIB;
        config.temporary_ttl = spare != 0 ? 60 : 0;
        fixture_open(&f, &config);
        char key[64];
        (void)fill_until_full(&f, "first", 200);
        for (unsigned i = 0; i < 1000; i++) {
            key_number(key, "brief", i);
            struct store_write write = write_of(&f, key);
            write.expiry = f.now + 50;
            assert_int_equal(put_as(&f, &write, f.pattern, 200), STORE_OK);
        }
        for (unsigned i = 0; i < 100000; i++) {
            key_number(key, "long", i);
            assert_int_equal(put(&f, key, f.pattern, 200), STORE_OK);
        }
        survivors[spare] = 0;
        for (unsigned i = 0; i < 1000; i++) {
            key_number(key, "brief", i);
            survivors[spare] += has(&f, key);
        }
        fixture_close(&f);
    }
    assert_true(survivors[0] < 100);
    assert_true(survivors[1] > 900);
}

static void spared_items_go_when_there_is_nothing_else(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 4 * MIB;
    config.temporary_ttl = 1000;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 200, 0);
    for (unsigned i = 0; i < 40000; i++) {
        key_number(key, "brief", i);
        struct store_write write = write_of(&f, key);
        write.expiry = f.now + 900;
        assert_int_equal(put_as(&f, &write, f.pattern, 200), STORE_OK);
    }
    fixture_close(&f);
}

static void the_hand_finds_everybody(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 200, 0);
    unsigned count = 20000;
    for (unsigned i = 0; i < count; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, f.pattern, 100), STORE_OK);
        (void)get(&f, key);
    }
    /* Whatever they have been worth: asked for all, all go. */
    for (unsigned i = 0; i < 20000 && totals_of(&f).items > 0; i++) {
        partition_lock(f.core, f.p);
        unsigned left = evict_batch(f.store, f.p, EVICT_BATCH_MAX, false, f.now);
        assert_true(left <= EVICT_BATCH_MAX);
        (void)index_step(f.store, f.p);
        partition_unlock(f.core, f.p);
    }
    assert_int_equal(totals_of(&f).items, 0);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void large_values_are_evicted_whole(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[64];
    (void)pattern(&f, 200 * KIB, 0);
    for (unsigned i = 0; i < 500; i++) {
        key_number(key, "key", i);
        uint64_t bytes = 200 * KIB - i * 100;
        assert_int_equal(put(&f, key, f.pattern, bytes), STORE_OK);
        assert_value(&f, key, f.pattern, bytes);
    }
    struct store_totals totals = totals_of(&f);
    assert_true(totals.bytes > 10 * MIB);
    assert_true(totals.evictions + totals.items >= 500);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void counters_add_up(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 4 * MIB;
    fixture_open(&f, &config);
    char key[64];
    uint64_t random = 5;
    (void)pattern(&f, 3000, 0);
    for (unsigned i = 0; i < 50000; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, f.pattern, random_next(&random) % 1500), STORE_OK);
    }
    struct store_totals totals = totals_of(&f);
    assert_int_equal(totals.items + totals.evictions, 50000);
    assert_int_equal(totals.items_total, 50000);
    uint64_t evicted = 0;
    uint64_t items = 0;
    uint64_t small = 0;
    for (unsigned i = 1; i <= totals.classes; i++) {
        struct store_class_totals class;
        (void)store_class_totals(f.store, i, &class);
        evicted += class.evicted;
        items += class.items;
        small += class.items_small;
        assert_int_equal(class.chunks_used, class.items);
    }
    assert_int_equal(evicted, totals.evictions);
    assert_int_equal(items, totals.items);
    assert_true(small <= items);
    store_counters_reset(f.store);
    assert_int_equal(totals_of(&f).evictions, 0);
    assert_int_equal(totals_of(&f).items, items);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_that_are_read_survive_a_scan_of_ten_caches),
        cmocka_unit_test(a_large_item_survives_a_scan_when_it_was_read_twice),
        cmocka_unit_test(probes_of_main_leave_the_counters_as_they_were),
        cmocka_unit_test(the_small_queue_grows_while_victims_come_back_and_main_is_not_read),
        cmocka_unit_test(what_nobody_reads_leaves_first),
        cmocka_unit_test(a_key_that_returns_while_its_ghost_is_known_enters_main),
        cmocka_unit_test(expired_items_make_room_before_living_ones),
        cmocka_unit_test(items_with_a_short_life_are_spared_where_asked_for),
        cmocka_unit_test(spared_items_go_when_there_is_nothing_else),
        cmocka_unit_test(the_hand_finds_everybody),
        cmocka_unit_test(large_values_are_evicted_whole),
        cmocka_unit_test(counters_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
