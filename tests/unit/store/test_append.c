/* larder: tests of appends to large values, within their last chunk and beyond it */
#include "tests/unit/store/fixture.h"

static enum store_outcome append(struct fixture *f, const char *key, const void *piece,
                                 uint64_t bytes, uint64_t *token) {
    struct store_write write = write_of(f, key);
    struct iovec value = {(void *)(uintptr_t)piece, bytes};
    write.mode = STORE_APPEND;
    return store_put(f->core, &write, &value, token);
}

/* Chunks taken ever would tell of copies: a copy takes the value's chunks anew. */
static uint64_t head_of(struct fixture *f, const char *key) {
    return slot_location(slot_of(f, key));
}

static void a_megabyte_that_grows_by_lines_is_seldom_copied(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    config.item_bytes_max = 4 * MIB;
    fixture_open(&f, &config);
    uint8_t *expected = malloc(2 * MIB);
    assert_non_null(expected);
    uint64_t bytes = MIB;
    memcpy(expected, pattern(&f, bytes, 3), bytes);
    assert_int_equal(put(&f, "log", expected, bytes), STORE_OK);
    uint64_t copies = 0;
    uint64_t token = 0;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t head = head_of(&f, "log");
        uint64_t before = token;
        uint64_t piece = 1 + i * 7 % 200;
        memcpy(expected + bytes, pattern(&f, piece, i), piece);
        assert_int_equal(append(&f, "log", expected + bytes, piece, &token), STORE_OK);
        assert_true(token > before);
        bytes += piece;
        copies += head_of(&f, "log") != head;
        if (i % 97 == 0 || head_of(&f, "log") != head) {
            assert_value(&f, "log", expected, bytes);
            assert_int_equal(get(&f, "log").head.token, token);
        }
        if (i % 64 == 0) {
            fixture_upkeep(&f);
            fixture_check(&f);
        }
    }
    /* 200 KB of lines: a copy for each chunk of 4 KiB that they fill. */
    assert_true(copies <= 70);
    assert_value(&f, "log", expected, bytes);
    struct store_totals totals = totals_of(&f);
    assert_int_equal(totals.bytes, store_item_bytes(f.store, 3, 0, bytes));
    assert_int_equal(totals.items, 1);
    free(expected);
    fixture_close(&f);
}

static void a_value_on_loan_is_not_changed_by_an_append(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    uint8_t *first = malloc(MIB);
    assert_non_null(first);
    memcpy(first, pattern(&f, 200 * KIB, 1), 200 * KIB);
    assert_int_equal(put(&f, "key", first, 200 * KIB), STORE_OK);
    assert_int_equal(append(&f, "key", "0123456789", 10, NULL), STORE_OK); /* now it has room */
    memcpy(first + 200 * KIB, "0123456789", 10);
    uint64_t head = head_of(&f, "key");
    struct got got = get_lent(&f, "key");
    assert_int_equal(got.read, STORE_LENT);
    assert_int_equal(append(&f, "key", "abc", 3, NULL), STORE_OK);
    assert_int_not_equal(head_of(&f, "key"), head);
    uint64_t at = 0;
    uint64_t seen = 0;
    struct iovec spans[8];
    for (unsigned count; (count = store_lease_spans(f.store, &got.lease, &at, spans, 8)) != 0;) {
        for (unsigned i = 0; i < count; i++) {
            assert_memory_equal(spans[i].iov_base, first + seen, spans[i].iov_len);
            seen += spans[i].iov_len;
        }
    }
    assert_int_equal(seen, 200 * KIB + 10);
    store_lease_return(f.core, &got.lease);
    memcpy(first + 200 * KIB + 10, "abc", 3);
    assert_value(&f, "key", first, 200 * KIB + 13);
    head = head_of(&f, "key");
    assert_int_equal(append(&f, "key", "def", 3, NULL), STORE_OK);
    assert_int_equal(head_of(&f, "key"), head); /* returned: in place again */
    fixture_upkeep(&f);
    free(first);
    fixture_close(&f);
}

static void an_append_keeps_flags_expiry_and_the_size_limit(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    struct store_write write = write_of(&f, "key");
    write.client_flags = 77;
    write.expiry = f.now + 100;
    uint64_t bytes = MIB - 20000;
    assert_int_equal(put_as(&f, &write, pattern(&f, bytes, 1), bytes), STORE_OK);
    enum store_outcome outcome = STORE_OK;
    for (unsigned i = 0; i < 1000 && outcome == STORE_OK; i++) {
        outcome = append(&f, "key", f.pattern, 100, NULL);
        bytes += outcome == STORE_OK ? 100 : 0;
        struct got got = get(&f, "key");
        assert_int_equal(got.head.value_bytes, bytes);
        assert_int_equal(got.head.client_flags, 77);
        assert_int_equal(got.head.expiry, write.expiry);
    }
    assert_int_equal(outcome, STORE_NOT_STORED);
    assert_true(bytes > MIB - 500);
    fixture_pass(&f, 101);
    assert_int_equal(append(&f, "key", f.pattern, 100, NULL), STORE_NOT_STORED);
    assert_missing(&f, "key");
    fixture_upkeep(&f);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_megabyte_that_grows_by_lines_is_seldom_copied),
        cmocka_unit_test(a_value_on_loan_is_not_changed_by_an_append),
        cmocka_unit_test(an_append_keeps_flags_expiry_and_the_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
