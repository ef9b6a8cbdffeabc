/* larder: the file that lets a store outlive its process
 *
 * Purpose: with a restart file, the memory of items and index is that file's. store_save() at an
 *   orderly end writes behind it what else the store knows, and store_create() on the same file
 *   takes everything over: items, expiry, versions, flags, the order of eviction. Whatever does not
 *   fit or is damaged is a clean start, and `reason` names why. docs/architecture.md draws the
 *   file.
 * Owner: the server, from before store_create() until after store_destroy().
 * Threads: one; no handle of the store exists while it is created or saved. Both use threads of
 *   their own inside.
 * Memory: one mapped page of the file; while saving and restoring, about 0.2 % of the store's.
 * Limits: one process a file (a lock on it). Who cuts the file off while it is in use kills the
 *   server; who changes values in it is noticed with `verify_values` only.
 * Errors: restart_open() and store_save() return false and leave the reason in `reason`. */
#ifndef LARDER_STORE_RESTART_H
#define LARDER_STORE_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/assert.h"

struct store;
struct restart_header;

#define RESTART_REASON_BYTES_MAX 200u

struct restart {
    int fd;
    bool in_memory;     /* the file's system keeps files in memory: tmpfs, hugetlbfs */
    bool verify_values; /* set after opening: sums over the values too, when saved and restored */
    int64_t wall_s;     /* set before store_create(): unix time, never before that of the saving */
    struct restart_header *header;
    char reason[RESTART_REASON_BYTES_MAX];

    /* After store_create(). */
    bool reused;        /* the store is the one that was saved */
    uint32_t now;       /* of a reused one: the store second that belongs to wall_s */
};

/* Opens or creates the file and locks it; waits some seconds for another process to let go of it.
 * False: it cannot be had (`reason`); nothing is open then. */
MUST_CHECK bool restart_open(struct restart *restart, const char *path);
void restart_close(struct restart *restart);

/* How much the file's system has room for behind the file, what the file has included. */
uint64_t restart_room_bytes(const struct restart *restart);

/* Leaves the store in its file (store_config.restart) such that it can be taken over: `now` is the
 * store second that belongs to wall_s. All handles are destroyed; the store may only be destroyed
 * afterwards. False: the next start is a clean one (`reason`). */
MUST_CHECK bool store_save(struct store *store, uint32_t now, int64_t wall_s);

#endif
