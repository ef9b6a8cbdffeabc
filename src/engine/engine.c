/* larder: executes requests on the store; one a core */
#include "src/engine/engine.h"

#include "src/engine/execute.h"
#include "src/engine/observe.h"
#include "src/engine/session.h"
#include "src/proto/response.h"

static execute_function *const execute_functions[VERB_FAIL] = {
#define COMMAND(VERB, word, shape, tokens_min, execute, doc) [VERB_##VERB] = execute,
#include "src/proto/commands.def"
#undef COMMAND
    [VERB_SASL_LIST] = sasl_execute,
    [VERB_SASL_AUTH] = sasl_execute,
    [VERB_SASL_STEP] = sasl_execute,
};

void engine_init(struct engine_core *core, const struct engine_config *config, struct store *store,
                 struct store_core *store_core) {
    memset(core, 0, sizeof *core);
    core->config = config;
    core->store = store;
    core->store_core = store_core;
    core->turn_requests_max =
        config->turn_requests_max ? config->turn_requests_max : ENGINE_TURN_REQUESTS_MAX;
    core->reply_bytes_max =
        config->reply_bytes_max ? config->reply_bytes_max : ENGINE_REPLY_BYTES_MAX;
    core->lend_bytes_min = store_lend_bytes_min();
    buffers_init(&core->buffers, config->connection_bytes_max ? config->connection_bytes_max
                                                              : ENGINE_CONNECTION_BYTES_MAX);
}

void engine_fini(struct engine_core *core) {
    ASSERT(core->pending == 0 && !core->touched_head && !core->ready_head);
    buffers_fini(&core->buffers);
}

uint32_t engine_expiry(const struct engine_core *core, int64_t exptime) {
    const int64_t relative_max = 60 * 60 * 24 * 30;
    const uint32_t expired = 1; /* the clock begins at 2 */
    int64_t expiry = exptime + core->now;

    if (exptime == 0) {
        return STORE_EXPIRY_NEVER;
    }
    if (exptime < 0) {
        return expired;
    }
    if (exptime > relative_max) {
        expiry = exptime - core->config->epoch;
    }
    if (expiry <= 0) {
        return expired;
    }
    return expiry < UINT32_MAX ? (uint32_t)expiry : UINT32_MAX;
}

/* -- answers ----------------------------------------------------------------------------------- */

void execute_answer(struct engine_core *core, struct session *session,
                    const struct request *request, enum outcome outcome) {
    if (request->noreply || outcome == OUTCOME_NONE) {
        return;
    }
    if (__builtin_expect(request->protocol != REQUEST_ASCII, 0)) {
        execute_answer_result(core, session, request, outcome, NULL);
        return;
    }
    uint8_t *to = reply_reserve(&session->reply, RESPONSE_LINE_BYTES_MAX);

    if (!to) {
        session->reply.broken = true;
        return;
    }
    reply_commit(&session->reply, response_write_outcome(to, request, outcome));
    if (core->config->log) {
        execute_log_reply(core, session, outcome_text(outcome));
    }
}

void execute_answer_result(struct engine_core *core, struct session *session,
                           const struct request *request, enum outcome outcome,
                           const struct response_result *result) {
    uint8_t *to = reply_reserve(&session->reply, RESPONSE_RESULT_BYTES_MAX);

    if (!to) {
        session->reply.broken = true;
        return;
    }
    size_t bytes = response_write_result(to, request, outcome, result);

    reply_commit(&session->reply, bytes);
    if (core->config->log && bytes > 0) {
        execute_log_answer(core, session, request, outcome, to);
    }
}

void execute_answer_number(struct engine_core *core, struct session *session,
                           const struct request *request, uint64_t number) {
    if (request->noreply) {
        return;
    }
    uint8_t *to = reply_reserve(&session->reply, RESPONSE_LINE_BYTES_MAX);

    if (!to) {
        session->reply.broken = true;
        return;
    }
    size_t bytes = response_write_number(to, request, number);

    reply_commit(&session->reply, bytes);
    if (core->config->log) {
        execute_log_reply(core, session, span_of(to, bytes - 2));
    }
}

/* -- the window -------------------------------------------------------------------------------- */

static bool engine_memory_is_tight(const struct engine_core *core) {
    const struct buffers *buffers = &core->buffers;

    return atom_load_relaxed(&buffers->used_bytes) - atom_load_relaxed(&buffers->free_bytes) >
           buffers->bytes_max / 2;
}

static void engine_execute_entry(struct engine_core *core, struct engine_request *entry) {
    struct session *session = entry->session;

    session->pending = false;
    if (session->rewound || session->deaf || session->close_reason != SESSION_OPEN) {
        return;
    }
    if (!session_admits(session, &entry->request)) {
        execute_answer(core, session, &entry->request, OUTCOME_UNAUTHENTICATED);
        session_close(session, SESSION_CLOSE_ERROR);
        return;
    }
    if (entry->request.verb >= VERB_FAIL) {
        /* always room for that much: its input may be swallowed and can't be taken back */
        execute_answer(core, session, &entry->request, (enum outcome)entry->request.outcome);
        if (entry->request.verb == VERB_HANG_UP) {
            session_close(session, SESSION_CLOSE_ERROR);
        }
        return;
    }
    if (engine_session_is_full(core, &session->reply)) {
        session_stall(session, entry);
        core->rewound = true;
        counter_add(&core->counters.stalls, 1);
        return;
    }
    if (__builtin_expect(core->config->observer != NULL, 0) && entry->has_key) {
        observe_execute(core, entry, execute_functions[entry->request.verb]);
        return;
    }
    if (entry->request.verb == VERB_GET) {
        get_execute(core, entry); /* the common one without the table */
        return;
    }
    execute_functions[entry->request.verb](core, entry);
}

void engine_execute(struct engine_core *core) {
    unsigned count = core->pending;

    if (count == 0) {
        return;
    }
    ASSERT(!core->executing);
    core->executing = true;
    core->memory_tight = engine_memory_is_tight(core);
    for (unsigned i = 0; i < count; i++) {
        if (core->window[i].has_key) {
            store_prefetch_item(core->store_core, core->window[i].hash);
        }
    }
    core->rewound = false;
    for (unsigned i = 0; i < count; i++) {
        engine_execute_entry(core, &core->window[i]);
    }
    for (unsigned i = 0; core->rewound && i < count; i++) {
        core->window[i].session->rewound = false;
    }
    core->pending = 0;
    core->executing = false;
    counter_add(&core->counters.windows, 1);
    counter_add(&core->counters.requests, count);
}

/* -- turns ------------------------------------------------------------------------------------- */

void engine_turn_begin(struct engine_core *core, uint32_t now) {
    core->now = now;
    store_turn_begin(core->store_core, now);
}

void engine_turn_end(struct engine_core *core) {
    ASSERT(core->pending == 0 && !core->touched_head);
    store_turn_end(core->store_core);
}

bool engine_resume(struct engine_core *core) {
    struct session *session = core->ready_head;

    core->ready_head = NULL;
    core->ready_tail = NULL;
    while (session) {
        struct session *next = session->ready_next;

        session->ready = false;
        session->ready_next = NULL;
        session_touch(session);
        session_run(session);
        session = next;
    }
    return core->ready_head != NULL;
}

void engine_flush(struct engine_core *core) {
    engine_execute(core);
    for (struct session *session = core->touched_head; session; session = session->touched_next) {
        session_settle(session);
    }
}

struct session *engine_session_next(struct engine_core *core) {
    struct session *session = core->touched_head;

    if (session) {
        core->touched_head = session->touched_next;
        if (!core->touched_head) {
            core->touched_tail = NULL;
        }
        session->touched_next = NULL;
        session->touched = false;
        session->turn_requests = 0;
    }
    return session;
}
