/* larder: tests of storing whole values */
#include "tests/unit/store/fixture.h"

enum item_state { LIVE, ABSENT, EXPIRED, FLUSHED, STATES };

static void bring_to(struct fixture *f, enum item_state state) {
    struct store_write write = write_of(f, "key");
    write.expiry = f->now + 1;
    switch (state) {
    case LIVE:
        assert_int_equal(put_text(f, "key", "old"), STORE_OK);
        break;
    case EXPIRED:
        assert_int_equal(put_as(f, &write, "old", 3), STORE_OK);
        fixture_pass(f, 1);
        break;
    case FLUSHED:
        assert_int_equal(put_text(f, "key", "old"), STORE_OK);
        store_flush(f->core, 0);
        break;
    default:
        (void)delete_key(f, "key");
        break;
    }
}

/* What a mode answers, and what lies under the key then. */
static void check_mode(enum store_mode mode, enum item_state state) {
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    static const char *results[] = {"new", "old", "new", "oldnew", "newold"};
    bring_to(&f, state);
    bool live = state == LIVE;
    bool stores = mode == STORE_SET || (mode == STORE_ADD) != live;
    struct store_write write = write_of(&f, "key");
    write.mode = mode;
    assert_int_equal(put_as(&f, &write, "new", 3), stores ? STORE_OK : STORE_NOT_STORED);
    if (live) {
        assert_text(&f, "key", results[mode]);
    } else if (stores) {
        assert_text(&f, "key", "new");
    } else {
        assert_missing(&f, "key");
    }
    assert_int_equal(totals_of(&f).items <= 1, 1);
    fixture_close(&f);
}

static void each_mode_knows_live_items_from_dead_ones(void **state) {
    (void)state;
    for (unsigned mode = STORE_SET; mode <= STORE_PREPEND; mode++) {
        for (unsigned item = 0; item < STATES; item++) {
            check_mode((enum store_mode)mode, (enum item_state)item);
        }
    }
}

static void a_compared_write_needs_the_items_token(void **state) {
    (void)state;
    for (unsigned item = 0; item < STATES; item++) {
        struct fixture f;
        struct store_config config = fixture_config();
        fixture_open(&f, &config);
        bring_to(&f, (enum item_state)item);
        struct store_write write = write_of(&f, "key");
        write.compare = true;
        write.compare_token = 12345;
        enum store_outcome wrong = item == LIVE ? STORE_EXISTS : STORE_NOT_FOUND;
        assert_int_equal(put_as(&f, &write, "new", 3), wrong);
        if (item == LIVE) {
            assert_text(&f, "key", "old");
            uint64_t token = get(&f, "key").head.token;
            uint64_t next = 0;
            struct iovec value = {"new", 3};
            write.compare_token = token;
            assert_int_equal(store_put(f.core, &write, &value, &next), STORE_OK);
            assert_true(next > token);
            assert_int_equal(get(&f, "key").head.token, next);
            assert_int_equal(put_as(&f, &write, "newer", 5), STORE_EXISTS);
        }
        fixture_close(&f);
    }
}

static void a_token_that_the_client_chose_is_kept_beside_the_version(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "key", "old"), STORE_OK);
    uint64_t version = get(&f, "key").head.version;
    struct store_write write = write_of(&f, "key");
    write.set_token = true;
    write.token = 3; /* smaller than any before */
    assert_int_equal(put_as(&f, &write, "new", 3), STORE_OK);
    struct got got = get(&f, "key");
    assert_int_equal(got.head.token, 3);
    assert_true(got.head.version > version);
    write.set_token = false;
    write.compare = true;
    write.compare_token = 3;
    assert_int_equal(put_as(&f, &write, "newer", 5), STORE_OK);
    assert_true(get(&f, "key").head.version > got.head.version);
    fixture_close(&f);
}

static void flags_and_expiry_come_and_go(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    static const uint64_t sizes[] = {0, 40, 500, 900, 6000};
    for (unsigned i = 0; i < 5 * 64; i++) {
        uint64_t bytes = sizes[i / 64];
        struct store_write write = write_of(&f, "key");
        write.client_flags = (i & 1) != 0 ? i : 0;
        write.expiry = (i & 2) != 0 ? 4000 + i : 0;
        write.set_token = (i & 4) != 0;
        write.token = i + 1;
        write.key_is_binary = (i & 8) != 0;
        assert_int_equal(put_as(&f, &write, pattern(&f, bytes, i), bytes), STORE_OK);
        assert_value(&f, "key", f.pattern, bytes);
        struct got got = get(&f, "key");
        assert_int_equal(got.head.client_flags, write.client_flags);
        assert_int_equal(got.head.expiry, write.expiry);
        assert_int_equal(got.head.key_is_binary, write.key_is_binary);
        assert_true(!write.set_token || got.head.token == i + 1);
        fixture_check(&f);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static uint64_t location_of(struct fixture *f, const char *key) {
    return slot_location(slot_of(f, key));
}

static void a_short_overwrite_of_the_same_class_stays_in_its_chunk(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    unsigned stayed = 0;
    for (uint64_t old_bytes = 0; old_bytes < 600; old_bytes += 7) {
        for (uint64_t bytes = 0; bytes < 600; bytes += 13) {
            assert_int_equal(put(&f, "key", pattern(&f, old_bytes, 1), old_bytes), STORE_OK);
            uint64_t location = location_of(&f, "key");
            unsigned class_id = get(&f, "key").head.class_id;
            uint64_t total = 16 + 3 + bytes;
            bool same = total <= f.store->pool.classes.chunk_bytes[class_id] && total <= 512 &&
                        class_id <= fit_class(f.store, f.p, total);
            assert_int_equal(put(&f, "key", pattern(&f, bytes, 2), bytes), STORE_OK);
            assert_value(&f, "key", f.pattern, bytes);
            assert_int_equal(location_of(&f, "key") == location, same);
            stayed += same;
        }
    }
    assert_true(stayed > 40);
    assert_int_equal(totals_of(&f).items, 1);
    fixture_close(&f);
}

static void every_size_comes_back_as_it_was(void **state) {
    (void)state;
    for (unsigned large = 0; large < 2; large++) {
        struct fixture f;
        struct store_config config = fixture_config();
        config.memory_bytes = large != 0 ? 160 * MIB : 16 * MIB;
        fixture_open(&f, &config);
        assert_int_equal(slab_page_bytes(&f.store->pool), large != 0 ? 65536 : 16384);
        for (uint64_t bytes = 0; bytes < 40000; bytes += bytes < 5000 ? 3 : 119) {
            assert_int_equal(put(&f, "key", pattern(&f, bytes, 5), bytes), STORE_OK);
            assert_value(&f, "key", f.pattern, bytes);
        }
        assert_int_equal(put(&f, "key", pattern(&f, MIB - 62, 6), MIB - 62), STORE_OK);
        assert_value(&f, "key", f.pattern, MIB - 62);
        fixture_upkeep(&f);
        fixture_close(&f);
    }
}

static void the_size_limit_is_memcacheds_and_a_failing_set_deletes(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(store_item_bytes(f.store, 3, 0, 10), 48 + 8 + 3 + 1 + 10 + 2);
    assert_int_equal(store_item_bytes(f.store, 3, 1, 10), 48 + 8 + 4 + 3 + 1 + 10 + 2);
    uint64_t most = MIB - store_item_bytes(f.store, 3, 0, 0);
    assert_true(store_item_fits(f.store, 3, 0, most));
    assert_false(store_item_fits(f.store, 3, 0, most + 1));
    assert_false(store_item_fits(f.store, 3, 1, most));
    assert_false(store_item_fits(f.store, 3, 0, UINT64_MAX));
    (void)pattern(&f, MIB, 0);
    for (unsigned mode = STORE_SET; mode <= STORE_PREPEND; mode++) {
        assert_int_equal(put_text(&f, "key", "old"), STORE_OK);
        struct store_write write = write_of(&f, "key");
        write.mode = (enum store_mode)mode;
        assert_int_equal(put_as(&f, &write, f.pattern, most + 1), STORE_TOO_LARGE);
        assert_int_equal(has(&f, "key"), mode != STORE_SET);
    }
    assert_int_equal(put(&f, "key", f.pattern, most), STORE_OK);
    struct store_write write = write_of(&f, "key");
    write.mode = STORE_APPEND;
    assert_int_equal(put_as(&f, &write, "x", 1), STORE_NOT_STORED);
    assert_value(&f, "key", f.pattern, most);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void versions_rise_with_every_store_and_are_unique(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.partition_count = 4;
    config.memory_bytes = 32 * MIB;
    fixture_open(&f, &config);
    char key[64];
    uint64_t last[16] = {0};
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i % 16);
        assert_int_equal(put(&f, key, &i, i % 4), STORE_OK);
        uint64_t version = get(&f, key).head.version;
        for (unsigned j = 0; j < 16; j++) {
            assert_int_not_equal(version, last[j]);
        }
        assert_true(version > last[i % 16] && version < (uint64_t)1 << 63);
        last[i % 16] = version;
    }
    assert_int_equal(totals_of(&f).items_total, 2000);
    fixture_close(&f);
}

static void append_and_prepend_keep_flags_and_expiry_and_compare(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_write write = write_of(&f, "key");
    write.client_flags = 9;
    write.expiry = 4000;
    assert_int_equal(put_as(&f, &write, "b", 1), STORE_OK);
    struct store_write change = write_of(&f, "key");
    change.mode = STORE_APPEND;
    change.client_flags = 77;
    assert_int_equal(put_as(&f, &change, "c", 1), STORE_OK);
    change.mode = STORE_PREPEND;
    assert_int_equal(put_as(&f, &change, "a", 1), STORE_OK);
    assert_text(&f, "key", "abc");
    struct got got = get(&f, "key");
    assert_int_equal(got.head.client_flags, 9);
    assert_int_equal(got.head.expiry, 4000);
    change.compare = true;
    change.compare_token = got.head.token + 512;
    assert_int_equal(put_as(&f, &change, "x", 1), STORE_EXISTS);
    change.compare_token = got.head.token;
    assert_int_equal(put_as(&f, &change, "_", 1), STORE_OK);
    assert_text(&f, "key", "_abc");
    change.key = key_of(&f, "missing");
    assert_int_equal(put_as(&f, &change, "_", 1), STORE_NOT_FOUND);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mode_knows_live_items_from_dead_ones),
        cmocka_unit_test(a_compared_write_needs_the_items_token),
        cmocka_unit_test(a_token_that_the_client_chose_is_kept_beside_the_version),
        cmocka_unit_test(flags_and_expiry_come_and_go),
        cmocka_unit_test(a_short_overwrite_of_the_same_class_stays_in_its_chunk),
        cmocka_unit_test(every_size_comes_back_as_it_was),
        cmocka_unit_test(the_size_limit_is_memcacheds_and_a_failing_set_deletes),
        cmocka_unit_test(versions_rise_with_every_store_and_are_unique),
        cmocka_unit_test(append_and_prepend_keep_flags_and_expiry_and_compare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
