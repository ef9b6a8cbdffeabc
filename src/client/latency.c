/* larder: how long a server takes to answer, lately */
#include "src/client/latency.h"

/* A step of a time in us: its octave and the two bits behind the first. */
static unsigned step_of(uint64_t us) {
    if (us < 4) {
        return (unsigned)us;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(us);
    unsigned step = (octave - 1) * 4 + (unsigned)(us >> (octave - 2) & 3);

    return step < LATENCY_STEPS ? step : LATENCY_STEPS - 1;
}

/* The first time that is beyond the step. */
static uint64_t end_of(unsigned step) {
    unsigned next = step + 1;

    if (next < 4) {
        return next;
    }
    return (uint64_t)(4 + next % 4) << (next / 4 - 1);
}

void latency_add(struct latency *latency, uint64_t ns) {
    latency->counts[step_of(ns / 1000)]++;
    latency->sum++;
    if (latency->sum >= LATENCY_SAMPLES_MAX) {
        latency->sum = 0;
        for (unsigned i = 0; i < LATENCY_STEPS; i++) {
            latency->counts[i] /= 2;
            latency->sum += latency->counts[i];
        }
    }
}

uint64_t latency_p95_ns(const struct latency *latency) {
    uint32_t wanted = latency->sum - latency->sum / 20;
    uint32_t seen = 0;

    if (latency->sum < LATENCY_SAMPLES_MIN) {
        return 0;
    }
    for (unsigned i = 0; i < LATENCY_STEPS; i++) {
        seen += latency->counts[i];
        if (seen >= wanted) {
            return end_of(i) * 1000;
        }
    }
    return end_of(LATENCY_STEPS - 1) * 1000;
}
