/* larder: decides which thread runs where */
#include "src/server/topology.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/server/topology_machine.h"

/* The allowed processors in the order in which threads take them. */
struct cpu_order {
    unsigned physical_count; /* the first of each core come first */
    unsigned count;
    unsigned node_count;
    struct topology_core places[];
};

/* How many allowed processors of the same core stand before this one. */
static unsigned sibling_rank(const struct topology_machine *machine, unsigned index) {
    unsigned rank = 0;
    for (unsigned i = 0; i < index; i++) {
        const struct topology_cpu *other = &machine->cpus[i];
        rank += other->allowed && other->core == machine->cpus[index].core ? 1 : 0;
    }
    return rank;
}

/* The allowed processors in the machine's order; sets counts. */
static void list_allowed(const struct topology_machine *machine, struct cpu_order *order) {
    for (unsigned i = 0; i < machine->cpu_count; i++) {
        const struct topology_cpu *cpu = &machine->cpus[i];
        if (!cpu->allowed) {
            continue;
        }
        unsigned sibling = sibling_rank(machine, i);
        order->places[order->count++] = (struct topology_core){
            .cpu = cpu->cpu, .core = cpu->core, .node = cpu->node, .sibling = sibling};
        order->physical_count += sibling == 0 ? 1 : 0;
    }
}

/* Where the place goes: cores before siblings; round by round, one of each node a round. */
struct place_key {
    unsigned round;      /* how many of the same node and rank stand before it */
    unsigned node_order; /* how many other nodes were met before its node */
};

static int compare_keys(const struct topology_core *a, struct place_key key_a,
                        const struct topology_core *b, struct place_key key_b) {
    if (a->sibling != b->sibling) {
        return a->sibling < b->sibling ? -1 : 1;
    }
    if (key_a.round != key_b.round) {
        return key_a.round < key_b.round ? -1 : 1;
    }
    return key_a.node_order < key_b.node_order ? -1 : 1;
}

static unsigned node_order_of(struct cpu_order *order, unsigned *nodes, unsigned node) {
    unsigned at = 0;
    while (at < order->node_count && nodes[at] != node) {
        at++;
    }
    if (at == order->node_count) {
        nodes[order->node_count++] = node;
    }
    return at;
}

static void fill_keys(struct cpu_order *order, struct place_key *keys, unsigned *nodes) {
    for (unsigned i = 0; i < order->count; i++) {
        const struct topology_core *place = &order->places[i];
        keys[i] = (struct place_key){.node_order = node_order_of(order, nodes, place->node)};
        for (unsigned j = 0; j < i; j++) {
            bool same = order->places[j].node == place->node &&
                        order->places[j].sibling == place->sibling;
            keys[i].round += same ? 1 : 0;
        }
    }
}

/* Insertion sort: no two keys are equal, and the input is nearly in order by rank. */
static void sort_places(struct cpu_order *order, struct place_key *keys) {
    for (unsigned i = 1; i < order->count; i++) {
        struct topology_core place = order->places[i];
        struct place_key key = keys[i];
        unsigned at = i;
        while (at > 0 && compare_keys(&place, key, &order->places[at - 1], keys[at - 1]) < 0) {
            order->places[at] = order->places[at - 1];
            keys[at] = keys[at - 1];
            at--;
        }
        order->places[at] = place;
        keys[at] = key;
    }
}

static struct cpu_order *order_create(const struct topology_machine *machine) {
    struct cpu_order *order =
        calloc(1, sizeof(*order) + machine->cpu_count * sizeof(order->places[0]));
    struct place_key *keys = calloc(machine->cpu_count, sizeof(*keys));
    unsigned *nodes = calloc(machine->cpu_count, sizeof(*nodes));
    if (order == NULL || keys == NULL || nodes == NULL) {
        free(order);
        order = NULL;
    } else {
        list_allowed(machine, order);
        fill_keys(order, keys, nodes);
        sort_places(order, keys);
    }
    free(keys);
    free(nodes);
    return order;
}

static unsigned choose_threads(const struct topology_plan *plan) {
    unsigned threads = plan->threads_asked;
    if (threads == 0) {
        unsigned paid = plan->cpu_limit_millis / 1000 + (plan->cpu_limit_millis % 1000 != 0);
        threads = plan->allowed_physical_count;
        threads = paid != 0 && paid < threads ? paid : threads;
    }
    return threads > SETTINGS_THREADS_MAX ? SETTINGS_THREADS_MAX : threads;
}

static void choose_pinning(struct topology_plan *plan, enum settings_pin pin) {
    unsigned threads = plan->core_count;
    bool fits = threads <= plan->allowed_cpu_count;
    if (pin != SETTINGS_PIN_AUTO) {
        plan->pinned = pin == SETTINGS_PIN_ON;
        plan->pin_reason = "asked for";
    } else if (!fits) {
        plan->pin_reason = "more threads than processors";
    } else if (threads >= plan->allowed_physical_count) {
        plan->pinned = true;
        plan->pin_reason = "the threads cover the allowed cores";
    } else if (plan->cpuset_given) {
        plan->pinned = true;
        plan->pin_reason = "a cpuset was given";
    } else {
        plan->pin_reason = "fewer threads than cores, and no cpuset was given";
    }
}

/* Instances on neighbouring ports take neighbouring runs of cores, as long as there are some. */
static void place_threads(struct topology_plan *plan, const struct cpu_order *order,
                          unsigned port) {
    unsigned threads = plan->core_count;
    unsigned cycle = threads <= order->physical_count ? order->physical_count : order->count;
    unsigned runs = order->physical_count / threads;
    unsigned start = runs == 0 ? 0 : (port % runs) * threads;
    for (unsigned i = 0; i < threads; i++) {
        plan->cores[i] = order->places[(start + i) % cycle];
        plan->cores[i].pinned = plan->pinned;
    }
}

static struct topology_plan *plan_create(const struct topology_machine *machine,
                                         const struct cpu_order *order,
                                         const struct topology_request *request,
                                         unsigned cpu_limit_millis) {
    struct topology_plan counts = {
        .package_count = machine->package_count,
        .node_count = machine->node_count,
        .physical_count = machine->core_count,
        .cpu_count = machine->cpu_count,
        .allowed_node_count = order->node_count,
        .allowed_physical_count = order->physical_count,
        .allowed_cpu_count = order->count,
        .cpu_limit_millis = cpu_limit_millis,
        .threads_asked = request->threads,
        .cpuset_given = order->count < machine->cpu_count,
        .fallback = machine->fallback,
    };
    counts.core_count = choose_threads(&counts);
    choose_pinning(&counts, request->pin);
    struct topology_plan *plan =
        calloc(1, sizeof(*plan) + counts.core_count * sizeof(plan->cores[0]));
    if (plan != NULL) {
        *plan = counts;
        place_threads(plan, order, request->port);
    }
    return plan;
}

static unsigned read_cpu_limit(const struct topology_request *request) {
    if (request->source != NULL && request->cgroup_mount == NULL) {
        return 0;
    }
    const char *mount = request->cgroup_mount;
    const char *file = request->cgroup_file;
    return topology_cgroup_limit_millis(mount == NULL ? "/sys/fs/cgroup" : mount,
                                        file == NULL ? "/proc/self/cgroup" : file);
}

struct topology_plan *topology_plan_create(const struct topology_request *request) {
    struct topology_machine *machine =
        topology_machine_create(request->source, request->allowed);
    if (machine == NULL) {
        return NULL;
    }
    struct cpu_order *order = order_create(machine);
    struct topology_plan *plan = NULL;
    if (order != NULL && order->count > 0) {
        plan = plan_create(machine, order, request, read_cpu_limit(request));
    }
    free(order);
    if (plan == NULL) {
        topology_machine_destroy(machine);
        errno = ENOMEM;
        return NULL;
    }
    plan->machine = machine;
    return plan;
}

/* Instances on UNIX sockets have no port; the path stands for it (FNV-1a). */
static unsigned number_of_path(const char *path) {
    uint32_t hash = 2166136261u;
    for (; *path != '\0'; path++) {
        hash = (hash ^ (unsigned char)*path) * 16777619u;
    }
    return hash;
}

struct topology_request topology_request_from(const struct settings *settings) {
    struct topology_request request = {
        .threads = settings->threads,
        .pin = settings->pin,
        .source = settings->topology_source,
    };
    if (settings->unix_path != NULL) {
        request.port = number_of_path(settings->unix_path);
    } else if (settings->listen_count > 0) {
        request.port = settings->listen[0].port;
    }
    return request;
}

void topology_plan_destroy(struct topology_plan *plan) {
    if (plan != NULL) {
        topology_machine_destroy(plan->machine);
        free(plan);
    }
}
