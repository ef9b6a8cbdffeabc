/* larder: the store - keys to items, shared by all cores
 *
 * Purpose: everything that the protocols can do to items. A key's seeded 64-bit XXH3 picks one of
 *   the partitions; reads take no lock on any core, writes take the partition's short lock.
 *   docs/architecture.md draws slot, bucket, item and page and states who may touch what, when.
 * Owner: the server creates one `struct store`; each core has one `struct store_core`, its handle.
 * Threads: a `store_core` is used by its one thread. Calls on different handles may run at once.
 *   No lock, version or pin outlives a call, except the lease of a lent value.
 * Memory: items and index live inside the budget given at creation (`memory_bytes`); the handles
 *   and the partition table are the stated fixed part. Spans passed in are borrowed for the call.
 * Limits: keys 1..250 bytes; values to `item_bytes_max`; 512 partitions; 32 TiB.
 * Errors: what the world refuses comes back as `enum store_outcome`; misuse asserts. */
#ifndef LARDER_STORE_STORE_H
#define LARDER_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "src/base/assert.h"
#include "src/base/span.h"

struct store;
struct store_core;
struct restart;

#define STORE_KEY_BYTES_MAX 250u
#define STORE_PARTITIONS_MAX 512u
#define STORE_EXPIRY_NEVER 0u
#define STORE_SIZE_STEP 32u
#define STORE_CLASSES_MAX 200u /* size classes are numbered from 1 */

enum store_outcome {
    STORE_OK,          /* stored, deleted, touched, counted */
    STORE_NOT_FOUND,   /* no live item under the key */
    STORE_NOT_STORED,  /* add on an existing key; replace, append, prepend on a missing one */
    STORE_EXISTS,      /* the compared token differs */
    STORE_TOO_LARGE,   /* above item_bytes_max */
    STORE_NO_MEMORY,   /* evictions are off (-M) and the budget is used, or nothing is evictable */
    STORE_NOT_NUMERIC, /* incr/decr on a value that is no number */
};

/* -- life -------------------------------------------------------------------------------------- */

struct store_head;

/* Told of an item that is evicted, while store_evictions_watch() is on: under the partition's lock,
 * so copy and return. `partition` is 0 to store_partitions() - 1, `now` in store seconds. */
typedef void store_evicted(void *context, uint32_t partition, uint32_t now,
                           const struct store_head *head, const uint8_t *key);

struct store_config {
    store_evicted *evicted;    /* may be NULL */
    void *evicted_context;
    uint64_t memory_bytes;     /* budget for items and their index */
    uint64_t memory_bytes_max; /* address space to reserve, for raising the budget; 0 = as needed */
    uint64_t item_bytes_max;   /* memcached's -I: bounds store_item_bytes() */
    unsigned partition_count;  /* 0 = by rule, see store_partition_count() */
    unsigned core_count;       /* handles that will be created */
    const int *core_nodes;     /* the NUMA node of each core, which its partitions prefer, read by
                                  store_create() only; or NULL: no preference */
    uint64_t hash_seed;        /* random in production, fixed in tests */
    uint32_t temporary_ttl;    /* items with at most this TTL (s) are not evicted early; 0 = off */
    bool evict;                /* false: -M */
    bool token_in_items;       /* false: -C, gets answers 0 */
    bool track_sizes;          /* store_sizes_count() has something to tell; 1/256 of the memory
                                * at most, apart from the budget */
    bool huge_pages;           /* -L: ask for 2 MiB pages outright */
    bool lock_memory;          /* -k */
    struct restart *restart;   /* the file that holds the store (restart.h), open and with its time
                                  set; NULL: memory that dies with the process */
};

/* The number of partitions: 4 a core of at least 128 MiB each, else 2 a core of at least 16 MiB;
 * none under 16 x item_bytes_max or above 32 GiB; 1 to STORE_PARTITIONS_MAX. */
unsigned store_partition_count(uint64_t memory_bytes, uint64_t item_bytes_max, unsigned core_count);

/* Creates the store. Returns NULL with errno set when address space or tables cannot be had. A
 * store that is found in config->restart is taken over with its partitions and hash seed; one that
 * cannot be gives way to an empty one, and restart->reason tells. */
MUST_CHECK struct store *store_create(const struct store_config *config);
/* Frees everything. No handle may be in use. */
void store_destroy(struct store *store);

/* Creates the handle of core `index` (0..core_count-1), on the thread that will use it. */
MUST_CHECK struct store_core *store_core_create(struct store *store, unsigned index);
void store_core_destroy(struct store_core *core);

/* Every use of a handle lies between begin and end of a turn. `now` is the store's clock in seconds
 * (starts at 2 or above, see store_flush; never goes back except by debugtime). After end, the core
 * holds nothing that keeps retired memory alive; a core that sleeps must have ended its turn. */
void store_turn_begin(struct store_core *core, uint32_t now);
void store_turn_end(struct store_core *core);

/* -- keys -------------------------------------------------------------------------------------- */

struct store_key {
    const uint8_t *data;
    uint32_t len; /* 1..250 */
    uint64_t hash;
};

/* Seeded hash of a key; pure. */
uint64_t store_hash(const struct store *store, const uint8_t *data, size_t len);

/* Prefetch in two stages for a window of requests: all buckets first, then all items. Hints
 * only. */
void store_prefetch_bucket(struct store_core *core, uint64_t hash, bool for_write);
void store_prefetch_item(struct store_core *core, uint64_t hash);

/* -- reading ----------------------------------------------------------------------------------- */

/* An item without its bytes. */
struct store_head {
    uint64_t token;       /* CAS unique; 0 when the store runs without */
    uint64_t version;     /* order, larger is newer (design section 5) */
    uint64_t value_bytes; /* length of the value */
    uint32_t client_flags;
    uint32_t expiry;   /* store seconds, STORE_EXPIRY_NEVER = none */
    uint32_t accessed; /* store seconds of the last access, coarse (60 s) */
    uint8_t key_bytes;
    uint8_t class_id;    /* of the (first) chunk */
    bool fetched;        /* was fetched before this access */
    bool stale;          /* meta: marked stale */
    bool win_sent;       /* meta: the win token is out */
    bool key_is_binary;  /* meta: key came base64-encoded */
};

/* What a read does to the item. */
enum store_access {
    STORE_ACCESS_COUNTED = 0, /* counts for eviction and last-access time */
    STORE_ACCESS_EXPIRY = 1,  /* counts, and sets the expiry to sink->expiry (gat): a write */
    STORE_ACCESS_QUIET = 2,   /* changes nothing (meta u, me) */
    STORE_ACCESS_EXPIRY_QUIET = 3, /* sets the expiry, changes nothing else (meta T with u) */
};

/* How a value is read and where it goes. The store calls place() with the head of the item it
 * found; it returns memory for head->value_bytes bytes, into which the store copies, or NULL: then
 * the value is lent if sink->may_lend says so, else only the head is delivered. place() is called
 * again when the item changed meanwhile; whatever an earlier call prepared is void. Embed this
 * struct first in a larger one to find the context. */
struct store_sink {
    uint8_t *(*place)(struct store_sink *sink, const struct store_head *head);
    enum store_access access;
    uint32_t expiry; /* for STORE_ACCESS_EXPIRY; store seconds */
    bool may_lend;   /* set by the store before each call of place() */
};

enum store_read {
    STORE_MISS,    /* nothing under the key */
    STORE_EXPIRED, /* a miss: the item's time is over */
    STORE_FLUSHED, /* a miss: the item is older than the last flush_all */
    STORE_HIT,     /* head and, if place() gave memory, value were delivered, of one moment */
    STORE_LENT,    /* as STORE_HIT, but the value is in *lease and must be returned */
};

/* A lent value: readable until returned, whatever happens to the key meanwhile. */
struct store_lease {
    uint64_t location; /* of the head chunk; 0 = no lease */
    uint64_t next;     /* of the chunk behind it */
    uint64_t value_bytes;
    uint32_t head_offset; /* where the value begins in the head chunk */
    uint32_t head_bytes;  /* how much of it lies there */
    uint32_t partition;
    uint32_t lent_at; /* store seconds */
};

/* Reads the item under `key`. `lease` may be NULL: nothing is lent then. Only values of at least
 * store_lend_bytes_min() are lent, and only while loans leave memory enough. `head` is filled on
 * HIT, LENT, and, as far as known, on EXPIRED and FLUSHED. Takes no lock, but for
 * STORE_ACCESS_EXPIRY and after many collisions with writers. */
enum store_read store_get(struct store_core *core, const struct store_key *key,
                          struct store_sink *sink, struct store_head *head,
                          struct store_lease *lease);

/* What a meta get does besides reading. Zeroed, it does what store_get does, and hands out the win
 * of a stale item. */
struct store_lookup {
    struct store_sink sink; /* first: as for store_get */
    bool vivify;            /* a miss creates an empty item, and wins */
    uint32_t vivify_expiry; /* its expiry */
    bool set_token;         /* its token is `token`, else one of the store's */
    uint64_t token;
    bool key_is_binary;
    bool recache;            /* an item that expires before recache_before: the first asker wins */
    uint32_t recache_before; /* store seconds */
    bool recache_touched;    /* look at the expiry that this access sets, not at the old one */
    bool won;     /* out: this caller shall recompute the value; set before place() is called */
    bool created; /* out: by this call */
};

/* As store_get. head->win_sent is as it was before; a win marks the item. Takes the lock only to
 * create, to touch, and to hand out a win. */
enum store_read store_look_up(struct store_core *core, const struct store_key *key,
                              struct store_lookup *lookup, struct store_head *head,
                              struct store_lease *lease);

uint64_t store_lend_bytes_min(void);

/* Fills up to `count` iovecs with the bytes of the lent value from `*offset` on and advances it.
 * Returns how many were filled. The memory stays valid until store_lease_return. */
unsigned store_lease_spans(const struct store *store, const struct store_lease *lease,
                           uint64_t *offset, struct iovec *spans, unsigned count);
/* Copies bytes of a lent value (for recall). */
void store_lease_copy(const struct store *store, const struct store_lease *lease, uint64_t offset,
                      uint8_t *to, size_t bytes);
/* Any core may return a lease; *lease becomes empty. */
void store_lease_return(struct store_core *core, struct store_lease *lease);

/* -- writing ----------------------------------------------------------------------------------- */

enum store_mode { STORE_SET, STORE_ADD, STORE_REPLACE, STORE_APPEND, STORE_PREPEND };

struct store_write {
    struct store_key key;
    enum store_mode mode;
    uint32_t client_flags; /* ignored by append, prepend (the old ones stay) */
    uint32_t expiry;       /* the same; store seconds, STORE_EXPIRY_NEVER = none */
    bool compare : 1;      /* cas: store only if the item's token is compare_token */
    bool set_token : 1;    /* meta E: the client chose the token */
    bool key_is_binary : 1;
    bool stale : 1;      /* the new item is marked stale */
    bool win_sent : 1;   /* its win is out */
    bool keep_fetched : 1; /* what replaces an item is as much fetched as that was */
    bool invalidate : 1; /* with compare: a token lower than the item's serves too, and the new item
                          * is stale, keeps the old one's expiry and its win */
    bool create : 1;     /* append, prepend: a missing item is stored, with client_flags, expiry */
    uint64_t compare_token;
    uint64_t token;
    uint64_t *value_bytes; /* out, may be NULL: of the joined value after append, prepend */
};

/* memcached's size of an item, which -I bounds: 48 + 8 (with CAS) + (4 if flags) + key + 1 + value
 * + 2. Kept exactly because clients split values by it. */
uint64_t store_item_bytes(const struct store *store, uint32_t key_bytes, uint32_t client_flags,
                          uint64_t value_bytes);
/* Whether an item of that size may be stored at all. */
bool store_item_fits(const struct store *store, uint32_t key_bytes, uint32_t client_flags,
                     uint64_t value_bytes);

/* Stores `value` whole. On STORE_OK `*token` (may be NULL) is the new CAS unique. A failing set
 * (TOO_LARGE, NO_MEMORY) deletes what was there, as memcached does; the other modes leave it. */
enum store_outcome store_put(struct store_core *core, const struct store_write *write,
                             const struct iovec *value, uint64_t *token);

/* A value that arrives in pieces. Chunks are taken as the bytes come, never by the announced
 * length. Plain data inside the caller's session; begin .. commit or abandon. */
struct store_upload {
    struct store_write write; /* its key lies in key_copy */
    uint8_t key_copy[STORE_KEY_BYTES_MAX];
    uint64_t value_bytes;      /* announced */
    uint64_t filled_bytes;     /* arrived */
    uint64_t reserved_bytes;   /* of the value, for which chunks were taken */
    uint64_t head_location;    /* first chunk; 0 = none yet */
    uint64_t end_location;     /* last chunk taken */
    uint64_t fill_location;    /* the chunk being filled */
    uint32_t fill_offset;      /* where its next byte goes */
    uint32_t fill_space_bytes; /* left in it */
    uint32_t shape;            /* of the item to be */
    uint32_t partition;
    uint64_t chunk_bytes;      /* taken so far */
    _Atomic uint32_t advanced_at; /* store seconds */
    enum store_outcome failed; /* STORE_OK while it goes well; then bytes are swallowed */
    _Atomic uint32_t state;    /* idle, busy (its memory is being filled) or dropped */
    bool whole;                /* the value is at hand: never dropped */
    bool roomy;                /* the last chunk of a large value is a large one: it will grow */
    struct store_upload *next, *before; /* of the partition's uploads; its lock */
};

/* Starts an upload of `value_bytes` bytes. Returns STORE_OK, or TOO_LARGE / NO_MEMORY at once (the
 * caller swallows). For STORE_SET a failure deletes what was there. */
enum store_outcome store_upload_begin(struct store_core *core, struct store_upload *upload,
                                      const struct store_write *write, uint64_t value_bytes);
/* Copies the next bytes in. Bytes after a failure are dropped; upload->failed says why: the
 * partition's largest stalled upload is dropped when uncommitted bytes pass their bound, which the
 * upload sees here or at commit (STORE_NO_MEMORY; the old value stays). */
void store_upload_append(struct store_core *core, struct store_upload *upload, const uint8_t *data,
                         size_t bytes);
/* Memory for a direct receive of the next bytes: fills up to `count` iovecs, takes chunks for at
 * most `bytes_max`. Returns 0 when the upload has failed. The chunks cannot be dropped until
 * advance. */
unsigned store_upload_space(struct store_core *core, struct store_upload *upload,
                            struct iovec *space, unsigned count, size_t bytes_max);
void store_upload_advance(struct store_core *core, struct store_upload *upload, size_t bytes);
/* Links the finished item, by the rules of its mode. Closes the upload. */
enum store_outcome store_upload_commit(struct store_core *core, struct store_upload *upload,
                                       uint64_t *token);
/* Gives everything back; harmless on a closed upload. */
void store_upload_abandon(struct store_core *core, struct store_upload *upload);

enum store_outcome store_delete(struct store_core *core, const struct store_key *key);
enum store_outcome store_touch(struct store_core *core, const struct store_key *key,
                               uint32_t expiry);

/* A delete with conditions, or what is left instead of the item. */
struct store_removal {
    bool compare; /* only if the item's token is compare_token, else STORE_EXISTS */
    uint64_t compare_token;
    bool invalidate; /* keep the item, stale, with a new token, its win to be had again */
    bool drop_value; /* keep the item, without value, client flags and, but for `touch`, expiry */
    bool touch;      /* what is kept gets this expiry */
    uint32_t expiry;
    bool set_token; /* what is kept gets this token; else drop_value alone keeps the old one */
    uint64_t token;
};

enum store_outcome store_remove(struct store_core *core, const struct store_key *key,
                                const struct store_removal *removal);

/* incr and decr: 64-bit wrap on incr, stop at 0 on decr; a shorter text keeps its length, padded
 * with spaces. STORE_OK: *value is the new number. */
enum store_outcome store_arith(struct store_core *core, const struct store_key *key, bool decrement,
                               uint64_t delta, uint64_t *value);

/* The same with all that meta and binary ask for. */
struct store_count {
    bool decrement;
    uint64_t delta;
    bool compare; /* only if the item's token is compare_token, else STORE_EXISTS */
    uint64_t compare_token;
    bool create; /* a missing item is stored with `initial` and create_expiry */
    uint64_t initial;
    uint32_t create_expiry;
    bool touch; /* an item that is there gets this expiry */
    uint32_t expiry;
    bool set_token; /* the result gets this token */
    uint64_t token;
    bool key_is_binary; /* mark of a created item */
};

struct store_counted {
    uint64_t value;  /* the new number */
    uint64_t token;
    uint32_t expiry; /* before this change; of a created item STORE_EXPIRY_NEVER */
    bool created;
};

enum store_outcome store_count(struct store_core *core, const struct store_key *key,
                               const struct store_count *count, struct store_counted *counted);

/* flush_all: everything stored before `when` (store seconds; <= now = immediately) is dead from
 * `when` on. One pending flush; a later call replaces it. */
void store_flush(struct store_core *core, uint32_t when);

/* -- upkeep ------------------------------------------------------------------------------------ */

/* Does bounded upkeep (splits, reserve, expiry, ghosts, limbo, due flush) for the partitions that
 * the core owns, and any others whose owners fell behind, for about `budget_ns`. True: more is
 * waiting. */
bool store_upkeep(struct store_core *core, uint64_t budget_ns);
/* Asks for a look at every page that holds expired items, at once, not only where it pays: they are
 * gone after a second or two of upkeep. Any thread. */
void store_sweep(struct store *store, uint32_t now);
/* Called by the housekeeping thread: populates and releases memory, which may block. Returns true
 * while more is waiting. `store_housekeeping_due` is cheap and may be polled by cores. */
bool store_housekeeping(struct store *store);
bool store_housekeeping_due(const struct store *store);

/* cache_memlimit: changes the budget; memory above it goes back in the background. False: out of
 * bounds. */
MUST_CHECK bool store_memory_limit_set(struct store *store, uint64_t memory_bytes);

/* Changes store_config.temporary_ttl. Any thread. */
void store_temporary_ttl_set(struct store *store, uint32_t ttl_s);

enum store_reassign {
    STORE_REASSIGN_STARTED,
    STORE_REASSIGN_BUSY,     /* another one is under way */
    STORE_REASSIGN_NO_SPARE, /* less than two pages, or nothing may be evicted (-M) */
};
/* Has the emptiest page of the size classes first..last emptied, in the partition that has most of
 * them, by this core's upkeep: items move to other pages of their class while those have room, else
 * they are evicted. The page goes to the pool, from which every class takes. A page that something
 * pins (a value on loan, an upload) stays. */
enum store_reassign store_reassign(struct store_core *core, unsigned first, unsigned last);
bool store_reassign_running(const struct store *store);

/* -- walking ----------------------------------------------------------------------------------- */

/* A walk over all items, a bucket a step: complete, and nothing twice, whatever splits, merges,
 * moves and writes happen meanwhile (an item that is stored or deleted during the walk may be met
 * or not). Zeroed to begin with; plain data. */
struct store_walk {
    uint32_t partition;
    uint64_t position; /* in the partition's hashes, bits reversed */
};

/* Called for each live item of a bucket, under the partition's lock: copy, and return soon. */
typedef void store_visit(void *context, const struct store_head *head, const uint8_t *key);

/* Visits the next bucket. False: the walk is over, nothing was visited. Within a turn. */
bool store_walk_step(struct store_core *core, struct store_walk *walk, store_visit *visit,
                     void *context);
/* How far a walk is, in thousandths. */
unsigned store_walk_progress(const struct store *store, const struct store_walk *walk);

/* -- looking in -------------------------------------------------------------------------------- */

struct store_totals {
    uint64_t items, items_total;    /* now; linked ever */
    uint64_t bytes;                 /* memcached's item sizes, summed */
    uint64_t evictions, evicted_unfetched, evicted_active;
    uint64_t expired_unfetched, reclaimed, expired_upkeep, checked_upkeep;
    uint64_t no_memory, too_large;
    uint64_t memory_limit_bytes, memory_used_bytes; /* budget; pages in use, index included */
    uint64_t index_bytes, page_bytes, pages_total, pages_free, page_moves;
    uint64_t uncommitted_bytes, lent_bytes, limbo_bytes;
    uint64_t splits, merges, evacuations, promotions, ghost_hits, lock_waits, read_retries;
    unsigned partitions, classes, index_power; /* log2 of all buckets */
};
void store_totals(const struct store *store, struct store_totals *totals);

/* Why the system refused something lately: an errno, 0 = it has not. The store goes on without. */
struct store_refusals {
    int memory; /* the budget cannot be filled */
    int huge;   /* huge pages set aside (huge_pages): advised ones are taken */
    int advice; /* nor are those */
    int node;   /* memory comes from any node */
    uint64_t huge_bytes; /* taken of those set aside */
};
void store_refusals(const struct store *store, struct store_refusals *refusals);

struct store_class_totals {
    uint32_t chunk_bytes, chunks_per_page;
    uint64_t pages, chunks_used, chunks_free;
    uint64_t items, bytes;               /* items whose head lies here; their memcached sizes */
    uint64_t items_small;                /* of these in the small (probation) queue */
    uint64_t evicted, evicted_nonzero, evicted_unfetched, evicted_age_last; /* age in s then */
    uint64_t evicted_active, promotions; /* evicted though asked for lately; left the small queue */
    uint64_t expired_unfetched, reclaimed, expired_upkeep, checked_upkeep, no_memory;
    uint64_t age_oldest;                 /* s since last access of the oldest seen lately */
};
/* The number of partitions; constant. */
unsigned store_partitions(const struct store *store);
/* Has store_config.evicted called from now on, or no more. Any thread. */
void store_evictions_watch(struct store *store, bool on);
/* The number of classes; constant. */
unsigned store_class_count(const struct store *store);
/* Classes are numbered 1..store_totals.classes; false for one that has and had nothing to tell. */
bool store_class_totals(const struct store *store, unsigned class_id,
                        struct store_class_totals *totals);

/* The size class of the item that the core's last put or commit stored, or would have stored; known
 * after STORE_OK, NOT_STORED, EXISTS and NOT_FOUND. */
unsigned store_class_stored(const struct store_core *core);
/* The size class of the item that the core's last compare, delete, touch or count found. */
unsigned store_class_found(const struct store_core *core);
/* The size class that an item of these sizes, without expiry, would be in. */
unsigned store_class_for(const struct store_core *core, const struct store_key *key,
                         uint32_t client_flags, uint64_t value_bytes);

/* With store_config.track_sizes: the items whose size (memcached's, store_item_bytes()), in steps
 * of STORE_SIZE_STEP bytes rounded up, is `step`; steps from store_sizes_end() on have none. */
uint64_t store_sizes_count(const struct store *store, uint32_t step);
uint32_t store_sizes_end(const struct store *store);

/* Sets the base of the counters that `stats reset` zeroes (a baseline, the counters go on). */
void store_counters_reset(struct store *store);

/* Walks everything: index <-> items <-> queues <-> pages <-> budget. For tests, with no other
 * thread inside the store. Returns NULL, or a static text naming the first disagreement. */
const char *store_check(struct store *store);

#endif
