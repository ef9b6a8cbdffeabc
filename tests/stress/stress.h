/* larder: threads of readers against threads of writers on one store
 *
 * Purpose: a plan names keys, sizes, threads and what may happen; stress_run carries it out for a
 *   time and checks every value that a reader gets:
 *     - never torn or foreign: its stamp (stamp.h) is whole and names the key that was asked for;
 *     - a stable key, which nobody deletes, expires or evicts, never misses;
 *     - a value is not older than the last write that had returned before the read began, not newer
 *       than the last that had begun, and sequence and version never go back for one reader;
 *     - a lent value stays as it was until it is returned.
 *   At the end store_check() walks the store.
 * Owner: the test.   Threads: readers + writers + one for housekeeping and time.
 * Memory: freed at the end of the run.
 * Limits: STRESS_THREADS_MAX threads; every stable and every brief key has one writer.
 * Errors: the first finding is printed with its thread and key; stress_run answers false. */
#ifndef LARDER_TESTS_STRESS_STRESS_H
#define LARDER_TESTS_STRESS_STRESS_H

#include <stdbool.h>
#include <stdint.h>

enum { STRESS_THREADS_MAX = 8 };

struct stress_sizes {
    uint32_t bytes_min, bytes_max;
};

struct stress_plan {
    const char *name;
    uint64_t memory_bytes;
    unsigned partitions;
    unsigned readers, writers;
    unsigned idle_cores;   /* handles that are created and never used again: owners that sleep */
    bool evict;            /* values may go: then no key is stable */
    uint32_t stable_keys;  /* overwritten, never deleted */
    struct stress_sizes stable;
    uint32_t brief_keys;   /* stored, deleted, expired, stored again */
    struct stress_sizes brief;
    uint32_t filler_keys;  /* come and go in waves, so that the index grows and shrinks */
    struct stress_sizes filler[2]; /* of odd and of even waves: pages change their class */
    bool lend;             /* readers hold leases of large values */
    unsigned restarts;     /* so often the store is left in its file and taken over, all threads
                              stopped */
};

/* Runs the plan. `seed` picks keys, sizes and operations of each thread. */
bool stress_run(const struct stress_plan *plan, unsigned seconds_tenths, uint64_t seed);

#endif
