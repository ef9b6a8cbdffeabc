/* larder: which server a key lives on - life, questions, modes */
#include <stdlib.h>

#include "src/client/ring_kind.h"

static const struct ring_kind kinds[RING_MODE_COUNT] = {
#define RING_MODE(id, ...) [id] = {__VA_ARGS__},
#include "src/client/ring_modes.def"
#undef RING_MODE
};

/* Why these cannot be a ring, or NULL. */
static const char *servers_fault(const struct ring_server *servers, uint32_t server_count) {
    if (server_count == 0) {
        return "a ring needs a server";
    }
    if (server_count > RING_SERVERS_MAX) {
        return "a ring has at most 4096 servers";
    }
    _Static_assert(RING_SERVERS_MAX == 4096, "the text above");
    _Static_assert(RING_HOST_BYTES_MAX == 255, "the text below");
    for (uint32_t i = 0; i < server_count; i++) {
        if (servers[i].host[0] == '\0' ||
            strnlen(servers[i].host, RING_HOST_BYTES_MAX + 1) > RING_HOST_BYTES_MAX) {
            return "a server's host has 1 to 255 bytes";
        }
        if (servers[i].weight == 0) {
            return "a server's weight is at least 1";
        }
    }
    return NULL;
}

static bool servers_copy(struct ring *ring, const struct ring_server *servers) {
    size_t hosts_bytes = 0;

    for (uint32_t i = 0; i < ring->server_count; i++) {
        hosts_bytes += strlen(servers[i].host) + 1;
    }
    ring->servers = calloc(ring->server_count, sizeof(*ring->servers));
    ring->hosts = malloc(hosts_bytes);
    if (ring->servers == NULL || ring->hosts == NULL) {
        return false;
    }
    char *host = ring->hosts;

    for (uint32_t i = 0; i < ring->server_count; i++) {
        size_t bytes = strlen(servers[i].host) + 1;

        ring->servers[i] = servers[i];
        ring->servers[i].host = memcpy(host, servers[i].host, bytes);
        host += bytes;
        ring->weight_sum += servers[i].weight;
        ring->weight_max =
            servers[i].weight > ring->weight_max ? servers[i].weight : ring->weight_max;
    }
    return true;
}

struct ring *ring_create(enum ring_mode mode, const struct ring_server *servers,
                         uint32_t server_count, const char **why) {
    ASSERT(mode < RING_MODE_COUNT);
    *why = servers_fault(servers, server_count);
    if (*why != NULL) {
        return NULL;
    }
    struct ring *ring = calloc(1, sizeof(*ring));

    if (ring != NULL) {
        ring->kind = &kinds[mode];
        ring->server_count = server_count;
        bool one = server_count == 1;

        if (servers_copy(ring, servers) &&
            (one || ring->kind->build == NULL || ring->kind->build(ring))) {
            return ring;
        }
    }
    *why = "out of memory";
    ring_destroy(ring);
    return NULL;
}

void ring_destroy(struct ring *ring) {
    if (ring == NULL) {
        return;
    }
    free(ring->nodes);
    free(ring->points);
    free(ring->hosts);
    free(ring->servers);
    free(ring);
}

uint32_t ring_pick(const struct ring *ring, const void *key, size_t key_bytes) {
    return ring->server_count == 1 ? 0 : ring->kind->pick(ring, span_of(key, key_bytes));
}

uint32_t ring_server_count(const struct ring *ring) {
    return ring->server_count;
}

const struct ring_server *ring_server_at(const struct ring *ring, uint32_t index) {
    ASSERT(index < ring->server_count);
    return &ring->servers[index];
}

uint32_t ring_point_count(const struct ring *ring) {
    return ring->point_count;
}

void ring_shares(const struct ring *ring, double *shares) {
    if (ring->server_count == 1) {
        shares[0] = 1;
    } else {
        ring->kind->share(ring, shares);
    }
}

double ring_share_due(const struct ring *ring, uint32_t index) {
    ASSERT(index < ring->server_count);
    return ring->kind->about.weighs
               ? (double)ring->servers[index].weight / (double)ring->weight_sum
               : 1.0 / ring->server_count;
}

void ring_weights_share(const struct ring *ring, double *shares) {
    for (uint32_t i = 0; i < ring->server_count; i++) {
        shares[i] = ring_share_due(ring, i);
    }
}

bool ring_mode_find(struct span name, enum ring_mode *mode) {
    for (unsigned i = 0; i < RING_MODE_COUNT; i++) {
        if (span_is(name, kinds[i].about.name)) {
            *mode = (enum ring_mode)i;
            return true;
        }
    }
    return false;
}

const struct ring_mode_about *ring_mode_about(enum ring_mode mode) {
    ASSERT(mode < RING_MODE_COUNT);
    return &kinds[mode].about;
}
