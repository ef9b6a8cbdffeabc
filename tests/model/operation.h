/* larder: random operations on the store
 *
 * Purpose: operation number i of a seed is a pure function of both, so that any subset of a failing
 *   sequence can be run again (shrinking). Operands that depend on the state (the right token, an
 *   open upload) are named, and resolved when the operation runs.
 * Owner: the model test.   Threads: any.   Memory: none.
 * Limits: see struct profile.   Errors: none. */
#ifndef LARDER_TESTS_MODEL_OPERATION_H
#define LARDER_TESTS_MODEL_OPERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "src/store/store.h"

enum operation_kind {
    OP_PUT,
    OP_GET,
    OP_GAT,
    OP_DELETE,
    OP_TOUCH,
    OP_ARITH,
    OP_LOOK_UP, /* mg: perhaps creates */
    OP_COUNT,   /* ma: perhaps creates, compares, touches */
    OP_REMOVE,  /* md: perhaps compares, perhaps leaves something */
    OP_LEASE,        /* get that may lend; the lease goes to `place` */
    OP_LEASE_RETURN, /* of `place` */
    OP_UPLOAD_BEGIN, /* at `place` */
    OP_UPLOAD_FEED,
    OP_UPLOAD_COMMIT,
    OP_UPLOAD_ABANDON,
    OP_FLUSH,
    OP_TIME,
    OP_UPKEEP,
    OP_HOUSEKEEP,
    OP_LIMIT,
    OP_RESTART, /* a profile with restarts has its store in a file */
    OP_CHECK,
    OP_KINDS,
};

enum compare { COMPARE_NOT, COMPARE_RIGHT, COMPARE_WRONG };
enum { PLACES = 6 };

/* A kind of store and of traffic. Weights: how often of 1000 (the rest are gets). */
struct profile {
    const char *name;
    struct store_config config;
    uint32_t key_count;
    unsigned operations;
    unsigned check_every;
    uint64_t bytes_max;        /* of a value, mostly far less */
    unsigned weight[OP_KINDS];
    bool grows;                /* most writes append */
    bool may_miss;             /* pressure: a live key may have been evicted */
    bool may_refuse;           /* STORE_NO_MEMORY is an answer */
    unsigned expire_one_in;    /* writes with an expiry; 0 = none */
};

struct operation {
    enum operation_kind kind;
    unsigned core, place;
    uint32_t key;
    enum store_mode mode;
    enum compare compare;
    bool set_token;
    bool numeric, quiet, decrement, direct; /* direct: upload through space and advance */
    uint32_t client_flags;
    uint32_t seconds; /* from now: expiry, flush, step of the clock; 0 = never or now */
    uint64_t bytes;   /* of a value, or a piece */
    uint64_t random;  /* of the value's bytes, delta, token, limit */
};

struct operation operation_draw(const struct profile *profile, uint64_t seed, uint64_t number);
void operation_print(FILE *file, uint64_t number, const struct operation *operation);

/* The value that the operation stores: op->bytes bytes (a decimal number if numeric, then 1..20).
 * */
void operation_value(const struct operation *operation, uint8_t *value, uint64_t bytes);

/* Key `number`: 1..250 bytes, no two alike. */
uint32_t operation_key(uint8_t text[STORE_KEY_BYTES_MAX], uint32_t number);

#endif
