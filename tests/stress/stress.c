/* larder: a stress run - store, threads, time, verdict */
#include "tests/stress/stress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/stress/stress_internal.h"

enum { HOUSEKEEPINGS_MAX = 1000, TICKS_A_SECOND = 4 };

void stress_fail(struct stress_thread *thread, uint32_t key, const char *format, ...) {
    struct stress *stress = thread->stress;
    va_list arguments;

    pthread_mutex_lock(&stress->report);
    if (!atom_load_acquire(&stress->failed)) {
        fprintf(stderr, "FAILED: %s, seed %" PRIu64 ", core %u, key %#x: ", stress->plan->name,
                stress->seed, thread->index, key);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
    }
    atom_store_release(&stress->failed, true);
    atom_store_release(&stress->stop, true);
    pthread_mutex_unlock(&stress->report);
}

static void stress_housekeep(struct stress *stress) {
    for (unsigned i = 0; i < HOUSEKEEPINGS_MAX && store_housekeeping(stress->store); i++)
        continue;
}

static double seconds_now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The housekeeping thread's part, on the main thread: memory, and the store's clock. */
static void stress_pass_time(struct stress *stress, unsigned tenths) {
    double start = seconds_now(), end = start + tenths * 0.1;
    uint32_t first = atom_load_acquire(&stress->now);

    for (double now = start; now < end && !atom_load_acquire(&stress->stop); now = seconds_now()) {
        struct timespec pause = {.tv_nsec = 200000};

        if (store_housekeeping_due(stress->store))
            store_housekeeping(stress->store);
        atom_store_release(&stress->now, first + (uint32_t)((now - start) * TICKS_A_SECOND));
        nanosleep(&pause, NULL);
    }
    atom_store_release(&stress->stop, true);
}

static void stress_thread_open(struct stress *stress, struct stress_thread *thread, unsigned i) {
    const struct stress_plan *plan = stress->plan;

    *thread = (struct stress_thread){.stress = stress, .index = i};
    thread->number = i < plan->writers ? i : i - plan->writers;
    thread->random = stamp_mix(stress->seed * STRESS_THREADS_MAX + i + 1) | 1;
    thread->buffer = malloc(STRESS_VALUE_BYTES_MAX);
    thread->core = store_core_create(stress->store, i);
    ASSERT(thread->buffer && thread->core);
}

static void stress_start(struct stress *stress, struct stress_thread *threads) {
    const struct stress_plan *plan = stress->plan;

    atom_store_release(&stress->stop, false);
    for (unsigned i = 0; i < plan->writers + plan->readers; i++)
        ASSERT(pthread_create(&threads[i].thread, NULL,
                              i < plan->writers ? stress_writer : stress_reader,
                              &threads[i]) == 0);
}

/* A new store, or the one that the last round has left in the file. */
static bool stress_store_open(struct stress *stress) {
    const struct stress_plan *plan = stress->plan;
    struct store_config config = {
        .memory_bytes = plan->memory_bytes,
        .item_bytes_max = 1 << 20,
        .partition_count = plan->partitions,
        .core_count = plan->readers + plan->writers + plan->idle_cores,
        .hash_seed = stress->seed,
        .evict = plan->evict,
        .token_in_items = true,
    };

    if (plan->restarts != 0) {
        ASSERT(restart_open(&stress->restart, stress->path));
        stress->restart.verify_values = true;
        config.restart = &stress->restart;
    }
    stress->store = store_create(&config);
    return stress->store != NULL;
}

static void stress_store_close(struct stress *stress, bool save) {
    if (save)
        ASSERT(store_save(stress->store, atom_load_acquire(&stress->now), 0));
    store_destroy(stress->store);
    if (stress->plan->restarts != 0)
        restart_close(&stress->restart);
}

static bool stress_finish(struct stress *stress, const char *wrong) {
    struct store_totals totals;

    store_totals(stress->store, &totals);
    printf("# %s: seed %" PRIu64 ", %" PRIu64 " reads, %" PRIu64 " hits, %" PRIu64
           " lends, %" PRIu64 " writes, %" PRIu64 " refused\n",
           stress->plan->name, stress->seed, stress->reads, stress->hits, stress->lends,
           stress->writes, stress->refusals);
    printf("#   items %" PRIu64 ", evictions %" PRIu64 ", splits %" PRIu64 ", merges %" PRIu64
           ", evacuations %" PRIu64 ", page moves %" PRIu64 ", retries %" PRIu64 ", waits %" PRIu64
           "\n",
           totals.items, totals.evictions, totals.splits, totals.merges, totals.evacuations,
           totals.page_moves, totals.read_retries, totals.lock_waits);
    if (wrong)
        fprintf(stderr, "FAILED: %s, seed %" PRIu64 ": store_check: %s\n", stress->plan->name,
                stress->seed, wrong);
    return !wrong && !stress->failed;
}

/* One round with all threads, and the checker; then the store is closed, or left for the next. */
static bool stress_round(struct stress *stress, unsigned tenths, unsigned round) {
    const struct stress_plan *plan = stress->plan;
    struct stress_thread threads[STRESS_THREADS_MAX];
    unsigned count = plan->readers + plan->writers, cores = count + plan->idle_cores;
    bool taken_over = stress_store_open(stress) && stress->restart.reused;
    const char *wrong = taken_over == (round > 0) ? store_check(stress->store)
                                                  : stress->restart.reason;

    for (unsigned i = 0; i < cores; i++)
        stress_thread_open(stress, &threads[i], i);
    stress_housekeep(stress);
    for (unsigned i = 0; round == 0 && i < plan->writers; i++)
        stress_writer_prepare(&threads[i]);
    if (wrong == NULL) {
        stress_start(stress, threads);
        stress_pass_time(stress, tenths);
        for (unsigned i = 0; i < count; i++)
            pthread_join(threads[i].thread, NULL);
        wrong = store_check(stress->store);
    }
    bool good = stress_finish(stress, wrong);

    for (unsigned i = 0; i < cores; i++) {
        store_core_destroy(threads[i].core);
        free(threads[i].buffer);
    }
    stress_store_close(stress, good && round < plan->restarts);
    return good;
}

bool stress_run(const struct stress_plan *plan, unsigned seconds_tenths, uint64_t seed) {
    struct stress stress = {.plan = plan, .seed = seed, .now = 2};
    unsigned rounds = plan->restarts + 1;
    int file = memfd_create("larder", MFD_CLOEXEC);
    bool good = file >= 0;

    ASSERT(plan->readers + plan->writers + plan->idle_cores <= STRESS_THREADS_MAX);
    (void)snprintf(stress.path, sizeof stress.path, "/proc/self/fd/%d", file);
    pthread_mutex_init(&stress.report, NULL);
    stress.keys = calloc(plan->stable_keys + plan->brief_keys + 1, sizeof *stress.keys);
    ASSERT(stress.keys);
    for (unsigned round = 0; good && round < rounds; round++)
        good = stress_round(&stress, seconds_tenths / rounds + 1, round);
    free(stress.keys);
    pthread_mutex_destroy(&stress.report);
    (void)close(file);
    return good;
}
