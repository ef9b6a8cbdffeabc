/* larder: an operation: which server it asks, and what it does when that does not answer */
#include <time.h>

#include "src/base/number.h"
#include "src/client/client.h"

enum { TTL_RELATIVE_S_MAX = 30 * 24 * 60 * 60 }; /* servers take more for a date */

/* ---- Which server -------------------------------------------------------------------------- */

struct node *op_partner_of(const struct op *op, const struct node *node) {
    return op->pinned != NULL || op->judge != NULL ? NULL : node->partner;
}

/* A key that is read often is read from both. */
static bool reads_from_replica(struct op *op) {
    struct larder *larder = op->larder;
    struct span key = span_of(op->request.key, op->request.key_bytes);

    if (larder->config->spread == 0 || !op_reads(op) || op->position->replica->down ||
        !hot_seen(&larder->hot, key, larder->now_ns)) {
        return false;
    }
    return client_random(larder) >> 63 != 0;
}

/* NULL: none may be asked now. */
static struct node *choose(struct op *op) {
    if (op->pinned != NULL) {
        return node_is_open_to(op->pinned) ? op->pinned : NULL;
    }
    struct node *primary = op->position->primary;
    struct node *replica = op->position->replica;

    if (op->judge != NULL) {
        return node_is_open_to(op->judge) ? op->judge : NULL;
    }
    if (replica == NULL) {
        return node_is_open_to(primary) ? primary : NULL;
    }
    if (!primary->down && !primary->warming) {
        return reads_from_replica(op) ? replica : primary;
    }
    node_try(primary);
    if (node_is_open_to(replica)) {
        return replica;
    }
    return primary->warming || node_is_open_to(primary) ? primary : NULL;
}

/* When the other server of the pair is asked as well, from now; NEVER_NS: not at all. */
static uint64_t patience_ns(struct op *op, const struct node *node) {
    const struct larder_config *config = op->larder->config;
    const struct node *other = op_partner_of(op, node);

    if (other == NULL || op->asked[other->is_replica] || !op_is_idempotent(op) ||
        !node_is_open_to(other)) {
        return NEVER_NS;
    }
    uint64_t ns = config->failover_ms * MS_NS;
    uint64_t p95_ns = config->hedge != 0 && op_reads(op) ? latency_p95_ns(&node->latency) : 0;

    op->hedged = p95_ns != 0 && p95_ns < ns;
    return op->hedged ? p95_ns : ns;
}

void op_set_timer(struct op *op, uint64_t ns) {
    op->timer_ns = ns < op->deadline_ns ? ns : op->deadline_ns;
    loop_wake_at(op->larder, op->timer_ns);
}

static void ask(struct op *op, struct node *node) {
    struct leg *leg = leg_create(op->larder);

    if (leg == NULL) {
        op_end(op, LARDER_NO_MEMORY);
        return;
    }
    uint64_t patience = patience_ns(op, node);

    leg->op = op;
    leg->kind = op->lines != NULL ? LEG_LINES : LEG_OP;
    leg->ok_begins = op->lines != NULL && op_lines_begin_with_ok(op);
    op->legs[node->is_replica] = leg;
    op->asked[node->is_replica] = true;
    op_set_timer(op, patience == NEVER_NS ? NEVER_NS : op->larder->now_ns + patience);
    node_ask(node, leg);
}

/* A new try. */
static void start(struct op *op) {
    op->asked[0] = false;
    op->asked[1] = false;
    op->hedged = false;
    struct node *node = choose(op);

    if (node != NULL) {
        ask(op, node);
        return;
    }
    node = op->pinned != NULL ? op->pinned : op->position->primary;
    if (op->judge != NULL) {
        op_explain(op, "%s: is down, and the token is of its copy", op->judge->name);
        op_end(op, LARDER_EXISTS);
        return;
    }
    op_explain(op, "%s: left alone for a while, because %s", node->name, node->down_why);
    op_end_unserved(op, false);
}

/* ---- Beginning ----------------------------------------------------------------------------- */

static uint32_t exptime_of(uint32_t ttl_s) {
    if (ttl_s <= TTL_RELATIVE_S_MAX) {
        return ttl_s;
    }
    uint64_t date = (uint64_t)time(NULL) + ttl_s;

    return date < INT32_MAX ? (uint32_t)date : INT32_MAX;
}

static const char *what_is_wrong(const struct larder_request *request,
                                 const struct larder_config *config) {
    struct span key = span_of(request->key, request->key_bytes);
    enum wire_dialect dialect =
        config->protocol == CONFIG_PROTOCOL_CLASSIC ? WIRE_CLASSIC : WIRE_META;
    bool plain = (request->ask & WIRE_ASK_PLAIN_KEY) != 0 && key.len <= LARDER_KEY_BYTES_MAX;

    if ((unsigned)request->verb > LARDER_NOOP) {
        return "there is no such operation";
    }
    if (request->key == NULL || (!plain && !wire_key_is_good(dialect, key))) {
        return "a key has 1 to 250 bytes, of which blanks and control characters cost more";
    }
    if (request->value == NULL && request->value_bytes > 0) {
        return "there is no value";
    }
    return request->value_bytes > config->value_bytes_max ? "the value is too large" : NULL;
}

static struct op *create(struct larder *larder, const struct larder_request *request) {
    struct op *op = op_create(larder);

    if (op == NULL) {
        return NULL;
    }
    op->request = *request;
    op->verb = request->verb;
    op->request.ttl_s = exptime_of(request->ttl_s);
    op->begun_ns = larder->now_ns;
    if (larder->running.first == NULL) {
        larder->timer_ns = NEVER_NS; /* those that it was for have ended */
    }
    op->deadline_ns = larder->now_ns + larder->config->request_ms * MS_NS;
    op_list_push(&larder->running, op);
    return op;
}

struct op *op_begin(struct larder *larder, const struct larder_request *request) {
    struct op *op = create(larder, request);

    if (op == NULL) {
        return NULL;
    }
    struct span key = span_of(request->key, request->key == NULL ? 0 : request->key_bytes);

    op->request.ask &= WIRE_ASK_PUBLIC | WIRE_ASK_LEAN;
    if (key.len > 0 && !wire_key_is_binary(key)) {
        op->request.ask |= WIRE_ASK_PLAIN_KEY;
    }
    const char *wrong = what_is_wrong(&op->request, larder->config);

    if (wrong != NULL) {
        op_explain(op, "%s", wrong);
        op_end(op, LARDER_BAD_ARGUMENT);
        return op;
    }
    bool placed = (request->ask & LARDER_PLACE_BY) != 0;
    uint32_t index = ring_pick(larder->ring, placed ? request->place : request->key,
                               placed ? request->place_bytes : request->key_bytes);

    op->position = &larder->positions[index];
    op->item.server = index;
    if (op_near_serves(op)) {
        return op;
    }
    op_pair_find_judge(op);
    start(op);
    if (!op->ended) {
        op_pair_begin(op);
    }
    return op;
}

struct op *op_begin_child(struct op *parent, struct node *node,
                          const struct larder_request *request) {
    struct larder *larder = node->larder;
    struct op *op = create(larder, request);
    uint64_t until_ns = larder->now_ns + larder->config->failover_ms * MS_NS;

    if (op == NULL) {
        return NULL;
    }
    op->request.ttl_s = request->ttl_s; /* it has been made a date already, where need be */
    op->pinned = node;
    op->position = &larder->positions[node->position];
    op->parent = parent;
    op->silent = true;
    op->deadline_ns = until_ns < op->deadline_ns ? until_ns : op->deadline_ns;
    op->turn_to = node;
    op_set_timer(op, larder->now_ns);
    if (parent != NULL) {
        parent->child = op;
    }
    return op;
}

struct op *op_begin_at(struct node *node, const struct larder_request *request,
                       const struct op_lines *lines) {
    struct op *op = create(node->larder, request);

    if (op != NULL) {
        op->pinned = node;
        op->lines = lines;
        op->position = &node->larder->positions[node->position];
        op->item.server = node->position;
        start(op);
    }
    return op;
}

/* ---- What happens to it -------------------------------------------------------------------- */

void op_cancel(struct op *op) {
    op->parent = NULL;
    op->deadline_ns = 0;
    op_drop_legs(op);
    op_set_timer(op, 0);
}

static void expire(struct op *op) {
    for (unsigned i = 0; i < 2; i++) {
        if (op->legs[i] != NULL) {
            struct node *node = op->legs[i]->node;

            op_explain(op, "%s: no answer in time", node->name);
            node_strike(node, op->legs[i]);
        }
    }
    if (op->missed != NULL) {
        op_end(op, LARDER_MISS);
        return;
    }
    op_end_unserved(op, true);
}

/* The first server has been silent for as long as it may: the other is asked as well. */
static void ask_other(struct op *op) {
    struct leg *leg = op->legs[0] != NULL ? op->legs[0] : op->legs[1];
    struct node *node = leg->node;
    struct node *other = op_partner_of(op, node);
    uint64_t patience = op->larder->config->failover_ms * MS_NS;

    if (!op->hedged) {
        node_strike(node, leg);
        if (op->other_known && op->other_result < LARDER_NOT_NUMBER) {
            op_explain(op, "%s: no answer in time", node->name);
            op_end(op, op->other_result);
            return;
        }
    } else {
        op->hedged = false;
        op_set_timer(op, leg->begun_ns + patience);
    }
    if (other == NULL || op->asked[other->is_replica] || !node_is_open_to(other)) {
        op_set_timer(op, NEVER_NS);
        return;
    }
    uint64_t timer_ns = op->timer_ns;

    ask(op, other);
    if (!op->ended && timer_ns > op->larder->now_ns) {
        op_set_timer(op, timer_ns);
    }
}

void op_timer(struct op *op) {
    if (op->larder->now_ns >= op->deadline_ns) {
        expire(op);
    } else if (op->own_known) {
        op_end(op, op->own_result);
    } else if (op->turn_to != NULL) {
        struct node *node = op->turn_to;

        op->turn_to = NULL;
        ask(op, node);
    } else if (op->legs[0] == NULL && op->legs[1] == NULL) {
        start(op);
    } else {
        ask_other(op);
    }
}

static void try_again(struct op *op) {
    struct larder *larder = op->larder;

    if (op->tries >= larder->config->retries) {
        op_end_unserved(op, false);
        return;
    }
    uint64_t ms = (uint64_t)larder->config->retry_ms << (op->tries < 16 ? op->tries : 16);

    op->tries++;
    op->asked[0] = false;
    op->asked[1] = false;
    op_set_timer(op, larder->now_ns + client_jitter_ns(larder, ms));
}

void op_lost(struct op *op, struct leg *leg) {
    struct node *node = leg->node;
    struct node *other = op_partner_of(op, node);

    op->legs[node->is_replica] = NULL;
    op_explain(op, "%s: %s", node->name, leg->why);
    if (op->legs[!node->is_replica] != NULL) {
        return; /* the other server may still answer */
    }
    if (op->missed != NULL) {
        op_end(op, LARDER_MISS);
    } else if (leg->bad_key) {
        op_end(op, LARDER_BAD_ARGUMENT);
    } else if (leg->was_sent && !op_is_idempotent(op)) {
        op_explain(op, "%s: %s; whether it was done is unknown", node->name, leg->why);
        op_end(op, LARDER_FAILED);
    } else if (other != NULL && !op->asked[other->is_replica] && node_is_open_to(other)) {
        ask(op, other);
    } else {
        try_again(op);
    }
}

/* Classic servers know no initial number: where none is, it is added, and where one is meanwhile,
 * that is counted up. True: this is not the end. */
static bool turn_to_initial(struct op *op, enum larder_result *result) {
    struct larder_request *request = &op->request;

    if (request->verb != op->verb) {
        request->verb = op->verb;
        if (*result == LARDER_STORED) {
            op->item.number = request->initial;
        }
        return *result == LARDER_NOT_STORED;
    }
    if (*result != LARDER_NOT_FOUND || (request->ask & LARDER_INITIAL) == 0) {
        return false;
    }
    request->verb = LARDER_ADD;
    request->value = op->number;
    request->value_bytes = number_write_u64((uint8_t *)op->number, request->initial);
    return true;
}

static void fill_item(struct op *op, const struct node *node, const struct wire_reply *reply) {
    struct larder_item *item = &op->item;

    item->marks = reply->marks | (node->is_replica ? LARDER_MARK_REPLICA : 0);
    item->cas = op_pair_token(op, node, reply->cas);
    item->flags = reply->flags;
    item->ttl_s = reply->ttl_s;
    item->idle_s = reply->idle_s;
    item->fetched = reply->fetched;
    item->value_bytes = bytes_count(&op->value);
    item->value = item->value_bytes > 0 ? bytes_span(&op->value).data : (const void *)"";
}

/* A number comes as a value over meta. */
static bool read_number(struct op *op, const struct wire_reply *reply) {
    op->item.number = reply->number;
    if (reply->status != WIRE_VALUE) {
        return true;
    }
    struct span text = bytes_span(&op->value);

    while (text.len > 0 && text.data[text.len - 1] == ' ') {
        text.len--;
    }
    bool sense = number_parse_u64(text, &op->item.number);

    bytes_clear(&op->value, SIZE_MAX);
    return sense;
}

/* A server's trouble with a read is not the other's. True: that is asked. */
static bool turn_to_other(struct op *op, const struct node *node) {
    struct node *other = op_partner_of(op, node);

    if (!op_reads(op) || other == NULL || op->asked[other->is_replica] ||
        !node_is_open_to(other)) {
        return false;
    }
    op->turn_to = other;
    op_set_timer(op, op->larder->now_ns);
    return true;
}

static void explain_reply(struct op *op, const struct node *node, struct span text) {
    op_explain(op, "%s: %.*s", node->name, (int)(text.len < 100 ? text.len : 100),
               (const char *)text.data);
}

bool op_answered(struct op *op, struct leg *leg, const struct wire_reply *reply,
                 struct span value) {
    struct node *node = leg->node;
    enum larder_result result;

    if (!wire_judge(&op->request, reply, &result)) {
        return false;
    }
    if (value.len > 0) {
        bytes_clear(&op->value, SIZE_MAX);
        if (!bytes_append(&op->value, value)) {
            result = LARDER_NO_MEMORY;
        }
    }
    bool arithmetic = op->request.verb == LARDER_INCR || op->request.verb == LARDER_DECR;

    if (arithmetic && result == LARDER_STORED && !read_number(op, reply)) {
        return false;
    }
    op->legs[node->is_replica] = NULL;
    leg->op = NULL;
    if ((arithmetic || op->request.verb != op->verb) && node->dialect == WIRE_CLASSIC &&
        turn_to_initial(op, &result)) {
        op_set_timer(op, op->larder->now_ns);
        return true;
    }
    if (result >= LARDER_NOT_NUMBER) {
        explain_reply(op, node, reply->text);
    }
    if (result == LARDER_FAILED && op->legs[!node->is_replica] == NULL &&
        turn_to_other(op, node)) {
        return true;
    }
    if (result == LARDER_FAILED && op->legs[!node->is_replica] != NULL) {
        return true; /* the other may do better */
    }
    if (result == LARDER_FAILED && op_reads(op)) {
        op_end_unserved(op, false);
        return true;
    }
    if (result < LARDER_NOT_NUMBER) {
        op->why[0] = '\0'; /* it was answered, whatever went before */
    }
    fill_item(op, node, reply);
    op_pair_conclude(op, node, result);
    return true;
}
