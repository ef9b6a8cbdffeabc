/* larder: which keys are seen often
 *
 * Purpose: a small sketch of counts, halved once a second, that tells a key which was seen many
 *   times in the last seconds from one that was not. Two counters a key, of which the smaller
 *   counts: keys that share one with a hot key are rarely taken for hot.
 * Owner: a handle.   Threads: one.   Memory: the struct.
 * Limits: hot is HOT_SEEN_MIN times within about two seconds.
 * Errors: none.
 * Source: G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch",
 *   J. Algorithms 55, 2005. */
#ifndef LARDER_CLIENT_HOT_H
#define LARDER_CLIENT_HOT_H

#include "src/base/span.h"

enum { HOT_COUNTERS = 2048, HOT_SEEN_MIN = 64 };

struct hot {
    uint64_t halved_ns;
    uint16_t counts[HOT_COUNTERS];
};

/* Counts the key; how often it was seen lately, about. */
unsigned hot_count(struct hot *hot, struct span key, uint64_t now_ns);
/* The same; whether it is hot. */
bool hot_seen(struct hot *hot, struct span key, uint64_t now_ns);

#endif
