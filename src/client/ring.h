/* larder: which server a key lives on
 *
 * Purpose: a ring is built once from a list of servers and then answers, for any key, the index of
 *   its server in that list. The ketama and modula modes place every key exactly where libmemcached
 *   1.1 (pylibmc, php-memcached) does, ketama-weighted also where twemproxy, npm's memcached and
 *   others do; rendezvous where pymemcache's HashClient, jump where memcached's proxy does
 *   (ring_modes.def says which, mode by mode).
 * Owner: whoever created it; an immutable object.
 * Threads: any number may read one ring at once; create and destroy belong to one.
 * Memory: the ring copies the list. 8 bytes a point and 160 points a server (ketama), 16 bytes a
 *   server (rendezvous), 8 (jump); ring_pick allocates nothing.
 * Limits: RING_SERVERS_MAX servers, hosts of RING_HOST_BYTES_MAX bytes; keys of any length.
 * Errors: ring_create gives NULL and a reason; nothing else can fail.
 *
 * Every mode: with one server the index is 0 and no hash is computed. */
#ifndef LARDER_CLIENT_RING_H
#define LARDER_CLIENT_RING_H

#include "src/base/assert.h"
#include "src/base/span.h"

enum {
    RING_SERVERS_MAX = 4096,
    RING_HOST_BYTES_MAX = 255,
    RING_PORT_DEFAULT = 11211, /* left out of a point's text by all ketama modes but ketama-spy */
};

enum ring_mode {
#define RING_MODE(id, ...) id,
#include "src/client/ring_modes.def"
#undef RING_MODE
    RING_MODE_COUNT,
};

/* What a mode is called and what it is for, from ring_modes.def. */
struct ring_mode_about {
    const char *name;
    const char *doc;
    bool weighs; /* weights change where keys go */
};

/* A server as the ring sees it: text. Names are not resolved, so `localhost` and `127.0.0.1` are
 * two servers; an IPv6 address has no brackets; a unix socket is its path, with port 0. */
struct ring_server {
    const char *host;
    uint16_t port;
    uint32_t weight; /* 1 and up; its share of the keys is weight / sum of weights */
};

struct ring;

/* Builds a ring of these servers, whose order gives the indexes. NULL: *why (static) says what is
 * wrong with them or that memory is short. */
MUST_CHECK struct ring *ring_create(enum ring_mode mode, const struct ring_server *servers,
                                    uint32_t server_count, const char **why);
/* `ring` may be NULL. */
void ring_destroy(struct ring *ring);

/* The index of the key's server. */
uint32_t ring_pick(const struct ring *ring, const void *key, size_t key_bytes);

uint32_t ring_server_count(const struct ring *ring);
/* The server of an index; lives as long as the ring. */
const struct ring_server *ring_server_at(const struct ring *ring, uint32_t index);
/* Points on the circle; 0 where the mode has none, or one server needs none. */
uint32_t ring_point_count(const struct ring *ring);

/* Writes for each server the part of all possible hashes that leads to it; the sum is 1. */
void ring_shares(const struct ring *ring, double *shares);
/* The part that its weight entitles it to (an equal part where the mode does not weigh). */
double ring_share_due(const struct ring *ring, uint32_t index);

/* Whose arc a place on the circle is in. False: the mode has no circle. */
bool ring_owner_at(const struct ring *ring, uint32_t hash, uint32_t *index);

/* The mode of a name. */
MUST_CHECK bool ring_mode_find(struct span name, enum ring_mode *mode);
const struct ring_mode_about *ring_mode_about(enum ring_mode mode);

#endif
