/* larder: growth - the longest requests while the index grows, beside a loop that does nothing
 *
 * Fills the store with values of 10 bytes until it evicts, or with so many of them, and times each
 * set; upkeep runs between batches as in a core's loop and is timed too. Then nothing is timed for
 * as long: what the machine takes away from anybody. By the clock on the wall, or by the thread's
 * processor time where others use the machine. See bench/README.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/hist.h"
#include "src/store/store.h"

#define KEY_BYTES 16u
#define VALUE_BYTES 10u
#define BATCH 32u
#define UPKEEP_NS 20000u
#define MIB_BYTES ((uint64_t)1 << 20)
#define SLOW_NS 1000000u

static clockid_t clock_id = CLOCK_MONOTONIC;

static uint64_t clock_ns(void) {
    struct timespec now;
    (void)clock_gettime(clock_id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct timing {
    struct hist hist;
    uint64_t slow; /* requests */
};

static struct timing sets, upkeep, idle;

static void timing_note(struct timing *timing, uint64_t ns) {
    hist_record(&timing->hist, ns, 1);
    timing->slow += ns >= SLOW_NS;
}

static void timing_print(const char *name, const struct timing *timing) {
    const struct hist *hist = &timing->hist;
    printf("%-8s %10lu times, us: p50 %.2f p99 %.2f p99.9 %.2f p99.99 %.1f max %.1f; "
           "%lu above 1 ms\n",
           name, hist->count, (double)hist_quantile_ns(hist, 0.5) / 1e3,
           (double)hist_quantile_ns(hist, 0.99) / 1e3, (double)hist_quantile_ns(hist, 0.999) / 1e3,
           (double)hist_quantile_ns(hist, 0.9999) / 1e3, (double)hist->max_ns / 1e3,
           timing->slow);
}

static void set_one(struct store *store, struct store_core *core, uint64_t number) {
    char text[32];
    static const uint8_t value[VALUE_BYTES];
    (void)snprintf(text, sizeof(text), "key-%012lu", number);
    const uint8_t *key = (const uint8_t *)text;
    uint64_t begun = clock_ns();
    struct store_write write = {.key = {key, KEY_BYTES, store_hash(store, key, KEY_BYTES)}};
    struct iovec bytes = {(void *)(uintptr_t)value, VALUE_BYTES};
    if (store_put(core, &write, &bytes, NULL) != STORE_OK) {
        fputs("growth: a set failed\n", stderr);
        exit(1);
    }
    timing_note(&sets, clock_ns() - begun);
}

/* As the housekeeping thread does, but not while a request waits. */
static void keep_up(struct store *store, struct store_core *core) {
    uint64_t begun = clock_ns();
    (void)store_upkeep(core, UPKEEP_NS);
    timing_note(&upkeep, clock_ns() - begun);
    while (store_housekeeping_due(store) && store_housekeeping(store)) {
    }
    store_turn_end(core);
    store_turn_begin(core, 10);
}

static uint64_t fill(struct store *store, struct store_core *core, uint64_t items) {
    struct store_totals totals = {0};
    uint64_t number = 0;
    while (number < items && totals.evictions == 0) {
        set_one(store, core, number++);
        if (number % BATCH == 0) {
            keep_up(store, core);
        }
        if (number % 65536 == 0) {
            store_totals(store, &totals);
        }
    }
    return number;
}

static void stand_idle(uint64_t times) {
    for (uint64_t i = 0; i < times; i++) {
        uint64_t begun = clock_ns();
        timing_note(&idle, clock_ns() - begun);
    }
}

static uint64_t argument(const char *text) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0') {
        fputs("usage: growth [--cpu-time] MIB [ITEMS]\n", stderr);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--cpu-time") == 0) {
        clock_id = CLOCK_THREAD_CPUTIME_ID;
        argc--;
        argv++;
    }
    uint64_t mib = argument(argc > 1 ? argv[1] : "");
    uint64_t items = argc > 2 ? argument(argv[2]) : UINT64_MAX;
    struct store_config config = {
        .memory_bytes = mib * MIB_BYTES,
        .item_bytes_max = MIB_BYTES,
        .core_count = 1,
        .hash_seed = 7,
        .evict = true,
        .token_in_items = true,
    };
    struct store *store = store_create(&config);
    struct store_core *core = store == NULL ? NULL : store_core_create(store, 0);
    if (core == NULL) {
        fputs("growth: no memory\n", stderr);
        return 1;
    }
    store_turn_begin(core, 10);
    uint64_t begun = clock_ns();
    uint64_t stored = fill(store, core, items);
    uint64_t took = clock_ns() - begun;
    struct store_totals totals;
    store_totals(store, &totals);
    begun = clock_ns();
    while (clock_ns() - begun < took) {
        stand_idle(65536);
    }
    printf("%lu items in %lu MiB and %u partitions, %lu splits, %.1f s\n", stored, mib,
           totals.partitions, totals.splits, (double)took / 1e9);
    timing_print("set", &sets);
    timing_print("upkeep", &upkeep);
    timing_print("nothing", &idle);
    store_turn_end(core);
    store_core_destroy(core);
    store_destroy(store);
    return 0;
}
