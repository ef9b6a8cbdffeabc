/* larder: rings of points, as libmemcached lays them
 *
 * A server's points are hashes of its name and a counter; a key belongs to the first point at or
 * above its own hash, or to the first of all when there is none. To be the same, bit by bit:
 *   - the texts: HOST:PORT-N, or HOST-N when the port is 11211; ketama-spy /HOST:PORT-N always;
 *   - the number of points, computed in 32-bit floats: 25 equal servers get 156 each, not 160;
 *   - equal hashes are ordered by server. */
#include <stdio.h>
#include <stdlib.h>

#include "src/client/ring_kind.h"

enum {
    POINTS_PLAIN = 100,    /* a server without weights, each point a hash of its own */
    POINTS_WEIGHTED = 160, /* a server of average weight */
    NAME_BYTES_MAX = RING_HOST_BYTES_MAX + sizeof("/:65535-4294967295"),
};

static bool points_are_digests(const struct ring *ring) {
    return ring->kind->digest_points || ring->weight_max > 1;
}

/* Digests of a server, each of them four points.
 *
 * The stores to a volatile keep every step a float: a compiler that multiplies and adds in one
 * instruction rounds once instead of twice, and the last digest may come or go. */
static uint32_t server_digests(const struct ring *ring, uint32_t index) {
    volatile float part = (float)ring->servers[index].weight / (float)ring->weight_sum;

    part = part * (float)POINTS_WEIGHTED;
    part = part / (float)KEYHASH_MD5_WORDS;
    part = part * (float)ring->server_count;
    return (uint32_t)(part + 1e-10f);
}

/* The counter's range: names of a server. */
static uint32_t server_names(const struct ring *ring, uint32_t index) {
    return points_are_digests(ring) ? server_digests(ring, index) : POINTS_PLAIN;
}

static struct span point_name(const struct ring *ring, uint32_t index, uint32_t counter,
                              char text[NAME_BYTES_MAX]) {
    const struct ring_server *server = &ring->servers[index];
    int bytes;

    if (ring->kind->spy) {
        bytes = snprintf(text, NAME_BYTES_MAX, "/%s:%u-%u", server->host, server->port, counter);
    } else if (server->port == RING_PORT_DEFAULT) {
        bytes = snprintf(text, NAME_BYTES_MAX, "%s-%u", server->host, counter);
    } else {
        bytes = snprintf(text, NAME_BYTES_MAX, "%s:%u-%u", server->host, server->port, counter);
    }
    ASSERT(bytes > 0 && bytes < NAME_BYTES_MAX);
    return span_of(text, (size_t)bytes);
}

/* Lays a server's points behind those there are. */
static void server_lay(struct ring *ring, uint32_t index) {
    bool digests = points_are_digests(ring);
    uint32_t names = server_names(ring, index);

    for (uint32_t counter = 0; counter < names; counter++) {
        char text[NAME_BYTES_MAX];
        struct span name = point_name(ring, index, counter, text);
        uint32_t hashes[KEYHASH_MD5_WORDS];
        unsigned count = digests ? KEYHASH_MD5_WORDS : 1;

        if (digests) {
            keyhash_md5_words(name, hashes);
        } else {
            hashes[0] = ring->kind->key_hash(name);
        }
        for (unsigned i = 0; i < count; i++) {
            ring->points[ring->point_count++] = (uint64_t)hashes[i] << 32 | index;
        }
    }
}

static int point_compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

bool ring_ketama_build(struct ring *ring) {
    size_t names = 0;

    for (uint32_t i = 0; i < ring->server_count; i++) {
        names += server_names(ring, i);
    }
    /* the largest of n weights is at least 1/n of their sum: its server has points */
    ASSERT(names > 0);
    ring->points = calloc(names * KEYHASH_MD5_WORDS, sizeof(*ring->points));
    if (ring->points == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < ring->server_count; i++) {
        server_lay(ring, i);
    }
    qsort(ring->points, ring->point_count, sizeof(*ring->points), point_compare);
    return true;
}

/* The point whose arc a hash is in. */
static uint32_t point_of(const struct ring *ring, uint32_t hash) {
    uint64_t wanted = (uint64_t)hash << 32;
    const uint64_t *from = ring->points;

    /* the answer stays within from[0..left]; the step is a conditional move, not a branch */
    for (uint32_t left = ring->point_count; left > 0;) {
        uint32_t half = (left + 1) / 2;

        from += from[half - 1] < wanted ? half : 0;
        left -= half;
    }
    uint32_t at = (uint32_t)(from - ring->points);

    return at < ring->point_count ? at : 0;
}

uint32_t ring_ketama_pick(const struct ring *ring, struct span key) {
    return (uint32_t)ring->points[point_of(ring, ring->kind->key_hash(key))];
}

void ring_ketama_share(const struct ring *ring, double *shares) {
    const double circle = 4294967296.0;
    double below = (double)(ring->points[ring->point_count - 1] >> 32) - circle;

    for (uint32_t i = 0; i < ring->server_count; i++) {
        shares[i] = 0;
    }
    for (uint32_t i = 0; i < ring->point_count; i++) {
        double hash = (double)(ring->points[i] >> 32);

        shares[(uint32_t)ring->points[i]] += (hash - below) / circle;
        below = hash;
    }
}

bool ring_owner_at(const struct ring *ring, uint32_t hash, uint32_t *index) {
    if (ring->kind->pick != ring_ketama_pick) {
        return false;
    }
    *index = ring->server_count == 1 ? 0 : (uint32_t)ring->points[point_of(ring, hash)];
    return true;
}
