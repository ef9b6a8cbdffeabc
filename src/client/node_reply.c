/* larder: what a server answers, checked and given to the operations */
#include "src/client/client.h"

/* A reply that belongs to another request, or to none: nothing behind it can be believed. */
static void distrust(struct node *node) {
    node_fail(node, "the server answered nonsense");
}

static void finish(struct node *node) {
    struct leg *leg = leg_queue_pop(&node->sent);
    struct larder *larder = node->larder;

    node->heard_ns = larder->now_ns;
    node->failed_row = 0;
    if (leg->kind == LEG_OP) {
        latency_add(&node->latency, larder->now_ns - leg->begun_ns);
    }
    leg_recycle(larder, leg);
}

/* Whether the reply is one to this leg, as far as it bears a mark. */
static bool is_of(const struct node *node, const struct leg *leg,
                  const struct wire_reply *reply) {
    bool noop = leg->op != NULL && leg->op->request.verb == LARDER_NOOP;

    if (reply->status == WIRE_REFUSED || reply->status == WIRE_BROKEN || noop) {
        return true;
    }
    if (node->dialect == WIRE_META) {
        /* EN bears none */
        return reply->has_opaque ? reply->opaque == leg->opaque
                                 : reply->status == WIRE_END || reply->status == WIRE_ALIVE;
    }
    if (reply->status == WIRE_VALUE && leg->op != NULL) {
        return span_equal(reply->key, span_of(leg->op->request.key, leg->op->request.key_bytes));
    }
    return true;
}

/* The reply is whole; its line has been dropped. False: it makes no sense. */
static bool answer(struct node *node, struct leg *leg, struct span value) {
    if (leg->op != NULL && !op_answered(leg->op, leg, &node->reply, value)) {
        return false;
    }
    finish(node);
    return true;
}

/* The line of a value: what follows is awaited. */
static bool begin_value(struct node *node, struct leg *leg, const struct wire_reply *reply) {
    if (reply->value_bytes > node->larder->config->value_bytes_max || leg->value_seen) {
        return false;
    }
    node->reply = *reply;
    node->reply.text = span_of(NULL, 0); /* the line goes */
    node->reply.key = span_of(NULL, 0);
    node->value_awaited = true;
    bytes_drop(&node->conn.in, reply->line_bytes);
    return true;
}

/* A line that ends a classic reply whose value has been taken. */
static bool end_classic_value(struct node *node, struct leg *leg,
                              const struct wire_reply *reply) {
    if (reply->status != WIRE_END) {
        return false;
    }
    bytes_drop(&node->conn.in, reply->line_bytes);
    if (leg->op != NULL && !op_answered(leg->op, leg, &node->reply, span_of(NULL, 0))) {
        return false;
    }
    finish(node);
    return true;
}

static bool take_probe(struct node *node, const struct wire_reply *reply) {
    bool automatic = node->larder->config->protocol == CONFIG_PROTOCOL_AUTO;

    if (reply->status == WIRE_BROKEN || reply->status == WIRE_REFUSED) {
        node_fail(node, "the server refuses to serve");
        return true;
    }
    if (reply->status != WIRE_ALIVE && (reply->status != WIRE_UNKNOWN || !automatic)) {
        return false;
    }
    if (automatic && !node->dialect_known) {
        node->dialect = reply->status == WIRE_ALIVE ? node->dialect : WIRE_CLASSIC;
        node->dialect_known = true;
    } else if (reply->status == WIRE_UNKNOWN) {
        node->dialect_known = false; /* another server than before */
        node_fail(node, "the server changed its protocol");
        return true;
    }
    bytes_drop(&node->conn.in, reply->line_bytes);
    finish(node);
    node_is_ready(node);
    return true;
}

static bool take_line(struct node *node, struct leg *leg) {
    struct wire_reply reply;
    bool probing = leg->kind == LEG_PROBE;

    wire_parse(node->dialect, bytes_span(&node->conn.in), &reply);
    if (reply.status == WIRE_NONSENSE) {
        return false;
    }
    if (probing) {
        return take_probe(node, &reply);
    }
    if (reply.status == WIRE_UNKNOWN && node->larder->config->protocol == CONFIG_PROTOCOL_AUTO &&
        node->dialect == WIRE_META) {
        /* it knew meta once; the next connection asks again */
        node->dialect_known = false;
        return false;
    }
    if (leg->value_seen) {
        return end_classic_value(node, leg, &reply);
    }
    if (!is_of(node, leg, &reply)) {
        return false;
    }
    if (reply.status == WIRE_VALUE) {
        return begin_value(node, leg, &reply);
    }
    node->reply = reply;
    if (leg->op != NULL && !op_answered(leg->op, leg, &node->reply, span_of(NULL, 0))) {
        return false;
    }
    bytes_drop(&node->conn.in, reply.line_bytes);
    finish(node);
    return true;
}

/* The value and its line's end have come. */
static bool take_value(struct node *node, struct leg *leg) {
    struct span in = bytes_span(&node->conn.in);
    size_t bytes = node->reply.value_bytes;

    if (in.data[bytes] != '\r' || in.data[bytes + 1] != '\n') {
        return false;
    }
    node->value_awaited = false;
    if (node->dialect == WIRE_META) {
        if (!answer(node, leg, span_of(in.data, bytes))) {
            return false;
        }
        bytes_drop(&node->conn.in, bytes + 2);
        return true;
    }
    leg->value_seen = true;
    if (leg->op != NULL) {
        bytes_clear(&leg->op->value, SIZE_MAX);
        if (!bytes_append(&leg->op->value, span_of(in.data, bytes))) {
            return false;
        }
    }
    bytes_drop(&node->conn.in, bytes + 2);
    return true;
}

/* Lines up to one that ends them. */
static bool take_lines(struct node *node, struct leg *leg) {
    struct span in = bytes_span(&node->conn.in);
    const uint8_t *feed = memchr(in.data, '\n', in.len);
    size_t bytes = (size_t)(feed - in.data);
    struct span line = span_of(in.data, bytes > 0 && in.data[bytes - 1] == '\r' ? bytes - 1
                                                                                 : bytes);
    bool ends = op_line_ends(leg, line);

    if (leg->kind == LEG_WARM) {
        node_warm_line(node, line);
    } else if (leg->op != NULL) {
        op_line(leg->op, leg, line, ends);
    }
    bytes_drop(&node->conn.in, bytes + 1);
    node->heard_ns = node->larder->now_ns;
    if (ends) {
        bool warm = leg->kind == LEG_WARM;

        finish(node);
        if (warm) {
            node_warm_end(node);
        }
    }
    return true;
}

/* Whether enough has come to go on with. False and *sense false: it will never. */
static bool is_whole(struct node *node, const struct leg *leg, bool *sense) {
    struct span in = bytes_span(&node->conn.in);

    *sense = true;
    if (node->value_awaited) {
        return in.len >= node->reply.value_bytes + 2;
    }
    size_t seen = in.len;

    if (leg->kind != LEG_LINES && seen > WIRE_LINE_BYTES_MAX) {
        seen = WIRE_LINE_BYTES_MAX;
    }
    bool whole = seen > 0 && memchr(in.data, '\n', seen) != NULL;

    *sense = whole || seen < (leg->kind == LEG_LINES ? LINE_BYTES_MAX : WIRE_LINE_BYTES_MAX);
    return whole;
}

void node_take_replies(struct node *node) {
    while (node->phase >= NODE_PROBING && bytes_count(&node->conn.in) > 0) {
        struct leg *leg = node->sent.first;
        bool sense = leg != NULL; /* else nobody asked for this */

        if (sense && !is_whole(node, leg, &sense) && sense) {
            return;
        }
        if (sense && node->value_awaited) {
            sense = take_value(node, leg);
        } else if (sense && (leg->kind == LEG_LINES || leg->kind == LEG_WARM)) {
            sense = take_lines(node, leg);
        } else if (sense) {
            sense = take_line(node, leg);
        }
        if (!sense) {
            distrust(node);
            return;
        }
    }
    if (node->phase == NODE_READY && bytes_count(&node->conn.in) == 0) {
        bytes_clear(&node->conn.in, CONN_KEPT_BYTES);
    }
}
