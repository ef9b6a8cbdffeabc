/* larder: what clients say and hear, for -vv
 *
 * Lines as they are; of packets the headers, four bytes a line, as memcached shows them. */
#include <stdio.h>

#include "src/engine/execute.h"
#include "src/proto/binary.h"

enum { LOG_ROW_BYTES = 4, LOG_ROW_TEXT_BYTES = 32, LOG_REQUEST_TEXT_BYTES = 320 };

static const char *const verb_names[VERB_COUNT] = {
#define COMMAND(VERB, word, shape, tokens_min, execute, doc) [VERB_##VERB] = #VERB,
#include "src/proto/commands.def"
#undef COMMAND
};

static void log_text(const struct engine_core *core, const struct session *session, char prefix,
                     struct span text) {
    core->config->log(core->config->log_context, session, prefix, text);
}

static void log_header(const struct engine_core *core, const struct session *session, char prefix,
                       const uint8_t *header) {
    bool request = prefix == '<';

    log_text(core, session, prefix,
             request ? span_from_text("Read binary protocol data:")
                     : span_from_text("Writing bin response:"));
    for (unsigned i = 0; i < BINARY_HEADER_BYTES; i += LOG_ROW_BYTES) {
        char text[LOG_ROW_TEXT_BYTES];
        int bytes = snprintf(text, sizeof text, "%s0x%02x 0x%02x 0x%02x 0x%02x",
                             request ? "   " : "  ", header[i], header[i + 1], header[i + 2],
                             header[i + 3]);

        log_text(core, session, prefix, span_of(text, (size_t)bytes));
    }
}

static void log_packet(const struct engine_core *core, const struct session *session,
                       const struct request *request, const uint8_t *header) {
    const char *name = verb_names[request->verb];
    char text[LOG_REQUEST_TEXT_BYTES];
    int bytes;

    log_header(core, session, '<', header);
    if (!name || !REQUEST_VERB_HAS_KEY(request->verb)) {
        return;
    }
    bytes = snprintf(text, sizeof text, "%s %.*s", name, (int)request->key.len,
                     (const char *)request->key.data);
    log_text(core, session, '<', span_of(text, (size_t)bytes));
}

static void log_line(const struct engine_core *core, const struct session *session,
                     struct span input) {
    const uint8_t *feed = memchr(input.data, '\n', input.len);
    size_t bytes = feed ? (size_t)(feed - input.data) : input.len;

    bytes -= bytes > 0 && input.data[bytes - 1] == '\r';
    bytes = bytes < ENGINE_LOG_BYTES_MAX ? bytes : ENGINE_LOG_BYTES_MAX;
    log_text(core, session, '<', span_of(input.data, bytes));
}

void execute_log_request(const struct engine_core *core, const struct session *session,
                         const struct request *request, struct span input) {
    if (request->protocol != REQUEST_BINARY) {
        log_line(core, session, input);
    } else if (input.len >= BINARY_HEADER_BYTES && input.data[0] == BINARY_MAGIC_REQUEST) {
        log_packet(core, session, request, input.data);
    }
}

void execute_log_reply(const struct engine_core *core, const struct session *session,
                       struct span text) {
    log_text(core, session, '>', text);
}

void execute_log_packet(const struct engine_core *core, const struct session *session,
                        const uint8_t *header) {
    log_header(core, session, '>', header);
}

void execute_log_answer(const struct engine_core *core, const struct session *session,
                        const struct request *request, enum outcome outcome,
                        const uint8_t *packet) {
    char text[LOG_REQUEST_TEXT_BYTES];

    if (request->protocol != REQUEST_BINARY) {
        /* of meta's answers memcached shows mn's and errors */
        if (outcome > OUTCOME_DELETED && outcome != OUTCOME_META_MISS) {
            log_text(core, session, '>', outcome_text(outcome));
        }
        return;
    }
    if ((packet[6] | packet[7]) != 0) { /* its status */
        int bytes = snprintf(text, sizeof text, "Writing an error: %s", outcome_says(outcome));

        log_text(core, session, '>', span_of(text, (size_t)bytes));
    }
    log_header(core, session, '>', packet);
}
