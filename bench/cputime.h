/* larder: how much CPU another process used.
 *
 * Purpose: the server's CPU time per operation, which is what a shared machine can still measure
 *     when its throughput and latency are noise. Taken from /proc/PID/task/TID/schedstat of all
 *     threads: time on a CPU, with the soft interrupts that ran inside its system calls, and time
 *     spent runnable but waiting for a CPU.
 * Owner: whoever holds the readings.  Threads: any.  Memory: 12 KiB a reading, no allocation.
 * Limits: CPUTIME_TASKS threads, more are left out. The kernel brings a running thread's figure up
 *     to date at its clock tick, so a reading is up to 4 ms old: 0.2 % of two seconds. What a
 *     thread used that began and ended between two readings is lost.
 * Errors: false when the process is gone or its schedstat can't be read.
 */
#ifndef LARDER_BENCH_CPUTIME_H
#define LARDER_BENCH_CPUTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CPUTIME_TASKS = 512,
};

struct cputime_task {
    pid_t tid;
    uint64_t run_ns;
    uint64_t wait_ns;
};

struct cputime {
    uint32_t count;
    struct cputime_task tasks[CPUTIME_TASKS];
};

struct cputime_used {
    uint32_t threads;
    uint64_t run_ns;  /* of all threads */
    uint64_t wait_ns; /* of the busiest: more than a little means that others want its CPU */
};

bool cputime_read(struct cputime *time, pid_t pid) __attribute__((warn_unused_result));

/* What was used between two readings of one process. */
struct cputime_used cputime_between(const struct cputime *before, const struct cputime *after);

#endif
