/* larder: tests of what meta asks for - wins, stale items, tombstones, tokens, first values */
#include "tests/unit/store/fixture.h"

struct lookup_sink {
    struct store_lookup lookup;
    uint8_t *out;
};

static uint8_t *lookup_place(struct store_sink *sink, const struct store_head *head) {
    (void)head;
    return ((struct lookup_sink *)sink)->out;
}

static struct got look_up(struct fixture *f, const char *key, struct store_lookup *lookup) {
    struct lookup_sink sink = {.lookup = *lookup, .out = f->out};
    sink.lookup.sink.place = lookup_place;
    struct got got = {.read = STORE_MISS};
    struct store_key store_key = key_of(f, key);
    got.read = store_look_up(f->core, &store_key, &sink.lookup, &got.head, NULL);
    *lookup = sink.lookup;
    return got;
}

static void a_miss_creates_an_item_and_one_asker_wins(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_lookup lookup = {.vivify = true, .vivify_expiry = f.now + 30};
    struct got got = look_up(&f, "key", &lookup);
    assert_int_equal(got.read, STORE_HIT);
    assert_true(lookup.won);
    assert_true(lookup.created);
    assert_int_equal(got.head.value_bytes, 0);
    assert_int_equal(got.head.expiry, f.now + 30);
    for (unsigned i = 0; i < 3; i++) {
        lookup = (struct store_lookup){.vivify = true, .vivify_expiry = 7};
        got = look_up(&f, "key", &lookup);
        assert_int_equal(got.read, STORE_HIT);
        assert_false(lookup.won);
        assert_false(lookup.created);
        assert_true(got.head.win_sent);
    }
    assert_int_equal(put_text(&f, "key", "value"), STORE_OK);
    lookup = (struct store_lookup){.vivify = true};
    got = look_up(&f, "key", &lookup);
    assert_false(got.head.win_sent);
    assert_false(lookup.won);
    fixture_close(&f);
}

static void a_miss_without_creating_is_a_miss(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_lookup lookup = {.recache = true, .recache_before = f.now + 10};
    assert_int_equal(look_up(&f, "key", &lookup).read, STORE_MISS);
    assert_false(lookup.won);
    assert_int_equal(totals_of(&f).items, 0);
    fixture_close(&f);
}

static void an_item_near_its_end_is_recached_by_one(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_write write = write_of(&f, "key");
    write.expiry = f.now + 20;
    assert_int_equal(put_as(&f, &write, "v", 1), STORE_OK);
    uint64_t version = get(&f, "key").head.version;
    struct store_lookup lookup = {.recache = true, .recache_before = f.now + 10};
    (void)look_up(&f, "key", &lookup);
    assert_false(lookup.won);
    lookup.recache_before = f.now + 30;
    struct got got = look_up(&f, "key", &lookup);
    assert_true(lookup.won);
    assert_false(got.head.win_sent);
    got = look_up(&f, "key", &lookup);
    assert_false(lookup.won);
    assert_true(got.head.win_sent);
    assert_int_equal(got.head.version, version);
    assert_text(&f, "key", "v");
    fixture_close(&f);
}

static enum store_outcome remove_as(struct fixture *f, const char *key,
                                    const struct store_removal *removal) {
    struct store_key store_key = key_of(f, key);
    return store_remove(f->core, &store_key, removal);
}

static void a_stale_item_keeps_its_value_at_any_size(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 10, 500, 3900, 4050, 5000, 60000};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 7 * 8; i++) {
        uint64_t bytes = sizes[i % 7];
        struct store_write write = write_of(&f, "key");
        write.client_flags = i % 2;
        write.expiry = i % 3 == 0 ? f.now + 500 : 0;
        assert_int_equal(put_as(&f, &write, pattern(&f, bytes, i), bytes), STORE_OK);
        uint64_t version = get(&f, "key").head.version;
        struct store_removal removal = {.invalidate = true};
        removal.touch = (i / 7 & 1) != 0;
        removal.expiry = removal.touch ? f.now + 40 : 0;
        removal.set_token = (i / 7 & 2) != 0;
        removal.token = 1000 + i;
        assert_int_equal(remove_as(&f, "key", &removal), STORE_OK);
        assert_value(&f, "key", f.pattern, bytes);
        struct got got = get(&f, "key");
        assert_true(got.head.stale);
        assert_true(got.head.version > version);
        assert_int_equal(got.head.token, removal.set_token ? 1000 + i : got.head.version);
        assert_int_equal(got.head.expiry, removal.touch ? removal.expiry : write.expiry);
        assert_int_equal(got.head.client_flags, i % 2);
        struct store_lookup lookup = {.vivify = false};
        (void)look_up(&f, "key", &lookup);
        assert_true(lookup.won);
        (void)look_up(&f, "key", &lookup);
        assert_false(lookup.won);
        fixture_check(&f);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_tombstone_has_no_value(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 10, 5000, 60000};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 4; i++) {
        struct store_write write = write_of(&f, "key");
        write.client_flags = 9;
        write.expiry = f.now + 500;
        assert_int_equal(put_as(&f, &write, pattern(&f, sizes[i], i), sizes[i]), STORE_OK);
        uint64_t token = get(&f, "key").head.token;
        struct store_removal removal = {.drop_value = true};
        assert_int_equal(remove_as(&f, "key", &removal), STORE_OK);
        struct got got = get(&f, "key");
        assert_int_equal(got.read, STORE_HIT);
        assert_int_equal(got.head.value_bytes, 0);
        assert_int_equal(got.head.client_flags, 0);
        assert_int_equal(got.head.expiry, 0);
        assert_int_equal(got.head.token, token);
        assert_false(got.head.stale);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_removal_compares_tokens(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(put(&f, "key", pattern(&f, i * 3000, 0), i * 3000), STORE_OK);
        uint64_t token = get(&f, "key").head.token;
        struct store_removal removal = {.compare = true, .compare_token = token + 512};
        removal.invalidate = i % 2 != 0;
        removal.set_token = i > 1;
        removal.token = 5;
        assert_int_equal(remove_as(&f, "missing", &removal), STORE_NOT_FOUND);
        assert_int_equal(remove_as(&f, "key", &removal), STORE_EXISTS);
        assert_value(&f, "key", f.pattern, i * 3000);
        removal.compare_token = token;
        assert_int_equal(remove_as(&f, "key", &removal), STORE_OK);
        assert_int_equal(has(&f, "key"), i % 2 != 0);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_write_with_a_lower_token_leaves_a_stale_item(void **state) {
    (void)state;
    static const uint64_t sizes[] = {5, 800, 9000};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 3; i++) {
        struct store_write write = write_of(&f, "key");
        write.set_token = true;
        write.token = 100;
        write.expiry = f.now + 300;
        assert_int_equal(put_as(&f, &write, "old", 3), STORE_OK);
        write = write_of(&f, "key");
        write.compare = true;
        write.invalidate = true;
        write.compare_token = 101;
        assert_int_equal(put_as(&f, &write, pattern(&f, sizes[i], i), sizes[i]), STORE_EXISTS);
        write.compare_token = 99;
        assert_int_equal(put_as(&f, &write, f.pattern, sizes[i]), STORE_OK);
        struct got got = get(&f, "key");
        assert_true(got.head.stale);
        assert_int_equal(got.head.expiry, f.now + 300);
        assert_value(&f, "key", f.pattern, sizes[i]);
        write.compare_token = got.head.token;
        assert_int_equal(put_as(&f, &write, f.pattern, sizes[i]), STORE_OK);
        assert_false(get(&f, "key").head.stale);
        assert_int_equal(get(&f, "key").head.expiry, 0);
        fixture_check(&f);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void counting_creates_compares_touches_and_sets_tokens(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_key key = key_of(&f, "n");
    struct store_count count = {.delta = 5, .create = true, .initial = 13,
                                .create_expiry = f.now + 50};
    struct store_counted counted;
    assert_int_equal(store_count(f.core, &key, &count, &counted), STORE_OK);
    assert_true(counted.created);
    assert_int_equal(counted.value, 13);
    assert_text(&f, "n", "13");
    assert_int_equal(get(&f, "n").head.expiry, f.now + 50);
    assert_int_equal(get(&f, "n").head.token, counted.token);
    assert_int_equal(store_count(f.core, &key, &count, &counted), STORE_OK);
    assert_false(counted.created);
    assert_int_equal(counted.value, 18);
    count = (struct store_count){.delta = 1, .compare = true, .compare_token = 1};
    assert_int_equal(store_count(f.core, &key, &count, &counted), STORE_EXISTS);
    count.compare_token = get(&f, "n").head.token;
    count.touch = true;
    count.expiry = 0;
    count.set_token = true;
    count.token = 77;
    assert_int_equal(store_count(f.core, &key, &count, &counted), STORE_OK);
    assert_int_equal(counted.value, 19);
    assert_int_equal(get(&f, "n").head.token, 77);
    assert_int_equal(get(&f, "n").head.expiry, 0);
    fixture_close(&f);
}

static void an_append_may_create(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 5, 3000, 9000};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t bytes = sizes[i % 4];
        uint64_t joined = 0;
        struct store_write write = write_of(&f, "key");
        write.mode = i < 4 ? STORE_APPEND : STORE_PREPEND;
        write.create = true;
        write.client_flags = 3;
        write.expiry = f.now + 60;
        write.value_bytes = &joined;
        assert_int_equal(put_as(&f, &write, pattern(&f, bytes, i), bytes), STORE_OK);
        assert_value(&f, "key", f.pattern, bytes);
        struct got got = get(&f, "key");
        assert_int_equal(got.head.client_flags, 3);
        assert_int_equal(got.head.expiry, f.now + 60);
        assert_int_equal(put_as(&f, &write, f.pattern, bytes), STORE_OK);
        assert_int_equal(get(&f, "key").head.value_bytes, 2 * bytes);
        assert_int_equal(delete_key(&f, "key"), STORE_OK);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void marks_survive_a_move_and_a_touch(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "key", "value"), STORE_OK);
    struct store_removal removal = {.invalidate = true};
    assert_int_equal(remove_as(&f, "key", &removal), STORE_OK);
    assert_int_equal(touch(&f, "key", f.now + 100), STORE_OK);
    assert_true(get(&f, "key").head.stale);
    struct store_lookup lookup = {.vivify = false};
    (void)look_up(&f, "key", &lookup);
    assert_true(lookup.won);
    assert_int_equal(touch(&f, "key", 0), STORE_OK);
    struct got got = get(&f, "key");
    assert_true(got.head.stale && got.head.win_sent);
    assert_text(&f, "key", "value");
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_miss_creates_an_item_and_one_asker_wins),
        cmocka_unit_test(a_miss_without_creating_is_a_miss),
        cmocka_unit_test(an_item_near_its_end_is_recached_by_one),
        cmocka_unit_test(a_stale_item_keeps_its_value_at_any_size),
        cmocka_unit_test(a_tombstone_has_no_value),
        cmocka_unit_test(a_removal_compares_tokens),
        cmocka_unit_test(a_write_with_a_lower_token_leaves_a_stale_item),
        cmocka_unit_test(counting_creates_compares_touches_and_sets_tokens),
        cmocka_unit_test(an_append_may_create),
        cmocka_unit_test(marks_survive_a_move_and_a_touch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
