/* larder: what the parts of the simulated machine share (see machine.h)
 *
 * Purpose: machine.c schedules, memory.c holds buffers and histories, report.c the trace.
 * Owner: machine.c.   Threads: one.   Memory: inside struct machine.   Limits: see machine.h.
 * Errors: none. */
#ifndef LARDER_TESTS_SCHEDULES_MACHINE_INTERNAL_H
#define LARDER_TESTS_SCHEDULES_MACHINE_INTERNAL_H

#include "tests/schedules/fiber.h"
#include "tests/schedules/machine.h"

enum { WORD_TABLE = 1 << 13, WORDS_MAX = WORD_TABLE * 3 / 4, TRACE_EVENTS = 1 << 12 };
enum { NOBODY = 255 };

enum order { ORDER_RELAXED, ORDER_ACQUIRE, ORDER_RELEASE, ORDER_SEQ_CST };

/* A store in a buffer; newest last. */
struct pending {
    uintptr_t address;
    uint64_t value;
    uint32_t fences; /* release fences of the fiber before it */
    uint8_t bytes;
    bool release;
};

/* Aligned 8 bytes that were stored to in this run: their last values, newest last. */
struct word {
    uintptr_t address; /* of the 8 bytes */
    uint32_t run;      /* the run it belongs to; another = free */
    uint16_t count;    /* values held */
    uint8_t by[MACHINE_HISTORY]; /* fiber that stored it; NOBODY = before the run, or plainly */
    uint32_t seen[MACHINE_FIBERS_MAX]; /* time of the newest value a fiber has returned */
    uint32_t time[MACHINE_HISTORY];
    uint64_t value[MACHINE_HISTORY];
};

struct machine_fiber {
    struct fiber *fiber;
    void (*body)(void *context);
    void *context;
    bool done;
    int64_t priority;
    uint32_t horizon; /* h in machine.h */
    uint32_t latest;  /* latest time of any value returned */
    uint32_t fences;
    unsigned pending_count;
    struct pending pending[MACHINE_BUFFER_MAX];
};

enum event_kind {
    EVENT_LOAD,
    EVENT_STALE,
    EVENT_STORE,
    EVENT_DRAIN,
    EVENT_EXCHANGE,
    EVENT_COMPARE,
    EVENT_ADD,
    EVENT_FENCE,
    EVENT_PAUSE,
};

struct event {
    uintptr_t address;
    uint64_t value;
    const void *caller;
    uint8_t kind, order, bytes, fiber;
};

struct machine {
    struct machine_config config;
    struct fiber *origin; /* the thread's own stack */
    struct machine_fiber fibers[MACHINE_FIBERS_MAX];
    unsigned count, current, alive;
    bool running, fair, quiet;
    uint64_t random[2];
    uint64_t steps;
    uint64_t change_at[8]; /* by priority: yield points */
    unsigned changes_left;
    int64_t priority_low;  /* below all given so far */
    unsigned buffered;     /* stores in all buffers */
    uint32_t time;         /* drained stores */
    uint32_t sequential;   /* time of the last seq_cst store, fetch_add or fence */
    uint32_t run;
    unsigned words_used;
    const char *name;
    uint64_t round;
    struct word *words;
    struct event *events;
    uint64_t events_count;
};

/* The one machine: the hooks of src/base/atomic.h carry no context. */
extern struct machine *machine_now;

uint64_t machine_draw(struct machine *machine);
/* One of 0..bound-1; bound > 0. */
static inline uint32_t machine_below(struct machine *machine, uint32_t bound) {
    return (uint32_t)(((machine_draw(machine) >> 32) * bound) >> 32);
}

/* The yield point in front of every access. */
void machine_step(struct machine *machine);
/* Lets another fiber run, if there is one. */
void machine_give_way(struct machine *machine);

/* memory.c */
void memory_begin(struct machine *machine);
/* Drains one store of the fiber (weak: any that may go). */
void memory_drain_one(struct machine *machine, struct machine_fiber *fiber);
void memory_drain_all(struct machine *machine, struct machine_fiber *fiber);

/* report.c */
void report_install(void);
__attribute__((noreturn, cold)) void report_fail(struct machine *machine, const char *reason);

static inline void report_event(struct machine *machine, struct event event) {
    event.fiber = (uint8_t)machine->current;
    machine->events[machine->events_count++ % TRACE_EVENTS] = event;
}

#endif
