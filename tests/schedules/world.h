/* larder: a store on the simulated machine, with what its keys may hold
 *
 * Purpose: scenarios describe who does what; the world carries operations out and checks each read:
 *   values are whole and the key's own (tests/stress/stamp.h), a key that nobody removes never
 *   misses, nobody sees a key go back.
 * Owner: the runner (test_store.c).   Threads: one, fibers of the machine.
 * Memory: freed by world_close.   Limits: WORLD_KEYS_MAX keys, values to WORLD_VALUE_BYTES_MAX.
 * Errors: what is wrong ends the process by machine_fail. */
#ifndef LARDER_TESTS_SCHEDULES_WORLD_H
#define LARDER_TESTS_SCHEDULES_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "src/store/store.h"
#include "tests/schedules/machine.h"
#include "tests/stress/stamp.h"

enum { WORLD_KEYS_MAX = 4096, WORLD_VALUE_BYTES_MAX = 32 << 10 };

enum { WORLD_SHAPES = 16 };

/* What is known of a key. */
struct track {
    uint32_t number;    /* of its text, stamp_key() */
    uint32_t begun;     /* last sequence that a write began with */
    uint32_t settled;   /* sequence after the last finished write; 0 = deleted */
    bool shared;        /* more than one fiber writes it: settled means nothing */
    bool stable;        /* must never miss */
    bool may_go;        /* may be evicted */
    uint32_t seen[MACHINE_FIBERS_MAX];
    uint32_t bytes[WORLD_SHAPES]; /* of the values of the last sequences, by sequence */
};

struct world;

struct scenario {
    const char *name;
    uint64_t memory_bytes;
    bool evict;
    unsigned partitions;
    unsigned fibers;
    unsigned schedules; /* on one store, then a new one */
    unsigned steps;     /* a guess at the yield points of a schedule */
    void (*open)(struct world *world);    /* once a store, not simulated */
    void (*prepare)(struct world *world); /* before each schedule, not simulated */
    void (*body[MACHINE_FIBERS_MAX])(void *world);
    void (*verify)(struct world *world); /* after each; NULL: world_verify */
};

struct world {
    const struct scenario *scenario;
    struct store *store;
    struct store_core *cores[MACHINE_FIBERS_MAX];
    struct track keys[WORLD_KEYS_MAX];
    uint32_t key_count;
    uint32_t now;
    enum machine_memory memory;
    uint64_t extra[8]; /* the scenario's own */
    uint8_t buffers[MACHINE_FIBERS_MAX][WORLD_VALUE_BYTES_MAX];
};

struct world *world_open(const struct scenario *scenario, uint64_t seed);
void world_close(struct world *world);
/* One schedule; `config` says how. Returns its yield points. */
uint64_t world_run(struct world *world, struct machine *machine,
                   const struct machine_config *config);

/* Adds a key and returns its place in world->keys. */
uint32_t world_add_key(struct world *world);
/* The same, in the bucket that `hash_bits` falls into while the index has 2^level buckets. */
uint32_t world_add_key_in_bucket(struct world *world, uint32_t bucket, unsigned level);

/* Handle of the running fiber; the first when none runs. */
struct store_core *world_core(struct world *world);
struct store_key world_key(struct world *world, uint32_t key, char text[STAMP_KEY_BYTES_MAX]);
void world_turn_begin(struct world *world);
void world_turn_end(struct world *world);

/* Reads and checks; returns the sequence, 0 on a miss. */
uint32_t world_get(struct world *world, uint32_t key);
/* The same by loan where the store offers one: checks, yields, checks again, returns it. */
uint32_t world_get_lent(struct world *world, uint32_t key);
/* Stores the key's next sequence in `bytes` bytes. */
enum store_outcome world_put(struct world *world, uint32_t key, uint32_t bytes);
enum store_outcome world_put_expiring(struct world *world, uint32_t key, uint32_t bytes,
                                      uint32_t expiry);
enum store_outcome world_upload(struct world *world, uint32_t key, uint32_t bytes,
                                uint32_t piece_bytes);
void world_delete(struct world *world, uint32_t key);

/* Every key holds what its last write left, and store_check() finds nothing. */
void world_verify(struct world *world);

#endif
