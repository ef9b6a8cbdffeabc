/* larder: how much of a partition's memory its small queue may have
 *
 * Purpose: lets the small queue grow while main is worth less than what leaves it (balance.c says
 *   how that is known). evict.c asks for the share; link.c and evict.c tell what happens.
 * Owner: the partition.   Threads: all of it under the partition's lock.
 * Memory: one struct a partition, apart from the budget.
 * Limits: the share is between a tenth and 8 tenths of the bytes.   Errors: none. */
#ifndef LARDER_STORE_BALANCE_H
#define LARDER_STORE_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

struct store;
struct partition;

/* Which share of what was looked at had been read; decaying. */
struct balance_ratio {
    uint32_t seen, read;
};

/* A line of the index, remembered with its counters: 2 bits a slot. */
struct balance_probe {
    uint32_t bucket;
    uint16_t freqs;
};

#define BALANCE_PROBES 32u
#define BALANCE_UNIT 1024u

/* How much the small queue may have: see balance.c. */
struct balance {
    uint32_t share;   /* of the bytes, that the small queue may have, of BALANCE_UNIT */
    uint32_t begun;   /* probes, ever */
    uint32_t victims; /* since the last one, and their chunks */
    uint64_t victim_bytes;
    bool idle;        /* nothing is read, nothing returns: new items enter main */
    struct balance_ratio small, main;
    struct balance_probe probes[BALANCE_PROBES];
};

void balance_init(struct balance *balance);
/* An item is evicted, with `bytes` of chunks: the measure of time. */
void balance_note_victim(struct partition *p, uint64_t bytes);
/* Ends and begins the probes that are due, looking at eight lines of the index at most, and changes
 * the share. Under the lock. */
void balance_step(struct store *store, struct partition *p);
/* A ghost came back; of ghost_take(). */
void balance_note_return(struct partition *p, unsigned age);

#endif
