/* larder: no shared line is written by a GET of a hot key
 *
 * The proof is the processor's: everything that cores share (store, partitions, page metadata,
 * items, index) is made read-only, then two threads read. A single write would be a fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/store/partition.h"

#define KEYS 2000u
#define ROUNDS 50u
#define CORES 2u

struct sink {
    struct store_sink sink;
    uint8_t value[128];
};

static uint8_t *place(struct store_sink *sink, const struct store_head *head) {
    struct sink *mine = (struct sink *)sink;
    return head->value_bytes <= sizeof(mine->value) ? mine->value : NULL;
}

static struct store_key key_of(const struct store *store, unsigned number, char *text) {
    int len = snprintf(text, 16, "key-%u", number);
    return (struct store_key){(const uint8_t *)text, (uint32_t)len,
                              store_hash(store, (const uint8_t *)text, (size_t)len)};
}

static void read_all(struct store_core *core, unsigned *hits) {
    struct sink sink = {.sink.place = place};
    for (unsigned i = 0; i < KEYS; i++) {
        char text[16];
        struct store_head head;
        struct store_key key = key_of(core->store, i, text);
        store_prefetch_bucket(core, key.hash, false);
        store_prefetch_item(core, key.hash);
        enum store_read read = store_get(core, &key, &sink.sink, &head, NULL);
        *hits += read == STORE_HIT && head.value_bytes == 5 && memcmp(sink.value, "value", 5) == 0;
    }
}

struct reader {
    struct store_core *core;
    unsigned hits;
};

static void *read_again_and_again(void *argument) {
    struct reader *reader = argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        store_turn_begin(reader->core, 3);
        read_all(reader->core, &reader->hits);
        store_turn_end(reader->core);
    }
    return NULL;
}

static void protect(struct store *store, int protection) {
    size_t partitions = store->partition_count * sizeof(struct partition);
    uint64_t live = (uint64_t)store->pool.extents_live * SLAB_EXTENT_BYTES;
    uint64_t meta = (uint64_t)store->pool.pages_reserved * sizeof(struct slab_page);
    assert_int_equal(mprotect(store, sizeof(*store), protection), 0);
    assert_int_equal(mprotect(store->partitions, partitions, protection), 0);
    assert_int_equal(mprotect(store->pool.base, live, protection), 0);
    assert_int_equal(mprotect(store->pool.meta, meta, protection), 0);
}

static void a_get_of_a_hot_key_writes_no_shared_line(void **state) {
    (void)state;
    struct store_config config = {.memory_bytes = 64 << 20,
                                  .item_bytes_max = 1 << 20,
                                  .core_count = CORES,
                                  .hash_seed = 7,
                                  .evict = true,
                                  .token_in_items = true};
    struct store *store = store_create(&config);
    assert_non_null(store);
    struct reader readers[CORES];
    for (unsigned i = 0; i < CORES; i++) {
        readers[i] = (struct reader){.core = store_core_create(store, i)};
        assert_non_null(readers[i].core);
    }
    struct store_core *core = readers[0].core;
    store_turn_begin(core, 3);
    for (unsigned i = 0; i < KEYS; i++) {
        char text[16];
        struct store_write write = {.key = key_of(store, i, text)};
        struct iovec value = {(char[]){"value"}, 5};
        assert_int_equal(store_put(core, &write, &value, NULL), STORE_OK);
    }
    unsigned hits = 0;
    for (unsigned i = 0; i <= SLOT_FREQ_MAX; i++) { /* until the counters stand at their bound */
        read_all(core, &hits);
    }
    store_turn_end(core);

    protect(store, PROT_READ);
    pthread_t threads[CORES];
    for (unsigned i = 0; i < CORES; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_again_and_again, &readers[i]), 0);
    }
    for (unsigned i = 0; i < CORES; i++) {
        pthread_join(threads[i], NULL);
    }
    protect(store, PROT_READ | PROT_WRITE);

    for (unsigned i = 0; i < CORES; i++) {
        assert_int_equal(readers[i].hits, KEYS * ROUNDS);
        store_core_destroy(readers[i].core);
    }
    store_destroy(store);
}

static void the_lock_and_what_readers_need_lie_on_different_lines(void **state) {
    (void)state;
    size_t lock_line = offsetof(struct partition, lock) / CACHE_LINE_BYTES;
    assert_true(offsetof(struct partition, geometry) / CACHE_LINE_BYTES < lock_line);
    assert_true(offsetof(struct partition, flush_version) / CACHE_LINE_BYTES < lock_line);
    assert_true(offsetof(struct partition, index) / CACHE_LINE_BYTES < lock_line);
    assert_true(offsetof(struct partition, overflow) / CACHE_LINE_BYTES < lock_line);
    assert_true(offsetof(struct partition, overflow_rows) / CACHE_LINE_BYTES < lock_line);
    assert_int_equal(offsetof(struct partition, lock) % CACHE_LINE_BYTES, 0);
    assert_int_equal(sizeof(struct partition) % CACHE_LINE_BYTES, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_of_a_hot_key_writes_no_shared_line),
        cmocka_unit_test(the_lock_and_what_readers_need_lie_on_different_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
