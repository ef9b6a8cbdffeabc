/* larder: what larder_get_or_compute() stores behind a value
 *
 * Purpose: the trailer that tells when a value is due, what it cost, and whether it is the mark of
 *   a computation that failed; and the choice to compute early.
 *
 *      value              due              cost      kind      mark
 *     +----------------+----------------+---------+---------+----------+
 *     | any bytes      | 8: ms since    | 4: us   | 4: 1    | 8:       |
 *     |                | 1970; 0: never |         | or 2    | "larder" |
 *     +----------------+----------------+---------+---------+---0x1a-0-+
 *
 *   Numbers are little-endian. Kind 1 is a value; 2 says that the computation failed, and is gone
 *   when it may be tried again. A value without the trailer, which others have set, is one without
 *   cost and due date.
 * Owner: nobody; pure functions.   Threads: any.   Memory: none; spans are borrowed.
 * Limits: costs above 71 minutes count as 71 minutes.
 * Errors: none: what is no trailer is part of the value. */
#ifndef LARDER_CLIENT_RECORD_H
#define LARDER_CLIENT_RECORD_H

#include "src/base/span.h"

enum { RECORD_TRAILER_BYTES = 24 };

struct record {
    struct span value;
    uint64_t due_ms;
    uint32_t cost_us;
    bool is_failure;
};

struct record record_read(struct span stored);
/* All but the value. */
void record_write_trailer(const struct record *record, uint8_t to[RECORD_TRAILER_BYTES]);

/* Whether a reader, who has drawn `random`, shall compute a value anew that is good for
 * `remaining_ms` more: XFetch, in Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache
 * Stampede Prevention", PVLDB 8(8), 2015. `early_percent` is its beta times 100; 0: never. */
bool record_is_early(const struct record *record, uint64_t remaining_ms, uint32_t early_percent,
                     uint64_t random);

#endif
