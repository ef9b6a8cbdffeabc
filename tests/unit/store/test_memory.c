/* larder: tests of memory - what is said is what is used, within the limit */
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_TELLS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RESIDENT_TELLS 0
#else
#define RESIDENT_TELLS 1
#endif
#else
#define RESIDENT_TELLS 1
#endif

/* Bytes of the process in memory, by the kernel's count. */
static uint64_t resident_bytes(void) {
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What a store needs beside its budget: the partitions and 112 bytes a page. */
static uint64_t fixed_bytes(const struct store *store) {
    return store->partition_count * sizeof(struct partition) +
           store->pool.pages_reserved * sizeof(struct slab_page) + MIB / 2;
}

/* Sets keys of all sizes, reading and deleting some. */
static void live_through(struct fixture *f, unsigned count, uint64_t *random) {
    char key[64];
    for (unsigned i = 0; i < count; i++) {
        uint64_t r = random_next(random);
        (void)snprintf(key, sizeof(key), "key-%u", (unsigned)(r % 1000000));
        uint64_t bytes = (r >> 20) % 1200;
        bytes = (r >> 40) % 300 == 0 ? bytes * 200 : bytes;
        assert_int_equal(put(f, key, f->pattern, bytes), STORE_OK);
        if (i % 16 == 0) {
            (void)get(f, key);
            (void)store_upkeep(f->core, 20000);
            (void)store_housekeeping(f->store);
            fixture_pass(f, i % 4096 == 0);
        }
        if (i % 64 == 0) {
            (void)delete_key(f, key);
        }
    }
}

static void resident_memory_stays_within_the_limit(void **state) {
    (void)state;
    if (!RESIDENT_TELLS) {
        skip();
    }
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    config.partition_count = 2;
    uint64_t before = resident_bytes();
    fixture_open(&f, &config);
    (void)pattern(&f, 300 * KIB, 0);
    memset(f.out, 1, BUFFER_BYTES);
    memset(f.pattern + 300 * KIB, 1, BUFFER_BYTES - 300 * KIB);
    uint64_t buffers = 2 * BUFFER_BYTES;
    uint64_t random = 1;
    for (unsigned i = 0; i < 4; i++) {
        live_through(&f, 40000, &random);
        uint64_t used = resident_bytes() - before - buffers;
        assert_true(used <= 64 * MIB * 103 / 100 + fixed_bytes(f.store));
        /* And it is what the figures say. */
        struct store_totals totals = totals_of(&f);
        uint64_t said = totals.pages_total * totals.page_bytes;
        assert_true(said <= 64 * MIB);
        assert_true(used <= said + fixed_bytes(f.store) + 64 * MIB * 3 / 100);
        assert_true(used + MIB >= said);
    }
    struct store_totals totals = totals_of(&f);
    assert_true(totals.memory_used_bytes <= totals.memory_limit_bytes);
    assert_true(totals.bytes >= 64 * MIB * 7 / 10); /* and most of it is items */
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_lowered_limit_gives_memory_back_to_the_system(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    uint64_t random = 1;
    (void)pattern(&f, 300 * KIB, 0);
    live_through(&f, 100000, &random);
    uint64_t before = resident_bytes();
    assert_true(store_memory_limit_set(f.store, 16 * MIB));
    for (unsigned i = 0; i < 40; i++) {
        fixture_upkeep(&f);
    }
    struct store_totals totals = totals_of(&f);
    assert_true(totals.memory_used_bytes <= 16 * MIB);
    assert_true(totals.pages_total * totals.page_bytes <= 18 * MIB);
    assert_true(!RESIDENT_TELLS || before - resident_bytes() >= 40 * MIB);
    live_through(&f, 20000, &random);
    assert_true(totals_of(&f).memory_used_bytes <= 16 * MIB);
    fixture_check(&f);
    assert_true(store_memory_limit_set(f.store, 64 * MIB));
    live_through(&f, 100000, &random);
    assert_true(totals_of(&f).memory_used_bytes > 56 * MIB);
    fixture_upkeep(&f);
    fixture_close(&f);
}

/* Extents that are in memory, and those of them that are so in part. */
static void count_extents(const struct store *store, unsigned *present, unsigned *partial) {
    static unsigned char in_ram[SLAB_EXTENT_BYTES / 4096];
    *present = 0;
    *partial = 0;
    for (uint32_t i = 0; i < atom_load_relaxed(&store->pool.extents_live); i++) {
        unsigned pages = 0;
        assert_int_equal(mincore(store->pool.base + (uint64_t)i * SLAB_EXTENT_BYTES,
                                 SLAB_EXTENT_BYTES, in_ram),
                         0);
        for (unsigned j = 0; j < sizeof(in_ram); j++) {
            pages += in_ram[j] & 1u;
        }
        *present += pages != 0;
        *partial += pages != 0 && pages != sizeof(in_ram);
    }
}

/* So that the system can keep huge pages whole. */
static void a_lowered_limit_is_met_in_whole_extents(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    config.partition_count = 2;
    fixture_open(&f, &config);
    uint64_t random = 1;
    (void)pattern(&f, 300 * KIB, 0);
    live_through(&f, 100000, &random);
    assert_true(store_memory_limit_set(f.store, 32 * MIB));
    for (unsigned i = 0; i < 60; i++) {
        fixture_upkeep(&f);
    }
    unsigned present;
    unsigned partial;
    count_extents(f.store, &present, &partial);
    assert_true(present <= 18);
    assert_true(partial <= 2);
    assert_int_equal(atom_load_relaxed(&f.store->pool.leaving_extents), 0);
    assert_true(totals_of(&f).bytes >= 32 * MIB * 6 / 10); /* what has room stayed */
    fixture_check(&f);
    assert_true(store_memory_limit_set(f.store, 64 * MIB));
    live_through(&f, 100000, &random);
    assert_true(totals_of(&f).memory_used_bytes > 56 * MIB);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void where_the_system_has_no_more_items_are_evicted(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 64 * MIB;
    fixture_open(&f, &config);
    char key[32];
    for (unsigned i = 0; i < 60000; i++) {
        atom_store_relaxed(&f.store->pool.refused, i > 10000 ? 1u : 0u);
        (void)snprintf(key, sizeof(key), "key-%u", i);
        assert_int_equal(put(&f, key, pattern(&f, 500, i), 500), STORE_OK);
        if (i % 64 == 0) {
            (void)store_upkeep(f.core, 20000);
            fixture_pass(&f, 0);
        }
    }
    assert_true(totals_of(&f).evictions > 30000);
    assert_true(totals_of(&f).memory_used_bytes < 20 * MIB);
    fixture_check(&f);
    /* Housekeeping asks again. */
    (void)store_housekeeping(f.store);
    for (unsigned i = 0; i < 60000; i++) {
        (void)snprintf(key, sizeof(key), "more-%u", i);
        assert_int_equal(put(&f, key, f.pattern, 500), STORE_OK);
    }
    assert_true(totals_of(&f).memory_used_bytes > 30 * MIB);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void while_writers_go_on_a_lowered_limit_is_reached(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 48 * MIB;
    fixture_open(&f, &config);
    uint64_t random = 1;
    (void)pattern(&f, 300 * KIB, 0);
    live_through(&f, 80000, &random);
    assert_true(store_memory_limit_set(f.store, 16 * MIB));
    for (unsigned i = 0; i < 100 && slab_pool_excess_used(&f.store->pool) != 0; i++) {
        live_through(&f, 2000, &random);
        (void)store_upkeep(f.core, 2000000);
    }
    assert_int_equal(slab_pool_excess_used(&f.store->pool), 0);
    live_through(&f, 20000, &random);
    assert_int_equal(slab_pool_excess_used(&f.store->pool), 0);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void memory_is_given_back_in_small_steps(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 32 * MIB;
    fixture_open(&f, &config);
    (void)fill_until_full(&f, "key", 20); /* hundreds of items a page */
    assert_true(store_memory_limit_set(f.store, 8 * MIB));
    uint64_t before = totals_of(&f).evictions;
    unsigned steps = 0;
    while (slab_pool_excess_used(&f.store->pool) != 0) {
        (void)store_upkeep(f.core, 1);
        uint64_t evictions = totals_of(&f).evictions;
        assert_true(evictions - before <= 2 * MOVE_BATCH_MAX);
        before = evictions;
        assert_true(++steps < 1000000);
    }
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void limits_out_of_bounds_are_refused(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 32 * MIB;
    config.memory_bytes_max = 64 * MIB;
    config.partition_count = 32;
    fixture_open(&f, &config);
    assert_true(store_memory_limit_set(f.store, 64 * MIB));
    assert_false(store_memory_limit_set(f.store, 65 * MIB));
    assert_false(store_memory_limit_set(f.store, 0));
    /* All of it would be tables. */
    assert_false(store_memory_limit_set(f.store, 2 * MIB));
    assert_true(store_memory_limit_set(f.store, 16 * MIB));
    fixture_close(&f);
}

static void partitions_follow_cores_memory_and_item_size(void **state) {
    (void)state;
    static const uint64_t memories[] = {MIB,        2 * MIB,    64 * MIB,     1024 * MIB,
                                        8192 * MIB, 65536 * MIB, 4096u * 1024 * MIB};
    static const uint64_t items[] = {KIB, MIB, 64 * MIB, 1024 * MIB};
    for (unsigned i = 0; i < 7; i++) {
        for (unsigned j = 0; j < 4; j++) {
            for (unsigned cores = 1; cores <= 256; cores *= 2) {
                unsigned count = store_partition_count(memories[i], items[j], cores);
                uint64_t share = memories[i] / count;
                assert_in_range(count, 1, STORE_PARTITIONS_MAX);
                assert_true(share <= 32768 * MIB || count == STORE_PARTITIONS_MAX);
                bool by_size = memories[i] > (uint64_t)cores * 4 * 32768 * MIB;
                assert_true(by_size || count <= cores * 4);
                assert_true(count == 1 || share > 16384 * MIB ||
                            (share >= 16 * MIB && share >= 16 * items[j]));
            }
        }
    }
    assert_int_equal(store_partition_count(64 * MIB, MIB, 1), 2);
    assert_int_equal(store_partition_count(65536 * MIB, MIB, 16), 64);
}

static void the_smallest_store_works(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 2 * MIB;
    config.item_bytes_max = 1024 * MIB;
    fixture_open(&f, &config);
    uint64_t random = 1;
    (void)pattern(&f, 300 * KIB, 0);
    live_through(&f, 20000, &random);
    assert_int_equal(put(&f, "large", f.pattern, 300 * KIB), STORE_OK);
    assert_value(&f, "large", f.pattern, 300 * KIB);
    /* What is larger than all memory is refused, and all else goes on. */
    (void)pattern(&f, 3 * MIB, 0);
    assert_int_equal(put(&f, "huge", f.pattern, 3 * MIB), STORE_NO_MEMORY);
    assert_missing(&f, "huge");
    assert_int_equal(put(&f, "small", f.pattern, 10), STORE_OK);
    fixture_upkeep(&f);
    live_through(&f, 2000, &random);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void five_hundred_and_twelve_partitions_work(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 96 * MIB;
    config.partition_count = STORE_PARTITIONS_MAX;
    fixture_open(&f, &config);
    uint64_t random = 1;
    (void)pattern(&f, 300 * KIB, 0);
    live_through(&f, 100000, &random);
    assert_true(totals_of(&f).memory_used_bytes <= 96 * MIB);
    store_flush(f.core, 0);
    fixture_upkeep(&f);
    fixture_close(&f);
}

static void a_store_that_cannot_be_is_not_created(void **state) {
    (void)state;
    struct store_config config = fixture_config();
    config.memory_bytes = 2 * MIB;
    config.partition_count = STORE_PARTITIONS_MAX; /* not even their tables fit */
    errno = 0;
    assert_null(store_create(&config));
    assert_int_equal(errno, ENOMEM);
    config = fixture_config();
    config.memory_bytes_max = (uint64_t)1 << 50;
    assert_null(store_create(&config));
    assert_int_equal(errno, ENOMEM);
}

static void very_large_values_come_and_go(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 256 * MIB;
    config.item_bytes_max = 1024 * MIB;
    fixture_open(&f, &config);
    (void)pattern(&f, BUFFER_BYTES, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct store_upload upload;
        struct store_write write = write_of(&f, "huge");
        uint64_t bytes = 80 * MIB;
        assert_int_equal(store_upload_begin(f.core, &upload, &write, bytes), STORE_OK);
        for (uint64_t at = 0; at < bytes; at += BUFFER_BYTES) {
            store_upload_append(f.core, &upload, f.pattern, BUFFER_BYTES);
        }
        assert_int_equal(store_upload_commit(f.core, &upload, NULL), STORE_OK);
    }
    struct got got = get_lent(&f, "huge");
    assert_int_equal(got.head.value_bytes, 80 * MIB);
    store_lease_return(f.core, &got.lease);
    assert_int_equal(delete_key(&f, "huge"), STORE_OK);
    fixture_upkeep(&f);
    assert_int_equal(totals_of(&f).bytes, 0);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_memory_stays_within_the_limit),
        cmocka_unit_test(a_lowered_limit_gives_memory_back_to_the_system),
        cmocka_unit_test(a_lowered_limit_is_met_in_whole_extents),
        cmocka_unit_test(where_the_system_has_no_more_items_are_evicted),
        cmocka_unit_test(while_writers_go_on_a_lowered_limit_is_reached),
        cmocka_unit_test(memory_is_given_back_in_small_steps),
        cmocka_unit_test(limits_out_of_bounds_are_refused),
        cmocka_unit_test(partitions_follow_cores_memory_and_item_size),
        cmocka_unit_test(the_smallest_store_works),
        cmocka_unit_test(five_hundred_and_twelve_partitions_work),
        cmocka_unit_test(a_store_that_cannot_be_is_not_created),
        cmocka_unit_test(very_large_values_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
