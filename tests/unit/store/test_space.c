/* larder: tests of making room - nothing that can be evicted is answered with "no memory" */
#include "tests/unit/store/fixture.h"

#include <pthread.h>

static void pages_pinned_by_uploads_do_not_end_eviction(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    fixture_open(&f, &config);
    uint64_t chunk = slab_chunk_bytes_max(&f.store->pool.classes);
    enum { UPLOADS = 24 };
    static struct store_upload uploads[UPLOADS];
    char key[64];
    /* Every upload holds one chunk of a page whose three others are given free again. */
    for (unsigned i = 0; i < UPLOADS; i++) {
        (void)snprintf(key, sizeof(key), "upload%u", i);
        struct store_write write = write_of(&f, key);
        assert_int_equal(store_upload_begin(f.core, &uploads[i], &write, 20000), STORE_OK);
        store_upload_append(f.core, &uploads[i], pattern(&f, 100, 0), 100);
        assert_int_equal(uploads[i].failed, STORE_OK);
        for (unsigned j = 0; j < 3; j++) {
            (void)snprintf(key, sizeof(key), "beside%u-%u", i, j);
            assert_int_equal(put(&f, key, f.pattern, chunk - 100), STORE_OK);
        }
    }
    for (unsigned i = 0; i < UPLOADS; i++) {
        for (unsigned j = 0; j < 3; j++) {
            (void)snprintf(key, sizeof(key), "beside%u-%u", i, j);
            assert_int_equal(delete_key(&f, key), STORE_OK);
        }
    }
    (void)fill_until_full(&f, "small", 100);
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof(key), "more%u", i);
        assert_int_equal(put(&f, key, f.pattern, 100 + i % 900), STORE_OK);
    }
    for (unsigned i = 0; i < UPLOADS; i++) {
        store_upload_abandon(f.core, &uploads[i]);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_lowered_limit_does_not_refuse_a_new_size(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 96 * MIB;
    fixture_open(&f, &config);
    (void)fill_until_full(&f, "small", 100);
    assert_true(store_memory_limit_set(f.store, 8 * MIB));
    assert_true(slab_pool_excess_used(&f.store->pool) > 1000);
    assert_int_equal(put(&f, "large", pattern(&f, 3000, 1), 3000), STORE_OK);
    /* It took the place of a page's worth of others, not of all that is to go. */
    assert_true(totals_of(&f).evictions < 2000);
    assert_value(&f, "large", f.pattern, 3000);
    fixture_upkeep(&f);
    assert_true(totals_of(&f).memory_used_bytes <= 8 * MIB);
    fixture_close(&f);
}

static void without_eviction_dead_chains_are_used_again_at_once(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.evict = false;
    fixture_open(&f, &config);
    char key[64];
    unsigned count = 0;
    do {
        (void)snprintf(key, sizeof(key), "big%u", count++);
    } while (put(&f, key, pattern(&f, 500 * KIB, 0), 500 * KIB) == STORE_OK);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof(key), "big%u", i % (count - 1));
        assert_int_equal(delete_key(&f, key), STORE_OK);
        assert_int_equal(put(&f, key, pattern(&f, 490 * KIB, i), 490 * KIB), STORE_OK);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void without_eviction_the_store_says_when_it_is_full(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.evict = false;
    config.memory_bytes = 4 * MIB;
    fixture_open(&f, &config);
    char key[64];
    unsigned count = 0;
    do {
        (void)snprintf(key, sizeof(key), "key%u", count++);
    } while (put(&f, key, pattern(&f, 100, 0), 100) == STORE_OK);
    assert_true(count > 20000);
    struct store_totals totals = totals_of(&f);
    assert_int_equal(totals.evictions, 0);
    assert_true(totals.no_memory >= 1);
    for (unsigned i = 0; i + 1 < count; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        assert_true(has(&f, key));
    }
    fixture_close(&f);
}

static void any_change_of_size_finds_room(void **state) {
    (void)state;
    static const uint64_t sizes[] = {100, 100 * KIB, 10, MIB - 200, 1000, 100, 500 * KIB, 3000};
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 12 * MIB;
    fixture_open(&f, &config);
    char key[64];
    for (unsigned round = 0; round < sizeof(sizes) / sizeof(sizes[0]); round++) {
        uint64_t bytes = sizes[round];
        uint64_t count = 2 * config.memory_bytes / (bytes + 60);
        (void)pattern(&f, bytes, round);
        for (uint64_t i = 0; i < count; i++) {
            (void)snprintf(key, sizeof(key), "%u-%llu", round, (unsigned long long)i);
            assert_int_equal(put(&f, key, f.pattern, bytes), STORE_OK);
        }
        assert_value(&f, key, f.pattern, bytes);
        /* The memory has followed: what is there now is mostly of this size. */
        assert_true(totals_of(&f).bytes >= config.memory_bytes / 2 * (bytes < 60 ? 1 : 2) / 2);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_poor_partition_takes_pages_of_the_rich(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 32 * MIB;
    config.partition_count = 4;
    fixture_open(&f, &config);
    char key[64];
    unsigned stored = 0;
    (void)pattern(&f, 1000, 0);
    /* One partition has it all. */
    for (unsigned i = 0; stored < 60000; i++) {
        (void)snprintf(key, sizeof(key), "rich%u", i);
        if (hash_partition(key_of(&f, key).hash, 4) == 0) {
            assert_int_equal(put(&f, key, f.pattern, 1000), STORE_OK);
            stored++;
        }
    }
    stored = 0;
    for (unsigned i = 0; stored < 4000; i++) {
        (void)snprintf(key, sizeof(key), "poor%u", i);
        if (hash_partition(key_of(&f, key).hash, 4) == 3) {
            assert_int_equal(put(&f, key, f.pattern, 1000), STORE_OK);
            stored++;
        }
    }
    struct partition *poor = &f.store->partitions[3];
    assert_true(atom_load_relaxed(&poor->counters.items) * 1000 > 3 * MIB);
    fixture_close(&f);
}

static void an_upload_larger_than_a_share_takes_from_the_others(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    config.partition_count = 4;
    config.item_bytes_max = 8 * MIB;
    fixture_open(&f, &config);
    (void)fill_until_full(&f, "small", 1000);
    assert_int_equal(put(&f, "large", pattern(&f, 7 * MIB / 2, 0), 7 * MIB / 2), STORE_OK);
    assert_value(&f, "large", f.pattern, 7 * MIB / 2);
    fixture_close(&f);
}

static void what_the_pool_hands_out_stays_within_the_limit(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 5 * MIB; /* no multiple of an extent */
    fixture_open(&f, &config);
    uint64_t random = 12345;
    char key[64];
    for (unsigned i = 0; i < 60000; i++) {
        uint64_t r = random_next(&random);
        (void)snprintf(key, sizeof(key), "k%u", (unsigned)(r % 20000));
        uint64_t bytes = r >> 20 & 1023;
        bytes = (r >> 40) % 200 == 0 ? bytes * 100 : bytes;
        assert_int_equal(put(&f, key, f.pattern, bytes), STORE_OK);
        struct store_totals totals = totals_of(&f);
        assert_true(totals.memory_used_bytes <= totals.memory_limit_bytes);
        assert_true(totals.pages_total * totals.page_bytes <= 6 * MIB);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

#define WRITERS 4u

struct writer {
    struct store *store;
    struct store_core *core;
    const uint8_t *bytes;
    pthread_t thread;
    unsigned number;
    unsigned refused;
};

/* Values of all sizes, in spells of one kind, deletes between. */
static void *write_sizes(void *argument) {
    struct writer *writer = argument;
    uint64_t random = 99 + writer->number;
    char text[64];
    for (unsigned i = 0; i < 6000; i++) {
        uint64_t r = random_next(&random);
        static const uint64_t most[] = {50, 3000, 20000, 200 * KIB, 400};
        uint64_t bytes = (r >> 20) % most[i / 300 % 5];
        int len = snprintf(text, sizeof(text), "%u-%u", writer->number, (unsigned)(r % 20000));
        struct store_write write = {.mode = STORE_SET};
        write.key.data = (const uint8_t *)text;
        write.key.len = (uint32_t)len;
        write.key.hash = store_hash(writer->store, write.key.data, write.key.len);
        struct iovec value = {(void *)(uintptr_t)writer->bytes, bytes};
        store_turn_begin(writer->core, 100 + i / 1000);
        writer->refused += store_put(writer->core, &write, &value, NULL) != STORE_OK;
        if (r % 5 == 0) {
            (void)store_delete(writer->core, &write.key);
        }
        if (writer->number == 0 && i % 16 == 0) {
            (void)store_upkeep(writer->core, 20000);
        }
        store_turn_end(writer->core);
    }
    return NULL;
}

static void several_writers_of_all_sizes_are_never_refused(void **state) {
    (void)state;
    static const unsigned partitions[] = {1, 4};
    for (unsigned j = 0; j < 2; j++) {
        struct fixture f;
        struct store_config config = fixture_config();
        config.memory_bytes = 24 * MIB;
        config.core_count = WRITERS + 1;
        config.partition_count = partitions[j];
        fixture_open(&f, &config);
        struct writer writers[WRITERS];
        (void)pattern(&f, 200 * KIB, 0);
        store_turn_end(f.core);
        for (unsigned i = 0; i < WRITERS; i++) {
            writers[i] = (struct writer){.store = f.store, .bytes = f.pattern, .number = i};
            writers[i].core = store_core_create(f.store, i + 1);
            assert_non_null(writers[i].core);
            assert_int_equal(
                pthread_create(&writers[i].thread, NULL, write_sizes, &writers[i]), 0);
        }
        for (unsigned i = 0; i < WRITERS; i++) {
            assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
            assert_int_equal(writers[i].refused, 0);
            store_core_destroy(writers[i].core);
        }
        store_turn_begin(f.core, f.now);
        assert_true(totals_of(&f).memory_used_bytes <= 24 * MIB);
        fixture_upkeep(&f);
        fixture_close(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_pinned_by_uploads_do_not_end_eviction),
        cmocka_unit_test(a_lowered_limit_does_not_refuse_a_new_size),
        cmocka_unit_test(without_eviction_dead_chains_are_used_again_at_once),
        cmocka_unit_test(without_eviction_the_store_says_when_it_is_full),
        cmocka_unit_test(any_change_of_size_finds_room),
        cmocka_unit_test(a_poor_partition_takes_pages_of_the_rich),
        cmocka_unit_test(an_upload_larger_than_a_share_takes_from_the_others),
        cmocka_unit_test(several_writers_of_all_sizes_are_never_refused),
        cmocka_unit_test(what_the_pool_hands_out_stays_within_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
