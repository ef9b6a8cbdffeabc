/* larder: watch: what happens, line by line, to connections that asked for it
 *
 * Purpose: memcached's streams of events. A core writes a record into its own ring and goes on; the
 *   housekeeping thread takes the records of all rings in the order of their times, makes lines of
 *   them and copies each line into the buffer of every watcher of its stream; the watcher's core
 *   sends from there.
 *
 *     core 0 --ring--\                            /--buffer--> core of watcher A --> client
 *     core 1 --ring---+--> housekeeping: lines --+
 *     evictions, a ring a partition --/            \--buffer--> core of watcher B --> client
 *
 *   Nobody waits for anybody: a full ring drops the record (log_worker_dropped), a full buffer the
 *   line (skipped=, log_watcher_skipped). Without a watcher a core pays one branch a request.
 * Owner: the server.
 * Threads: emitting, the core of the event; evictions, whoever holds the partition's lock; the
 *   command, any core; watch_deliver(), the housekeeping thread.
 * Memory: rings come with the first watcher and stay; a buffer goes with its watcher.
 * Limits: WATCHERS_MAX watchers, -o worker_logbuf_size a ring, watcher_logbuf_size a buffer.
 * Errors: outcomes in memcached's words. */
#ifndef LARDER_SERVER_WATCH_H
#define LARDER_SERVER_WATCH_H

#include "src/engine/admin.h"
#include "src/engine/observe.h"
#include "src/server/watch_ring.h"

struct core;
struct connection;
struct server;
struct watcher;

enum { WATCHERS_MAX = 20, WATCH_WAIT_MS = 5 };

/* Streams; the first six send something. */
enum watch_stream {
    WATCH_FETCHERS = 1,
    WATCH_MUTATIONS = 2,
    WATCH_EVICTIONS = 4,
    WATCH_CONNEVENTS = 8,
    WATCH_DELETIONS = 16,
    WATCH_SYSEVENTS = 32,
    WATCH_NOTHING = 64, /* rawcmds, and the proxy's */
};

struct watch {
    pthread_mutex_t lock; /* watchers come and go */
    _Atomic(struct watcher *) watchers[WATCHERS_MAX];
    _Atomic uint32_t streams;             /* that somebody watches */
    _Atomic(struct watch_ring *) *rings;  /* cores', then partitions' (evictions) */
    unsigned ring_count;
    uint64_t lines; /* so many were made: the gid; housekeeping's */
    _Atomic uint64_t sent;
    _Atomic uint64_t skipped;
};

/* False: no memory. */
MUST_CHECK bool watch_init(struct watch *watch, unsigned core_count, unsigned partition_count);
void watch_fini(struct watch *watch);

/* The command. */
enum outcome watch_run(struct admin_call *call);

/* Housekeeping: makes and deals lines. True: somebody watches, come again in WATCH_WAIT_MS. */
bool watch_deliver(struct server *server);

/* Once a step, and where a command changes it: what this core has to emit. */
void watch_core_update(struct core *core);
/* Unix time. */
uint64_t watch_now_us(void);
/* Prepares the core's observer. */
void watch_core_init(struct core *core);

/* A connection came, or goes (`closed`, with its reason). Call it when core->watch_streams has
 * WATCH_CONNEVENTS. */
void watch_connection(const struct connection *connection, bool closed);
/* TLS failed on a connection. */
void watch_tls_failed(const struct connection *connection, const char *message);
/* `lru_crawler crawl` began. */
void watch_crawl(const struct core *core);
/* The store's hook: store_config.evicted. */
void watch_evicted(void *context, uint32_t partition, uint32_t now, const struct store_head *head,
                   const uint8_t *key);

struct watch_figures {
    uint64_t watchers, sent, skipped, written, dropped;
};
void watch_figures(const struct watch *watch, struct watch_figures *figures);

#endif
