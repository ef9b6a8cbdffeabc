/* larder: a log-linear histogram of latencies.
 *
 * Purpose: percentiles of millions of latencies in constant memory with a bounded relative error.
 *     Below 2^8 ns every value has its own bucket; above, each power of two is cut into 128 equal
 *     buckets, so a bucket is at most 1/128 of its value wide and its middle at most 0.4 % off.
 * Owner: one worker records; the reporter merges after the workers have ended.
 * Threads: none of its own; no concurrent use.
 * Memory: 37 KiB in the struct, no allocation.
 * Limits: values are nanoseconds, at most 2^42 - 1 (73 minutes); larger ones count as that.
 * Errors: none. A histogram without values answers 0 to every question.
 */
#ifndef LARDER_BENCH_HIST_H
#define LARDER_BENCH_HIST_H

#include <stddef.h>
#include <stdint.h>

enum {
    HIST_SUB_BITS = 7,
    HIST_VALUE_BITS = 42,
    HIST_BUCKETS = (HIST_VALUE_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS,
};

struct hist {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[HIST_BUCKETS];
};

/* Forget everything. */
void hist_reset(struct hist *hist);

/* Record `times` equal values of `value_ns`; a batch whose replies arrive together is one call. */
void hist_record(struct hist *hist, uint64_t value_ns, uint64_t times);

/* Add all that `from` holds. */
void hist_merge(struct hist *into, const struct hist *from);

/* The smallest recorded value that `share` (0..1) of all values do not exceed, in ns, as the middle
 * of its bucket, never above the largest value seen. */
uint64_t hist_quantile_ns(const struct hist *hist, double share);

/* The exact mean in ns. */
double hist_mean_ns(const struct hist *hist);

/* Where a value is counted, and the smallest value that is counted there: public for the test. */
size_t hist_bucket(uint64_t value_ns);
uint64_t hist_bucket_low_ns(size_t bucket);

#endif
