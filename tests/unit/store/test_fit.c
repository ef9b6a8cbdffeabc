/* larder: tests of the classes in use */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "src/store/partition.h"

static struct store *store_of(uint64_t memory_bytes) {
    struct store_config config = {.memory_bytes = memory_bytes,
                                  .item_bytes_max = 1 << 20,
                                  .partition_count = 1,
                                  .core_count = 1,
                                  .hash_seed = 3,
                                  .evict = true,
                                  .token_in_items = true};
    struct store *store = store_create(&config);
    assert_non_null(store);
    return store;
}

/* Asks for `count` chunks of `bytes`, as writes would; none is taken. */
static void ask(struct store *store, uint64_t bytes, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        (void)fit_class_counted(store, &store->partitions[0], bytes);
    }
}

static uint32_t served_bytes(const struct store *store, uint64_t bytes) {
    return store->pool.classes.chunk_bytes[fit_class(store, &store->partitions[0], bytes)];
}

static void at_first_base_classes_serve_every_size(void **state) {
    (void)state;
    struct store *store = store_of(16 << 20);
    const struct slab_classes *classes = &store->pool.classes;
    for (uint32_t bytes = 1; bytes <= slab_chunk_bytes_max(classes); bytes++) {
        unsigned id = fit_class(store, &store->partitions[0], bytes);
        assert_int_equal(id, classes->base[slab_class_of(classes, bytes)]);
    }
    assert_int_equal(fit_class(store, &store->partitions[0],
                               slab_chunk_bytes_max(classes) + 1), 0);
    store_destroy(store);
}

static void a_size_in_demand_gets_its_class_and_loses_it_again(void **state) {
    (void)state;
    struct store *store = store_of(16 << 20);
    assert_int_equal(served_bytes(store, 132), 144);
    ask(store, 132, 10000);
    assert_int_equal(served_bytes(store, 132), 136);
    assert_int_equal(served_bytes(store, 140), 144);
    ask(store, 1000, 200000);
    assert_int_equal(served_bytes(store, 132), 144);
    store_destroy(store);
}

static void many_sizes_take_few_classes(void **state) {
    (void)state;
    struct store *store = store_of(16 << 20);
    const struct slab_classes *classes = &store->pool.classes;
    uint64_t random = 1;
    for (unsigned i = 0; i < 1000000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        ask(store, 32 + (random >> 33) % 4000, 1);
    }
    unsigned used = 0;
    for (unsigned id = 1; id <= classes->count; id++) {
        used += atom_load_relaxed(&store->partitions[0].fit.serving[id]) == id;
    }
    assert_in_range(used, classes->base_count, classes->base_count + 6);
    store_destroy(store);
}

static void items_move_to_the_better_class_as_they_are_stored_again(void **state) {
    (void)state;
    struct store *store = store_of(16 << 20);
    struct store_core *core = store_core_create(store, 0);
    char value[100] = {0};
    struct iovec vector = {value, sizeof(value)};
    store_turn_begin(core, 3);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 20000; i++) {
            uint8_t key[16] = {0};
            memcpy(key, &i, sizeof(i));
            struct store_write write = {
                .key = {.data = key, .len = 16, .hash = store_hash(store, key, 16)}};
            assert_int_equal(store_put(core, &write, &vector, NULL), STORE_OK);
        }
    }
    unsigned better = slab_class_of(&store->pool.classes, 132);
    assert_int_equal(store->pool.classes.chunk_bytes[better], 136);
    assert_int_equal(store->partitions[0].classes[better].items, 20000);
    assert_null(store_check(store));
    store_turn_end(core);
    store_core_destroy(core);
    store_destroy(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_base_classes_serve_every_size),
        cmocka_unit_test(a_size_in_demand_gets_its_class_and_loses_it_again),
        cmocka_unit_test(many_sizes_take_few_classes),
        cmocka_unit_test(items_move_to_the_better_class_as_they_are_stored_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
