/* larder: whether -m fits the machine
 *
 * Purpose: a budget beyond what the machine or its cgroup has would end in the out-of-memory
 *   killer, at night; it is lowered at the start, and said so, or refused.
 * Owner: the caller.   Threads: one.   Memory: none.   Limits: none.
 * Errors: what cannot be read bounds nothing. */
#ifndef LARDER_SERVER_MEMORY_LIMIT_H
#define LARDER_SERVER_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct settings;

struct memory_limit {
    uint64_t machine_bytes; /* 0: not known */
    uint64_t cgroup_bytes;  /* 0: none */
};

/* Of this machine, for this process. */
void memory_limit_read(struct memory_limit *limit);

/* Lowers settings->memory_bytes to what the limit leaves, if it is more, with a line on stderr.
 * False: that would be too little for -I and the threads; refused on stderr. */
bool memory_limit_apply(const struct memory_limit *limit, struct settings *settings)
    __attribute__((warn_unused_result));

#endif
