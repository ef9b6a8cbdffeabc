/* larder: the simulated machine of the schedule tests
 *
 * Purpose: runs 2 to 4 fibers on one thread. Every atomic access (src/base/atomic.h with
 *   LARDER_SCHEDULE) is a yield point, and memory is weaker than the one we test on, so that a
 *   missing re-check, fence, release or acquire shows within seconds. A run is a function of its
 *   seed.
 *
 *   Memory. Every fiber has a store buffer; a store lingers there until the machine drains it,
 *   loads see the fiber's own buffer first.
 *     MACHINE_SC    no buffer
 *     MACHINE_TSO   buffers drain in order; read-modify-writes and seq_cst stores and fences drain
 *                   all (Sewell et al., "x86-TSO: A Rigorous and Usable Programmer's Model for x86
 *                   Multiprocessors", CACM 53(7), 2010)
 *     MACHINE_WEAK  stores to different words leave the buffer in any order, but a release store
 *                   leaves after all before it, and no store passes a release fence before it. A
 *                   load may return an older value of its word. Time is the count of drained
 *                   stores; every fiber has a horizon h, and a value that was replaced at or
 *                   before h is out of reach (its own values teach a fiber nothing):
 *                     acquire load          h = time of the value it returned, if later
 *                     acquire fence         h = latest time of any value returned so far, if later
 *                     seq_cst fence         as an acquire fence, and h = time of the last seq_cst
 *                                           store, fetch_add or fence of any fiber, if later
 *                     seq_cst load          for this load alone as if h was that time
 *                     read-modify-write     drains, works on the newest value, acquires it
 *                   Nothing older than what the fiber has seen of the same word is returned. That
 *                   is the view machine of Kang et al., "A Promising Semantics for Relaxed-Memory
 *                   Concurrency", POPL 2017, without promises and with one number for a view: each
 *                   behaviour is one that C11 allows; not all are shown (loads never wait for
 *                   later stores; views are coarser than per word).
 *   Memory that is written plainly is seen at once by all; a word that other fibers read with
 *   atom_* must be read with atom_* by its writer too, since a plain load does not look into the
 *   buffer. Stores to the fiber's own stack do not linger.
 *
 *   Scheduling: a random walk (switch at one in N yield points), or fibers with random priorities
 *   that drop at few random points (Burckhardt et al., "A Randomized Scheduler with Probabilistic
 *   Guarantees of Finding Bugs", ASPLOS 2010; for stores in buffers Gao et al., "Probabilistic
 *   Concurrency Testing for Weak Memory Programs", ASPLOS 2023, use the same idea).
 * Owner: the test; one machine exists at a time, since the hooks carry no context.
 * Threads: one.
 * Memory: a few MiB from machine_create to machine_destroy.
 * Limits: MACHINE_FIBERS_MAX fibers; MACHINE_HISTORY values of a word are remembered.
 * Errors: machine_fail prints seed, trace and reason and ends the process; so do a failed ASSERT, a
 *   signal, and a run that does not end. */
#ifndef LARDER_TESTS_SCHEDULES_MACHINE_H
#define LARDER_TESTS_SCHEDULES_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/assert.h"

enum { MACHINE_FIBERS_MAX = 4, MACHINE_HISTORY = 4, MACHINE_BUFFER_MAX = 16 };

enum machine_memory { MACHINE_SC, MACHINE_TSO, MACHINE_WEAK };

struct machine_config {
    uint64_t seed;
    enum machine_memory memory;
    bool by_priority;       /* else a random walk */
    unsigned switch_one_in; /* random walk: switch at one in so many yield points */
    unsigned changes;       /* by priority: points where the running fiber's priority drops */
    unsigned steps_guess;   /* by priority: how many yield points the run is thought to have */
    unsigned buffer_stores; /* 1..MACHINE_BUFFER_MAX */
    unsigned drain_one_in;  /* a store leaves a buffer at one in so many; 0 = only when it must */
    unsigned stale_one_in;  /* weak: so do loads that may return an old value; 0 = none */
    uint64_t steps_max;     /* then fair and strong; at 16 times as many the run has failed */
};

/* A configuration drawn from the seed. */
void machine_config_draw(struct machine_config *config, uint64_t seed, enum machine_memory memory);

struct machine;

/* Creates the machine and installs its signal handlers. NULL without memory. */
MUST_CHECK struct machine *machine_create(void);
void machine_destroy(struct machine *machine);

/* What a failure report calls the run, e.g. "scenario splitter --seed 7" (kept, not copied). */
void machine_name_run(struct machine *machine, const char *name, uint64_t round);

/* begin, add each fiber, run. body(context) is executed with every atomic access simulated. After
 * run all fibers have ended and all buffers are empty. Returns the number of yield points. */
void machine_begin(struct machine *machine, const struct machine_config *config);
void machine_add(struct machine *machine, void (*body)(void *context), void *context);
uint64_t machine_run(struct machine *machine);

/* A yield point of its own, for scenario code; nothing when no run is on. */
void machine_yield(void);
/* Random number below `bound` from the run's seed, for scenario code. */
uint32_t machine_random(uint32_t bound);
/* Whether a fiber runs now, and which (0.. in order of machine_add). */
bool machine_is_running(void);
unsigned machine_fiber(void);

/* Says what was found wrong, with seed and trace, and exits with 1. */
__attribute__((noreturn, cold, format(printf, 1, 2))) void machine_fail(const char *format, ...);
/* No report on failure: for planted bugs that are meant to be found. */
void machine_quiet(struct machine *machine, bool quiet);

#endif
