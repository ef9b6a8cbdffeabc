/* larder: tests of a store that is saved and taken over */
#include "tests/unit/store/restart_rig.h"

#include <signal.h>
#include <sys/resource.h>

#define LARGE_BYTES 300000u

static void what_was_stored_is_there_with_flags_and_token(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    struct store_write write = write_of(f, "flagged");
    write.client_flags = 77;
    assert_int_equal(put_as(f, &write, "value", 5), STORE_OK);
    write = write_of(f, "chosen");
    write.set_token = true;
    write.token = 4711;
    write.stale = true;
    assert_int_equal(put_as(f, &write, "", 0), STORE_OK);
    assert_int_equal(put_text(f, "plain", "text"), STORE_OK);
    uint64_t flagged = get(f, "flagged").head.token;
    uint64_t plain = get(f, "plain").head.token;
    rig_restart(&rig, 5);
    struct got got = get(f, "flagged");
    assert_int_equal(got.read, STORE_HIT);
    assert_int_equal(got.head.client_flags, 77);
    assert_int_equal(got.head.token, flagged);
    assert_true(got.head.fetched);
    got = get_as(f, "chosen", STORE_ACCESS_QUIET, 0);
    assert_int_equal(got.head.token, 4711);
    assert_true(got.head.stale);
    assert_text(f, "plain", "text");
    assert_int_equal(get(f, "plain").head.token, plain);
    rig_close(&rig);
}

static void a_value_of_many_chunks_is_there(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put(f, "large", pattern(f, LARGE_BYTES, 3), LARGE_BYTES), STORE_OK);
    rig_restart(&rig, 0);
    assert_value(f, "large", pattern(f, LARGE_BYTES, 3), LARGE_BYTES);
    assert_int_equal(delete_key(f, "large"), STORE_OK);
    fixture_upkeep(f);
    assert_int_equal(totals_of(f).items, 0);
    rig_close(&rig);
}

static void time_passes_while_the_store_is_in_its_file(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    struct store_write write = write_of(f, "short");
    write.expiry = f->now + 10;
    assert_int_equal(put_as(f, &write, "a", 1), STORE_OK);
    write = write_of(f, "long");
    write.expiry = f->now + 100;
    assert_int_equal(put_as(f, &write, "b", 1), STORE_OK);
    uint32_t before = f->now;
    rig_restart(&rig, 30);
    assert_int_equal(f->now, before + 30);
    assert_int_equal(get(f, "short").read, STORE_EXPIRED);
    assert_int_equal(get(f, "long").head.expiry, before + 100);
    fixture_pass(f, 61);
    fixture_upkeep(f);
    assert_int_equal(totals_of(f).items, 1);
    rig_close(&rig);
}

static void versions_go_on_above_the_highest(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(put_text(f, "key", "value"), STORE_OK);
    }
    uint64_t before = get(f, "key").head.token;
    assert_int_equal(delete_key(f, "key"), STORE_OK);
    rig_restart(&rig, 1);
    assert_int_equal(put_text(f, "key", "value"), STORE_OK);
    assert_true(get(f, "key").head.token > before);
    rig_close(&rig);
}

static void what_was_flushed_stays_away(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put_text(f, "before", "a"), STORE_OK);
    store_flush(f->core, 0);
    assert_int_equal(put_text(f, "after", "b"), STORE_OK);
    rig_restart(&rig, 0);
    assert_int_equal(get(f, "before").read, STORE_FLUSHED);
    assert_text(f, "after", "b");
    rig_close(&rig);
}

static void a_flush_that_is_due_meanwhile_is_done(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put_text(f, "key", "a"), STORE_OK);
    store_flush(f->core, f->now + 20);
    rig_restart(&rig, 10);
    assert_text(f, "key", "a");
    rig_restart(&rig, 10);
    assert_int_equal(get(f, "key").read, STORE_FLUSHED);
    rig_close(&rig);
}

/* Enough for splits, overflow, several pages a class, and a small queue of pages. */
static void a_full_store_goes_on_evicting_where_it_stood(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    fill_until_full(f, "first", 60);
    uint64_t items = totals_of(f).items;
    assert_true(totals_of(f).index_bytes != 0);
    rig_restart(&rig, 1);
    assert_int_equal(totals_of(f).items, items);
    uint64_t bytes = totals_of(f).bytes;
    fill_until_full(f, "second", 600);
    fixture_upkeep(f);
    fixture_check(f);
    assert_true(totals_of(f).items < items);
    rig_restart(&rig, 1);
    fill_until_full(f, "third", 60);
    assert_true(totals_of(f).bytes > bytes / 2);
    rig_close(&rig);
}

/* Random traffic between restarts, against an array. */
enum { KEYS = 2000, ROUNDS = 6, WRITES = 6000 };

static void many_restarts_lose_and_invent_nothing(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    static uint32_t bytes[KEYS]; /* of the value + 1; 0: not there */
    uint64_t random = 5;
    char key[32];
    memset(bytes, 0, sizeof(bytes));
    rig_open(&rig);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < WRITES; i++) {
            unsigned number = (unsigned)(random_next(&random) % KEYS);
            (void)snprintf(key, sizeof(key), "key%u", number);
            uint32_t size = (uint32_t)(random_next(&random) % (i % 200 == 0 ? 60000 : 900));
            if (random_next(&random) % 4 == 0) {
                enum store_outcome outcome = delete_key(f, key);
                assert_int_equal(outcome, bytes[number] == 0 ? STORE_NOT_FOUND : STORE_OK);
                bytes[number] = 0;
            } else {
                assert_int_equal(put(f, key, pattern(f, size, number), size), STORE_OK);
                bytes[number] = size + 1;
            }
        }
        rig_restart(&rig, round);
        for (unsigned number = 0; number < KEYS; number++) {
            (void)snprintf(key, sizeof(key), "key%u", number);
            if (bytes[number] == 0) {
                assert_missing(f, key);
            } else {
                assert_value(f, key, pattern(f, bytes[number] - 1, number), bytes[number] - 1);
            }
        }
    }
    rig_close(&rig);
}

static void sizes_are_counted_again(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put_text(f, "key", "value"), STORE_OK);
    assert_int_equal(put(f, "large", pattern(f, LARGE_BYTES, 3), LARGE_BYTES), STORE_OK);
    rig.config.track_sizes = true;
    rig_restart(&rig, 0);
    uint64_t counted = 0;
    for (uint32_t i = 0; i < store_sizes_end(f->store); i++) {
        counted += store_sizes_count(f->store, i);
    }
    assert_int_equal(counted, 2);
    assert_int_equal(delete_key(f, "large"), STORE_OK);
    assert_int_equal(delete_key(f, "key"), STORE_OK);
    for (uint32_t i = 0; i < store_sizes_end(f->store); i++) {
        assert_int_equal(store_sizes_count(f->store, i), 0);
    }
    rig_close(&rig);
}

static void an_unfinished_upload_leaves_nothing(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put_text(f, "key", "old"), STORE_OK);
    struct store_upload upload;
    struct store_write write = write_of(f, "key");
    assert_int_equal(store_upload_begin(f->core, &upload, &write, LARGE_BYTES), STORE_OK);
    store_upload_append(f->core, &upload, pattern(f, LARGE_BYTES / 2, 1), LARGE_BYTES / 2);
    store_upload_abandon(f->core, &upload);
    rig_restart(&rig, 0);
    assert_text(f, "key", "old");
    assert_int_equal(totals_of(f).uncommitted_bytes, 0);
    rig_close(&rig);
}

static void what_was_on_loan_and_replaced_is_gone(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put(f, "key", pattern(f, LARGE_BYTES, 1), LARGE_BYTES), STORE_OK);
    struct got got = get_lent(f, "key");
    assert_int_equal(got.read, STORE_LENT);
    assert_int_equal(put_text(f, "key", "new"), STORE_OK);
    store_lease_return(f->core, &got.lease);
    rig_restart(&rig, 0);
    assert_text(f, "key", "new");
    assert_int_equal(totals_of(f).limbo_bytes, 0);
    rig_close(&rig);
}

static void a_store_with_a_loan_is_not_saved(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put(f, "key", pattern(f, LARGE_BYTES, 1), LARGE_BYTES), STORE_OK);
    struct got got = get_lent(f, "key");
    assert_int_equal(got.read, STORE_LENT);
    assert_int_equal(delete_key(f, "key"), STORE_OK);
    assert_false(store_save(f->store, f->now, rig.wall_s));
    assert_string_equal(rig.restart.reason, "a value is still on loan");
    store_lease_return(f->core, &got.lease);
    rig_close(&rig);
}

static void other_threads_and_a_little_more_memory_are_welcome(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    assert_int_equal(put_text(f, "key", "value"), STORE_OK);
    rig.config.core_count = 3;
    rig.config.memory_bytes *= 2;
    rig.config.partition_count = 0;
    rig.config.hash_seed = 99;
    rig_restart(&rig, 0);
    assert_text(f, "key", "value");
    assert_int_equal(store_partitions(f->store), 2);
    assert_int_equal(totals_of(f).memory_limit_bytes, rig.config.memory_bytes);
    assert_true(fill_until_full(f, "more", 500) > 20 * MIB / 600);
    rig_close(&rig);
}

static void with_less_memory_the_surplus_goes(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    rig_open(&rig);
    fill_until_full(f, "key", 100);
    uint64_t items = totals_of(f).items;
    rig.config.memory_bytes /= 2;
    rig_restart(&rig, 0);
    assert_int_equal(totals_of(f).items, items);
    fixture_upkeep(f);
    fixture_check(f);
    struct store_totals totals = totals_of(f);
    assert_true(totals.memory_used_bytes <= rig.config.memory_bytes);
    assert_true(totals.items > items / 4 && totals.items < items * 3 / 4);
    rig_restart(&rig, 0);
    assert_int_equal(totals_of(f).items, totals.items);
    rig_close(&rig);
}

/* The largest file that the process may write stands in for a full file system. */
static void a_full_file_system_is_a_full_cache(void **state) {
    (void)state;
    struct rig rig;
    struct fixture *f = &rig.f;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit limit = {.rlim_cur = 9 * MIB, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    rig_open(&rig);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    char key[32];
    for (unsigned i = 0; i < 60000; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(put(f, key, pattern(f, 200, i), 200), STORE_OK);
    }
    assert_true(totals_of(f).evictions != 0);
    assert_true(rig_file_bytes(&rig) <= 9 * MIB);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    rig_restart(&rig, 0);
    assert_true(has(f, "key59999"));
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_stored_is_there_with_flags_and_token),
        cmocka_unit_test(a_value_of_many_chunks_is_there),
        cmocka_unit_test(time_passes_while_the_store_is_in_its_file),
        cmocka_unit_test(versions_go_on_above_the_highest),
        cmocka_unit_test(what_was_flushed_stays_away),
        cmocka_unit_test(a_flush_that_is_due_meanwhile_is_done),
        cmocka_unit_test(a_full_store_goes_on_evicting_where_it_stood),
        cmocka_unit_test(many_restarts_lose_and_invent_nothing),
        cmocka_unit_test(sizes_are_counted_again),
        cmocka_unit_test(an_unfinished_upload_leaves_nothing),
        cmocka_unit_test(what_was_on_loan_and_replaced_is_gone),
        cmocka_unit_test(a_store_with_a_loan_is_not_saved),
        cmocka_unit_test(other_threads_and_a_little_more_memory_are_welcome),
        cmocka_unit_test(with_less_memory_the_surplus_goes),
        cmocka_unit_test(a_full_file_system_is_a_full_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
