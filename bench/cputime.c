/* larder: how much CPU another process used */
#include "bench/cputime.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static bool add_task(struct cputime *time, pid_t pid, const char *task) {
    char path[320];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, task);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    uint64_t run_ns = 0;
    uint64_t wait_ns = 0;
    int fields = fscanf(file, "%" SCNu64 " %" SCNu64, &run_ns, &wait_ns);
    fclose(file);
    if (fields != 2)
        return false;
    time->run_ns += run_ns;
    time->wait_ns += wait_ns;
    time->threads++;
    return true;
}

bool cputime_read(struct cputime *time, pid_t pid) {
    *time = (struct cputime){0};
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return false;
    for (const struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        /* a task that ended since the directory was read is not an error */
        if (entry->d_name[0] != '.')
            (void)!add_task(time, pid, entry->d_name);
    }
    closedir(tasks);
    return time->threads > 0;
}
