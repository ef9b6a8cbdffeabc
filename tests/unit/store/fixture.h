/* larder: a small store, opened and looked into by the unit tests of src/store
 *
 * Purpose: one store, one handle and short forms of what tests do all the time.
 * Owner: a test.   Threads: one.   Memory: the store and two buffers of BUFFER_BYTES.
 * Limits: keys are text; values to BUFFER_BYTES.
 * Errors: what cannot be (no store, a checker's complaint) fails the test. */
#ifndef LARDER_TESTS_UNIT_STORE_FIXTURE_H
#define LARDER_TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/store/partition.h"

#define BUFFER_BYTES (4u << 20)
#define KEY_TEXT_BYTES 64u
#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

struct fixture {
    struct store *store;
    struct store_core *core;
    struct partition *p; /* the first */
    uint32_t now;
    uint8_t *out;     /* what the last read delivered */
    uint8_t *pattern; /* of the last value made */
};

/* What a read found. */
struct got {
    enum store_read read;
    struct store_head head;
    struct store_lease lease;
};

/* One partition of 16 MiB, one core, evictions on. */
struct store_config fixture_config(void);
void fixture_open(struct fixture *f, const struct store_config *config);
/* Runs the checker, then frees all. */
void fixture_close(struct fixture *f);
void fixture_check(struct fixture *f);
/* Ends the turn and begins the next, `seconds` later. */
void fixture_pass(struct fixture *f, uint32_t seconds);
/* Upkeep and housekeeping until nothing is waiting (bounded). */
void fixture_upkeep(struct fixture *f);

/* "PREFIX-NUMBER" into KEY_TEXT_BYTES. */
void key_number(char *key, const char *prefix, unsigned number);
/* The key's text must outlive the result. */
struct store_key key_of(struct fixture *f, const char *text);
/* A write of mode SET without flags, expiry or comparison. */
struct store_write write_of(struct fixture *f, const char *key);
/* Bytes that tell position and seed; in f->pattern. */
const uint8_t *pattern(struct fixture *f, uint64_t bytes, unsigned seed);

enum store_outcome put_as(struct fixture *f, const struct store_write *write, const void *value,
                          uint64_t bytes);
enum store_outcome put(struct fixture *f, const char *key, const void *value, uint64_t bytes);
enum store_outcome put_text(struct fixture *f, const char *key, const char *text);
/* Reads into f->out; no loan. */
struct got get(struct fixture *f, const char *key);
struct got get_as(struct fixture *f, const char *key, enum store_access access, uint32_t expiry);
struct got get_lent(struct fixture *f, const char *key);
bool has(struct fixture *f, const char *key); /* leaves no trace */
enum store_outcome delete_key(struct fixture *f, const char *key);
enum store_outcome touch(struct fixture *f, const char *key, uint32_t expiry);

/* The key is there and its value is this. */
void assert_value(struct fixture *f, const char *key, const void *value, uint64_t bytes);
void assert_text(struct fixture *f, const char *key, const char *text);
void assert_missing(struct fixture *f, const char *key);

/* The slot of a key that is there. */
uint64_t slot_of(struct fixture *f, const char *key);
void cursor_of(struct fixture *f, const char *key, struct cursor *cursor);
struct store_totals totals_of(struct fixture *f);
/* Stores keys of `prefix`0, 1, ... until the pool can grow no more and something was evicted. */
unsigned fill_until_full(struct fixture *f, const char *prefix, uint64_t bytes);

/* Seconds that a test of chance may take, and its seed. */
uint64_t random_next(uint64_t *state);

#endif
