/* larder: the calls that have many operations under way */
#include "src/client/calls.h"

enum { BATCH_MAX = 1 << 12 }; /* operations under way at once in one call */

/* Lends what has ended; returns how many were good. */
static size_t collect(struct larder *larder) {
    size_t good = 0;

    while (larder->ended.first != NULL) {
        struct op *op = larder->ended.first;

        good += larder_is_good(op->item.result);
        calls_lend(larder, op);
    }
    return good;
}

static void give_up(struct larder_item *item, enum larder_result result) {
    if (item != NULL) {
        *item = (struct larder_item){.result = result, .value = "", .why = "",
                                     .ttl_s = LARDER_UNKNOWN, .idle_s = LARDER_UNKNOWN};
    }
}

/* Begins one of a batch, all of which end by the same time. */
static void begin(struct larder *larder, const struct larder_request *request,
                  struct larder_item *item, uint64_t until_ns) {
    if (larder->now_ns >= until_ns) {
        give_up(item, LARDER_TIMED_OUT);
        return;
    }
    struct op *op = op_begin(larder, request);

    if (op == NULL) {
        give_up(item, LARDER_NO_MEMORY);
        return;
    }
    op->into = item;
    if (op->ended && item != NULL) {
        *item = op->item;
    }
    if (op->deadline_ns > until_ns) {
        op->deadline_ns = until_ns;
        op->timer_ns = op->timer_ns < until_ns ? op->timer_ns : until_ns;
        loop_wake_at(larder, op->timer_ns);
    }
}

struct batch {
    struct larder_item *items; /* or NULL */
    uint64_t until_ns;
    size_t under_way_max;
    size_t good;
};

static struct batch batch_of(struct larder *larder, struct larder_item *items) {
    calls_begin(larder);
    return (struct batch){.items = items, .until_ns = larder->now_ns +
                                                      larder->config->request_ms * MS_NS};
}

static void batch_begin(struct larder *larder, struct batch *batch, size_t index,
                        const struct larder_request *request) {
    begin(larder, request, batch->items == NULL ? NULL : &batch->items[index], batch->until_ns);
    while ((index + 1) % BATCH_MAX == 0 && larder->running.first != NULL) {
        loop_turn(larder, NEVER_NS);
    }
}

static size_t batch_end(struct larder *larder) {
    while (larder->running.first != NULL) {
        loop_turn(larder, NEVER_NS);
    }
    return collect(larder);
}

size_t larder_do_many(struct larder *larder, const struct larder_request *requests, size_t count,
                      struct larder_item *items) {
    struct batch batch = batch_of(larder, items);
    bool may = calls_may_wait(larder);

    for (size_t i = 0; i < count; i++) {
        if (may) {
            batch_begin(larder, &batch, i, &requests[i]);
        } else if (items != NULL) {
            give_up(&items[i], LARDER_BAD_ARGUMENT);
        }
    }
    return may ? batch_end(larder) : 0;
}

size_t larder_get_many(struct larder *larder, const struct larder_key *keys, size_t count,
                       struct larder_item *items) {
    struct batch batch = batch_of(larder, items);
    bool may = calls_may_wait(larder);
    /* a repair wants the TTL, the near cache both */
    bool lean = larder->config->write == 0 && larder->near == NULL;
    unsigned ask = lean ? WIRE_ASK_LEAN : 0;

    for (size_t i = 0; i < count; i++) {
        struct larder_request request = {.verb = LARDER_GET, .ask = ask, .key = keys[i].data,
                                         .key_bytes = keys[i].bytes};

        if (may) {
            batch_begin(larder, &batch, i, &request);
        } else {
            give_up(&items[i], LARDER_BAD_ARGUMENT);
        }
    }
    return may ? batch_end(larder) : 0;
}

bool larder_submit(struct larder *larder, const struct larder_request *request) {
    loop_look_at_clock(larder);
    if (op_begin(larder, request) == NULL) {
        return false;
    }
    larder->pending++;
    return true;
}

size_t larder_pending(const struct larder *larder) {
    return larder->pending;
}

bool larder_next(struct larder *larder, unsigned wait_ms, void **tag, struct larder_item *item) {
    calls_begin(larder);
    uint64_t until_ns = larder->now_ns + wait_ms * MS_NS;

    if (larder->ended.first == NULL) {
        loop_turn(larder, wait_ms == 0 ? larder->now_ns : until_ns);
    }
    while (larder->ended.first == NULL && larder->pending > 0 && larder->now_ns < until_ns) {
        loop_turn(larder, until_ns);
    }
    struct op *op = larder->ended.first;

    if (op == NULL) {
        return false;
    }
    larder->pending--;
    calls_lend(larder, op);
    *tag = op->request.tag;
    *item = op->item;
    return true;
}

size_t larder_waits(const struct larder *larder, struct larder_wait *waits, size_t room,
                    unsigned *wait_ms) {
    uint64_t now = larder->now_ns;
    uint64_t next =
        larder->timer_ns < larder->node_timer_ns ? larder->timer_ns : larder->node_timer_ns;
    uint64_t ns = next > now ? next - now : 0;

    for (uint32_t i = 0; i < larder->active_count && i < room; i++) {
        waits[i] = (struct larder_wait){.fd = node_fd(larder->active[i]),
                                        .events = node_events(larder->active[i])};
    }
    *wait_ms = ns / MS_NS < 3600000 ? (unsigned)(ns / MS_NS) + 1 : 3600000;
    if (larder->ended.first != NULL) {
        *wait_ms = 0;
    }
    return larder->active_count;
}
