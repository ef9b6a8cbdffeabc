/* larder: how long a server takes to answer, lately
 *
 * Purpose: a histogram with four steps an octave, from which the 95th of 100 is read; its counts
 *   are halved now and then, so that it forgets.
 * Owner: a node.   Threads: one.   Memory: the struct.
 * Limits: 1 us to over an hour, within 19 %; nothing is said before LATENCY_SAMPLES_MIN answers.
 * Errors: none. */
#ifndef LARDER_CLIENT_LATENCY_H
#define LARDER_CLIENT_LATENCY_H

#include <stdint.h>

enum { LATENCY_STEPS = 128, LATENCY_SAMPLES_MIN = 32, LATENCY_SAMPLES_MAX = 4096 };

struct latency {
    uint32_t sum;
    uint16_t counts[LATENCY_STEPS];
};

void latency_add(struct latency *latency, uint64_t ns);

/* The time that 95 of 100 answers did not exceed, in ns; 0: too few answers. */
uint64_t latency_p95_ns(const struct latency *latency);

#endif
