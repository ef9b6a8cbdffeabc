/* larder: operations: made, ended, used again */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/client/client.h"

void op_list_push(struct op_list *list, struct op *op) {
    op->next = NULL;
    op->prev = list->last;
    if (list->last == NULL) {
        list->first = op;
    } else {
        list->last->next = op;
    }
    list->last = op;
}

void op_list_remove(struct op_list *list, struct op *op) {
    if (op->prev == NULL) {
        list->first = op->next;
    } else {
        op->prev->next = op->next;
    }
    if (op->next == NULL) {
        list->last = op->prev;
    } else {
        op->next->prev = op->prev;
    }
    op->next = NULL;
    op->prev = NULL;
}

struct op *op_create(struct larder *larder) {
    struct op *op = larder->free_ops;
    struct bytes value = {.room = 0};

    if (op == NULL) {
        op = malloc(sizeof(*op));
    } else {
        larder->free_ops = op->next;
        larder->free_op_count--;
        value = op->value;
    }
    if (op == NULL) {
        return NULL;
    }
    /* all but the text, which is written when there is something to say */
    memset(op, 0, offsetof(struct op, why));
    op->why[0] = '\0';
    op->larder = larder;
    op->value = value;
    op->item = (struct larder_item){.value = "", .ttl_s = LARDER_UNKNOWN,
                                    .idle_s = LARDER_UNKNOWN, .why = op->why};
    return op;
}

void op_recycle(struct larder *larder, struct op *op) {
    if (larder->free_op_count >= OPS_KEPT_MAX) {
        bytes_fini(&op->value);
        free(op);
        return;
    }
    bytes_clear(&op->value, OP_VALUE_KEPT_BYTES);
    op->next = larder->free_ops;
    larder->free_ops = op;
    larder->free_op_count++;
}

struct leg *leg_create(struct larder *larder) {
    struct leg *leg = larder->free_legs;

    if (leg == NULL) {
        leg = malloc(sizeof(*leg));
    } else {
        larder->free_legs = leg->next;
    }
    if (leg != NULL) {
        *leg = (struct leg){.why = ""};
    }
    return leg;
}

void leg_recycle(struct larder *larder, struct leg *leg) {
    leg->next = larder->free_legs;
    larder->free_legs = leg;
}

void op_explain(struct op *op, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(op->why, sizeof(op->why), format, arguments);
    va_end(arguments);
}

bool op_reads(const struct op *op) {
    unsigned writes = LARDER_VIVIFY | LARDER_RECACHE;

    return op->request.verb == LARDER_GET && (op->request.ask & writes) == 0 && op->lines == NULL;
}

bool op_is_idempotent(const struct op *op) {
    switch (op->request.verb) {
    case LARDER_GET: return op_reads(op) || op->lines != NULL;
    case LARDER_SET:
    case LARDER_TOUCH:
    case LARDER_NOOP: return true;
    case LARDER_DELETE: return op->request.cas == 0;
    default: return false;
    }
}

void op_drop_legs(struct op *op) {
    for (unsigned i = 0; i < 2; i++) {
        struct leg *leg = op->legs[i];

        op->legs[i] = NULL;
        if (leg == NULL) {
            continue;
        }
        leg->op = NULL;
        if (node_withdraw(leg->node, leg)) {
            leg_recycle(op->larder, leg);
        }
    }
}

/* Tokens of the two copies that a client keeps alike cannot be compared; their highest bits tell
 * them apart. */
static enum larder_result refuse_older(struct op *op, enum larder_result result) {
    struct larder_item *item = &op->item;
    uint64_t least = op->request.cas;

    if (op->request.verb != LARDER_GET || (op->request.ask & LARDER_NOT_OLDER) == 0 ||
        (result != LARDER_HIT && result != LARDER_STALE) ||
        (item->cas >= least && (item->cas ^ least) >> 63 == 0)) {
        return result;
    }
    item->value = "";
    item->value_bytes = 0;
    return LARDER_MISS;
}

void op_end(struct op *op, enum larder_result result) {
    struct larder *larder = op->larder;

    ASSERT(!op->ended);
    op_drop_legs(op);
    if (op_pair_waits(op, &result)) {
        return;
    }
    result = refuse_older(op, result);
    op_near_conclude(op, result);
    op->ended = true;
    op->timer_ns = NEVER_NS;
    op->item.result = result;
    larder->ends++;
    op_list_remove(&larder->running, op);
    if (op->parent != NULL) {
        op_pair_child_ended(op->parent, op);
    }
    if (op->silent) {
        op_recycle(larder, op);
        return;
    }
    if (op->into != NULL) {
        *op->into = op->item;
    }
    op_list_push(&larder->ended, op);
}

void op_end_unserved(struct op *op, bool timed_out) {
    bool paired = op->position != NULL && op->position->replica != NULL && op->pinned == NULL;

    if (op->request.verb == LARDER_GET && paired) {
        op_end(op, LARDER_MISS);
    } else {
        op_end(op, timed_out ? LARDER_TIMED_OUT : LARDER_FAILED);
    }
}
