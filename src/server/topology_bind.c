/* larder: binds threads to processors and asks for memory of a node */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/assert.h"
#include "src/server/topology.h"
#include "src/server/topology_machine.h"

enum { NODES_MAX = 1024, BITS_A_WORD = 8 * sizeof(unsigned long) };

/* The processors of thread `index`: its own, or the allowed ones of its node. */
static void fill_set(const struct topology_plan *plan, unsigned index, cpu_set_t *set,
                     size_t bytes) {
    const struct topology_core *core = &plan->cores[index];
    CPU_ZERO_S(bytes, set);
    if (core->pinned) {
        CPU_SET_S(core->cpu, bytes, set);
        return;
    }
    for (unsigned i = 0; i < plan->machine->cpu_count; i++) {
        const struct topology_cpu *cpu = &plan->machine->cpus[i];
        if (cpu->allowed && cpu->node == core->node) {
            CPU_SET_S(cpu->cpu, bytes, set);
        }
    }
}

int topology_bind_thread(const struct topology_plan *plan, unsigned index) {
    ASSERT(index < plan->core_count);
    if (plan->machine->foreign) {
        return ENOSYS;
    }
    if (!plan->cores[index].pinned && plan->allowed_node_count == 1) {
        return 0;
    }
    size_t bytes = CPU_ALLOC_SIZE(TOPOLOGY_CPUS_MAX);
    cpu_set_t *set = CPU_ALLOC(TOPOLOGY_CPUS_MAX);
    if (set == NULL) {
        return ENOMEM;
    }
    fill_set(plan, index, set, bytes);
    int reason = pthread_setaffinity_np(pthread_self(), bytes, set);
    CPU_FREE(set);
    return reason;
}

int topology_prefer_memory(const struct topology_plan *plan, unsigned node, void *address,
                           size_t length) {
    if (plan->machine->foreign) {
        return ENOSYS;
    }
    if (plan->node_count == 1 || length == 0) {
        return 0;
    }
    if (node >= NODES_MAX) {
        return EINVAL;
    }
    unsigned long mask[NODES_MAX / BITS_A_WORD] = {0};
    mask[node / BITS_A_WORD] = 1ul << (node % BITS_A_WORD);
    /* the policy holds for whole pages */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (uintptr_t)address % page;
    long result = syscall(SYS_mbind, (char *)address - before, length + before, MPOL_PREFERRED,
                          mask, (unsigned long)NODES_MAX, 0u);
    return result == 0 ? 0 : errno;
}
