/* larder: the inside of a ring, for the files that build and ask one
 *
 * Purpose: what ring_ketama.c, ring_rendezvous.c, ring_jump.c and ring_modula.c share; one row of
 *   ring_modes.def binds their functions to a mode.
 * Owner: struct ring is written by its kind's build function and read only from then on.
 * Threads: as ring.h.   Memory: the ring owns servers, hosts, points and nodes.
 * Limits: as ring.h.   Errors: build gives false when memory is short. */
#ifndef LARDER_CLIENT_RING_KIND_H
#define LARDER_CLIENT_RING_KIND_H

#include "src/client/keyhash.h"
#include "src/client/ring.h"

struct ring_kind {
    struct ring_mode_about about;
    bool (*build)(struct ring *ring); /* NULL: there is nothing to build */
    uint32_t (*pick)(const struct ring *ring, struct span key); /* two servers or more */
    void (*share)(const struct ring *ring, double *shares);     /* likewise */
    uint32_t (*key_hash)(struct span key);
    uint32_t key_hash_bits; /* modula: as many bits as the hash has */
    bool digest_points;     /* ketama: four points from an MD5, by weight, whatever the weights */
    bool spy;               /* ketama: points are named as spymemcached does */
};

struct ring {
    const struct ring_kind *kind;
    struct ring_server *servers;
    char *hosts; /* the servers' texts, one behind the other */
    uint64_t weight_sum;
    uint32_t server_count;
    uint32_t weight_max;
    uint32_t point_count;
    /* ketama: hash << 32 | server, ascending. jump: where each server's buckets end. */
    uint64_t *points;
    struct keyhash_murmur3 *nodes; /* rendezvous: a server's text, already hashed */
};

bool ring_ketama_build(struct ring *ring);
uint32_t ring_ketama_pick(const struct ring *ring, struct span key);
void ring_ketama_share(const struct ring *ring, double *shares);

bool ring_rendezvous_build(struct ring *ring);
uint32_t ring_rendezvous_pick(const struct ring *ring, struct span key);

bool ring_jump_build(struct ring *ring);
uint32_t ring_jump_pick(const struct ring *ring, struct span key);

uint32_t ring_modula_pick(const struct ring *ring, struct span key);
void ring_modula_share(const struct ring *ring, double *shares);

/* Shares that are what the weights say. */
void ring_weights_share(const struct ring *ring, double *shares);

#endif
