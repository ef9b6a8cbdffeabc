/* larder: what the cgroup allows of processor time and of memory
 *
 * Source: Linux, Documentation/admin-guide/cgroup-v2.rst ("cpu.max": quota and period in
 * microseconds, or "max"; "memory.max": bytes, or "max"), Documentation/scheduler/sched-bwc.rst and
 * Documentation/admin-guide/cgroup-v1/memory.rst (version 1). A limit holds for all below it, so
 * the smallest on the way up counts. In a container the path named by the file is often not there,
 * because only the container's own group is mounted; the way up ends there.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/server/topology_machine.h"

#define PATH_BYTES 4096
#define LEVELS_MAX 64

/* One kind of limit. Readers answer 0 for none. */
struct limit_kind {
    const char *controller;
    uint64_t (*read_version_2)(const char *directory);
    uint64_t (*read_version_1)(const char *directory);
};

/* Reads the first line of DIRECTORY/NAME; false: not there. */
static bool read_line(const char *directory, const char *name, char *line, int capacity) {
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (length < 0 || length >= (int)sizeof(path)) {
        return false;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool good = fgets(line, capacity, file) != NULL;
    (void)fclose(file);
    return good;
}

/* Thousandths of a processor; 0: no limit. */
static unsigned millis_of(int64_t quota_us, int64_t period_us) {
    if (quota_us <= 0 || period_us <= 0 || quota_us > INT64_MAX / 1000) {
        return 0;
    }
    int64_t millis = quota_us * 1000 / period_us;
    if (millis >= INT32_MAX) {
        return 0;
    }
    return millis == 0 ? 1 : (unsigned)millis;
}

static uint64_t cpu_version_2(const char *directory) {
    char line[128];
    int64_t quota = 0;
    int64_t period = 0;
    if (!read_line(directory, "cpu.max", line, sizeof(line)) ||
        sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) {
        return 0;
    }
    return millis_of(quota, period);
}

static uint64_t cpu_version_1(const char *directory) {
    char quota[64];
    char period[64];
    if (!read_line(directory, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !read_line(directory, "cpu.cfs_period_us", period, sizeof(period))) {
        return 0;
    }
    return millis_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* "max", or a number of bytes; version 1 has a number near 2^63 for none. */
static uint64_t memory_of(const char *directory, const char *name) {
    char line[64];
    if (!read_line(directory, name, line, sizeof(line)) || line[0] < '0' || line[0] > '9') {
        return 0;
    }
    unsigned long long bytes = strtoull(line, NULL, 10);
    return bytes >= (unsigned long long)INT64_MAX / 2 ? 0 : bytes;
}

static uint64_t memory_version_2(const char *directory) {
    return memory_of(directory, "memory.max");
}

static uint64_t memory_version_1(const char *directory) {
    return memory_of(directory, "memory.limit_in_bytes");
}

/* The least limit of ROOT/PATH and the groups above it, up to ROOT. */
static uint64_t least_on_the_way_up(const char *root, const char *path,
                                    uint64_t (*read)(const char *directory)) {
    char directory[PATH_BYTES];
    int length = snprintf(directory, sizeof(directory), "%s%s", root, path);
    if (length < 0 || length >= (int)sizeof(directory)) {
        return 0;
    }
    uint64_t least = 0;
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        uint64_t limit = read(directory);
        least = limit != 0 && (least == 0 || limit < least) ? limit : least;
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < strlen(root)) {
            break;
        }
        *slash = '\0';
    }
    return least;
}

/* Whether "cpu" is one of "cpu,cpuacct". */
static bool names_controller(const char *controllers, const char *name) {
    size_t length = 0;
    for (const char *at = controllers; *at != '\0'; at += length + (at[length] == ',' ? 1 : 0)) {
        length = strcspn(at, ",");
        if (length == strlen(name) && memcmp(at, name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* One line, "ID:CONTROLLERS:PATH"; version 2 has ID 0 and no controllers. */
static uint64_t limit_of_line(const struct limit_kind *kind, const char *mount, char *line) {
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL) {
        return 0;
    }
    *controllers++ = '\0';
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (*controllers == '\0') {
        return least_on_the_way_up(mount, path, kind->read_version_2);
    }
    if (!names_controller(controllers, kind->controller)) {
        return 0;
    }
    char root[PATH_BYTES];
    int length = snprintf(root, sizeof(root), "%s/%s", mount, controllers);
    uint64_t limit = length < 0 || length >= (int)sizeof(root)
                         ? 0
                         : least_on_the_way_up(root, path, kind->read_version_1);
    if (limit == 0 && strcmp(controllers, kind->controller) != 0) {
        (void)snprintf(root, sizeof(root), "%s/%s", mount, kind->controller);
        limit = least_on_the_way_up(root, path, kind->read_version_1);
    }
    return limit;
}

static uint64_t cgroup_limit(const struct limit_kind *kind, const char *mount, const char *file) {
    FILE *groups = fopen(file, "re");
    if (groups == NULL) {
        return 0;
    }
    uint64_t least = 0;
    char line[PATH_BYTES];
    while (fgets(line, sizeof(line), groups) != NULL) {
        uint64_t limit = limit_of_line(kind, mount, line);
        least = limit != 0 && (least == 0 || limit < least) ? limit : least;
    }
    (void)fclose(groups);
    return least;
}

unsigned topology_cgroup_limit_millis(const char *mount, const char *file) {
    static const struct limit_kind cpu = {"cpu", cpu_version_2, cpu_version_1};
    return (unsigned)cgroup_limit(&cpu, mount, file);
}

uint64_t topology_cgroup_memory_bytes(const char *mount, const char *file) {
    static const struct limit_kind memory = {"memory", memory_version_2, memory_version_1};
    return cgroup_limit(&memory, mount, file);
}
