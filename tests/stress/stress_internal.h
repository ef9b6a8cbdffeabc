/* larder: what the readers and writers of a stress run share (see stress.h)
 *
 * Purpose: stress.c sets up, reader.c and writer.c are the threads' loops.
 * Owner: stress.c.   Threads: each field says.   Memory: one struct stress a run.   Limits:
 * stress.h.
 * Errors: stress_fail records the first finding and stops the run. */
#ifndef LARDER_TESTS_STRESS_STRESS_INTERNAL_H
#define LARDER_TESTS_STRESS_STRESS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "src/base/atomic.h"
#include "src/store/restart.h"
#include "src/store/store.h"
#include "tests/stress/stamp.h"
#include "tests/stress/stress.h"

/* Numbers of keys: stable keys from 0, brief keys and fillers above these. */
enum { BRIEF_FIRST = 1 << 20, FILLER_FIRST = 2 << 20 };
enum { STRESS_VALUE_BYTES_MAX = 256 << 10 };

/* What a key's writer has begun and finished; written by that writer only. */
struct stress_key {
    _Atomic uint32_t begun;
    _Atomic uint32_t finished;
    _Atomic uint32_t deletions; /* begun */
};

struct stress {
    const struct stress_plan *plan;
    struct store *store;
    struct restart restart;
    char path[64]; /* of the store's file */
    struct stress_key *keys; /* stable, then brief */
    uint64_t seed;
    _Atomic uint32_t now; /* written by the housekeeper */
    _Atomic bool stop, ready;
    _Atomic bool failed;
    _Atomic uint64_t reads, hits, lends, writes, refusals;
    pthread_mutex_t report;
};

struct stress_thread {
    struct stress *stress;
    struct store_core *core;
    unsigned index; /* of its core */
    unsigned number; /* among the readers or writers */
    uint64_t random;
    uint8_t *buffer; /* STRESS_VALUE_BYTES_MAX bytes */
    pthread_t thread;
};

__attribute__((cold, format(printf, 3, 4))) void
stress_fail(struct stress_thread *thread, uint32_t key, const char *format, ...);

void *stress_reader(void *thread);
void *stress_writer(void *thread);
/* A writer's first values of its stable keys, before any reader starts. */
void stress_writer_prepare(struct stress_thread *thread);

static inline struct stress_key *stress_key_of(const struct stress *stress, uint32_t number) {
    return number < BRIEF_FIRST ? &stress->keys[number]
                                : &stress->keys[stress->plan->stable_keys + number - BRIEF_FIRST];
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016) */
static inline uint32_t stress_random(struct stress_thread *thread, uint32_t bound) {
    thread->random ^= thread->random >> 12;
    thread->random ^= thread->random << 25;
    thread->random ^= thread->random >> 27;
    return (uint32_t)(((thread->random * 0x2545f4914f6cdd1du >> 32) * bound) >> 32);
}

static inline struct store_key stress_store_key(const struct stress *stress, uint32_t number,
                                                char text[STAMP_KEY_BYTES_MAX]) {
    uint32_t len = stamp_key(text, number);
    const uint8_t *data = (const uint8_t *)text;

    return (struct store_key){
        .data = data, .len = len, .hash = store_hash(stress->store, data, len)};
}

#endif
