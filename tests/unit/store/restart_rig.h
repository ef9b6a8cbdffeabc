/* larder: a store in a file that is stopped and started again
 *
 * Purpose: a fixture whose store lives in a file in memory, with the file's bytes at hand.
 * Owner: a test.   Threads: one (the store's own helpers apart).
 * Memory: the file vanishes with rig_close.   Limits: one file a rig.
 * Errors: what cannot be fails the test. */
#ifndef LARDER_TESTS_UNIT_STORE_RESTART_RIG_H
#define LARDER_TESTS_UNIT_STORE_RESTART_RIG_H

#include "src/store/restart_file.h"
#include "tests/unit/store/fixture.h"

struct rig {
    struct fixture f;
    struct store_config config; /* for the next start */
    struct restart restart;
    int64_t wall_s; /* for the next start */
    int fd; /* keeps the file alive */
    char path[64];
};

/* A store of two partitions in a new file, started. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/* Ends the store: saved, or as if it had been killed. */
void rig_stop(struct rig *rig);
void rig_kill(struct rig *rig);
/* Creates the store from the file as it is, by rig->config; the clock goes on if it was taken
 * over. */
void rig_start(struct rig *rig);
/* rig_stop, then rig_start `seconds` later, and the store was taken over. */
void rig_restart(struct rig *rig, uint32_t seconds);
/* rig_start on a file that cannot be taken over: the store is empty and the reason is this. */
void rig_start_clean(struct rig *rig, const char *reason);

uint64_t rig_file_bytes(const struct rig *rig);
void rig_file_read(const struct rig *rig, uint64_t offset, void *data, uint64_t bytes);
void rig_file_write(const struct rig *rig, uint64_t offset, const void *data, uint64_t bytes);
void rig_file_cut(const struct rig *rig, uint64_t bytes);

#endif
