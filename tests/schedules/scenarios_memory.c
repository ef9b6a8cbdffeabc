/* larder: schedule scenarios of memory - pages that fill, move and are lent
 *
 * In this build values of 5 KiB are lent already. */
#include "src/store/partition.h"
#include "tests/schedules/scenarios.h"

static uint32_t any(uint32_t first, uint32_t count) {
    return first + machine_random(count);
}

/* -- evictor: a full memory, new items push old ones out
 * ------------------------------------------- */

enum { RING = 1200, RING_AT = 0 /* world->extra */, EVICT_BYTES = 3700, VERIFY_KEYS = 8 };

static void ring_put(struct world *world, uint32_t bytes) {
    uint32_t key = (uint32_t)(world->extra[RING_AT]++ % RING);

    if (world_put(world, key, bytes) != STORE_OK)
        machine_fail("key %u: out of memory while something could be evicted", key);
}

static void evictor_open(struct world *world) {
    struct store_totals totals;

    for (uint32_t i = 0; i < RING; i++)
        world->keys[world_add_key(world)].may_go = true;
    do {
        ring_put(world, EVICT_BYTES);
        store_totals(world->store, &totals);
    } while (totals.evictions < 20);
}

static void evictor_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 2; i++)
        ring_put(world, machine_random(4) ? EVICT_BYTES : 100);
    world_turn_end(world);
}

/* Reads near the end of the queue, where items are about to go, and new ones. */
static void evictor_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t age = machine_random(4) ? 380 + machine_random(160) : machine_random(RING);

        world_get(world, (uint32_t)((world->extra[RING_AT] + RING - age) % RING));
    }
    world_turn_end(world);
}

static void some_verify(struct world *world) {
    for (unsigned i = 0; i < VERIFY_KEYS; i++) {
        uint32_t key = machine_random(world->key_count);
        uint32_t sequence = world_get(world, key);

        if (sequence != 0 && sequence != world->keys[key].settled)
            machine_fail("key %u: sequence %u at the end, %u was stored last", key, sequence,
                         world->keys[key].settled);
    }
    const char *wrong = machine_random(32) == 0 ? store_check(world->store) : NULL;

    if (wrong)
        machine_fail("store_check: %s", wrong);
}

const struct scenario scenario_evictor = {
    .name = "evictor",
    .memory_bytes = 2 << 20,
    .evict = true,
    .partitions = 1,
    .fibers = 3,
    .schedules = 100,
    .open = evictor_open,
    .body = {evictor_read, evictor_write, evictor_read},
    .verify = some_verify,
};

/* -- mover: pages of a thinned-out class are emptied into others
 * ------------------------------------ */

enum { MOVER_KEYS = 2600, MOVER_BYTES = 900, MOVER_KEPT_ONE_IN = 5, NEWER = 900 };

static void mover_thin(struct world *world) {
    for (uint32_t key = 0; key < MOVER_KEYS; key++) {
        if (key % MOVER_KEPT_ONE_IN == 0 || world->keys[key].settled == 0)
            continue;
        world->keys[key].stable = false;
        world_delete(world, key);
    }
}

static void mover_open(struct world *world) {
    struct store_totals totals = {0};

    for (uint32_t key = 0; key < MOVER_KEYS + NEWER; key++)
        world_add_key(world);
    for (uint32_t key = 0; key < MOVER_KEYS && totals.evictions == 0; key++) {
        world_put(world, key, MOVER_BYTES);
        store_totals(world->store, &totals);
        world->keys[key].may_go = true;
    }
    mover_thin(world);
}

/* Values of another class need pages: the store empties some. */
static void mover_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t key = MOVER_KEYS + (uint32_t)(world->extra[RING_AT]++ % NEWER);

        world->keys[key].may_go = true;
        world_put(world, key, 3000 + machine_random(700));
    }
    world_turn_end(world);
}

/* Takes a page out of the partition, as another partition in need would. */
static void mover_take(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    space_give_page(world_core(world), &world->store->partitions[0]);
    world_turn_end(world);
}

static void mover_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 4; i++)
        world_get(world, any(0, MOVER_KEYS / MOVER_KEPT_ONE_IN) * MOVER_KEPT_ONE_IN);
    world_turn_end(world);
}

const struct scenario scenario_mover = {
    .name = "mover",
    .memory_bytes = 2 << 20,
    .evict = true,
    .partitions = 1,
    .fibers = 4,
    .schedules = 20,
    .open = mover_open,
    .body = {mover_read, mover_write, mover_take, mover_read},
    .verify = some_verify,
};

/* -- lender: what is on loan stays as it was
 * -------------------------------------------------------- */

enum { LENT_KEYS = 3, LENT_BYTES = 5500 };

static void lender_open(struct world *world) {
    for (uint32_t i = 0; i < LENT_KEYS; i++)
        world_put(world, world_add_key(world), LENT_BYTES);
    world->keys[0].stable = true;
}

static void lender_borrow(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    world_get_lent(world, any(0, LENT_KEYS));
    world_turn_end(world);
}

static void lender_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t key = any(0, LENT_KEYS);

        if (key != 0 && world->keys[key].settled != 0 && machine_random(2))
            world_delete(world, key);
        else
            world_put(world, key, LENT_BYTES + machine_random(64));
        if (machine_random(4) != 0)
            store_upkeep(world_core(world), 1000);
    }
    world_turn_end(world);
}

const struct scenario scenario_lender = {
    .name = "lender",
    .memory_bytes = 4 << 20,
    .partitions = 1,
    .fibers = 3,
    .schedules = 50,
    .open = lender_open,
    .body = {lender_borrow, lender_write, lender_borrow},
};

/* -- uploader: a value that arrives in pieces is seen whole or not at all
 * ---------------------------- */

static void uploader_open(struct world *world) {
    world_put(world, world_add_key(world), 5000);
    world_put(world, world_add_key(world), 300);
    world->keys[0].stable = world->keys[1].stable = true;
}

static void uploader_write(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    world_upload(world, 0, 4500 + machine_random(200), 2000);
    world_upload(world, 1, 20 + machine_random(900), 100 + machine_random(300));
    world_turn_end(world);
}

static void uploader_abandon(void *context) {
    struct world *world = context;
    char text[STAMP_KEY_BYTES_MAX];
    struct store_write write = {.key = world_key(world, 0, text), .mode = STORE_SET};
    struct store_upload upload;
    static const uint8_t bytes[500];

    world_turn_begin(world);
    if (store_upload_begin(world_core(world), &upload, &write, 5000) == STORE_OK)
        store_upload_append(world_core(world), &upload, bytes, sizeof bytes);
    store_upload_abandon(world_core(world), &upload);
    world_turn_end(world);
}

static void uploader_read(void *context) {
    struct world *world = context;

    world_turn_begin(world);
    world_get(world, any(0, 2));
    world_get(world, any(0, 2));
    world_turn_end(world);
}

const struct scenario scenario_uploader = {
    .name = "uploader",
    .memory_bytes = 4 << 20,
    .partitions = 1,
    .fibers = 4,
    .schedules = 50,
    .open = uploader_open,
    .body = {uploader_read, uploader_write, uploader_abandon, uploader_read},
};
