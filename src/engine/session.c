/* larder: one connection without its socket */
#include "src/engine/session.h"

#include "src/engine/engine.h"
#include "src/engine/sasl.h"
#include "src/engine/upload.h"
#include "src/proto/binary.h"

enum { PRODUCE_CALLS_MAX = 8 };

void session_init(struct session *session, struct engine_core *core, void *context) {
    memset(session, 0, sizeof *session);
    session->core = core;
    session->context = context;
    session->locked = core->config->auth != NULL;
    session->locked_at = core->now;
    reply_init(&session->reply, &core->buffers);
    parser_init(&session->parser, core->config->protocol, ENGINE_VALUE_BYTES_INLINE_MAX);
}

void session_touch(struct session *session) {
    struct engine_core *core = session->core;

    if (session->touched) {
        return;
    }
    session->touched = true;
    if (core->touched_tail) {
        core->touched_tail->touched_next = session;
    } else {
        core->touched_head = session;
    }
    core->touched_tail = session;
}

/* Both lists are short: sessions of one turn. */
static void session_unlist(struct session *session) {
    struct engine_core *core = session->core;
    struct session *before = NULL;

    for (struct session *at = core->touched_head; session->touched && at; at = at->touched_next) {
        if (at == session) {
            *(before ? &before->touched_next : &core->touched_head) = session->touched_next;
            core->touched_tail = core->touched_tail == session ? before : core->touched_tail;
            break;
        }
        before = at;
    }
    before = NULL;
    for (struct session *at = core->ready_head; session->ready && at; at = at->ready_next) {
        if (at == session) {
            *(before ? &before->ready_next : &core->ready_head) = session->ready_next;
            core->ready_tail = core->ready_tail == session ? before : core->ready_tail;
            break;
        }
        before = at;
    }
}

void session_fini(struct session *session) {
    struct engine_core *core = session->core;

    if (session->pending) {
        engine_execute(core);
    }
    upload_abandon(session);
    sasl_end(session);
    reply_fini(&session->reply, core->store_core);
    if (session->buffer) {
        buffers_give(&core->buffers, session->buffer, session->buffer_bytes);
    }
    session_unlist(session);
    memset(session, 0, sizeof *session);
}

void session_close(struct session *session, enum session_close_reason reason) {
    if (session->close_reason == SESSION_OPEN) {
        session->close_reason = (uint8_t)reason;
    }
    session_touch(session);
}

void session_deafen(struct session *session) {
    session->deaf = true;
    session_touch(session);
}

void session_end_input(struct session *session) {
    session->input_ended = true;
    session_touch(session);
}

/* -- output ------------------------------------------------------------------------------------ */

static void session_produce(struct session *session) {
    uint64_t bytes_max = session->core->reply_bytes_max / 2;

    for (unsigned calls = 0; calls < PRODUCE_CALLS_MAX; calls++) {
        struct reply_slot *slot = reply_front_slot(&session->reply);

        if (!slot || !slot->produce || slot->complete || slot->reply.unsent_bytes >= bytes_max) {
            return;
        }
        slot->produce(slot);
        session->reply.broken |= slot->reply.broken;
        reply_sent(&session->reply, session->core->store_core, 0);
    }
}

/* Output has left or slots were completed: what waited may go on. */
static void session_go_on(struct session *session) {
    struct engine_core *core = session->core;

    session_touch(session);
    if (session->reply.slots > 0) {
        session_produce(session);
    }
    if (core->executing) {
        return; /* called by the command itself */
    }
    if (session->stalled && session->reply.unsent_bytes <= core->reply_bytes_max / 2 &&
        session->reply.slots < REPLY_SLOTS_MAX) {
        session->stalled = false;
        session_run(session);
    }
}

void session_sent(struct session *session, uint64_t bytes) {
    reply_sent(&session->reply, session->core->store_core, bytes);
    session_go_on(session);
}

void session_slot_written(struct session *session) {
    reply_sent(&session->reply, session->core->store_core, 0);
    session_go_on(session);
}

unsigned session_output(struct session *session, struct iovec *iovecs, unsigned count) {
    return reply_iovecs(&session->reply, session->core->store, iovecs, count);
}

/* -- what the server should do ----------------------------------------------------------------- */

static bool session_has_output(const struct session *session) {
    struct iovec iovec;

    if (session->reply.slots == 0) {
        return session->reply.unsent_bytes > 0;
    }
    return reply_iovecs(&session->reply, session->core->store, &iovec, 1) > 0;
}

static size_t session_waiting_bytes(const struct session *session) {
    return session->buffer_end - session->buffer_start;
}

unsigned session_wants(const struct session *session) {
    unsigned wants = 0;

    if (session->reply.broken) {
        return SESSION_WANTS_ABORT;
    }
    if (session_has_output(session)) {
        wants |= SESSION_WANTS_SEND;
    }
    if (session->close_reason != SESSION_OPEN ||
        (session->input_ended && !session->stalled && !session->ready && !session->pending)) {
        return wants | SESSION_WANTS_CLOSE;
    }
    if (session->stalled || (!session->upload && session->ready &&
                             session_waiting_bytes(session) > SESSION_INPUT_BYTES_PAUSE)) {
        wants |= SESSION_WANTS_PAUSE;
    }
    if (session->buffer_start == session->buffer_end && upload_wants_direct(session)) {
        wants |= SESSION_WANTS_DIRECT;
    }
    return wants;
}

bool session_login_is_overdue(const struct session *session) {
    return session->locked && session->core->now - session->locked_at > SESSION_LOCKED_S_MAX;
}

bool session_admits_locked(const struct request *request) {
    if (request->protocol != REQUEST_BINARY) {
        return false;
    }
    switch (request->verb) {
    case VERB_SASL_LIST:
    case VERB_SASL_AUTH:
    case VERB_SASL_STEP:
    case VERB_VERSION:
    case VERB_HANG_UP: /* an error, and the end */
        return true;
    default:
        return request->verb == VERB_FAIL && request->opcode >= BINARY_OPCODE_SASL_FIRST &&
               request->opcode <= BINARY_OPCODE_SASL_LAST;
    }
}

enum session_phase session_phase(const struct session *session) {
    if (session->deaf) {
        return SESSION_WATCHES;
    }
    bool waits = session->buffer_end != session->buffer_start && session->parser.scanned_bytes == 0;
    return session->upload || waits ? SESSION_READS_VALUE : SESSION_READS;
}

bool session_is_idle(const struct session *session) {
    return parser_is_idle(&session->parser) && !session->upload && !session->buffer &&
           !session->data && !session->pending && reply_is_empty(&session->reply);
}
