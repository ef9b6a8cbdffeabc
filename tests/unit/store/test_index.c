/* larder: tests of the index */
#include "tests/unit/store/fixture.h"

static void geometry_names_each_bucket_from_its_parent(void **state) {
    (void)state;
    uint64_t random = 4711;
    for (uint32_t level = 8; level < 12; level++) {
        for (uint32_t split = 0; split < 1u << level; split++) {
            uint64_t geometry = (uint64_t)level << 32 | split;
            uint64_t next = split + 1 == 1u << level ? (uint64_t)(level + 1) << 32 : geometry + 1;
            uint32_t child = geometry_buckets(geometry);
            assert_int_equal(child, (1u << level) + split);
            assert_int_equal(geometry_buckets(next), child + 1);
            for (unsigned i = 0; i < 20; i++) {
                uint64_t hash = random_next(&random);
                uint32_t before = geometry_bucket_of(geometry, hash);
                uint32_t after = geometry_bucket_of(next, hash);
                assert_true(before < child);
                assert_true(after == before || (before == split && after == child));
                assert_int_equal(before & 3, after & 3);
            }
        }
    }
}

static void keys_are_found_while_the_index_grows_and_shrinks(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    enum { KEYS = 120000 };
    char key[64];
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, &i, sizeof(i)), STORE_OK);
        if (i % 30011 == 0) {
            fixture_check(&f);
        }
    }
    struct store_totals totals = totals_of(&f);
    assert_int_equal(totals.items, KEYS);
    assert_true(totals.splits > 10000);
    assert_true(geometry_buckets(atom_load_relaxed(&f.p->geometry)) * 7u * 10 >= KEYS * 10);
    uint32_t grown = geometry_buckets(atom_load_relaxed(&f.p->geometry));
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, "key", i);
        assert_value(&f, key, &i, sizeof(i));
    }
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, "key", i);
        if (i % 50 != 0) {
            assert_int_equal(delete_key(&f, key), STORE_OK);
        }
        if (i % 1000 == 0) {
            (void)store_upkeep(f.core, 100000);
            fixture_pass(&f, 0);
        }
    }
    fixture_upkeep(&f);
    fixture_check(&f);
    assert_true(totals_of(&f).merges > 10000);
    assert_true(geometry_buckets(atom_load_relaxed(&f.p->geometry)) < grown / 8);
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, "key", i);
        assert_int_equal(has(&f, key), i % 50 == 0);
    }
    /* And again. */
    for (unsigned i = 0; i < KEYS; i++) {
        key_number(key, "key", i);
        assert_int_equal(put(&f, key, &i, sizeof(i)), STORE_OK);
    }
    assert_int_equal(totals_of(&f).items, KEYS);
    fixture_close(&f);
}

/* Keys whose buckets, of 256, are one group of four. */
static void crowd_key(struct fixture *f, char *key, unsigned *from) {
    do {
        (void)snprintf(key, 64, "crowd-%u", (*from)++);
    } while ((hash_bucket_bits(key_of(f, key).hash) & 0xfcu) != 0x40);
}

static void four_neighbours_share_a_chain_and_give_it_back(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    enum { KEYS = 400 };
    static char keys[KEYS][64];
    unsigned from = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        crowd_key(&f, keys[i], &from);
        assert_int_equal(put_text(&f, keys[i], keys[i]), STORE_OK);
        fixture_check(&f);
    }
    assert_int_equal(geometry_buckets(atom_load_relaxed(&f.p->geometry)), 256);
    uint32_t rows = atom_load_relaxed(&f.p->overflow_rows);
    assert_in_range(rows - 1, (KEYS - 28) / 7, (KEYS - 28) / 7 + 2);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_text(&f, keys[i], keys[i]);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        const char *key = keys[i * 7 % KEYS];
        assert_int_equal(delete_key(&f, key), STORE_OK);
        assert_missing(&f, key);
        fixture_check(&f);
    }
    assert_int_equal(f.p->overflow_free_count, rows - 1);
    fixture_close(&f);
}

static void a_crowded_group_splits_and_merges(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    static char keys[300][64];
    unsigned from = 0;
    for (unsigned i = 0; i < 300; i++) {
        crowd_key(&f, keys[i], &from);
        assert_int_equal(put_text(&f, keys[i], keys[i]), STORE_OK);
    }
    char key[64];
    for (unsigned i = 0; i < 60000; i++) {
        key_number(key, "key", i);
        assert_int_equal(put_text(&f, key, ""), STORE_OK);
    }
    fixture_check(&f);
    for (unsigned i = 0; i < 300; i++) {
        assert_text(&f, keys[i], keys[i]);
    }
    for (unsigned i = 0; i < 60000; i++) {
        key_number(key, "key", i);
        assert_int_equal(delete_key(&f, key), STORE_OK);
    }
    fixture_upkeep(&f);
    fixture_check(&f);
    for (unsigned i = 0; i < 300; i++) {
        assert_text(&f, keys[i], keys[i]);
    }
    fixture_close(&f);
}

static void an_index_page_waits_for_every_core_that_is_in_a_turn(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.core_count = 2;
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    struct store_core *other = store_core_create(f.store, 1);
    assert_non_null(other);
    char key[64];
    for (unsigned i = 0; i < 30000; i++) {
        key_number(key, "key", i);
        assert_int_equal(put_text(&f, key, ""), STORE_OK);
    }
    uint32_t pages = atom_load_relaxed(&f.p->index.pages);
    store_turn_begin(other, f.now);
    for (unsigned i = 0; i < 30000; i++) {
        key_number(key, "key", i);
        assert_int_equal(delete_key(&f, key), STORE_OK);
    }
    for (unsigned i = 0; i < 1000; i++) {
        (void)store_upkeep(f.core, 1000000);
        fixture_pass(&f, 0);
    }
    unsigned retired = f.p->retired_count;
    assert_true(retired > 0);
    uint64_t used = totals_of(&f).memory_used_bytes;
    assert_int_equal(retired + atom_load_relaxed(&f.p->index.pages), pages);
    store_turn_end(other); /* sleeps: it is in nobody's way */
    fixture_upkeep(&f);
    assert_int_equal(f.p->retired_count, 0);
    assert_true(totals_of(&f).memory_used_bytes < used);
    store_core_destroy(other);
    fixture_close(&f);
}

static void a_row_that_a_merge_has_left_is_no_place_for_a_reader(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    char key[64];
    for (unsigned i = 0; i < 9000; i++) {
        key_number(key, "key", i);
        assert_int_equal(put_text(&f, key, ""), STORE_OK);
    }
    for (unsigned i = 0; i < 9000; i++) {
        key_number(key, "key", i);
        assert_int_equal(delete_key(&f, key), STORE_OK);
    }
    uint32_t before = geometry_buckets(atom_load_relaxed(&f.p->geometry));
    fixture_upkeep(&f);
    uint32_t after = geometry_buckets(atom_load_relaxed(&f.p->geometry));
    assert_true(after < before);
    for (uint32_t i = after; i < before; i++) {
        if (i >> f.store->page_rows_shift < atom_load_relaxed(&f.p->index.pages)) {
            const struct bucket *bucket = index_bucket(f.store, f.p, i);
            for (unsigned j = 0; j < BUCKET_SLOTS; j++) {
                assert_int_equal(atom_load_relaxed(&bucket->slots[j]), 0);
            }
        }
    }
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_names_each_bucket_from_its_parent),
        cmocka_unit_test(keys_are_found_while_the_index_grows_and_shrinks),
        cmocka_unit_test(four_neighbours_share_a_chain_and_give_it_back),
        cmocka_unit_test(a_crowded_group_splits_and_merges),
        cmocka_unit_test(an_index_page_waits_for_every_core_that_is_in_a_turn),
        cmocka_unit_test(a_row_that_a_merge_has_left_is_no_place_for_a_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
