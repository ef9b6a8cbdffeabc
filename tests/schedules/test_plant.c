/* larder: schedule tests find a planted bug. Compiled once a plant with src/store files that have
 * it */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/schedules/runner.h"

#if defined(LARDER_PLANT_MISS_UNVALIDATED)
static const char what[] = "a miss that is not validated";
static const char *const names[] = {"splitter", "chain"};
#elif defined(LARDER_PLANT_LENGTH_UNCHECKED)
static const char what[] = "a length used before the version is checked";
static const char *const names[] = {"overwriter", "deleter", "evictor"};
#elif defined(LARDER_PLANT_LEND_UNFENCED)
static const char what[] = "a loan without the check after it";
static const char *const names[] = {"lender"};
#elif defined(LARDER_PLANT_UNLINK_UNFENCED)
static const char what[] = "an unlink without the fence in front of the count";
static const char *const names[] = {"lender"};
#else
#error a plant must be named
#endif

enum { SECONDS_MAX = 120 };

int main(void) {
    struct runner_wish wish = {.seed = 1, .seconds = SECONDS_MAX, .quiet = true};
    uint64_t schedules = 0;
    bool found = false;

    wish.seconds /= sizeof names / sizeof names[0];
    for (unsigned i = 0; i < sizeof names / sizeof names[0] && !found; i++) {
        struct runner_result result = runner_run(scenario_named(names[i]), &wish);

        schedules += result.schedules;
        found = result.found;
        printf("# %s: %s after %" PRIu64 " schedules\n", names[i], found ? "found" : "not found",
               result.schedules);
    }
    printf("%sok 1 - %s is found\n1..1\n", found ? "" : "not ", what);
    return !found;
}
