/* larder: traces of requests, made up as they are replayed */
#include "bench/trace.h"

#include <math.h>

#define DRIFT_REQUESTS 100u
#define SCAN_ONE_IN 5u
#define POPULATIONS_MAX 3u

const struct workload WORKLOADS[] = {
    {"zipf-0.7", PATTERN_ZIPF, SIZES_FIXED, 0.7, 200, 64, 220736},
    {"zipf-0.9", PATTERN_ZIPF, SIZES_FIXED, 0.9, 200, 64, 220736},
    {"zipf-1.0", PATTERN_ZIPF, SIZES_FIXED, 1.0, 1000, 28, 24780},
    {"zipf-1.2", PATTERN_ZIPF, SIZES_FIXED, 1.2, 1000, 28, 24780},
    {"zipf-1.0-100b", PATTERN_ZIPF, SIZES_FIXED, 1.0, 100, 40, 218440},
    {"zipf-1.0-lognormal", PATTERN_ZIPF, SIZES_LOG_NORMAL, 1.0, 0, 64, 114374},
    {"zipf-0.9-lognormal", PATTERN_ZIPF, SIZES_LOG_NORMAL, 0.9, 0, 128, 225477},
    {"zipf-1.0-hot-small", PATTERN_ZIPF, SIZES_HOT_SMALL, 1.0, 0, 64, 196336},
    {"zipf-0.7-hot-small", PATTERN_ZIPF, SIZES_HOT_SMALL, 0.7, 0, 128, 290700},
    {"zipf-1.0-hot-large", PATTERN_ZIPF, SIZES_HOT_LARGE, 1.0, 0, 64, 58143},
    {"scan", PATTERN_SCAN, SIZES_FIXED, 1.0, 200, 64, 220736},
    {"drift", PATTERN_DRIFT, SIZES_FIXED, 1.0, 200, 64, 220736},
    {"loop", PATTERN_LOOP, SIZES_FIXED, 0.0, 200, 64, 220736},
    {"size-shift", PATTERN_SIZE_SHIFT, SIZES_FIXED, 1.0, 100, 64, 235989},
    {"replaced", PATTERN_REPLACE, SIZES_FIXED, 1.0, 200, 64, 220736},
    {.name = 0},
};

static double normal(struct rng *rng) {
    /* Box and Muller's transform. */
    double radius = sqrt(-2.0 * log(1.0 - rng_unit(rng)));
    return radius * cos(6.283185307179586 * rng_unit(rng));
}

static uint32_t clipped(double bytes) {
    return bytes < 10.0 ? 10u
           : bytes > TRACE_VALUE_BYTES_MAX ? TRACE_VALUE_BYTES_MAX
                                           : (uint32_t)bytes;
}

/* By random bits of the key, or by its rank. */
static void sizes_init(struct trace *trace) {
    struct rng rng;
    rng_init(&rng, 230);
    for (uint32_t i = 0; i < TRACE_SIZES; i++) {
        double part = (double)i / TRACE_SIZES;
        switch (trace->workload->sizes) {
        case SIZES_FIXED:
            trace->sizes[i] = trace->workload->value_bytes;
            break;
        case SIZES_LOG_NORMAL:
            trace->sizes[i] = clipped(230.0 * exp(1.2 * normal(&rng)));
            break;
        case SIZES_HOT_SMALL:
            trace->sizes[i] = clipped(30.0 * pow(100.0, part));
            break;
        case SIZES_HOT_LARGE:
            trace->sizes[i] = clipped(30.0 * pow(100.0, 1.0 - part));
            break;
        }
    }
}

void trace_init(struct trace *trace, const struct workload *workload, uint64_t keys,
                uint64_t requests, uint64_t seed) {
    *trace = (struct trace){.workload = workload, .keys = keys, .requests = requests};
    rng_init(&trace->rng, seed);
    zipf_init(&trace->zipf, keys, workload->skew);
    sizes_init(trace);
}

static unsigned populations(const struct trace *trace) {
    return trace->workload->pattern == PATTERN_SIZE_SHIFT ? 3
           : trace->workload->pattern == PATTERN_REPLACE  ? 2
                                                          : 1;
}

static uint32_t size_of(const struct trace *trace, uint64_t key, uint64_t rank) {
    enum trace_sizes sizes = trace->workload->sizes;
    bool ranked = sizes == SIZES_HOT_SMALL || sizes == SIZES_HOT_LARGE;
    uint64_t at = ranked ? rank * TRACE_SIZES / trace->keys : rng_mix(key) % TRACE_SIZES;
    return trace->sizes[at];
}

void trace_next(struct trace *trace, struct request *request) {
    enum trace_pattern pattern = trace->workload->pattern;
    uint64_t count = populations(trace);
    uint64_t population = trace->at * count / trace->requests;
    population = population < count ? population : count - 1;
    uint64_t rank = pattern == PATTERN_LOOP ? trace->at % trace->keys
                                            : zipf_next(&trace->zipf, &trace->rng);
    uint64_t key = population * trace->keys + rank;
    if (pattern == PATTERN_DRIFT) {
        key = trace->keys + trace->at / DRIFT_REQUESTS - rank;
    } else if (pattern == PATTERN_SCAN && trace->at % SCAN_ONE_IN == 0) {
        key = trace->keys + trace->scanned++;
    }
    request->key = (uint32_t)key;
    request->value_bytes = size_of(trace, key, rank);
    if (pattern == PATTERN_SIZE_SHIFT && population == 1) {
        request->value_bytes *= 10;
    }
    trace->at++;
}

uint64_t trace_keys_end(const struct trace *trace) {
    return trace->keys * populations(trace) + trace->requests / SCAN_ONE_IN + 2;
}

uint64_t trace_counted_from(const struct trace *trace) {
    unsigned count = populations(trace);
    return count == 1 ? trace->requests / 2 : trace->requests / count;
}
