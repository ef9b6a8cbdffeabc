/* larder: a machine's processors as a plain list
 *
 * Purpose  What the plan needs to know of a machine, read through hwloc (which only
 *          topology_machine.c names), and what its cgroup may spend.
 * Owner    The plan, once it is made.
 * Threads  Immutable after creation.
 * Memory   One block.
 * Limits   TOPOLOGY_CPUS_MAX processors; more are left out.
 * Errors   NULL with errno; see each function.
 */
#ifndef LARDER_SERVER_TOPOLOGY_MACHINE_H
#define LARDER_SERVER_TOPOLOGY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPOLOGY_CPUS_MAX 8192u

/* One processor (hardware thread). */
struct topology_cpu {
    unsigned cpu;  /* number, as the system counts */
    unsigned core; /* physical core, from 0 over the machine */
    unsigned node; /* NUMA node, as the system counts */
    bool allowed;  /* for this process */
};

/* Processors in an order in which neighbours share the most. */
struct topology_machine {
    unsigned package_count;
    unsigned node_count;
    unsigned core_count;
    bool foreign;  /* described, not this one: nothing can be bound */
    bool fallback; /* only the affinity mask is known */
    unsigned cpu_count;
    struct topology_cpu cpus[];
};

/* Reads this machine (source NULL), "synthetic:DESCRIPTION" or a file of hwloc XML. `allowed` is a
 * list like "0-3,8", or NULL for what the kernel allows (of a described machine: all). When this
 * machine can't be read the result is the affinity mask's (fallback). NULL: errno EINVAL for a
 * source or list that can't be read, ENOMEM. */
struct topology_machine *topology_machine_create(const char *source, const char *allowed)
    __attribute__((warn_unused_result));

/* The affinity mask alone: every allowed processor a core of its own, on node 0. NULL: errno. */
struct topology_machine *topology_machine_create_fallback(void)
    __attribute__((warn_unused_result));

void topology_machine_destroy(struct topology_machine *machine);

/* The processor time a second that the process's cgroup and all above it may use, in thousandths
 * of a processor; 0: no limit, or none that can be read. `mount` is where cgroups are mounted,
 * `file` what /proc/self/cgroup is. Reads version 2 (cpu.max) and version 1 (cpu.cfs_quota_us). */
unsigned topology_cgroup_limit_millis(const char *mount, const char *file);
/* The same for memory, in bytes: memory.max and memory.limit_in_bytes. */
uint64_t topology_cgroup_memory_bytes(const char *mount, const char *file);

#endif
