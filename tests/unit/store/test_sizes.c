/* larder: tests of the counts of items by size */
#include "tests/unit/store/fixture.h"

#include <stdio.h>

enum { KEYS = 2000, CHANGES = 60000, STEPS = 4096 };

static void meet(void *context, const struct store_head *head, const uint8_t *key) {
    uint64_t *steps = context;
    uint64_t bytes = 48 + 8 + (head->client_flags != 0 ? 4u : 0u) + head->key_bytes + 1u +
                     head->value_bytes + 2;
    (void)key;
    steps[(bytes + STORE_SIZE_STEP - 1) / STORE_SIZE_STEP]++;
}

static void compare_with_a_walk(struct fixture *f) {
    static uint64_t steps[STEPS];
    struct store_walk walk = {0};
    memset(steps, 0, sizeof(steps));
    while (store_walk_step(f->core, &walk, meet, steps)) {
    }
    assert_in_range(store_sizes_end(f->store), 1, STEPS);
    for (uint32_t step = 0; step < STEPS; step++) {
        assert_int_equal(store_sizes_count(f->store, step), steps[step]);
    }
}

static void change(struct fixture *f, unsigned random) {
    char text[16];
    unsigned number = random % KEYS;
    int len = snprintf(text, sizeof(text), "k%u", number);
    struct store_write write = {
        .key = {(const uint8_t *)text, (uint32_t)len,
                store_hash(f->store, (const uint8_t *)text, (size_t)len)},
        .mode = random >> 12 & 1 ? STORE_SET : STORE_APPEND,
        .client_flags = random >> 13 & 1,
        .expiry = random >> 14 & 1 ? f->now + 1000 : 0,
    };
    unsigned kind = random >> 15 & 7;
    uint32_t bytes = kind == 0 ? random >> 18 & 0xffff : random >> 18 & 0xff;
    if (kind == 1) {
        (void)store_delete(f->core, &write.key);
    } else if (kind == 2) {
        (void)store_touch(f->core, &write.key, f->now + 500);
    } else {
        struct iovec value = {f->pattern, bytes};
        (void)store_put(f->core, &write, &value, NULL);
    }
}

static void sizes_are_those_of_the_items_whatever_is_done(void **state) {
    (void)state;
    struct fixture fixture;
    struct store_config config = fixture_config();
    config.track_sizes = true;
    config.item_bytes_max = 100000;
    config.memory_bytes = 4 * MIB;
    fixture_open(&fixture, &config);
    unsigned random = 12345;
    for (unsigned i = 0; i < CHANGES; i++) {
        random = random * 1664525u + 1013904223u;
        change(&fixture, random ^ random >> 16);
    }
    struct store_totals totals;
    store_totals(fixture.store, &totals);
    assert_true(totals.evictions > 0);
    compare_with_a_walk(&fixture);
    fixture_close(&fixture);
}

static void nothing_is_counted_unless_asked_for(void **state) {
    (void)state;
    struct fixture fixture;
    struct store_config config = fixture_config();
    fixture_open(&fixture, &config);
    change(&fixture, 3u << 15 | 1u << 12);
    assert_int_equal(store_sizes_end(fixture.store), 0);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_the_items_whatever_is_done),
        cmocka_unit_test(nothing_is_counted_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
