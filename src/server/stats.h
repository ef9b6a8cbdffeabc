/* larder: the sums over all cores that `stats` shows
 *
 * Purpose: adds up what cores count, without slowing them: relaxed loads of counters that their
 *   owners raise.
 * Owner: the caller.   Threads: any.   Memory: the caller's.
 * Limits: each number is exact, not all of the same instant.   Errors: none. */
#ifndef LARDER_SERVER_STATS_H
#define LARDER_SERVER_STATS_H

#include <stdint.h>

#include "src/engine/admin.h"

struct server;

enum { STATS_CLASSES_SHOWN_MAX = 63 };

/* Every counter of every core, added up. */
struct stats_sums {
#define COUNTER(name, doc) uint64_t name;
#include "src/engine/counters.def"
#include "src/server/counters.def"
#undef COUNTER
};

/* The same of one size class. */
struct stats_class_sums {
#define COUNTER(name, doc) uint64_t name;
#include "src/engine/class_counters.def"
#undef COUNTER
};

void stats_sum(const struct server *server, struct stats_sums *sums);
/* The same since the last `stats reset`. Takes the admin lock. */
void stats_sum_since_reset(struct server *server, struct stats_sums *sums);

/* Adds what was counted in the store's size class since the last `stats reset`. Takes the admin
 * lock. */
void stats_class_add_since_reset(struct server *server, unsigned class_id,
                                 struct stats_class_sums *sums);

/* The number that the store's size class `class_id` has in everything clients see: the same, or
 * less where larder has more than STATS_CLASSES_SHOWN_MAX. */
unsigned stats_class_number(const struct server *server, unsigned class_id);

/* The store's classes that are shown as number `shown`; none: *first > *last. */
void stats_class_range(const struct server *server, unsigned shown, unsigned *first,
                       unsigned *last);

/* The command: hooks of the engine; context is the server. */
enum outcome stats_run(struct admin_call *call);

/* Its words, each in the file of its name. */
enum outcome stats_general(struct admin_call *call);
enum outcome stats_settings(struct admin_call *call);
enum outcome stats_items(struct admin_call *call);
enum outcome stats_slabs(struct admin_call *call);
enum outcome stats_sizes(struct admin_call *call);
enum outcome stats_detail(struct admin_call *call);
void stats_detail_reset(struct server *server);
enum outcome stats_conns(struct admin_call *call);
enum outcome stats_larder(struct admin_call *call);
enum outcome stats_reset(struct admin_call *call);

#endif
