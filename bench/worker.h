/* larder: one thread of the load generator.
 *
 * Purpose: drives a set of connections from one epoll loop: writes requests in batches, checks
 *     every reply, records latencies. Two ways to pace it:
 *       closed loop  each connection keeps up to `pipeline` requests in flight; with `slide` it
 *                    refills as replies come, else it sends the next batch when the last one is
 *                    answered.
 *       open loop    requests fall due at a fixed rate whatever the server does, on whichever
 *                    connection has room next, `pipeline` of them together (one by one with
 *                    `slide`); latency counts from the time a request was due, also when it had to
 *                    wait here, so a stall of the server is seen by every request that it delayed.
 * Owner: the program creates workers, runs each in a thread, reads results when the thread has
 *     ended.
 * Threads: worker_run() is the thread's body. Shared while it runs: `phase` (written by the
 *     program) and `progress` (written by the worker), relaxed; `phase` is a request to change
 *     over, and its reader needs nothing else that its writer wrote.
 * Memory: per worker 512 KiB of buffers and the connections' queues, freed by worker_fini().
 * Limits: connections + 8 file descriptors; pipeline * keys_per_get * 8 bytes a connection.
 * Errors: `end` and `why` say how the run ended.
 */
#ifndef LARDER_BENCH_WORKER_H
#define LARDER_BENCH_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/codec.h"
#include "bench/dataset.h"
#include "bench/hist.h"
#include "bench/plan.h"

enum load_phase {
    PHASE_WARM,    /* run, count for nothing */
    PHASE_MEASURE, /* counts and latencies start at zero */
    PHASE_STOP,
};

enum worker_end {
    WORKER_OK,
    WORKER_NO_MEMORY,
    WORKER_NO_CONNECTION,
    WORKER_LOST_CONNECTION,
    WORKER_BROKEN_REPLY,
};

/* What all workers of a run have in common; read-only but for `phase`. */
struct load {
    const struct codec *codec;
    const struct dataset *set;
    enum reply_check check;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    uint32_t pipeline;
    bool slide;
    bool poisson;
    _Atomic int phase;
};

struct conn;

struct worker {
    struct load *load;
    struct plan plan;
    uint32_t conn_count;
    double rate;        /* operations a second, 0 for a closed loop */
    uint64_t ops_max;   /* measured operations after which to end, 0 for none */
    int cpu;            /* to run on, -1 for any */

    struct conn *conns;
    int epoll;
    char *in;
    struct outq out;
    struct rng arrivals;
    double due_ns;      /* open loop: when the next request is due */
    uint32_t conn_next; /* open loop: where to look for room */
    bool is_full;       /* open loop: no connection has room for what is due */
    uint64_t in_flight;
    bool plan_ended;
    int phase_seen;
    uint64_t cpu_ns;    /* this thread's CPU time while measuring */
    uint64_t late_ops;  /* open loop: due but not sent when the run ended */

    struct tally tally;
    struct hist hist;
    _Atomic uint64_t progress;
    enum worker_end end;
    char why[TALLY_TEXT];
};

/* Prepares a worker whose fields load .. cpu are set. */
bool worker_init(struct worker *worker, uint64_t seed) __attribute__((warn_unused_result));
void worker_fini(struct worker *worker);

/* Connects, runs until the plan, ops_max or the phase ends it, and closes. */
void worker_run(struct worker *worker);

/* Nanoseconds of the monotonic clock. */
uint64_t worker_now_ns(void);

#endif
