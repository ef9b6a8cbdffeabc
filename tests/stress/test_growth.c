/* larder: stress of what changes in place - values that grow, a limit that goes up and down
 *
 *     LARDER_TEST_SECONDS    of each test; 1 by default */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "src/base/atomic.h"
#include "src/store/store.h"

#define MIB ((uint64_t)1 << 20)
#define VALUE_BYTES_MAX (512u * 1024)
#define BASE_BYTES (150u * 1024)
#define LINE_BYTES 72u
#define KEYS 3000u

enum { READERS = 2, CORES = 4 };

struct world {
    struct store *store;
    _Atomic uint32_t stop;
    _Atomic uint32_t wrong;
    _Atomic uint64_t reads;
    uint8_t *pattern; /* what each value begins with */
};

struct actor {
    struct world *world;
    unsigned index;
    bool lends;
    pthread_t thread;
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static struct store_key key_of(struct world *world, const char *text) {
    struct store_key key = {.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
    key.hash = store_hash(world->store, key.data, key.len);
    return key;
}

static void world_open(struct world *world, uint64_t memory_bytes) {
    struct store_config config = {
        .memory_bytes = memory_bytes,
        .item_bytes_max = MIB,
        .partition_count = 2,
        .core_count = CORES,
        .hash_seed = 11,
        .evict = true,
        .token_in_items = true,
    };
    memset(world, 0, sizeof(*world));
    world->store = store_create(&config);
    world->pattern = malloc(VALUE_BYTES_MAX);
    assert_non_null(world->store);
    assert_non_null(world->pattern);
    for (uint32_t i = 0; i < VALUE_BYTES_MAX; i++) {
        world->pattern[i] = (uint8_t)(i * 2654435761u >> 13);
    }
}

static void world_close(struct world *world) {
    const char *wrong = store_check(world->store);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
    assert_int_equal(atom_load_relaxed(&world->wrong), 0);
    store_destroy(world->store);
    free(world->pattern);
}

struct copy_sink {
    struct store_sink sink;
    uint8_t *to;
    bool lends;
};

static uint8_t *copy_place(struct store_sink *sink, const struct store_head *head) {
    struct copy_sink *copy = (struct copy_sink *)sink;
    return head->value_bytes > VALUE_BYTES_MAX || (copy->lends && sink->may_lend) ? NULL : copy->to;
}

/* Whether what was read is a beginning of the pattern that some append had completed. */
static bool is_whole(const struct world *world, const uint8_t *value, uint64_t bytes) {
    return bytes >= BASE_BYTES && (bytes - BASE_BYTES) % LINE_BYTES == 0 &&
           bytes <= VALUE_BYTES_MAX && memcmp(value, world->pattern, bytes) == 0;
}

static void *read_growth(void *argument) {
    struct actor *actor = argument;
    struct world *world = actor->world;
    struct store_core *core = store_core_create(world->store, actor->index);
    uint8_t *copy = malloc(VALUE_BYTES_MAX);
    struct store_key key = key_of(world, "growing");
    struct copy_sink sink = {.sink.place = copy_place, .to = copy, .lends = actor->lends};
    while (atom_load_relaxed(&world->stop) == 0) {
        struct store_head head;
        struct store_lease lease = {0};
        store_turn_begin(core, 5);
        enum store_read read = store_get(core, &key, &sink.sink, &head, &lease);
        if (read == STORE_LENT) {
            store_lease_copy(world->store, &lease, 0, copy, head.value_bytes);
            store_lease_return(core, &lease);
        }
        bool good = (read == STORE_HIT || read == STORE_LENT) &&
                    is_whole(world, copy, head.value_bytes);
        (void)atom_fetch_add(&world->wrong, good ? 0u : 1u);
        (void)atom_fetch_add(&world->reads, 1u);
        store_turn_end(core);
    }
    free(copy);
    store_core_destroy(core);
    return NULL;
}

static void actors_start(struct world *world, struct actor *actors, void *(*act)(void *)) {
    for (unsigned i = 0; i < READERS; i++) {
        actors[i] = (struct actor){.world = world, .index = i + 1, .lends = i % 2 != 0};
        assert_int_equal(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
    }
}

static void actors_join(struct world *world, struct actor *actors) {
    atom_store_relaxed(&world->stop, 1u);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(actors[i].thread, NULL), 0);
    }
}

static void set_base(struct world *world, struct store_core *core) {
    struct store_write write = {.key = key_of(world, "growing"), .mode = STORE_SET};
    struct iovec base = {world->pattern, BASE_BYTES};
    assert_int_equal(store_put(core, &write, &base, NULL), STORE_OK);
}

static void a_value_that_grows_is_never_seen_torn(void **state) {
    const double *seconds = *state;
    struct world world;
    struct actor actors[READERS];
    world_open(&world, 64 * MIB);
    struct store_core *core = store_core_create(world.store, 0);
    store_turn_begin(core, 5);
    set_base(&world, core);
    uint64_t bytes = BASE_BYTES;
    uint64_t appends = 0;
    actors_start(&world, actors, read_growth);
    for (double end = now_s() + *seconds; now_s() < end; appends++) {
        struct store_write write = {.key = key_of(&world, "growing"), .mode = STORE_APPEND};
        struct iovec piece = {world.pattern + bytes, LINE_BYTES};
        if (bytes + LINE_BYTES > VALUE_BYTES_MAX) {
            set_base(&world, core);
            bytes = BASE_BYTES;
            continue;
        }
        assert_int_equal(store_put(core, &write, &piece, NULL), STORE_OK);
        bytes += LINE_BYTES;
        (void)store_upkeep(core, 20000);
        store_turn_end(core);
        store_turn_begin(core, 5);
    }
    actors_join(&world, actors);
    (void)fprintf(stderr, "# %lu appends, %lu reads\n", (unsigned long)appends,
                  (unsigned long)atom_load_relaxed(&world.reads));
    store_turn_end(core);
    store_core_destroy(core);
    world_close(&world);
}

/* Stores and reads values that tell their key. */
static void *churn(void *argument) {
    struct actor *actor = argument;
    struct world *world = actor->world;
    struct store_core *core = store_core_create(world->store, actor->index);
    uint8_t *copy = malloc(VALUE_BYTES_MAX);
    struct copy_sink sink = {.sink.place = copy_place, .to = copy};
    for (uint32_t i = actor->index; atom_load_relaxed(&world->stop) == 0; i += 7) {
        char text[32];
        (void)snprintf(text, sizeof(text), "key-%u", i % KEYS);
        struct store_write write = {.key = key_of(world, text), .mode = STORE_SET};
        uint32_t bytes = 100 + i % KEYS * 37 % 9000;
        struct iovec value = {world->pattern + i % KEYS, bytes};
        struct store_head head;
        store_turn_begin(core, 5);
        bool good = store_put(core, &write, &value, NULL) == STORE_OK;
        enum store_read read = store_get(core, &write.key, &sink.sink, &head, NULL);
        good = good && (read == STORE_MISS ||
                        (read == STORE_HIT && head.value_bytes == bytes &&
                         memcmp(copy, world->pattern + i % KEYS, bytes) == 0));
        (void)store_upkeep(core, 20000);
        (void)atom_fetch_add(&world->wrong, good ? 0u : 1u);
        store_turn_end(core);
    }
    free(copy);
    store_core_destroy(core);
    return NULL;
}

static void a_limit_that_goes_up_and_down_harms_nobody(void **state) {
    const double *seconds = *state;
    struct world world;
    struct actor actors[READERS];
    world_open(&world, 24 * MIB);
    actors_start(&world, actors, churn);
    unsigned turns = 0;
    for (double end = now_s() + *seconds; now_s() < end; turns++) {
        assert_true(store_memory_limit_set(world.store, (turns % 2 == 0 ? 8 : 24) * MIB));
        for (double until = now_s() + 0.02; now_s() < until;) {
            (void)store_housekeeping(world.store);
        }
    }
    actors_join(&world, actors);
    (void)fprintf(stderr, "# %u changes\n", turns);
    world_close(&world);
}

int main(void) {
    const char *text = getenv("LARDER_TEST_SECONDS");
    double seconds = text == NULL ? 1 : strtod(text, NULL) / 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_value_that_grows_is_never_seen_torn, &seconds),
        cmocka_unit_test_prestate(a_limit_that_goes_up_and_down_harms_nobody, &seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
