/* larder: waits for servers and clocks, and lets what happened follow its course */
#include <time.h>

#include "src/client/client.h"

void loop_look_at_clock(struct larder *larder) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    larder->now_ns = (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
}

void loop_wake_at(struct larder *larder, uint64_t ns) {
    if (ns < larder->timer_ns) {
        larder->timer_ns = ns;
    }
}

void loop_wake_node_at(struct larder *larder, uint64_t ns) {
    if (ns < larder->node_timer_ns) {
        larder->node_timer_ns = ns;
    }
}

/* xorshift64*: G. Marsaglia, "Xorshift RNGs", J. Stat. Soft. 8, 2003; S. Vigna 2016. */
uint64_t client_random(struct larder *larder) {
    larder->random ^= larder->random >> 12;
    larder->random ^= larder->random << 25;
    larder->random ^= larder->random >> 27;
    return larder->random * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t client_jitter_ns(struct larder *larder, uint64_t ms) {
    uint64_t ns = ms * MS_NS;

    return ns - (ns / 2) * (client_random(larder) >> 44) / (1 << 20);
}

void loop_settle(struct larder *larder) {
    for (struct leg *leg = leg_queue_pop(&larder->lost); leg != NULL;
         leg = leg_queue_pop(&larder->lost)) {
        if (leg->op != NULL) {
            op_lost(leg->op, leg);
        }
        leg_recycle(larder, leg);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void run_timers(struct larder *larder) {
    uint64_t next = NEVER_NS;
    uint64_t node_next = NEVER_NS;

    larder->timer_ns = NEVER_NS;
    larder->node_timer_ns = NEVER_NS;
    for (struct op *op = larder->running.first, *after; op != NULL; op = after) {
        after = op->next;
        if (op->timer_ns <= larder->now_ns) {
            op_timer(op);
        } else {
            next = earlier(next, op->timer_ns);
        }
    }
    for (uint32_t i = 0; i < larder->node_count; i++) {
        node_next = earlier(node_next, node_timer(&larder->nodes[i]));
    }
    loop_wake_at(larder, next);
    loop_wake_node_at(larder, node_next);
    loop_settle(larder);
}

/* Sends what has come together. */
static void flush(struct larder *larder) {
    for (uint32_t i = larder->active_count; i-- > 0;) {
        struct node *node = larder->active[i];

        if (node->phase >= NODE_PROBING && bytes_count(&node->conn.out) > 0 &&
            conn_flush(&node->conn) == CONN_LOST) {
            node_fail(node, node->conn.why);
        }
        /* node_fail takes the node out and puts the last in its place, which was seen already */
    }
    loop_settle(larder);
}

/* One server, one connection without TLS, and time enough: the receive itself can wait. */
static bool wait_in_receive(struct larder *larder, uint64_t wait_ns) {
    if (larder->active_count != 1) {
        return false;
    }
    struct node *node = larder->active[0];
    struct conn *conn = &node->conn;

    if (node->phase != NODE_READY || conn->secure != NULL || conn->blocks_ms == 0 ||
        bytes_count(&conn->out) > 0 || wait_ns < conn->blocks_ms * MS_NS) {
        return false;
    }
    enum conn_progress progress = conn_fill(conn, true);

    loop_look_at_clock(larder);
    if (progress == CONN_GOT) {
        node_take_replies(node);
    } else if (progress == CONN_LOST) {
        node_fail(node, conn->why);
    }
    node_activate(node);
    return true;
}

static void wait_in_poll(struct larder *larder, uint64_t wait_ns) {
    struct timespec limit = {.tv_sec = (time_t)(wait_ns / (1000 * MS_NS)),
                             .tv_nsec = (long)(wait_ns % (1000 * MS_NS))};
    uint32_t count = larder->active_count;

    for (uint32_t i = 0; i < count; i++) {
        larder->polls[i] = (struct pollfd){.fd = node_fd(larder->active[i]),
                                           .events = node_events(larder->active[i])};
    }
    int ready = ppoll(larder->polls, count, &limit, NULL);

    loop_look_at_clock(larder);
    /* backwards: whoever leaves is replaced by one that was seen; who joins stands behind */
    for (uint32_t i = count; ready > 0 && i-- > 0;) {
        if (larder->polls[i].revents != 0 && i < larder->active_count &&
            node_fd(larder->active[i]) == larder->polls[i].fd) {
            node_turn(larder->active[i], larder->polls[i].revents);
        }
    }
}

void loop_turn(struct larder *larder, uint64_t until_ns) {
    uint32_t ends = larder->ends;

    flush(larder);
    if (larder->ends != ends) {
        return; /* the caller may have what it wants */
    }
    uint64_t wake_ns = earlier(until_ns, earlier(larder->timer_ns, larder->node_timer_ns));
    uint64_t wait_ns = wake_ns > larder->now_ns ? wake_ns - larder->now_ns : 0;

    if (wait_ns > 3600 * 1000 * MS_NS) {
        wait_ns = 3600 * 1000 * MS_NS;
    }
    if (!wait_in_receive(larder, wait_ns)) {
        wait_in_poll(larder, wait_ns);
    }
    loop_settle(larder);
    if (larder->now_ns >= earlier(larder->timer_ns, larder->node_timer_ns)) {
        run_timers(larder);
    }
}
