/* larder: how much CPU another process used */
#include "bench/cputime.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool read_task(struct cputime_task *task, pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)task->tid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    int fields = fscanf(file, "%" SCNu64 " %" SCNu64, &task->run_ns, &task->wait_ns);
    fclose(file);
    return fields == 2;
}

bool cputime_read(struct cputime *time, pid_t pid) {
    time->count = 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return false;
    for (const struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        struct cputime_task task = {.tid = (pid_t)strtol(entry->d_name, NULL, 10)};
        /* a task that ended since the directory was read is not an error */
        if (task.tid > 0 && time->count < CPUTIME_TASKS && read_task(&task, pid))
            time->tasks[time->count++] = task;
    }
    closedir(tasks);
    return time->count > 0;
}

static struct cputime_task earlier(const struct cputime *before, pid_t tid) {
    for (uint32_t i = 0; i < before->count; i++) {
        if (before->tasks[i].tid == tid)
            return before->tasks[i];
    }
    return (struct cputime_task){.tid = tid};
}

struct cputime_used cputime_between(const struct cputime *before, const struct cputime *after) {
    struct cputime_used used = {.threads = after->count};
    uint64_t busiest_ns = 0;
    for (uint32_t i = 0; i < after->count; i++) {
        const struct cputime_task *task = &after->tasks[i];
        struct cputime_task was = earlier(before, task->tid);
        uint64_t run_ns = task->run_ns - was.run_ns;
        used.run_ns += run_ns;
        if (run_ns >= busiest_ns) {
            busiest_ns = run_ns;
            used.wait_ns = task->wait_ns - was.wait_ns;
        }
    }
    return used;
}
