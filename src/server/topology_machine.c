/* larder: reads the machine through hwloc */
#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/server/topology_machine.h"

static const char synthetic_prefix[] = "synthetic:";

static struct topology_machine *machine_allocate(unsigned cpu_count) {
    struct topology_machine *machine =
        calloc(1, sizeof(*machine) + cpu_count * sizeof(machine->cpus[0]));
    if (machine == NULL) {
        errno = ENOMEM;
    }
    return machine;
}

void topology_machine_destroy(struct topology_machine *machine) {
    free(machine);
}

struct topology_machine *topology_machine_create_fallback(void) {
    size_t bytes = CPU_ALLOC_SIZE(TOPOLOGY_CPUS_MAX);
    struct topology_machine *machine = machine_allocate(TOPOLOGY_CPUS_MAX);
    cpu_set_t *set = CPU_ALLOC(TOPOLOGY_CPUS_MAX);
    if (machine == NULL || set == NULL) {
        free(machine);
        CPU_FREE(set);
        errno = ENOMEM;
        return NULL;
    }
    CPU_ZERO_S(bytes, set);
    if (sched_getaffinity(0, bytes, set) != 0) {
        CPU_SET_S(0, bytes, set);
    }
    long configured = sysconf(_SC_NPROCESSORS_ONLN);
    for (unsigned cpu = 0; cpu < TOPOLOGY_CPUS_MAX; cpu++) {
        bool allowed = CPU_ISSET_S(cpu, bytes, set) != 0;
        if (allowed || (long)cpu < configured) {
            machine->cpus[machine->cpu_count] =
                (struct topology_cpu){.cpu = cpu, .core = machine->cpu_count, .allowed = allowed};
            machine->cpu_count++;
        }
    }
    CPU_FREE(set);
    machine->package_count = 1;
    machine->node_count = 1;
    machine->core_count = machine->cpu_count;
    machine->fallback = true;
    return machine;
}

/* Loads the description, or this machine with all that is in it. False: errno. */
static bool load(hwloc_topology_t topology, const char *source) {
    size_t prefix = sizeof(synthetic_prefix) - 1;
    int result = 0;
    if (source == NULL) {
        result = hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    } else if (strncmp(source, synthetic_prefix, prefix) == 0) {
        result = hwloc_topology_set_synthetic(topology, source + prefix);
    } else {
        result = hwloc_topology_set_xml(topology, source);
    }
    if (result != 0 || hwloc_topology_load(topology) != 0) {
        errno = EINVAL;
        return false;
    }
    return true;
}

/* Fills `set` with what the process may use. False: errno. */
static bool find_allowed(hwloc_topology_t topology, const char *source, const char *allowed,
                         hwloc_bitmap_t set) {
    if (allowed != NULL) {
        bool good = hwloc_bitmap_list_sscanf(set, allowed) == 0 &&
                    hwloc_bitmap_intersects(set, hwloc_topology_get_topology_cpuset(topology));
        errno = good ? 0 : EINVAL;
        return good;
    }
    if (source == NULL && hwloc_get_cpubind(topology, set, HWLOC_CPUBIND_PROCESS) == 0 &&
        !hwloc_bitmap_iszero(set)) {
        return true;
    }
    if (hwloc_bitmap_copy(set, hwloc_topology_get_allowed_cpuset(topology)) != 0) {
        errno = ENOMEM;
        return false;
    }
    return true;
}

static unsigned count_objects(hwloc_topology_t topology, hwloc_obj_type_t type) {
    int count = hwloc_get_nbobjs_by_type(topology, type);
    return count < 1 ? 1 : (unsigned)count;
}

static struct topology_machine *copy_out(hwloc_topology_t topology, hwloc_const_bitmap_t allowed) {
    unsigned count = count_objects(topology, HWLOC_OBJ_PU);
    count = count > TOPOLOGY_CPUS_MAX ? TOPOLOGY_CPUS_MAX : count;
    struct topology_machine *machine = machine_allocate(count);
    if (machine == NULL) {
        return NULL;
    }
    bool cores_known = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0;
    machine->package_count = count_objects(topology, HWLOC_OBJ_PACKAGE);
    machine->node_count = count_objects(topology, HWLOC_OBJ_NUMANODE);
    machine->core_count = cores_known ? count_objects(topology, HWLOC_OBJ_CORE) : count;
    for (unsigned i = 0; i < count; i++) {
        hwloc_obj_t unit = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, i);
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, unit);
        int node = hwloc_bitmap_first(unit->nodeset);
        machine->cpus[machine->cpu_count++] = (struct topology_cpu){
            .cpu = unit->os_index,
            .core = core == NULL ? i : core->logical_index,
            .node = node < 0 ? 0 : (unsigned)node,
            .allowed = hwloc_bitmap_isset(allowed, unit->os_index) != 0,
        };
    }
    return machine;
}

static struct topology_machine *read_machine(const char *source, const char *allowed) {
    hwloc_topology_t topology = NULL;
    if (hwloc_topology_init(&topology) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    struct topology_machine *machine = NULL;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    errno = ENOMEM;
    if (set != NULL && load(topology, source) && find_allowed(topology, source, allowed, set)) {
        machine = copy_out(topology, set);
    }
    int reason = errno;
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(topology);
    errno = reason;
    return machine;
}

struct topology_machine *topology_machine_create(const char *source, const char *allowed) {
    struct topology_machine *machine = read_machine(source, allowed);
    if (machine != NULL) {
        machine->foreign = source != NULL;
        return machine;
    }
    return source == NULL && allowed == NULL ? topology_machine_create_fallback() : NULL;
}
