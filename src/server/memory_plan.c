/* larder: how the memory of -m will be used, printed for people */
#include "src/server/memory_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/server/core.h"
#include "src/server/settings.h"
#include "src/server/topology.h"
#include "src/store/plan.h"

#define MIB ((uint64_t)1 << 20)
#define KEY_BYTES 16u
/* Code, libraries and what they set up, malloc's own: measured; 3 MiB of it go once it is idle. */
#define PROCESS_BYTES (7 * MIB)
/* Stack, ring, the store's scratch memory, malloc's cache. */
#define THREAD_BYTES (MIB / 2)

static const char *const usual_sizes = "10,50,100,300,1000,4000,16000,100000,500000";

static void plan_make(const struct settings *settings, unsigned threads, struct store_plan *plan) {
    struct store_config config = {.memory_bytes = settings->memory_bytes,
                                  .item_bytes_max = settings->item_bytes_max,
                                  .partition_count = settings->partitions,
                                  .core_count = threads};
    store_plan_create(&config, plan);
}

static uint64_t thread_bytes(void) {
    return THREAD_BYTES + MEMORY_PLAN_RECEIVE_BYTES + sizeof(struct core);
}

static uint64_t fixed_bytes(const struct store_plan *plan, unsigned threads) {
    return PROCESS_BYTES + plan->partitions_bytes + plan->page_meta_bytes +
           threads * thread_bytes();
}

uint64_t memory_fixed_bytes(const struct settings *settings, unsigned threads) {
    struct store_plan plan;
    plan_make(settings, threads, &plan);
    return fixed_bytes(&plan, threads);
}

static double mib(uint64_t bytes) {
    return (double)bytes / (double)MIB;
}

static void print_layout(const struct store_plan *plan, const struct settings *settings,
                         unsigned threads, FILE *out) {
    (void)fprintf(out, "budget      %.0f MiB for items and their index (-m)\n",
                  mib(plan->memory_bytes));
    (void)fprintf(out, "partitions  %u of %.1f MiB, for %u threads\n", plan->partitions,
                  mib(plan->partition_bytes), threads);
    (void)fprintf(out, "pages       %" PRIu32 " KiB; items above %" PRIu32
                       " bytes are chains of chunks\n",
                  plan->page_bytes / 1024, slab_chunk_bytes_max(&plan->classes));
    (void)fprintf(out, "items       up to %" PRIu64 " bytes (-I)\n", settings->item_bytes_max);
    (void)fprintf(out, "beside -m   %.1f MiB: process %.1f, %u threads %.1f, page metadata %.1f, "
                       "partitions %.1f; and connections\n",
                  mib(fixed_bytes(plan, threads)), mib(PROCESS_BYTES), threads,
                  mib(threads * thread_bytes()), mib(plan->page_meta_bytes),
                  mib(plan->partitions_bytes));
}

static void print_classes(const struct store_plan *plan, FILE *out) {
    const struct slab_classes *classes = &plan->classes;
    (void)fprintf(out, "\nclasses     %" PRIu32 ", of which %" PRIu32
                       " serve from the start (*), the others on demand\n",
                  classes->count, classes->base_count);
    (void)fprintf(out, "%8s %8s %8s\n", "class", "chunk", "a page");
    for (unsigned id = 1; id <= classes->count; id++) {
        (void)fprintf(out, "%8u %8" PRIu32 " %8u%s\n", id, classes->chunk_bytes[id],
                      (unsigned)classes->per_page[id], classes->base[id] == id ? " *" : "");
    }
}

static void print_item(const struct store_plan *plan, uint64_t value_bytes, FILE *out) {
    struct store_plan_item item;
    struct store_plan_item expiring;
    store_plan_item(plan, KEY_BYTES, value_bytes, false, &item);
    store_plan_item(plan, KEY_BYTES, value_bytes, true, &expiring);
    double bytes = (double)item.total_cents / 100;
    (void)fprintf(out, "%8" PRIu64 " %8" PRIu32 " %7" PRIu32 " %12.1f %8.1f %8.1f %12" PRIu64 "\n",
                  value_bytes, item.chunk_bytes, item.chunks, bytes,
                  bytes - (double)(value_bytes + KEY_BYTES),
                  (double)(expiring.total_cents - item.total_cents) / 100, item.items);
}

static bool print_items(const struct store_plan *plan, const struct settings *settings,
                        FILE *out) {
    const char *at =
        settings->memory_plan_sizes == NULL ? usual_sizes : settings->memory_plan_sizes;
    (void)fprintf(out, "\nItems with keys of %u bytes, when memory is full of them:\n%8s %8s %7s "
                       "%12s %8s %8s %12s\n",
                  KEY_BYTES, "value", "chunk", "chunks", "bytes", "overhead", "ttl", "items");
    for (unsigned count = 0; *at != '\0' && count < MEMORY_PLAN_SIZES_MAX; count++) {
        char *end = NULL;
        errno = 0;
        unsigned long long size = strtoull(at, &end, 10);
        if (*at < '0' || *at > '9' || errno != 0 || (*end != '\0' && *end != ',')) {
            (void)fprintf(stderr, "not a size of values: \"%s\"\n", at);
            return false;
        }
        if (size + KEY_BYTES + 59 <= settings->item_bytes_max) { /* memcached's size of an item */
            print_item(plan, size, out);
        } else if (settings->memory_plan_sizes != NULL) {
            (void)fprintf(out, "%8llu is more than -I allows\n", size);
        }
        at = *end == ',' ? end + 1 : end;
    }
    return true;
}

unsigned memory_plan_threads(const struct settings *settings) {
    if (settings->threads != 0) {
        return settings->threads;
    }
    struct topology_request request = topology_request_from(settings);
    struct topology_plan *plan = topology_plan_create(&request);
    unsigned threads = plan == NULL ? 1 : plan->core_count;
    topology_plan_destroy(plan);
    return threads;
}

bool memory_plan_print(const struct settings *settings, FILE *out) {
    unsigned threads = memory_plan_threads(settings);
    struct store_plan plan;
    plan_make(settings, threads, &plan);
    print_layout(&plan, settings, threads, out);
    bool good = print_items(&plan, settings, out);
    if (good) {
        print_classes(&plan, out);
    }
    return fflush(out) == 0 && good;
}
