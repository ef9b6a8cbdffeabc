/* larder: from received bytes to the window
 *
 * A session's input is its own buffer (what an earlier turn left over), then this turn's data. Only
 * as much data is joined to the buffer as completes what stands there; the rest is parsed in place:
 *
 *     buffer [ start ......... end ]   data [ joined | used ......... bytes ]
 *              left over + joined             ^ parsed in place from here
 *
 * Requests in the window point into both, so the buffer neither moves nor grows while any are
 * pending, and each knows where it stands, so that it can be taken back when the output is full. */
#include "src/engine/auth.h"
#include "src/engine/engine.h"
#include "src/engine/execute.h"
#include "src/engine/session.h"
#include "src/engine/upload.h"

/* No room for what the client sends: says so, and that is the end. */
static void session_refuse_input(struct session *session) {
    struct request request = {.protocol = REQUEST_ASCII};

    execute_answer(session->core, session, &request, OUTCOME_NO_MEMORY_REQUEST);
    session_close(session, SESSION_CLOSE_MEMORY);
}

static bool session_may_parse(const struct session *session) {
    return !session->stalled && !session->deaf && session->close_reason == SESSION_OPEN;
}

/* -- the buffer -------------------------------------------------------------------------------- */

static void session_buffer_drop(struct session *session) {
    if (session->buffer) {
        buffers_give(&session->core->buffers, session->buffer, session->buffer_bytes);
    }
    session->buffer = NULL;
    session->buffer_bytes = 0;
    session->buffer_start = 0;
    session->buffer_end = 0;
}

/* A larger buffer with the same content at its front. Nothing may be pending. */
static bool session_buffer_grow(struct session *session, size_t bytes_min) {
    struct buffers *buffers = &session->core->buffers;
    size_t used = session->buffer_end - session->buffer_start;
    size_t bytes = BUFFERS_BLOCK_BYTES;

    while (bytes_min > BUFFERS_BLOCK_BYTES && bytes < bytes_min) {
        bytes *= 2;
    }
    if (bytes_min <= BUFFERS_BLOCK_BYTES) {
        bytes = bytes_min;
    }
    uint8_t *memory =
        bytes_min <= SESSION_INPUT_BYTES_MAX ? buffers_take(buffers, bytes, &bytes) : NULL;

    if (!memory) {
        session_refuse_input(session);
        return false;
    }
    if (used > 0) {
        memcpy(memory, session->buffer + session->buffer_start, used);
    }
    session_buffer_drop(session);
    session->buffer = memory;
    session->buffer_bytes = (uint32_t)bytes;
    session->buffer_end = (uint32_t)used;
    return true;
}

/* Room for `more` bytes behind the buffer's end, and soon for `soon` bytes in all. False: the
 * session stops here. */
static bool session_buffer_room(struct session *session, size_t more, uint64_t soon) {
    size_t used = session->buffer_end - session->buffer_start;

    if (session->buffer_bytes - session->buffer_end >= more) {
        return true;
    }
    if (session->pending) {
        engine_execute(session->core);
        if (!session_may_parse(session)) {
            return false;
        }
    }
    if (session->buffer_bytes - used >= more) {
        memmove(session->buffer, session->buffer + session->buffer_start, used);
        session->buffer_start = 0;
        session->buffer_end = (uint32_t)used;
        return true;
    }
    return session_buffer_grow(session, soon > used + more ? (size_t)soon : used + more);
}

static void session_buffer_append(struct session *session, size_t bytes) {
    memcpy(session->buffer + session->buffer_end, session->data + session->data_used, bytes);
    session->buffer_end += (uint32_t)bytes;
    session->data_used += bytes;
}

/* Appends to the buffer what its unfinished request lacks, as far as it is there. False: nothing
 * is. */
static bool session_join(struct session *session) {
    const struct parser *parser = &session->parser;
    size_t left = session->data_bytes - session->data_used;
    size_t take = left;

    if (left == 0) {
        return false;
    }
    const uint8_t *rest = session->data + session->data_used;

    if (parser->scanned_bytes > 0) {
        const uint8_t *feed = memchr(rest, '\n', left);

        take = feed ? (size_t)(feed - rest) + 1 : left;
    } else {
        uint64_t lacking = parser->need_bytes - (session->buffer_end - session->buffer_start);

        take = lacking < left ? (size_t)lacking : left;
    }
    uint64_t soon = parser->scanned_bytes > 0 ? 0 : parser->need_bytes;

    if (!session_buffer_room(session, take, soon)) {
        return false;
    }
    session_buffer_append(session, take);
    session->data_joined = session->data_used;
    return true;
}

void session_settle(struct session *session) {
    size_t left = session->data_bytes - session->data_used;

    ASSERT(!session->pending);
    if (session->close_reason != SESSION_OPEN || session->deaf) {
        session_buffer_drop(session);
        left = 0;
    }
    if (session->buffer_start == session->buffer_end && left == 0 && session->buffer) {
        session_buffer_drop(session);
    }
    if (left > 0) {
        uint64_t soon = session->parser.scanned_bytes > 0 ? 0 : session->parser.need_bytes;

        soon = soon <= BUFFERS_BLOCK_BYTES * 2 ? soon : 0;
        if (session_buffer_room(session, left, soon)) {
            session_buffer_append(session, left);
        }
    }
    session->data = NULL;
    session->data_bytes = 0;
    session->data_used = 0;
    session->data_joined = 0;
}

void session_stall(struct session *session, const struct engine_request *entry) {
    session->stalled = true;
    session->rewound = true;
    if (entry->from_buffer) {
        session->buffer_start = entry->request.input_offset;
        session->data_used = session->data_joined;
    } else {
        session->data_used = entry->request.input_offset;
    }
    parser_rewind(&session->parser, &entry->request);
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* A large value comes: what was before it is executed first. */
static void session_announce(struct session *session, struct engine_request *entry) {
    struct engine_core *core = session->core;
    struct engine_request announced = *entry;

    engine_execute(core);
    if (!session_may_parse(session)) {
        return;
    }
    if (engine_session_is_full(core, &session->reply)) {
        session_stall(session, &announced);
        session->rewound = false;
        return;
    }
    if (!session_admits(session, &announced.request)) {
        execute_answer(core, session, &announced.request, OUTCOME_UNAUTHENTICATED);
        session_close(session, SESSION_CLOSE_ERROR);
        return;
    }
    counter_add(&core->counters.requests, 1);
    struct span key = execute_key_bytes(core, &announced.request);

    announced.hash = store_hash(core->store, key.data, key.len);
    upload_begin(session, &announced);
}

static void session_hang_up(struct session *session) {
    engine_execute(session->core);
    if (session_may_parse(session)) {
        session_close(session, SESSION_CLOSE_ERROR);
    }
}

/* One source of a session's input while it is parsed: its own buffer, or this turn's data. */
struct source {
    struct session *session;
    const uint8_t *start;
    size_t at;
    size_t end;
    bool from_buffer;
};

static struct source source_of(struct session *session, bool from_buffer) {
    if (from_buffer) {
        return (struct source){session, session->buffer, session->buffer_start,
                               session->buffer_end, true};
    }
    return (struct source){session, session->data, session->data_used, session->data_bytes, false};
}

static struct span source_rest(const struct source *source) {
    return span_of(source->start + source->at, source->end - source->at);
}

/* Tells the session how far it is parsed. */
static void source_sync(const struct source *source) {
    if (source->from_buffer) {
        source->session->buffer_start = (uint32_t)source->at;
    } else {
        source->session->data_used = source->at;
    }
}

/* A locked ASCII client has a language of its own; binary ones log in by requests. */
static bool session_reads_login(const struct session *session) {
    return session->locked && session->core->config->auth->kind == AUTH_ASCII;
}

static void session_try_login(struct session *session, const struct login *login) {
    struct engine_core *core = session->core;
    struct request request = {.protocol = REQUEST_ASCII};
    bool good = auth_check(core->config->auth, login->user, login->password);

    counter_add(&core->counters.auth_cmds, 1);
    counter_add(&core->counters.auth_errors, !good);
    session->locked = !good;
    execute_answer(core, session, &request, good ? OUTCOME_STORED : OUTCOME_AUTH_FAILED);
}

/* One thing that a client says which has not logged in. Returns as session_parse does. */
static bool session_login(struct session *session, bool from_buffer) {
    struct engine_core *core = session->core;
    struct source source = source_of(session, from_buffer);
    struct login login = {.token_bytes = session->login_bytes};
    struct parser *parser = &session->parser;
    struct request request = {.protocol = REQUEST_ASCII};
    size_t consumed;

    if (engine_session_is_full(core, &session->reply)) {
        session->stalled = true;
        return false;
    }
    enum login_result result = login_next(&login, source_rest(&source), &consumed);

    source.at += consumed;
    source_sync(&source);
    session->login_bytes = login.token_bytes;
    session->turn_requests++;
    parser->need_bytes = 1;
    parser->scanned_bytes = 0;
    switch (result) {
    case LOGIN_MORE:
        parser->need_bytes = login.need_bytes;
        parser->scanned_bytes = login.line_scanned ? (uint32_t)(login.need_bytes - 1) : 0;
        return from_buffer || consumed > 0;
    case LOGIN_ANSWER:
        execute_answer(core, session, &request, login.outcome);
        return true;
    case LOGIN_TRY:
        session_try_login(session, &login);
        return true;
    default:
        session_close(session, SESSION_CLOSE_ERROR);
        return false;
    }
}

static inline void session_enqueue(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;

    entry->has_key = REQUEST_VERB_HAS_KEY(request->verb);
    if (entry->has_key) {
        struct span key = execute_key_bytes(core, request);

        entry->hash = store_hash(core->store, key.data, key.len);
        store_prefetch_bucket(core->store_core, entry->hash, request->verb != VERB_GET);
    }
}

/* Fills the window from the source; stops at what is not just a request for it, with the source
 * synced. A request with value_follows is left in *announced. */
static enum parse_result session_fill(struct source *source, unsigned requests_max,
                                      struct engine_request **announced) {
    struct session *session = source->session;
    struct engine_core *core = session->core;
    struct engine_request *entry = &core->window[core->pending];
    struct engine_request *stop = entry + requests_max;
    struct span input = source_rest(source);
    enum parse_result result = PARSE_REQUEST;
    const bool from_buffer = source->from_buffer;
    const bool log = core->config->log != NULL;
    unsigned first = core->pending;

    *announced = NULL;
    for (; input.len > 0 && entry < stop; entry++) {
        size_t consumed;

        result = parser_next(&session->parser, input, &consumed, &entry->request);
        entry->request.input_offset = (uint32_t)(input.data - source->start);
        input = span_of(input.data + consumed, input.len - consumed);
        if (result != PARSE_REQUEST) {
            break;
        }
        entry->session = session;
        entry->from_buffer = from_buffer;
        if (__builtin_expect(log, 0) && entry->request.line_bytes_left == 0) {
            size_t offset = entry->request.input_offset;

            execute_log_request(core, session, &entry->request,
                                span_of(source->start + offset, source->end - offset));
        }
        if (__builtin_expect(entry->request.value_follows, 0)) {
            *announced = entry;
            break;
        }
        session_enqueue(core, entry);
    }
    source->at = source->end - input.len;
    core->pending = (unsigned)(entry - core->window);
    session->turn_requests += core->pending - first;
    session->pending = session->pending || core->pending > first;
    source_sync(source);
    return result;
}

/* Parses one source until it lacks something, is used up, or the session has to stop. False:
 * nothing more can be done without more of this source. */
static bool session_parse(struct session *session, bool from_buffer) {
    struct engine_core *core = session->core;

    if (session_reads_login(session)) {
        return session_login(session, from_buffer);
    }
    while (session_may_parse(session) && session->turn_requests < core->turn_requests_max) {
        struct source source = source_of(session, from_buffer);
        struct engine_request *announced;
        unsigned room = ENGINE_WINDOW_MAX - core->pending;
        unsigned budget = core->turn_requests_max - session->turn_requests;
        enum parse_result result =
            session_fill(&source, budget < room ? budget : room, &announced);

        if (result == PARSE_MORE) {
            return from_buffer;
        }
        if (result == PARSE_CLOSE) {
            session_hang_up(session);
            return false;
        }
        if (announced) {
            session_announce(session, announced);
            return true;
        }
        if (core->pending == ENGINE_WINDOW_MAX) {
            engine_execute(core);
        } else if (source.at == source.end) {
            return true;
        }
    }
    return true;
}

/* Gives the upload what there is. False: nothing. */
static bool session_feed_upload(struct session *session) {
    bool from_buffer = session->buffer_start != session->buffer_end;

    if (!from_buffer && session->data_used == session->data_bytes) {
        return false;
    }
    struct source source = source_of(session, from_buffer);
    struct span input = source_rest(&source);

    source.at += upload_feed(session, input.data, input.len);
    source_sync(&source);
    return true;
}

static bool session_step(struct session *session) {
    size_t buffered = session->buffer_end - session->buffer_start;

    if (session->upload) {
        return session_feed_upload(session);
    }
    if (buffered == 0) {
        return session->data_used < session->data_bytes && session_parse(session, false);
    }
    if (buffered < session->parser.need_bytes && !session_join(session)) {
        return false;
    }
    return session_parse(session, true);
}

static void session_make_ready(struct session *session) {
    struct engine_core *core = session->core;

    if (session->ready) {
        return;
    }
    session->ready = true;
    session->ready_next = NULL;
    if (core->ready_tail) {
        core->ready_tail->ready_next = session;
    } else {
        core->ready_head = session;
    }
    core->ready_tail = session;
}

void session_run(struct session *session) {
    while (session_may_parse(session)) {
        if (session->turn_requests >= session->core->turn_requests_max) {
            session_make_ready(session);
            return;
        }
        if (!session_step(session)) {
            return;
        }
    }
}

void session_feed(struct session *session, const uint8_t *data, size_t bytes) {
    ASSERT(bytes <= UINT32_MAX);
    if (session->data) {
        engine_flush(session->core);
    }
    session_touch(session);
    if (session->close_reason != SESSION_OPEN || session->deaf) {
        return;
    }
    session->data = data;
    session->data_bytes = bytes;
    session->data_used = 0;
    session->data_joined = 0;
    session_run(session);
}
