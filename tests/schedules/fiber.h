/* larder: fibers - stacks that take turns on one thread
 *
 * Purpose: the bodies of a schedule test; a switch costs a few ns, so that every atomic access may
 *   be one.
 * Owner: the machine (machine.h).   Threads: one.
 * Memory: a mapped stack with a guard page below it, from fiber_create to fiber_destroy; a finished
 *   fiber can be prepared again.
 * Limits: FIBER_STACK_BYTES of stack.   Errors: fiber_create answers NULL without memory. */
#ifndef LARDER_TESTS_SCHEDULES_FIBER_H
#define LARDER_TESTS_SCHEDULES_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/assert.h"

#define FIBER_STACK_BYTES (256u << 10)

struct fiber;

/* A fiber without a body; the thread's own stack too is one (stackless). */
MUST_CHECK struct fiber *fiber_create(void);
MUST_CHECK struct fiber *fiber_create_stackless(void);
void fiber_destroy(struct fiber *fiber);

/* The next switch to `fiber` calls body(context) on its stack from the top. body must not return:
 * it ends by switching away for good. What the fiber did before is forgotten, destructors and all.
 * */
void fiber_prepare(struct fiber *fiber, void (*body)(void *context), void *context);

/* Whether the address lies on the fiber's stack. */
bool fiber_holds(const struct fiber *fiber, uintptr_t address);

/* Saves the running fiber into `from` and continues `to`. */
void fiber_switch(struct fiber *from, struct fiber *to);

#endif
