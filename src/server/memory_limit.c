/* larder: whether -m fits the machine */
#include "src/server/memory_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "src/server/memory_plan.h"
#include "src/server/settings.h"
#include "src/server/topology_machine.h"

#define MIB ((uint64_t)1 << 20)
/* Left to connections and to everybody else, where -m has to be lowered. */
#define SPARED_SHARE 16u

void memory_limit_read(struct memory_limit *limit) {
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    limit->machine_bytes = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    limit->cgroup_bytes = topology_cgroup_memory_bytes("/sys/fs/cgroup", "/proc/self/cgroup");
}

/* What stands beside a budget of that size. */
static uint64_t fixed_bytes(const struct settings *settings, uint64_t memory_bytes) {
    struct settings probe = *settings;
    probe.memory_bytes = memory_bytes;
    return memory_fixed_bytes(&probe, memory_plan_threads(settings));
}

bool memory_limit_apply(const struct memory_limit *limit, struct settings *settings) {
    bool in_cgroup = limit->cgroup_bytes != 0 && (limit->machine_bytes == 0 ||
                                                  limit->cgroup_bytes < limit->machine_bytes);
    uint64_t bytes = in_cgroup ? limit->cgroup_bytes : limit->machine_bytes;
    uint64_t asked = settings->memory_bytes;
    if (bytes == 0 || (asked < bytes && fixed_bytes(settings, asked) <= bytes - asked)) {
        return true;
    }
    uint64_t spared = bytes / SPARED_SHARE + fixed_bytes(settings, bytes);
    uint64_t left = bytes > spared ? (bytes - spared) / MIB * MIB : 0;
    const char *whose = in_cgroup ? "cgroup" : "machine";
    if (left < MIB || left < settings->item_bytes_max * 2) {
        (void)fprintf(stderr, "-m %" PRIu64 " does not fit: the %s has %" PRIu64 " MiB and leaves "
                              "%" PRIu64 " for items, too little for -I and -t\n",
                      asked / MIB, whose, bytes / MIB, left / MIB);
        return false;
    }
    (void)fprintf(stderr, "WARNING: -m %" PRIu64 " does not fit: the %s has %" PRIu64
                          " MiB; using -m %" PRIu64 "\n",
                  asked / MIB, whose, bytes / MIB, left / MIB);
    settings->memory_bytes = left;
    return true;
}
