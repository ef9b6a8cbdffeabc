/* larder: a partition and the store around it, as the store's own files see them
 *
 * Purpose: the state that index.c, read.c, write.c, upload.c, lend.c, evict.c, expire.c, space.c
 *   and upkeep.c share. Nobody outside src/store includes this.
 * Owner: the store.   Threads: fields under "lock" are written under the partition's lock; those
 *   that readers use are atomics, and each says who reads it.
 * Memory: one struct a partition, apart from the budget (the stated fixed part).
 * Limits: see store.h.   Errors: none. */
#ifndef LARDER_STORE_PARTITION_H
#define LARDER_STORE_PARTITION_H

#include <pthread.h>

#include "slab/bin.h"
#include "slab/pool.h"
#include "slab/slab_copy.h"
#include "src/store/balance.h"
#include "src/store/item.h"
#include "src/store/lock.h"
#include "src/store/slot.h"
#include "src/store/store.h"

enum {
    EVICT_BATCH_MAX = 4,       /* victims in one hold */
    EVICT_REQUEST_MAX = 64,    /* victims of one request, then memory is taken by force */
    MOVE_BATCH_MAX = 8,        /* items moved in one hold by an evacuation */
    FREE_BATCH_MAX = 8,        /* chunks of a dead chain given back in one hold */
    FILL_IN_HOLD_BYTES_MAX = 512,
    READ_TRIES_MAX = 100,      /* then the reader takes the lock */
    CHAIN_HOPS_MAX = 64,       /* overflow buckets a reader follows before it looks again */
    ACCESS_COARSE_S = 60,
#ifdef LARDER_SCHEDULE
    LEND_BYTES_MIN = 5 * 1024, /* a chain of two chunks: schedules stay short */
#else
    LEND_BYTES_MIN = 16 * 1024,
#endif
    ROW_BYTES = 64, /* of every table: a bucket, an overflow bucket, a ghost line */
};

/* A table of 64-byte rows in pages of the pool. The directory is read without the lock. */
struct table {
    _Atomic uint32_t *directory; /* page of rows row >> rows_shift */
    uint32_t pages_max;
    _Atomic uint32_t pages; /* lock */
};

/* The small queue: hash fragments in a list of pages, oldest at the tail. Under lock. */
struct small_queue {
    uint32_t head_page, tail_page;
    uint32_t head_at, tail_at; /* entry in its page */
    uint64_t entries;
    uint32_t pages;
};

/* An index page that merges emptied, until no reader can be in it. */
struct retired_page {
    uint64_t epoch;
    uint32_t page;
};
#define RETIRED_MAX 16u

/* The class line: bin and counters of one class in one partition. Counters: lock; read by stats. */
struct partition_class {
    CACHE_ALIGNED struct slab_bin bin;
    _Atomic uint64_t items;
    _Atomic uint64_t bytes;
    _Atomic uint64_t items_small;
    _Atomic uint64_t evicted;
    _Atomic uint64_t evicted_nonzero;
    _Atomic uint64_t evicted_unfetched;
    _Atomic uint64_t evicted_active;
    _Atomic uint64_t expired_unfetched;
    _Atomic uint64_t reclaimed;
    _Atomic uint64_t expired_upkeep;
    _Atomic uint64_t checked_upkeep;
    _Atomic uint64_t promotions;
    _Atomic uint64_t no_memory;
    _Atomic uint32_t evicted_age_last;
};

/* Which class serves which size: see fit.c. Lock; `serving` is read by anybody. */
struct fit {
    _Atomic uint8_t serving[SLAB_CLASSES_MAX + 1]; /* of the class that fits best */
    uint16_t demand[SLAB_CLASSES_MAX + 1];         /* chunks asked for since the last review */
    uint32_t skipped;                              /* requests since the last one counted */
    uint32_t counted;
    uint64_t counted_bytes;
    uint64_t review_bytes; /* counted bytes at which the next review is due */
};

/* Lock; read by stats. */
struct partition_counters {
    _Atomic uint64_t items;
    _Atomic uint64_t items_total;
    _Atomic uint64_t bytes;
    _Atomic uint64_t evictions;
    _Atomic uint64_t evicted_unfetched;
    _Atomic uint64_t evicted_active;
    _Atomic uint64_t expired_unfetched;
    _Atomic uint64_t reclaimed;
    _Atomic uint64_t expired_upkeep;
    _Atomic uint64_t checked_upkeep;
    _Atomic uint64_t no_memory;
    _Atomic uint64_t too_large;
    _Atomic uint64_t page_moves;
    _Atomic uint64_t splits;
    _Atomic uint64_t merges;
    _Atomic uint64_t evacuations;
    _Atomic uint64_t promotions;
    _Atomic uint64_t ghost_hits;
    _Atomic uint64_t lock_waits;
};

struct partition {
    /* Read by every lookup; written when the index grows and by flush_all. */
    CACHE_ALIGNED _Atomic uint64_t geometry; /* level << 32 | buckets split in this level */
    _Atomic uint64_t flush_version;          /* older items are dead */
    struct table index;
    struct table overflow;
    struct table ghosts;
    uint32_t number;
    uint32_t node;
    _Atomic uint32_t overflow_rows; /* rows 1.. below it were handed out */

    /* The write line. */
    CACHE_ALIGNED struct lock lock;
    uint64_t clock; /* counter of the versions */
    uint64_t small_bytes, chunk_bytes; /* in chunks: probation queue, all items */
    uint32_t spare_page;               /* zeroed, for the next growth of a table */
    uint32_t overflow_free;            /* list of overflow rows */
    uint32_t overflow_free_count;
    uint32_t hand;                     /* the clock hand: bucket */
    bool hand_odd;                     /* in every other sweep */
    _Atomic uint32_t chunk_pages;      /* of all classes; lock, read by poorer partitions */
    _Atomic uint32_t flush_count;      /* lock; read by the sweep */
    _Atomic uint32_t upkeep_due;       /* bits, UPKEEP_ */
    uint64_t limbo_head, limbo_tail;   /* chains to be freed: locations, linked by item->version */

    struct small_queue small;
    struct retired_page retired[RETIRED_MAX];
    unsigned retired_count;
    unsigned fragment_bits; /* bucket bits in a fragment; the rest are tag */
    struct balance *balance; /* small queue against main: one of store->balances */
    struct store_upload *uploads, *uploads_last;
    _Atomic uint64_t uncommitted_bytes; /* lock */
    _Atomic uint64_t lent_bytes;        /* any core */
    _Atomic uint64_t limbo_bytes;       /* lock */
    struct partition_counters counters;
    _Atomic uint32_t *sizes;      /* items by size; NULL: not counted. Lock; read by stats */
    _Atomic uint32_t sizes_end;   /* no item ever was so large, in steps */
    struct fit fit;
    struct partition_class classes[SLAB_CLASSES_MAX + 1];
};

enum {
    UPKEEP_GROW = 1,   /* the index is over its load */
    UPKEEP_SPARE = 2,  /* a table page is wanted */
    UPKEEP_LIMBO = 4,  /* dead chains wait */
    UPKEEP_MERGE = 8,  /* the index is half empty */
};

struct store {
    struct store_config config;
    struct slab_pool pool;
    uint32_t partition_count;
    uint32_t page_rows_shift; /* log2 of rows a page */
    uint32_t small_value_bytes; /* values up to it fit -I and one chunk, whatever comes with them */
    uint64_t partition_bytes; /* a partition's share when pages and classes were chosen */
    struct partition *partitions;
    struct balance *balances; /* by partition */
    _Atomic(struct store_core *) *cores;
    _Atomic uint32_t *sweeps; /* by core: store second in which its share of the pages was begun */

    CACHE_ALIGNED _Atomic uint64_t epoch; /* of reclamation; raised when something is retired */
    _Atomic uint32_t temporary_ttl;       /* config.temporary_ttl, which may change */
    _Atomic uint32_t evictions_watched;   /* config.evicted is to be called */
    _Atomic uint32_t sweep_until;         /* until then the sweep visits whatever has expired */
    _Atomic uint32_t flush_at;            /* pending flush_all, 0 = none */
    _Atomic uint32_t reassigning;         /* a core empties a page that was asked for */
    pthread_mutex_t flush_mutex;
    struct store_totals baseline; /* of stats reset; flush_mutex */
    struct store_class_totals class_baselines[SLAB_CLASSES_MAX + 1]; /* the same */
};

/* A page being searched for dead items, a few chunks a hold. */
struct visit {
    struct partition *p; /* NULL: none */
    uint32_t page;
    unsigned index;
    uint32_t earliest, latest; /* of those that live on */
    uint32_t flush_count;
    bool begun;
};

/* A page being emptied because the limit was lowered, a few chunks a hold. */
struct shrink {
    struct partition *p; /* NULL: none */
    uint32_t page;
    uint32_t next; /* partition that gives the next page */
    bool move;
    bool leaving;      /* the page's extent goes back to the system */
    bool asked;        /* for by store_reassign() */
    uint32_t steps;    /* taken then */
    uint32_t searched; /* where the next such page is looked for */
};

struct store_core {
    CACHE_ALIGNED _Atomic uint64_t epoch_seen; /* UINT64_MAX = asleep */
    struct store *store;
    uint32_t now;
    uint32_t index;
    struct lock_hold hold;
    uint32_t upkeep_swept; /* store second in which all partitions were looked at */
    uint32_t upkeep_left;  /* partition in which this core left work behind, + 1; 0: none */
    struct shrink shrink;
    uint32_t expiry_page;  /* page to look at next */
    uint32_t expiry_dead_mille; /* dead ones in a thousand chunks that are worth a visit */
    uint64_t expiry_looks, expiry_evictions; /* see looks_grant() */
    struct visit visit;
    uint32_t class_stored; /* see store_class_stored(), store_class_found() */
    uint32_t class_found;
    _Atomic uint64_t read_retries;
    uint8_t *scratch; /* for append and the like: the largest chunk twice */
};

static inline unsigned location_class(const struct store *store, uint64_t location) {
    uint32_t page = slab_location_page(&store->pool, location);
    return atom_load_relaxed(&slab_page_of(&store->pool, page)->class_id);
}

static inline struct partition *partition_of(const struct store *store, uint64_t hash) {
    return &store->partitions[hash_partition(hash, store->partition_count)];
}

static inline void partition_lock(struct store_core *core, struct partition *p) {
    if (lock_acquire(&p->lock, &core->hold)) {
        atom_own_add(&p->counters.lock_waits, 1u);
    }
}

static inline void partition_unlock(struct store_core *core, struct partition *p) {
    if (atom_load_relaxed(&p->upkeep_due) != 0) {
        core->upkeep_left = p->number + 1;
    }
    lock_release(&p->lock, &core->hold);
}

static inline uint64_t partition_next_version(struct partition *p) {
    return ++p->clock << 9 | p->number;
}

static inline struct item *item_at(const struct store *store, uint64_t location) {
    return (struct item *)(void *)slab_at(&store->pool, location);
}

static inline struct continuation *continuation_at(const struct store *store, uint64_t location) {
    return (struct continuation *)(void *)slab_at(&store->pool, location);
}

static inline bool item_is_dead(const struct partition *p, uint64_t version, uint32_t expiry,
                                uint32_t now) {
    return version < atom_load_relaxed(&p->flush_version) || (expiry != 0 && expiry <= now);
}

static inline void upkeep_request(struct partition *p, uint32_t bits) {
    uint32_t due = atom_load_relaxed(&p->upkeep_due);
    if ((due & bits) != bits) {
        atom_store_relaxed(&p->upkeep_due, due | bits);
    }
}

/* memcached's size of an item; store->config decides about the 8 bytes of the CAS. */
uint64_t item_memcached_bytes(const struct store *store, struct item *item, uint32_t shape);
/* Bytes of all chunks of the item whose head chunk is at `location`. */
uint64_t item_chunk_bytes(const struct store *store, uint64_t location, uint32_t shape);

/* -- index.c ----------------------------------------------------------------------------------- */

static inline void *table_row(const struct store *store, const struct table *table, uint32_t row) {
    uint32_t page = atom_load_relaxed(&table->directory[row >> store->page_rows_shift]);
    uint32_t in_page = row & ((1u << store->page_rows_shift) - 1);
    return slab_page_memory(&store->pool, page) + (uint64_t)in_page * ROW_BYTES;
}

static inline uint32_t geometry_buckets(uint64_t geometry) {
    return (1u << (geometry >> 32)) + (uint32_t)geometry;
}

static inline uint32_t geometry_bucket_of(uint64_t geometry, uint64_t hash) {
    uint32_t level = (uint32_t)(geometry >> 32);
    uint32_t bits = hash_bucket_bits(hash);
    uint32_t bucket = bits & ((1u << level) - 1);
    if (bucket < (uint32_t)geometry) {
        bucket = bits & ((2u << level) - 1);
    }
    return bucket;
}

static inline struct bucket *index_bucket(const struct store *store, const struct partition *p,
                                          uint32_t number) {
    return table_row(store, &p->index, number);
}

static inline struct bucket *overflow_bucket(const struct store *store, const struct partition *p,
                                             uint32_t number) {
    return table_row(store, &p->overflow, number);
}

/* A place in the index, found under the lock. */
struct cursor {
    struct bucket *home;
    struct bucket *line; /* home or an overflow bucket */
    uint32_t bucket;
    unsigned slot_index;
    uint64_t slot; /* 0 = the key is not there */
    struct item *item;
    uint32_t shape;
};

/* Sets up the partition's tables. False: no memory. */
MUST_CHECK bool index_init(struct store *store, struct partition *p);
void index_fini(struct store *store, struct partition *p);
/* Gives an empty table its first page, the spare one; called once for index and once for ghosts. */
MUST_CHECK bool index_start(struct store *store, struct partition *p);

/* Finds the key's slot. Under the lock. */
bool index_find(struct store *store, struct partition *p, const struct store_key *key,
                struct cursor *cursor);
/* Finds the slot that names `location`, by the item's hash. Under the lock. */
bool index_find_location(struct store *store, struct partition *p, uint64_t hash,
                         uint64_t location, struct cursor *cursor);
/* Adds a slot for the key of `hash`. False: an overflow bucket is needed and no page is spare; the
 * caller lets space_make_table_page() run and tries again. */
MUST_CHECK bool index_insert(struct store *store, struct partition *p, uint64_t hash,
                             uint64_t location, bool main_queue);
/* Takes the cursor's slot out; returns its last value (readers may have raised its counter). */
uint64_t index_remove(struct store *store, struct partition *p, const struct cursor *cursor);
/* Lets the cursor's slot name another chunk, between bucket_change_begin and _end. */
void index_relocate(const struct cursor *cursor, uint64_t location, uint64_t clear_bits);

/* Splits one bucket if the index is over its load, or merges one if it is far under it. True: did
 * something. Under the lock. */
bool index_step(struct store *store, struct partition *p);
/* Gives retired pages to the pool once no reader can be in them. Under the lock. */
void index_reap(struct store *store, struct partition *p);
bool index_wants_growth(const struct partition *p);
bool index_wants_merge(const struct partition *p);

uint64_t item_hash(const struct store *store, struct item *item, uint32_t shape);

/* -- queue.c: small queue and ghosts ----------------------------------------------------------- */

void small_queue_init(struct small_queue *queue);
/* False: a page is needed and none is spare. */
MUST_CHECK bool small_queue_push(struct store *store, struct partition *p, uint64_t hash);
/* The oldest fragment; false when empty. */
bool small_queue_pop(struct store *store, struct partition *p, uint32_t *fragment);
/* The fragment `ahead` entries behind the oldest, for prefetching; false when there is none. */
bool small_queue_peek(struct store *store, struct partition *p, unsigned ahead,
                      uint32_t *fragment);
#define GHOST_AGES 8u
void ghost_add(struct store *store, struct partition *p, uint64_t hash);
/* Whether the key was evicted lately: 0, or 1 to GHOST_AGES, the youngest first. Takes the mark
 * away. */
unsigned ghost_take(struct store *store, struct partition *p, uint64_t hash);
void ghost_prefetch(const struct store *store, const struct partition *p, uint64_t hash);

/* -- evict.c ----------------------------------------------------------------------------------- */

/* How an item leaves. */
enum leave {
    LEAVE_DELETED,
    LEAVE_REPLACED,
    LEAVE_EXPIRED, /* expired or flushed, found on the way */
    LEAVE_EVICTED,
};

/* Counts an item just linked by `slot`. Under the lock. */
void item_account(struct store *store, struct partition *p, struct item *item, uint32_t shape,
                  uint64_t slot);
/* Uncounts and frees the item that `slot` named until now. Under the lock. */
void item_discard(struct store *store, struct partition *p, uint64_t slot, enum leave leave,
                  uint32_t now);
/* Takes the cursor's item out of index, counters and memory. Under the lock. */
void item_unlink(struct store *store, struct partition *p, const struct cursor *cursor,
                 enum leave leave, uint32_t now);
/* Evicts up to `count` items (at most EVICT_BATCH_MAX) by S3-FIFO. Returns how many left; 0 is no
 * proof that nothing can: the scan is bounded. `force` spares nobody. Under the lock. */
unsigned evict_batch(struct store *store, struct partition *p, unsigned count, bool force,
                     uint32_t now);
/* Moves entries from the small queue to main while it is longer than its share and memory is still
 * free. Under the lock; bounded. */
void evict_balance(struct store *store, struct partition *p);

/* -- space.c ----------------------------------------------------------------------------------- */

/* Takes a chunk from what is free without evicting: bin, then pool. 0: none. Under the lock. */
uint64_t space_take(struct store *store, struct partition *p, unsigned class_id);
/* Gives a chunk back; an emptied page goes to the pool: true then. Under the lock. */
bool space_give(struct store *store, struct partition *p, uint64_t location);
/* Makes room for one chunk of the class: one bounded step a hold, without the lock outside. `spent`
 * counts the victims of this request. False: nothing can be had (-M, or nothing evictable). */
MUST_CHECK bool space_make(struct store_core *core, struct partition *p, unsigned class_id,
                           unsigned *spent);
/* Sees to it that p->spare_page is there. Without the lock. */
MUST_CHECK bool space_make_table_page(struct store_core *core, struct partition *p);
/* Frees one page of the partition, by moving or evicting, and gives it to the pool; a bounded step
 * a hold. Without the lock. False: all looked at are pinned. */
bool space_give_page(struct store_core *core, struct partition *p);

/* A bounded step of giving pages back while the store holds more than its limit. Without the lock.
 * False: nothing could be done. */
bool space_shrink_step(struct store_core *core);

/* -- fit.c ------------------------------------------------------------------------------------- */

void fit_init(const struct store *store, struct partition *p);
/* The class that serves a size now; 0 when no chunk is that large. */
unsigned fit_class(const struct store *store, const struct partition *p, uint64_t bytes);
/* The same for a chunk about to be taken: counts the demand and now and then reviews which classes
 * are worth their pages. Under the lock. */
unsigned fit_class_counted(const struct store *store, struct partition *p, uint64_t bytes);

/* -- lend.c ------------------------------------------------------------------------------------ */

/* The loan counter of a chained item's head chunk. */
_Atomic uint32_t *lend_counter(struct store *store, uint64_t location);
/* Whether loans, dead chains and uploads leave room for `bytes` more within an eighth of memory. */
bool lend_allowed(struct store *store, const struct partition *p, uint64_t location,
                  uint64_t bytes);
/* A walk over the pieces of a lent value, from the first on. */
struct lease_walk {
    struct iovec piece;
    uint64_t position, end; /* of the piece in the value; of the value */
    uint64_t next;          /* the chunk behind it */
};
void lease_walk_begin(const struct store *store, const struct store_lease *lease,
                      struct lease_walk *walk);
/* False: the walk is over. */
bool lease_walk_next(const struct store *store, struct lease_walk *walk);
/* Puts an unlinked chain where it is freed in steps once nobody has it on loan. Under the lock; the
 * bucket's version has been raised. */
void limbo_add(struct store *store, struct partition *p, uint64_t location, uint64_t bytes);
/* Frees up to FREE_BATCH_MAX chunks of dead chains. False: none could be. Under the lock. */
bool limbo_step(struct store *store, struct partition *p);

/* -- read.c ------------------------------------------------------------------------------------ */

/* What the item of a slot looks like; `shape` was read (and checked) by the caller. */
void item_head(const struct store *store, uint64_t slot, uint32_t shape, struct store_head *head);

/* As store_get without leaving a trace, and lends whatever the bound says: for rewriting. */
enum store_read read_for_rewrite(struct store_core *core, const struct store_key *key,
                                 struct store_sink *sink, struct store_head *head,
                                 struct store_lease *lease);

/* -- change.c ---------------------------------------------------------------------------------- */

struct touch {
    uint32_t expiry;
    uint64_t expect_version; /* only the item of this version, else STORE_EXISTS; 0: any */
    bool counted;            /* it is an access */
};
/* store_touch with conditions. */
enum store_outcome touch_item(struct store_core *core, const struct store_key *key,
                              const struct touch *touch);

/* -- link.c ------------------------------------------------------------------------------------ */

/* What a writer must fetch, without the lock, before it can go on. */
enum need { NEED_NOTHING, NEED_CHUNK, NEED_TABLE_PAGE };

/* Finds the key's live item; one that is dead is taken out on the way. Under the lock. */
bool item_find_live(struct store_core *core, struct partition *p, const struct store_key *key,
                    struct cursor *cursor);

/* One attempt to write an item. */
struct attempt {
    struct store_core *core;
    struct partition *p;
    const struct store_write *write;
    const struct iovec *value;   /* NULL: the chunk is filled already */
    uint64_t expect_version;     /* of the item to be replaced; 0 = any */
    uint64_t *token;             /* of the new item; may be NULL */
    uint64_t location;           /* filled and not yet linked; 0 = none */
    uint32_t shape;              /* of the item to be */
    uint32_t expiry;             /* of the item to be */
    bool changed;                /* expect_version was not met */
    enum need need;
    unsigned class_id; /* of the chunk, also of one that is needed */
};

/* The marks that few writes ask for. */
uint32_t write_marks_rare(const struct store_write *write);
/* The marks of a new item's shape. */
static inline uint32_t write_marks(const struct store_write *write, uint64_t value_bytes) {
    uint32_t marks = write->client_flags != 0 ? (uint32_t)ITEM_HAS_FLAGS : 0;
    if (__builtin_expect(write->invalidate || write->stale || write->win_sent ||
                             write->set_token || write->key_is_binary,
                         0)) {
        marks |= write_marks_rare(write);
    }
    /* A long item has the field in any case: a touch that had to add it would copy the whole in one
     * hold. */
    uint64_t bytes = item_key_offset(marks) + write->key.len + value_bytes;
    bool expires = write->expiry != 0 || bytes > FILL_IN_HOLD_BYTES_MAX;
    return marks | (expires ? (uint32_t)ITEM_HAS_EXPIRY : 0);
}
/* Whether an item with these marks needs a chain. One that has no expiry yet must have room for
 * it. */
bool write_needs_chain(const struct store *store, uint32_t marks, uint32_t key_bytes,
                       uint64_t value_bytes);
/* Decides by mode and compare, then links attempt->location (or writes attempt->value in place, or
 * into a chunk it takes). Sets attempt->need when something must be fetched first. Under the
 * lock. */
enum store_outcome link_attempt(struct attempt *attempt);
/* Fetches what attempt->need says. False: it can't be had. Without the lock. */
MUST_CHECK bool link_fetch(struct attempt *attempt, unsigned *spent);
/* Counts a write that found no room. Without the lock. */
void count_no_memory(struct store_core *core, struct partition *p, unsigned class_id);
/* What a writer does for its partition after a write: a split, a table page. `lock` is not held. */
void link_settle(struct store_core *core, struct partition *p);
/* Deletes what is under the key: a failed set leaves nothing. */
void link_failed_set(struct store_core *core, const struct store_write *write,
                     enum store_outcome why);

/* -- upload.c ---------------------------------------------------------------------------------- */

/* store_upload_commit for a value that replaces the item of version `expect_version` only; *changed
 * tells that it was another by then. */
enum store_outcome upload_commit_expecting(struct store_core *core, struct store_upload *upload,
                                           uint64_t expect_version, bool *changed,
                                           uint64_t *token);
/* Ends an append or prepend whose piece was uploaded. (write.c) */
enum store_outcome extend_with_upload(struct store_core *core, struct store_upload *upload,
                                      uint64_t *token);
/* store_put for callers inside the store. (write.c) */
enum store_outcome write_put(struct store_core *core, const struct store_write *write,
                             const struct iovec *value, uint64_t *token);
/* Rewrites the item under `key` as `form` says: it gets the head that was read and fills in what
 * the new item shall be (mode, key, client_flags and expiry are set as they were), then the value
 * is copied, or dropped. Begun anew when the item changed meanwhile. (write.c) */
struct rewriting {
    void (*form)(struct rewriting *rewriting, const struct store_head *head,
                 struct store_write *write);
    bool drop_value;
};
enum store_outcome write_anew(struct store_core *core, const struct store_key *key,
                              struct rewriting *rewriting);
/* Lets a large value grow behind its end; false: a new item is needed. (append.c) */
bool append_in_place(struct store_core *core, const struct store_write *write,
                     const struct lease_walk *piece, uint64_t *token);
/* A walk over what an upload, claimed and full, holds. */
void upload_walk_begin(const struct store *store, const struct store_upload *upload,
                       struct lease_walk *walk);

/* -- expire.c ---------------------------------------------------------------------------------- */

void page_note_expiry(struct store *store, uint64_t location, uint32_t expiry);
void page_drop_expiry(struct store *store, uint64_t location);
/* Looks at a few pages of the core's share, or goes on with one: one hold. False: none is due. */
bool expire_step(struct store_core *core, unsigned pages);

/* -- store.c --------------------------------------------------------------------------------- */

void flush_apply(struct store_core *core);
/* The oldest epoch a core may still be in. */
uint64_t store_epoch_oldest(const struct store *store);

#endif
