/* larder: liblarder, the client library for larder and memcached
 *
 * Purpose: a handle knows a list of servers, places keys on them by a ring, and speaks the meta
 *   protocol with them (classic commands with servers that do not know it) over TCP, unix sockets
 *   or TLS: pooled, pipelined, with a bound on the time of each call.
 *
 *     struct larder_config *config = larder_config_create();
 *     const char *why = larder_config_set(config, "servers", "cache1,cache2+cache3,cache4/2");
 *     struct larder *larder = larder_create(config, &why);
 *     struct larder_item item;
 *     if (larder_get(larder, "user:1", 6, &item) == LARDER_HIT) { ... item.value ... }
 *     larder_destroy(larder);
 *     larder_config_destroy(config);
 *
 * Owner: who creates a thing destroys it. There is no global state and no thread of the library's
 *   own, but for one that resolves a host's name and ends when that is done.
 * Threads: a handle belongs to one thread at a time; different handles are independent. Beside it
 *   stands larder_pool, which any thread may use, to lend handles.
 * Memory: keys and values given to a call are read until it returns (larder_submit: until the
 *   operation's end has been taken). What an item points to lives until the next call with the
 *   handle.
 * Limits: keys of 1 to 250 bytes; any byte with servers that know meta, no blanks and control
 *   characters with others. The options' limits stand in liblarder(3). Every call ends within
 *   `request_ms`, whatever the servers do.
 * Errors: an enum larder_result, and in words larder_why(). Nothing is printed, no signal is raised
 *   and errno means nothing afterwards.
 *
 * It can be included from C99 and from C++. */
#ifndef LARDER_CLIENT_LARDER_H
#define LARDER_CLIENT_LARDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LARDER_API __attribute__((visibility("default")))
#define LARDER_MUST_CHECK __attribute__((warn_unused_result))
#else
#define LARDER_API
#define LARDER_MUST_CHECK
#endif

#define LARDER_KEY_BYTES_MAX 250

/* What became of an operation. The first five are what its name asks for. */
enum larder_result {
    LARDER_HIT,     /* get, gat: the item is there */
    LARDER_STORED,  /* set, add, replace, append, prepend, cas, incr, decr */
    LARDER_DELETED, /* delete: it was there; with LARDER_INVALIDATE it is marked stale now */
    LARDER_TOUCHED, /* touch: it was there */
    LARDER_DONE,    /* an operation without an item (noop) */

    LARDER_STALE,      /* get, gat: the item is there, marked stale */
    LARDER_MISS,       /* get, gat: it is not there (of a pair: or neither could be asked, and
                          larder_why() tells why); with LARDER_VIVIFY also while it is computed */
    LARDER_NOT_STORED, /* add: it was there; replace, append, prepend: it was not */
    LARDER_EXISTS,     /* cas: the item has changed since */
    LARDER_NOT_FOUND,  /* cas, incr, decr, touch, delete: it is not there */

    LARDER_NOT_NUMBER,   /* incr, decr: the value is no number */
    LARDER_TOO_LARGE,    /* the server takes no value of this size */
    LARDER_FAILED,       /* the server could not be asked or answered nonsense; larder_why() */
    LARDER_TIMED_OUT,    /* it did not answer in time; whether it has done it is unknown */
    LARDER_BAD_ARGUMENT, /* a key, value or option that is none */
    LARDER_NO_MEMORY
};

/* Whether the operation was carried out as asked (the first five). */
LARDER_API bool larder_is_good(enum larder_result result);

/* The result in a word or two, such as "not stored"; static. */
LARDER_API const char *larder_result_text(enum larder_result result);

/* ---- Configuration ------------------------------------------------------------------------- */

/* The options a handle is made with. All are set by name and in text; liblarder(3) lists them. */
struct larder_config;

/* NULL: no memory. */
LARDER_API LARDER_MUST_CHECK struct larder_config *larder_config_create(void);
LARDER_API void larder_config_destroy(struct larder_config *config);

/* Sets one option, for example
 *
 *     servers      cache1:11211,cache2/3,/run/larder.sock,[2001:db8::5]:11212
 *                  with replicas: cache1+cache2,cache3+cache4 (primary + replica)
 *     ring         ketama-weighted (default), ketama, ketama-md5, ketama-spy, rendezvous, jump
 *     request_ms   1000: the longest a call may take
 *     failover_ms  200: how long a silent primary is waited for before its replica is asked
 *     connect_ms   how long one attempt to connect may take
 *     retries      how often an idempotent operation is tried again
 *     protocol     auto, meta, classic
 *
 * NULL: done. Otherwise what is wrong with it (static), and nothing has changed. */
LARDER_API LARDER_MUST_CHECK const char *larder_config_set(struct larder_config *config,
                                                           const char *name, const char *value);

/* Sets several: "servers=cache1,cache2 ring=jump request_ms=100". Those before a wrong one stay. */
LARDER_API LARDER_MUST_CHECK const char *larder_config_parse(struct larder_config *config,
                                                             const char *text);

/* The options one by one, for help and manuals: name, initial value, what it is for. False: there
 * are no more. */
struct larder_option {
    const char *name;
    const char *initial;
    const char *doc;
};
LARDER_API bool larder_option_at(unsigned index, struct larder_option *option);

/* ---- Handles ------------------------------------------------------------------------------- */

struct larder;

/* A handle with a copy of the options. Opens no connection: they are made when first needed. NULL:
 * *why (static; may be NULL) says what is wrong. */
LARDER_API LARDER_MUST_CHECK struct larder *larder_create(const struct larder_config *config,
                                                          const char **why);
/* Closes its connections. Operations under way end unknown. NULL is allowed. */
LARDER_API void larder_destroy(struct larder *larder);

/* Why the last call of this handle had the result it had, in words: "cache1:11211: connection
 * refused"; "" if there is nothing to say. Lives until the next call. */
LARDER_API const char *larder_why(const struct larder *larder);

/* ---- Items and requests -------------------------------------------------------------------- */

#define LARDER_NEVER (-1)   /* ttl_s: does not expire */
#define LARDER_UNKNOWN (-2) /* the server did not say */

/* Marks of an item that was got. */
enum larder_mark {
    LARDER_MARK_WON = 1,    /* this caller shall compute it (meta W) */
    LARDER_MARK_STALE = 2,  /* it was marked stale (meta X) */
    LARDER_MARK_SENT = 4,   /* another caller has been told to compute it (meta Z) */
    LARDER_MARK_REPLICA = 8, /* the replica answered */
    LARDER_MARK_COMPUTED = 16, /* larder_get_or_compute: by or for this call */
    LARDER_MARK_NEAR = 32 /* the near cache answered; ttl_s is unknown then */
};

struct larder_item {
    enum larder_result result;
    unsigned marks;       /* of enum larder_mark */
    const void *value;    /* "" when there is none */
    size_t value_bytes;
    uint64_t cas;         /* 0: unknown */
    uint64_t number;      /* incr, decr: the new number */
    uint32_t flags;       /* as it was stored with */
    uint32_t server;      /* index of the ring position in `servers` */
    int64_t ttl_s;        /* seconds it has left, LARDER_NEVER or LARDER_UNKNOWN */
    int64_t idle_s;       /* with LARDER_WANT_HISTORY: seconds since it was last read */
    bool fetched;         /* with LARDER_WANT_HISTORY: it had been read since it was stored */
    const char *why;      /* as larder_why() */
};

enum larder_verb {
    LARDER_GET,     /* with LARDER_TOUCH_TOO: get and touch */
    LARDER_SET,
    LARDER_ADD,     /* only if it is not there */
    LARDER_REPLACE, /* only if it is there */
    LARDER_APPEND,
    LARDER_PREPEND,
    LARDER_CAS,     /* set if `cas` is still the item's */
    LARDER_INCR,
    LARDER_DECR,    /* stops at 0 */
    LARDER_TOUCH,
    LARDER_DELETE,
    LARDER_NOOP     /* asks the key's server for a sign of life */
};

/* What a request may ask for besides. Those with (meta) are left out with classic servers. */
enum larder_ask {
    LARDER_WANT_HISTORY = 1,   /* get: idle_s and fetched (meta) */
    LARDER_TOUCH_TOO = 2,      /* get: sets the TTL to ttl_s */
    LARDER_NO_VALUE = 4,       /* get: everything but the value (meta) */
    LARDER_VIVIFY = 8,         /* get: a miss creates an empty item for vivify_s, and wins (meta) */
    LARDER_RECACHE = 16,       /* get: wins when less than recache_s are left (meta) */
    LARDER_INITIAL = 32,       /* incr, decr: `initial` with ttl_s if it is not there */
    LARDER_INVALIDATE = 64,    /* delete: marks stale for ttl_s; cas: stores as stale if cas is
                                  older than the item's (meta) */
    LARDER_NO_BUMP = 128,      /* get: does not count as use (meta `no` LRU bump) */
    LARDER_PLACE_BY = 256,     /* the ring places by `place` rather than by the key */
    LARDER_NOT_OLDER = 512     /* get: a miss if the token is below `cas`, see larder_get_since() */
};

struct larder_request {
    enum larder_verb verb;
    unsigned ask;        /* of enum larder_ask */
    const void *key;
    size_t key_bytes;
    const void *value;   /* set, add, replace, append, prepend, cas */
    size_t value_bytes;
    const void *place;   /* with LARDER_PLACE_BY: keys of one text live on one server */
    size_t place_bytes;
    uint64_t cas;        /* cas; delete: only this one, if not 0; get: with LARDER_NOT_OLDER */
    uint64_t delta;      /* incr, decr */
    uint64_t initial;
    uint32_t flags;
    uint32_t ttl_s;      /* from now on, however large; 0: does not expire */
    uint32_t vivify_s;
    uint32_t recache_s;
    void *tag;           /* the caller's, for larder_next() */
};

/* ---- One operation at a time --------------------------------------------------------------- */

/* Carries out one request and waits for its end. `item` may be NULL. */
LARDER_API enum larder_result larder_do(struct larder *larder, const struct larder_request *request,
                                        struct larder_item *item);

/* The same by name; ttl_s and flags as in struct larder_request. */
LARDER_API enum larder_result larder_get(struct larder *larder, const void *key, size_t key_bytes,
                                         struct larder_item *item);
LARDER_API enum larder_result larder_gat(struct larder *larder, const void *key, size_t key_bytes,
                                         uint32_t ttl_s, struct larder_item *item);
LARDER_API enum larder_result larder_touch(struct larder *larder, const void *key,
                                           size_t key_bytes, uint32_t ttl_s);
LARDER_API enum larder_result larder_delete(struct larder *larder, const void *key,
                                            size_t key_bytes);

/* What is stored, for the calls that store. */
struct larder_value {
    const void *data;
    size_t bytes;
    uint32_t flags;
    uint32_t ttl_s;
};
LARDER_API enum larder_result larder_set(struct larder *larder, const void *key, size_t key_bytes,
                                         const struct larder_value *value);
LARDER_API enum larder_result larder_add(struct larder *larder, const void *key, size_t key_bytes,
                                         const struct larder_value *value);
LARDER_API enum larder_result larder_replace(struct larder *larder, const void *key,
                                             size_t key_bytes, const struct larder_value *value);
/* flags and ttl_s of the value have no effect. */
LARDER_API enum larder_result larder_append(struct larder *larder, const void *key,
                                            size_t key_bytes, const struct larder_value *value);
LARDER_API enum larder_result larder_prepend(struct larder *larder, const void *key,
                                             size_t key_bytes, const struct larder_value *value);
/* Stores if the item's token is still `cas`, which a get has told. */
LARDER_API enum larder_result larder_cas(struct larder *larder, const void *key, size_t key_bytes,
                                         const struct larder_value *value, uint64_t cas);
/* Adds or takes away; *number (may be NULL) gets the new number. The value must be there. */
LARDER_API enum larder_result larder_incr(struct larder *larder, const void *key, size_t key_bytes,
                                          uint64_t delta, uint64_t *number);
LARDER_API enum larder_result larder_decr(struct larder *larder, const void *key, size_t key_bytes,
                                          uint64_t delta, uint64_t *number);

/* ---- Many operations at once --------------------------------------------------------------- */

struct larder_key {
    const void *data;
    size_t bytes;
};

/* Gets all keys: pipelined, all servers at once. items[i] is that of keys[i]; its token and TTL are
 * unknown (larder_do_many tells them). Returns how many were hits. */
LARDER_API size_t larder_get_many(struct larder *larder, const struct larder_key *keys,
                                  size_t count, struct larder_item *items);

/* Carries out all requests, in any order; items (may be NULL) as above. Returns how many were
 * good. The bound on time holds for all of them together. */
LARDER_API size_t larder_do_many(struct larder *larder, const struct larder_request *requests,
                                 size_t count, struct larder_item *items);

/* The layer below: operations are begun and their ends taken one by one, in the order in which they
 * end. A handle either has operations under way or serves the calls above: those fail with
 * LARDER_BAD_ARGUMENT while any is. */

/* Begins a request; nothing is waited for. The request itself is copied; its key and value must
 * stay until its end has been taken. False: no memory. What is wrong with a request is told at its
 * end. */
LARDER_API LARDER_MUST_CHECK bool larder_submit(struct larder *larder,
                                                const struct larder_request *request);
/* Operations whose end has not been taken. */
LARDER_API size_t larder_pending(const struct larder *larder);
/* Waits up to wait_ms (0: only looks) for the next end; false: there is none yet. *tag is that of
 * the request; the item lives until the next call. */
LARDER_API bool larder_next(struct larder *larder, unsigned wait_ms, void **tag,
                            struct larder_item *item);

/* For loops of the caller's own: the descriptors to wait for, as struct pollfd has them, and for
 * how long at most before larder_next(larder, 0, ...) is due. What has been submitted is sent by
 * larder_next, so one with wait_ms 0 comes first. */
struct larder_wait {
    int fd;
    short events; /* POLLIN, POLLOUT */
};
/* Writes up to `room`; returns how many there are. */
LARDER_API size_t larder_waits(const struct larder *larder, struct larder_wait *waits, size_t room,
                               unsigned *wait_ms);

/* ---- Servers ------------------------------------------------------------------------------- */

enum larder_server_state {
    LARDER_SERVER_UNTRIED,
    LARDER_SERVER_UP,
    LARDER_SERVER_DOWN,   /* the breaker is open: it is not asked before its back-off has passed */
    LARDER_SERVER_TRYING, /* half-open: one connection tries */
    LARDER_SERVER_WARMING /* it is back, and its replica serves until it is warm */
};

struct larder_server {
    const char *name; /* HOST:PORT or a path */
    enum larder_server_state state;
    bool replica;          /* of the position; otherwise the primary */
    bool meta;             /* it is known to speak the meta protocol */
    bool connected;
    uint64_t requests;     /* sent to it */
    uint64_t failures;     /* connections refused, reset, silent or talking nonsense */
    uint64_t connections;  /* opened */
    uint64_t p95_us;       /* of its recent answers; 0: too few */
};

/* Ring positions. */
LARDER_API uint32_t larder_server_count(const struct larder *larder);
/* The position a key is placed on. */
LARDER_API uint32_t larder_server_of(const struct larder *larder, const void *key,
                                     size_t key_bytes);
/* What is known of a position's primary or replica. False: there is none. */
LARDER_API bool larder_server_at(const struct larder *larder, uint32_t position, bool replica,
                                 struct larder_server *server);

/* Sends one command that is answered by lines, such as `stats` or `stats items`, to a position's
 * primary, and calls `each` for every line (not terminated) before the one that ends the reply.
 * LARDER_DONE, or why not: for an error that the server told, larder_why() has its words. */
typedef void larder_line_function(void *context, const char *line, size_t line_bytes);
LARDER_API enum larder_result larder_command(struct larder *larder, uint32_t position,
                                             const char *command, larder_line_function *each,
                                             void *context);

/* ---- A pool of handles, for any thread ----------------------------------------------------- */

struct larder_pool;

/* Up to `handles_max` handles, made when first needed. NULL: as larder_create(). */
LARDER_API LARDER_MUST_CHECK struct larder_pool *larder_pool_create(
    const struct larder_config *config, unsigned handles_max, const char **why);
/* Every handle must be back. */
LARDER_API void larder_pool_destroy(struct larder_pool *pool);
/* Lends a handle; waits up to wait_ms for one to come back. NULL: none did. */
LARDER_API LARDER_MUST_CHECK struct larder *larder_pool_take(struct larder_pool *pool,
                                                             unsigned wait_ms);
LARDER_API void larder_pool_return(struct larder_pool *pool, struct larder *larder);

/* ---- Against stampedes --------------------------------------------------------------------- */

/* What the computations of a process have in common, and its `origin_` options: one at a time a
 * key, `origin_computes` in all. Any thread may use it, with any handle. */
struct larder_origin;

/* NULL: no memory. */
LARDER_API LARDER_MUST_CHECK struct larder_origin *larder_origin_create(
    const struct larder_config *config);
/* No call may be under way with it. NULL is allowed. */
LARDER_API void larder_origin_destroy(struct larder_origin *origin);

/* What a computation gives. */
struct larder_output {
    uint32_t flags;
    uint32_t ttl_s; /* at first that of struct larder_compute */
};
/* Appends to the value. False: no memory; the computation has failed then. */
LARDER_API bool larder_output_write(struct larder_output *output, const void *data, size_t bytes);

/* Computes the key's value; false: it could not. It is called in the thread of the call and must
 * not use its handle. It ends within a limit of its own: nothing can interrupt it. */
typedef bool larder_compute_function(void *context, const struct larder_key *key,
                                     struct larder_output *output);
struct larder_compute {
    larder_compute_function *function;
    void *context;
    uint32_t ttl_s; /* how long the value is good; 0: until it is deleted or marked stale */
};

/* Gets the key's value, or has it computed and stored by one of all who want it, in whatever
 * process. The others get the old value where there is one (`origin_stale`), or wait.
 *
 *     LARDER_HIT        the value; with LARDER_MARK_COMPUTED it has just been computed
 *     LARDER_STALE      the old value: it is being computed, or could not be
 *     LARDER_FAILED     the computation failed, now or less than `origin_backoff_ms` ago
 *     LARDER_TIMED_OUT  another has computed it for longer than `origin_wait_ms`, or there was no
 *                       room among `origin_computes` for so long
 *
 * A call that does not compute ends within `origin_wait_ms` and two requests. Where servers do not
 * answer, values are computed and not stored. Values are stored with a trailer of 24 bytes that
 * larder_get() shows; docs/protection.md has its layout. `item` may be NULL. To have a value
 * computed
 * anew: LARDER_DELETE, with LARDER_INVALIDATE if the old one may be served meanwhile. */
LARDER_API enum larder_result larder_get_or_compute(struct larder *larder,
                                                    struct larder_origin *origin,
                                                    const struct larder_key *key,
                                                    const struct larder_compute *compute,
                                                    struct larder_item *item);

/* ---- Hot keys, large values, versions ------------------------------------------------------ */

/* docs/protection.md says what readers can see while somebody writes. */

/* An item that is not older than the token `cas`, which a get of the same key has told before; else
 * a miss. For servers whose tokens grow: all that are known, without meta's E. */
LARDER_API enum larder_result larder_get_since(struct larder *larder, const void *key,
                                               size_t key_bytes, uint64_t cas,
                                               struct larder_item *item);

/* A value under KEY#0 to KEY#n-1, which the ring puts on several servers: one key's reads are then
 * spread over them. Keys of up to 247 bytes. All who use the key have to agree on `copies`. */
#define LARDER_COPIES_MAX 32
/* Writes all; stored, or what became of the first that was not. */
LARDER_API enum larder_result larder_copies_set(struct larder *larder,
                                                const struct larder_key *key, unsigned copies,
                                                const struct larder_value *value);
/* Reads one, drawn at random. */
LARDER_API enum larder_result larder_copies_get(struct larder *larder,
                                                const struct larder_key *key, unsigned copies,
                                                struct larder_item *item);
LARDER_API enum larder_result larder_copies_delete(struct larder *larder,
                                                   const struct larder_key *key, unsigned copies);

/* A value of any size, up to the option value_bytes_max: above `large_piece_bytes` it is stored in
 * pieces under keys of their own. Keys of up to 222 bytes. A reader gets a whole value as somebody
 * wrote it, or a miss. Each call is of several requests one after the other, each within
 * `request_ms`: at most 5 to set, 3 to delete, 6 to get. */
LARDER_API enum larder_result larder_large_set(struct larder *larder, const struct larder_key *key,
                                               const struct larder_value *value);
LARDER_API enum larder_result larder_large_get(struct larder *larder, const struct larder_key *key,
                                               struct larder_item *item);
LARDER_API enum larder_result larder_large_delete(struct larder *larder,
                                                  const struct larder_key *key);

#ifdef __cplusplus
}
#endif

#endif
