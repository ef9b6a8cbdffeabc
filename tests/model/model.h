/* larder: the dictionary that the store is compared with
 *
 * Purpose: what memcached's commands mean, said once more as plainly as possible: one array of
 *   keys, values in malloc. Knows no memory limit; who runs it drops what the store evicted.
 * Owner: the model test.   Threads: one.   Memory: freed by model_destroy.
 * Limits: keys are numbers below key_count.   Errors: none (malloc asserts). */
#ifndef LARDER_TESTS_MODEL_MODEL_H
#define LARDER_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "src/store/store.h"

struct model_item {
    uint8_t *value;
    uint64_t bytes;
    uint64_t token, version;
    uint32_t client_flags, expiry;
    bool present, flushed;
};

struct model {
    struct model_item *items;
    uint32_t key_count;
    uint32_t now, flush_when; /* flush_when: a flush is pending for then; 0 = none */
};

struct model_write {
    uint32_t key;
    enum store_mode mode;
    uint32_t client_flags, expiry;
    bool compare;
    uint64_t compare_token;
    const uint8_t *value;
    uint64_t bytes;
};

void model_create(struct model *model, uint32_t key_count);
void model_destroy(struct model *model);

/* Present, not expired, not flushed. */
bool model_is_live(const struct model *model, uint32_t key);
void model_drop(struct model *model, uint32_t key);

/* What a write answers if the key were live or not (size and memory apart). */
enum store_outcome model_judge(const struct model *model, const struct model_write *write,
                               bool live);
/* Carries out a write that was answered with STORE_OK. */
void model_write(struct model *model, const struct model_write *write, uint64_t token);
/* The bytes that the write leaves under the key. */
uint64_t model_bytes_after(const struct model *model, const struct model_write *write);

/* The new number, or STORE_NOT_NUMERIC; then model_arith_write stores it. */
enum store_outcome model_arith(const struct model *model, uint32_t key, bool decrement,
                               uint64_t delta, uint64_t *value);
void model_arith_write(struct model *model, uint32_t key, uint64_t value);

void model_flush(struct model *model, uint32_t when);
void model_time(struct model *model, uint32_t now);

#endif
