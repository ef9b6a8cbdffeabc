/* larder: the simulated machine - runs, scheduling, priorities */
#include "tests/schedules/machine.h"

#include <stdlib.h>
#include <string.h>

#include "tests/schedules/machine_internal.h"

struct machine *machine_now;

/* xoroshiro128+ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021) */
uint64_t machine_draw(struct machine *machine) {
    uint64_t a = machine->random[0], b = machine->random[1], sum = a + b;

    b ^= a;
    machine->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    machine->random[1] = b << 37 | b >> 27;
    return sum;
}

/* splitmix64: turns neighbouring seeds into unrelated states */
static uint64_t seed_spread(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void machine_config_draw(struct machine_config *config, uint64_t seed, enum machine_memory memory) {
    static const unsigned switches[] = {2, 4, 8, 16, 32, 64, 128, 256};
    static const unsigned drains[] = {1, 2, 4, 16, 64, 256, 0, 0};
    static const unsigned stales[] = {2, 4, 8, 16, 32, 128, 8, 0};
    uint64_t state = seed, draw = seed_spread(&state);

    *config = (struct machine_config){
        .seed = seed,
        .memory = memory,
        .by_priority = (draw & 1) != 0,
        .switch_one_in = switches[draw >> 1 & 7],
        .changes = 1 + (draw >> 4 & 3),
        .steps_guess = 256,
        .buffer_stores = 1 + (draw >> 6 & (MACHINE_BUFFER_MAX - 1)),
        .drain_one_in = drains[draw >> 10 & 7],
        .stale_one_in = stales[draw >> 13 & 7],
        .steps_max = 100000,
    };
}

void machine_destroy(struct machine *machine) {
    if (!machine)
        return;
    for (unsigned i = 0; i < MACHINE_FIBERS_MAX; i++)
        fiber_destroy(machine->fibers[i].fiber);
    fiber_destroy(machine->origin);
    free(machine->words);
    free(machine->events);
    free(machine);
    machine_now = NULL;
}

struct machine *machine_create(void) {
    struct machine *machine = calloc(1, sizeof *machine);

    ASSERT(!machine_now);
    if (!machine)
        return NULL;
    machine->origin = fiber_create_stackless();
    machine->words = calloc(WORD_TABLE, sizeof *machine->words);
    machine->events = calloc(TRACE_EVENTS, sizeof *machine->events);
    bool whole = machine->origin && machine->words && machine->events;

    for (unsigned i = 0; i < MACHINE_FIBERS_MAX && whole; i++) {
        machine->fibers[i].fiber = fiber_create();
        whole = machine->fibers[i].fiber;
    }
    if (!whole) {
        machine_destroy(machine);
        return NULL;
    }
    machine->name = "run";
    machine_now = machine;
    report_install();
    return machine;
}

void machine_name_run(struct machine *machine, const char *name, uint64_t round) {
    machine->name = name;
    machine->round = round;
}

void machine_quiet(struct machine *machine, bool quiet) {
    machine->quiet = quiet;
}

void machine_begin(struct machine *machine, const struct machine_config *config) {
    uint64_t state = ~config->seed;

    ASSERT(!machine->running);
    ASSERT(config->buffer_stores >= 1 && config->buffer_stores <= MACHINE_BUFFER_MAX);
    machine->config = *config;
    machine->random[0] = seed_spread(&state);
    machine->random[1] = seed_spread(&state);
    machine->count = machine->alive = machine->current = 0;
    machine->steps = 0;
    machine->fair = false;
    machine->priority_low = 0;
    machine->events_count = 0;
    machine->changes_left = 0;
    for (unsigned i = 0; config->by_priority && i < config->changes && i < 8; i++)
        machine->change_at[machine->changes_left++] =
            1 + machine_below(machine, config->steps_guess ? config->steps_guess : 1);
    memory_begin(machine);
}

static void fiber_body(void *context) {
    struct machine_fiber *self = context;
    struct machine *machine = machine_now;

    self->body(self->context);
    self->done = true;
    machine->alive--;
    machine_give_way(machine);
    fiber_switch(self->fiber, machine->origin);
}

void machine_add(struct machine *machine, void (*body)(void *context), void *context) {
    ASSERT(machine->count < MACHINE_FIBERS_MAX && !machine->running);
    struct machine_fiber *self = &machine->fibers[machine->count++];

    self->body = body;
    self->context = context;
    self->done = false;
    self->horizon = self->latest = self->fences = 0;
    self->pending_count = 0;
    self->priority = (int64_t)(machine_draw(machine) >> 2);
    fiber_prepare(self->fiber, fiber_body, self);
    machine->alive++;
}

/* The next fiber in number, after the current, that has not ended; the current if it is the last.
 * */
static unsigned fiber_next(const struct machine *machine) {
    unsigned next = machine->current;

    do
        next = next + 1 == machine->count ? 0 : next + 1;
    while (machine->fibers[next].done && next != machine->current);
    return next;
}

static unsigned fiber_first_by_priority(const struct machine *machine) {
    unsigned best = machine->current;

    for (unsigned i = 0; i < machine->count; i++) {
        const struct machine_fiber *fiber = &machine->fibers[i];

        if (!fiber->done && (machine->fibers[best].done ||
                             fiber->priority > machine->fibers[best].priority))
            best = i;
    }
    return best;
}

static unsigned fiber_any(struct machine *machine) {
    unsigned skip = machine_below(machine, machine->alive);
    unsigned i = 0;

    for (;; i++) {
        if (machine->fibers[i].done)
            continue;
        if (skip-- == 0)
            return i;
    }
}

static void machine_continue(struct machine *machine, unsigned next) {
    unsigned before = machine->current;

    if (next == before)
        return;
    machine->current = next;
    fiber_switch(machine->fibers[before].fiber, machine->fibers[next].fiber);
}

void machine_give_way(struct machine *machine) {
    struct machine_fiber *self = &machine->fibers[machine->current];

    if (machine->alive == 0 || (machine->alive == 1 && !self->done))
        return;
    self->priority = --machine->priority_low;
    if (machine->fair)
        machine_continue(machine, fiber_next(machine));
    else if (machine->config.by_priority)
        machine_continue(machine, fiber_first_by_priority(machine));
    else
        machine_continue(machine, fiber_any(machine));
}

/* Drains a run of stores of one fiber: buffers empty in bursts. */
static void step_drain(struct machine *machine) {
    unsigned i = machine_below(machine, machine->count);

    for (unsigned left = machine->count; left > 0; left--) {
        struct machine_fiber *fiber = &machine->fibers[i];

        if (fiber->pending_count > 0) {
            do
                memory_drain_one(machine, fiber);
            while (fiber->pending_count > 0 && machine_below(machine, 4) != 0);
            return;
        }
        i = i + 1 == machine->count ? 0 : i + 1;
    }
}

static void step_fair(struct machine *machine) {
    if (machine->steps > machine->config.steps_max * 16)
        report_fail(machine, "the run does not end");
    for (unsigned i = 0; i < machine->count; i++)
        memory_drain_all(machine, &machine->fibers[i]);
    if (machine->steps % 16 == 0)
        machine_continue(machine, fiber_next(machine));
}

static void step_by_priority(struct machine *machine) {
    for (unsigned i = 0; i < machine->changes_left; i++) {
        if (machine->steps != machine->change_at[i])
            continue;
        machine->change_at[i] = machine->change_at[--machine->changes_left];
        machine->fibers[machine->current].priority = --machine->priority_low;
        machine_continue(machine, fiber_first_by_priority(machine));
        return;
    }
}

void machine_step(struct machine *machine) {
    const struct machine_config *config = &machine->config;

    machine->steps++;
    if (__builtin_expect(machine->fair || machine->steps > config->steps_max, 0)) {
        machine->fair = true;
        step_fair(machine);
        return;
    }
    if (machine->buffered && config->drain_one_in &&
        machine_below(machine, config->drain_one_in) == 0)
        step_drain(machine);
    if (config->by_priority) {
        step_by_priority(machine);
        return;
    }
    if (machine_below(machine, config->switch_one_in) == 0)
        machine_continue(machine, fiber_any(machine));
}

uint64_t machine_run(struct machine *machine) {
    ASSERT(machine->count > 0);
    machine->current =
        machine->config.by_priority ? fiber_first_by_priority(machine) : fiber_any(machine);
    machine->running = true;
    fiber_switch(machine->origin, machine->fibers[machine->current].fiber);
    for (unsigned i = 0; i < machine->count; i++)
        memory_drain_all(machine, &machine->fibers[i]);
    machine->running = false;
    return machine->steps;
}

void machine_yield(void) {
    if (machine_is_running())
        machine_step(machine_now);
}

uint32_t machine_random(uint32_t bound) {
    return machine_below(machine_now, bound);
}

bool machine_is_running(void) {
    return machine_now && machine_now->running;
}

unsigned machine_fiber(void) {
    return machine_now->current;
}
