/* larder: bytes to requests */
#include "src/proto/parser.h"

#include "src/base/assert.h"
#include "src/base/number.h"
#include "src/proto/binary.h"
#include "src/proto/commands.h"
#include "src/proto/meta.h"

enum {
    LINE_BYTES_MIN = 4, /* shorter ones, end included, are no command */
    LEADING_SPACES_MAX = 100,
};

/* A line that is whole in the input. */
struct line {
    struct span input;   /* begins with it */
    const uint8_t *text; /* behind leading spaces */
    const uint8_t *end;  /* of the text, before \r\n or \n */
    const uint8_t *next; /* behind the line feed */
};

static size_t line_bytes(const struct line *line) {
    return (size_t)(line->next - line->input.data);
}

void parser_init(struct parser *parser, enum parser_protocol protocol,
                 uint32_t value_bytes_inline_max) {
    ASSERT(value_bytes_inline_max > 0);
    *parser = (struct parser){
        .protocol = (uint8_t)protocol,
        .state = protocol == PARSER_ASCII_ONLY ? PARSER_LINE : PARSER_FIRST,
        .value_bytes_inline_max = value_bytes_inline_max,
        .need_bytes = 1,
    };
}

bool parser_is_idle(const struct parser *parser) {
    return parser->state == PARSER_LINE || parser->state == PARSER_BINARY ||
           parser->state == PARSER_FIRST;
}

unsigned request_tokens(struct span text, struct span *tokens, unsigned tokens_max) {
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.len;
    unsigned count = 0;

    while (count < tokens_max) {
        while (at < end && *at == ' ') {
            at++;
        }
        if (at == end) {
            break;
        }
        const uint8_t *stop = memchr(at, ' ', (size_t)(end - at));

        stop = stop ? stop : end;
        tokens[count++] = span_of(at, (size_t)(stop - at));
        at = stop;
    }
    return count;
}

/* The state between two commands. */
static uint8_t parser_home(const struct parser *parser) {
    return parser->protocol == PARSER_BINARY_ONLY ? PARSER_BINARY : PARSER_LINE;
}

static enum parse_result parser_close(struct parser *parser) {
    parser->state = PARSER_CLOSED;
    return PARSE_CLOSE;
}

static enum parse_result parser_need(struct parser *parser, uint64_t bytes) {
    parser->need_bytes = bytes;
    return PARSE_MORE;
}

static enum parse_result request_fail(struct request *request, enum outcome outcome,
                                      bool noreply) {
    request->verb = VERB_FAIL;
    request->outcome = (uint8_t)outcome;
    request->noreply = noreply;
    return PARSE_REQUEST;
}

/* -- swallowing -------------------------------------------------------------------------------- */

void parser_swallow(struct parser *parser, const struct request *request, uint64_t bytes,
                    enum outcome outcome) {
    parser->state = PARSER_SWALLOW;
    parser->swallow_bytes = bytes;
    parser->outcome = (uint8_t)outcome;
    parser->noreply = request->noreply;
    parser->opcode = request->opcode;
    parser->opaque = request->opaque;
    parser->need_bytes = 1;
}

static enum parse_result parse_swallow(struct parser *parser, struct span input, size_t *consumed,
                                       struct request *request) {
    size_t dropped = input.len < parser->swallow_bytes ? input.len : (size_t)parser->swallow_bytes;

    parser->swallow_bytes -= dropped;
    *consumed += dropped;
    if (parser->swallow_bytes > 0) {
        return parser_need(parser, 1);
    }
    parser->state = parser_home(parser);
    if (parser->state == PARSER_BINARY) {
        request->protocol = REQUEST_BINARY;
        request->opcode = parser->opcode;
        request->opaque = parser->opaque;
    }
    return request_fail(request, (enum outcome)parser->outcome, parser->noreply);
}

/* -- lines of keys ----------------------------------------------------------------------------- */

/* The verdict on all keys of from..end. */
static bool keys_are_valid(const struct line *line, const uint8_t *from) {
    const uint8_t *end = line->end;

    while (from < end) {
        const uint8_t *stop = scan_token_end(line->input.data, from, end);

        if (stop - from > REQUEST_KEY_BYTES_MAX) {
            return false;
        }
        from = stop + 1;
    }
    return true;
}

enum parse_result parser_next_key(struct parser *parser, struct span input, size_t *consumed,
                                  struct request *request) {
    request_mark(request, (enum verb)parser->verb, false);
    ASSERT(input.len >= parser->line_bytes_left && parser->line_bytes_left > 1);
    const uint8_t *next = input.data + parser->line_bytes_left;
    const uint8_t *end = next - 1;
    const uint8_t *key = input.data;

    if (end > key && end[-1] == '\r') {
        end--;
    }
    while (*key == ' ') {
        key++;
    }
    const uint8_t *stop = scan_token_end(input.data, key, end);
    const uint8_t *after = stop;

    while (after < end && *after == ' ') {
        after++;
    }
    request->exptime = parser->exptime;
    request->key = span_of(key, (size_t)(stop - key));
    request->line_bytes_left = parser->line_bytes_left;
    request->last = after == end;
    if (request->last) {
        parser->state = PARSER_LINE;
        after = next;
    }
    *consumed = (size_t)(after - input.data);
    parser->line_bytes_left = (uint32_t)(next - after);
    return PARSE_REQUEST;
}

static enum parse_result parse_keys(struct parser *parser, const struct line *line,
                                    const struct command *command, size_t *consumed,
                                    struct request *request) {
    const uint8_t *keys = line->text + command->word_bytes;
    struct span tokens[2];

    parser->exptime = 0;
    if (command->shape == COMMAND_TIME_KEYS) {
        request_tokens(span_of(keys, (size_t)(line->end - keys)), tokens, 1);
        if (!number_parse_i32(tokens[0], &parser->exptime)) {
            return request_fail(request, OUTCOME_INVALID_EXPTIME, false);
        }
        keys = tokens[0].data + tokens[0].len;
    }
    if (!keys_are_valid(line, keys)) {
        return request_fail(request, OUTCOME_BAD_FORMAT, false);
    }
    parser->state = PARSER_KEYS;
    parser->verb = command->verb;
    parser->line_bytes_left = (uint32_t)(line->next - keys);

    enum parse_result result = parser_next_key(
        parser, span_of(keys, (size_t)(line->next - keys)), consumed, request);

    *consumed += (size_t)(keys - line->input.data);
    request->line_bytes_left = 0; /* taken back, the line is read again from its word */
    return result;
}

/* -- storage ----------------------------------------------------------------------------------- */

/* The line is good; its value: whole in the input, awaited, or announced. */
static enum parse_result parse_value(struct parser *parser, const struct line *line,
                                     size_t *consumed, struct request *request) {
    struct span input = line->input;
    uint64_t total = line_bytes(line) + request->value_bytes + 2;

    if (input.len >= total) {
        const uint8_t *end = input.data + total - 2;

        request->value = span_of(line->next, (size_t)request->value_bytes);
        request->value_bad_end = end[0] != '\r' || end[1] != '\n';
        *consumed = (size_t)total;
        return PARSE_REQUEST;
    }
    if (request->value_bytes <= parser->value_bytes_inline_max) {
        *consumed = 0;
        return parser_need(parser, total);
    }
    request->value_follows = true;
    *consumed = line_bytes(line);
    return PARSE_REQUEST;
}

static enum parse_result parse_storage(struct parser *parser, const struct line *line,
                                       const struct command *command, size_t *consumed,
                                       struct request *request) {
    struct span tokens[REQUEST_TOKENS_MAX];
    unsigned count = request_tokens(span_of(line->text, (size_t)(line->end - line->text)), tokens,
                                    REQUEST_TOKENS_MAX);
    bool valid = true;

    if (!number_parse_u64(tokens[4], &request->value_bytes) ||
        request->value_bytes > REQUEST_VALUE_BYTES_MAX) {
        return request_fail(request, OUTCOME_BAD_FORMAT, false);
    }
    request->verb = command->verb;
    request->noreply = span_is(tokens[count - 1], "noreply");
    request->key = tokens[1];
    request->cas = 0;
    valid = request->key.len <= REQUEST_KEY_BYTES_MAX &&
            number_parse_flags(tokens[2], &request->client_flags) &&
            number_parse_exptime(tokens[3], &request->exptime);
    if (valid && command->verb == VERB_CAS) {
        valid = count > 5 && number_parse_u64(tokens[5], &request->cas);
    }
    if (!valid) {
        parser_swallow(parser, request, request->value_bytes + 2, OUTCOME_BAD_FORMAT);
        *consumed = line_bytes(line);
        return parse_swallow(parser, span_of(line->next, line->input.len - *consumed), consumed,
                             request);
    }
    return parse_value(parser, line, consumed, request);
}

/* -- meta -------------------------------------------------------------------------------------- */

/* The line whose word is at `text`. PARSE_CLOSE: its end is not in sight, or too far. */
static enum parse_result parse_meta(struct parser *parser, struct span input, const uint8_t *text,
                                    size_t *consumed, struct request *request) {
    struct meta_line read;

    if (!meta_parse(input, text, request, &read) ||
        read.next - input.data > PARSER_LINE_BYTES_ENDED_MAX) {
        return PARSE_CLOSE;
    }
    struct line line = {.input = input, .next = read.next};

    *consumed = line_bytes(&line);
    if (read.wrong != OUTCOME_NONE && read.has_value) {
        parser_swallow(parser, request, request->value_bytes + 2, read.wrong);
        return parse_swallow(parser, span_of(line.next, input.len - *consumed), consumed, request);
    }
    if (read.wrong != OUTCOME_NONE) {
        return request_fail(request, read.wrong, false);
    }
    return read.has_value ? parse_value(parser, &line, consumed, request) : PARSE_REQUEST;
}

/* -- other commands ---------------------------------------------------------------------------- */

/* What stands behind the key: a delta, an exptime, or for delete a forgiven 0. */
static enum outcome parse_argument(const struct command *command, const struct span *tokens,
                                   unsigned count, struct request *request) {
    switch (command->verb) {
    case VERB_DELETE: {
        /* old clients send a time of 0; anything else is a mistake (1.6.18 says which) */
        unsigned rest = count - 2 - (request->noreply && count > 2);

        return rest == 0 || (rest == 1 && span_is(tokens[2], "0")) ? OUTCOME_NONE
                                                                    : OUTCOME_BAD_DELETE;
    }
    case VERB_TOUCH:
        return number_parse_i32(tokens[2], &request->exptime) ? OUTCOME_NONE
                                                              : OUTCOME_INVALID_EXPTIME;
    default:
        return number_parse_u64(tokens[2], &request->delta) ? OUTCOME_NONE : OUTCOME_INVALID_DELTA;
    }
}

static enum parse_result parse_key_command(const struct command *command,
                                           const struct span *tokens, unsigned count,
                                           struct request *request) {
    request->verb = command->verb;
    request->noreply = span_is(tokens[count - 1], "noreply");
    request->key = tokens[1];
    if (request->key.len > REQUEST_KEY_BYTES_MAX) {
        return request_fail(request, OUTCOME_BAD_FORMAT, request->noreply);
    }
    enum outcome wrong = parse_argument(command, tokens, count, request);

    if (wrong != OUTCOME_NONE) {
        return request_fail(request, wrong, request->noreply);
    }
    return PARSE_REQUEST;
}

static enum parse_result parse_plain(const struct line *line, const struct command *command,
                                     const struct span *tokens, unsigned count,
                                     struct request *request) {
    const uint8_t *arguments = line->text + command->word_bytes;
    const uint8_t *end = line->end;

    request->verb = command->verb;
    request->noreply = command->shape == COMMAND_ARGUMENTS && count > 1 &&
                       span_is(tokens[count - 1], "noreply");
    if (request->noreply) {
        end = tokens[count - 1].data;
    }
    request->arguments = span_of(arguments, (size_t)(end - arguments));
    return PARSE_REQUEST;
}

static enum parse_result parse_unknown(struct parser *parser, const struct span *tokens,
                                       unsigned count, struct request *request) {
    struct span last = count > 0 ? tokens[count - 1] : span_of(NULL, 0);

    if (count > 1 && last.len >= 5 && memcmp(last.data, "HTTP/", 5) == 0) {
        return parser_close(parser);
    }
    return request_fail(request, OUTCOME_ERROR, span_is(last, "noreply"));
}

static enum parse_result parse_command(struct parser *parser, const struct line *line,
                                       size_t *consumed, struct request *request) {
    struct span tokens[REQUEST_TOKENS_MAX];
    unsigned count = request_tokens(span_of(line->text, (size_t)(line->end - line->text)), tokens,
                                    REQUEST_TOKENS_MAX);
    const struct command *command = count > 0 ? command_find(tokens[0]) : NULL;

    *consumed = line_bytes(line);
    if (*consumed < LINE_BYTES_MIN) {
        return request_fail(request, OUTCOME_BAD_FORMAT, false);
    }
    if (!command) {
        return parse_unknown(parser, tokens, count, request);
    }
    if (count < command->tokens_min) {
        return request_fail(request, OUTCOME_BAD_FORMAT, false);
    }
    switch ((enum command_shape)command->shape) {
    case COMMAND_KEYS:
    case COMMAND_TIME_KEYS:
        return parse_keys(parser, line, command, consumed, request);
    case COMMAND_STORAGE:
        return parse_storage(parser, line, command, consumed, request);
    case COMMAND_META: {
        enum parse_result result =
            parse_meta(parser, line->input, line->text, consumed, request);

        return result == PARSE_CLOSE ? parser_close(parser) : result;
    }
    case COMMAND_KEY:
        return parse_key_command(command, tokens, count, request);
    default:
        return parse_plain(line, command, tokens, count, request);
    }
}

/* -- lines ------------------------------------------------------------------------------------- */

/* Whether the line that begins with `input` is one of keys, which may be long. */
static bool line_is_of_keys(struct span input) {
    static const char *const words[] = {"get ", "gets ", "gat ", "gats "};
    size_t spaces = 0;

    while (spaces < input.len && spaces <= LEADING_SPACES_MAX && input.data[spaces] == ' ') {
        spaces++;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t bytes = strlen(words[i]);

        if (input.len - spaces >= bytes && memcmp(input.data + spaces, words[i], bytes) == 0) {
            return spaces <= LEADING_SPACES_MAX;
        }
    }
    return false;
}

/* No line feed in sight: waits, or gives up. */
static enum parse_result parse_unended(struct parser *parser, struct span input) {
    size_t bytes_max = PARSER_LINE_BYTES_UNENDED_MAX;

    if (input.len > bytes_max && line_is_of_keys(input)) {
        bytes_max = PARSER_LINE_BYTES_MAX;
    }
    if (input.len > bytes_max) {
        return parser_close(parser);
    }
    parser->scanned_bytes = (uint32_t)input.len;
    return parser_need(parser, input.len + 1);
}

static enum parse_result parse_line(struct parser *parser, struct span input, size_t *consumed,
                                    struct request *request) {
    const uint8_t *from = input.data + parser->scanned_bytes;
    const uint8_t *feed = memchr(from, '\n', input.len - parser->scanned_bytes);

    if (!feed) {
        return parse_unended(parser, input);
    }
    struct line line = {.input = input, .text = input.data, .end = feed, .next = feed + 1};

    if (line_bytes(&line) > PARSER_LINE_BYTES_ENDED_MAX &&
        (line_bytes(&line) > PARSER_LINE_BYTES_MAX || !line_is_of_keys(input))) {
        return parser_close(parser);
    }
    if (line.end > input.data && line.end[-1] == '\r') {
        line.end--;
    }
    while (line.text < line.end && *line.text == ' ') {
        line.text++;
    }
    parser->scanned_bytes = 0;
    return parse_command(parser, &line, consumed, request);
}

static inline bool is_meta_letter(uint8_t letter) {
    return letter == 'g' || letter == 's' || letter == 'd' || letter == 'a' || letter == 'e';
}

/* A whole line of mg, ms, md, ma or me at the front of the input. PARSE_CLOSE: it is none. */
static enum parse_result parse_meta_fast(struct parser *parser, struct span input,
                                         size_t *consumed, struct request *request) {
    enum parse_result result = PARSE_CLOSE;

    if (parser->scanned_bytes == 0 && input.len >= 4 && input.data[0] == 'm' &&
        input.data[2] == ' ' && is_meta_letter(input.data[1])) {
        result = parse_meta(parser, input, input.data, consumed, request);
        request->protocol = result == PARSE_CLOSE ? REQUEST_ASCII : REQUEST_META;
    }
    return result;
}

/* -- binary ------------------------------------------------------------------------------------ */

/* The value of a packet whose front was read: whole in the input, awaited, or announced. */
static enum parse_result parse_packet_value(struct parser *parser, struct span input,
                                            const struct binary_packet *packet, size_t *consumed,
                                            struct request *request) {
    uint64_t total = packet->front_bytes + packet->value_bytes;

    request->value_bytes = packet->value_bytes;
    request->value_bad_end = false;
    if (input.len >= total) {
        request->value = span_of(input.data + packet->front_bytes, (size_t)packet->value_bytes);
        *consumed = (size_t)total;
    } else if (packet->value_bytes <= parser->value_bytes_inline_max) {
        *consumed = 0;
        return parser_need(parser, total);
    } else {
        request->value_follows = true;
    }
    return PARSE_REQUEST;
}

static enum parse_result parse_binary(struct parser *parser, struct span input, size_t *consumed,
                                      struct request *request) {
    struct binary_packet packet;

    *consumed = binary_get_fast(input, request);
    if (*consumed > 0) {
        return PARSE_REQUEST;
    }
    uint64_t need = binary_parse(input, request, &packet);

    if (need > 0) {
        return parser_need(parser, need);
    }
    *consumed = packet.front_bytes;
    switch (packet.kind) {
    case BINARY_PACKET_WHOLE:
        return PARSE_REQUEST;
    case BINARY_PACKET_VALUE:
        return parse_packet_value(parser, input, &packet, consumed, request);
    case BINARY_PACKET_REFUSED:
        parser_swallow(parser, request, packet.value_bytes, packet.wrong);
        return parse_swallow(parser, span_of(input.data + *consumed, input.len - *consumed),
                             consumed, request);
    case BINARY_PACKET_FATAL:
        parser->state = PARSER_CLOSED;
        (void)request_fail(request, packet.wrong, false);
        request->verb = VERB_HANG_UP;
        return PARSE_REQUEST;
    default:
        return parser_close(parser);
    }
}

/* The first byte decides for good. False: it is not the protocol that is spoken here. */
static bool parser_choose(struct parser *parser, uint8_t first) {
    bool binary = first == BINARY_MAGIC_REQUEST;

    if (binary ? parser->protocol == PARSER_ASCII_ONLY : parser->protocol == PARSER_BINARY_ONLY) {
        return false;
    }
    parser->protocol = binary ? PARSER_BINARY_ONLY : PARSER_ASCII_ONLY;
    parser->state = parser_home(parser);
    return true;
}

enum parse_result parser_next_slow(struct parser *parser, struct span input, size_t *consumed,
                                   struct request *request) {
    *consumed = 0;
    request_mark(request, VERB_FAIL, false);
    if (input.len == 0) {
        return parser->state == PARSER_CLOSED ? PARSE_CLOSE : PARSE_MORE;
    }
    if (parser->state == PARSER_FIRST && !parser_choose(parser, input.data[0])) {
        return parser_close(parser);
    }
    enum parse_result result;

    switch ((enum parser_state)parser->state) {
    case PARSER_LINE:
        result = parse_meta_fast(parser, input, consumed, request);
        return result == PARSE_CLOSE ? parse_line(parser, input, consumed, request) : result;
    case PARSER_BINARY:
        return parse_binary(parser, input, consumed, request);
    case PARSER_KEYS:
        return parser_next_key(parser, input, consumed, request);
    case PARSER_SWALLOW:
        return parse_swallow(parser, input, consumed, request);
    default:
        return PARSE_CLOSE;
    }
}

void parser_rewind(struct parser *parser, const struct request *request) {
    parser->state = request->line_bytes_left > 0 ? PARSER_KEYS : parser_home(parser);
    parser->line_bytes_left = request->line_bytes_left;
    if (request->line_bytes_left > 0) {
        parser->verb = request->verb;
        parser->exptime = request->exptime;
    }
    parser->scanned_bytes = 0;
    parser->need_bytes = 1;
    parser->swallow_bytes = 0;
}
