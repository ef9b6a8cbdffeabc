/* larder: what a run of the load generator tells.
 *
 * Purpose: sums up the workers' results and prints them: for people, and as one line of key=value
 *     words that begins with "result", which bench/compare reads.
 * Owner: the program, after the workers have ended.   Threads: one.   Memory: none of its own.
 * Limits: none.   Errors: none.
 */
#ifndef LARDER_BENCH_REPORT_H
#define LARDER_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/cputime.h"
#include "bench/worker.h"

struct report {
    const char *phase; /* "preload" or "run" */
    double seconds;
    struct tally tally;
    struct hist hist;
    uint64_t client_ns;  /* CPU time of the generator's threads */
    bool has_server;
    struct cputime_used server; /* what the server used meanwhile */
    uint64_t late_ops;
    uint64_t unfinished_ops;
};

void report_add_worker(struct report *report, const struct worker *worker);

/* The one line. */
void report_print_line(const struct report *report);

/* Several lines for people. */
void report_print_text(const struct report *report);

/* The first faults, to stderr, if there were any. */
void report_print_faults(const struct report *report);

#endif
