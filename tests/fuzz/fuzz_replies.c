/* larder: what a server may say to liblarder, in both dialects
 *
 * The first byte chooses the dialect and how the rest is cut into receives; the rest is what the
 * server says to a handle that has a request of each kind under way, with opaques from 1. */
#include <stdio.h>
#include <stdlib.h>

#include "src/client/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { REQUESTS = LARDER_NOOP + 3 };

static void take_line(void *context, struct span line) {
    uint64_t *sum = context;

    for (size_t i = 0; i < line.len; i++) {
        *sum += line.data[i];
    }
}

/* One of each kind, so that each reply meets a request that it may be for. */
static void begin_all(struct larder *larder, const struct op_lines *lines) {
    struct node *node = &larder->nodes[0];

    node->phase = NODE_READY;
    node->used_ns = larder->now_ns;
    larder->opaque = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct larder_request request = {.verb = i <= LARDER_NOOP ? (enum larder_verb)i : 0,
                                         .key = "key", .key_bytes = 3, .value = "value",
                                         .value_bytes = 5, .cas = 9};

        request.ask = i == LARDER_NOOP + 1 ? LARDER_VIVIFY : 0;
        struct op *op = i == LARDER_NOOP + 2 ? op_begin_at(node, &request, lines)
                                             : op_begin(larder, &request);

        ASSERT(op != NULL);
    }
}

static void check_ended(const struct larder *larder) {
    for (const struct op *op = larder->ended.first; op != NULL; op = op->next) {
        const uint8_t *value = op->item.value;
        unsigned sum = 0;

        for (size_t i = 0; i < op->item.value_bytes; i++) {
            sum += value[i];
        }
        ASSERT(sum <= op->item.value_bytes * 255);
        ASSERT(op->item.value_bytes == 0 || op->request.verb == LARDER_GET);
        ASSERT(strlen(op->why) < WHY_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 1) {
        return 0;
    }
    struct larder_config *config = larder_config_create();
    bool classic = (data[0] & 1) != 0;
    const char *why =
        larder_config_parse(config, classic ? "servers=127.0.0.1:1 protocol=classic retries=0"
                                            : "servers=127.0.0.1:1 protocol=meta retries=0");
    struct larder *larder = why == NULL ? larder_create(config, &why) : NULL;

    ASSERT(larder != NULL);
    larder_config_destroy(config);
    struct node *node = &larder->nodes[0];
    uint64_t sum = 0;
    struct op_lines lines = {.each = take_line, .context = &sum};
    size_t step = (data[0] >> 1) == 0 ? len : data[0] >> 1;

    begin_all(larder, &lines);
    for (size_t at = 1; at < len && node->phase == NODE_READY; at += step) {
        size_t bytes = len - at < step ? len - at : step;

        if (!bytes_append(&node->conn.in, span_of(data + at, bytes))) {
            break;
        }
        node_take_replies(node);
        loop_settle(larder);
    }
    check_ended(larder);
    larder_destroy(larder);
    return 0;
}
