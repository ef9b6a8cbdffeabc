/* larder: the io_uring back end's parts
 *
 * Purpose: uring_setup.c makes a ring and finds out what the kernel grants, uring_buffers.c keeps
 *   the provided buffers, uring_submit.c fills the submission queue, uring.c turns and completes.
 *   Only these files name liburing.
 * Owner: the core of the `struct io`, whose thread makes the ring (SINGLE_ISSUER).
 * Threads: the owner's, but for the eventfd, which ringers write to.
 * Memory: the ring, its buffers, one message header a submission.
 * Limits: URING_SUBMISSIONS a turn, then the rest waits for the next; more than URING_COMPLETIONS
 *   are kept by the kernel (IORING_FEAT_NODROP).
 * Errors: as in io.h.
 */
#ifndef LARDER_IO_URING_H
#define LARDER_IO_URING_H

#include <liburing.h>
#include <sys/socket.h>

#include "io/arena.h"
#include "io/io_core.h"

enum { URING_SUBMISSIONS = 1024, URING_COMPLETIONS = 8192, URING_BUFFER_GROUP = 0 };

/* user_data:   63      slot      32 31   generation   4 3 operation 0   */
enum uring_operation {
    URING_RECV,          /* connection: a stream's receive, into provided buffers */
    URING_POLL,          /* connection: the same without provided buffers */
    URING_RECV_INTO,     /* connection: a direct receive */
    URING_SEND,          /* connection */
    URING_CANCEL,        /* connection: one of these is recalled */
    URING_ACCEPT,        /* listener */
    URING_ACCEPT_CANCEL, /* listener */
    URING_BELL           /* the eventfd is read */
};

static inline uint64_t uring_tag(enum uring_operation operation, uint32_t generation,
                                 uint32_t slot) {
    return (uint64_t)slot << 32 | (uint64_t)generation << 4 | operation;
}

/* The provided buffers of a core. A buffer is the kernel's until a completion names it, then the
 * turn's until the next turn begins. */
struct uring_buffers {
    struct io_uring_buf_ring *ring;
    uint8_t *bytes;  /* room for all that there may ever be; untouched pages cost nothing */
    uint16_t *taken; /* named by completions of this turn */
    size_t buffer_bytes;
    unsigned taken_count;
    unsigned count;     /* in being */
    unsigned count_max; /* also the ring's entries */
    bool lacking;       /* a receive found none: grow */
};

MUST_CHECK int uring_buffers_init(struct uring_buffers *buffers, struct io_uring *ring,
                                  const struct io_config *config);
/* After the ring is gone, so that the kernel can't write any more. */
void uring_buffers_fini(struct uring_buffers *buffers);
/* Takes the buffer that a completion names. */
const uint8_t *uring_buffers_take(struct uring_buffers *buffers, uint32_t cqe_flags);
/* Gives the buffers' memory back to the system; with none taken, and none that the kernel may be
 * filling. */
void uring_buffers_trim(struct uring_buffers *buffers);
/* A turn begins: what the last one took is the kernel's again; buffers are added if some lacked. */
void uring_buffers_return(struct uring_buffers *buffers);

struct uring_io {
    struct io io;
    struct io_uring ring;
    struct uring_buffers buffers;
    struct arena arena;         /* without provided buffers */
    struct msghdr *messages;    /* one a submission queue entry; stable until it is submitted */
    struct io_conn *work_first; /* connections that want submissions */
    struct io_conn *work_last;
    uint64_t bell_value;
    int bell_fd;
    bool bell_armed;
    bool listeners_work; /* a listener wants a submission */
};

/* io_conn.back_wants: what the next turn submits */
enum {
    URING_WANT_RECV = 1u << 0,
    URING_WANT_SEND = 1u << 1,
    URING_WANT_RECV_CANCEL = 1u << 2,
    URING_WANT_SEND_CANCEL = 1u << 3
};

/* io_conn.back_flags: what is with the kernel, and what it was told since */
enum { URING_ARMED_RECV = 1u << 0, URING_ARMED_SEND = 1u << 1, URING_SEND_RECALLED = 1u << 2 };

/* uring.c */
extern const struct io_ops uring_ops;

static inline struct uring_io *uring_of(struct io *io) {
    return (struct uring_io *)io;
}

static inline void uring_flag_set(struct io_conn *conn, unsigned flag) {
    conn->back_flags = (uint8_t)(conn->back_flags | flag);
}

static inline void uring_flag_clear(struct io_conn *conn, unsigned flag) {
    conn->back_flags = (uint8_t)(conn->back_flags & ~flag);
}

/* uring_submit.c */
void uring_want(struct io_conn *conn, unsigned wants);
/* Takes wants back that were not submitted yet; true if there were any. */
bool uring_unwant(struct io_conn *conn, unsigned wants);
/* Queues IO_CLOSED when a closing connection has nothing left with the kernel. */
void uring_closed_check(struct io_conn *conn);
/* As the queue has room; the rest stays wanted. */
void uring_submit_conns(struct uring_io *back);
void uring_submit_bell(struct uring_io *back);
void uring_submit_listeners(struct uring_io *back);

/* uring_setup.c: what uring_ops.destroy is. */
void uring_destroy(struct io *io);

#endif
