/* larder: tests of the walk over all items */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "src/store/partition.h"

#define KEYS 60000u

struct met {
    struct store *store;
    uint8_t *times; /* by key number */
    unsigned count;
};

static struct store *store_of(unsigned partitions) {
    struct store_config config = {.memory_bytes = 64 << 20,
                                  .item_bytes_max = 1 << 20,
                                  .partition_count = partitions,
                                  .core_count = 1,
                                  .hash_seed = 11,
                                  .evict = true,
                                  .token_in_items = true};
    struct store *store = store_create(&config);
    assert_non_null(store);
    return store;
}

static struct store_key key_of(const struct store *store, unsigned number, char *text) {
    int len = snprintf(text, 16, "w%u", number);
    return (struct store_key){(const uint8_t *)text, (uint32_t)len,
                              store_hash(store, (const uint8_t *)text, (size_t)len)};
}

static void put(struct store_core *core, unsigned number) {
    char text[16];
    struct store_write write = {.key = key_of(core->store, number, text)};
    struct iovec value = {(char[]){"v"}, 1};
    assert_int_equal(store_put(core, &write, &value, NULL), STORE_OK);
}

static void take_out(struct store_core *core, unsigned number) {
    char text[16];
    struct store_key key = key_of(core->store, number, text);
    assert_int_equal(store_delete(core, &key), STORE_OK);
}

static void meet(void *context, const struct store_head *head, const uint8_t *key) {
    struct met *met = context;
    char text[16] = {0};
    assert_in_range(head->key_bytes, 2, sizeof(text) - 1);
    memcpy(text, key, head->key_bytes);
    met->times[strtoul(text + 1, NULL, 10)]++;
    met->count++;
}

static void let_upkeep_run(struct store_core *core) {
    for (unsigned i = 0; i < 2000; i++) {
        (void)store_upkeep(core, 1000000);
    }
}

static void a_walk_meets_every_item_once(void **state) {
    (void)state;
    struct store *store = store_of(3);
    struct store_core *core = store_core_create(store, 0);
    struct met met = {.store = store, .times = calloc(KEYS, 1)};
    store_turn_begin(core, 5);
    for (unsigned i = 0; i < KEYS; i++) {
        put(core, i);
    }
    struct store_walk walk = {0};
    while (store_walk_step(core, &walk, meet, &met)) {
    }
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(met.times[i], 1);
    }
    assert_int_equal(met.count, KEYS);
    assert_false(store_walk_step(core, &walk, meet, &met));
    free(met.times);
    store_turn_end(core);
    store_core_destroy(core);
    store_destroy(store);
}

/* The first half of the keys stands throughout; the second comes (splits) or goes (merges). */
static void walk_while(bool growing) {
    struct store *store = store_of(2);
    struct store_core *core = store_core_create(store, 0);
    struct met met = {.store = store, .times = calloc(KEYS, 1)};
    store_turn_begin(core, 5);
    for (unsigned i = 0; i < (growing ? KEYS / 20 : KEYS); i++) {
        put(core, i);
    }
    uint32_t before = geometry_buckets(store->partitions[0].geometry);
    struct store_walk walk = {0};
    unsigned next = KEYS / 20;
    unsigned last = KEYS;
    while (store_walk_step(core, &walk, meet, &met)) {
        for (unsigned i = 0; i < 50 && next < last; i++) {
            growing ? put(core, next) : take_out(core, next);
            next++;
        }
        let_upkeep_run(core);
    }
    uint32_t after = geometry_buckets(store->partitions[0].geometry);
    assert_true(growing ? after > before * 2 : after * 2 < before);
    for (unsigned i = 0; i < KEYS / 20; i++) {
        assert_int_equal(met.times[i], 1);
    }
    for (unsigned i = KEYS / 20; i < KEYS; i++) {
        assert_in_range(met.times[i], 0, 1);
    }
    free(met.times);
    store_turn_end(core);
    store_core_destroy(core);
    store_destroy(store);
}

static void splits_do_not_disturb_a_walk(void **state) {
    (void)state;
    walk_while(true);
}

static void merges_do_not_disturb_a_walk(void **state) {
    (void)state;
    walk_while(false);
}

static void what_is_dead_is_not_met(void **state) {
    (void)state;
    struct store *store = store_of(1);
    struct store_core *core = store_core_create(store, 0);
    struct met met = {.store = store, .times = calloc(KEYS, 1)};
    store_turn_begin(core, 5);
    for (unsigned i = 0; i < 10; i++) {
        char text[16];
        struct store_write write = {.key = key_of(store, i, text), .expiry = i < 5 ? 7 : 0};
        struct iovec value = {(char[]){"v"}, 1};
        assert_int_equal(store_put(core, &write, &value, NULL), STORE_OK);
    }
    store_turn_end(core);
    store_turn_begin(core, 7);
    struct store_walk walk = {0};
    while (store_walk_step(core, &walk, meet, &met)) {
    }
    assert_int_equal(met.count, 5);
    store_flush(core, 7);
    walk = (struct store_walk){0};
    while (store_walk_step(core, &walk, meet, &met)) {
    }
    assert_int_equal(met.count, 5);
    free(met.times);
    store_turn_end(core);
    store_core_destroy(core);
    store_destroy(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_meets_every_item_once),
        cmocka_unit_test(splits_do_not_disturb_a_walk),
        cmocka_unit_test(merges_do_not_disturb_a_walk),
        cmocka_unit_test(what_is_dead_is_not_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
