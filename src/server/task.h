/* larder: work that a core does in portions, between its events
 *
 * Purpose: long answers that no single event drives: dumps, watches. A core runs every task's step
 *   once a turn, and does not sleep while one says that it could go on at once.
 * Owner: whoever added the task; it stays that one's memory.   Threads: the core's.
 * Memory: none.   Limits: a step is bounded by its author: a few 10 us.   Errors: none. */
#ifndef LARDER_SERVER_TASK_H
#define LARDER_SERVER_TASK_H

#include <stdbool.h>

struct core;
struct task;

/* True: more can be done at once. May end the task, and free it. */
typedef bool task_step(struct task *task);

struct task {
    struct task *next;
    task_step *step;
};

void task_add(struct core *core, struct task *task);
void task_remove(struct core *core, struct task *task);
/* Runs every task's step once. True: one of them wants to go on. Inside a turn, before the engine's
 * flush. */
bool tasks_run(struct core *core);

#endif
