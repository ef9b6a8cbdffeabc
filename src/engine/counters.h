/* larder: a core's counters
 *
 * Purpose: counters.def and class_counters.def as structs.   Owner: the engine_core.
 * Threads: raised by the owner (counter_add), read by any (atom_load_relaxed).
 * Memory: inside the owner.   Limits: 64 bits.   Errors: none. */
#ifndef LARDER_ENGINE_COUNTERS_H
#define LARDER_ENGINE_COUNTERS_H

#include "src/base/atomic.h"

struct counters {
#define COUNTER(name, doc) _Atomic uint64_t name;
#include "src/engine/counters.def"
#undef COUNTER
};

/* A line of its own for each size class, so that a request writes one. */
struct class_counters {
#define COUNTER(name, doc) _Atomic uint64_t name;
#include "src/engine/class_counters.def"
#undef COUNTER
};

#define counter_add(counter, amount) atom_own_add((counter), (uint64_t)(amount))

#endif
