/* larder: handles: made of options, and taken apart */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "src/client/client.h"

static void seed(struct larder *larder) {
    if (getrandom(&larder->random, sizeof(larder->random), GRND_NONBLOCK) !=
        (ssize_t)sizeof(larder->random)) {
        larder->random = larder->now_ns ^ (uintptr_t)larder;
    }
    larder->random |= 1;
    larder->opaque = (uint32_t)(client_random(larder) >> 32);
}

/* Nodes of all primaries, then of the replicas. */
static void pair_nodes(struct larder *larder) {
    uint32_t count = larder->servers.primaries.count;
    uint32_t next = count;

    for (uint32_t i = 0; i < count; i++) {
        struct server_list *replica = &larder->servers.replicas[i];
        struct node *primary = &larder->nodes[i];

        node_init(primary, larder, &larder->servers.primaries.servers[i]);
        primary->position = i;
        larder->positions[i].primary = primary;
        if (replica->count == 0) {
            continue;
        }
        struct node *second = &larder->nodes[next++];

        node_init(second, larder, &replica->servers[0]);
        second->position = i;
        second->is_replica = true;
        second->partner = primary;
        primary->partner = second;
        larder->positions[i].replica = second;
    }
    larder->node_count = next;
}

static const char *make_servers(struct larder *larder) {
    enum ring_mode mode;
    const char *why = config_servers_init(&larder->servers, larder->config->servers);

    if (why != NULL) {
        return why;
    }
    uint32_t count = larder->servers.primaries.count;

    if (!ring_mode_find(span_from_text(larder->config->ring), &mode)) {
        return "there is no such ring";
    }
    larder->ring = ring_create(mode, larder->servers.primaries.servers, count, &why);
    if (larder->ring == NULL) {
        return why;
    }
    larder->nodes = calloc(2 * (size_t)count, sizeof(*larder->nodes));
    larder->positions = calloc(count, sizeof(*larder->positions));
    larder->active = calloc(2 * (size_t)count, sizeof(*larder->active));
    larder->polls = calloc(2 * (size_t)count, sizeof(*larder->polls));
    if (larder->nodes == NULL || larder->positions == NULL || larder->active == NULL ||
        larder->polls == NULL) {
        return "out of memory";
    }
    pair_nodes(larder);
    return NULL;
}

static const char *make(struct larder *larder, const struct larder_config *config) {
    const char *why = NULL;

    larder->config = config_copy(config);
    if (larder->config == NULL) {
        return "out of memory";
    }
    larder->timer_ns = NEVER_NS;
    larder->node_timer_ns = NEVER_NS;
    loop_look_at_clock(larder);
    larder->born_ns = larder->now_ns;
    seed(larder);
    if (larder->config->tls != 0) {
        larder->secure = secure_context_create(larder->config, &why);
        if (larder->secure == NULL) {
            return why;
        }
    }
    return make_servers(larder);
}

struct near *handle_create_near(const struct larder_config *config, const char **why) {
    struct near_options options = {.bytes = config->near_bytes, .ms = config->near_ms,
                                   .seen = config->near_seen};
    struct near *near = options.bytes == 0 ? NULL : near_create(&options);

    if (options.bytes > 0 && near == NULL) {
        *why = "out of memory";
    }
    return near;
}

struct larder *larder_create(const struct larder_config *config, const char **why) {
    return handle_create(config, NULL, why);
}

struct larder *handle_create(const struct larder_config *config, struct near *near,
                             const char **why) {
    struct larder *larder = calloc(1, sizeof(*larder));
    const char *wrong = larder == NULL ? "out of memory" : make(larder, config);

    if (wrong == NULL) {
        larder->near_is_own = near == NULL;
        larder->near = near != NULL ? near : handle_create_near(config, &wrong);
    }

    if (wrong != NULL) {
        larder_destroy(larder);
        larder = NULL;
    }
    if (why != NULL) {
        *why = wrong;
    }
    return larder;
}

static void free_ops(struct op *op) {
    while (op != NULL) {
        struct op *next = op->next;

        bytes_fini(&op->value);
        free(op);
        op = next;
    }
}

static void free_legs(struct larder *larder) {
    for (struct leg *leg = leg_queue_pop(&larder->lost); leg != NULL;
         leg = leg_queue_pop(&larder->lost)) {
        leg_recycle(larder, leg);
    }
    while (larder->free_legs != NULL) {
        struct leg *leg = larder->free_legs;

        larder->free_legs = leg->next;
        free(leg);
    }
}

void larder_destroy(struct larder *larder) {
    if (larder == NULL) {
        return;
    }
    for (uint32_t i = 0; i < larder->node_count; i++) {
        node_fini(&larder->nodes[i]);
    }
    free_legs(larder);
    free_ops(larder->running.first);
    free_ops(larder->ended.first);
    free_ops(larder->lent.first);
    free_ops(larder->free_ops);
    secure_context_destroy(larder->secure);
    ring_destroy(larder->ring);
    config_servers_fini(&larder->servers);
    bytes_fini(&larder->kept);
    if (larder->near_is_own) {
        near_destroy(larder->near);
    }
    free(larder->nodes);
    free(larder->positions);
    free(larder->active);
    free(larder->polls);
    larder_config_destroy(larder->config);
    free(larder);
}

uint32_t larder_server_count(const struct larder *larder) {
    return larder->servers.primaries.count;
}

uint32_t larder_server_of(const struct larder *larder, const void *key, size_t key_bytes) {
    return ring_pick(larder->ring, key, key_bytes);
}

static enum larder_server_state state_of(const struct node *node) {
    if (node->down) {
        return node->phase == NODE_CLOSED ? LARDER_SERVER_DOWN : LARDER_SERVER_TRYING;
    }
    if (node->warming) {
        return LARDER_SERVER_WARMING;
    }
    return node->heard_ns == 0 ? LARDER_SERVER_UNTRIED : LARDER_SERVER_UP;
}

bool larder_server_at(const struct larder *larder, uint32_t position, bool replica,
                      struct larder_server *server) {
    if (position >= larder->servers.primaries.count) {
        return false;
    }
    const struct position *at = &larder->positions[position];
    const struct node *node = replica ? at->replica : at->primary;

    if (node == NULL) {
        return false;
    }
    *server = (struct larder_server){
        .name = node->name,
        .state = state_of(node),
        .replica = node->is_replica,
        .meta = node->dialect_known && node->dialect == WIRE_META,
        .connected = node->phase == NODE_READY,
        .requests = node->requests,
        .failures = node->failures,
        .connections = node->connections,
        .p95_us = latency_p95_ns(&node->latency) / 1000,
    };
    return true;
}
