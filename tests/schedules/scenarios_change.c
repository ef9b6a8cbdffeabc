/* larder: schedule scenarios of items that change where they stand - touch, gat, append, expiry */
#include "tests/schedules/scenarios.h"

enum { LEVEL = 2, MEMORY_BYTES = 4 << 20 };

/* -- toucher: an item gets an expiry and loses it, under readers and an overwriter
 * ------------------ */

enum { TOUCHED = 3 };

static void toucher_open(struct world *world) {
    for (uint32_t i = 0; i < TOUCHED; i++) {
        uint32_t key = world_add_key_in_bucket(world, 0, LEVEL);

        world_put(world, key, i == 0 ? 6000 : 40);
        world->keys[key].stable = true;
    }
}

static uint8_t *nowhere(struct store_sink *sink, const struct store_head *head) {
    (void)sink;
    (void)head;
    return NULL;
}

static void toucher_touch(void *context) {
    struct world *world = context;
    char text[STAMP_KEY_BYTES_MAX];

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++) {
        struct store_key key = world_key(world, machine_random(TOUCHED), text);
        uint32_t expiry = machine_random(2) ? world->now + 100 + machine_random(9) : 0;
        struct store_sink sink = {
            .place = nowhere, .access = STORE_ACCESS_EXPIRY, .expiry = expiry};
        struct store_head head;

        if (machine_random(2) ? store_touch(world_core(world), &key, expiry) != STORE_OK
                              : store_get(world_core(world), &key, &sink, &head, NULL) !=
                                    STORE_HIT)
            machine_fail("touch did not find a key that is always there");
    }
    world_turn_end(world);
}

static void toucher_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    world_put(world, 1 + machine_random(TOUCHED - 1), 40 + machine_random(30));
    world_put_expiring(world, 1 + machine_random(TOUCHED - 1), 40 + machine_random(30),
                       world->now + 100);
    world_turn_end(world);
}

static void toucher_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++)
        world_get(world, machine_random(8) ? 1 + machine_random(TOUCHED - 1) : 0);
    world_turn_end(world);
}

const struct scenario scenario_toucher = {
    .name = "toucher",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 3,
    .schedules = 200,
    .open = toucher_open,
    .body = {toucher_read, toucher_touch, toucher_write},
};

/* -- appender: what two of them append is all there, once
 * ------------------------------------------- */

enum { JOINED, APPENDS = 2, START_BYTES = 30 };

struct joined_sink {
    struct store_sink sink; /* first */
    char value[256];
};

static uint8_t *joined_place(struct store_sink *sink, const struct store_head *head) {
    struct joined_sink *joined = (struct joined_sink *)(void *)sink;

    if (head->value_bytes > sizeof joined->value)
        machine_fail("place() was asked for %llu bytes", (unsigned long long)head->value_bytes);
    return (uint8_t *)joined->value;
}

static enum store_outcome joined_put(struct world *world, enum store_mode mode, const char *value,
                                     size_t bytes) {
    char text[STAMP_KEY_BYTES_MAX], copy[256];
    struct store_write write = {.key = world_key(world, JOINED, text), .mode = mode};
    struct iovec vector = {.iov_base = copy, .iov_len = bytes};

    memcpy(copy, value, bytes);
    return store_put(world_core(world), &write, &vector, NULL);
}

/* Reads and checks: `front` letters, the start's dots, `back` letters. Returns the length. */
static uint64_t joined_check(struct world *world) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key key = world_key(world, JOINED, text);
    struct joined_sink joined = {.sink = {.place = joined_place}};
    struct store_head head;

    if (store_get(world_core(world), &key, &joined.sink, &head, NULL) != STORE_HIT)
        machine_fail("a key that is always there was missed");
    uint64_t dots = 0, front = 0;

    for (uint64_t i = 0; i < head.value_bytes; i++)
        dots += joined.value[i] == '.';
    while (front < head.value_bytes && joined.value[front] == 'p')
        front++;
    for (uint64_t i = front + START_BYTES; i < head.value_bytes; i++)
        if (joined.value[i] != 'a')
            machine_fail("byte %llu of what was joined is %#x", (unsigned long long)i,
                         joined.value[i]);
    if (dots != START_BYTES)
        machine_fail("%llu bytes are left of %d", (unsigned long long)dots, START_BYTES);
    return head.value_bytes;
}

static void appender_open(struct world *world) {
    world_add_key_in_bucket(world, 0, LEVEL);
    world->keys[JOINED].shared = true;
}

static void appender_prepare(struct world *world) {
    char dots[START_BYTES];

    memset(dots, '.', sizeof dots);
    if (joined_put(world, STORE_SET, dots, sizeof dots) != STORE_OK)
        machine_fail("the start was not stored");
}

static void appender_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < APPENDS; i++)
        if (joined_put(world, i == 0 ? STORE_APPEND : STORE_PREPEND, i == 0 ? "aaaa" : "pppp",
                       4) != STORE_OK)
            machine_fail("append did not find a key that is always there");
    world_turn_end(world);
}

static void appender_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++)
        joined_check(world);
    world_turn_end(world);
}

static void appender_verify(struct world *world) {
    uint64_t bytes = joined_check(world);

    if (bytes != START_BYTES + 2 * APPENDS * 4)
        machine_fail("%llu bytes after all appends", (unsigned long long)bytes);
    const char *wrong = store_check(world->store);

    if (wrong)
        machine_fail("store_check: %s", wrong);
}

const struct scenario scenario_appender = {
    .name = "appender",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 3,
    .schedules = 200,
    .open = appender_open,
    .prepare = appender_prepare,
    .body = {appender_write, appender_read, appender_write},
    .verify = appender_verify,
};

/* -- expirer: upkeep and writers remove what has expired, readers never see it
 * ----------------------- */

enum { EXPIRING = 12, LASTING = 4 };

static void expirer_open(struct world *world) {
    for (uint32_t i = 0; i < EXPIRING + LASTING; i++)
        world_add_key_in_bucket(world, i, LEVEL);
    for (uint32_t key = EXPIRING; key < EXPIRING + LASTING; key++) {
        world_put(world, key, 40);
        world->keys[key].stable = true;
    }
}

/* Half of them expire now; then their keys hold nothing. world->extra: their last sequences. */
static void expirer_prepare(struct world *world) {
    for (uint32_t key = 0; key < EXPIRING; key++) {
        world->keys[key].may_go = true;
        world_put_expiring(world, key, 40, world->now + 1 + key % 2 * 50);
    }
    world->now++;
    for (uint32_t key = 0; key < EXPIRING; key += 2) {
        world->keys[key].settled = 0;
        world->extra[key / 2] = world->keys[key].begun;
    }
    for (unsigned i = 0; i < MACHINE_FIBERS_MAX; i++) {
        store_turn_begin(world->cores[i], world->now);
        store_turn_end(world->cores[i]);
    }
}

static void expirer_upkeep(void *context) {
    struct world *world = context;

    for (unsigned i = 0; i < 3; i++) {
        world_turn_begin(world);
        store_upkeep(world_core(world), 2000);
        world_turn_end(world);
    }
}

static void expirer_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++)
        world_put(world, machine_random(EXPIRING / 2) * 2, 30 + machine_random(30));
    world_turn_end(world);
}

static void expirer_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t key = machine_random(EXPIRING + LASTING);
        uint32_t sequence = world_get(world, key);

        if (key < EXPIRING && key % 2 == 0 && sequence != 0 && sequence <= world->extra[key / 2])
            machine_fail("key %u was read after it had expired", key);
    }
    world_turn_end(world);
}

const struct scenario scenario_expirer = {
    .name = "expirer",
    .memory_bytes = MEMORY_BYTES,
    .partitions = 1,
    .fibers = 3,
    .schedules = 100,
    .open = expirer_open,
    .prepare = expirer_prepare,
    .body = {expirer_read, expirer_upkeep, expirer_write},
};
