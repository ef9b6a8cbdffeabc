/* larder: executes requests on the store; one a core
 *
 * Purpose: gathers the requests of all sessions of a turn in a window, prefetches what they will
 *   touch, executes them in order, each into its session's reply.
 *
 *   A core's turn:   engine_turn_begin
 *                    session_feed / session_sent / session_received_direct ... (server's events)
 *                    engine_resume        sessions that stopped for fairness
 *                    engine_flush         executes what is left in the window
 *                    engine_session_next  sessions that want something: send, close, pause
 *                    engine_turn_end
 *
 * Owner: the server's core.   Threads: that core's; counters and `buffers` figures may be read by
 *   any.
 * Memory: fixed, plus the connection memory of `buffers`, bounded by connection_bytes_max.
 * Limits: ENGINE_WINDOW_MAX requests a window; ENGINE_TURN_REQUESTS_MAX a session and turn.
 * Errors: none of its own; see session.h. */
#ifndef LARDER_ENGINE_ENGINE_H
#define LARDER_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/atomic.h"
#include "src/engine/admin.h"
#include "src/engine/buffers.h"
#include "src/engine/counters.h"
#include "src/proto/meta.h"
#include "src/proto/parser.h"
#include "src/proto/request.h"
#include "src/store/store.h"

enum {
    ENGINE_WINDOW_MAX = 128,
    ENGINE_TURN_REQUESTS_MAX = 4096, /* then the session waits for the next turn */
    ENGINE_VALUE_BYTES_INLINE_MAX = 14 * 1024, /* larger values are uploaded as they come */
    ENGINE_REPLY_BYTES_MAX = 256 * 1024,       /* default of reply_bytes_max */
    ENGINE_CONNECTION_BYTES_MAX = 64 << 20,    /* default of connection_bytes_max */
    ENGINE_LOG_BYTES_MAX = 1024,               /* of a line given to the log */
};

struct auth;
struct engine_observer;
struct session;

/* Sees every command line and reply line (-vv). `prefix` is '<' (from the client) or '>'. */
typedef void engine_log_function(void *context, const struct session *session, char prefix,
                                 struct span text);

struct engine_config {
    enum parser_protocol protocol;  /* -B */
    uint64_t reply_bytes_max;       /* unsent output at which a session stops; 0: 256 KiB */
    uint32_t turn_requests_max;     /* -R: of a session, then others; 0: the MAX above */
    uint64_t connection_bytes_max;  /* of one core: partial input and output; 0: 64 MiB */
    int64_t epoch;                  /* unix time of store second 0 (process start - 2) */
    const char *version;            /* what `version` says, "1.6.45" */
    bool flush_enabled;             /* false: -F */
    struct auth *auth;              /* who may log in; NULL: everybody is */
    const struct admin_hooks *admin; /* may be NULL: those commands answer ERROR */
    const struct engine_observer *observer; /* NULL: nobody watches; see observe.h */
    engine_log_function *log;        /* NULL: off, and free */
    void *log_context;
};

/* A request in the window. `hash` is set for requests with a key. */
struct engine_request {
    struct session *session;
    uint64_t hash;
    bool has_key;
    bool from_buffer; /* it stands in the session's own buffer, else in the received bytes */
    struct request request;
};

struct engine_core {
    const struct engine_config *config;
    struct store *store;
    struct store_core *store_core;
    uint64_t reply_bytes_max;
    uint32_t turn_requests_max;
    uint64_t lend_bytes_min;
    uint32_t now; /* store seconds */
    unsigned pending;
    bool executing;
    bool rewound; /* some session of the window was */
    bool memory_tight; /* over half of connection_bytes_max is in use: see engine_session_is_full */
    struct session *touched_head; /* sessions that were fed or written in this turn */
    struct session *touched_tail;
    struct session *ready_head; /* sessions with input left that nothing blocks */
    struct session *ready_tail;
    struct buffers buffers;
    uint8_t decoded_key[META_KEY_BYTES_MAX]; /* of the request that is executed, if base64 */
    CACHE_ALIGNED struct counters counters;
    CACHE_ALIGNED struct class_counters classes[STORE_CLASSES_MAX + 1];
    struct engine_request window[ENGINE_WINDOW_MAX];
};

/* `config` and `store` must outlive the core. `store_core` is the calling core's handle. */
void engine_init(struct engine_core *core, const struct engine_config *config, struct store *store,
                 struct store_core *store_core);
/* All sessions must be gone. */
void engine_fini(struct engine_core *core);

/* Opens the turn, the store's too. `now` in store seconds. */
void engine_turn_begin(struct engine_core *core, uint32_t now);
/* Lets the sessions that stopped for fairness go on. Returns true while some wait again: do not
 * sleep. Call it once a turn. */
bool engine_resume(struct engine_core *core);
/* Executes what is pending and settles the sessions' input: what was not consumed is copied into
 * their own buffers. After it the receive buffers of the turn may be given back. */
void engine_flush(struct engine_core *core);
/* Executes what is pending, no more. For sessions; the server calls engine_flush. */
void engine_execute(struct engine_core *core);
/* The next session that was touched in this turn, or NULL. Ask session_wants() what it wants. */
struct session *engine_session_next(struct engine_core *core);
/* Closes the turn; window and touched list must be empty. */
void engine_turn_end(struct engine_core *core);

/* Whether the session's output is at its bound. While the core's connection memory is tight a
 * session executes only when its own output is empty, so that slow readers share what is left. */
static inline bool engine_session_is_full(const struct engine_core *core,
                                          const struct reply *reply) {
    return reply->unsent_bytes >= core->reply_bytes_max || reply->slots >= REPLY_SLOTS_MAX ||
           (core->memory_tight && reply->unsent_bytes > 0);
}

/* memcached's reading of an exptime as store seconds: 0 never; negative at once; to 30 days
 * relative; above absolute unix time, in the past at once. */
uint32_t engine_expiry(const struct engine_core *core, int64_t exptime);

#endif
