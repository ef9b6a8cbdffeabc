/* larder: the load generator's random numbers.
 *
 * Purpose: a 64-bit generator that costs one multiply chain a number and needs one word of state,
 *     so that choosing a key is not what a benchmark measures. It is SplitMix64 (Steele, Lea,
 *     Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): a counter through a
 *     bijection.
 * Owner: whoever holds the struct; two workers never share one.
 * Threads: none of its own; one owner at a time.
 * Memory: 8 bytes, by value.
 * Limits: not for secrets. rng_below() is biased by at most bound / 2^64.
 * Errors: none.
 */
#ifndef LARDER_BENCH_RNG_H
#define LARDER_BENCH_RNG_H

#include <stdint.h>

struct rng {
    uint64_t at;
};

#define RNG_STEP 0x9E3779B97F4A7C15u

/* A bijection of 64 bits: distinct inputs give distinct, unrelated looking outputs. */
static inline uint64_t rng_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Any seed will do; equal seeds give equal sequences. */
static inline void rng_init(struct rng *rng, uint64_t seed) {
    rng->at = rng_mix(seed + RNG_STEP);
}

static inline uint64_t rng_next(struct rng *rng) {
    rng->at += RNG_STEP;
    return rng_mix(rng->at);
}

/* A number in [0, bound), bound > 0: the high half of a 128-bit product instead of a division. */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound) {
    return (uint64_t)(((unsigned __int128)rng_next(rng) * bound) >> 64);
}

/* A number in [0, 1) with 53 random bits. */
static inline double rng_unit(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

#endif
