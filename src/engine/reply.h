/* larder: the ordered output of one session
 *
 * Purpose: a list of parts: bytes in blocks of the core's pool, lent values, and parked slots that
 *   are completed later. What is sent leaves in order; nothing passes an unfinished slot.
 *
 *   head -> [0..812 of block A] -> [lease 1 MiB] -> [slot: own list] -> [bytes of block B] <- tail
 *
 * Owner: the session.   Threads: its core's.
 * Memory: parts and blocks come from the core's `struct buffers`, are accounted there, and go back
 *   as their bytes are sent. An idle reply holds none. Bytes that were handed out by reply_iovecs
 *   stay where they are until reply_sent or reply_fini.
 * Limits: REPLY_SLOTS_MAX parked slots; the session stops executing above the engine's
 *   `reply_bytes_max`, so a reply exceeds it by one answer at most; the pool has its own bound.
 * Errors: NULL where the pool is at its bound: the caller answers "out of memory" or, where even
 *   that has no room, drops the connection (reply_broken). */
#ifndef LARDER_ENGINE_REPLY_H
#define LARDER_ENGINE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "src/base/assert.h"
#include "src/store/store.h"

enum {
    REPLY_SLOTS_MAX = 64,
    REPLY_RESERVE_BYTES_SMALL = 1024, /* a reserve up to this is served while any block is left */
};

struct buffers;
struct reply_part;
struct reply_slot;
struct session;

struct reply {
    uint8_t *write;          /* free bytes of the tail block: write..write_end */
    uint8_t *write_end;
    struct reply_part *head; /* oldest unsent */
    struct reply_part *tail;
    struct buffers *buffers;
    uint64_t unsent_bytes;   /* lent values included, what parked slots hold not */
    uint16_t slots;          /* parked and not yet sent */
    bool broken;             /* something could not be written: the connection must be dropped */
};

void reply_init(struct reply *reply, struct buffers *buffers);
/* Gives everything back: blocks, leases (to `core`); drops parked slots (their dropped() is
 * called). No send may be in flight. */
void reply_fini(struct reply *reply, struct store_core *core);

/* Slow half of reply_reserve. */
MUST_CHECK uint8_t *reply_reserve_slow(struct reply *reply, size_t bytes);

/* Room for `bytes` more bytes, contiguous. Only the latest reservation counts, and only once
 * committed. NULL: the pool is at its bound. */
MUST_CHECK static inline uint8_t *reply_reserve(struct reply *reply, size_t bytes) {
    if (__builtin_expect((size_t)(reply->write_end - reply->write) >= bytes && reply->write, 1)) {
        return reply->write;
    }
    return reply_reserve_slow(reply, bytes);
}

/* Makes the first `bytes` of the latest reservation part of the reply. */
static inline void reply_commit(struct reply *reply, size_t bytes) {
    reply->write += bytes;
    reply->unsent_bytes += bytes;
}

/* Appends bytes. False (and `broken`) when there is no room. */
bool reply_append(struct reply *reply, const void *data, size_t bytes);

/* Appends a lent value; takes the lease over, also when it fails (then it is returned to `core` and
 * the reply is broken). */
bool reply_lend(struct reply *reply, struct store_core *core, const struct store_lease *lease);

/* Fills up to `count` iovecs with what can be sent now, in order; returns how many. 0: nothing, or
 * the front is a parked slot. Does not change the reply: asked again it says the same and more. */
unsigned reply_iovecs(const struct reply *reply, const struct store *store,
                      struct iovec *iovecs, unsigned count);
/* The first `bytes` bytes of what reply_iovecs gave are sent: gives their blocks and leases
 * back. */
void reply_sent(struct reply *reply, struct store_core *core, uint64_t bytes);
/* Copies every lent value of the reply that is older than `lent_before` (store seconds) into blocks
 * and returns its lease. Not while a send is in flight. False: no memory, drop the connection. */
bool reply_recall(struct reply *reply, const struct store *store, struct store_core *core,
                  uint32_t lent_before);

static inline bool reply_is_empty(const struct reply *reply) {
    return reply->unsent_bytes == 0 && reply->slots == 0;
}

/* -- parked replies ---------------------------------------------------------------------------- */

/* A place in the order whose bytes come later, at once or in portions. Embed it or allocate it; it
 * stays the parker's memory and must live until `done` or `dropped`. */
struct reply_slot {
    struct reply reply;      /* write here with the functions above; what is there may be sent */
    struct session *session; /* NULL once dropped */
    bool complete;           /* nothing more will be written */
    /* The session ends: forget the slot. Never NULL. */
    void (*dropped)(struct reply_slot *slot);
    /* Everything was sent and the slot left the order; may be NULL. */
    void (*done)(struct reply_slot *slot);
    /* A producer of long output (dumps): called when the slot is at the front and the session's
     * output is below its bound; writes some and sets complete at the end. NULL: somebody else
     * writes and calls session_slot_written(). */
    void (*produce)(struct reply_slot *slot);
};

/* Puts `slot` (fields dropped, done, produce set) at the end of the order. False: too many. */
MUST_CHECK bool reply_park(struct reply *reply, struct session *session, struct reply_slot *slot);
/* The producing slot at the front, or NULL. */
struct reply_slot *reply_front_slot(struct reply *reply);

#endif
