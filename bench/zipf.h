/* larder: Zipf-distributed ranks.
 *
 * Purpose: draws rank r of 1..n with probability proportional to 1 / r^skew, at a cost that depends
 *     neither on n nor on a table: rejection-inversion after W. Hörmann and G. Derflinger,
 *     "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS
 *     6(3), 1996. On average under 1.1 rounds a draw.
 * Owner: read-only after zipf_init().
 * Threads: any number may draw from one struct, each with its own struct rng.
 * Memory: by value.
 * Limits: 1 <= n <= 2^32; 0 <= skew <= 8 (0 is uniform; 1 is allowed).
 * Errors: none.
 */
#ifndef LARDER_BENCH_ZIPF_H
#define LARDER_BENCH_ZIPF_H

#include "bench/rng.h"

struct zipf {
    double skew;
    double ranks;
    double area_first; /* H(1.5) - h(1): where the hat of rank 1 begins */
    double area_last;  /* H(n + 0.5) */
    double squeeze;    /* a draw this close below its rank is accepted unseen */
};

void zipf_init(struct zipf *zipf, uint64_t ranks, double skew);

/* A rank in [0, n): 0 is the most frequent. */
uint64_t zipf_next(const struct zipf *zipf, struct rng *rng);

#endif
