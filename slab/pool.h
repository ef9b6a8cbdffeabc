/* larder: one address range, cut into pages, handed out within a budget
 *
 * Purpose: reserves the address space of all item and index memory, brings it to life in extents of
 *   2 MiB (so that the system can back it with huge pages), and lends pages of it to whoever owns a
 *   partition. A page is the unit that moves between classes, partitions, pool and system.
 * Owner: the store.   Threads: any; a spin lock held for some ten instructions guards the lists.
 *   slab_pool_populate and slab_pool_release block in the kernel: only outside partition locks.
 * Memory: never above the limit by more than the pages already handed out when it was lowered.
 *   Memory that goes back to the system stays readable (as zeros), so that a late reader cannot
 *   fault. With a file the memory is the file's, from SLAB_FILE_OFFSET on: what it holds is
 *   allocated before it is touched, so that a full file system is no memory and not a fault.
 * Limits: 2^32 pages.   Errors: no page: 0, the invalid page id.
 *
 *   arena:  | extent 0 (2 MiB)                       | extent 1 | ...
 *           | page 0 | page 1 | ... 128 of 16 KiB    |
 *   page metadata lies apart, 112 bytes a page, and never changes its type: struct slab_page, whose
 *   bitmap has one bit a chunk; that of more than 512 chunks lies at the start of the page itself
 */
#ifndef LARDER_SLAB_POOL_H
#define LARDER_SLAB_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slab/classes.h"
#include "src/base/assert.h"
#include "src/base/atomic.h"
#include "src/base/pack.h"

#define SLAB_EXTENT_BYTES (2u << 20)
#define SLAB_NO_PAGE UINT32_MAX
#define SLAB_FILE_OFFSET SLAB_EXTENT_BYTES /* of extent 0 in a file */
#define SLAB_NODES_MAX 64u
/* Linux numbers no more nodes (CONFIG_NODES_SHIFT is 10 at most). */
#define SLAB_NODE_NUMBERS_MAX 1024u

enum slab_page_kind {
    SLAB_PAGE_FREE,
    SLAB_PAGE_CHUNKS, /* cut into chunks of class_id */
    SLAB_PAGE_TABLE,  /* index, ghosts, rings: the owner's own layout */
    SLAB_PAGE_TAKEN,  /* on its way to be cut */
    SLAB_PAGE_COLD,   /* free, its memory with the system */
};

/* Written under the owning partition's lock (or the pool's while free), read by anybody as a
 * hint. */
struct slab_page {
    _Atomic uint8_t kind;
    _Atomic uint8_t class_id;
    _Atomic uint16_t owner; /* partition */
    _Atomic uint16_t used_count;
    uint16_t search_word;   /* bitmap word to look at first */
    uint8_t fullness;       /* which of the bin's lists holds it */
    uint8_t node;           /* where its memory is wanted: an index into the pool's nodes */
    _Atomic uint16_t expiring_count; /* chunks whose item has an expiry */
    _Atomic uint32_t expiry_earliest;
    _Atomic uint32_t expiry_latest;
    _Atomic uint32_t flush_seen; /* the partition's flush count when last swept */
    uint32_t next, prev;
    _Atomic uint32_t lends[SLAB_LARGEST_PER_PAGE]; /* lent chunks: only the largest class is lent */
    _Atomic uint64_t used[SLAB_META_CHUNKS_MAX / 64];
};

/* What 128 pages of 16 KiB (or 32 of 64) have in common. Under the pool's lock. */
struct slab_extent {
    uint32_t next;        /* in the list of empty or of cold extents */
    uint16_t free_count;
    uint16_t table_count; /* pages that hold tables, which nobody can move */
    uint16_t cold_count;  /* pages whose memory went back one by one */
    bool for_tables;      /* its free pages are kept for tables while there are others */
    bool cold;            /* it went back whole */
    bool huge;            /* of the huge pages that the system has set aside */
    _Atomic uint8_t leaving; /* to go back: its free pages stay out, its items move away */
};

/* A NUMA node that memory is taken from; partitions and pages name it by its place in the pool. */
struct slab_node {
    unsigned number;     /* the system's */
    uint32_t free_head;  /* list of free resident pages */
    uint64_t free_count;
    uint32_t table_head; /* the same, in the extent that tables are put into */
};

/* Why the system has refused something lately: an errno, 0 = it has not. All is done without. */
struct slab_refusals {
    _Atomic int memory; /* the budget cannot be filled */
    _Atomic int huge;   /* no huge pages are set aside: advised ones are taken */
    _Atomic int advice; /* nor are those */
    _Atomic int node;   /* memory comes from any node */
};

struct slab_pool {
    /* read-mostly */
    uint8_t *base;       /* of page 0 */
    uint8_t *location_base; /* base - 8: location 1 is the arena's first granule */
    struct slab_page *meta; /* one a page */
    struct slab_extent *extents;
    uint32_t page_shift;
    uint64_t reserved_bytes;
    int fd; /* of the file behind the memory; -1: none */
    uint32_t pages_reserved;
    uint32_t pages_per_extent;
    unsigned node_count; /* at least 1 */
    bool nodes_known;    /* memory prefers its node */
    bool huge_wanted;        /* populating thread */
    uint32_t stripe_extents; /* neighbours that prefer the same node */
    struct slab_classes classes;

    /* shared, touched when pages move */
    CACHE_ALIGNED _Atomic uint32_t locked;
    _Atomic uint64_t pages_limit;
    _Atomic uint64_t pages_ceiling;  /* that may be handed out: the limit, or, after it was lowered,
                                        what is in use still: it sinks with that */
    _Atomic uint64_t pages_used;     /* handed out */
    _Atomic uint64_t pages_resident; /* backed by memory, used or free */
    _Atomic uint64_t pages_free;     /* resident and free, all nodes */
    _Atomic uint32_t extents_live;   /* extents 0.. that were brought to life */
    _Atomic uint32_t huge_extents;
    _Atomic uint32_t refused;        /* the system has no more, for now */
    struct slab_refusals refusals;
    _Atomic uint32_t populating;     /* one thread at a time is in the kernel for us */
    uint32_t cold_head;              /* free pages whose memory went back to the system */
    uint32_t cold_extents;           /* list of those that went back whole */
    uint32_t empty_extents;          /* list of those that are leaving and empty */
    _Atomic uint32_t leaving_extents;
    _Atomic uint64_t looked_used; /* pages in use when extents to leave were last looked for */
    struct slab_node nodes[SLAB_NODES_MAX];
};

struct slab_pool_config {
    uint64_t limit_bytes;
    uint64_t reserved_bytes; /* at least limit_bytes */
    uint64_t partition_bytes;
    uint32_t page_bytes;
    bool huge_pages;         /* take those that the system has set aside, while there are any */
    const int *nodes;     /* the system's numbers, repeated as they like; read at once; or NULL */
    unsigned nodes_given; /* how many */
    bool in_file;         /* the memory is that of the file `fd`, borrowed */
    int fd;
};

/* Reserves the address range. False with errno set when it cannot be had. */
MUST_CHECK bool slab_pool_init(struct slab_pool *pool, const struct slab_pool_config *config);
void slab_pool_fini(struct slab_pool *pool);

/* The place in the pool of the node with this number; 0 when the pool does not know it. */
unsigned slab_pool_node(const struct slab_pool *pool, int number);

static inline struct slab_page *slab_page_of(const struct slab_pool *pool, uint32_t page) {
    return &pool->meta[page];
}

static inline uint32_t slab_page_bytes(const struct slab_pool *pool) {
    return 1u << pool->page_shift;
}

static inline uint8_t *slab_page_memory(const struct slab_pool *pool, uint32_t page) {
    return pool->base + ((uint64_t)page << pool->page_shift);
}

/* The bitmap of a page cut into chunks of `class_id`. Under its owner's lock. */
static inline _Atomic uint64_t *slab_page_bitmap(const struct slab_pool *pool, uint32_t page,
                                                 unsigned class_id) {
    return pool->classes.lead_bytes[class_id] == 0
               ? slab_page_of(pool, page)->used
               : (_Atomic uint64_t *)(void *)slab_page_memory(pool, page);
}

/* A location names a granule of 8 bytes, in 42 bits; 0 is none. */
static inline uint8_t *slab_at(const struct slab_pool *pool, uint64_t location) {
    return pool->location_base + (location << 3);
}

static inline uint64_t slab_location(const struct slab_pool *pool, const uint8_t *memory) {
    return (uint64_t)(memory - pool->location_base) >> 3;
}

static inline uint32_t slab_location_page(const struct slab_pool *pool, uint64_t location) {
    return (uint32_t)(((location - 1) << 3) >> pool->page_shift);
}

/* Whether a location read without the lock lies in memory that may be touched. */
static inline bool slab_location_valid(const struct slab_pool *pool, uint64_t location) {
    uint64_t live = (uint64_t)atom_load_relaxed(&pool->extents_live) * SLAB_EXTENT_BYTES;
    return location != 0 && location <= live >> 3;
}

/* Bytes from `location` to the end of its page: the clamp for lengths read without the lock. */
static inline uint32_t slab_bytes_to_page_end(const struct slab_pool *pool, uint64_t location) {
    uint64_t offset = (location - 1) << 3;
    return slab_page_bytes(pool) - (uint32_t)(offset & (slab_page_bytes(pool) - 1));
}

/* Takes a free page, from `node` if it has one. SLAB_NO_PAGE: the limit is reached, or no resident
 * page is free (slab_pool_can_populate tells which). The page's kind, owner, class are the caller's
 * to set. */
uint32_t slab_pool_take(struct slab_pool *pool, unsigned node);
/* The same for a table, which stays where it is for good: tables are kept together, so that other
 * extents can go back to the system whole. Sets the page's kind. */
uint32_t slab_pool_take_table(struct slab_pool *pool, unsigned node);
/* Gives a page back, to those of its node; nothing may refer to it any more. */
void slab_pool_give(struct slab_pool *pool, uint32_t page);
/* Whether a page could be taken just now. */
bool slab_pool_can_take(const struct slab_pool *pool);

/* Whether the limit still allows more resident memory than there is. */
bool slab_pool_can_populate(const struct slab_pool *pool);
/* Whether free pages are fewer than the reserve that keeps writers out of the kernel. */
bool slab_pool_is_low(const struct slab_pool *pool);
/* Brings one more extent (or a cold page) to life, each of the nodes in turn. Blocks for some
 * 100 us. False: nothing to be had, or another thread is at it. */
bool slab_pool_populate(struct slab_pool *pool);
/* The system is asked again, after it had no memory. */
void slab_pool_retry(struct slab_pool *pool);
/* The place in the pool of the node that an extent's memory is asked of. */
unsigned slab_pool_extent_node(const struct slab_pool *pool, uint32_t extent);

/* Pages handed out above the limit, after it was lowered. Who needs a page meanwhile gives one and
 * takes one; the excess goes as slab_pool_excess_drop makes pages that were given stay out. */
uint64_t slab_pool_excess_used(const struct slab_pool *pool);
void slab_pool_excess_drop(struct slab_pool *pool);
/* Gives free memory above the limit back to the system, in whole extents, and page by page where
 * tables are in the way. With `may_empty`, extents in use still are marked to go: see
 * slab_pool_leaving.
 * False: nothing can go now. Blocks; one thread. */
bool slab_pool_release(struct slab_pool *pool, bool may_empty);
/* A page of chunks in an extent that is to go back to the system, for its owner to empty: the next
 * behind `*page` within some extents, or SLAB_NO_PAGE. A hint. */
uint32_t slab_pool_leaving(const struct slab_pool *pool, uint32_t *page);
void slab_pool_limit_set(struct slab_pool *pool, uint64_t limit_bytes);

/* -- pool_file.c ------------------------------------------------------------------------------- */

/* Writes down what page is whose: all live extents' metadata. No other thread is in the pool. */
void slab_pool_save(const struct slab_pool *pool, struct pack *pack);
/* Takes over, in a new pool, the extents that the file already has: owners, classes and chunks in
 * use are as they were saved, nothing is on loan, free pages can be taken. False: it does not fit
 * or the system refuses; the pool is of no use then. */
MUST_CHECK bool slab_pool_restore(struct slab_pool *pool, struct unpack *unpack);

#endif
