/* larder: what larderctl's commands that talk to servers share
 *
 * Purpose: handles made of the arguments; results as exit codes; which keys are wanted; how fast
 *   and how far a dump or a load is.
 * Owner: the command; each thing is closed or finished by who opened it.   Threads: one.
 * Memory: as said at each.   Limits: CTL_KEY_BYTES_MAX.
 * Errors: exit codes, after one line on stderr. */
#ifndef LARDER_CLIENT_CTL_CLIENT_H
#define LARDER_CLIENT_CTL_CLIENT_H

#include <regex.h>

#include "src/client/ctl.h"

/* NULL: why has been said, CTL_USAGE. larder_destroy it. */
MUST_CHECK struct larder *ctl_open(const struct ctl_args *args);
/* The servers, with replicas as further ones: commas for plus signs. NULL: no memory; free it. */
MUST_CHECK char *ctl_flat_servers(const struct ctl_args *args);
/* What a result means for the shell; says what went wrong, if it did. */
enum ctl_exit ctl_judge(const struct ctl_args *args, enum larder_result result, const char *key,
                        const char *why);
/* False: it has been said that the command takes other words. */
MUST_CHECK bool ctl_takes(const struct ctl_args *args, unsigned least, unsigned most);
uint64_t ctl_now_ns(void);

/* Which keys are wanted. */
struct ctl_filter {
    const char *glob;
    bool has_regex;
    regex_t regex;
};
MUST_CHECK bool ctl_filter_init(struct ctl_filter *filter, const struct ctl_args *args);
void ctl_filter_fini(struct ctl_filter *filter);
bool ctl_filter_wants(const struct ctl_filter *filter, struct span key);

/* How far it is, and the rates that must not be passed. */
struct ctl_progress {
    uint64_t items_rate;
    uint64_t bytes_rate;
    uint64_t total; /* of what `done` counts; 0: unknown */
    uint64_t done;
    uint64_t items;
    uint64_t bytes;
    uint64_t begun_ns;
    uint64_t drawn_ns;
    bool shown;
};
void ctl_progress_init(struct ctl_progress *progress, const struct ctl_args *args, uint64_t total);
/* So many more items and bytes; sleeps as the rates ask for. */
void ctl_progress_add(struct ctl_progress *progress, uint64_t items, uint64_t bytes);
void ctl_progress_end(struct ctl_progress *progress);

#endif
