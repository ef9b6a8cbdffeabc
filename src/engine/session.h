/* larder: one connection without its socket
 *
 * Purpose: bytes in, requests to the window, replies out. The server feeds what it received, sends
 *   what reply_iovecs gives, and asks what the session wants.
 * Owner: the server's connection embeds it.   Threads: its core's.
 * Memory: the struct alone while idle. Partial input, an upload's state and output come from the
 *   core's `buffers`.
 * Limits: partial input SESSION_INPUT_BYTES_MAX, then the connection is dropped; output see
 *   reply.h.
 * Errors: SESSION_WANTS_CLOSE with close_reason; the session then takes no more input. */
#ifndef LARDER_ENGINE_SESSION_H
#define LARDER_ENGINE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "src/base/assert.h"
#include "src/engine/reply.h"
#include "src/proto/login.h"
#include "src/proto/parser.h"

enum {
    /* a line of keys and what else was in flight when reading was paused */
    SESSION_INPUT_BYTES_MAX = PARSER_LINE_BYTES_MAX + (4 << 20),
    SESSION_INPUT_BYTES_PAUSE = 64 * 1024, /* waiting input above this: the client shall pause */
    SESSION_LOCKED_S_MAX = 60, /* store seconds in which a client must have logged in */
    SESSION_DIRECT_SPANS_MAX = 32, /* iovecs session_wants_direct may fill */
    SESSION_DIRECT_BYTES_MIN = 32 * 1024,
    SESSION_DIRECT_BYTES_MAX = 256 * 1024, /* one direct receive */
};

struct engine_core;
struct engine_request;
struct session_upload;

enum session_want {
    SESSION_WANTS_SEND = 1,   /* session_output has something */
    SESSION_WANTS_CLOSE = 2,  /* close once reply_is_empty(&session->reply); no more input */
    SESSION_WANTS_ABORT = 4,  /* close now, the output is lost; comes alone */
    SESSION_WANTS_PAUSE = 8,  /* stop receiving until it is gone; what still comes may be fed */
    SESSION_WANTS_DIRECT = 16 /* a direct receive would pay: see session_direct_space */
};

enum session_close_reason {
    SESSION_OPEN,
    SESSION_CLOSE_NORMAL,   /* quit */
    SESSION_CLOSE_ERROR,    /* what is no protocol: endless line, HTTP */
    SESSION_CLOSE_SHUTDOWN, /* the shutdown command */
    SESSION_CLOSE_IDLE,     /* the client said nothing for too long */
    SESSION_CLOSE_MEMORY,   /* no room for a reply */
};

/* What a session is at, for people. */
enum session_phase {
    SESSION_READS,       /* between commands, or in a line */
    SESSION_READS_VALUE, /* a value is on its way */
    SESSION_WATCHES,     /* deaf */
};

struct session {
    struct engine_core *core;
    void *context; /* the server's connection */
    struct reply reply;
    struct parser parser;

    uint8_t *buffer; /* partial input: buffer_start..buffer_end of buffer_bytes; NULL when none */
    uint32_t buffer_bytes;
    uint32_t buffer_start;
    uint32_t buffer_end;
    const uint8_t *data; /* this turn's input; data_used of data_bytes are parsed */
    size_t data_bytes;
    size_t data_used;
    size_t data_joined; /* of these, so many were copied to the end of the buffer first */
    struct session_upload *upload; /* a large value on its way; NULL when none */

    struct session *touched_next;
    struct session *ready_next;
    uint32_t turn_requests; /* parsed in this turn */
    uint8_t close_reason;   /* enum session_close_reason */
    bool pending;     /* requests of it are in the window */
    bool touched;     /* in the core's touched list */
    bool ready;       /* in the core's ready list */
    bool stalled;     /* output at its bound: input waits */
    bool rewound;     /* the window's later requests of this session are void */
    bool input_ended; /* the client sends no more */
    bool deaf;        /* what the client still sends is dropped: session_deafen */
    bool locked;      /* not logged in: nothing is executed but what session_admits lets pass */
    bool conversing;  /* SASL: a mechanism was started, and steps may follow */
    void *conversation;   /* SASL: the back end's; NULL: none */
    uint32_t locked_at;   /* store seconds */
    uint32_t login_bytes; /* while locked in ASCII: of the token that comes next; see login.h */
};

/* `context` is the server's. `parser_protocol` from the core's config. */
void session_init(struct session *session, struct engine_core *core, void *context);
/* Gives everything back: upload, leases, blocks, parked slots. No send or direct receive may be in
 * flight. Legal at any time of a turn. */
void session_fini(struct session *session);

/* Takes received bytes. `data` must stay valid until engine_flush. Executes when the window is
 * full. Legal at any time, also when the session wants no input (then it is kept, or dropped after
 * close). */
void session_feed(struct session *session, const uint8_t *data, size_t bytes);

/* The client has ended its side of the stream: once all its commands are answered, the session
 * wants to be closed. What is left of a command is forgotten. */
void session_end_input(struct session *session);

/* The server sent `bytes` of what reply_iovecs gave. Goes on with input that waited for room. */
void session_sent(struct session *session, uint64_t bytes);

/* A bit set of enum session_want; see there. */
unsigned session_wants(const struct session *session);

/* What can be sent: reply_iovecs of the session's reply. */
unsigned session_output(struct session *session, struct iovec *iovecs, unsigned count);

/* Memory for a direct receive of the large value that is on its way: up to `count` iovecs (at most
 * SESSION_DIRECT_SPANS_MAX), its last two bytes' own place included. Call it when no other receive
 * of the connection is armed and everything received was fed and flushed. 0: none wanted (any
 * more). */
unsigned session_direct_space(struct session *session, struct iovec *iovecs, unsigned count);
/* `bytes` of it were filled (0: cancelled). Ends the lending of that memory. */
void session_received_direct(struct session *session, size_t bytes);

/* The writer of a parked slot has written or completed it: sends and execution go on. */
void session_slot_written(struct session *session);

enum session_phase session_phase(const struct session *session);

/* True: between two commands with nothing to send; may be closed when the server drains or the
 * connection is idle too long. In the middle of a value it is not idle. */
bool session_is_idle(const struct session *session);

/* From the command it executes on: only output is left; what the client sends is dropped. */
void session_deafen(struct session *session);

/* Ends the session from the command it executes (quit, shutdown): replies so far are sent. */
void session_close(struct session *session, enum session_close_reason reason);

/* Whether the session has waited longer than SESSION_LOCKED_S_MAX for its client to log in. */
bool session_login_is_overdue(const struct session *session);

/* -- for the engine's own files ---------------------------------------------------------------- */

/* Puts the session on the core's touched list. */
void session_touch(struct session *session);
/* Takes back the window's `entry`, and with it all later requests of the session: its output is at
 * its bound. */
void session_stall(struct session *session, const struct engine_request *entry);
/* Copies what is left of the turn's input into the session's own buffer. */
void session_settle(struct session *session);
/* Whether a client that has not logged in may ask for this: it is how it logs in, or harmless. */
bool session_admits_locked(const struct request *request);
/* The one place where it is decided whether a session may execute a request. */
static inline bool session_admits(const struct session *session, const struct request *request) {
    return __builtin_expect(!session->locked, 1) || session_admits_locked(request);
}
/* Parses until the input is used up or something stops it. */
void session_run(struct session *session);

#endif
