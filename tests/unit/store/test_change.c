/* larder: tests of touch, gat, incr and decr */
#include "tests/unit/store/fixture.h"

static void touch_keeps_the_version_at_every_border_of_a_chunk(void **state) {
    (void)state;
    for (unsigned large = 0; large < 2; large++) {
        struct fixture f;
        struct store_config config = fixture_config();
        config.memory_bytes = large != 0 ? 160 * MIB : 16 * MIB;
        fixture_open(&f, &config);
        uint64_t most = slab_chunk_bytes_max(&f.store->pool.classes) + 200;
        uint64_t bytes = 0;
        for (; bytes < most; bytes += bytes < 700 || bytes + 400 > most ? 1 : 37) {
            struct store_write write = write_of(&f, "key");
            write.client_flags = bytes % 2 != 0 ? 5 : 0;
            assert_int_equal(put_as(&f, &write, pattern(&f, bytes, 1), bytes), STORE_OK);
            uint64_t version = get(&f, "key").head.version;
            static const uint32_t expiries[] = {5000, 6000, 0, 7000, 0};
            for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(touch(&f, "key", expiries[i]), STORE_OK);
                assert_value(&f, "key", f.pattern, bytes);
                struct got got = get(&f, "key");
                assert_int_equal(got.head.expiry, expiries[i]);
                assert_int_equal(got.head.version, version);
                assert_int_equal(got.head.token, version);
                assert_int_equal(got.head.client_flags, write.client_flags);
            }
            assert_int_equal(delete_key(&f, "key"), STORE_OK);
        }
        struct store_totals totals = totals_of(&f);
        assert_int_equal(totals.items, 0);
        assert_int_equal(totals.bytes, 0);
        fixture_upkeep(&f);
        fixture_close(&f);
    }
}

static void a_long_item_is_touched_where_it_stands(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 160 * MIB;
    fixture_open(&f, &config);
    static const uint64_t sizes[] = {490, 500, 5000, 16000, 50000};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(put(&f, "key", pattern(&f, sizes[i], i), sizes[i]), STORE_OK);
        uint64_t location = slot_location(slot_of(&f, "key"));
        assert_int_equal(touch(&f, "key", 5000), STORE_OK);
        /* Else a hold of the lock would copy it whole. */
        assert_int_equal(slot_location(slot_of(&f, "key")) == location, sizes[i] + 19 > 512);
        assert_int_equal(get(&f, "key").head.expiry, 5000);
        assert_value(&f, "key", f.pattern, sizes[i]);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void touch_finds_live_items_only(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(touch(&f, "key", 5000), STORE_NOT_FOUND);
    assert_int_equal(put_text(&f, "key", "v"), STORE_OK);
    assert_int_equal(touch(&f, "key", f.now + 1), STORE_OK);
    fixture_pass(&f, 1);
    assert_int_equal(touch(&f, "key", 5000), STORE_NOT_FOUND);
    assert_int_equal(totals_of(&f).items, 0);
    fixture_close(&f);
}

static void touch_in_full_memory_finds_room(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 4 * MIB;
    fixture_open(&f, &config);
    char key[64];
    unsigned count = fill_until_full(&f, "key", 120); /* chunks without room for an expiry */
    unsigned touched = 0;
    for (unsigned i = count - 500; i < count; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        enum store_outcome outcome = touch(&f, key, 5000);
        assert_true(outcome == STORE_OK || outcome == STORE_NOT_FOUND);
        touched += outcome == STORE_OK && get(&f, key).head.expiry == 5000;
    }
    assert_true(touched > 400);
    fixture_close(&f);
}

static void gat_reads_and_touches_the_same_item(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "key", "value"), STORE_OK);
    struct got got = get_as(&f, "key", STORE_ACCESS_EXPIRY, 5000);
    assert_int_equal(got.read, STORE_HIT);
    assert_int_equal(got.head.expiry, 5000);
    assert_memory_equal(f.out, "value", 5);
    uint64_t version = got.head.version;
    assert_int_equal(get(&f, "key").head.expiry, 5000);
    /* What another stored since the value was read keeps its own expiry. */
    assert_int_equal(put_text(&f, "key", "newer"), STORE_OK);
    struct store_key key = key_of(&f, "key");
    const struct touch touch = {.expiry = 6000, .expect_version = version, .counted = true};
    assert_int_equal(touch_item(f.core, &key, &touch), STORE_EXISTS);
    assert_int_equal(get(&f, "key").head.expiry, 0);
    fixture_close(&f);
}

struct sum {
    const char *before;
    uint64_t delta;
    bool decrement;
    enum store_outcome outcome;
    const char *after;
};

static const struct sum sums[] = {
    {"0", 1, false, STORE_OK, "1"},
    {"9", 1, false, STORE_OK, "10"},
    {"99", 1, false, STORE_OK, "100"},
    {"10", 1, true, STORE_OK, "9 "},
    {"100", 95, true, STORE_OK, "5  "},
    {"5", 6, true, STORE_OK, "0"},
    {"5", UINT64_MAX, true, STORE_OK, "0"},
    {"18446744073709551615", 1, false, STORE_OK, "0                   "},
    {"18446744073709551615", 0, false, STORE_OK, "18446744073709551615"},
    {"18446744073709551615", UINT64_MAX, false, STORE_OK, "18446744073709551614"},
    {"18446744073709551616", 1, false, STORE_NOT_NUMERIC, "18446744073709551616"},
    {"99999999999999999999", 1, true, STORE_NOT_NUMERIC, "99999999999999999999"},
    {"7 ", 1, false, STORE_OK, "8 "},
    {"9 ", 1, false, STORE_OK, "10"},
    {"12  ", 5, true, STORE_OK, "7   "},
    {"007", 1, false, STORE_OK, "8  "},
    {"", 1, false, STORE_NOT_NUMERIC, ""},
    {" ", 1, false, STORE_NOT_NUMERIC, " "},
    {"x", 1, false, STORE_NOT_NUMERIC, "x"},
    {"1x", 1, false, STORE_NOT_NUMERIC, "1x"},
    {"-1", 1, false, STORE_NOT_NUMERIC, "-1"},
    {"1.5", 1, false, STORE_NOT_NUMERIC, "1.5"},
};

static void sums_are_written_as_memcached_does(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        const struct sum *sum = &sums[i];
        assert_int_equal(put_text(&f, "n", sum->before), STORE_OK);
        uint64_t version = get(&f, "n").head.version;
        struct store_key key = key_of(&f, "n");
        uint64_t value = 0;
        assert_int_equal(store_arith(f.core, &key, sum->decrement, sum->delta, &value),
                         sum->outcome);
        assert_text(&f, "n", sum->after);
        assert_int_equal(get(&f, "n").head.version > version, sum->outcome == STORE_OK);
        assert_true(sum->outcome != STORE_OK || value == strtoull(sum->after, NULL, 10));
    }
    fixture_close(&f);
}

static void a_number_that_grows_out_of_its_chunk_keeps_flags_and_expiry(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned pad = 0; pad < 40; pad++) {
        char name[64];
        memset(name, 'n', 10 + pad);
        name[10 + pad] = '\0';
        struct store_write write = write_of(&f, name);
        write.client_flags = pad % 2 != 0 ? 8 : 0;
        write.expiry = pad % 3 != 0 ? 9000 : 0;
        assert_int_equal(put_as(&f, &write, "1", 1), STORE_OK);
        struct store_key key = key_of(&f, name);
        uint64_t want = 1;
        for (unsigned i = 0; i < 19; i++) {
            uint64_t value = 0;
            assert_int_equal(store_arith(f.core, &key, false, want * 9, &value), STORE_OK);
            want *= 10;
            assert_int_equal(value, want);
        }
        assert_text(&f, name, "10000000000000000000");
        struct got got = get(&f, name);
        assert_int_equal(got.head.client_flags, write.client_flags);
        assert_int_equal(got.head.expiry, write.expiry);
    }
    fixture_close(&f);
}

static void long_and_chained_values_are_no_numbers(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_key key = key_of(&f, "n");
    uint64_t value;
    assert_int_equal(store_arith(f.core, &key, false, 1, &value), STORE_NOT_FOUND);
    char text[5001];
    memset(text, ' ', sizeof(text));
    text[0] = '4';
    static const unsigned sizes[] = {255, 256, 5000};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(put(&f, "n", text, sizes[i]), STORE_OK);
        assert_int_equal(store_arith(f.core, &key, false, 1, &value),
                         i == 0 ? STORE_OK : STORE_NOT_NUMERIC);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(touch_keeps_the_version_at_every_border_of_a_chunk),
        cmocka_unit_test(a_long_item_is_touched_where_it_stands),
        cmocka_unit_test(touch_finds_live_items_only),
        cmocka_unit_test(touch_in_full_memory_finds_room),
        cmocka_unit_test(gat_reads_and_touches_the_same_item),
        cmocka_unit_test(sums_are_written_as_memcached_does),
        cmocka_unit_test(a_number_that_grows_out_of_its_chunk_keeps_flags_and_expiry),
        cmocka_unit_test(long_and_chained_values_are_no_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
