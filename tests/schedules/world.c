/* larder: a store on the simulated machine, with what its keys may hold */
#include "tests/schedules/world.h"

#include <stdlib.h>

#include "src/store/partition.h"

enum { HOUSEKEEPINGS_MAX = 64, CHECK_ONE_IN = 8 };

/* Where a read's bytes go: the fiber's buffer. */
struct world_sink {
    struct store_sink sink; /* first */
    const struct track *track;
    uint8_t *buffer;
    bool lend;
};

static unsigned world_fiber(void) {
    return machine_is_running() ? machine_fiber() : 0;
}

struct store_core *world_core(struct world *world) {
    return world->cores[world_fiber()];
}

void world_turn_begin(struct world *world) {
    store_turn_begin(world_core(world), world->now);
}

void world_turn_end(struct world *world) {
    store_turn_end(world_core(world));
}

struct world *world_open(const struct scenario *scenario, uint64_t seed) {
    struct store_config config = {
        .memory_bytes = scenario->memory_bytes,
        .item_bytes_max = 64 << 10,
        .partition_count = scenario->partitions,
        .core_count = MACHINE_FIBERS_MAX,
        .hash_seed = seed,
        .evict = scenario->evict,
        .token_in_items = true,
    };
    struct world *world = calloc(1, sizeof *world);

    ASSERT(world);
    world->scenario = scenario;
    world->now = 2;
    world->store = store_create(&config);
    ASSERT(world->store);
    for (unsigned i = 0; i < MACHINE_FIBERS_MAX; i++) {
        world->cores[i] = store_core_create(world->store, i);
        ASSERT(world->cores[i]);
    }
    for (unsigned i = 0; i < HOUSEKEEPINGS_MAX && store_housekeeping(world->store); i++)
        continue;
    world_turn_begin(world);
    scenario->open(world);
    world_turn_end(world);
    return world;
}

void world_close(struct world *world) {
    for (unsigned i = 0; i < MACHINE_FIBERS_MAX; i++)
        store_core_destroy(world->cores[i]);
    store_destroy(world->store);
    free(world);
}

uint64_t world_run(struct world *world, struct machine *machine,
                   const struct machine_config *config) {
    const struct scenario *scenario = world->scenario;

    world->memory = config->memory;
    for (uint32_t i = 0; i < world->key_count; i++)
        memset(world->keys[i].seen, 0, sizeof world->keys[i].seen);
    machine_begin(machine, config);
    world_turn_begin(world);
    if (scenario->prepare)
        scenario->prepare(world);
    world_turn_end(world);
    for (unsigned i = 0; i < scenario->fibers; i++)
        machine_add(machine, scenario->body[i], world);
    uint64_t steps = machine_run(machine);

    world_turn_begin(world);
    if (scenario->verify)
        scenario->verify(world);
    else
        world_verify(world);
    world_turn_end(world);
    return steps;
}

/* -- keys -------------------------------------------------------------------------------------- */

struct store_key world_key(struct world *world, uint32_t key, char text[STAMP_KEY_BYTES_MAX]) {
    uint32_t len = stamp_key(text, world->keys[key].number);
    const uint8_t *data = (const uint8_t *)text;

    return (struct store_key){
        .data = data, .len = len, .hash = store_hash(world->store, data, len)};
}

uint32_t world_add_key(struct world *world) {
    uint32_t key = world->key_count++;

    ASSERT(key < WORLD_KEYS_MAX);
    world->keys[key].number = key;
    return key;
}

uint32_t world_add_key_in_bucket(struct world *world, uint32_t bucket, unsigned level) {
    uint32_t key = world_add_key(world), mask = (1u << level) - 1;
    char text[STAMP_KEY_BYTES_MAX];

    do
        world->keys[key].number += WORLD_KEYS_MAX;
    while ((hash_bucket_bits(world_key(world, key, text).hash) & mask) != (bucket & mask));
    return key;
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A head is of one moment when place() sees it: one of the key's values has this length and flags.
 * */
static void world_check_head(const struct track *track, const struct store_head *head) {
    for (uint32_t i = 0; i < WORLD_SHAPES && i < track->begun; i++) {
        uint32_t sequence = track->begun - i;

        if (track->bytes[sequence % WORLD_SHAPES] == head->value_bytes &&
            head->client_flags == sequence % 3)
            return;
    }
    machine_fail("place() was asked for %llu bytes, flags %u, which were never stored",
                 (unsigned long long)head->value_bytes, head->client_flags);
}

static uint8_t *world_place(struct store_sink *sink, const struct store_head *head) {
    struct world_sink *place = (struct world_sink *)(void *)sink;

    world_check_head(place->track, head);
    return place->lend && sink->may_lend ? NULL : place->buffer;
}

/* The bytes in the fiber's buffer must be one of the key's values, not before what was seen. */
static uint32_t world_check_value(struct world *world, uint32_t key, uint64_t bytes) {
    struct track *track = &world->keys[key];
    struct stamp stamp;
    const char *wrong = stamp_check(world->buffers[world_fiber()], bytes, &stamp);
    uint32_t *seen = &track->seen[world_fiber()];

    if (wrong)
        machine_fail("key %u: %s", key, wrong);
    if (stamp.key != track->number)
        machine_fail("key %u: the value of another key (%#x)", key, stamp.key);
    if (stamp.sequence > track->begun)
        machine_fail("key %u: sequence %u was never begun", key, stamp.sequence);
    if (stamp.sequence < *seen && !track->shared)
        machine_fail("key %u: sequence %u was seen after %u", key, stamp.sequence, *seen);
    *seen = stamp.sequence;
    return stamp.sequence;
}

/* What a read that began when `settled` was the last finished write may answer. */
static void world_check_order(struct world *world, uint32_t key, uint32_t settled,
                              uint32_t sequence) {
    const struct track *track = &world->keys[key];

    if (sequence == 0 && track->stable)
        machine_fail("key %u is always there, but was missed", key);
    /* On weaker memory a finished write may linger in its writer's buffer. */
    if (world->memory == MACHINE_SC && !track->shared && sequence != 0 && sequence < settled)
        machine_fail("key %u: sequence %u was read after %u had been stored", key, sequence,
                     settled);
}

uint32_t world_get(struct world *world, uint32_t key) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key asked = world_key(world, key, text);
    struct world_sink sink = {.sink = {.place = world_place},
                              .track = &world->keys[key],
                              .buffer = world->buffers[world_fiber()]};
    struct store_head head;
    uint32_t settled = world->keys[key].settled, sequence = 0;

    if (store_get(world_core(world), &asked, &sink.sink, &head, NULL) == STORE_HIT) {
        sequence = world_check_value(world, key, head.value_bytes);
        if (head.client_flags != sequence % 3)
            machine_fail("key %u: flags %u with sequence %u", key, head.client_flags, sequence);
    }
    world_check_order(world, key, settled, sequence);
    return sequence;
}

uint32_t world_get_lent(struct world *world, uint32_t key) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key asked = world_key(world, key, text);
    struct world_sink sink = {.sink = {.place = world_place},
                              .track = &world->keys[key],
                              .buffer = world->buffers[world_fiber()],
                              .lend = true};

    sink.sink.access = machine_random(2) ? STORE_ACCESS_COUNTED : STORE_ACCESS_QUIET;
    struct store_head head;
    struct store_lease lease = {0};
    uint32_t settled = world->keys[key].settled, sequence = 0;
    enum store_read read =
        store_get(world_core(world), &asked, &sink.sink, &head, &lease);

    if (read == STORE_HIT)
        sequence = world_check_value(world, key, head.value_bytes);
    for (unsigned i = 0; read == STORE_LENT && i < 2; i++) {
        uint32_t before = sequence;

        store_lease_copy(world->store, &lease, 0, sink.buffer, lease.value_bytes);
        sequence = world_check_value(world, key, lease.value_bytes);
        if (i > 0 && sequence != before)
            machine_fail("key %u: a lent value has changed", key);
        world_turn_end(world);
        world_turn_begin(world);
    }
    store_lease_return(world_core(world), &lease);
    world_check_order(world, key, settled, sequence);
    return sequence;
}

/* -- writing ----------------------------------------------------------------------------------- */

static struct store_write world_write(struct world *world, uint32_t key, char *text,
                                      uint32_t sequence) {
    return (struct store_write){.key = world_key(world, key, text),
                                .mode = STORE_SET,
                                .client_flags = sequence % 3};
}

static uint32_t world_begin(struct world *world, uint32_t key, uint32_t bytes) {
    struct track *track = &world->keys[key];

    track->begun++;
    track->bytes[track->begun % WORLD_SHAPES] = bytes;
    return track->begun;
}

static void world_written(struct world *world, uint32_t key, uint32_t sequence,
                          enum store_outcome outcome) {
    struct track *track = &world->keys[key];

    if (outcome == STORE_OK)
        track->settled = sequence;
    else if (track->stable)
        machine_fail("key %u: a write of a key that is always there failed (%d)", key,
                     (int)outcome);
    else
        track->settled = 0;
}

enum store_outcome world_put_expiring(struct world *world, uint32_t key, uint32_t bytes,
                                      uint32_t expiry) {
    static uint8_t values[MACHINE_FIBERS_MAX][WORLD_VALUE_BYTES_MAX];
    uint8_t *value = values[world_fiber()];
    char text[STAMP_KEY_BYTES_MAX];
    uint32_t sequence = world_begin(world, key, bytes);
    struct store_write write = world_write(world, key, text, sequence);
    struct iovec vector = {.iov_base = value, .iov_len = bytes};

    stamp_fill(value, bytes,
               (struct stamp){.key = world->keys[key].number, .sequence = sequence});
    write.expiry = expiry;
    enum store_outcome outcome = store_put(world_core(world), &write, &vector, NULL);

    world_written(world, key, sequence, outcome);
    return outcome;
}

enum store_outcome world_put(struct world *world, uint32_t key, uint32_t bytes) {
    return world_put_expiring(world, key, bytes, STORE_EXPIRY_NEVER);
}

enum store_outcome world_upload(struct world *world, uint32_t key, uint32_t bytes,
                                uint32_t piece_bytes) {
    static uint8_t values[MACHINE_FIBERS_MAX][WORLD_VALUE_BYTES_MAX];
    uint8_t *value = values[world_fiber()];
    char text[STAMP_KEY_BYTES_MAX];
    uint32_t sequence = world_begin(world, key, bytes);
    struct store_write write = world_write(world, key, text, sequence);
    struct store_upload upload;
    enum store_outcome outcome = store_upload_begin(world_core(world), &upload, &write, bytes);

    stamp_fill(value, bytes,
               (struct stamp){.key = world->keys[key].number, .sequence = sequence});
    for (uint32_t at = 0; outcome == STORE_OK && at < bytes; at += piece_bytes)
        store_upload_append(world_core(world), &upload, value + at,
                            bytes - at < piece_bytes ? bytes - at : piece_bytes);
    if (outcome == STORE_OK)
        outcome = store_upload_commit(world_core(world), &upload, NULL);
    world_written(world, key, sequence, outcome);
    return outcome;
}

void world_delete(struct world *world, uint32_t key) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key asked = world_key(world, key, text);
    const struct track *track = &world->keys[key];
    bool there = track->settled != 0;
    enum store_outcome outcome = store_delete(world_core(world), &asked);

    if (!track->shared && outcome != STORE_OK && there && !track->may_go)
        machine_fail("key %u: delete did not find it", key);
    if (!track->shared && outcome == STORE_OK && !there)
        machine_fail("key %u: delete found what was not there", key);
    world->keys[key].settled = 0;
}

void world_verify(struct world *world) {
    for (uint32_t key = 0; key < world->key_count; key++) {
        struct track *track = &world->keys[key];
        uint32_t sequence = world_get(world, key);

        if (track->shared || (sequence == 0 && track->may_go))
            continue;
        if (sequence != track->settled)
            machine_fail("key %u: sequence %u at the end, %u was stored last", key, sequence,
                         track->settled);
    }
    const char *wrong = machine_random(CHECK_ONE_IN) == 0 ? store_check(world->store) : NULL;

    if (wrong)
        machine_fail("store_check: %s", wrong);
}
