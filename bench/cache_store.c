/* larder: the store itself as a cache for traces */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cache.h"
#include "src/store/store.h"

#define KEY_BYTES 16u
#define UPKEEP_REQUESTS 256u
/* Long, so that a slice ends by its work and the run is the same every time. */
#define UPKEEP_NS (UINT64_MAX / 2)
#define HASH_SEED 7u

struct store_cache {
    struct cache cache;
    struct store *store;
    struct store_core *core;
    uint8_t *value;
    uint64_t requests;
};

static void key_write(uint8_t *text, uint32_t number) {
    memcpy(text, "key-", 4);
    for (unsigned i = 0; i < 12; i++) {
        text[KEY_BYTES - 1 - i] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
}

static uint8_t *no_place(struct store_sink *sink, const struct store_head *head) {
    (void)sink;
    (void)head;
    return NULL;
}

static bool store_request(struct store_cache *c, const struct store_key *key, uint32_t bytes) {
    struct store_sink sink = {.place = no_place};
    struct store_head head;
    if (store_get(c->core, key, &sink, &head, NULL) == STORE_HIT) {
        return true;
    }
    struct store_write write = {.key = *key, .mode = STORE_SET};
    struct iovec value = {c->value, bytes};
    if (store_put(c->core, &write, &value, NULL) != STORE_OK) {
        fputs("hit-ratio: a set failed\n", stderr);
        exit(1);
    }
    return false;
}

static void store_keep_up(struct store_cache *c) {
    (void)store_upkeep(c->core, UPKEEP_NS);
    if (store_housekeeping_due(c->store)) {
        (void)store_housekeeping(c->store);
    }
    store_turn_end(c->core);
    store_turn_begin(c->core, 10);
}

static uint32_t store_replay(struct cache *cache, const struct request *requests,
                             unsigned count) {
    struct store_cache *c = (struct store_cache *)cache;
    uint8_t texts[CACHE_BATCH_MAX][KEY_BYTES];
    struct store_key keys[CACHE_BATCH_MAX];
    for (unsigned i = 0; i < count; i++) {
        key_write(texts[i], requests[i].key);
        keys[i] = (struct store_key){texts[i], KEY_BYTES,
                                     store_hash(c->store, texts[i], KEY_BYTES)};
        store_prefetch_bucket(c->core, keys[i].hash, false);
    }
    uint32_t hits = 0;
    for (unsigned i = 0; i < count; i++) {
        hits |= (uint32_t)store_request(c, &keys[i], requests[i].value_bytes) << i;
    }
    c->requests += count;
    if (c->requests % UPKEEP_REQUESTS < count) {
        store_keep_up(c);
    }
    return hits;
}

static uint64_t store_objects(struct cache *cache) {
    struct store_totals totals;
    store_totals(((struct store_cache *)cache)->store, &totals);
    return totals.items;
}

void cache_store_tell(struct cache *cache) {
    struct store_totals t;
    store_totals(((struct store_cache *)cache)->store, &t);
    fprintf(stderr,
            "  stored %lu evicted %lu unread %lu promoted %lu ghost hits %lu evacuations %lu "
            "items %lu\n",
            t.items_total, t.evictions, t.evicted_unfetched, t.promotions, t.ghost_hits,
            t.evacuations, t.items);
}

static void store_cache_destroy(struct cache *cache) {
    struct store_cache *c = (struct store_cache *)cache;
    store_turn_end(c->core);
    store_core_destroy(c->core);
    store_destroy(c->store);
    free(c->value);
    free(c);
}

struct cache *cache_store_create(uint64_t memory_bytes, unsigned partitions) {
    struct store_cache *c = calloc(1, sizeof(*c));
    struct store_config config = {
        .memory_bytes = memory_bytes,
        .item_bytes_max = 1u << 20,
        .partition_count = partitions,
        .core_count = 1,
        .hash_seed = HASH_SEED,
        .evict = true,
        .token_in_items = true,
    };
    if (c != NULL) {
        c->value = calloc(1, TRACE_VALUE_BYTES_MAX);
        c->store = store_create(&config);
        c->core = c->store == NULL ? NULL : store_core_create(c->store, 0);
    }
    if (c == NULL || c->value == NULL || c->core == NULL) {
        fprintf(stderr, "hit-ratio: no store of %lu bytes with %u partitions\n", memory_bytes,
                partitions);
        exit(1);
    }
    c->cache = (struct cache){store_replay, store_objects, store_cache_destroy};
    store_turn_begin(c->core, 10);
    return &c->cache;
}
