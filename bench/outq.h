/* larder: bytes on their way to a server.
 *
 * Purpose: gathers the requests of one batch, so that a connection pays one system call for them.
 *     Short parts are copied into one run of bytes; long ones (the noise of a large value) are
 *     named where they lie.
 * Owner: a worker has one as scratch; a connection gets its own only when the kernel did not take
 *     everything.
 * Threads: one owner, no concurrent use.
 * Memory: `bytes` and `parts` are allocated once and never grow; what outq_refer() names must live
 *     until it is sent.
 * Limits: OUTQ_PARTS parts and the capacity given to outq_init(). Ask outq_fits() first: the adders
 *     assert.
 * Errors: outq_init() returns false without memory; outq_send() tells of the socket's errors.
 */
#ifndef LARDER_BENCH_OUTQ_H
#define LARDER_BENCH_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum {
    OUTQ_PARTS = 512,
};

enum outq_result {
    OUTQ_EMPTY,   /* all of it is with the kernel */
    OUTQ_BLOCKED, /* some is left: wait until the socket is writable */
    OUTQ_BROKEN,  /* the connection is gone, errno says why */
};

struct outq {
    char *bytes;
    size_t capacity;
    size_t used;
    struct iovec *parts;
    size_t part_count;
    size_t part_at;
};

bool outq_init(struct outq *queue, size_t capacity) __attribute__((warn_unused_result));
void outq_fini(struct outq *queue);

/* Whether `copied` more bytes in `parts` more parts can be added. */
static inline bool outq_fits(const struct outq *queue, size_t copied, size_t parts) {
    return queue->capacity - queue->used >= copied && OUTQ_PARTS - queue->part_count >= parts;
}

static inline bool outq_is_empty(const struct outq *queue) {
    return queue->part_at == queue->part_count;
}

/* Room for `count` bytes that the caller writes now; they follow all that was added before. */
char *outq_reserve(struct outq *queue, size_t count);

/* The last outq_reserve() wrote only up to `end`. */
void outq_commit(struct outq *queue, const char *end);

/* Adds bytes that stay where they are. */
void outq_refer(struct outq *queue, const char *bytes, size_t count);

/* Hands as much as possible to the socket, in as few calls as the kernel's limits allow. */
enum outq_result outq_send(struct outq *queue, int fd) __attribute__((warn_unused_result));

/* Copies what `from` has left into the empty `into`, whose capacity is at least `from`'s, and
 * empties `from`. */
void outq_move(struct outq *into, struct outq *from);

#endif
