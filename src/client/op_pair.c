/* larder: both copies of a pair: written, and repaired from one another
 *
 * Where the servers do not replicate (write=both), the client does:
 *
 *     set, delete, touch    to both at once; the acting copy's result counts, and the other's where
 *                           that one does not answer
 *     add, replace, cas     to the acting copy; what was stored is then set on the other
 *     incr, append, ...     likewise: the result is read from the acting copy and set on the other
 *                           (classic servers do not tell the TTL: the command itself is repeated)
 *     get, a miss           the other copy is asked; what it has is added to the first
 *
 * The acting copy is the primary, or the replica while the primary is down or not warm. */
#include "src/client/client.h"

#define REPLICA_TOKEN (UINT64_C(1) << 63) /* no server gives such: they count from 1 */

static bool keeps_both(const struct op *op) {
    return op->larder->config->write != 0 && op->pinned == NULL && op->position != NULL &&
           op->position->replica != NULL;
}

uint64_t op_pair_token(const struct op *op, const struct node *node, uint64_t cas) {
    bool marked = cas != 0 && node->is_replica && op->larder->config->write != 0;

    return marked ? cas | REPLICA_TOKEN : cas;
}

void op_pair_find_judge(struct op *op) {
    if (keeps_both(op) && op->request.cas != 0 && op->request.verb != LARDER_GET) {
        bool marked = (op->request.cas & REPLICA_TOKEN) != 0;

        op->judge = marked ? op->position->replica : op->position->primary;
        op->request.cas &= ~REPLICA_TOKEN;
    }
}

/* Written to both copies at the same time. */
static bool writes_at_once(const struct op *op) {
    switch (op->request.verb) {
    case LARDER_SET:
    case LARDER_TOUCH: return true;
    case LARDER_DELETE: return op->request.cas == 0;
    default: return false;
    }
}

/* The other copy, if it can be written now. */
static struct node *writable_partner(const struct op *op, const struct node *node) {
    struct node *other = op->pinned != NULL ? NULL : node->partner;

    if (other != NULL && other->down) {
        node_try(other);
        return NULL;
    }
    return other;
}

void op_pair_begin(struct op *op) {
    if (!keeps_both(op) || !writes_at_once(op)) {
        return;
    }
    struct node *acting = op->asked[0] ? op->position->primary : op->position->replica;
    struct node *other = writable_partner(op, acting);

    if (other != NULL) {
        op->asked[other->is_replica] = true; /* by the child */
        (void)op_begin_child(op, other, &op->request);
    }
}

/* What the operation has made of the item is set on the other copy. */
static struct larder_request setting(const struct op *op) {
    struct larder_request request = op->request;

    request.verb = LARDER_SET;
    request.ask &= ~(unsigned)LARDER_INVALIDATE;
    request.cas = 0;
    return request;
}

/* A child for what follows a write; false: there is none. */
static bool follow(struct op *op, struct node *node, enum larder_result result) {
    struct node *other = writable_partner(op, node);
    struct larder_request request = op->request;
    bool deleted = request.verb == LARDER_DELETE && result == LARDER_DELETED;

    bool touched = request.verb == LARDER_GET && result == LARDER_HIT;

    if (other == NULL || (result != LARDER_STORED && !deleted && !touched)) {
        return false;
    }
    switch (request.verb) {
    case LARDER_GET:
        request.verb = LARDER_TOUCH;
        request.ask = 0;
        return op_begin_child(op, other, &request) != NULL;
    case LARDER_ADD:
    case LARDER_REPLACE:
    case LARDER_CAS:
        request = setting(op);
        return op_begin_child(op, other, &request) != NULL;
    case LARDER_DELETE:
        request.cas = 0;
        return op_begin_child(op, other, &request) != NULL;
    default: break;
    }
    if (node->dialect == WIRE_CLASSIC) {
        return op_begin_child(op, other, &request) != NULL;
    }
    request = (struct larder_request){.verb = LARDER_GET, .key = request.key,
                                      .key_bytes = request.key_bytes};
    return op_begin_child(op, node, &request) != NULL;
}

/* TTL of a copy: what the first has left. False: unknown, or about to end. */
static bool ttl_of(const struct larder_item *item, uint32_t *ttl_s) {
    *ttl_s = item->ttl_s > 0 && item->ttl_s < UINT32_MAX ? (uint32_t)item->ttl_s : 0;
    return item->ttl_s == LARDER_NEVER || item->ttl_s > 0;
}

/* Adds what one copy has to the one that missed it. The operation's own memory ends before. */
static void repair(const struct op *op) {
    struct larder_request request = {.verb = LARDER_ADD, .flags = op->item.flags};

    if (!ttl_of(&op->item, &request.ttl_s) || op->item.result == LARDER_STALE) {
        return;
    }
    struct op *child = op_begin_child(NULL, op->missed, &request);

    if (child == NULL) {
        return;
    }
    size_t key_bytes = op->request.key_bytes;

    if (!bytes_append(&child->value, span_of(op->request.key, key_bytes)) ||
        !bytes_append(&child->value, bytes_span(&op->value))) {
        op_cancel(child);
        return;
    }
    struct span both = bytes_span(&child->value);

    child->request.key = both.data;
    child->request.key_bytes = key_bytes;
    child->request.value = both.data + key_bytes;
    child->request.value_bytes = both.len - key_bytes;
}

/* A miss of one copy: whether the other is asked. */
static bool look_further(struct op *op, struct node *node) {
    struct node *other = writable_partner(op, node);

    if (!op_reads(op) || op->missed != NULL || other == NULL || other->warming ||
        op->asked[other->is_replica]) {
        return false;
    }
    op->missed = node;
    op->turn_to = other;
    uint64_t until_ns = op->larder->now_ns + op->larder->config->failover_ms * MS_NS;

    op->deadline_ns = until_ns < op->deadline_ns ? until_ns : op->deadline_ns;
    op_set_timer(op, op->larder->now_ns);
    return true;
}

void op_pair_conclude(struct op *op, struct node *node, enum larder_result result) {
    if (!keeps_both(op)) {
        op_end(op, result);
        return;
    }
    if (op->request.verb == LARDER_GET) {
        if (result == LARDER_MISS && look_further(op, node)) {
            return;
        }
        if (result == LARDER_HIT && op->missed != NULL &&
            (op->request.ask & (LARDER_NO_VALUE | LARDER_TOUCH_TOO)) == 0) {
            repair(op);
        }
        if ((op->request.ask & LARDER_TOUCH_TOO) != 0) {
            (void)follow(op, node, result);
        }
    } else if (!writes_at_once(op)) {
        (void)follow(op, node, result);
    }
    op_end(op, result);
}

bool op_pair_waits(struct op *op, enum larder_result *result) {
    if (op->child != NULL && op->larder->now_ns < op->deadline_ns) {
        op->own_known = true;
        op->own_result = *result;
        op_set_timer(op, op->deadline_ns);
        return true;
    }
    if (*result >= LARDER_FAILED && op->other_known && op->other_result < LARDER_NOT_NUMBER) {
        *result = op->other_result;
    }
    if (op->child != NULL) {
        op_cancel(op->child);
        op->child = NULL;
    }
    return false;
}

/* The result of an arithmetic or an append has been read: it is set on the other copy. */
static bool copy_fetched(struct op *parent, struct op *fetched) {
    struct node *other = writable_partner(parent, fetched->pinned);
    struct larder_request request = setting(parent);

    if (other == NULL || fetched->request.verb != LARDER_GET ||
        fetched->item.result != LARDER_HIT || !ttl_of(&fetched->item, &request.ttl_s)) {
        return false;
    }
    request.flags = fetched->item.flags;
    request.value_bytes = bytes_count(&fetched->value);
    struct op *child = op_begin_child(parent, other, &request);

    if (child == NULL) {
        return false;
    }
    struct bytes value = child->value;

    child->value = fetched->value;
    fetched->value = value;
    child->request.value = child->value.data + child->value.begin;
    return true;
}

void op_pair_child_ended(struct op *parent, struct op *child) {
    parent->child = NULL;
    if (copy_fetched(parent, child)) {
        return;
    }
    if (writes_at_once(parent)) {
        parent->other_known = true;
        parent->other_result = child->item.result;
    }
    if (parent->own_known) {
        op_end(parent, parent->own_result);
    }
}
