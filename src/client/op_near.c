/* larder: operations and the near cache */
#include "src/client/client.h"

static struct span key_of(const struct op *op) {
    return span_of(op->request.key, op->request.key_bytes);
}

/* Plain reads; what asks for more is for the server to answer. */
static bool is_plain_read(const struct op *op) {
    return op->request.verb == LARDER_GET && (op->request.ask & WIRE_ASK_PUBLIC) == 0 &&
           op->pinned == NULL;
}

static bool writes(const struct op *op) {
    return op->request.verb != LARDER_GET && op->request.verb != LARDER_NOOP && !op->silent;
}

bool op_near_serves(struct op *op) {
    struct near *near = op->larder->near;
    struct near_about about = {.ticket = 0};

    if (near == NULL) {
        return false;
    }
    if (writes(op)) {
        near_forget(near, key_of(op));
    }
    if (!is_plain_read(op)) {
        return false;
    }
    if (!near_get(near, key_of(op), op->larder->now_ns, &op->value, &about)) {
        op->near_ticket = about.ticket;
        return false;
    }
    op->item.cas = about.cas;
    op->item.flags = about.flags;
    op->item.marks = LARDER_MARK_NEAR;
    op->item.value_bytes = bytes_count(&op->value);
    op->item.value = op->item.value_bytes > 0 ? bytes_span(&op->value).data : (const void *)"";
    op_end(op, LARDER_HIT);
    return true;
}

void op_near_conclude(struct op *op, enum larder_result result) {
    struct near *near = op->larder->near;
    const struct larder_item *item = &op->item;

    if (near == NULL || result == LARDER_BAD_ARGUMENT) {
        return;
    }
    if (writes(op)) {
        near_forget(near, key_of(op));
    } else if (op->near_ticket != 0 && result == LARDER_HIT &&
               (item->marks & ~(unsigned)LARDER_MARK_REPLICA) == 0) {
        struct near_offered offered = {
            .value = bytes_span(&op->value),
            .about = {.cas = item->cas, .flags = item->flags, .ticket = op->near_ticket},
            .ttl_ms = item->ttl_s < 0 ? UINT64_MAX : (uint64_t)item->ttl_s * 1000,
        };

        near_offer(near, key_of(op), op->larder->now_ns, &offered);
    }
}
