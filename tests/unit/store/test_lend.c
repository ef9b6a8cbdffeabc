/* larder: tests of lending large values */
#include "tests/unit/store/fixture.h"

#define LARGE_BYTES (100 * KIB)

static void assert_lease(struct fixture *f, const struct store_lease *lease, const uint8_t *want,
                         uint64_t bytes) {
    assert_int_equal(lease->value_bytes, bytes);
    store_lease_copy(f->store, lease, 0, f->out, bytes);
    assert_memory_equal(f->out, want, bytes);
    uint64_t offset = 0;
    uint64_t sum = 0;
    struct iovec spans[7];
    unsigned count;
    while ((count = store_lease_spans(f->store, lease, &offset, spans, 7)) != 0) {
        for (unsigned i = 0; i < count; i++) {
            assert_true(spans[i].iov_len > 0);
            assert_memory_equal(spans[i].iov_base, want + sum, spans[i].iov_len);
            sum += spans[i].iov_len;
        }
        assert_int_equal(offset, sum);
    }
    assert_int_equal(sum, bytes);
}

static void lend_large(struct fixture *f, const char *key, struct store_lease *lease) {
    assert_int_equal(put(f, key, pattern(f, LARGE_BYTES, 1), LARGE_BYTES), STORE_OK);
    struct got got = get_lent(f, key);
    assert_int_equal(got.read, STORE_LENT);
    *lease = got.lease;
}

static void overwrite_it(struct fixture *f) {
    uint8_t *other = malloc(LARGE_BYTES);
    assert_non_null(other);
    memset(other, 0x77, LARGE_BYTES);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(put(f, "key", other, LARGE_BYTES), STORE_OK);
    }
    free(other);
}

static void delete_it(struct fixture *f) {
    assert_int_equal(delete_key(f, "key"), STORE_OK);
}

static void flush_it(struct fixture *f) {
    store_flush(f->core, 0);
    fixture_pass(f, 1);
    for (unsigned i = 0; i < 50; i++) {
        (void)store_upkeep(f->core, 1000000);
    }
    assert_int_equal(totals_of(f).items, 0);
}

static void evict_it(struct fixture *f) {
    uint8_t *other = calloc(1, 3000);
    assert_non_null(other);
    char key[64];
    for (unsigned i = 0; i < 30000; i++) {
        (void)snprintf(key, sizeof(key), "other%u", i);
        assert_int_equal(put(f, key, other, 3000), STORE_OK);
    }
    free(other);
    assert_missing(f, "key");
}

static void expire_it(struct fixture *f) {
    assert_int_equal(touch(f, "key", f->now + 1), STORE_OK);
    fixture_pass(f, 2);
    for (unsigned i = 0; i < 50; i++) {
        (void)store_upkeep(f->core, 1000000);
    }
    assert_int_equal(totals_of(f).items, 0);
}

static void a_lease_keeps_its_bytes_whatever_happens_to_the_key(void **state) {
    (void)state;
    void (*happenings[])(struct fixture *f) = {overwrite_it, delete_it, flush_it, evict_it,
                                               expire_it};
    for (unsigned i = 0; i < 5; i++) {
        struct fixture f;
        struct store_config config = fixture_config();
        fixture_open(&f, &config);
        struct store_lease lease;
        lend_large(&f, "key", &lease);
        uint8_t *want = malloc(LARGE_BYTES);
        assert_non_null(want);
        memcpy(want, f.pattern, LARGE_BYTES);
        assert_int_equal(totals_of(&f).lent_bytes, LARGE_BYTES);
        happenings[i](&f);
        assert_true(totals_of(&f).limbo_bytes >= LARGE_BYTES);
        assert_lease(&f, &lease, want, LARGE_BYTES);
        store_lease_return(f.core, &lease);
        assert_int_equal(lease.location, 0);
        store_lease_return(f.core, &lease); /* an empty one is nothing */
        assert_int_equal(totals_of(&f).lent_bytes, 0);
        (void)delete_key(&f, "key");
        fixture_upkeep(&f);
        assert_int_equal(totals_of(&f).limbo_bytes, 0);
        free(want);
        fixture_close(&f);
    }
}

static void several_leases_of_one_value_are_counted(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_lease leases[3];
    lend_large(&f, "key", &leases[0]);
    for (unsigned i = 1; i < 3; i++) {
        leases[i] = get_lent(&f, "key").lease;
        assert_int_equal(leases[i].location, leases[0].location);
    }
    assert_int_equal(delete_key(&f, "key"), STORE_OK);
    for (unsigned i = 0; i < 3; i++) {
        fixture_pass(&f, 1);
        (void)store_upkeep(f.core, 1000000);
        assert_lease(&f, &leases[i], f.pattern, LARGE_BYTES);
        store_lease_return(f.core, &leases[i]);
    }
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).limbo_bytes, 0);
    fixture_close(&f);
}

static void a_lease_can_be_read_from_any_offset(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_lease lease;
    lend_large(&f, "key", &lease);
    for (uint64_t at = 0; at < LARGE_BYTES; at += 1009) {
        uint64_t bytes = LARGE_BYTES - at < 9000 ? LARGE_BYTES - at : 9000;
        store_lease_copy(f.store, &lease, at, f.out, bytes);
        assert_memory_equal(f.out, f.pattern + at, bytes);
        uint64_t offset = at;
        struct iovec span = {0};
        assert_int_equal(store_lease_spans(f.store, &lease, &offset, &span, 1), 1);
        assert_memory_equal(span.iov_base, f.pattern + at, span.iov_len);
        assert_int_equal(offset, at + span.iov_len);
    }
    uint64_t offset = LARGE_BYTES;
    struct iovec span = {0};
    assert_int_equal(store_lease_spans(f.store, &lease, &offset, &span, 1), 0);
    store_lease_return(f.core, &lease);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void small_values_are_never_lent(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    static const uint64_t sizes[] = {0, 100, 5000, 16383, 16384, 16385};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(put(&f, "key", pattern(&f, sizes[i], i), sizes[i]), STORE_OK);
        struct got got = get_lent(&f, "key");
        bool large = sizes[i] >= store_lend_bytes_min();
        assert_int_equal(got.read, large ? STORE_LENT : STORE_HIT);
        assert_int_equal(got.lease.location != 0, large);
        store_lease_return(f.core, &got.lease);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void above_an_eighth_of_memory_values_are_copied(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config(); /* an eighth: 2 MiB */
    fixture_open(&f, &config);
    (void)pattern(&f, 700 * KIB, 0);
    struct store_lease leases[4];
    char key[64];
    unsigned lent = 0;
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(put(&f, key, f.pattern, 700 * KIB), STORE_OK);
        struct got got = get_lent(&f, key);
        if (got.read == STORE_LENT) {
            leases[lent++] = got.lease;
        } else {
            assert_int_equal(got.read, STORE_HIT);
            assert_memory_equal(f.out, f.pattern, 700 * KIB);
        }
        assert_true(totals_of(&f).lent_bytes <= 2 * MIB);
    }
    assert_int_equal(lent, 2);
    store_lease_return(f.core, &leases[0]);
    assert_int_equal(get_lent(&f, "key3").read, STORE_LENT);
    /* That one is left to its fate: the loan of a vanished reader. */
    struct got got = get_lent(&f, "key3");
    store_lease_return(f.core, &got.lease);
    store_lease_return(f.core, &leases[1]);
    atom_store_relaxed(lend_counter(f.store, slot_location(slot_of(&f, "key3"))), 0u);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_value_above_an_eighth_of_memory_is_lent_to_any_number_of_readers(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.item_bytes_max = 4 * MIB;
    fixture_open(&f, &config);
    struct store_lease leases[6];
    (void)pattern(&f, 3 * MIB, 0);
    assert_int_equal(put(&f, "key", f.pattern, 3 * MIB), STORE_OK);
    assert_int_equal(put(&f, "other", f.pattern, 3 * MIB), STORE_OK);
    for (unsigned i = 0; i < 6; i++) {
        struct got got = get_lent(&f, "key");
        assert_int_equal(got.read, STORE_LENT);
        leases[i] = got.lease;
    }
    assert_int_equal(get_lent(&f, "other").read, STORE_HIT);
    assert_int_equal(delete_key(&f, "key"), STORE_OK);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(get_lent(&f, "other").read, STORE_HIT);
        assert_lease(&f, &leases[i], f.pattern, 3 * MIB);
        store_lease_return(f.core, &leases[i]);
    }
    struct got got = get_lent(&f, "other");
    assert_int_equal(got.read, STORE_LENT);
    store_lease_return(f.core, &got.lease);
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).limbo_bytes, 0);
    fixture_close(&f);
}

static void appending_to_a_lent_value_leaves_the_lease_alone(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_lease lease;
    lend_large(&f, "key", &lease);
    struct store_write write = write_of(&f, "key");
    write.mode = STORE_APPEND;
    assert_int_equal(put_as(&f, &write, "end", 3), STORE_OK);
    assert_int_equal(get(&f, "key").head.value_bytes, LARGE_BYTES + 3);
    assert_memory_equal(f.out + LARGE_BYTES, "end", 3);
    assert_lease(&f, &lease, f.pattern, LARGE_BYTES);
    store_lease_return(f.core, &lease);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void limbo_frees_what_it_can_behind_many_loans(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    struct store_lease leases[12];
    char key[64];
    (void)pattern(&f, 20 * KIB, 0);
    for (unsigned i = 0; i < 24; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(put(&f, key, f.pattern, 20 * KIB), STORE_OK);
        if (i < 12) {
            leases[i] = get_lent(&f, key).lease;
            assert_int_not_equal(leases[i].location, 0);
        }
        assert_int_equal(delete_key(&f, key), STORE_OK);
    }
    for (unsigned i = 0; i < 500; i++) {
        fixture_pass(&f, 0);
        (void)store_upkeep(f.core, 1000000);
    }
    uint64_t limbo = totals_of(&f).limbo_bytes;
    assert_in_range(limbo, 12 * 20 * KIB, 12 * 30 * KIB);
    for (unsigned i = 0; i < 12; i++) {
        assert_lease(&f, &leases[i], f.pattern, 20 * KIB);
        store_lease_return(f.core, &leases[i]);
    }
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).limbo_bytes, 0);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_keeps_its_bytes_whatever_happens_to_the_key),
        cmocka_unit_test(several_leases_of_one_value_are_counted),
        cmocka_unit_test(a_lease_can_be_read_from_any_offset),
        cmocka_unit_test(small_values_are_never_lent),
        cmocka_unit_test(above_an_eighth_of_memory_values_are_copied),
        cmocka_unit_test(a_value_above_an_eighth_of_memory_is_lent_to_any_number_of_readers),
        cmocka_unit_test(appending_to_a_lent_value_leaves_the_lease_alone),
        cmocka_unit_test(limbo_frees_what_it_can_behind_many_loans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
