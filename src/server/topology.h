/* larder: which thread runs where
 *
 * Purpose  Reads the machine (or a description of one), what of it this process may use, and makes
 *          a plan: one place a thread. One thread a physical core first, SMT siblings last;
 *          interleaved across NUMA nodes, packed within a node. `-t auto` is the number of allowed
 *          physical cores, at most what the cgroup's cpu quota pays for (rounded up).
 *          With fewer threads than cores the plan starts at a place chosen by the port, so that
 *          several instances on one host do not share the same few cores.
 * Pinning  on: every thread is bound to its processor. off: to none. auto: to its processor when
 *          the threads cover the allowed cores (and each has a processor to itself), or when the
 *          operator narrowed the process with a cpuset; otherwise threads keep to their NUMA node.
 * Owner    main or the server creates the plan and destroys it after the threads.
 * Threads  Immutable after creation; each thread binds itself.
 * Memory   One plan, its machine description inside it.
 * Limits   SETTINGS_THREADS_MAX threads; every size is bounded by the description read.
 * Errors   A host whose topology cannot be read is planned from its affinity mask alone. A binding
 *          that is refused is returned (errno): log one line and go on, nothing depends on it.
 */
#ifndef LARDER_SERVER_TOPOLOGY_H
#define LARDER_SERVER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "src/server/settings.h"

/* What to plan for. Zeroed fields mean: this machine, as it is, -t auto, pin=auto. */
struct topology_request {
    unsigned threads;          /* 0: auto */
    enum settings_pin pin;
    unsigned port;             /* moves the start; instances differ in it */
    const char *source;        /* NULL: this machine; "synthetic:..." or a path to hwloc XML */
    const char *allowed;       /* NULL: what the kernel allows; else "0-3,8", for tests */
    const char *cgroup_mount;  /* NULL: /sys/fs/cgroup (none when source is given) */
    const char *cgroup_file;   /* NULL: /proc/self/cgroup */
};

/* Where one thread belongs. */
struct topology_core {
    unsigned cpu;     /* the processor's number, as the system counts */
    unsigned core;    /* the physical core's, counted from 0 over the whole machine */
    unsigned node;    /* the NUMA node's number, as the system counts */
    unsigned sibling; /* 0: first thread of its physical core, 1: its SMT sibling, ... */
    bool pinned;      /* bound to cpu; otherwise free within its node */
};

struct topology_machine;

struct topology_plan {
    struct topology_machine *machine;
    const char *pin_reason;        /* why threads are pinned or not; static text */
    unsigned package_count;        /* of the whole machine, as the next three */
    unsigned node_count;
    unsigned physical_count;
    unsigned cpu_count;
    unsigned allowed_node_count;   /* of what this process may use, as the next two */
    unsigned allowed_physical_count;
    unsigned allowed_cpu_count;
    unsigned cpu_limit_millis;     /* the cgroup's quota in thousandths of a processor; 0: none */
    unsigned threads_asked;        /* 0: auto */
    bool cpuset_given;             /* fewer processors allowed than there are */
    bool pinned;
    bool fallback;                 /* the topology could not be read */
    unsigned core_count;           /* threads to run */
    struct topology_core cores[];  /* one a thread */
};

/* Makes a plan. NULL when the description given as source cannot be read, or memory is out; the
 * reason is then in errno. With source NULL only memory can be a reason. */
struct topology_plan *topology_plan_create(const struct topology_request *request)
    __attribute__((warn_unused_result));

/* What settings ask for, as a request (the strings stay the settings'). */
struct topology_request topology_request_from(const struct settings *settings);

void topology_plan_destroy(struct topology_plan *plan);

/* Binds the calling thread to the place of thread `index`. 0, or an errno; ENOSYS for a plan that
 * describes another machine. Nothing to bind is success. */
int topology_bind_thread(const struct topology_plan *plan, unsigned index);

/* Asks for the pages of [address, address + length) to come from `node` where it has some left
 * (preferred, never bound); call it before they are touched. 0, or an errno. */
int topology_prefer_memory(const struct topology_plan *plan, unsigned node, void *address,
                           size_t length) __attribute__((nonnull(1)));

/* Writes the plan for people; the form is stable, tests pin it. */
void topology_plan_print(const struct topology_plan *plan, FILE *out);

#endif
