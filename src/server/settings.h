/* larder: what the operator asked for, as one immutable value
 *
 * Purpose  Holds every setting of the server, filled once from the command line. The options
 *          themselves (letters, names, ranges, texts, help) stand in settings.def; the fields here
 *          are named for what they mean and carry their unit last.
 * Owner    main() creates it before anything else and destroys it after the last thread has gone;
 *          everybody else holds `const struct settings *`.
 * Threads  Immutable after creation: any thread reads it without a lock. What an admin command can
 *          change at run time (verbosity, memory limit) is copied from here and lives elsewhere.
 * Memory   One block plus the strings and lists in it, all owned by the struct.
 * Limits   SETTINGS_LISTEN_MAX listen addresses, SETTINGS_THREADS_MAX threads.
 * Errors   The operator's mistakes are reported on stderr in memcached's words, together with
 *          memcached's exit code; nothing is ever half applied.
 */
#ifndef LARDER_SERVER_SETTINGS_H
#define LARDER_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/server/tls.h"

#define SETTINGS_LISTEN_MAX 256
#define SETTINGS_THREADS_MAX 512

/* Which protocols a listener speaks (-B, or proto[...] before one address of -l). */
enum settings_protocol {
    SETTINGS_PROTOCOL_AUTO,  /* the connection's first byte decides */
    SETTINGS_PROTOCOL_ASCII,
    SETTINGS_PROTOCOL_BINARY,
};

/* -o io=: which back end moves bytes. AUTO takes io_uring where it works, else epoll. */
enum settings_io { SETTINGS_IO_AUTO, SETTINGS_IO_URING, SETTINGS_IO_EPOLL };

/* -o pin=: whether threads are bound to one processor each (topology.h has the rule for AUTO). */
enum settings_pin { SETTINGS_PIN_AUTO, SETTINGS_PIN_ON, SETTINGS_PIN_OFF };

/* One address to listen on. Names are resolved when listening starts, not here. */
struct settings_listen {
    char *host;                      /* NULL: every interface, v4 and v6 */
    char *tag;                       /* NULL, or 1 to 8 bytes from tag[...] */
    uint16_t port;                   /* 0: any free port */
    enum settings_protocol protocol;
    enum tls_mode tls;
};

struct settings {
    /* Listening. With unix_path set there is no TCP; listen_count is then 0. */
    struct settings_listen *listen;
    uint32_t listen_count;           /* 0 also for -p 0: nothing to listen on over TCP */
    char *listen_text;               /* all of -l as given, for `stats settings`; NULL: not given */
    int32_t tcp_port;                /* -p as given: 0 none, -1 any free port */
    int32_t udp_port;                /* 0 by the end: larder has no UDP */
    char *unix_path;                 /* -s; NULL: none */
    uint32_t unix_mode;              /* -a, permission bits */
    uint32_t backlog;                /* -b */
    enum settings_protocol protocol; /* -B */

    /* Connections. */
    uint32_t connections_max;        /* -c, client connections */
    bool connections_refuse_fast;    /* maxconns_fast: tell and close, instead of not accepting */
    uint32_t idle_timeout_s;         /* 0: never */
    uint32_t requests_per_turn_max;  /* -R */
    uint64_t read_buffers_bytes_max; /* read_buf_mem_limit; 0: no limit of the operator's */

    /* Authentication. */
    char *auth_path;                 /* -Y; NULL: off */
    bool sasl_enabled;               /* -S */

    /* TLS. Files are read by the server, not here. */
    bool tls_enabled;                /* -Z */
    char *tls_chain_path;
    char *tls_key_path;              /* NULL: the key is in the chain's file */
    char *tls_ca_path;
    char *tls_ciphers;               /* of TLS 1.2 and before */
    uint32_t tls_verify_mode;        /* 0 none, 1 asked for, 2 required, 3 required once */
    uint32_t tls_key_format;         /* 1 PEM, 2 DER */
    uint32_t tls_version_min;        /* 1.N */
    uint64_t tls_write_bytes;        /* ssl_wbuf_size */
    bool tls_session_cache;
    bool tls_kernel;

    /* Threads and I/O. */
    uint32_t threads;                /* -t; 0: auto, topology_plan_create() decides */
    enum settings_io io;
    enum settings_pin pin;
    uint32_t partitions;             /* -o partitions; 0: by the store's rule */
    uint32_t napi_ids;               /* -N */

    /* Memory and items. */
    uint64_t memory_bytes;           /* -m: items and their index */
    uint64_t item_bytes_max;         /* -I, by memcached's formula of an item's size */
    uint64_t chunk_bytes_max;        /* slab_chunk_max: items above it are chains in memcached */
    bool evictions_enabled;          /* off with -M */
    bool cas_enabled;                /* off with -C */
    bool large_pages;                /* -L */
    uint32_t hashpower_initial;      /* log2 of buckets to start with, 12..32; 0: default */
    bool hash_expands;               /* off with no_hashexpand */
    bool temporary_ttl_enabled;      /* items with a ttl <= temporary_ttl_s are not evicted */
    uint32_t temporary_ttl_s;
    bool track_sizes;                /* `stats sizes` counts */
    char *memory_path;               /* -e; NULL: memory of no file */
    bool restart_verify;             /* values of the memory file are summed too */

    /* Commands. */
    bool shutdown_enabled;           /* -A */
    bool flush_enabled;              /* off with -F */
    bool dump_enabled;               /* off with -X */
    bool watch_enabled;              /* off with -W */
    bool detail_enabled;             /* on with -D; `stats detail on` turns it on later */
    char prefix_delimiter;           /* -D */
    bool debug_time;                 /* -o debugtime: the test command that moves the clock */
    uint64_t clock_stopped_s;        /* -o stopped_clock: unix seconds; 0: the clock runs */
    uint32_t verbosity;              /* number of -v */

    /* The process. */
    bool daemonize;                  /* -d */
    bool core_dumps;                 /* -r */
    bool lock_memory;                /* -k */
    char *user;                      /* -u; NULL: not given */
    char *pid_path;                  /* -P; NULL: not given */

    /* Printing the thread plan instead of serving. */
    bool topology_print;
    char *topology_source;           /* NULL: this machine; "synthetic:..." or a path to XML */

    /* Printing the memory plan instead of serving. */
    bool memory_plan_print;
    char *memory_plan_sizes;         /* of values, separated by commas; NULL: a usual choice */

    /* memcached's own machinery: parsed, checked and shown by `stats settings`, without effect on
     * larder (docs/differences.md says why, option by option). */
    double growth_factor;            /* -f */
    uint32_t chunk_bytes_min;        /* -n */
    char *slab_sizes;
    bool slab_reassign;
    uint32_t slab_automove;
    double slab_automove_ratio;
    uint32_t slab_automove_window;
    bool lru_crawler;
    uint32_t lru_crawler_sleep_us;
    uint32_t lru_crawler_tocrawl;
    bool lru_maintainer;
    bool lru_segmented;
    uint32_t hot_lru_percent;
    uint32_t warm_lru_percent;
    double hot_max_factor;
    double warm_max_factor;
    uint32_t tail_repair_time_s;
    char *hash_algorithm;
    uint64_t watcher_logbuf_bytes;
    uint64_t worker_logbuf_bytes;
    bool drop_privileges;
};

/* Parses a command line by memcached's rules: later wins, short options cluster, long ones may be
 * abbreviated. -h, -i, -V and --help-man print on stdout and end the run with 0.
 *
 * Returns true and an owned *out when the server (or the topology printer) should run. Returns
 * false with *out NULL when the process should end now, with *exit_code (0, 1, 64 or 71) to end
 * with; the reason is on stderr by then. argv is not changed. Uses getopt's process-wide state, so
 * one thread at a time.
 */
bool settings_create_from_args(int argc, char *const argv[], struct settings **out, int *exit_code)
    __attribute__((warn_unused_result));

/* The defaults alone, as if larder had been started without an argument; for tests and tools.
 * NULL when memory is out. */
struct settings *settings_create_default(void) __attribute__((warn_unused_result));

/* Frees what settings_create_*() returned; NULL is fine. */
void settings_destroy(struct settings *settings);

/* Called once a line of `stats settings`; key and value live until it returns. */
typedef void settings_visit(void *context, const char *key, const char *value);

/* Visits the lines of `stats settings` in memcached's order and formats (77 of them). Values are
 * those of the start: the caller substitutes what may have changed since (verbosity, maxbytes,
 * num_threads when it was auto, oldest, ...). */
void settings_each(const struct settings *settings, settings_visit *visit, void *context);

#endif
