/* larder: computations under way in this process
 *
 * Purpose: at most one computation a key and `origin_computes` in all; who comes later waits for
 *   the one that runs and shares what it gives. One that failed is remembered for its back-off.
 *
 *     flight = origin_begin(origin, key, until, &role)
 *       ORIGIN_LEADS    compute; then origin_end(flight, ...)
 *       ORIGIN_FOLLOWS  origin_wait(flight, until); then what it gave
 *       ORIGIN_FAILED   it has failed a moment ago: no flight
 *       ORIGIN_FULL     no room in time: no flight
 *     origin_leave(flight)
 *
 * Owner: larder_origin_create/destroy; who has got a flight leaves it.
 * Threads: any. One mutex over the table and all flights; it is not held while computing.
 * Memory: a flight goes with the last who has it.
 * Limits: FAILURES_MAX failures are remembered; others are as if they had not been.
 * Errors: a flight without memory ends as ORIGIN_FULL. */
#ifndef LARDER_CLIENT_ORIGIN_H
#define LARDER_CLIENT_ORIGIN_H

#include "src/base/assert.h"
#include "src/base/span.h"
#include "src/client/bytes.h"
#include "src/client/larder.h"

enum { FAILURES_MAX = 4096, ORIGIN_KEY_BYTES_MAX = LARDER_KEY_BYTES_MAX };

struct origin_options {
    uint32_t computes;
    uint32_t wait_ms;
    uint32_t lock_s;
    uint32_t stale_s;
    uint32_t backoff_ms;
    uint32_t jitter_percent;
    uint32_t early_percent;
    bool computes_late;
    bool waits_for_fresh;
};

struct larder_origin;
struct flight;

enum origin_role { ORIGIN_LEADS, ORIGIN_FOLLOWS, ORIGIN_FAILED, ORIGIN_FULL };

const struct origin_options *origin_options(const struct larder_origin *origin);

uint64_t origin_now_ns(void);

/* Waits for room until `until_ns`. NULL: *role says why. */
MUST_CHECK struct flight *origin_begin(struct larder_origin *origin, struct span key,
                                       uint64_t until_ns, enum origin_role *role);
/* The flight of a key that is under way, or NULL. */
MUST_CHECK struct flight *origin_join(struct larder_origin *origin, struct span key);
/* A leader's end: what it has computed, whose bytes the flight takes; or that it failed, and
 * whether it had won the right to compute at the server. */
void origin_end(struct larder_origin *origin, struct flight *flight, struct bytes *value,
                uint32_t flags);
void origin_end_failed(struct larder_origin *origin, struct flight *flight, bool has_won);
/* Whether a computation of the key that had won at the server failed here and may be tried again:
 * nobody else will. True once a failure. */
bool origin_takes_up(struct larder_origin *origin, struct span key);
/* False: it has not ended in time. */
MUST_CHECK bool origin_wait(struct larder_origin *origin, struct flight *flight,
                            uint64_t until_ns);
/* Of a flight that has ended: false: it failed. Lives until it is left. */
MUST_CHECK bool flight_value(const struct flight *flight, struct span *value, uint32_t *flags);
void origin_leave(struct larder_origin *origin, struct flight *flight);

#endif
