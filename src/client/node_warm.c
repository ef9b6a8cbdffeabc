/* larder: a primary that is back: whether it is warm */
#include "src/base/number.h"
#include "src/client/client.h"

void node_warm_begin(struct node *node) {
    node->warming = true;
    node->back_ns = node->larder->now_ns;
    node->warm_poll_ns = node->larder->now_ns;
    loop_wake_at(node->larder, node->warm_poll_ns);
}

uint64_t node_warm_timer(struct node *node) {
    uint64_t now = node->larder->now_ns;

    if (now >= node->back_ns + node->larder->config->return_ms * MS_NS) {
        node->warming = false;
        return NEVER_NS;
    }
    return node->back_ns + node->larder->config->return_ms * MS_NS;
}

void node_warm_line(struct node *node, struct span line) {
    (void)node;
    (void)line;
}

void node_warm_end(struct node *node) {
    (void)node;
}
