/* larder: which keys are seen often */
#include "src/base/hash.h"
#include "src/client/hot.h"

#define HALVING_NS UINT64_C(1000000000)

static void halve(struct hot *hot, uint64_t now_ns) {
    unsigned times = 0;

    while (now_ns - hot->halved_ns >= HALVING_NS && times < 16) {
        hot->halved_ns += HALVING_NS;
        times++;
    }
    if (now_ns - hot->halved_ns >= HALVING_NS) {
        hot->halved_ns = now_ns;
    }
    for (unsigned i = 0; times > 0 && i < HOT_COUNTERS; i++) {
        hot->counts[i] = (uint16_t)(hot->counts[i] >> times);
    }
}

unsigned hot_count(struct hot *hot, struct span key, uint64_t now_ns) {
    uint64_t hash = hash_xxh3(key.data, key.len, 0);
    uint16_t *first = &hot->counts[hash % HOT_COUNTERS];
    uint16_t *second = &hot->counts[(hash >> 32) % HOT_COUNTERS];

    if (now_ns - hot->halved_ns >= HALVING_NS) {
        halve(hot, now_ns);
    }
    *first = (uint16_t)(*first + (*first < UINT16_MAX));
    *second = (uint16_t)(*second + (*second < UINT16_MAX));
    return *first < *second ? *first : *second;
}

bool hot_seen(struct hot *hot, struct span key, uint64_t now_ns) {
    return hot_count(hot, key, now_ns) >= HOT_SEEN_MIN;
}
