/* larder: a log-linear histogram of latencies */
#include "bench/hist.h"

#include <string.h>

#define SUB_BUCKETS (1u << HIST_SUB_BITS)
#define VALUE_MAX ((UINT64_C(1) << HIST_VALUE_BITS) - 1)

void hist_reset(struct hist *hist) {
    memset(hist, 0, sizeof(*hist));
}

/* value  = 1 s s s s s s s x x x ...     the leading 1 names the octave, the 7 bits s below it the
 * bucket in it, and the x are dropped. The first octaves, which have no x, are one exact range. */
size_t hist_bucket(uint64_t value_ns) {
    if (value_ns > VALUE_MAX)
        value_ns = VALUE_MAX;
    if (value_ns < SUB_BUCKETS)
        return (size_t)value_ns;
    unsigned top = 63u - (unsigned)__builtin_clzll(value_ns);
    unsigned drop = top - HIST_SUB_BITS;
    return ((size_t)drop << HIST_SUB_BITS) + (size_t)(value_ns >> drop);
}

uint64_t hist_bucket_low_ns(size_t bucket) {
    if (bucket < 2 * SUB_BUCKETS)
        return bucket;
    size_t drop = (bucket >> HIST_SUB_BITS) - 1;
    return (uint64_t)(bucket - (drop << HIST_SUB_BITS)) << drop;
}

void hist_record(struct hist *hist, uint64_t value_ns, uint64_t times) {
    hist->buckets[hist_bucket(value_ns)] += times;
    hist->count += times;
    hist->sum_ns += value_ns * times;
    if (value_ns > hist->max_ns)
        hist->max_ns = value_ns;
}

void hist_merge(struct hist *into, const struct hist *from) {
    for (size_t i = 0; i < HIST_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

static uint64_t bucket_middle_ns(size_t bucket) {
    uint64_t low = hist_bucket_low_ns(bucket);
    uint64_t width = hist_bucket_low_ns(bucket + 1) - low;
    return low + (width - 1) / 2;
}

uint64_t hist_quantile_ns(const struct hist *hist, double share) {
    if (hist->count == 0)
        return 0;
    double wanted = share * (double)hist->count;
    uint64_t rank = (uint64_t)wanted;
    if ((double)rank < wanted)
        rank++;
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= rank) {
            uint64_t middle = bucket_middle_ns(i);
            return middle < hist->max_ns ? middle : hist->max_ns;
        }
    }
    return hist->max_ns;
}

double hist_mean_ns(const struct hist *hist) {
    return hist->count == 0 ? 0.0 : (double)hist->sum_ns / (double)hist->count;
}
