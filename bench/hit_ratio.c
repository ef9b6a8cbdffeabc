/* larder: hit ratios - replays traces through larder's store, reference policies and a server
 *
 * Each workload gives a line: what share of the requests that count was a hit, for as many objects
 * as memcached kept in the workload's memory, and for the same memory. See bench/README.md. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cache.h"

#define PARTITIONS_LISTED_MAX 8u
#define LOOP_TENTHS 11u
/* Rounds of finding the memory in which the store keeps a number of objects, and how near. */
#define FIT_ROUNDS_MAX 5u
#define FIT_PER_MILLE 4u

struct options {
    const char *workloads; /* names between commas; NULL: all */
    const char *server;
    uint64_t keys, requests, seed;
    uint64_t objects; /* 0: as measured, or as tabled */
    unsigned partitions[PARTITIONS_LISTED_MAX];
    unsigned partitions_count;
    bool references, at_objects, at_bytes, tell;
};

struct run {
    const struct options *options;
    const struct workload *workload;
    uint64_t objects;
    uint64_t keys_end, counted_from;
    struct request *requests; /* the whole trace */
};

/* -- replaying --------------------------------------------------------------------------------- */

static uint64_t trace_keys(const struct run *run) {
    bool loop = run->workload->pattern == PATTERN_LOOP;
    return loop ? run->objects * LOOP_TENTHS / 10 : run->options->keys;
}

/* Makes up the trace, once for all caches. */
static void trace_make(struct run *run) {
    static struct trace trace;
    trace_init(&trace, run->workload, trace_keys(run), run->options->requests,
               run->options->seed);
    run->keys_end = trace_keys_end(&trace);
    run->counted_from = trace_counted_from(&trace);
    for (uint64_t i = 0; i < run->options->requests; i++) {
        trace_next(&trace, &run->requests[i]);
    }
}

/* Replays the trace's first `requests`; the share of hits among those that count. */
static double replay(struct run *run, struct cache *cache, uint64_t requests) {
    uint64_t hits = 0;
    uint64_t counted = 0;
    for (uint64_t at = 0; at < requests; at += CACHE_BATCH_MAX) {
        uint64_t left = requests - at;
        unsigned count = left < CACHE_BATCH_MAX ? (unsigned)left : CACHE_BATCH_MAX;
        uint32_t hit = cache->replay(cache, run->requests + at, count);
        bool counts = at >= run->counted_from;
        hits += counts ? (unsigned)__builtin_popcount(hit) : 0;
        counted += counts ? count : 0;
    }
    return counted == 0 ? 0.0 : (double)hits / (double)counted;
}

static void cell_print(double ratio) {
    printf(" %.3f |", ratio);
    (void)fflush(stdout);
}

static double replay_whole(struct run *run, struct cache *cache) {
    double ratio = replay(run, cache, run->options->requests);
    cell_print(ratio);
    return ratio;
}

/* The memory in which the store keeps the run's number of objects. */
static uint64_t memory_fit(struct run *run, unsigned partitions) {
    uint64_t memory = (uint64_t)run->workload->memory_mib << 20;
    for (unsigned round = 0; round < FIT_ROUNDS_MAX; round++) {
        struct cache *cache = cache_store_create(memory, partitions);
        (void)replay(run, cache, run->options->requests / 4);
        uint64_t objects = cache->objects(cache);
        cache->destroy(cache);
        uint64_t off = objects > run->objects ? objects - run->objects : run->objects - objects;
        if (off * 1000 <= run->objects * FIT_PER_MILLE) {
            break;
        }
        memory = (uint64_t)((double)memory * (double)run->objects / (double)objects);
    }
    return memory;
}

static void run_store(struct run *run, uint64_t memory, unsigned partitions) {
    struct cache *cache = cache_store_create(memory, partitions);
    (void)replay_whole(run, cache);
    if (run->options->tell) {
        fprintf(stderr, "\n  %u partitions, %lu bytes:", partitions, memory);
        cache_store_tell(cache);
    }
    cache->destroy(cache);
}

static void run_server(struct run *run) {
    struct cache *cache = cache_server_create(run->options->server, run->workload->memory_mib);
    double ratio = replay(run, cache, run->options->requests);
    if (run->options->objects == 0) {
        run->objects = cache->objects(cache);
    }
    printf("| %s | %lu |", run->workload->name, run->objects);
    cell_print(ratio);
    cache->destroy(cache);
}

static void run_reference(struct run *run,
                          struct cache *(*create)(const struct cache_limit *limit)) {
    bool fixed = run->workload->sizes == SIZES_FIXED &&
                 run->workload->pattern != PATTERN_SIZE_SHIFT;
    struct cache_limit limit = {
        .keys_end = run->keys_end,
        .objects = run->objects,
        .bytes = fixed ? 0 : (uint64_t)run->workload->memory_mib << 20,
    };
    struct cache *cache = create(&limit);
    (void)replay_whole(run, cache);
    cache->destroy(cache);
}

static void run_workload(struct run *run) {
    const struct options *o = run->options;
    run->objects = o->objects != 0 ? o->objects : run->workload->objects;
    trace_make(run);
    if (o->server != NULL) {
        run_server(run);
    } else {
        printf("| %s | %lu |", run->workload->name, run->objects);
    }
    if (o->references) {
        run_reference(run, cache_lru_create);
        run_reference(run, cache_s3fifo_create);
    }
    for (unsigned i = 0; o->at_objects && i < o->partitions_count; i++) {
        run_store(run, memory_fit(run, o->partitions[i]), o->partitions[i]);
    }
    for (unsigned i = 0; o->at_bytes && i < o->partitions_count; i++) {
        run_store(run, (uint64_t)run->workload->memory_mib << 20, o->partitions[i]);
    }
    printf("\n");
}

static void head_print(const struct options *o) {
    unsigned columns = 2;
    printf("| workload | objects |");
    printf("%s%s", o->server != NULL ? " server |" : "", o->references ? " LRU | S3-FIFO |" : "");
    columns += (o->server != NULL) + (o->references ? 2u : 0u);
    for (unsigned i = 0; o->at_objects && i < o->partitions_count; i++, columns++) {
        printf(" objects, %u |", o->partitions[i]);
    }
    for (unsigned i = 0; o->at_bytes && i < o->partitions_count; i++, columns++) {
        printf(" bytes, %u |", o->partitions[i]);
    }
    printf("\n|");
    for (unsigned i = 0; i < columns; i++) {
        printf("---|");
    }
    printf("\n");
}

/* -- options ----------------------------------------------------------------------------------- */

static const char USAGE[] =
    "usage: hit-ratio [option...]\n"
    "  --workloads NAMES   between commas (all)\n"
    "  --partitions LIST   of larder's store (1,8,64)\n"
    "  --requests N        of a trace (20000000)\n"
    "  --keys N            of a population (2000000)\n"
    "  --objects N         to be kept (as many as the server keeps, or memcached 1.6.45 did)\n"
    "  --server COMMAND    replay through a server too; {port} and {memory} are filled in\n"
    "  --seed N            of a trace (1)\n"
    "  --no-references     without LRU and S3-FIFO\n"
    "  --no-objects        without larder at equal objects\n"
    "  --no-bytes          without larder at equal bytes\n"
    "  --tell              how the store came to its figures\n"
    "  --list              names the workloads\n";

static void usage_fail(const char *text) {
    fprintf(stderr, "hit-ratio: '%s' is not understood\n%s", text, USAGE);
    exit(2);
}

static uint64_t number_read(const char *text) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0') {
        usage_fail(text);
    }
    return number;
}

static void partitions_read(struct options *o, char *text) {
    o->partitions_count = 0;
    char *rest;
    for (char *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (o->partitions_count == PARTITIONS_LISTED_MAX) {
            usage_fail(word);
        }
        o->partitions[o->partitions_count++] = (unsigned)number_read(word);
    }
}

static void list_print(void) {
    for (const struct workload *w = WORKLOADS; w->name != NULL; w++) {
        printf("%s\n", w->name);
    }
    exit(0);
}

enum { OPTION_FIRST = 256, WORKLOADS_ARE, PARTITIONS, REQUESTS, KEYS, OBJECTS, SERVER, SEED,
       NO_REFERENCES, NO_OBJECTS, NO_BYTES, TELL, LIST };

static const struct option LONG_OPTIONS[] = {
    {"workloads", required_argument, NULL, WORKLOADS_ARE},
    {"partitions", required_argument, NULL, PARTITIONS},
    {"requests", required_argument, NULL, REQUESTS},
    {"keys", required_argument, NULL, KEYS},
    {"objects", required_argument, NULL, OBJECTS},
    {"server", required_argument, NULL, SERVER},
    {"seed", required_argument, NULL, SEED},
    {"no-references", no_argument, NULL, NO_REFERENCES},
    {"no-objects", no_argument, NULL, NO_OBJECTS},
    {"no-bytes", no_argument, NULL, NO_BYTES},
    {"tell", no_argument, NULL, TELL},
    {"list", no_argument, NULL, LIST},
    {NULL, 0, NULL, 0},
};

static void option_take(struct options *o, int option, char *argument) {
    switch (option) {
    case WORKLOADS_ARE: o->workloads = argument; break;
    case PARTITIONS: partitions_read(o, argument); break;
    case REQUESTS: o->requests = number_read(argument); break;
    case KEYS: o->keys = number_read(argument); break;
    case OBJECTS: o->objects = number_read(argument); break;
    case SERVER: o->server = argument; break;
    case SEED: o->seed = number_read(argument); break;
    case NO_REFERENCES: o->references = false; break;
    case NO_OBJECTS: o->at_objects = false; break;
    case NO_BYTES: o->at_bytes = false; break;
    case TELL: o->tell = true; break;
    case LIST: list_print(); break;
    default: fputs(USAGE, stderr); exit(2);
    }
}

static bool is_wanted(const struct options *o, const char *name) {
    if (o->workloads == NULL) {
        return true;
    }
    size_t len = strlen(name);
    for (const char *at = o->workloads; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv) {
    struct options o = {
        .keys = 2000000, .requests = 20000000, .seed = 1, .partitions = {1, 8, 64},
        .partitions_count = 3, .references = true, .at_objects = true, .at_bytes = true,
    };
    int option;
    while ((option = getopt_long(argc, argv, "", LONG_OPTIONS, NULL)) != -1) {
        option_take(&o, option, optarg);
    }
    if (optind != argc) {
        usage_fail(argv[optind]);
    }
    struct run run = {.options = &o, .requests = calloc(o.requests, sizeof(struct request))};
    if (run.requests == NULL) {
        fputs("hit-ratio: no memory for the trace\n", stderr);
        return 1;
    }
    head_print(&o);
    for (const struct workload *w = WORKLOADS; w->name != NULL; w++) {
        if (is_wanted(&o, w->name)) {
            run.workload = w;
            run_workload(&run);
        }
    }
    free(run.requests);
    return 0;
}
