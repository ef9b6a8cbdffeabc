/* larder: tests of values that arrive in pieces */
#include "tests/unit/store/fixture.h"

static void upload_begin(struct fixture *f, struct store_upload *upload,
                         const struct store_write *write, uint64_t bytes) {
    assert_int_equal(store_upload_begin(f->core, upload, write, bytes), STORE_OK);
}

/* Uploads what is in f->pattern, in pieces of `piece` bytes. */
static enum store_outcome upload_all(struct fixture *f, const struct store_write *write,
                                     uint64_t bytes, uint64_t piece) {
    struct store_upload upload;
    enum store_outcome outcome = store_upload_begin(f->core, &upload, write, bytes);
    assert_int_equal(outcome, STORE_OK);
    for (uint64_t at = 0; at < bytes; at += piece) {
        uint64_t part = bytes - at < piece ? bytes - at : piece;
        store_upload_append(f->core, &upload, f->pattern + at, part);
    }
    return store_upload_commit(f->core, &upload, NULL);
}

static void a_value_comes_in_pieces_of_any_size(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0,    1,    100,  512,   513,   3000,  4040, 4060,
                                     4080, 4096, 5000, 16383, 16384, 16385, 100000};
    static const uint64_t pieces[] = {1, 7, 100, 4096, 65536};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_write write = write_of(&f, "key");
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
            (void)pattern(&f, sizes[i], i + j);
            assert_int_equal(upload_all(&f, &write, sizes[i], pieces[j]), STORE_OK);
            assert_value(&f, "key", f.pattern, sizes[i]);
        }
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void no_border_between_one_chunk_and_a_chain_loses_a_byte(void **state) {
    (void)state;
    for (unsigned large = 0; large < 2; large++) {
        struct fixture f;
        struct store_config config = fixture_config();
        config.memory_bytes = large ? 130 * MIB : 16 * MIB;
        fixture_open(&f, &config);
        uint64_t chunk = slab_chunk_bytes_max(&f.store->pool.classes);
        struct store_write write = write_of(&f, "a key of some length");
        for (unsigned marks = 0; marks < 8; marks++) {
            write.client_flags = (marks & 1) != 0 ? 77 : 0;
            write.expiry = (marks & 2) != 0 ? 5000 : 0;
            write.set_token = (marks & 4) != 0;
            write.token = 99;
            for (uint64_t bytes = chunk - 80; bytes < chunk + 16; bytes++) {
                (void)pattern(&f, bytes, marks);
                assert_int_equal(upload_all(&f, &write, bytes, 3000), STORE_OK);
                assert_value(&f, "a key of some length", f.pattern, bytes);
                assert_int_equal(put_as(&f, &write, pattern(&f, bytes, 9), bytes), STORE_OK);
                assert_value(&f, "a key of some length", f.pattern, bytes);
            }
            struct got got = get(&f, "a key of some length");
            assert_int_equal(got.head.client_flags, write.client_flags);
            assert_int_equal(got.head.expiry, write.expiry);
            assert_true(!write.set_token || got.head.token == 99);
        }
        fixture_upkeep(&f);
        fixture_close(&f);
    }
}

static void memory_for_direct_receives_takes_the_bytes_in_order(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    uint64_t random = 99;
    for (unsigned round = 0; round < 60; round++) {
        uint64_t bytes = 1 + random_next(&random) % 60000;
        struct store_write write = write_of(&f, "key");
        struct store_upload upload;
        upload_begin(&f, &upload, &write, bytes);
        (void)pattern(&f, bytes, round);
        uint64_t at = 0;
        while (at < bytes) {
            struct iovec space[4];
            size_t most = 1 + random_next(&random) % 20000;
            unsigned count =
                store_upload_space(f.core, &upload, space, 1 + (unsigned)(at % 4), most);
            assert_true(count > 0);
            uint64_t received = 0;
            uint64_t stop = 1 + random_next(&random) % most; /* a short receive */
            for (unsigned i = 0; i < count && received < stop; i++) {
                size_t part = space[i].iov_len < stop - received ? space[i].iov_len
                                                                  : stop - received;
                assert_true(space[i].iov_len > 0);
                slab_fill(space[i].iov_base, f.pattern + at + received, part);
                received += part;
            }
            assert_true(received > 0);
            store_upload_advance(f.core, &upload, received);
            at += received;
        }
        assert_int_equal(store_upload_space(f.core, &upload, &(struct iovec){0}, 1, 100), 0);
        assert_int_equal(store_upload_commit(f.core, &upload, NULL), STORE_OK);
        assert_value(&f, "key", f.pattern, bytes);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void chunks_are_taken_as_bytes_come_not_by_the_announced_length(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_write write = write_of(&f, "key");
    struct store_upload upload;
    upload_begin(&f, &upload, &write, 900 * KIB);
    assert_int_equal(totals_of(&f).uncommitted_bytes, 0);
    store_upload_append(f.core, &upload, pattern(&f, 5000, 0), 5000);
    assert_true(totals_of(&f).uncommitted_bytes <= 8192);
    store_upload_abandon(f.core, &upload);
    store_upload_abandon(f.core, &upload);
    assert_int_equal(totals_of(&f).uncommitted_bytes, 0);
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).limbo_bytes, 0);
    fixture_close(&f);
}

static void the_largest_stalled_upload_is_dropped_and_the_old_value_stays(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    (void)pattern(&f, MIB, 0);
    assert_int_equal(put_text(&f, "large", "old"), STORE_OK);
    struct store_write small = write_of(&f, "small");
    struct store_write large = write_of(&f, "large");
    struct store_write last = write_of(&f, "last");
    struct store_upload first;
    upload_begin(&f, &first, &small, 900 * KIB);
    struct store_upload second;
    upload_begin(&f, &second, &large, 900 * KIB);
    struct store_upload third;
    upload_begin(&f, &third, &last, 900 * KIB);
    store_upload_append(f.core, &first, f.pattern, 500 * KIB);
    store_upload_append(f.core, &second, f.pattern, 890 * KIB);
    fixture_pass(&f, 3);
    store_upload_append(f.core, &third, f.pattern, 900 * KIB);
    assert_int_equal(third.failed, STORE_OK);
    store_upload_append(f.core, &second, f.pattern + 890 * KIB, 10 * KIB);
    assert_int_equal(second.failed, STORE_NO_MEMORY);
    assert_int_equal(store_upload_commit(f.core, &second, NULL), STORE_NO_MEMORY);
    assert_text(&f, "large", "old");
    store_upload_append(f.core, &first, f.pattern + 500 * KIB, 400 * KIB);
    assert_int_equal(store_upload_commit(f.core, &first, NULL), STORE_OK);
    assert_int_equal(store_upload_commit(f.core, &third, NULL), STORE_OK);
    assert_value(&f, "small", f.pattern, 900 * KIB);
    assert_value(&f, "last", f.pattern, 900 * KIB);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void an_upload_being_filled_or_at_hand_is_never_dropped(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    (void)pattern(&f, MIB, 0);
    struct store_write busy_write = write_of(&f, "busy");
    struct store_write whole_write = write_of(&f, "whole");
    struct store_upload busy;
    upload_begin(&f, &busy, &busy_write, 900 * KIB);
    struct store_upload whole;
    upload_begin(&f, &whole, &whole_write, 900 * KIB);
    whole.whole = true;
    store_upload_append(f.core, &busy, f.pattern, 899 * KIB);
    store_upload_append(f.core, &whole, f.pattern, 900 * KIB);
    struct iovec space;
    assert_int_equal(store_upload_space(f.core, &busy, &space, 1, KIB), 1);
    fixture_pass(&f, 10);
    char key[64];
    for (unsigned i = 0; i < 12; i++) {
        (void)snprintf(key, sizeof(key), "other%u", i);
        assert_int_equal(put(&f, key, f.pattern, 900 * KIB), STORE_OK);
    }
    slab_fill(space.iov_base, f.pattern + 899 * KIB, space.iov_len);
    store_upload_advance(f.core, &busy, space.iov_len);
    store_upload_append(f.core, &busy, f.pattern + busy.filled_bytes,
                        900 * KIB - busy.filled_bytes);
    assert_int_equal(store_upload_commit(f.core, &busy, NULL), STORE_OK);
    assert_int_equal(store_upload_commit(f.core, &whole, NULL), STORE_OK);
    assert_value(&f, "whole", f.pattern, 900 * KIB);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_core_whose_clock_is_behind_drops_nobody_who_moves(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    (void)pattern(&f, MIB, 0);
    struct store_write write = write_of(&f, "key");
    struct store_upload upload;
    upload_begin(&f, &upload, &write, 900 * KIB);
    store_upload_append(f.core, &upload, f.pattern, 899 * KIB);
    store_turn_end(f.core);
    store_turn_begin(f.core, f.now - 1);
    struct store_write other = write_of(&f, "other");
    struct store_upload second;
    upload_begin(&f, &second, &other, MIB - 500);
    store_upload_append(f.core, &second, f.pattern, MIB - 500);
    struct store_write more = write_of(&f, "more");
    struct store_upload third;
    upload_begin(&f, &third, &more, MIB - 500);
    store_upload_append(f.core, &third, f.pattern, MIB - 500);
    store_upload_append(f.core, &upload, f.pattern, KIB);
    assert_int_equal(upload.failed, STORE_OK);
    store_upload_abandon(f.core, &upload);
    store_upload_abandon(f.core, &second);
    store_upload_abandon(f.core, &third);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void many_small_uploads_do_not_lengthen_a_hold(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    enum { COUNT = 30000 };
    struct store_upload *uploads = calloc(COUNT, sizeof(*uploads));
    assert_non_null(uploads);
    char key[64];
    (void)pattern(&f, 200, 0);
    /* Above their bound, and none stalled: each new chunk looks for one to drop. */
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "upload%u", i);
        struct store_write write = write_of(&f, key);
        assert_int_equal(store_upload_begin(f.core, &uploads[i], &write, 200), STORE_OK);
        store_upload_append(f.core, &uploads[i], f.pattern, 100);
    }
    unsigned stored = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        store_upload_append(f.core, &uploads[i], f.pattern + 100, 100);
        stored += store_upload_commit(f.core, &uploads[i], NULL) == STORE_OK;
    }
    assert_true(stored > COUNT / 10);
    free(uploads);
    assert_int_equal(totals_of(&f).uncommitted_bytes, 0);
    fixture_close(&f);
}

static void commit_goes_by_the_modes_rules(void **state) {
    (void)state;
    static const uint64_t sizes[] = {300, 9000};
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t bytes = sizes[i];
        assert_int_equal(put_text(&f, "there", "old"), STORE_OK);
        (void)pattern(&f, bytes, i);
        struct store_write write = write_of(&f, "there");
        write.mode = STORE_ADD;
        assert_int_equal(upload_all(&f, &write, bytes, 1000), STORE_NOT_STORED);
        write = write_of(&f, "missing");
        write.mode = STORE_REPLACE;
        assert_int_equal(upload_all(&f, &write, bytes, 1000), STORE_NOT_STORED);
        write.mode = STORE_APPEND;
        assert_int_equal(upload_all(&f, &write, bytes, 1000), STORE_NOT_STORED);
        write.mode = STORE_SET;
        write.compare = true;
        write.compare_token = 1;
        assert_int_equal(upload_all(&f, &write, bytes, 1000), STORE_NOT_FOUND);
        write.key = key_of(&f, "there");
        assert_int_equal(upload_all(&f, &write, bytes, 1000), STORE_EXISTS);
        assert_text(&f, "there", "old");
        write.compare_token = get(&f, "there").head.token;
        assert_int_equal(upload_all(&f, &write, bytes, 1000), STORE_OK);
        assert_value(&f, "there", f.pattern, bytes);
        assert_int_equal(totals_of(&f).uncommitted_bytes, 0);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void pieces_join_values_of_all_sizes(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 3, 600, 3900, 4100, 8100, 8300, 12000, 16300, 16500, 70000};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    uint8_t *joined = malloc(200000);
    assert_non_null(joined);
    for (unsigned i = 0; i < COUNT * COUNT * 4; i++) {
        uint64_t old_bytes = sizes[i % COUNT];
        uint64_t piece = sizes[i / COUNT % COUNT];
        bool append = i / (COUNT * COUNT) % 2 == 0;
        bool in_pieces = i / (COUNT * COUNT) / 2 == 0;
        struct store_write write = write_of(&f, "key");
        write.client_flags = i % 3;
        assert_int_equal(put_as(&f, &write, pattern(&f, old_bytes, 1), old_bytes), STORE_OK);
        memcpy(joined + (append ? 0 : piece), f.pattern, old_bytes);
        (void)pattern(&f, piece, 2);
        memcpy(joined + (append ? old_bytes : 0), f.pattern, piece);
        write.mode = append ? STORE_APPEND : STORE_PREPEND;
        write.client_flags = 55; /* the old ones stay */
        enum store_outcome outcome = in_pieces ? upload_all(&f, &write, piece, 2000)
                                               : put_as(&f, &write, f.pattern, piece);
        assert_int_equal(outcome, STORE_OK);
        assert_value(&f, "key", joined, old_bytes + piece);
        assert_int_equal(get(&f, "key").head.client_flags, i % 3);
    }
    free(joined);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void what_is_too_large_is_refused_at_once(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(put_text(&f, "key", "old"), STORE_OK);
    struct store_upload upload;
    struct store_write write = write_of(&f, "key");
    write.compare = true;
    assert_int_equal(store_upload_begin(f.core, &upload, &write, MIB), STORE_TOO_LARGE);
    assert_text(&f, "key", "old");
    write.compare = false;
    assert_int_equal(store_upload_begin(f.core, &upload, &write, MIB), STORE_TOO_LARGE);
    assert_missing(&f, "key");
    store_upload_append(f.core, &upload, pattern(&f, 100, 0), 100); /* swallowed */
    assert_int_equal(upload.failed, STORE_TOO_LARGE);
    store_upload_abandon(f.core, &upload);
    assert_int_equal(totals_of(&f).too_large, 2);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_comes_in_pieces_of_any_size),
        cmocka_unit_test(no_border_between_one_chunk_and_a_chain_loses_a_byte),
        cmocka_unit_test(memory_for_direct_receives_takes_the_bytes_in_order),
        cmocka_unit_test(chunks_are_taken_as_bytes_come_not_by_the_announced_length),
        cmocka_unit_test(the_largest_stalled_upload_is_dropped_and_the_old_value_stays),
        cmocka_unit_test(an_upload_being_filled_or_at_hand_is_never_dropped),
        cmocka_unit_test(a_core_whose_clock_is_behind_drops_nobody_who_moves),
        cmocka_unit_test(many_small_uploads_do_not_lengthen_a_hold),
        cmocka_unit_test(commit_goes_by_the_modes_rules),
        cmocka_unit_test(pieces_join_values_of_all_sizes),
        cmocka_unit_test(what_is_too_large_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
