/* larder: what the cgroup allows of processor time
 *
 * Source: Linux, Documentation/admin-guide/cgroup-v2.rst ("cpu.max": quota and period in
 * microseconds, or "max") and Documentation/scheduler/sched-bwc.rst (version 1). A quota holds for
 * all below it, so the smallest on the way up counts. In a container the path named by the file is
 * often not there, because only the container's own group is mounted; the way up ends there.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/server/topology_machine.h"

#define PATH_BYTES 4096
#define LEVELS_MAX 64

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

static unsigned read_version_2(const char *directory) {
    char line[128];
    int64_t quota = 0;
    int64_t period = 0;
    if (!read_line(directory, "cpu.max", line, sizeof(line)) ||
        sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) {
        return 0;
    }
    return millis_of(quota, period);
}

static unsigned read_version_1(const char *directory) {
    char quota[64];
    char period[64];
    if (!read_line(directory, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !read_line(directory, "cpu.cfs_period_us", period, sizeof(period))) {
        return 0;
    }
    return millis_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The least limit of ROOT/PATH and the groups above it, up to ROOT. */
static unsigned least_on_the_way_up(const char *root, const char *path,
                                    unsigned (*read)(const char *directory)) {
    char directory[PATH_BYTES];
    int length = snprintf(directory, sizeof(directory), "%s%s", root, path);
    if (length < 0 || length >= (int)sizeof(directory)) {
        return 0;
    }
    unsigned least = 0;
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        unsigned millis = read(directory);
        least = millis != 0 && (least == 0 || millis < least) ? millis : least;
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < strlen(root)) {
            break;
        }
        *slash = '\0';
    }
    return least;
}

/* Whether "cpu" is one of "cpu,cpuacct". */
static bool names_cpu(const char *controllers) {
    size_t length = 0;
    for (const char *at = controllers; *at != '\0'; at += length + (at[length] == ',' ? 1 : 0)) {
        length = strcspn(at, ",");
        if (length == 3 && memcmp(at, "cpu", 3) == 0) {
            return true;
        }
    }
    return false;
}

/* One line, "ID:CONTROLLERS:PATH"; version 2 has ID 0 and no controllers. */
static unsigned limit_of_line(const char *mount, char *line) {
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL) {
        return 0;
    }
    *controllers++ = '\0';
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (*controllers == '\0') {
        return least_on_the_way_up(mount, path, read_version_2);
    }
    if (!names_cpu(controllers)) {
        return 0;
    }
    char root[PATH_BYTES];
    int length = snprintf(root, sizeof(root), "%s/%s", mount, controllers);
    unsigned millis = length < 0 || length >= (int)sizeof(root)
                          ? 0
                          : least_on_the_way_up(root, path, read_version_1);
    if (millis == 0 && strcmp(controllers, "cpu") != 0) {
        (void)snprintf(root, sizeof(root), "%s/cpu", mount);
        millis = least_on_the_way_up(root, path, read_version_1);
    }
    return millis;
}

unsigned topology_cgroup_limit_millis(const char *mount, const char *file) {
    FILE *groups = fopen(file, "re");
    if (groups == NULL) {
        return 0;
    }
    unsigned least = 0;
    char line[PATH_BYTES];
    while (fgets(line, sizeof(line), groups) != NULL) {
        unsigned millis = limit_of_line(mount, line);
        least = millis != 0 && (least == 0 || millis < least) ? millis : least;
    }
    (void)fclose(groups);
    return least;
}
