/* larder: how the memory of -m will be used, printed for people
 *
 * Purpose: `larder --memory-plan`, and what stands beside -m.
 * Owner: the caller.   Threads: any.   Memory: a plan while it prints.
 * Limits: MEMORY_PLAN_SIZES_MAX sizes.   Errors: a complaint on stderr. */
#ifndef LARDER_SERVER_MEMORY_PLAN_H
#define LARDER_SERVER_MEMORY_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct settings;

enum {
    MEMORY_PLAN_SIZES_MAX = 64,
    MEMORY_PLAN_RECEIVE_BYTES = 64 * 16 * 1024, /* a thread's receive buffers at first */
};

/* What the process holds beside items, index and connections: its code and tables, page metadata,
 * partitions, and for each thread a stack, rings, counters and receive buffers at first. Page
 * metadata grows with what is in use of -m; this is all of it. */
uint64_t memory_fixed_bytes(const struct settings *settings, unsigned threads);

/* Threads to serve: -t, or what the machine makes of auto. */
unsigned memory_plan_threads(const struct settings *settings);

/* Prints the plan. False: a size cannot be read, or the topology; the reason is on stderr. */
bool memory_plan_print(const struct settings *settings, FILE *out)
    __attribute__((warn_unused_result));

#endif
