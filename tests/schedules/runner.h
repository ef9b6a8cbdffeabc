/* larder: runs scenarios under many schedules
 *
 * Purpose: a round is one store and some schedules on it, all drawn from the round's seed, so that
 *   a round can be run again.
 * Owner: the test programs.   Threads: one; scenarios run in a child process.
 * Memory: the child's.   Limits: none.
 * Errors: a finding ends the child with a status that is not 0. */
#ifndef LARDER_TESTS_SCHEDULES_RUNNER_H
#define LARDER_TESTS_SCHEDULES_RUNNER_H

#include "tests/schedules/scenarios.h"

struct runner_wish {
    uint64_t seed;      /* of the first round; the next rounds count on */
    bool one_round;
    double seconds;     /* stop after these, or */
    uint64_t schedules; /* after so many; 0 = by time */
    bool quiet;         /* no report: findings are expected */
};

struct runner_result {
    bool found;          /* something was found */
    uint64_t schedules;  /* run */
    uint64_t steps;
    /* what the store counted in rounds that ended: whether the scenario does what it is for */
    uint64_t splits, merges, evictions, evacuations, page_moves, read_retries, lock_waits;
};

struct runner_result runner_run(const struct scenario *scenario, const struct runner_wish *wish);

#endif
