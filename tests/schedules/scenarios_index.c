/* larder: schedule scenarios of the index - keys that come and go in few buckets
 *
 * In this build the index begins with 4 buckets, one group, so that few keys make chains and
 * splits. */
#include "tests/schedules/scenarios.h"

enum { LEVEL = 2, MEMORY_BYTES = 4 << 20 };

static uint32_t any(uint32_t first, uint32_t count) {
    return first + machine_random(count);
}

static void add_stable(struct world *world, uint32_t bucket, uint32_t count, uint32_t bytes) {
    while (count-- > 0) {
        uint32_t key = world_add_key_in_bucket(world, bucket, LEVEL);

        world_put(world, key, bytes);
        world->keys[key].stable = true;
    }
}

/* A reader of `count` keys from `first`. */
static void read_some(struct world *world, uint32_t first, uint32_t count, unsigned times) {
    world_turn_begin(world);
    while (times-- > 0)
        world_get(world, any(first, count));
    world_turn_end(world);
}

/* -- overwriter: in place, to another class, back
 * -------------------------------------------------- */

static void overwriter_open(struct world *world) {
    add_stable(world, 0, 3, 40);
}

/* Every second time access times are old enough for readers to refresh. */
static void overwriter_prepare(struct world *world) {
    world->now += 40;
}

static void overwriter_write(void *context) {
    static const uint32_t sizes[] = {40, 40, 43, 16, 100, 600, 1500};
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++)
        world_put(world, any(0, 2), sizes[machine_random(7)]);
    world_turn_end(world);
}

static void overwriter_read(void *context) {
    read_some(context, 0, 3, 3);
}

const struct scenario scenario_overwriter = {
    .name = "overwriter",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 3,
    .schedules = 200,
    .open = overwriter_open,
    .prepare = overwriter_prepare,
    .body = {overwriter_read, overwriter_write, overwriter_read},
};

/* -- deleter: a chunk is another key's at once
 * ------------------------------------------------------ */

static void deleter_open(struct world *world) {
    add_stable(world, 0, 1, 48);
    for (unsigned i = 0; i < 3; i++)
        world_put(world, world_add_key_in_bucket(world, i % 2, LEVEL), 48);
}

static void deleter_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t key = any(1, 3);

        if (world->keys[key].settled != 0)
            world_delete(world, key);
        else
            world_put(world, key, 40 + machine_random(12));
    }
    world_turn_end(world);
}

static void deleter_read(void *context) {
    read_some(context, 0, 4, 3);
}

const struct scenario scenario_deleter = {
    .name = "deleter",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 3,
    .schedules = 200,
    .open = deleter_open,
    .body = {deleter_read, deleter_write, deleter_read},
};

/* -- splitter: the index grows and shrinks under keys that are always there
 * ------------------------- */

enum { SPLIT_STABLE = 12, SPLIT_BRIEF = 60 };

static void splitter_open(struct world *world) {
    for (unsigned i = 0; i < SPLIT_STABLE; i++)
        add_stable(world, i, 1, 16);
    for (unsigned i = 0; i < SPLIT_BRIEF; i++)
        world_add_key(world);
}

/* Around one of the sizes at which the index splits or merges next. */
static void splitter_prepare(struct world *world) {
    uint32_t wanted = machine_random(SPLIT_BRIEF);

    for (uint32_t i = 0; i < SPLIT_BRIEF; i++) {
        uint32_t key = SPLIT_STABLE + i;
        bool there = world->keys[key].settled != 0;

        if (i < wanted && !there)
            world_put(world, key, 16);
        else if (i >= wanted && there)
            world_delete(world, key);
    }
    store_upkeep(world_core(world), 1000000);
}

static void splitter_write(void *context) {
    struct world *world = context;
    bool grow = machine_random(2);

    world_turn_begin(world);
    for (unsigned i = 0; i < 6; i++) {
        uint32_t key = any(SPLIT_STABLE, SPLIT_BRIEF);
        bool there = world->keys[key].settled != 0;

        if (grow && !there)
            world_put(world, key, 16);
        else if (!grow && there)
            world_delete(world, key);
    }
    world_turn_end(world);
}

static void splitter_upkeep(void *context) {
    struct world *world = context;

    for (unsigned i = 0; i < 3; i++) {
        world_turn_begin(world);
        store_upkeep(world_core(world), 1000);
        world_turn_end(world);
    }
}

static void splitter_read(void *context) {
    read_some(context, 0, SPLIT_STABLE, 4);
}

const struct scenario scenario_splitter = {
    .name = "splitter",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 4,
    .schedules = 100,
    .open = splitter_open,
    .prepare = splitter_prepare,
    .body = {splitter_read, splitter_write, splitter_upkeep, splitter_read},
};

/* -- chain: overflow buckets of a group come and go
 * ------------------------------------------------- */

enum { CHAIN_STABLE = 12, CHAIN_BRIEF = 12 };

static void chain_open(struct world *world) {
    for (unsigned i = 0; i < CHAIN_STABLE; i++)
        add_stable(world, i % 2, 1, 16);
    for (unsigned i = 0; i < CHAIN_BRIEF; i++)
        world_put(world, world_add_key_in_bucket(world, i % 3, LEVEL), 16);
}

static void chain_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 5; i++) {
        uint32_t key = any(CHAIN_STABLE, CHAIN_BRIEF);

        if (world->keys[key].settled != 0)
            world_delete(world, key);
        else
            world_put(world, key, 16);
    }
    world_turn_end(world);
}

static void chain_read(void *context) {
    read_some(context, 0, CHAIN_STABLE, 4);
}

const struct scenario scenario_chain = {
    .name = "chain",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 3,
    .schedules = 200,
    .open = chain_open,
    .body = {chain_read, chain_write, chain_read},
};

/* -- writers: what two of them do to one key adds up
 * ------------------------------------------------ */

enum { SHARED, COUNTER, ONCE, ADDED /* world->extra: */ = 0, ADDERS };

static void writers_open(struct world *world) {
    add_stable(world, 0, 1, 40);
    world->keys[SHARED].shared = true;
    world_add_key_in_bucket(world, 0, LEVEL);
    world_add_key_in_bucket(world, 1, LEVEL);
    world->keys[COUNTER].shared = world->keys[ONCE].shared = true;
}

static enum store_outcome store_text(struct world *world, uint32_t key, enum store_mode mode,
                                     const char *value) {
    char text[STAMP_KEY_BYTES_MAX], bytes[8];
    struct store_write write = {.key = world_key(world, key, text), .mode = mode};
    struct iovec vector = {.iov_base = bytes, .iov_len = strlen(value)};

    memcpy(bytes, value, vector.iov_len);
    return store_put(world_core(world), &write, &vector, NULL);
}

static void writers_prepare(struct world *world) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key once = world_key(world, ONCE, text);

    world->extra[ADDED] = world->extra[ADDERS] = 0;
    if (store_text(world, COUNTER, STORE_SET, "98") != STORE_OK)
        machine_fail("the counter was not stored");
    store_delete(world_core(world), &once);
}

static void writers_write(void *context) {
    struct world *world = context;
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key counter = world_key(world, COUNTER, text);
    uint64_t value;

    world_turn_begin(world);
    world->extra[ADDERS]++;
    world->extra[ADDED] += store_text(world, ONCE, STORE_ADD, "1") == STORE_OK;
    if (store_arith(world_core(world), &counter, false, 1, &value) != STORE_OK)
        machine_fail("the counter is not there");
    if (value <= 98 || value > 98 + 6)
        machine_fail("the counter went to %llu", (unsigned long long)value);
    world_put(world, SHARED, 40 + machine_random(8));
    if (store_arith(world_core(world), &counter, false, 1, &value) != STORE_OK)
        machine_fail("the counter is not there");
    world_turn_end(world);
}

static void writers_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++)
        world_get(world, SHARED);
    world_turn_end(world);
}

static void writers_verify(struct world *world) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key counter = world_key(world, COUNTER, text);
    uint64_t value = 0, adders = world->extra[ADDERS];

    if (store_arith(world_core(world), &counter, false, 0, &value) != STORE_OK ||
        value != 98 + 2 * adders)
        machine_fail("the counter is at %llu after %llu increments", (unsigned long long)value,
                     (unsigned long long)(2 * adders));
    if (world->extra[ADDED] != 1)
        machine_fail("%llu of %llu adds were stored", (unsigned long long)world->extra[ADDED],
                     (unsigned long long)adders);
    world_get(world, SHARED);
    const char *wrong = store_check(world->store);

    if (wrong)
        machine_fail("store_check: %s", wrong);
}

const struct scenario scenario_writers = {
    .name = "writers",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 4,
    .schedules = 200,
    .open = writers_open,
    .prepare = writers_prepare,
    .body = {writers_write, writers_write, writers_read, writers_write},
    .verify = writers_verify,
};

/* -- flusher: flush_all against writers and readers
 * ------------------------------------------------- */

enum { OWN, OTHER, UNSURE };

static void flusher_open(struct world *world) {
    for (unsigned i = 0; i < 3; i++)
        world_add_key_in_bucket(world, i, LEVEL);
    world->keys[OTHER].shared = world->keys[UNSURE].shared = true;
    world->keys[OWN].may_go = true;
}

static void flusher_prepare(struct world *world) {
    for (uint32_t key = 0; key < world->key_count; key++)
        world_put(world, key, 40);
}

static void flusher_flush(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    store_flush(world_core(world), 0);
    if (world_get(world, OWN) != 0)
        machine_fail("a key was read after flush_all had returned");
    world_put(world, OWN, 40 + machine_random(20));
    if (world_get(world, OWN) == 0)
        machine_fail("a key that was stored after flush_all had returned is missing");
    world_turn_end(world);
}

static void flusher_write(void *context) {
    struct world *world = context;
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key key = world_key(world, UNSURE, text);

    world_turn_begin(world);
    world_put(world, OTHER, 40);
    store_touch(world_core(world), &key, world->now + 100);
    world_turn_end(world);
}

static void flusher_read(void *context) {
    read_some(context, OWN, 3, 3);
}

const struct scenario scenario_flusher = {
    .name = "flusher",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 2,
    .fibers = 3,
    .schedules = 200,
    .open = flusher_open,
    .prepare = flusher_prepare,
    .body = {flusher_flush, flusher_write, flusher_read},
};

/* -- the table --------------------------------------------------------------------------------- */

static const struct scenario *const scenarios[] = {
    &scenario_overwriter, &scenario_deleter, &scenario_splitter, &scenario_chain,
    &scenario_writers,    &scenario_flusher, &scenario_toucher,  &scenario_appender,
    &scenario_expirer,    &scenario_evictor, &scenario_mover,    &scenario_lender,
    &scenario_uploader,   &scenario_grower,
};

unsigned scenario_count(void) {
    return sizeof scenarios / sizeof scenarios[0];
}

const struct scenario *scenario_at(unsigned index) {
    return scenarios[index];
}

const struct scenario *scenario_named(const char *name) {
    for (unsigned i = 0; i < scenario_count(); i++)
        if (strcmp(scenarios[i]->name, name) == 0)
            return scenarios[i];
    return NULL;
}
