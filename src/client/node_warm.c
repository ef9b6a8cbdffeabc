/* larder: a primary that is back: whether it is warm
 *
 *     stats larder    STAT warm 1 or 0: that counts, whatever else is known
 *     stats           STAT uptime S: the process that was lost has never been away itself
 *
 * A server that says neither is used again after return_ms. */
#include "src/base/number.h"
#include "src/client/client.h"

enum { UPTIME_SLACK_S = 5 }; /* memcached's begins at 2 */

void node_warm_begin(struct node *node) {
    node->warming = true;
    node->warm_asked = false;
    node->back_ns = node->larder->now_ns;
    node->warm_poll_ns = node->larder->now_ns;
    loop_wake_node_at(node->larder, node->warm_poll_ns);
}

static void poll_warmth(struct node *node) {
    node->warm_told = false;
    node->warm_is = false;
    node->warm_same = false;
    if (node_ask_lines(node, "stats larder\r\n")) {
        node->warm_asked = true;
    }
}

uint64_t node_warm_timer(struct node *node) {
    const struct larder_config *config = node->larder->config;
    uint64_t now = node->larder->now_ns;

    if (node->phase != NODE_READY || !node->warming) {
        return NEVER_NS;
    }
    if (now >= node->warm_poll_ns) {
        node->warm_poll_ns = now + config->warm_poll_ms * MS_NS;
        if (!node->warm_asked) {
            poll_warmth(node);
        }
    }
    return node->warm_poll_ns;
}

/* The number of "STAT NAME NUMBER". */
static bool stat_number(struct span line, const char *name, uint64_t *number) {
    return span_is(wire_word(&line), "STAT") && span_is(wire_word(&line), name) &&
           number_parse_u64(wire_word(&line), number);
}

void node_warm_line(struct node *node, struct span line) {
    uint64_t number;

    if (stat_number(line, "warm", &number)) {
        node->warm_told = true;
        node->warm_is = number != 0;
    } else if (stat_number(line, "uptime", &number)) {
        uint64_t away_s = (node->larder->now_ns - node->lost_ns) / (1000 * MS_NS);

        node->warm_same = number > away_s + UPTIME_SLACK_S;
    }
}

static bool is_warm(const struct node *node) {
    if (node->warm_told) {
        return node->warm_is;
    }
    return node->warm_same || node->larder->now_ns >= node->back_ns +
                                  node->larder->config->return_ms * MS_NS;
}

void node_warm_end(struct node *node) {
    if (node->warm_asked) {
        /* the first reply; now what any memcached says */
        node->warm_asked = false;
        if (node_ask_lines(node, "stats\r\n")) {
            return;
        }
    }
    if (is_warm(node)) {
        node->warming = false;
    }
}
