/* larder: shows the thread plan */
#include "src/server/topology.h"

static const char *plural(unsigned count) {
    return count == 1 ? "" : "s";
}

static void print_counts(const struct topology_plan *plan, FILE *out) {
    (void)fprintf(out, "machine  %u package%s, %u NUMA node%s, %u core%s, %u processor%s%s\n",
                  plan->package_count, plural(plan->package_count), plan->node_count,
                  plural(plan->node_count), plan->physical_count, plural(plan->physical_count),
                  plan->cpu_count, plural(plan->cpu_count),
                  plan->fallback ? " (topology unreadable: the affinity mask alone)" : "");
    if (!plan->cpuset_given) {
        (void)fprintf(out, "allowed  all of it\n");
    } else {
        (void)fprintf(out, "allowed  %u core%s, %u processor%s on %u NUMA node%s\n",
                      plan->allowed_physical_count, plural(plan->allowed_physical_count),
                      plan->allowed_cpu_count, plural(plan->allowed_cpu_count),
                      plan->allowed_node_count, plural(plan->allowed_node_count));
    }
    if (plan->cpu_limit_millis == 0) {
        (void)fprintf(out, "quota    none\n");
    } else {
        (void)fprintf(out, "quota    %u.%03u processors\n", plan->cpu_limit_millis / 1000,
                      plan->cpu_limit_millis % 1000);
    }
}

static void print_core(const struct topology_plan *plan, unsigned index, FILE *out) {
    const struct topology_core *core = &plan->cores[index];
    (void)fprintf(out, "%6u  %9u  %4u  %7u  %4u  ", index, core->cpu, core->core, core->sibling,
                  core->node);
    if (core->pinned) {
        (void)fprintf(out, "processor %u\n", core->cpu);
    } else if (plan->allowed_node_count > 1) {
        (void)fprintf(out, "node %u\n", core->node);
    } else {
        (void)fprintf(out, "anything allowed\n");
    }
}

void topology_plan_print(const struct topology_plan *plan, FILE *out) {
    print_counts(plan, out);
    (void)fprintf(out, "threads  %u%s\n", plan->core_count,
                  plan->threads_asked == 0 ? " (auto)" : "");
    (void)fprintf(out, "pinned   %s: %s\n", plan->pinned ? "yes" : "no", plan->pin_reason);
    (void)fprintf(out, "thread  processor  core  sibling  node  runs on\n");
    for (unsigned i = 0; i < plan->core_count; i++) {
        print_core(plan, i, out);
    }
}
