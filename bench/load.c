/* larder: larder-load, the load generator */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <time.h>

#include "bench/load_options.h"
#include "bench/report.h"
#include "bench/worker.h"

enum {
    EXIT_WRONG = 1,
    EXIT_USAGE = 2,
    EXIT_LOST = 3,
    EXIT_SERVER_ERRORS = 4,
    PRELOAD_CONNECTIONS = 8,
    PRELOAD_PIPELINE = 64,
    PRELOAD_BYTES = 1 << 20, /* in flight on one connection */
    WATCH_NS = 20 * 1000 * 1000,
};

/* One worker and its thread. */
struct seat {
    struct worker worker;
    pthread_t thread;
    sem_t *ended;
};

/* One phase of the program: its workers, from start to end. */
struct crew {
    struct load load;
    uint32_t count;
    uint32_t started;
    uint32_t ended_count;
    struct seat *seats;
    sem_t ended;
};

static bool resolve(struct load *load, const struct load_options *options) {
    if (options->socket != NULL) {
        struct sockaddr_un *address = (struct sockaddr_un *)&load->address;
        if (strlen(options->socket) >= sizeof(address->sun_path))
            return false;
        address->sun_family = AF_UNIX;
        memcpy(address->sun_path, options->socket, strlen(options->socket) + 1);
        load->address_bytes = sizeof(*address);
        return true;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(options->host, options->port, &hints, &found) != 0)
        return false;
    memcpy(&load->address, found->ai_addr, found->ai_addrlen);
    load->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static void *seat_main(void *argument) {
    struct seat *seat = argument;
    worker_run(&seat->worker);
    sem_post(seat->ended);
    return NULL;
}

static void crew_fini(struct crew *crew) {
    for (uint32_t i = 0; crew->seats != NULL && i < crew->count; i++)
        worker_fini(&crew->seats[i].worker);
    free(crew->seats);
}

static bool crew_init(struct crew *crew, const struct load_options *options, uint32_t connections) {
    if (!resolve(&crew->load, options)) {
        fprintf(stderr, "larder-load: no such address\n");
        return false;
    }
    crew->count = connections < options->threads ? connections : options->threads;
    sem_init(&crew->ended, 0, 0);
    crew->seats = calloc(crew->count, sizeof(*crew->seats));
    if (crew->seats == NULL)
        return false;
    bool ok = true;
    for (uint32_t i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->seats[i].worker;
        crew->seats[i].ended = &crew->ended;
        worker->load = &crew->load;
        worker->plan = options->plan;
        worker->conn_count = connections / crew->count + (i < connections % crew->count ? 1 : 0);
        worker->cpu = options->cpu_count == 0 ? -1 : options->cpus[i % options->cpu_count];
        ok = worker_init(worker, options->seed * 1000003 + i) && ok;
    }
    return ok;
}

static bool crew_start(struct crew *crew) {
    for (uint32_t i = 0; i < crew->count; i++) {
        if (pthread_create(&crew->seats[i].thread, NULL, seat_main, &crew->seats[i]) != 0)
            return false;
        crew->started++;
    }
    return true;
}

static uint64_t crew_progress(struct crew *crew) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < crew->count; i++)
        sum += atomic_load_explicit(&crew->seats[i].worker.progress, memory_order_relaxed);
    return sum;
}

/* Waits until `until_ns` (0: no limit) or until all workers have ended, whichever is first. False
 * when no reply came for the stall time. */
static bool crew_wait(struct crew *crew, uint64_t until_ns, double stall_seconds) {
    uint64_t progress = crew_progress(crew);
    uint64_t progress_ns = worker_now_ns();
    while (crew->ended_count < crew->started) {
        uint64_t now_ns = worker_now_ns();
        uint64_t wake_ns = now_ns + WATCH_NS;
        if (until_ns != 0 && now_ns >= until_ns)
            return true;
        if (until_ns != 0 && wake_ns > until_ns)
            wake_ns = until_ns;
        const struct timespec wake = {.tv_sec = (time_t)(wake_ns / 1000000000),
                                      .tv_nsec = (long)(wake_ns % 1000000000)};
        if (sem_clockwait(&crew->ended, CLOCK_MONOTONIC, &wake) == 0)
            crew->ended_count++;
        uint64_t seen = crew_progress(crew);
        if (seen != progress) {
            progress = seen;
            progress_ns = now_ns;
        }
        if ((double)(now_ns - progress_ns) > stall_seconds * 1e9)
            return false;
    }
    return true;
}

static void crew_stop(struct crew *crew) {
    atomic_store_explicit(&crew->load.phase, PHASE_STOP, memory_order_relaxed);
    for (uint32_t i = 0; i < crew->started; i++)
        pthread_join(crew->seats[i].thread, NULL);
}

/* The worst end of all workers, told on stderr. */
static bool crew_ended_well(const struct crew *crew) {
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->seats[i].worker.end != WORKER_OK) {
            fprintf(stderr, "larder-load: %s\n", crew->seats[i].worker.why);
            return false;
        }
    }
    return true;
}

/* True if there is a server to be read, and it was. */
static bool read_server(const struct load_options *options, struct cputime *time) {
    return options->server_pid > 0 && cputime_read(time, options->server_pid);
}

/* Runs the crew through its phases and fills in the report. */
static bool crew_run(struct crew *crew, const struct load_options *options, struct report *report,
                     bool bounded) {
    struct cputime before;
    struct cputime after;
    uint64_t start_ns = worker_now_ns();
    bool steady = crew_start(crew);
    if (bounded) {
        start_ns += (uint64_t)(options->warm_seconds * 1e9);
        steady = steady && crew_wait(crew, start_ns, options->stall_seconds);
    }
    atomic_store_explicit(&crew->load.phase, PHASE_MEASURE, memory_order_relaxed);
    start_ns = worker_now_ns();
    bool has_before = read_server(options, &before);
    uint64_t until_ns = start_ns + (uint64_t)(options->seconds * 1e9);
    if (!bounded || options->seconds <= 0.0)
        until_ns = 0;
    steady = steady && crew_wait(crew, until_ns, options->stall_seconds);
    report->seconds = (double)(worker_now_ns() - start_ns) / 1e9;
    report->has_server = read_server(options, &after) && has_before;
    if (report->has_server)
        report->server = cputime_between(&before, &after);
    crew_stop(crew);
    for (uint32_t i = 0; i < crew->count; i++)
        report_add_worker(report, &crew->seats[i].worker);
    if (!steady)
        fprintf(stderr, "larder-load: no reply for %.1f seconds\n", options->stall_seconds);
    return crew_ended_well(crew) && steady;
}

static void crew_load(struct crew *crew, const struct load_options *options,
                      const struct dataset *set) {
    crew->load.codec = options->codec;
    crew->load.set = set;
    crew->load.check = options->check;
    crew->load.pipeline = options->pipeline;
    crew->load.slide = options->slide;
    crew->load.poisson = options->poisson;
}

/* Stores every key once: the keys are cut into equal ranges, one a worker. */
static bool preload(const struct load_options *options, const struct dataset *set,
                    struct report *report) {
    struct crew crew = {0};
    uint32_t connections = PRELOAD_CONNECTIONS;
    if (connections > options->connections)
        connections = options->connections;
    crew_load(&crew, options, set);
    crew.load.pipeline = PRELOAD_BYTES / set->size_max;
    if (crew.load.pipeline > PRELOAD_PIPELINE)
        crew.load.pipeline = PRELOAD_PIPELINE;
    if (crew.load.pipeline < 1)
        crew.load.pipeline = 1;
    crew.load.slide = true;
    bool ok = crew_init(&crew, options, connections);
    for (uint32_t i = 0; ok && i < crew.count; i++) {
        struct plan *plan = &crew.seats[i].worker.plan;
        plan->kind = PLAN_ORDER;
        plan->order_next = set->keys * i / crew.count;
        plan->order_end = set->keys * (i + 1) / crew.count;
    }
    /* all of it counts: there is no warm-up to forget */
    atomic_store_explicit(&crew.load.phase, PHASE_MEASURE, memory_order_relaxed);
    report->phase = "preload";
    ok = ok && crew_run(&crew, options, report, false);
    crew_fini(&crew);
    return ok;
}

static bool run(const struct load_options *options, const struct dataset *set,
                struct report *report) {
    struct crew crew = {0};
    crew_load(&crew, options, set);
    bool ok = crew_init(&crew, options, options->connections);
    for (uint32_t i = 0; ok && i < crew.count; i++) {
        struct worker *worker = &crew.seats[i].worker;
        worker->rate = options->rate / crew.count;
        worker->ops_max = (options->ops_max + crew.count - 1) / crew.count;
    }
    report->phase = "run";
    ok = ok && crew_run(&crew, options, report, true);
    crew_fini(&crew);
    return ok;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The program's own thread sleeps nearly always, but must not wake on the server's core. */
static void settle_on_cpus(const struct load_options *options) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < options->cpu_count; i++)
        CPU_SET((size_t)options->cpus[i], &set);
    if (options->cpu_count > 0 && sched_setaffinity(0, sizeof(set), &set) != 0)
        fprintf(stderr, "larder-load: can't run on these CPUs: %s\n", strerror(errno));
}

static int finish(const struct report *report, const struct load_options *options, bool ok) {
    if (!options->line_only)
        report_print_text(report);
    report_print_line(report);
    report_print_faults(report);
    if (!ok)
        return EXIT_LOST;
    if (report->tally.bad > 0)
        return EXIT_WRONG;
    return report->tally.errors > 0 ? EXIT_SERVER_ERRORS : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct load_options options;
    enum load_options_result parsed = load_options_parse(&options, argc, argv);
    if (parsed != LOAD_OPTIONS_RUN)
        return parsed == LOAD_OPTIONS_HELP ? EXIT_SUCCESS : EXIT_USAGE;
    if (!dataset_init(&options.set)) {
        fprintf(stderr, "larder-load: no memory\n");
        return EXIT_LOST;
    }
    options.plan.keys = options.set.keys;
    zipf_init(&options.plan.zipf, options.set.keys, options.skew);
    raise_descriptor_limit();
    settle_on_cpus(&options);
    struct report *reports = calloc(2, sizeof(*reports));
    if (reports == NULL)
        return EXIT_LOST;
    int code = EXIT_SUCCESS;
    if (options.preload)
        code = finish(&reports[0], &options, preload(&options, &options.set, &reports[0]));
    if (!options.preload_only && (code == EXIT_SUCCESS || code == EXIT_SERVER_ERRORS)) {
        bool ok = run(&options, &options.set, &reports[1]);
        int run_code = finish(&reports[1], &options, ok);
        code = run_code != EXIT_SUCCESS ? run_code : code;
    }
    free(reports);
    dataset_fini(&options.set);
    return code;
}
