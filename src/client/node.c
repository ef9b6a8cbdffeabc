/* larder: a server as a handle sees it: its connection and its breaker */
#include "src/client/client.h"

void leg_queue_push(struct leg_queue *queue, struct leg *leg) {
    leg->next = NULL;
    if (queue->last == NULL) {
        queue->first = leg;
    } else {
        queue->last->next = leg;
    }
    queue->last = leg;
}

struct leg *leg_queue_pop(struct leg_queue *queue) {
    struct leg *leg = queue->first;

    if (leg != NULL) {
        queue->first = leg->next;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
    }
    return leg;
}

void node_init(struct node *node, struct larder *larder, const struct ring_server *server) {
    *node = (struct node){.larder = larder, .server = server, .active_index = UINT32_MAX};
    conn_init(&node->conn);
    (void)server_name_write(server, node->name);
    node->dialect_known = larder->config->protocol != CONFIG_PROTOCOL_AUTO;
    node->dialect =
        larder->config->protocol == CONFIG_PROTOCOL_CLASSIC ? WIRE_CLASSIC : WIRE_META;
    node->down_why = "";
}

/* ---- What is awaited from it --------------------------------------------------------------- */

static bool awaits(const struct node *node) {
    if (node->phase != NODE_CLOSED && node->phase != NODE_READY) {
        return true;
    }
    return node->sent.first != NULL || bytes_count(&node->conn.out) > 0 ||
           bytes_count(&node->conn.cipher) > 0;
}

static void deactivate(struct node *node) {
    struct larder *larder = node->larder;

    if (node->active_index == UINT32_MAX) {
        return;
    }
    struct node *last = larder->active[--larder->active_count];

    larder->active[node->active_index] = last;
    last->active_index = node->active_index;
    node->active_index = UINT32_MAX;
}

void node_activate(struct node *node) {
    struct larder *larder = node->larder;

    if (!awaits(node)) {
        deactivate(node);
    } else if (node->active_index == UINT32_MAX) {
        node->active_index = larder->active_count;
        larder->active[larder->active_count++] = node;
    }
}

int node_fd(const struct node *node) {
    return node->phase == NODE_RESOLVING ? resolve_fd(node->resolve) : node->conn.fd;
}

short node_events(const struct node *node) {
    return node->phase == NODE_RESOLVING ? POLLIN : conn_events(&node->conn);
}

/* ---- The end of a connection --------------------------------------------------------------- */

static void lose_legs(struct node *node, struct leg_queue *queue, const char *why) {
    for (struct leg *leg = leg_queue_pop(queue); leg != NULL; leg = leg_queue_pop(queue)) {
        leg->was_sent = queue == &node->sent && node->conn.sent_bytes > leg->from;
        leg->why = why;
        leg_queue_push(&node->larder->lost, leg);
    }
}

static void close_with(struct node *node, const char *why) {
    if (!node->was_down) {
        uint64_t born_ns = node->larder->born_ns;

        node->lost_ns = node->heard_ns > born_ns ? node->heard_ns : born_ns;
    }
    node->warm_asked = false;
    lose_legs(node, &node->sent, why);
    lose_legs(node, &node->waiting, why);
    resolve_end(node->resolve);
    node->resolve = NULL;
    conn_close(&node->conn);
    node->phase = NODE_CLOSED;
    node->value_awaited = false;
    node->was_down = true;
    node_activate(node);
}

void node_close(struct node *node) {
    close_with(node, "the connection was closed");
}

void node_fini(struct node *node) {
    node_close(node);
}

static void open_breaker(struct node *node, const char *why) {
    const struct larder_config *config = node->larder->config;
    uint32_t ms = node->backoff_ms == 0 ? config->backoff_ms : node->backoff_ms * 2;

    node->backoff_ms = ms < config->backoff_ms_max ? ms : config->backoff_ms_max;
    node->retry_ns = node->larder->now_ns + client_jitter_ns(node->larder, node->backoff_ms);
    node->down = true;
    node->down_why = why;
    loop_wake_node_at(node->larder, node->retry_ns);
}

void node_fail(struct node *node, const char *why) {
    if (node->phase == NODE_PROBING && !node->dialect_known) {
        /* some proxies hang up on what they do not know: the next guess is the other dialect */
        node->dialect = node->dialect == WIRE_META ? WIRE_CLASSIC : WIRE_META;
    }
    node->failures++;
    node->failed_row++;
    if (node->down || node->failed_row >= node->larder->config->breaker_failures) {
        open_breaker(node, why);
    }
    close_with(node, why);
}

void node_strike(struct node *node, const struct leg *leg) {
    uint64_t now = node->larder->now_ns;
    uint64_t pause = node->larder->config->failover_ms * MS_NS;

    if (node->heard_ns > leg->begun_ns || now - node->struck_ns < pause) {
        return; /* it is slow but alive, or has been counted already */
    }
    if (node->phase != NODE_READY && node->partner == NULL) {
        return; /* connecting has a limit of its own, which may be longer than a call's */
    }
    node->struck_ns = now;
    if (node->failed_row + 1 >= node->larder->config->breaker_failures || node->partner == NULL) {
        node_fail(node, "no answer in time");
    } else {
        node->failed_row++;
        node->failures++;
    }
}

bool node_is_open_to(const struct node *node) {
    return !node->down || node->phase != NODE_CLOSED || node->larder->now_ns >= node->retry_ns;
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static void send_probe(struct node *node) {
    struct larder_request request = {.verb = LARDER_NOOP};
    struct leg *leg = leg_create(node->larder);
    uint8_t *to = conn_reserve(&node->conn, WIRE_HEAD_BYTES_MAX);

    if (leg == NULL || to == NULL) {
        if (leg != NULL) {
            leg_recycle(node->larder, leg);
        }
        node_fail(node, "out of memory");
        return;
    }
    leg->kind = LEG_PROBE;
    leg->node = node;
    leg->from = node->conn.queued_bytes;
    leg->begun_ns = node->larder->now_ns;
    conn_queued(&node->conn, wire_encode(node->dialect, &request, 0, to));
    leg_queue_push(&node->sent, leg);
}

static void connected(struct node *node) {
    struct larder *larder = node->larder;
    bool named = larder->config->tls_verify == CONFIG_VERIFY_FULL && node->server->port != 0;

    node->connections++;
    if (larder->secure != NULL &&
        !conn_secure(&node->conn, larder->secure, named ? node->server->host : NULL)) {
        node_fail(node, "out of memory");
        return;
    }
    node->phase = NODE_PROBING;
    if (node->dialect_known && !node->was_down && larder->secure == NULL) {
        node_is_ready(node);
        return;
    }
    send_probe(node);
    node_activate(node);
}

/* Tries the addresses one by one. */
static void connect_next(struct node *node) {
    struct larder *larder = node->larder;
    const char *why =
        node->address_next > 0 ? node->conn.why : "the path of the socket is too long";

    while (node->address_next < node->addresses.count) {
        unsigned left = node->addresses.count - node->address_next;
        const struct address *address = &node->addresses.list[node->address_next++];
        enum conn_progress progress = conn_open(
            &node->conn, (const struct sockaddr *)&address->storage, address->bytes);

        if (progress != CONN_LOST) {
            node->phase = NODE_CONNECTING;
            node->connect_until_ns =
                larder->now_ns + larder->config->connect_ms * MS_NS / left;
            loop_wake_node_at(larder, node->connect_until_ns);
        }
        if (progress == CONN_GOT) {
            connected(node);
            return;
        }
        if (progress == CONN_WAITS) {
            node_activate(node);
            return;
        }
        why = node->conn.why;
        conn_close(&node->conn);
    }
    node_fail(node, why);
}

static void connect_first(struct node *node) {
    const char *why = "";

    node->address_next = 0;
    if (resolve_text(node->server, &node->addresses)) {
        connect_next(node);
        return;
    }
    node->resolve = resolve_begin(node->server, &why);
    if (node->resolve == NULL) {
        node_fail(node, why);
        return;
    }
    node->phase = NODE_RESOLVING;
    node->connect_until_ns =
        node->larder->now_ns + node->larder->config->connect_ms * MS_NS;
    loop_wake_node_at(node->larder, node->connect_until_ns);
    node_activate(node);
}

void node_try(struct node *node) {
    if (node->down && node->phase == NODE_CLOSED && node->larder->now_ns >= node->retry_ns) {
        connect_first(node);
    }
}

static void turn_resolving(struct node *node) {
    const char *why = "";

    if (!resolve_take(node->resolve, &node->addresses, &why)) {
        return;
    }
    resolve_end(node->resolve);
    node->resolve = NULL;
    if (node->addresses.count == 0) {
        node_fail(node, why);
    } else {
        connect_next(node);
    }
}

static void turn_connecting(struct node *node, short events) {
    if (events == 0) {
        return;
    }
    if (conn_connected(&node->conn) == CONN_GOT) {
        connected(node);
    } else {
        conn_close(&node->conn);
        connect_next(node);
    }
}

uint64_t node_timer(struct node *node) {
    uint64_t now = node->larder->now_ns;

    if (node->phase == NODE_CONNECTING && now >= node->connect_until_ns) {
        node->conn.why = "no connection in time";
        conn_close(&node->conn);
        if (node->address_next < node->addresses.count) {
            connect_next(node);
        } else {
            node_fail(node, "no connection in time");
        }
    } else if ((node->phase == NODE_PROBING || node->phase == NODE_RESOLVING) &&
               now >= node->connect_until_ns) {
        node_fail(node, node->phase == NODE_PROBING ? "no answer in time"
                                                    : "the name server does not answer");
    }
    if (node->phase != NODE_CLOSED && node->phase != NODE_READY) {
        return node->connect_until_ns;
    }
    if (node->down && node->partner != NULL && !node->is_replica) {
        node_try(node);
        return node->phase == NODE_CLOSED ? node->retry_ns : node->connect_until_ns;
    }
    return node->warming ? node_warm_timer(node) : NEVER_NS;
}

/* ---- Requests ------------------------------------------------------------------------------ */

/* What a request for lines is: the command as it stands. */
static size_t encode_lines(const struct larder_request *request, uint8_t *to) {
    memcpy(to, request->value, request->value_bytes);
    memcpy(to + request->value_bytes, "\r\n", 2);
    return request->value_bytes + 2;
}

static void send_leg(struct node *node, struct leg *leg) {
    struct op *op = leg->op;
    const struct larder_request *request = &op->request;
    struct span key = span_of(request->key, request->key_bytes);

    if (node->dialect == WIRE_CLASSIC && leg->kind == LEG_OP && request->verb != LARDER_NOOP &&
        !wire_key_is_good(node->dialect, key)) {
        leg->why = "the server takes no such key";
        leg->bad_key = true;
        leg_queue_push(&node->larder->lost, leg);
        return;
    }
    uint8_t *to = conn_reserve(&node->conn, WIRE_HEAD_BYTES_MAX + request->value_bytes);

    if (to == NULL) {
        leg->why = "out of memory";
        leg_queue_push(&node->larder->lost, leg);
        return;
    }
    /* short, and far from any other that can still be under way */
    leg->opaque = ++node->larder->opaque & UINT16_MAX;
    leg->from = node->conn.queued_bytes;
    conn_queued(&node->conn, leg->kind == LEG_LINES
                                 ? encode_lines(request, to)
                                 : wire_encode(node->dialect, request, leg->opaque, to));
    leg_queue_push(&node->sent, leg);
    node->requests++;
    node->used_ns = node->larder->now_ns;
}

bool node_ask_lines(struct node *node, const char *command) {
    size_t bytes = strlen(command);
    struct leg *leg = leg_create(node->larder);
    uint8_t *to = leg == NULL ? NULL : conn_reserve(&node->conn, bytes);

    if (to == NULL) {
        if (leg != NULL) {
            leg_recycle(node->larder, leg);
        }
        return false;
    }
    leg->kind = LEG_WARM;
    leg->node = node;
    leg->begun_ns = node->larder->now_ns;
    leg->from = node->conn.queued_bytes;
    memcpy(to, command, bytes);
    conn_queued(&node->conn, bytes);
    leg_queue_push(&node->sent, leg);
    node_activate(node);
    return true;
}

void node_is_ready(struct node *node) {
    const struct larder_config *config = node->larder->config;
    uint32_t bound_ms = node->partner != NULL ? config->failover_ms : config->request_ms;
    bool returns = node->was_down && node->partner != NULL && !node->is_replica;

    node->phase = NODE_READY;
    node->down = false;
    node->was_down = false;
    node->backoff_ms = 0;
    node->failed_row = 0;
    node->heard_ns = node->larder->now_ns;
    if (config->hedge == 0 || node->partner == NULL) {
        conn_set_blocks_ms(&node->conn, bound_ms - bound_ms / 10);
    }
    if (returns) {
        node_warm_begin(node);
    }
    for (struct leg *leg = leg_queue_pop(&node->waiting); leg != NULL;
         leg = leg_queue_pop(&node->waiting)) {
        send_leg(node, leg);
    }
    node_activate(node);
}

void node_ask(struct node *node, struct leg *leg) {
    uint64_t now = node->larder->now_ns;

    leg->node = node;
    leg->begun_ns = now;
    if (node->phase == NODE_READY && node->sent.first == NULL && now - node->used_ns > FRESH_NS &&
        !conn_is_fresh(&node->conn)) {
        node_close(node);
    }
    if (node->phase != NODE_READY) {
        leg_queue_push(&node->waiting, leg);
        if (node->phase == NODE_CLOSED) {
            connect_first(node);
        }
        return;
    }
    send_leg(node, leg);
    node_activate(node);
    if (bytes_count(&node->conn.out) >= FLUSH_BYTES && conn_flush(&node->conn) == CONN_LOST) {
        node_fail(node, node->conn.why);
    }
}

bool node_withdraw(struct node *node, struct leg *leg) {
    struct leg *before = NULL;

    for (struct leg *at = node->waiting.first; at != NULL; before = at, at = at->next) {
        if (at != leg) {
            continue;
        }
        if (before == NULL) {
            node->waiting.first = leg->next;
        } else {
            before->next = leg->next;
        }
        if (node->waiting.last == leg) {
            node->waiting.last = before;
        }
        return true;
    }
    return false;
}

void node_turn(struct node *node, short events) {
    if (node->phase == NODE_RESOLVING) {
        turn_resolving(node);
        return;
    }
    if (node->phase == NODE_CONNECTING) {
        turn_connecting(node, events);
        return;
    }
    enum conn_progress progress = CONN_GOT;

    if ((events & POLLOUT) != 0) {
        progress = conn_flush(&node->conn);
    }
    if (progress != CONN_LOST && (events & (POLLIN | POLLERR | POLLHUP)) != 0) {
        progress = conn_fill(&node->conn, false);
        if (progress == CONN_GOT) {
            node_take_replies(node);
        }
    }
    if (progress == CONN_LOST) {
        node_fail(node, node->conn.why);
    }
    node_activate(node);
}
