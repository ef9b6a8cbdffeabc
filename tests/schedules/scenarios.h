/* larder: the schedule scenarios of the store
 *
 * Purpose: the table.   Owner: the runners.   Threads: any.   Memory: constant.
 * Limits: scenario_at(index) for index < scenario_count().
 * Errors: scenario_named answers NULL for an unknown name. */
#ifndef LARDER_TESTS_SCHEDULES_SCENARIOS_H
#define LARDER_TESTS_SCHEDULES_SCENARIOS_H

#include "tests/schedules/world.h"

unsigned scenario_count(void);
const struct scenario *scenario_at(unsigned index);
const struct scenario *scenario_named(const char *name);

/* scenarios_index.c: keys that come and go in few buckets */
extern const struct scenario scenario_overwriter, scenario_deleter, scenario_splitter,
    scenario_chain, scenario_writers, scenario_flusher;
/* scenarios_change.c: items that change where they stand */
extern const struct scenario scenario_toucher, scenario_appender, scenario_expirer;
/* scenarios_memory.c: pages that fill, move and are lent */
extern const struct scenario scenario_evictor, scenario_mover, scenario_lender, scenario_uploader;
/* scenarios_growth.c: a large value that grows behind its end */
extern const struct scenario scenario_grower;

#endif
