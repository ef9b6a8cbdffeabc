/* larder: what is answered, and its bytes */
#include "src/proto/response.h"

#include "src/base/assert.h"

struct outcome_line {
    uint8_t bytes[RESPONSE_LINE_BYTES_MAX - 1];
    uint8_t len; /* with the line's end */
};

static const struct outcome_line outcome_lines[OUTCOME_COUNT] = {
#define OUTCOME(NAME, text, status, says)                                                          \
    [OUTCOME_##NAME] = {.bytes = text "\r\n", .len = sizeof(text) + 1},
#include "src/proto/outcomes.def"
#undef OUTCOME
};

enum { LINE_BYTES_SHORT = 16 };

static const struct {
    const char *says;
    uint16_t status;
} outcome_packets[OUTCOME_COUNT] = {
#define OUTCOME(NAME, text, code, body) [OUTCOME_##NAME] = {.says = body, .status = code},
#include "src/proto/outcomes.def"
#undef OUTCOME
};

uint16_t outcome_status(enum outcome outcome) {
    ASSERT(outcome < OUTCOME_COUNT);
    return outcome_packets[outcome].status;
}

const char *outcome_says(enum outcome outcome) {
    ASSERT(outcome < OUTCOME_COUNT);
    return outcome_packets[outcome].says;
}

size_t response_write_result(uint8_t *to, const struct request *request, enum outcome outcome,
                             const struct response_result *result) {
    return request->protocol == REQUEST_BINARY
               ? response_write_binary_outcome(to, request, outcome, result)
               : response_write_meta_outcome(to, request, outcome, result);
}

struct span outcome_text(enum outcome outcome) {
    ASSERT(outcome < OUTCOME_COUNT);
    return span_of(outcome_lines[outcome].bytes, outcome_lines[outcome].len - 2u);
}

size_t response_write_outcome(uint8_t *to, const struct request *request, enum outcome outcome) {
    const struct outcome_line *line = &outcome_lines[outcome];

    (void)request;
    /* the caller's room is for the longest line, so that short ones are one fixed copy */
    memcpy(to, line->bytes, LINE_BYTES_SHORT);
    if (line->len > LINE_BYTES_SHORT) {
        memcpy(to + LINE_BYTES_SHORT, line->bytes + LINE_BYTES_SHORT,
               sizeof line->bytes - LINE_BYTES_SHORT);
    }
    return line->len;
}

size_t response_write_number(uint8_t *to, const struct request *request, uint64_t number) {
    size_t bytes = number_write_u64(to, number);

    (void)request;
    memcpy(to + bytes, "\r\n", 2);
    return bytes + 2;
}
