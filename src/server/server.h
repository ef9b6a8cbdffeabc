/* larder: the server around its cores
 *
 * Purpose: what cores share, and the life of the process: sockets, store, threads, signals,
 *   housekeeping, and an orderly end.
 * Owner: server_main(), on the main thread, which is the housekeeping thread afterwards.
 * Threads: immutable while cores run, but for what is _Atomic and what `admin_lock` guards.
 * Memory: one block, the cores, the store.
 * Limits: SERVER_LISTENERS_MAX sockets, SETTINGS_THREADS_MAX cores.
 * Errors: said on stderr in memcached's words, with memcached's exit codes. */
#ifndef LARDER_SERVER_SERVER_H
#define LARDER_SERVER_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/base/assert.h"
#include "src/engine/admin.h"
#include "src/engine/auth.h"
#include "src/server/core.h"
#include "src/server/settings.h"
#include "src/server/stats.h"
#include "src/server/tls.h"
#include "src/server/topology.h"
#include "src/server/watch.h"
#include "src/store/restart.h"
#include "src/store/store.h"

#define SERVER_MEMCACHED_VERSION "1.6.45"

enum {
    SERVER_LISTENERS_MAX = 256,
    SERVER_CLOCK_START_S = 2, /* store seconds at a first start, as memcached's clock */
    SERVER_CRAWL_S = 2,       /* so long at most after a crawl expired items are gone */
    SERVER_CONNECTIONS_SLACK = 64, /* accepted by the system after accepting was stopped */
};

enum server_stop { SERVER_RUNS, SERVER_STOPS, SERVER_STOPS_GRACEFULLY };

struct server_listener {
    int fd; /* the main thread's until a core listens on it; then a number for `stats conns` */
    uint8_t protocol; /* enum settings_protocol */
    bool local;       /* a unix socket */
    uint8_t tls;      /* enum tls_mode */
};

struct server {
    const struct settings *settings;
    struct topology_plan *plan; /* NULL in simulations */
    struct store *store;
    struct core **cores;
    unsigned core_count;
    uint32_t connections_max; /* -c, or what the limit of descriptors leaves of it */
    struct server_listener listeners[SERVER_LISTENERS_MAX];
    unsigned listener_count;
    struct admin_hooks hooks;
    struct auth auth;        /* of -Y or -S */
    const char *users_path;  /* its users; NULL: it has none of its own */
    struct tls_context *tls; /* -Z; else NULL */
    struct restart restart;  /* of -e */
    bool complained;         /* server_init() has said why it failed */
    int64_t epoch;         /* unix time of store second 0 */
    int64_t clock_base_ns; /* io_now_ns() of store second clock_start_s */
    uint32_t clock_start_s; /* SERVER_CLOCK_START_S, or where the last server's clock would be */
    int wake_fd;           /* eventfd of the housekeeping thread; -1: there is none */

    struct watch watch;
    _Atomic uint32_t verbosity;
    _Atomic uint32_t detail;           /* stats detail on */
    _Atomic uint32_t stop;             /* enum server_stop */
    _Atomic uint32_t housekeeping_due; /* wake_fd was written and not yet read */
    _Atomic uint32_t accept_paused;    /* at the limit of connections, without maxconns_fast */
    _Atomic uint32_t connections_open; /* all cores', those on their way included */
    _Atomic int64_t clock_offset_s;    /* debugtime */
    _Atomic uint32_t clock_paused_s;   /* debugtime p: the clock stands there; 0: it runs */
    _Atomic uint32_t crawl_until;      /* store seconds; until then `crawl` counts as running */
    _Atomic uint32_t crawls;           /* lru_crawler crawl, so often */
    _Atomic uint32_t certificates_read_at; /* store seconds */
    _Atomic uint64_t certificates_wanted;  /* refresh_certs, so often; see certificates.h */
    _Atomic uint64_t certificates_done;    /* of these */
    _Atomic uint32_t bind_failed;      /* the line about it was written */

    pthread_mutex_t admin_lock;  /* guards what follows; held for no longer than a few sums */
    struct settings live;        /* as admin commands have changed them; strings as in settings */
    char certificates_reason[TLS_REASON_BYTES_MAX]; /* why the last reading failed; or "" */
    struct stats_sums baseline;  /* `stats reset` */
    struct stats_class_sums class_baselines[STORE_CLASSES_MAX + 1]; /* the same */
    uint64_t memory_limit_bytes; /* cache_memlimit */
    uint64_t disabled_ns;        /* time that accepting was off */
    uint64_t disabled_count;     /* times that it was turned off at the limit */
    int64_t disabled_since_ns;   /* 0: it is on */
};

/* Serves until a signal or the shutdown command. Returns the process's exit code. */
int server_main(const struct settings *settings);

/* The parts of server_main that simulations use too: all but threads, sockets and signals. False:
 * no memory (errno), or no memory file (complained). plan may be NULL. */
MUST_CHECK bool server_init(struct server *server, const struct settings *settings,
                            struct topology_plan *plan, unsigned core_count, uint64_t hash_seed);
void server_fini(struct server *server);

/* Store seconds at now_ns of the monotonic clock. */
uint32_t server_clock(const struct server *server, int64_t now_ns);

/* Asks every core to stop. Any thread. */
void server_stop(struct server *server, enum server_stop stop);
/* Reads the files again that may be replaced while the server runs; on an error what was read
 * before stays, and a line says so. Housekeeping thread. */
void server_reload(struct server *server);
/* Wakes every core. Any thread but before they start and after they ended. */
void server_ring(struct server *server);
/* Has the housekeeping thread look around soon. Any thread; costs a system call once a wake. */
void server_wake(struct server *server);

/* Connections that one core must be ready to hold: all, with some slack for those that the system
 * accepted after the limit was met. */
uint32_t server_connections_bound(const struct server *server);

/* Counts a connection in. False: above the limit. */
MUST_CHECK bool server_connection_enter(struct server *server, int64_t now_ns);
void server_connection_leave(struct server *server, int64_t now_ns);

/* A line on stderr when verbosity is at least `verbosity_min`. The line's end is added. */
void server_log(const struct server *server, unsigned verbosity_min, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
