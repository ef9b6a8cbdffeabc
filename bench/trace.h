/* larder: traces of requests, made up as they are replayed.
 *
 * Purpose: workloads for hit ratios: which key is asked for next, and how large its value is when
 *     it has to be stored. Equal seeds give equal traces.
 * Owner: the program.   Threads: one.   Memory: by value, 1 MiB of sizes.
 * Limits: 2^32 keys.   Errors: none.
 */
#ifndef LARDER_BENCH_TRACE_H
#define LARDER_BENCH_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/rng.h"
#include "bench/zipf.h"

#define TRACE_VALUE_BYTES_MAX 102400u
#define TRACE_SIZES 65536u

enum trace_pattern {
    PATTERN_ZIPF,
    PATTERN_SCAN,       /* every fifth request asks for a key that comes once */
    PATTERN_DRIFT,      /* a new most popular key every 100 requests, all others one rank down */
    PATTERN_LOOP,       /* all keys in turn */
    PATTERN_SIZE_SHIFT, /* three populations in turn, of 100, 1000 and 100 bytes */
    PATTERN_REPLACE,    /* two populations in turn */
};

enum trace_sizes {
    SIZES_FIXED,
    SIZES_LOG_NORMAL,  /* median 230, sigma 1.2, cut at 10 B and 100 KiB; by the key */
    SIZES_HOT_SMALL,   /* 30 to 3000 bytes, growing with the rank */
    SIZES_HOT_LARGE,   /* the other way round */
};

struct workload {
    const char *name;
    enum trace_pattern pattern;
    enum trace_sizes sizes;
    double skew;
    uint32_t value_bytes; /* of SIZES_FIXED */
    uint32_t memory_mib;  /* budget of all caches at equal bytes */
    uint32_t objects;     /* that memcached 1.6.45 kept in it */
};

/* All of them, ended by one without a name. */
extern const struct workload WORKLOADS[];

struct request {
    uint32_t key;
    uint32_t value_bytes;
};

struct trace {
    const struct workload *workload;
    uint64_t keys;     /* of a population; of a loop: all */
    uint64_t requests; /* of the whole trace: says when populations change */
    uint64_t at;
    uint64_t scanned;
    struct rng rng;
    struct zipf zipf;
    uint32_t sizes[TRACE_SIZES];
};

void trace_init(struct trace *trace, const struct workload *workload, uint64_t keys,
                uint64_t requests, uint64_t seed);
void trace_next(struct trace *trace, struct request *request);
/* Keys are below this. */
uint64_t trace_keys_end(const struct trace *trace);
/* The first request whose outcome counts: in the second half, or after the first change. */
uint64_t trace_counted_from(const struct trace *trace);

#endif
