/* larder: what the I/O back ends share: connections, marks, the doorbell, the operations table
 *
 * Purpose: io.c keeps the states that io.h promises and calls a back end through `struct io_ops`; a
 *   back end embeds `struct io` at the start of its own struct. Only files of io/ include this.
 * Owner: the core of the `struct io`.
 * Threads: the owner's, but for `bell` and the counters.
 * Memory: connections live in chunks of IO_CHUNK_CONNS that are never moved, nor given back before
 *   io_fini(), so that pointers hold; a free slot's generation has moved on.
 * Limits: io.h's.
 * Errors: as in io.h.
 */
#ifndef LARDER_IO_IO_CORE_H
#define LARDER_IO_IO_CORE_H

#include "io/io.h"
#include "src/base/atomic.h"

#define IO_CHUNK_CONNS 256u
/* 28 bits, so that slot, generation and operation fill 64. */
#define IO_GENERATION_MASK 0xFFFFFFFu

enum io_recv_state { IO_RECV_IDLE, IO_RECV_STREAM, IO_RECV_STOPPING, IO_RECV_DIRECT };

/* Events that wait in a connection for the next io_turn(), delivered in this order. */
enum io_mark {
    IO_MARK_SENT = 1u << 0,
    IO_MARK_RECEIVED_INTO = 1u << 1,
    IO_MARK_RECV_STOPPED = 1u << 2,
    IO_MARK_CLOSED = 1u << 3
};

struct io_conn {
    struct io *io;
    void *owner;
    struct io_conn *marked_next; /* queue of connections with marks; free list */
    struct io_conn *work_next;   /* epoll: that can be read; io_uring: that want submissions */
    struct iovec *send_iov;
    struct iovec *recv_iov;
    size_t send_bytes;   /* sent so far of the send in flight */
    size_t recv_bytes;   /* of a direct receive that a mark reports */
    uint16_t send_count; /* parts left */
    uint16_t recv_count;
    int fd;
    int send_error; /* what the marks report */
    int recv_error;
    uint32_t slot;
    uint32_t generation;
    uint32_t operations; /* io_uring: completions still to come */
    uint8_t recv_state;  /* enum io_recv_state */
    uint8_t marks;       /* enum io_mark */
    uint8_t back_flags;  /* the back end's */
    uint8_t back_wants;  /* the back end's */
    bool sending : 1;    /* from io_send() until IO_SENT is queued */
    bool closing : 1;
    bool in_marked : 1;
    bool in_work : 1;
    bool in_use : 1;
};

_Static_assert(sizeof(struct io_conn) <= IO_CONN_BYTES_MAX, "what io.h promises");

enum io_listen_state { IO_LISTEN_ACCEPTING, IO_LISTEN_PAUSED, IO_LISTEN_STOPPING };

struct io_listener {
    struct io *io;
    void *owner;
    int fd;
    uint32_t slot;
    uint32_t generation;
    uint32_t operations; /* io_uring: completions still to come */
    uint8_t state;       /* enum io_listen_state */
    bool armed;          /* io_uring: an accept is with the kernel; epoll: connections may wait */
    bool cancelling;     /* io_uring: so is its cancellation */
    bool closed_mark;    /* IO_LISTEN_CLOSED is due */
};

/* Where a turn puts its events. */
struct io_batch {
    struct io_event *events;
    unsigned count;
    unsigned capacity;
};

/* What a back end does; io.c has checked and noted the state before it calls. */
struct io_ops {
    enum io_backend backend;
    void (*turn)(struct io *io, struct io_batch *batch, int64_t wait_ns_max);
    int (*conn_open)(struct io_conn *conn);
    void (*recv_start)(struct io_conn *conn);
    void (*recv_stop)(struct io_conn *conn);
    void (*recv_check)(struct io_conn *conn); /* may be NULL: nothing goes unnoticed */
    void (*recv_into)(struct io_conn *conn);
    void (*recv_into_cancel)(struct io_conn *conn);
    void (*send)(struct io_conn *conn);
    void (*send_cancel)(struct io_conn *conn);
    void (*close)(struct io_conn *conn);
    int (*listen_start)(struct io_listener *listener);
    void (*listen_change)(struct io_listener *listener); /* paused, resumed or stopped */
    void (*fd_close)(struct io *io, int fd);
    void (*trim)(struct io *io); /* may be NULL */
    void (*bell_write)(struct io *io); /* any thread: wakes the sleeping owner */
    void (*destroy)(struct io *io);
};

/* The doorbell is one word, so that there is no order between two to get wrong:
 *
 *   AWAKE    -> SLEEPING  the owner, by compare-exchange, before it waits; if it finds RUNG it
 * polls any      -> RUNG      a ringer, by exchange; that found SLEEPING writes to the eventfd any
 * -> AWAKE     the owner, by exchange, after it waited; that found RUNG gives IO_DOORBELL
 *
 * Partners: the ringer's exchange releases what it wrote before, the owner's exchange acquires it.
 * Since all three are read-modify-writes of one word, a ring falls either before the owner's step
 * to SLEEPING (which then fails) or after it (and then writes to the eventfd): none is lost. */
enum io_bell { IO_BELL_AWAKE, IO_BELL_SLEEPING, IO_BELL_RUNG };

struct io {
    const struct io_ops *ops;
    struct io_config config;
    int64_t now_ns;
    struct io_conn **chunks;
    uint32_t chunks_count;
    uint32_t chunks_max;
    _Atomic uint32_t conns_open; /* written by the owner, read by anybody */
    uint32_t features;
    struct io_conn *free_first;
    struct io_conn *marked_first;
    struct io_conn *marked_last;
    struct io_listener *listeners[IO_LISTENERS_MAX];
    uint32_t listeners_started; /* generations */
    unsigned listeners_closing; /* that await IO_LISTEN_CLOSED */
    char features_text[192];
    /* written by the owner, read by anybody */
    struct {
        _Atomic uint64_t turns, sleeps, syscalls, events, buffers, buffers_lacking, rearmed;
        _Atomic uint64_t sends_short, overflows;
    } counters;
    CACHE_ALIGNED _Atomic uint32_t bell; /* enum io_bell; ringers write this line */
    _Atomic uint64_t doorbells_rung;
};

/* Fills in the defaults; false when a number is out of its bounds. */
MUST_CHECK bool io_config_complete(struct io_config *config);

/* Fills the common part of a zeroed struct; 0 or errno. io_fini() frees what it took. */
MUST_CHECK int io_init(struct io *io, const struct io_ops *ops, const struct io_config *config);
void io_fini(struct io *io);

/* The back ends' makers; config has its defaults filled in. 0 or errno. */
MUST_CHECK int io_create_epoll(const struct io_config *config, struct io **out);
MUST_CHECK int io_create_uring(const struct io_config *config, struct io **out);

/* NULL when slot was never taken, is free, or lives another life than generation. */
struct io_conn *io_conn_find(const struct io *io, uint32_t slot, uint32_t generation);
/* Queues a mark. */
void io_conn_mark(struct io_conn *conn, enum io_mark mark);
/* Takes a mark back; true if it was there. */
bool io_conn_unmark(struct io_conn *conn, enum io_mark mark);
/* Ends the send in flight: queues IO_SENT. */
void io_conn_sent(struct io_conn *conn, int error);
/* The listener holds nothing any more: queues IO_LISTEN_CLOSED. */
void io_listener_mark_closed(struct io_listener *listener);
/* Delivers marks, and listeners that closed, while the batch has room; closes their fds. */
void io_marks_deliver(struct io *io, struct io_batch *batch);

static inline bool io_marks_pending(const struct io *io) {
    return io->marked_first != NULL || io->listeners_closing > 0;
}

static inline bool io_batch_full(const struct io_batch *batch) {
    return batch->count == batch->capacity;
}

/* The next event of a batch that is not full. */
struct io_event *io_batch_add(struct io_batch *batch, enum io_event_kind kind, void *owner);
void io_batch_received(struct io_batch *batch, struct io_conn *conn, const uint8_t *data,
                       size_t length);
/* The end of a stream (error 0) or an error: receiving is over. */
void io_batch_ended(struct io_batch *batch, struct io_conn *conn, int error);
void io_batch_received_into(struct io_batch *batch, struct io_conn *conn, size_t length, int error);

void io_batch_sent(struct io_batch *batch, struct io_conn *conn, int error);
void io_batch_accepted(struct io_batch *batch, struct io_listener *listener, int fd, int error);

/* Before waiting: false when somebody rang, and the turn must poll. */
bool io_sleep_begin(struct io *io);
/* After the system call, whether it waited or not: adds IO_DOORBELL when somebody rang. */
void io_bell_deliver(struct io *io, struct io_batch *batch);

/* Steps over bytes that were moved; parts that are done are dropped. */
void io_iov_advance(struct iovec **iov, uint16_t *count, size_t bytes);

/* Is this errno of accept(2) that of one connection, so that the next may be accepted at once? */
bool io_accept_error_passes(int error);

int64_t io_clock_ns(void);

#endif
