/* larder: SASL in the binary protocol (-S) */
#include "src/engine/sasl.h"

#include "src/engine/execute.h"

enum { STATUS_CONTINUE = 0x21 };

/* -- PLAIN ------------------------------------------------------------------------------------- */

/* [authorization identity] NUL name NUL password; the identity is of no use here. */
static enum auth_step plain_step(void *context, void **conversation, struct span data,
                                 struct span *challenge) {
    const uint8_t *first = data.len > 0 ? memchr(data.data, 0, data.len) : NULL;

    (void)conversation;
    (void)challenge;
    if (!first) {
        return AUTH_STEP_BAD;
    }
    const uint8_t *name = first + 1;
    size_t left = data.len - (size_t)(name - data.data);
    const uint8_t *second = left > 0 ? memchr(name, 0, left) : NULL;

    if (!second) {
        return AUTH_STEP_BAD;
    }
    struct span user = span_of(name, (size_t)(second - name));
    struct span password = span_of(second + 1, left - user.len - 1);

    return auth_check(context, user, password) ? AUTH_STEP_GOOD : AUTH_STEP_BAD;
}

static enum auth_step plain_start(void *context, void **conversation, struct span mechanism,
                                  struct span data, struct span *challenge) {
    if (!span_is(mechanism, "PLAIN")) {
        return AUTH_STEP_BAD;
    }
    return data.len == 0 ? AUTH_STEP_CONTINUE : plain_step(context, conversation, data, challenge);
}

static struct span plain_mechanisms(void *context, void **conversation) {
    (void)context;
    (void)conversation;
    return span_from_text("PLAIN");
}

static void plain_end(void *context, void *conversation) {
    (void)context;
    ASSERT(!conversation);
}

struct auth_backend sasl_plain_backend(struct auth *auth) {
    return (struct auth_backend){.context = auth,
                                 .mechanisms = plain_mechanisms,
                                 .start = plain_start,
                                 .step = plain_step,
                                 .end = plain_end};
}

/* -- the opcodes ------------------------------------------------------------------------------- */

void sasl_end(struct session *session) {
    if (session->conversation) {
        const struct auth_backend *backend = &session->core->config->auth->backend;

        backend->end(backend->context, session->conversation);
        session->conversation = NULL;
    }
}

static void sasl_answer_bytes(struct session *session, const struct request *request,
                              uint16_t status, struct span bytes) {
    const struct response_packet packet = {.status = status, .value_bytes = bytes.len};
    uint8_t *to = reply_reserve(&session->reply, RESPONSE_HEAD_BYTES_MAX + bytes.len);

    if (!to) {
        session->reply.broken = true;
        return;
    }
    size_t head_bytes = response_write_packet(to, request, &packet);

    if (bytes.len > 0) {
        memcpy(to + head_bytes, bytes.data, bytes.len);
    }
    reply_commit(&session->reply, head_bytes + bytes.len);
}

static void sasl_log_out(struct session *session) {
    session->locked_at = session->locked ? session->locked_at : session->core->now;
    session->locked = true;
}

static void sasl_finish(struct engine_core *core, struct session *session,
                        const struct request *request, bool good) {
    counter_add(&core->counters.auth_cmds, 1);
    counter_add(&core->counters.auth_errors, !good);
    session->locked = !good;
    execute_answer(core, session, request, good ? OUTCOME_AUTHENTICATED : OUTCOME_AUTH_FAILED);
}

static void sasl_list(struct engine_core *core, struct session *session,
                      const struct request *request) {
    const struct auth_backend *backend = &core->config->auth->backend;
    struct span names = backend->mechanisms(backend->context, &session->conversation);

    if (names.data) {
        sasl_answer_bytes(session, request, 0, names);
    } else {
        execute_answer(core, session, request, OUTCOME_AUTH_FAILED);
    }
}

void sasl_execute(struct engine_core *core, struct engine_request *entry) {
    struct session *session = entry->session;
    const struct request *request = &entry->request;
    const struct auth *auth = core->config->auth;
    struct span challenge = span_of(NULL, 0);
    enum auth_step result = AUTH_STEP_BAD;

    if (!auth || auth->kind != AUTH_SASL) {
        execute_answer(core, session, request, OUTCOME_UNKNOWN_COMMAND);
        return;
    }
    sasl_log_out(session);
    if (request->verb == VERB_SASL_LIST) {
        sasl_list(core, session, request);
        return;
    }
    if (request->verb == VERB_SASL_AUTH) {
        result = auth->backend.start(auth->backend.context, &session->conversation, request->key,
                                     request->value, &challenge);
        session->conversing = result != AUTH_STEP_BAD;
    } else if (session->conversing) {
        result = auth->backend.step(auth->backend.context, &session->conversation, request->value,
                                    &challenge);
    }
    if (result == AUTH_STEP_CONTINUE) {
        sasl_answer_bytes(session, request, STATUS_CONTINUE, challenge);
        return;
    }
    sasl_finish(core, session, request, result == AUTH_STEP_GOOD);
}
