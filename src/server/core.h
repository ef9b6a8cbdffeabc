/* larder: one core: an I/O loop, an engine, and the connections they serve
 *
 * Purpose: core_step() is a core's whole work; core_run() repeats it until the server stops.
 * Owner: the server creates cores and destroys them after their threads have ended.
 * Threads: core_start(), core_step(), core_run(), core_stop_now() on the core's thread. What others
 *   may touch is marked: `mailbox`, `counters`, `connections_assigned`, the slots of `connections`
 *   (see connection.h), io_doorbell_ring(core->io).
 * Memory: one block, plus connection slots and the engine's connection memory.
 * Limits: CORE_EVENTS_MAX events, CORE_UPKEEP_NS_MAX of upkeep and CORE_INSPECT_MAX slots a step.
 * Errors: core_start() says why it cannot; later errors close a connection or pause a listener. */
#ifndef LARDER_SERVER_CORE_H
#define LARDER_SERVER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "src/base/atomic.h"
#include "src/engine/engine.h"
#include "src/engine/observe.h"
#include "src/server/connection.h"
#include "src/server/mailbox.h"
#include "src/server/prefixes.h"
#include "src/server/task.h"

struct server;
struct core;

enum {
    CORE_EVENTS_MAX = 256,
    CORE_UPKEEP_NS_MAX = 20 * 1000,
    CORE_INSPECT_MAX = 512,       /* slots looked at in one step */
    CORE_TRIM_AFTER_S = 2,        /* store seconds without an event, then buffers are given back */
    CORE_INSPECT_EVERY_S = 1,     /* store seconds between two rounds over the slots */
    CORE_DRAIN_NS_MAX = 1000000000, /* a stopping core waits so long for output to leave */
};

struct core_counters {
#define COUNTER(name, doc) _Atomic uint64_t name;
#include "src/server/counters.def"
#undef COUNTER
};

/* A listener served by this core. */
struct core_listener {
    struct core *core;
    struct io_listener *io; /* NULL: closed, or being closed */
    uint32_t index;         /* into the server's listeners */
    bool failed;            /* paused by an error of accept */
};

/* What the core's TLS connections share; see connection_tls.c. */
struct core_tls {
    uint8_t *plain; /* decrypted in this step; NULL until there is such a connection */
    size_t plain_used;
    int64_t handshake_ns;     /* spent in this step */
    struct connection *first; /* whose handshakes wait */
    struct connection *last;
};

struct core {
    struct server *server;
    unsigned index;
    struct io *io;
    struct store_core *store_core;
    struct engine_config engine_config;
    uint32_t now;   /* store seconds of this step */
    int64_t now_ns; /* io_now_ns() of this step */
    bool more;      /* something is left to do: do not sleep */
    bool draining;
    bool finished;  /* stopped: no connection, no listener */
    int64_t drain_until_ns;
    uint32_t inspect_next;  /* slot of the round under way */
    uint32_t inspect_count; /* slots that were there when it began; 0: no round */
    uint32_t inspected_at;  /* store seconds */
    bool heard;             /* a connection has received since it was inspected */
    uint32_t busy_at;       /* store seconds of the last step that brought an event */
    bool trimmed;           /* since then */
    struct connection *dirty;
    uint32_t watch_streams;          /* enum watch_stream: what somebody watches */
    bool detail;                     /* stats detail is on */
    struct engine_observer observer; /* the engine calls it while there is one of these */
    struct prefixes prefixes;        /* stats detail */
    struct task *tasks; /* dumps and watches under way */
    struct core_tls tls;
    struct connection_table connections;
    struct core_listener listeners[IO_LISTENERS_MAX];
    unsigned listener_count;
    unsigned listeners_open;

    CACHE_ALIGNED struct core_counters counters;
    CACHE_ALIGNED _Atomic uint32_t connections_assigned; /* open here, or on their way */
    struct mailbox mailbox;
    struct engine_core engine;
    struct io_event events[CORE_EVENTS_MAX];
};

/* Makes the core, with nothing of the system's but memory. NULL: none. */
MUST_CHECK struct core *core_create(struct server *server, unsigned index);
void core_destroy(struct core *core);

/* Takes `io` over (io_create or sim_io_create) and gets ready to step. 0 or errno. */
MUST_CHECK int core_start(struct core *core, struct io *io);
/* Serves listener `index` of the server's; its socket goes to io/. 0 or errno. */
MUST_CHECK int core_listen(struct core *core, uint32_t index);

/* One turn: takes events, executes, sends, does some upkeep; the wait is in the next io_turn. */
void core_step(struct core *core);
/* Steps until the server stops and everything is closed. */
void core_run(struct core *core);
/* Ends what core_start() began. No event is left: connections are closed without a farewell. */
void core_stop(struct core *core);

/* Gives an accepted connection to the core with the fewest, which may be this one. */
void core_assign(struct core *core, int fd, uint32_t listener);

#endif
