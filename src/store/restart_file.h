/* larder: the restart file, as the store's own files see it
 *
 * Purpose: the layout of the file's header and the parts of saving and restoring.
 * Owner: the store.   Threads: as restart.h says.   Memory: the file, mapped.
 * Limits: the machine's own byte order and layout; `layout` tells when they differ.
 * Errors: NULL is good, else a static text that says what is wrong.
 *
 *   0        header, 4096 bytes of which the first sizeof(struct restart_header) are used
 *   2 MiB    extent 0, extent 1, ... the pages of items, index, ghosts and queues, as in memory
 *   tail     only while `state` is saved: page metadata, a sum or two of each page, then by
 *            partition the directories of its tables and its own fields */
#ifndef LARDER_STORE_RESTART_FILE_H
#define LARDER_STORE_RESTART_FILE_H

#include <stddef.h>

#include "src/base/pack.h"
#include "src/store/partition.h"
#include "src/store/restart.h"

/* Raised with every change of the bytes of items, slots, tables or the tail. */
#define RESTART_FORMAT 1u
#define RESTART_HEADER_BYTES 4096u

enum restart_state { RESTART_IN_USE = 1, RESTART_SAVED = 2 };

enum {
    RESTART_TOKENS = 1, /* store_config.token_in_items */
    RESTART_VALUES = 2, /* the tail has sums over the values */
};

struct restart_header {
    uint8_t magic[8];
    uint32_t format;
    uint32_t state;
    uint64_t layout; /* restart_layout() */
    uint64_t hash_seed;
    uint64_t memory_bytes;    /* the limit when it was saved */
    uint64_t item_bytes_max;
    uint64_t partition_bytes; /* a partition's share when the store was made: classes follow */
    uint32_t partition_count;
    uint32_t page_bytes;
    uint32_t fragment_bits;
    uint32_t marks; /* RESTART_TOKENS, ... */
    uint64_t version_highest;
    uint32_t flush_at; /* pending flush_all; 0: none */
    uint32_t now;      /* store second of saving */
    int64_t wall_s;    /* unix time of it */
    uint64_t tail_offset, tail_bytes, tail_sum;
    uint64_t sum; /* of all before it */
};

/* What `store`'s pages look like: two stores of the same layout understand each other's. */
uint64_t restart_layout(const struct store *store);

/* -- restart.c, for store_create() ------------------------------------------------------------- */

/* Whether the file holds what a store of this config can take over, as far as the header tells.
 * False: `reason` says why; it is empty for a new file. */
bool restart_accept(struct restart *restart, const struct store_config *config);
/* Takes the file over into a store just set up by its header; then it is in use. False: `reason`
 * says why, and the store is of no use. */
MUST_CHECK bool restart_take_over(struct store *store, struct restart *restart);
/* Empties the file for a new store. False with errno set. */
MUST_CHECK bool restart_clear(struct restart *restart);

/* -- upkeep.c ---------------------------------------------------------------------------------- */

/* Tables are never given back: below this much a partition would have nothing but them. */
uint64_t memory_bytes_min(const struct store *store);

/* -- restart_sums.c ---------------------------------------------------------------------------- */

/* What is summed: of a page of items every header and key, of any other page all of it. */
struct restart_sums {
    struct store *store;
    uint32_t pages;
    uint64_t *heads;  /* by page */
    uint64_t *values; /* likewise; NULL: not wanted */
    bool compare;     /* against what is there, instead of writing it */
    bool fault_in;    /* make the pages present first */
    _Atomic uint32_t next_extent;
    _Atomic uint32_t differs; /* what was compared is not the same */
};
/* Sums all pages on several threads. False: something differs. */
MUST_CHECK bool restart_sums_run(struct restart_sums *sums);

/* -- restart_parts.c --------------------------------------------------------------------------- */

/* Brings a partition that nobody uses to rest: dead chains freed, retired and spare pages given
 * back. False: something is on loan or half uploaded. */
bool partition_settle(struct store *store, struct partition *p);
/* Counts the sizes of all items anew, where they are counted. */
void sizes_restore(struct store *store);
void partition_save(struct store *store, struct partition *p, struct pack *pack);
/* False: it does not fit together. */
MUST_CHECK bool partition_restore(struct store *store, struct partition *p,
                                  struct unpack *unpack);

#endif
