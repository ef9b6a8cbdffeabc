/* larder: tests of reading */
#include "tests/unit/store/fixture.h"

static void a_head_tells_all_of_the_item(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_write write = write_of(&f, "a key");
    write.client_flags = 0xdeadbeef;
    write.expiry = 5000;
    write.key_is_binary = true;
    assert_int_equal(put_as(&f, &write, "value", 5), STORE_OK);
    struct got got = get(&f, "a key");
    assert_int_equal(got.read, STORE_HIT);
    assert_int_equal(got.head.client_flags, 0xdeadbeef);
    assert_int_equal(got.head.expiry, 5000);
    assert_int_equal(got.head.value_bytes, 5);
    assert_int_equal(got.head.key_bytes, 5);
    assert_int_equal(got.head.accessed, f.now);
    assert_int_equal(got.head.token, got.head.version);
    assert_int_not_equal(got.head.token, 0);
    assert_true(got.head.key_is_binary);
    assert_false(got.head.fetched);
    assert_false(got.head.stale);
    assert_false(got.head.win_sent);
    assert_int_equal(got.head.class_id, fit_class(f.store, f.p, 16 + 4 + 4 + 5 + 5));
    assert_true(get(&f, "a key").head.fetched);
    fixture_close(&f);
}

static void without_tokens_a_head_has_none(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.token_in_items = false;
    fixture_open(&f, &config);
    uint64_t token = 5;
    struct store_write write = write_of(&f, "key");
    struct iovec value = {"", 0};
    assert_int_equal(store_put(f.core, &write, &value, &token), STORE_OK);
    assert_int_equal(token, 0);
    assert_int_equal(get(&f, "key").head.token, 0);
    assert_int_not_equal(get(&f, "key").head.version, 0);
    fixture_close(&f);
}

static void reads_write_the_bucket_line_only_while_it_is_news(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "key", "value"), STORE_OK);
    struct cursor cursor;
    cursor_of(&f, "key", &cursor);
    struct bucket before = *cursor.home;
    (void)get_as(&f, "key", STORE_ACCESS_QUIET, 0);
    assert_memory_equal(&before, cursor.home, sizeof(before));
    (void)get(&f, "key");
    assert_int_equal(slot_freq(slot_of(&f, "key")), 1);
    assert_true((slot_of(&f, "key") & SLOT_FETCHED) != 0);
    (void)get(&f, "key");
    assert_int_equal(slot_freq(slot_of(&f, "key")), 2);
    before = *cursor.home;
    for (unsigned i = 0; i < 100; i++) {
        (void)get(&f, "key");
        assert_int_equal(get(&f, "missing").read, STORE_MISS);
    }
    assert_memory_equal(&before, cursor.home, sizeof(before));
    assert_int_equal(slot_location(before.slots[0]), slot_location(cursor.slot));
    fixture_close(&f);
}

static void an_overwrite_keeps_the_counter_and_clears_the_fetched_mark(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned bytes = 10; bytes <= 1000; bytes += 990) {
        assert_int_equal(put(&f, "key", pattern(&f, bytes, 0), bytes), STORE_OK);
        (void)get(&f, "key");
        (void)get(&f, "key");
        assert_int_equal(put(&f, "key", pattern(&f, bytes, 1), bytes), STORE_OK);
        assert_int_equal(slot_of(&f, "key") & SLOT_FETCHED, 0);
        assert_int_equal(slot_freq(slot_of(&f, "key")), 2);
    }
    fixture_close(&f);
}

static void the_access_time_is_written_once_a_minute(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    uint32_t stored = f.now;
    assert_int_equal(put_text(&f, "key", "value"), STORE_OK);
    fixture_pass(&f, 59);
    (void)get(&f, "key");
    assert_int_equal(get(&f, "key").head.accessed, stored);
    fixture_pass(&f, 1);
    assert_int_equal(get(&f, "key").head.accessed, stored);
    assert_int_equal(get(&f, "key").head.accessed, f.now);
    (void)get_as(&f, "key", STORE_ACCESS_QUIET, 0);
    /* A core whose clock is behind does not turn it back. */
    uint32_t refreshed = f.now;
    fixture_pass(&f, (uint32_t)-1);
    (void)get(&f, "key");
    assert_int_equal(get(&f, "key").head.accessed, refreshed);
    fixture_close(&f);
}

/* A sink during whose work the item changes. */
struct meddler {
    struct store_sink sink;
    struct fixture *f;
    unsigned left;
    unsigned calls;
    char value[8];
    uint8_t out[8];
};

static uint8_t *meddle(struct store_sink *sink, const struct store_head *head) {
    struct meddler *meddler = (struct meddler *)sink;
    (void)head;
    meddler->calls++;
    if (meddler->left > 0) {
        meddler->left--;
        (void)snprintf(meddler->value, sizeof(meddler->value), "%07u", meddler->left % 10000000);
        assert_int_equal(put(meddler->f, "key", meddler->value, 8), STORE_OK);
    }
    return meddler->out;
}

static void an_item_that_changes_is_read_again_until_the_lock_is_taken(void **state) {
    (void)state;
    static const unsigned changes[] = {0, 1, 5, 99, 100};
    for (unsigned i = 0; i < 5; i++) {
        struct fixture f;
        struct store_config config = fixture_config();
        fixture_open(&f, &config);
        assert_int_equal(put(&f, "key", "0000000", 8), STORE_OK);
        struct meddler meddler = {.sink.place = meddle, .f = &f, .left = changes[i]};
        struct store_key key = key_of(&f, "key");
        struct store_head head;
        assert_int_equal(store_get(f.core, &key, &meddler.sink, &head, NULL), STORE_HIT);
        assert_memory_equal(meddler.out, "0000000", 8);
        assert_int_equal(meddler.calls, changes[i] + 1);
        assert_int_equal(totals_of(&f).read_retries, changes[i]);
        assert_int_equal(head.version, get(&f, "key").head.version);
        fixture_close(&f);
    }
}

static uint8_t *refuse(struct store_sink *sink, const struct store_head *head) {
    (void)sink;
    (void)head;
    return NULL;
}

static void without_a_place_the_head_alone_is_delivered(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 100, 5000, 100000};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(put(&f, "key", pattern(&f, sizes[i], 0), sizes[i]), STORE_OK);
        struct store_sink sink = {.place = refuse};
        struct store_key key = key_of(&f, "key");
        struct store_head head;
        assert_int_equal(store_get(f.core, &key, &sink, &head, NULL), STORE_HIT);
        assert_int_equal(head.value_bytes, sizes[i]);
        assert_false(sink.may_lend);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_miss_says_why(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(get(&f, "key").read, STORE_MISS);
    struct store_write write = write_of(&f, "key");
    write.expiry = f.now + 2;
    assert_int_equal(put_as(&f, &write, "v", 1), STORE_OK);
    fixture_pass(&f, 1);
    assert_int_equal(get(&f, "key").read, STORE_HIT);
    fixture_pass(&f, 1);
    assert_int_equal(get(&f, "key").read, STORE_EXPIRED);
    assert_int_equal(put_text(&f, "other", "v"), STORE_OK);
    store_flush(f.core, 0);
    assert_int_equal(get(&f, "other").read, STORE_FLUSHED);
    assert_int_equal(delete_key(&f, "other"), STORE_NOT_FOUND);
    assert_int_equal(get(&f, "other").read, STORE_MISS);
    fixture_close(&f);
}

static void keys_that_share_a_beginning_are_told_apart(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[252];
    for (unsigned len = 1; len <= STORE_KEY_BYTES_MAX; len++) {
        memset(key, 'k', len);
        key[len] = '\0';
        assert_int_equal(put(&f, key, &len, sizeof(len)), STORE_OK);
    }
    for (unsigned len = 1; len <= STORE_KEY_BYTES_MAX; len++) {
        memset(key, 'k', len);
        key[len] = '\0';
        assert_value(&f, key, &len, sizeof(len));
        assert_int_equal(get(&f, key).head.key_bytes, len);
        key[len - 1] = 'x';
        assert_missing(&f, key);
    }
    fixture_close(&f);
}

static void prefetching_changes_nothing(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[64];
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(put_text(&f, key, key), STORE_OK);
        store_prefetch_bucket(f.core, key_of(&f, key).hash, i % 2 == 0);
        store_prefetch_item(f.core, key_of(&f, key).hash);
        store_prefetch_item(f.core, key_of(&f, key).hash + 1);
        assert_text(&f, key, key);
    }
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_tells_all_of_the_item),
        cmocka_unit_test(without_tokens_a_head_has_none),
        cmocka_unit_test(reads_write_the_bucket_line_only_while_it_is_news),
        cmocka_unit_test(an_overwrite_keeps_the_counter_and_clears_the_fetched_mark),
        cmocka_unit_test(the_access_time_is_written_once_a_minute),
        cmocka_unit_test(an_item_that_changes_is_read_again_until_the_lock_is_taken),
        cmocka_unit_test(without_a_place_the_head_alone_is_delivered),
        cmocka_unit_test(a_miss_says_why),
        cmocka_unit_test(keys_that_share_a_beginning_are_told_apart),
        cmocka_unit_test(prefetching_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
