/* larder: how much CPU another process used.
 *
 * Purpose: the server's CPU time per operation, which is what a shared machine can still measure when
 *     its throughput and latency are noise. Taken from /proc/PID/task/TID/schedstat of all threads: time
 *     on a CPU, with the soft interrupts that ran inside its system calls, and time spent runnable but
 *     waiting for a CPU, which tells that something else ran on the server's core.
 * Owner: none.  Threads: any.  Memory: none.
 * Limits: the kernel brings a running thread's figure up to date at its clock tick, so a reading is
 *     up to 4 ms old: 0.2 % of two seconds. What a thread that ended had used is lost.
 * Errors: false when the process is gone or its schedstat can't be read.
 */
#ifndef LARDER_BENCH_CPUTIME_H
#define LARDER_BENCH_CPUTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cputime {
    uint64_t run_ns;
    uint64_t wait_ns;
    uint32_t threads;
};

bool cputime_read(struct cputime *time, pid_t pid) __attribute__((warn_unused_result));

#endif
