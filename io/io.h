/* larder: network I/O of one core, completions pulled as a batch; io_uring, epoll or a simulator
 *
 * Purpose: one `struct io` a core moves bytes between sockets and memory. Work is queued by calls
 *   that never block and answered by plain events, which io_turn() returns in an array: no
 *   callbacks. io_uring and epoll keep exactly the same contract; so does the simulator (io/sim.h).
 * Owner: the core that created a `struct io` owns it, its connections and its listeners. The `void
 *   *owner` given for each of these comes back in its events; this layer never follows it.
 * Threads: every function is called on the thread that called io_create(), except
 *   io_doorbell_ring(), io_counters_read(), io_conns_open(): any, while the `struct io` exists.
 * Memory: a connection costs IO_CONN_BYTES_MAX bytes or less, and no buffer while it is idle; slots
 *   come in chunks, on demand. Received bytes stand in buffers of the core, valid until the next
 *   io_turn(): copy what is not consumed. Memory given to io_send() or io_recv_into() (the bytes
 *   *and* the iovec array) belongs to the operation until its one answering event, or IO_CLOSED.
 * Limits: conns_max connections and IO_LISTENERS_MAX listeners a core; one send and one receive in
 *   flight a connection; IO_IOV_MAX parts a call; buffers_max receive buffers a core.
 * Errors: what the world does arrives as an errno value (positive) in a result or in `event.error`.
 *   A call that the states below forbid is our fault and asserts.
 *
 * Receiving, the states of one connection (io_conn_open() begins in IDLE):
 *
 *   IDLE      io_recv_start  -> STREAM
 *   STREAM    IO_RECEIVED with length 0 or an error  -> IDLE
 *   STREAM    io_recv_stop   -> STOPPING, in which what was under way is still delivered
 *   STOPPING  IO_RECV_STOPPED  -> IDLE
 *   STOPPING  io_recv_start  -> STREAM (the stop is taken back and not answered)
 *   IDLE      io_recv_into   -> DIRECT
 *   DIRECT    IO_RECEIVED_INTO  -> IDLE
 *
 * What was under way at a stop is bounded by the core's buffers, of which io_uring may give one
 * connection many in one turn (16 KiB each, 32 and more): it is the caller's to keep or to close.
 *
 * So a large value is received in place: io_recv_stop(), consume the IO_RECEIVED that still come,
 * at IO_RECV_STOPPED io_recv_into() for the rest, and io_recv_start() when the value is complete.
 * Events of one connection come in the order of its stream.
 *
 * Closing: io_close() is legal once, in every state. From then on the connection's only event is
 * IO_CLOSED, in a later turn. Events of it that the current array still holds are skipped by the
 * caller, so the owner must live until IO_CLOSED.
 */
#ifndef LARDER_IO_IO_H
#define LARDER_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "src/base/assert.h"

/* Parts of one io_send() or io_recv_into(): the kernel's own limit. */
#define IO_IOV_MAX 1024u
/* Bound of what one idle connection costs this layer. */
#define IO_CONN_BYTES_MAX 128u
/* Listeners of one core: `-l` addresses, v4 and v6, and a unix socket. */
#define IO_LISTENERS_MAX 64u
/* Connections of one core, at most: what the slot number in a completion's user_data can say. */
#define IO_CONNS_MAX (1u << 24)
/* io_turn() wants room for at least so many events. */
#define IO_EVENTS_MIN 4u

struct io;
struct io_conn;
struct io_listener;

enum io_backend {
    IO_BACKEND_AUTO,  /* io_uring with what the kernel grants, else epoll */
    IO_BACKEND_URING, /* io_uring or an error, never epoll */
    IO_BACKEND_EPOLL,
    IO_BACKEND_SIM /* only from sim_io_create() of io/sim.h */
};

/* What io_uring granted. Each is tried at creation; none is guessed from a kernel version. */
enum io_feature {
    IO_FEATURE_URING = 1u << 0,            /* the back end is io_uring */
    IO_FEATURE_DEFER_TASKRUN = 1u << 1,    /* SINGLE_ISSUER and DEFER_TASKRUN */
    IO_FEATURE_COOP_TASKRUN = 1u << 2,     /* COOP_TASKRUN, where the former is refused */
    IO_FEATURE_REGISTERED_RING = 1u << 3,  /* the ring's descriptor is registered */
    IO_FEATURE_BUFFER_RING = 1u << 4,      /* provided buffers; without: poll, then receive */
    IO_FEATURE_RECV_MULTISHOT = 1u << 5,   /* without: one receive at a time */
    IO_FEATURE_ACCEPT_MULTISHOT = 1u << 6, /* without: one accept at a time */
    IO_FEATURE_SEND_WAITALL = 1u << 7      /* the kernel finishes short sends */
};

struct io_config {
    enum io_backend backend;
    uint32_t conns_max;        /* 1 to IO_CONNS_MAX */
    uint32_t buffer_bytes;     /* of a receive buffer: a power of two, 1 KiB to 1 MiB; 0: 16 KiB */
    uint32_t buffers_initial;  /* receive buffers at first: a power of two; 0: 64 */
    uint32_t buffers_max;      /* grown up to so many: a power of two, at most 32768; 0: 256 */
    uint32_t features_refused; /* enum io_feature, taken as refused by the kernel (for tests) */
    uint32_t send_bytes_max;   /* of one system call, so that sends are short (for tests); 0: any */
};

enum io_event_kind {
    /* A listener's: fd, close-on-exec, of unspecified blocking mode. Or an error that is not of one
     * connection (EMFILE, ENFILE, ENOBUFS, ENOMEM): the listener is paused until
     * io_listen_resume(). */
    IO_ACCEPTED,
    /* data and length, valid until the next io_turn(). Length 0: end of the stream. Or an error. */
    IO_RECEIVED,
    /* Answers io_recv_stop(): nothing more will be delivered. */
    IO_RECV_STOPPED,
    /* Answers io_recv_into(): length bytes stand in place, often fewer than asked for; 0: end of
     * the stream. Or an error, with length the bytes that came before it. */
    IO_RECEIVED_INTO,
    /* Answers io_send(): error 0, everything was handed to the socket. Or an error, with length
     * what was sent before it (ECANCELED: recalled by io_send_cancel()). */
    IO_SENT,
    /* Answers io_close(): fd closed, slot free, all memory returned; nothing comes after it. */
    IO_CLOSED,
    /* Answers io_listen_stop(), with the listener's owner: fd closed, slot free. */
    IO_LISTEN_CLOSED,
    /* Somebody called io_doorbell_ring() since the last one; owner is NULL. */
    IO_DOORBELL
};

struct io_event {
    enum io_event_kind kind;
    int error; /* 0 or errno */
    int fd;    /* IO_ACCEPTED, else -1 */
    void *owner;
    const uint8_t *data; /* IO_RECEIVED, else NULL */
    size_t length;       /* bytes */
};

/* Counted since creation. */
struct io_counters {
    uint64_t turns;           /* calls of io_turn() */
    uint64_t sleeps;          /* turns that waited without limit or with one above 0 */
    uint64_t syscalls;        /* made by this layer */
    uint64_t events;          /* returned */
    uint64_t buffers;         /* receive buffers in being */
    uint64_t buffers_lacking; /* receives that found no buffer (ENOBUFS) and were armed again */
    uint64_t rearmed;     /* multishot operations that ended by themselves and were armed again */
    uint64_t sends_short; /* sends that had to be continued */
    uint64_t overflows;   /* turns that found the completion queue overflown (nothing is lost) */
    uint64_t doorbells_rung; /* doorbells that cost a system call to the ringer */
};

/* Creates the I/O of the calling thread. Returns 0 with *out set, or errno with *out NULL: ENOSYS,
 * EPERM (io_uring refused; only with IO_BACKEND_URING), ENOMEM, EMFILE, EINVAL (config out of its
 * bounds). */
MUST_CHECK int io_create(const struct io_config *config, struct io **out);

/* Closes every connection and listener, awaits the last completion of each, frees all. Their owners
 * get no event. NULL is allowed. */
void io_destroy(struct io *io);

/* Submits what is queued and waits in the same system call for events, at most wait_ns_max
 * nanoseconds: 0 polls, below 0 waits without limit; never waits while events are pending. Returns
 * their number, at most capacity (IO_EVENTS_MIN or more); what does not fit comes in the next turn.
 * 0 when the time is over, a signal came, or what came makes no event. Data that the previous
 * turn's IO_RECEIVED named is invalid from this call on. */
MUST_CHECK unsigned io_turn(struct io *io, struct io_event *events, unsigned capacity,
                            int64_t wait_ns_max);

/* Gives the memory of receive buffers back to the system, for a core that has nothing to do: it
 * comes back on use. Between two turns, the events of the last one consumed. Does nothing where the
 * kernel may be writing into them. */
void io_trim(struct io *io);

/* The monotonic clock as the last io_turn() read it on return, in nanoseconds; virtual in the
 * simulator. */
int64_t io_now_ns(const struct io *io);

/* Takes over a connected stream socket, whatever its blocking mode. Returns 0, or errno (EMFILE:
 * conns_max reached; ENOMEM; what epoll_ctl(2) says), upon which fd remains the caller's. */
MUST_CHECK int io_conn_open(struct io *io, int fd, void *owner, struct io_conn **out);

/* Receives into the core's buffers until io_recv_stop(), the end of the stream or an error. From
 * IDLE or STOPPING. */
void io_recv_start(struct io_conn *conn);

/* Ends receiving, for backpressure or before io_recv_into(). From STREAM, or from IDLE (when the
 * end of the stream crossed with it); nothing in STOPPING. Answered by exactly one IO_RECV_STOPPED,
 * unless io_recv_start() or io_close() comes first. */
void io_recv_stop(struct io_conn *conn);

/* Looks whether a receiving connection has ended without the back end having been told, and sees
 * to it that its end is reported. One system call, to be made once when a connection has fallen
 * silent after data. Linux may keep a reset from a multishot receive: when it comes with the last
 * data, that is taken for all there is. */
void io_recv_check(struct io_conn *conn);

/* Receives into the caller's memory, in order of the parts. From IDLE only. The bytes and the
 * array, which this layer may alter, belong to the operation until IO_RECEIVED_INTO or IO_CLOSED.
 * count 1 to IO_IOV_MAX, no part is empty. */
void io_recv_into(struct io_conn *conn, struct iovec *iov, unsigned count);

/* Recalls the memory of the direct receive in flight, if there is one: IO_RECEIVED_INTO comes soon,
 * with ECANCELED and length 0, or with its own result if that was quicker. */
void io_recv_into_cancel(struct io_conn *conn);

/* Sends all parts, finishing short sends itself. One in flight: legal after the former's IO_SENT.
 * The bytes and the array, which this layer alters, belong to the operation until IO_SENT or
 * IO_CLOSED. count 1 to IO_IOV_MAX, at least one byte in all. */
void io_send(struct io_conn *conn, struct iovec *iov, unsigned count);

/* Recalls the memory of the send in flight, if there is one: IO_SENT comes soon, with ECANCELED and
 * what was sent, or with 0 if the send was quicker. */
void io_send_cancel(struct io_conn *conn);

/* Closes: shutdown(2), so that the peer sees the end at once even with a receive armed, recalls
 * every operation, awaits their completions, closes fd; then IO_CLOSED. Legal once. Replies that
 * should still leave are awaited (IO_SENT) before this call. */
void io_close(struct io_conn *conn);

/* The socket, for getpeername(2) and setsockopt(2); valid until IO_CLOSED. In the simulator a
 * number of its own. */
int io_conn_fd(const struct io_conn *conn);

/* Accepts from a listening socket (of io/listen.h) and takes it over. Returns 0, or errno (EMFILE:
 * IO_LISTENERS_MAX reached; ENOMEM), upon which fd remains the caller's. */
MUST_CHECK int io_listen_start(struct io *io, int fd, void *owner, struct io_listener **out);

/* Stops accepting for a while (connections that the kernel accepted meanwhile still come), and
 * resumes, also after an IO_ACCEPTED with an error. Each does nothing in the state that it would
 * bring about. */
void io_listen_pause(struct io_listener *listener);
void io_listen_resume(struct io_listener *listener);

/* Stops for good; what was accepted and not yet delivered is closed. Legal once, in every state;
 * only IO_LISTEN_CLOSED comes after it, in a later turn. */
void io_listen_stop(struct io_listener *listener);

/* Closes an accepted descriptor that io_conn_open() did not take over (close(2), or its like in the
 * simulator). */
void io_fd_close(struct io *io, int fd);

/* Makes target's next or current io_turn() return soon, with IO_DOORBELL. Any thread, never blocks.
 * What the caller wrote before this call is visible to the owner after it took IO_DOORBELL. Costs
 * one atomic exchange, and one system call if, and only if, the owner sleeps: at most one a sleep.
 * Async-signal-safe. */
void io_doorbell_ring(struct io *target);

enum io_backend io_backend_of(const struct io *io);
/* "uring", "epoll", "sim"; "auto". Constant text. */
const char *io_backend_name(enum io_backend backend);
/* enum io_feature bits in use; 0 with epoll and the simulator. */
uint32_t io_features(const struct io *io);
/* The same as one line for the log and `stats`: "uring defer_taskrun registered_ring ...", "epoll
 * (uring refused: ...)". Valid as long as io. */
const char *io_features_text(const struct io *io);

/* Any thread; each number is exact, not all of the same instant. */
void io_counters_read(const struct io *io, struct io_counters *out);

/* Connections open or closing on this core. Any thread. */
uint32_t io_conns_open(const struct io *io);

#endif
