/* larder: gives back memory that a start or a rush has left behind */
#include "src/server/trim.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "src/base/atomic.h"

#define TRIM_MAPPINGS_MAX 4096u

/* jemalloc's; NULL where another malloc serves. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
    __attribute__((weak));

struct mapping {
    uintptr_t start, end;
    bool droppable; /* a file's, private, and nobody may write to it */
};

/* "start-end perms offset device inode   path" */
static bool mapping_parse(const char *line, struct mapping *mapping) {
    struct mapping parsed;
    char perms[5];
    char path[2];
    int fields = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &parsed.start,
                        &parsed.end, perms, path);
    if (fields < 3 || strlen(perms) != 4) {
        return false;
    }
    *mapping = parsed;
    mapping->droppable = fields == 4 && path[0] == '/' && perms[1] == '-' && perms[3] == 'p';
    return true;
}

void trim_code(void) {
    if (LARDER_TSAN) {
        return; /* it keeps count of what is mapped */
    }
    FILE *file = fopen("/proc/self/smaps", "re");
    char *line = NULL;
    size_t room = 0;
    struct mapping mapping = {0};
    for (unsigned count = 0; file != NULL && count < TRIM_MAPPINGS_MAX &&
                             getline(&line, &room, file) > 0;) {
        uint64_t kib;
        if (mapping_parse(line, &mapping)) {
            count++;
        } else if (sscanf(line, "Anonymous: %" SCNu64, &kib) == 1 && kib == 0 &&
                   mapping.droppable) {
            /* Without a page of its own (relocations are such) it is the file and nothing else. */
            (void)madvise((void *)mapping.start, mapping.end - mapping.start, MADV_DONTNEED);
        }
    }
    free(line);
    if (file != NULL) {
        (void)fclose(file);
    }
}

void trim_heap(void) {
    if (mallctl != NULL) {
        (void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
        (void)mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
    }
}
