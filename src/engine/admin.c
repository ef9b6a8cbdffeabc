/* larder: commands about the server: version, quit, flush_all, and the server's own */
#include "src/engine/admin.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/base/number.h"
#include "src/engine/execute.h"

enum { ADMIN_LINE_BYTES_MAX = 4096 };

/* A packet of status 0 with key and value. */
static void admin_append_packet(struct reply *reply, const struct request *request,
                                struct span key, struct span value) {
    const struct response_packet packet = {.key = key, .value_bytes = value.len};
    uint8_t *to = reply->broken ? NULL
                                : reply_reserve(reply, RESPONSE_HEAD_BYTES_MAX + key.len +
                                                           value.len);

    if (!to) {
        reply->broken = true;
        return;
    }
    size_t bytes = response_write_packet(to, request, &packet);

    memcpy(to + bytes, value.data, value.len);
    reply_commit(reply, bytes + value.len);
}

void admin_version(struct engine_core *core, struct engine_request *entry) {
    struct reply *reply = &entry->session->reply;
    struct span version = span_from_text(core->config->version);

    if (entry->request.protocol == REQUEST_BINARY) {
        admin_append_packet(reply, &entry->request, span_of("", 0), version);
    } else if (reply_append(reply, "VERSION ", 8) &&
               reply_append(reply, version.data, version.len)) {
        (void)reply_append(reply, "\r\n", 2);
    }
    if (core->config->log) {
        execute_log_reply(core, entry->session, span_from_text("VERSION"));
    }
}

void admin_quit(struct engine_core *core, struct engine_request *entry) {
    if (entry->request.protocol == REQUEST_BINARY) {
        execute_answer(core, entry->session, &entry->request, OUTCOME_OK);
    }
    session_close(entry->session, SESSION_CLOSE_NORMAL);
}

void admin_flush_all(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct span token;
    int32_t delay = 0;
    int64_t seconds;
    enum outcome outcome = OUTCOME_OK;
    bool binary = request->protocol == REQUEST_BINARY;

    counter_add(&core->counters.cmd_flush, 1);
    if (!core->config->flush_enabled) {
        outcome = OUTCOME_FLUSH_NOT_ALLOWED;
    } else if (!binary && request_tokens(request->arguments, &token, 1) == 1 &&
               !number_parse_i32(token, &delay)) {
        outcome = OUTCOME_INVALID_EXPTIME;
    } else {
        seconds = binary ? (int64_t)(uint32_t)request->exptime : delay;
        store_flush(core->store_core, seconds > 0 ? engine_expiry(core, seconds) : core->now);
    }
    execute_answer(core, entry->session, request, outcome);
}

void admin_run(struct engine_core *core, struct engine_request *entry) {
    const struct admin_hooks *hooks = core->config->admin;
    struct span tokens[ADMIN_TOKENS_MAX];
    admin_function *function = hooks ? hooks->functions[entry->request.verb] : NULL;
    enum outcome outcome = OUTCOME_ERROR;

    if (function) {
        struct admin_call call = {
            .core = core,
            .session = entry->session,
            .reply = &entry->session->reply,
            .request = &entry->request,
            .tokens = tokens,
            .token_count = request_tokens(entry->request.arguments, tokens, ADMIN_TOKENS_MAX),
            .context = hooks->context,
        };

        outcome = function(&call);
    }
    execute_answer(core, entry->session, &entry->request, outcome);
}

/* -- writing statistics ------------------------------------------------------------------------ */

/* A parked answer that goes on later has no request any more; only ASCII has such. */
static bool admin_is_binary(const struct admin_call *call) {
    return call->request && call->request->protocol == REQUEST_BINARY;
}

void admin_stat_span(struct admin_call *call, struct span name, struct span value) {
    struct reply *reply = call->reply;
    size_t bytes = 5 + name.len + 1 + value.len + 2;
    if (admin_is_binary(call)) {
        admin_append_packet(reply, call->request, name, value);
        return;
    }
    uint8_t *to = reply->broken ? NULL : reply_reserve(reply, bytes);

    if (!to) {
        reply->broken = true;
        return;
    }
    memcpy(to, "STAT ", 5);
    memcpy(to + 5, name.data, name.len);
    to[5 + name.len] = ' ';
    memcpy(to + 6 + name.len, value.data, value.len);
    memcpy(to + 6 + name.len + value.len, "\r\n", 2);
    reply_commit(reply, bytes);
}

void admin_stat_text(struct admin_call *call, const char *name, const char *format, ...) {
    char text[ADMIN_LINE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(text, sizeof text, format, arguments);

    va_end(arguments);
    ASSERT(bytes >= 0);
    size_t len = (size_t)bytes < sizeof text ? (size_t)bytes : sizeof text - 1;

    admin_stat_span(call, span_from_text(name), span_of(text, len));
}

void admin_stat_u64(struct admin_call *call, const char *name, uint64_t value) {
    uint8_t text[NUMBER_TEXT_BYTES_MAX];

    admin_stat_span(call, span_from_text(name), span_of(text, number_write_u64(text, value)));
}

void admin_stat_end(struct admin_call *call) {
    if (admin_is_binary(call)) {
        admin_append_packet(call->reply, call->request, span_of("", 0), span_of("", 0));
    } else if (!call->reply->broken) {
        (void)reply_append(call->reply, "END\r\n", 5);
    }
}

void admin_printf(struct admin_call *call, const char *format, ...) {
    char text[ADMIN_LINE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(text, sizeof text, format, arguments);

    va_end(arguments);
    ASSERT(bytes >= 0);
    if (!call->reply->broken) {
        size_t len = (size_t)bytes < sizeof text ? (size_t)bytes : sizeof text - 1;

        (void)reply_append(call->reply, text, len);
    }
}
