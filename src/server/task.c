/* larder: work that a core does in portions, between its events */
#include "src/server/task.h"

#include <stddef.h>

#include "src/server/core.h"

void task_add(struct core *core, struct task *task) {
    task->next = core->tasks;
    core->tasks = task;
}

void task_remove(struct core *core, struct task *task) {
    for (struct task **link = &core->tasks; *link != NULL; link = &(*link)->next) {
        if (*link == task) {
            *link = task->next;
            return;
        }
    }
}

bool tasks_run(struct core *core) {
    bool more = false;
    for (struct task *task = core->tasks; task != NULL;) {
        struct task *next = task->next;
        more |= task->step(task);
        task = next;
    }
    return more;
}
