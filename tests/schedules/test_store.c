/* larder: schedule tests of the store
 *     test_store [--seconds N] [--schedules N] [--scenario NAME] [--seed N]
 * By default all scenarios together take LARDER_SCHEDULE_SECONDS (60); --schedules N runs so many
 * in all instead (a million in the nightly). --seed N runs one round again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/schedules/runner.h"

struct asked {
    struct runner_wish wish;
    const char *scenario;
};

static struct asked asked_read(int argc, char **argv) {
    const char *seconds = getenv("LARDER_SCHEDULE_SECONDS");
    const char *wanted = getenv("LARDER_TEST_SEED");
    const uint64_t seed = wanted ? strtoull(wanted, NULL, 10) : (uint64_t)time(NULL);
    struct asked asked = {.wish = {.seconds = seconds ? strtod(seconds, NULL) : 60.0,
                                   .seed = seed * 1000000}};

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            asked.wish.seconds = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--schedules") == 0)
            asked.wish.schedules = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--scenario") == 0)
            asked.scenario = argv[i + 1];
        else if (strcmp(argv[i], "--seed") == 0) {
            asked.wish.seed = strtoull(argv[i + 1], NULL, 10);
            asked.wish.one_round = true;
        }
    }
    return asked;
}

int main(int argc, char **argv) {
    struct asked asked = asked_read(argc, argv);
    unsigned number = 0, failed = 0, count = asked.scenario ? 1 : scenario_count();
    uint64_t schedules = 0;

    asked.wish.seconds /= count;
    asked.wish.schedules = (asked.wish.schedules + count - 1) / count;
    for (unsigned i = 0; i < scenario_count(); i++) {
        const struct scenario *scenario = scenario_at(i);

        if (asked.scenario && strcmp(asked.scenario, scenario->name) != 0)
            continue;
        struct runner_result result = runner_run(scenario, &asked.wish);

        schedules += result.schedules;
        printf("%sok %u - %s: nothing is found\n# %" PRIu64 " schedules, %" PRIu64
               " yield points, rounds from seed %" PRIu64 "\n",
               result.found ? "not " : "", ++number, scenario->name, result.schedules,
               result.steps, asked.wish.seed);
        printf("#   splits %" PRIu64 ", merges %" PRIu64 ", evictions %" PRIu64
               ", evacuations %" PRIu64 ", page moves %" PRIu64 ", retries %" PRIu64
               ", waits %" PRIu64 "\n",
               result.splits, result.merges, result.evictions, result.evacuations,
               result.page_moves, result.read_retries, result.lock_waits);
        if (result.found)
            printf("# again: test_store --scenario %s --seed ROUND\n", scenario->name);
        failed += result.found;
    }
    printf("1..%u\n# %" PRIu64 " schedules in all\n", number, schedules);
    return failed > 0 || number == 0;
}
