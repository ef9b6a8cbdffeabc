/* larder: one thread of the load generator */
#include "bench/worker.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench/conn.h"

enum {
    IN_BYTES = 256 * 1024,
    OUT_BYTES = 256 * 1024,
    EVENTS = 64,
    READS_MAX = 16, /* of one connection before the others have their turn */
    IDLE_NS = 50 * 1000 * 1000,
};

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

uint64_t worker_now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

/* Ends the run for a reason that errno tells. */
static bool fail(struct worker *worker, enum worker_end end, const char *what) {
    worker->end = end;
    snprintf(worker->why, sizeof(worker->why), "%.40s: %.100s", what, strerror(errno));
    return false;
}

static bool fail_broken(struct worker *worker) {
    worker->end = WORKER_BROKEN_REPLY;
    memcpy(worker->why, worker->tally.first_bad, sizeof(worker->why));
    return false;
}

static size_t out_bytes(const struct worker *worker) {
    size_t get = worker->load->codec->get_bytes_max(worker->load->set, worker->plan.keys_per_get);
    return get < OUT_BYTES ? OUT_BYTES : get;
}

bool worker_init(struct worker *worker, uint64_t seed) {
    plan_seed(&worker->plan, seed);
    rng_init(&worker->arrivals, ~seed);
    hist_reset(&worker->hist);
    memset(&worker->tally, 0, sizeof(worker->tally));
    worker->end = WORKER_OK;
    worker->phase_seen = PHASE_WARM;
    worker->epoll = -1;
    worker->in = malloc(IN_BYTES);
    worker->conns = calloc(worker->conn_count, sizeof(*worker->conns));
    bool ok = worker->in != NULL && worker->conns != NULL &&
              outq_init(&worker->out, out_bytes(worker));
    for (uint32_t i = 0; ok && i < worker->conn_count; i++)
        ok = conn_init(&worker->conns[i], worker->load->pipeline, worker->plan.keys_per_get);
    if (!ok)
        worker->end = WORKER_NO_MEMORY;
    return ok;
}

void worker_fini(struct worker *worker) {
    for (uint32_t i = 0; worker->conns != NULL && i < worker->conn_count; i++)
        conn_fini(&worker->conns[i]);
    free(worker->conns);
    free(worker->in);
    outq_fini(&worker->out);
    if (worker->epoll >= 0)
        close(worker->epoll);
}

static bool watch(struct worker *worker, struct conn *conn, int how, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (epoll_ctl(worker->epoll, how, conn->fd, &event) == 0)
        return true;
    return fail(worker, WORKER_LOST_CONNECTION, "epoll_ctl");
}

static bool connect_all(struct worker *worker) {
    const struct load *load = worker->load;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll < 0)
        return fail(worker, WORKER_NO_CONNECTION, "epoll_create");
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        struct conn *conn = &worker->conns[i];
        if (!conn_open(conn, (const struct sockaddr *)&load->address, load->address_bytes))
            return fail(worker, WORKER_NO_CONNECTION, "connect");
        if (!watch(worker, conn, EPOLL_CTL_ADD, EPOLLIN))
            return false;
    }
    return true;
}

/* Sends what the scratch queue holds; what the socket does not take becomes the connection's. */
static bool flush(struct worker *worker, struct conn *conn) {
    switch (outq_send(&worker->out, conn->fd)) {
    case OUTQ_EMPTY:
        return true;
    case OUTQ_BROKEN:
        return fail(worker, WORKER_LOST_CONNECTION, "send");
    case OUTQ_BLOCKED:
        break;
    }
    if (conn->unsent.bytes == NULL && !outq_init(&conn->unsent, worker->out.capacity))
        return fail(worker, WORKER_NO_MEMORY, "unsent");
    outq_move(&conn->unsent, &worker->out);
    return watch(worker, conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

/* Adds one request to the scratch queue if it has room and the plan another operation. */
static bool add_request(struct worker *worker, struct conn *conn, uint64_t due_ns) {
    const struct load *load = worker->load;
    size_t get_bytes = load->codec->get_bytes_max(load->set, worker->plan.keys_per_get);
    size_t set_bytes = load->codec->set_bytes_max(load->set);
    if (!outq_fits(&worker->out, get_bytes > set_bytes ? get_bytes : set_bytes, 3))
        return false;
    uint32_t place = conn_tail(conn);
    struct op *op = &conn->ops[place];
    uint64_t *tokens = conn_tokens(conn, place);
    if (!plan_next(&worker->plan, op, tokens)) {
        worker->plan_ended = true;
        return false;
    }
    op->due_ns = due_ns;
    if (op->kind == OP_GET)
        load->codec->get(&worker->out, load->set, tokens, op->keys);
    else
        load->codec->set(&worker->out, load->set, tokens[0]);
    conn_push(conn);
    worker->in_flight++;
    return true;
}

/* Closed loop: brings a connection up to `pipeline` requests in flight. */
static bool refill(struct worker *worker, struct conn *conn, uint64_t now_ns) {
    while (conn_has_room(conn) && !worker->plan_ended) {
        while (conn->in_flight < conn->pipeline && add_request(worker, conn, now_ns))
            continue;
        if (!flush(worker, conn))
            return false;
    }
    return true;
}

/* Consumes the replies in `in`; replies that were due together and came together are recorded in
 * one step. */
static bool take_replies(struct worker *worker, struct conn *conn, struct feed *in,
                         uint64_t now_ns) {
    uint64_t due_ns = 0;
    uint64_t alike = 0;
    while (in->at < in->end) {
        if (conn->in_flight == 0) {
            tally_bad(in->tally, "%zu bytes that nobody asked for", (size_t)(in->end - in->at));
            return fail_broken(worker);
        }
        const struct op *op = &conn->ops[conn->head];
        const uint64_t *tokens = conn_tokens(conn, conn->head);
        enum feed_result result = worker->load->codec->feed(&conn->reply, op, tokens, in);
        if (result == FEED_BROKEN)
            return fail_broken(worker);
        if (result == FEED_MORE)
            break;
        if (op->due_ns != due_ns && alike > 0) {
            hist_record(&worker->hist, now_ns - due_ns, alike);
            alike = 0;
        }
        due_ns = op->due_ns;
        alike++;
        conn_pop(conn);
        worker->in_flight--;
    }
    if (alike > 0)
        hist_record(&worker->hist, now_ns - due_ns, alike);
    return true;
}

static bool read_replies(struct worker *worker, struct conn *conn, uint64_t *now_ns) {
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t got = recv(conn->fd, worker->in, IN_BYTES, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (got == 0)
            errno = ECONNRESET;
        if (got <= 0)
            return fail(worker, WORKER_LOST_CONNECTION, "recv");
        *now_ns = worker_now_ns();
        struct feed in = {
            .set = worker->load->set,
            .check = worker->load->check,
            .tally = &worker->tally,
            .at = worker->in,
            .end = worker->in + got,
        };
        if (!take_replies(worker, conn, &in, *now_ns))
            return false;
        if (got < IN_BYTES)
            return true;
    }
    return true;
}

static bool write_unsent(struct worker *worker, struct conn *conn) {
    switch (outq_send(&conn->unsent, conn->fd)) {
    case OUTQ_EMPTY:
        return watch(worker, conn, EPOLL_CTL_MOD, EPOLLIN);
    case OUTQ_BLOCKED:
        return true;
    case OUTQ_BROKEN:
        break;
    }
    return fail(worker, WORKER_LOST_CONNECTION, "send");
}

static bool serve(struct worker *worker, struct conn *conn, uint32_t events) {
    uint64_t now_ns = 0;
    if ((events & EPOLLOUT) != 0 && !write_unsent(worker, conn))
        return false;
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && !read_replies(worker, conn, &now_ns))
        return false;
    if (worker->rate > 0.0)
        return true;
    if (!worker->load->slide && conn->in_flight > 0 && (events & EPOLLOUT) == 0)
        return true;
    return refill(worker, conn, now_ns != 0 ? now_ns : worker_now_ns());
}

/* Open loop: how many requests fall due together, on one connection. */
static uint32_t burst(const struct worker *worker) {
    return worker->load->slide ? 1 : worker->load->pipeline;
}

/* Open loop: the next connection with room for a burst, or NULL. */
static struct conn *conn_with_room(struct worker *worker) {
    uint32_t in_flight_max = worker->load->pipeline - burst(worker);
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        struct conn *conn = &worker->conns[worker->conn_next];
        worker->conn_next = worker->conn_next + 1 < worker->conn_count ? worker->conn_next + 1 : 0;
        if (conn->in_flight <= in_flight_max && outq_is_empty(&conn->unsent))
            return conn;
    }
    return NULL;
}

static double interval_ns(struct worker *worker) {
    double mean_ns = 1e9 * burst(worker) / worker->rate;
    return worker->load->poisson ? -log(1.0 - rng_unit(&worker->arrivals)) * mean_ns : mean_ns;
}

static bool send_burst(struct worker *worker, struct conn *conn) {
    uint32_t count = burst(worker);
    uint64_t due_ns = (uint64_t)worker->due_ns;
    while (count > 0) {
        while (count > 0 && add_request(worker, conn, due_ns))
            count--;
        /* a burst that the socket does not take whole ends short, and the next one begins */
        if (!flush(worker, conn))
            return false;
        if (!outq_is_empty(&conn->unsent))
            return true;
    }
    return true;
}

static bool send_due(struct worker *worker) {
    double now_ns = (double)worker_now_ns();
    worker->is_full = false;
    while (worker->due_ns <= now_ns) {
        struct conn *conn = conn_with_room(worker);
        worker->is_full = conn == NULL;
        if (conn == NULL)
            return true;
        if (!send_burst(worker, conn))
            return false;
        worker->due_ns += interval_ns(worker);
    }
    return true;
}

/* How long to wait for events: what is overdue waits for room if that is what it lacks, else not at
 * all. */
static struct timespec patience(const struct worker *worker) {
    double wait_ns = IDLE_NS;
    if (worker->rate > 0.0 && !worker->is_full) {
        wait_ns = worker->due_ns - (double)worker_now_ns();
        if (wait_ns < 0.0)
            wait_ns = 0.0;
        if (wait_ns > IDLE_NS)
            wait_ns = IDLE_NS;
    }
    return (struct timespec){.tv_sec = 0, .tv_nsec = (long)wait_ns};
}

/* Follows the program from phase to phase; false when the run is over. */
static bool follow_phase(struct worker *worker) {
    atomic_store_explicit(&worker->progress, worker->tally.ops, memory_order_relaxed);
    if (worker->plan_ended && worker->in_flight == 0)
        return false;
    int phase = atomic_load_explicit(&worker->load->phase, memory_order_relaxed);
    if (phase == PHASE_MEASURE && worker->phase_seen == PHASE_WARM) {
        struct tally *tally = &worker->tally;
        tally->ops = tally->keys = tally->hits = tally->misses = tally->stored = 0;
        hist_reset(&worker->hist);
        worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        worker->phase_seen = PHASE_MEASURE;
    }
    if (phase == PHASE_STOP)
        return false;
    return phase != PHASE_MEASURE || worker->ops_max == 0 || worker->tally.ops < worker->ops_max;
}

static void loop(struct worker *worker) {
    struct epoll_event events[EVENTS];
    while (follow_phase(worker)) {
        struct timespec wait = patience(worker);
        int count = epoll_pwait2(worker->epoll, events, EVENTS, &wait, NULL);
        for (int i = 0; i < count; i++) {
            if (!serve(worker, events[i].data.ptr, events[i].events))
                return;
        }
        if (worker->rate > 0.0 && !send_due(worker))
            return;
    }
}

static void count_late(struct worker *worker) {
    if (worker->rate <= 0.0)
        return;
    double late_ns = (double)worker_now_ns() - worker->due_ns;
    worker->late_ops = late_ns > 0.0 ? (uint64_t)(late_ns * worker->rate / 1e9) : 0;
}

void worker_run(struct worker *worker) {
    if (worker->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)worker->cpu, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
    }
    /* the default slack of 50 us would delay every request of an open loop */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    if (!connect_all(worker))
        return;
    uint64_t start_ns = worker_now_ns();
    worker->due_ns = (double)start_ns;
    for (uint32_t i = 0; worker->rate <= 0.0 && i < worker->conn_count; i++) {
        if (!refill(worker, &worker->conns[i], worker_now_ns()))
            return;
    }
    loop(worker);
    if (worker->phase_seen == PHASE_MEASURE)
        worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - worker->cpu_ns;
    count_late(worker);
}
