/* larder: a bounded queue of messages to one core
 *
 * Purpose: hands accepted connections to the core that will serve them.
 * Owner: the core that takes; it embeds the struct.
 * Threads: any number post, one takes.
 * Memory: MAILBOX_CELLS cells inside the struct, nothing else.
 * Limits: MAILBOX_CELLS messages; when it is full the poster keeps its message.
 * Errors: false. Nothing blocks and nothing is lost.
 *
 * The queue is D. Vyukov's bounded queue with a sequence number a cell, cut down to one consumer.
 * Cell i of lap n is free for posting at sequence n * CELLS + i, and holds a message at that + 1:
 *
 *     poster:  claims a ticket (compare-exchange of `tail`), writes the cell, sequence = ticket + 1
 *     taker:   sees sequence == head + 1, reads the cell, sequence = head + CELLS
 *
 * Edges: the poster's release store of `sequence` is read by mailbox_take's acquire load (the
 * message is whole); the taker's release store by mailbox_post's acquire load (the cell was read
 * before it is written again). Waking the taker is the poster's business (io_doorbell_ring). */
#ifndef LARDER_SERVER_MAILBOX_H
#define LARDER_SERVER_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/assert.h"
#include "src/base/atomic.h"

enum { MAILBOX_CELLS = 1024 }; /* a power of two */

/* An accepted connection on its way. */
struct mail {
    int fd;            /* the receiver's from now on */
    uint32_t listener; /* index into the server's listeners */
};

struct mailbox_cell {
    _Atomic uint64_t sequence;
    struct mail mail;
};

struct mailbox {
    CACHE_ALIGNED _Atomic uint64_t tail; /* next ticket */
    CACHE_ALIGNED uint64_t head;         /* next to take; the taker's alone */
    CACHE_ALIGNED struct mailbox_cell cells[MAILBOX_CELLS];
};

void mailbox_init(struct mailbox *mailbox);
/* False: full. */
MUST_CHECK bool mailbox_post(struct mailbox *mailbox, const struct mail *mail);
/* False: empty. */
MUST_CHECK bool mailbox_take(struct mailbox *mailbox, struct mail *mail);

#endif
