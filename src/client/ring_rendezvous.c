/* larder: the server with the best score for a key
 *
 * Every server scores every key, MurmurHash3 of "HOST:PORT-KEY", and the best score has the key:
 * a server that goes gives up its own keys only, one that comes takes from all alike (D. Thaler,
 * C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 1998).
 *
 * Weights: with u the score as a part of 1, the least of -log(u) / weight wins, which gives each
 * server its weight's share and moves keys only to or from a server whose weight changes (J. Resch,
 * "New hashing algorithms for data storage", SDC 2015). The logarithm is made of integers, so that
 * clients agree whatever their mathematical library rounds. */
#include <stdio.h>
#include <stdlib.h>

#include "src/client/ring_kind.h"

enum {
    LOG_FRACTION_BITS = 24,
    NAME_BYTES_MAX = RING_HOST_BYTES_MAX + sizeof(":65535-"),
};

struct bid {
    uint32_t score;
    uint32_t server;
};

/* What a server is called in front of a key: "HOST:PORT-", or "PATH-". */
static struct span node_name(const struct ring_server *server, char text[NAME_BYTES_MAX]) {
    int bytes = server->port == 0
                    ? snprintf(text, NAME_BYTES_MAX, "%s-", server->host)
                    : snprintf(text, NAME_BYTES_MAX, "%s:%u-", server->host, server->port);

    ASSERT(bytes > 0 && bytes < NAME_BYTES_MAX);
    return span_of(text, (size_t)bytes);
}

bool ring_rendezvous_build(struct ring *ring) {
    ring->nodes = calloc(ring->server_count, sizeof(*ring->nodes));
    if (ring->nodes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < ring->server_count; i++) {
        char text[NAME_BYTES_MAX];

        ring->nodes[i] = keyhash_murmur3_begin(node_name(&ring->servers[i], text));
    }
    return true;
}

/* -log2((score + 1/2) / 2^32) with LOG_FRACTION_BITS bits behind the point; never rises with the
 * score. Squaring the mantissa doubles its logarithm: what passes 2 is the next bit. */
static uint64_t score_log(uint32_t score) {
    uint64_t odd = 2 * (uint64_t)score + 1;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(odd);
    uint64_t mantissa = odd << 31 >> exponent; /* 1 to 2, times 2^31 */
    uint64_t log = exponent;

    for (unsigned bit = 0; bit < LOG_FRACTION_BITS; bit++) {
        uint64_t square = mantissa * mantissa;
        unsigned carry = (unsigned)(square >> 63);

        mantissa = square >> (31 + carry);
        log = log << 1 | carry;
    }
    return ((uint64_t)33 << LOG_FRACTION_BITS) - log;
}

/* Equal scores are decided by the names, as pymemcache does: the greater wins. */
static bool name_beats(const struct ring_server *server, const struct ring_server *other) {
    char left[NAME_BYTES_MAX];
    char right[NAME_BYTES_MAX];
    struct span a = node_name(server, left);
    struct span b = node_name(other, right);

    left[a.len - 1] = '\0';
    right[b.len - 1] = '\0';
    return strcmp(left, right) > 0;
}

static bool bid_beats(const struct ring *ring, struct bid bid, struct bid best) {
    const struct ring_server *server = &ring->servers[bid.server];
    const struct ring_server *other = &ring->servers[best.server];

    if (server->weight != other->weight) {
        /* 30 bits of logarithm times 32 of weight fit */
        uint64_t cost = score_log(bid.score) * other->weight;
        uint64_t best_cost = score_log(best.score) * server->weight;

        if (cost != best_cost) {
            return cost < best_cost;
        }
    }
    return bid.score != best.score ? bid.score > best.score : name_beats(server, other);
}

uint32_t ring_rendezvous_pick(const struct ring *ring, struct span key) {
    struct bid best = {.score = keyhash_murmur3_end(ring->nodes[0], key), .server = 0};

    for (uint32_t i = 1; i < ring->server_count; i++) {
        struct bid bid = {.score = keyhash_murmur3_end(ring->nodes[i], key), .server = i};

        if (bid_beats(ring, bid, best)) {
            best = bid;
        }
    }
    return best.server;
}
