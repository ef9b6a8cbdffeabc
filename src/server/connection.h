/* larder: one client's connection on its core
 *
 * Purpose: joins a socket of io/ with a session of the engine: what was received is fed, what the
 *   session answers is sent, one send at a time; and the close that waits for the kernel.
 * Owner: the core; the struct stands in a slot of its connection_table.
 * Threads: its core's. `fd`, `state`, `active_at`, `listener` may be read by any thread (`stats
 *   conns`): slots are never freed while cores run, so the worst is a line that is out of date.
 * Memory: sizeof(struct connection) while idle, with the session in it; iovecs for longer sends
 *   come from the core as long as they are in flight.
 * Limits: one send and one receive in flight.
 * Errors: whatever goes wrong closes this connection, with a reason, and no other.
 *
 * Life:
 *
 *   FREE --open--> OPEN --close--> CLOSING --IO_CLOSED--> CLOSED --end of the step--> FREE
 *
 *   OPEN     receives, feeds, sends. Leaves for CLOSING when the session asks, the peer ended and
 *            all is answered, an error came, the server drains, or the client was idle too long.
 *   CLOSING  io_close() was called: the peer sees the end at once. Everything handed to the kernel
 *            (output blocks, lent values, a value being received) still belongs to its operation;
 *            events of the connection that are left in the turn's array are skipped.
 *   CLOSED   the last completion came: the session gave all memory back. The slot is kept out of
 *            use until the step ends, so that nothing in this step can meet its successor.
 *
 * Receiving, inside OPEN:
 *
 *   IDLE --start--> STREAM --stop (pause, or a large value comes)--> STOPPING --stopped--> IDLE
 *   IDLE --into--> DIRECT --received--> IDLE */
#ifndef LARDER_SERVER_CONNECTION_H
#define LARDER_SERVER_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io/io.h"
#include "src/base/atomic.h"
#include "src/engine/session.h"

struct core;
struct tls;

enum {
    CONNECTION_CHUNK_SLOTS = 64, /* slots that come into being together */
    CONNECTION_IOVECS_SMALL = 2, /* parts of a send that need no memory of their own */
    CONNECTION_IOVECS_MAX = 64,  /* parts of any send */
    CONNECTION_OPS_KEPT_MAX = 256,
};

enum connection_state {
    CONNECTION_FREE,
    CONNECTION_OPEN,
    CONNECTION_CLOSING,
    CONNECTION_CLOSED,
};

enum connection_receive { RECEIVE_IDLE, RECEIVE_STREAM, RECEIVE_STOPPING, RECEIVE_DIRECT };

enum connection_reason {
#define REASON(NAME, text) CONNECTION_##NAME,
#include "src/server/reasons.def"
#undef REASON
    CONNECTION_REASONS
};

/* iovecs that belong to an operation in flight. */
struct connection_op {
    struct connection_op *next;
    struct iovec iovecs[CONNECTION_IOVECS_MAX];
};

struct connection {
    struct session session;
    struct core *core;
    struct io_conn *io;
    struct connection *dirty_next; /* to be settled in this step */
    struct connection *slot_next;  /* of the free or of the closed slots */
    struct connection_op *send_op;
    struct connection_op *receive_op;
    struct tls *tls;             /* NULL: plain */
    struct connection *tls_next; /* of those whose handshakes wait */
    struct iovec small[CONNECTION_IOVECS_SMALL];
    uint64_t send_bytes;        /* of the send in flight */
    uint32_t send_started;      /* store seconds */
    _Atomic uint32_t active_at; /* store seconds of the last bytes received */
    _Atomic int fd;             /* -1: none */
    _Atomic uint32_t listener;  /* where it was accepted */
    _Atomic uint8_t state;      /* enum connection_state */
    _Atomic uint8_t phase;      /* enum session_phase after the last step, for `stats conns` */
    uint8_t receive;            /* enum connection_receive */
    uint8_t reason;             /* enum connection_reason, once closing */
    bool sending : 1;
    bool recalled : 1; /* the send in flight was cancelled */
    bool dirty : 1;
    bool ended : 1; /* the peer sends nothing more */
    bool heard : 1; /* something came since connection_inspect() looked for an unnoticed end */
    bool tls_queued : 1;
    bool tls_failed : 1; /* what is left to send is the reason */
    bool tls_ended : 1;  /* the peer was told, or is being told, that nothing more comes */
};

/* The core's slots. Chunks are published with release and never freed while cores run. */
struct connection_table {
    _Atomic(struct connection *) *chunks;
    uint32_t chunks_max;
    _Atomic uint32_t chunk_count;
    struct connection *free;
    struct connection *closed;
    struct connection_op *ops_free;
    uint32_t ops_kept;
    _Atomic uint32_t sends; /* in flight; any thread may read */
    uint32_t open;  /* not FREE */
};

/* For at most connections_max connections. False: no memory. */
MUST_CHECK bool connection_table_init(struct connection_table *table, uint32_t connections_max);
/* Every slot must be free. */
void connection_table_fini(struct connection_table *table);
/* Any thread: slot `index`, or NULL when there are not so many. */
struct connection *connection_table_at(const struct connection_table *table, uint32_t index);
/* A slot in no state yet, to be given back when it does not come to life. NULL: no memory. */
MUST_CHECK struct connection *connection_table_take(struct connection_table *table);
void connection_table_give(struct connection_table *table, struct connection *connection);
/* The end of a step: closed slots may be used again. */
void connection_table_recycle(struct connection_table *table);

/* iovecs for an operation; NULL: no memory. Giving empties *op; NULL in it is fine. */
MUST_CHECK struct connection_op *connection_op_take(struct connection_table *table);
void connection_op_give(struct connection_table *table, struct connection_op **op);

/* Takes fd over, which was accepted by `listener`; on failure it is closed, which is counted. */
void connection_open(struct core *core, int fd, uint32_t listener);
/* An event of io/ whose owner is `connection`. */
void connection_event(struct connection *connection, const struct io_event *event);
/* After the engine's flush: sends, pauses, resumes, closes, as the session wants. */
void connection_settle(struct connection *connection);
/* Enters the core's list of connections to settle in this step. */
void connection_mark(struct connection *connection);
/* Starts the close; nothing in a state other than OPEN. */
void connection_close(struct connection *connection, enum connection_reason reason);
/* After io_destroy(): frees the session of an open or closing connection and its slot. */
void connection_abandon(struct connection *connection);
/* Once in a while: closes when idle too long, recalls lent values that a slow client holds. */
void connection_inspect(struct connection *connection);

/* -- connection_tls.c -------------------------------------------------------------------------- */

/* Makes it a TLS connection if the listener wants that. False: no memory. */
MUST_CHECK bool connection_tls_open(struct connection *connection, uint32_t listener);
/* The connection is gone; nothing happens to a plain one. */
void connection_tls_close(struct connection *connection);
/* Received bytes, as they came. */
void connection_tls_received(struct connection *connection, const uint8_t *data, size_t bytes);
/* Moves what the session answered to the output of tls, up to its bound. */
void connection_tls_encrypt(struct connection *connection);
/* What the session wants, as it concerns the socket. */
unsigned connection_tls_wants(const struct connection *connection, unsigned wants);
/* Whether nothing is left to be sent or to be shaken hands on. True for a plain connection. */
bool connection_tls_is_quiet(const struct connection *connection);
/* Says, once, that nothing more comes. True: it is to be sent. */
bool connection_tls_farewell(struct connection *connection);
/* Whether a handshake takes too long, or a client does not take its end. */
bool connection_tls_is_overdue(const struct connection *connection);
/* At the start of a step: handshakes that waited. True: some still do. */
bool connection_tls_step(struct core *core);

/* The words of `stats conns` and -vvv for an enum session_phase. */
const char *connection_phase_text(unsigned phase);
const char *connection_reason_text(enum connection_reason reason);

#endif
