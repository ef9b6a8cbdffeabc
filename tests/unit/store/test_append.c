/* larder: tests of appends to large values, behind their end */
#include "tests/unit/store/fixture.h"

static enum store_outcome append(struct fixture *f, const char *key, const void *piece,
                                 uint64_t bytes, uint64_t *token) {
    struct store_write write = write_of(f, key);
    struct iovec value = {(void *)(uintptr_t)piece, bytes};
    write.mode = STORE_APPEND;
    return store_put(f->core, &write, &value, token);
}

/* A copy takes the value's chunks anew. */
static uint64_t head_of(struct fixture *f, const char *key) {
    return slot_location(slot_of(f, key));
}

static void a_megabyte_that_grows_by_lines_is_copied_once(void **state) {
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
    assert_int_equal(copies, 1); /* the first time, to end in a chunk of the largest class */
    assert_value(&f, "log", expected, bytes);
    struct store_totals totals = totals_of(&f);
    assert_int_equal(totals.bytes, store_item_bytes(f.store, 3, 0, bytes));
    assert_int_equal(totals.items, 1);
    free(expected);
    fixture_close(&f);
}

/* Makes a value of `bytes` bytes that has room behind its end. */
static void set_roomy(struct fixture *f, const char *key, const uint8_t *expected, uint64_t bytes) {
    uint64_t most = slab_chunk_bytes_max(&f->store->pool.classes);
    assert_int_equal(put(f, key, expected, bytes - most), STORE_OK);
    assert_int_equal(append(f, key, expected + bytes - most, most, NULL), STORE_OK);
}

static void assert_lease(struct fixture *f, const struct store_lease *lease,
                         const uint8_t *expected) {
    uint64_t at = 0;
    uint64_t seen = 0;
    struct iovec spans[8];
    for (unsigned count; (count = store_lease_spans(f->store, lease, &at, spans, 8)) != 0;) {
        for (unsigned i = 0; i < count; i++) {
            assert_memory_equal(spans[i].iov_base, expected + seen, spans[i].iov_len);
            seen += spans[i].iov_len;
        }
    }
    assert_int_equal(seen, lease->value_bytes);
}

static void a_loan_keeps_its_length_while_the_value_grows_in_place(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    uint8_t *expected = malloc(MIB);
    assert_non_null(expected);
    memcpy(expected, pattern(&f, MIB, 1), MIB);
    uint64_t bytes = 200 * KIB;
    set_roomy(&f, "key", expected, bytes);
    uint64_t head = head_of(&f, "key");
    struct store_lease leases[6];
    for (unsigned i = 0; i < 6; i++) {
        leases[i] = get_lent(&f, "key").lease;
        assert_int_equal(leases[i].value_bytes, bytes);
        uint64_t piece = i % 2 == 0 ? 700 : 21000;
        assert_int_equal(append(&f, "key", expected + bytes, piece, NULL), STORE_OK);
        bytes += piece;
    }
    assert_int_equal(head_of(&f, "key"), head);
    assert_value(&f, "key", expected, bytes);
    assert_int_equal(delete_key(&f, "key"), STORE_OK);
    fixture_upkeep(&f);
    for (unsigned i = 0; i < 6; i++) {
        assert_lease(&f, &leases[i], expected);
        store_lease_return(f.core, &leases[i]);
    }
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).limbo_bytes, 0);
    free(expected);
    fixture_close(&f);
}

/* As a piece that arrives bit by bit. */
static enum store_outcome append_upload(struct fixture *f, const char *key, const uint8_t *piece,
                                        uint64_t bytes) {
    struct store_upload upload;
    struct store_write write = write_of(f, key);
    write.mode = STORE_APPEND;
    enum store_outcome outcome = store_upload_begin(f->core, &upload, &write, bytes);
    if (outcome != STORE_OK) {
        return outcome;
    }
    for (uint64_t at = 0; at < bytes;) {
        uint64_t part = bytes - at < 999 ? bytes - at : 999;
        store_upload_append(f->core, &upload, piece + at, part);
        at += part;
    }
    return store_upload_commit(f->core, &upload, NULL);
}

static void pieces_of_all_lengths_around_the_chunks_end_join_up(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    config.item_bytes_max = 4 * MIB;
    fixture_open(&f, &config);
    uint64_t room = slab_chunk_bytes_max(&f.store->pool.classes) - sizeof(struct continuation);
    uint8_t *expected = malloc(4 * MIB);
    assert_non_null(expected);
    memcpy(expected, pattern(&f, 4 * MIB, 5), 4 * MIB);
    uint64_t bytes = 200 * KIB;
    set_roomy(&f, "key", expected, bytes);
    uint64_t head = head_of(&f, "key");
    for (unsigned i = 0; i < 144; i++) {
        /* to just before, at and behind the end of this chunk, and of the next */
        struct item *item = item_at(f.store, head);
        struct item_chain *chain = item_chain(item, atom_load_relaxed(&item->shape));
        const struct continuation *last = continuation_at(f.store, chain->tail);
        uint64_t left = room - last->used_bytes;
        uint64_t piece = left + i % 3 * room + i / 3 % 3;
        piece = piece == 0 ? 0 : piece - 1;
        enum store_outcome outcome = i % 2 == 0
                                         ? append(&f, "key", expected + bytes, piece, NULL)
                                         : append_upload(&f, "key", expected + bytes, piece);
        assert_int_equal(outcome, STORE_OK);
        bytes += piece;
        assert_true(bytes < 4 * MIB);
        assert_int_equal(head_of(&f, "key"), head);
        fixture_check(&f);
        if (i % 16 == 15) {
            assert_value(&f, "key", expected, bytes);
        }
    }
    struct store_totals totals = totals_of(&f);
    assert_int_equal(totals.bytes, store_item_bytes(f.store, 3, 0, bytes));
    assert_int_equal(delete_key(&f, "key"), STORE_OK);
    fixture_upkeep(&f);
    free(expected);
    fixture_close(&f);
}

/* Growth takes room from others, and is taken room from, until there is none in the size limit. */
static void a_value_grows_while_memory_is_short(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.item_bytes_max = 4 * MIB;
    fixture_open(&f, &config);
    uint8_t *expected = malloc(4 * MIB);
    char key[KEY_TEXT_BYTES];
    assert_non_null(expected);
    memcpy(expected, pattern(&f, 4 * MIB, 9), 4 * MIB);
    uint64_t bytes = 0;
    unsigned lost = 0;
    for (unsigned i = 0; i < 6000; i++) {
        key_number(key, "fill", i);
        assert_int_equal(put(&f, key, expected + i, 6000), STORE_OK);
        uint64_t piece = 1 + i * 131 % 1500;
        enum store_outcome outcome = bytes + piece > 2 * MIB
                                         ? STORE_NOT_STORED
                                         : append(&f, "log", expected + bytes, piece, NULL);
        if (outcome == STORE_NOT_STORED) {
            lost++;
            bytes = 300 * KIB;
            assert_int_equal(put(&f, "log", expected, bytes), STORE_OK);
        } else {
            assert_int_equal(outcome, STORE_OK);
            bytes += piece;
        }
        if (i % 8 == 0 && has(&f, "log")) {
            assert_value(&f, "log", expected, bytes);
        }
        if (i % 64 == 0) {
            fixture_pass(&f, 0);
            fixture_upkeep(&f);
            fixture_check(&f);
        }
    }
    assert_true(totals_of(&f).evictions > 1000);
    assert_true(lost < 3000);
    free(expected);
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
        cmocka_unit_test(a_megabyte_that_grows_by_lines_is_copied_once),
        cmocka_unit_test(a_loan_keeps_its_length_while_the_value_grows_in_place),
        cmocka_unit_test(pieces_of_all_lengths_around_the_chunks_end_join_up),
        cmocka_unit_test(a_value_grows_while_memory_is_short),
        cmocka_unit_test(an_append_keeps_flags_expiry_and_the_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
