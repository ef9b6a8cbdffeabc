/* larder: a near cache: values of hot keys, kept in the process for a moment
 *
 * Purpose: reads of keys that this process reads often are answered without a server, for at most
 *   near_ms. A key is admitted when it has been seen near_seen times within about two seconds.
 *
 *     near_get()    a value; or a ticket, if the key is hot and its value would be welcome
 *     near_offer()  the value that was read, with the ticket from before the read
 *     near_forget() when the process begins to write the key, and when it has
 *
 *   A ticket is worth nothing once the key has been forgotten: what a read brings that began before
 *   a write is not kept.
 * Owner: a handle, or a pool for all its handles; near_create/near_destroy.
 * Threads: any; a mutex for each of NEAR_SHARDS, held for a copy of one value.
 * Memory: near_bytes at most, with what an entry costs besides its value.
 * Limits: values up to an eighth of a shard.
 * Errors: without memory nothing is kept. */
#ifndef LARDER_CLIENT_NEAR_H
#define LARDER_CLIENT_NEAR_H

#include "src/client/bytes.h"

enum { NEAR_SHARDS = 8 };

struct near_options {
    uint64_t bytes;
    uint32_t ms;
    uint32_t seen;
};

/* What is kept beside a value. */
struct near_about {
    uint64_t cas;
    uint64_t ticket; /* of a value that is not there and would be welcome; else 0 */
    uint32_t flags;
};

struct near;

/* NULL: no memory. */
MUST_CHECK struct near *near_create(const struct near_options *options);
void near_destroy(struct near *near);

/* True: value and about are filled. False: about->ticket is. */
MUST_CHECK bool near_get(struct near *near, struct span key, uint64_t now_ns, struct bytes *value,
                         struct near_about *about);
/* One that expires in ttl_ms (UINT64_MAX: never). */
struct near_offered {
    struct span value;
    struct near_about about;
    uint64_t ttl_ms;
};
void near_offer(struct near *near, struct span key, uint64_t now_ns,
                const struct near_offered *offered);
void near_forget(struct near *near, struct span key);

#endif
