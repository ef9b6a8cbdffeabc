/* larder: the schedule scenario of a large value that two fibers append to, and one has on loan */
#include "tests/schedules/scenarios.h"

/* In this build chunks of 4 KiB, values of 5 KiB lent, and any chain ends in a large chunk once an
 * append made it anew. BEFORE_BYTES to BEFORE_BYTES + SPREAD end shortly before the second chunk
 * does. */
enum { GROWN, FIRST_BYTES = 5000, BEFORE_BYTES = 8000, SPREAD = 110, APPENDS = 2 };
enum { PIECE_BYTES = 40, SMALL_PIECE_BYTES = 8, SMALL = 'p' }; /* small ones are of p and q */

struct grown_sink {
    struct store_sink sink; /* first */
    uint8_t *buffer;
    bool lend;
};

static uint8_t *grown_place(struct store_sink *sink, const struct store_head *head) {
    struct grown_sink *grown = (struct grown_sink *)(void *)sink;

    if (head->value_bytes > WORLD_VALUE_BYTES_MAX)
        machine_fail("place() was asked for %llu bytes", (unsigned long long)head->value_bytes);
    return grown->lend && sink->may_lend ? NULL : grown->buffer;
}

static void grown_put(struct world *world, enum store_mode mode, int letter, size_t bytes) {
    char value[BEFORE_BYTES + SPREAD];
    char text[STAMP_KEY_BYTES_MAX];
    struct store_write write = {.key = world_key(world, GROWN, text), .mode = mode};
    struct iovec vector = {.iov_base = value, .iov_len = bytes};

    memset(value, letter, bytes);
    if (store_put(world_core(world), &write, &vector, NULL) != STORE_OK)
        machine_fail("what grows was refused, or not found");
}

static uint64_t piece_bytes(int letter) {
    return letter < SMALL ? PIECE_BYTES : SMALL_PIECE_BYTES;
}

static void grown_expect(const uint8_t *value, uint64_t from, uint64_t to, int letter) {
    for (uint64_t i = from; i < to; i++)
        if (value[i] != letter)
            machine_fail("byte %llu is %#x, not %#x", (unsigned long long)i, value[i], letter);
}

/* world->extra[0]: the bytes before the appends. Whole pieces of one letter each come behind. */
static void grown_check(struct world *world, const uint8_t *value, uint64_t bytes) {
    uint64_t at = world->extra[0];

    grown_expect(value, 0, at, '.');
    while (at < bytes) {
        uint64_t piece = piece_bytes(value[at]);

        if (piece > bytes - at)
            machine_fail("half a piece at %llu", (unsigned long long)at);
        grown_expect(value, at, at + piece, value[at]);
        at += piece;
    }
    if (at != bytes)
        machine_fail("%llu bytes only", (unsigned long long)bytes);
}

static uint64_t grown_read(struct world *world, uint8_t *buffer, bool lend) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key key = world_key(world, GROWN, text);
    struct grown_sink sink = {.sink = {.place = grown_place}, .buffer = buffer, .lend = lend};
    struct store_head head;
    struct store_lease lease = {0};
    enum store_read read = store_get(world_core(world), &key, &sink.sink, &head, &lease);

    if (read != STORE_HIT && read != STORE_LENT)
        machine_fail("a key that is always there was missed");
    for (unsigned i = 0; read == STORE_LENT && i < 2; i++) {
        world_turn_end(world);
        world_turn_begin(world);
        store_lease_copy(world->store, &lease, 0, buffer, lease.value_bytes);
        grown_check(world, buffer, lease.value_bytes);
    }
    store_lease_return(world_core(world), &lease);
    grown_check(world, buffer, head.value_bytes);
    return head.value_bytes;
}

static void grower_open(struct world *world) {
    world_add_key(world);
    world->keys[GROWN].shared = true;
}

static void grower_prepare(struct world *world) {
    world->extra[0] = BEFORE_BYTES + machine_random(SPREAD);
    grown_put(world, STORE_SET, '.', FIRST_BYTES);
    grown_put(world, STORE_APPEND, '.', world->extra[0] - FIRST_BYTES);
}

static void grower_write(struct world *world, int letter) {
    world_turn_begin(world);
    for (int i = 0; i < APPENDS; i++)
        grown_put(world, STORE_APPEND, letter + i, piece_bytes(letter));
    world_turn_end(world);
}

static void grower_write_first(void *context) {
    grower_write(context, 'a');
}

static void grower_write_second(void *context) {
    grower_write(context, SMALL);
}

static void grower_borrow(void *context) {
    struct world *world = context;
    uint64_t seen;

    world_turn_begin(world);
    seen = grown_read(world, world->buffers[2], true);
    if (grown_read(world, world->buffers[2], false) < seen)
        machine_fail("what grows has shrunk");
    world_turn_end(world);
}

static void grower_verify(struct world *world) {
    uint64_t bytes = grown_read(world, world->buffers[0], false);

    if (bytes != world->extra[0] + APPENDS * (PIECE_BYTES + SMALL_PIECE_BYTES))
        machine_fail("%llu bytes after all appends", (unsigned long long)bytes);
    const char *wrong = store_check(world->store);

    if (wrong)
        machine_fail("store_check: %s", wrong);
}

const struct scenario scenario_grower = {
    .name = "grower",
    .memory_bytes = 4 << 20,
    .partitions = 1,
    .fibers = 3,
    .schedules = 50,
    .open = grower_open,
    .prepare = grower_prepare,
    .body = {grower_write_first, grower_write_second, grower_borrow},
    .verify = grower_verify,
};
