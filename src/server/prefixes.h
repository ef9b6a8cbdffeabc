/* larder: what `stats detail` counts: by the part of a key before the first delimiter
 *
 * Purpose: gets, hits, sets and deletes of a core, by prefix; keys without the delimiter count not.
 * Owner: the core; `stats detail dump` adds the cores' up in a table of its own.
 * Threads: any, under the table's lock, which is free but for a dump or a reset.
 * Memory: nothing until something is counted, then a table of pointers and a block a prefix.
 * Limits: PREFIXES_MAX prefixes a table; what comes later is not counted.
 * Errors: without memory a prefix is not counted. */
#ifndef LARDER_SERVER_PREFIXES_H
#define LARDER_SERVER_PREFIXES_H

#include <pthread.h>
#include <stdint.h>

#include "src/base/span.h"

enum { PREFIXES_MAX = 4096, PREFIXES_SLOTS = 8192 };

enum prefix_count { PREFIX_GETS, PREFIX_HITS, PREFIX_SETS, PREFIX_DELETES, PREFIX_COUNTS };

struct prefix {
    uint64_t counts[PREFIX_COUNTS];
    uint32_t len;
    uint8_t text[];
};

struct prefixes {
    pthread_mutex_t lock;
    struct prefix **slots; /* PREFIXES_SLOTS; NULL: nothing was counted */
    uint32_t count;
};

void prefixes_init(struct prefixes *prefixes);
void prefixes_fini(struct prefixes *prefixes);
/* Forgets everything. */
void prefixes_clear(struct prefixes *prefixes);
/* Counts one of `what`, for a key with the delimiter in it. */
void prefixes_count(struct prefixes *prefixes, struct span key, uint8_t delimiter,
                    enum prefix_count what);
/* Adds the counts of `from`, under its lock, to `sum`, which is the caller's alone. */
void prefixes_add(struct prefixes *sum, struct prefixes *from);

#endif
