/* larder: runs scenarios under many schedules */
#include "tests/schedules/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Half of the schedules on weak memory, the rest mostly on TSO. */
static enum machine_memory runner_memory(uint64_t seed) {
    unsigned dice = (unsigned)(seed >> 20) & 7;

    if (dice < 4)
        return MACHINE_WEAK;
    return dice < 7 ? MACHINE_TSO : MACHINE_SC;
}

static void round_count(const struct world *world, volatile struct runner_result *result) {
    struct store_totals totals;

    store_totals(world->store, &totals);
    result->splits += totals.splits;
    result->merges += totals.merges;
    result->evictions += totals.evictions;
    result->evacuations += totals.evacuations;
    result->page_moves += totals.page_moves;
    result->read_retries += totals.read_retries;
    result->lock_waits += totals.lock_waits;
}

/* One round; counts into the shared result as it goes, so that a child that dies has counted. */
static void round_run(const struct scenario *scenario, struct machine *machine, uint64_t seed,
                      volatile struct runner_result *result) {
    struct world *world = world_open(scenario, seed);
    uint64_t steps = scenario->steps ? scenario->steps : 256;

    for (unsigned i = 0; i < scenario->schedules; i++) {
        uint64_t own = stamp_mix(seed * 0x9e3779b97f4a7c15u + i);
        struct machine_config config;

        machine_config_draw(&config, own, runner_memory(own));
        config.steps_guess = (unsigned)steps;
        machine_name_run(machine, scenario->name, seed);
        result->schedules++;
        steps = world_run(world, machine, &config);
        result->steps += steps;
    }
    round_count(world, result);
    world_close(world);
}

static void child_run(const struct scenario *scenario, const struct runner_wish *wish,
                      volatile struct runner_result *result) {
    double end = seconds_now() + wish->seconds;
    struct machine *machine = machine_create();
    uint64_t seed = wish->seed;
    bool more;

    ASSERT(machine);
    machine_quiet(machine, wish->quiet);
    if (wish->quiet && !freopen("/dev/null", "w", stderr))
        _exit(2);
    do {
        round_run(scenario, machine, seed++, result);
        more = wish->schedules ? result->schedules < wish->schedules : seconds_now() < end;
    } while (more && !wish->one_round);
    machine_destroy(machine);
    _exit(0);
}

struct runner_result runner_run(const struct scenario *scenario, const struct runner_wish *wish) {
    struct runner_result *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = -1;

    ASSERT(shared != MAP_FAILED);
    fflush(stdout);
    pid_t child = fork();

    ASSERT(child >= 0);
    if (child == 0)
        child_run(scenario, wish, shared);
    ASSERT(waitpid(child, &status, 0) == child);
    struct runner_result result = *shared;

    result.found = status != 0;
    munmap(shared, sizeof *shared);
    return result;
}
