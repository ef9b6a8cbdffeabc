/* larder: operations that are answered by lines, such as statistics */
#include "src/client/client.h"

static bool begins(struct span line, const char *with) {
    size_t bytes = strlen(with);

    return line.len >= bytes && memcmp(line.data, with, bytes) == 0;
}

static bool tells_error(struct span line) {
    return begins(line, "ERROR") || begins(line, "CLIENT_ERROR") || begins(line, "SERVER_ERROR") ||
           begins(line, "BUSY") || begins(line, "BADCLASS") || begins(line, "NOTFULL");
}

bool op_lines_begin_with_ok(const struct op *op) {
    struct span command = span_of(op->request.value, op->request.value_bytes);

    return begins(command, "lru_crawler metadump ") || begins(command, "lru_crawler mgdump ");
}

bool op_line_ends(const struct leg *leg, struct span line) {
    return span_is(line, "END") || (span_is(line, "OK") && !leg->ok_begins) ||
           span_is(line, "RESET") || span_is(line, "EN") || begins(line, "VERSION ") ||
           tells_error(line);
}

void op_line(struct op *op, struct leg *leg, struct span line, bool ends) {
    bool said = begins(line, "VERSION ");

    if (!ends || said) {
        op->lines->each(op->lines->context, line);
    }
    if (!ends) {
        return;
    }
    op->legs[leg->node->is_replica] = NULL;
    leg->op = NULL;
    if (tells_error(line)) {
        op_explain(op, "%s: %.*s", leg->node->name, (int)(line.len < 100 ? line.len : 100),
                   (const char *)line.data);
        op_end(op, LARDER_FAILED);
    } else {
        op_end(op, LARDER_DONE);
    }
}
