/* larder: get, gets, gat, gats */
#include "src/engine/execute.h"
#include "src/proto/response.h"

/* Where one value goes: head line, value and tail in one run of the reply, or lent. */
struct get_sink {
    struct store_sink sink; /* first: the store hands it back */
    struct engine_core *core;
    struct reply *reply;
    const struct request *request;
    uint8_t *run;      /* the reserved bytes; NULL: nothing placed */
    size_t head_bytes; /* of them written before the value */
};

__attribute__((always_inline)) static inline size_t
get_write_head(uint8_t *to, const struct request *request, const struct store_head *head) {
    struct response_value value = {.value_bytes = head->value_bytes,
                                   .cas = head->token,
                                   .client_flags = head->client_flags};

    return response_write_head(to, request, &value);
}

static uint8_t *get_place(struct store_sink *sink, const struct store_head *head) {
    struct get_sink *get = (struct get_sink *)sink;

    get->run = NULL;
    if (sink->may_lend && head->value_bytes >= get->core->lend_bytes_min) {
        return NULL;
    }
    get->run = reply_reserve(get->reply, RESPONSE_HEAD_BYTES_MAX + (size_t)head->value_bytes +
                                             RESPONSE_TAIL_BYTES_MAX);
    if (!get->run) {
        return NULL;
    }
    get->head_bytes = get_write_head(get->run, get->request, head);
    return get->run + get->head_bytes;
}

/* No room for the value: memcached's words, and then the end, because values that are on their way
 * can't be taken back. */
static void get_give_up(struct engine_core *core, struct session *session,
                        const struct request *request) {
    counter_add(&core->counters.response_oom, 1);
    execute_answer(core, session, request, OUTCOME_NO_MEMORY_GET);
    session_close(session, SESSION_CLOSE_MEMORY);
}

/* All but the binary touch, whose value is read in vain. */
static bool get_has_value(const struct request *request) {
    return request->protocol != REQUEST_BINARY || (request->meta & BINARY_NO_VALUE) == 0;
}

static void get_lent(struct engine_core *core, struct session *session,
                     const struct request *request, const struct store_head *head,
                     const struct store_lease *lease) {
    struct reply *reply = &session->reply;
    uint8_t *to = reply_reserve(reply, RESPONSE_HEAD_BYTES_MAX);

    if (to) {
        reply_commit(reply, get_write_head(to, request, head));
        if (core->config->log && request->protocol == REQUEST_BINARY) {
            execute_log_packet(core, session, to);
        }
    }
    if (!get_has_value(request)) {
        struct store_lease unwanted = *lease;

        store_lease_return(core->store_core, &unwanted);
        reply->broken |= to == NULL;
        return;
    }
    if (!reply_lend(reply, core->store_core, lease) || !to) {
        reply->broken = true;
        return;
    }
    counter_add(&core->counters.values_lent, 1);
    if (request->protocol == REQUEST_BINARY) {
        return;
    }
    to = reply_reserve(reply, RESPONSE_TAIL_BYTES_MAX);
    if (!to) {
        reply->broken = true;
        return;
    }
    reply_commit(reply, response_write_tail(to, request));
}

static void get_count(struct engine_core *core, bool touching, enum store_read read,
                      const struct store_head *head) {
    struct counters *counters = &core->counters;
    bool hit = read == STORE_HIT || read == STORE_LENT;

    if (hit) {
        struct class_counters *class = &core->classes[head->class_id];

        counter_add(touching ? &class->touch_hits : &class->get_hits, 1);
    }
    if (touching) {
        counter_add(&counters->cmd_touch, 1);
        counter_add(hit ? &counters->touch_hits : &counters->touch_misses, 1);
    } else {
        counter_add(&counters->cmd_get, 1);
        counter_add(hit ? &counters->get_hits : &counters->get_misses, 1);
    }
    if (!hit) {
        counter_add(&counters->get_expired, read == STORE_EXPIRED);
        counter_add(&counters->get_flushed, read == STORE_FLUSHED);
    }
}

static void get_miss(const struct engine_core *core, struct session *session,
                     const struct request *request) {
    uint8_t *to;

    if (!request->last) {
        return;
    }
    to = reply_reserve(&session->reply, RESPONSE_HEAD_BYTES_MAX);
    if (!to) {
        session->reply.broken = true;
        return;
    }
    size_t bytes = response_write_miss(to, request);

    reply_commit(&session->reply, bytes);
    if (core->config->log && request->protocol == REQUEST_BINARY && bytes > 0) {
        execute_log_packet(core, session, to);
    }
}

/* `packet` is what a binary hit begins with; NULL: it was lent, or not written. */
static void get_log(struct engine_core *core, struct session *session,
                    const struct request *request, bool hit, const uint8_t *packet) {
    uint8_t text[sizeof "sending key " + REQUEST_KEY_BYTES_MAX];
    size_t bytes = sizeof "sending key " - 1;

    if (request->protocol == REQUEST_BINARY) {
        if (packet) {
            execute_log_packet(core, session, packet);
        }
        return;
    }
    if (hit) {
        memcpy(text, "sending key ", bytes);
        memcpy(text + bytes, request->key.data, request->key.len);
        execute_log_reply(core, session, span_of(text, bytes + request->key.len));
    }
    if (request->last) {
        execute_log_reply(core, session, outcome_text(OUTCOME_END));
    }
}

void get_execute(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct session *session = entry->session;
    bool touching = request->verb == VERB_GAT || request->verb == VERB_GATS;
    struct get_sink sink = {
        .sink = {.place = get_place,
                 .access = touching ? STORE_ACCESS_EXPIRY : STORE_ACCESS_COUNTED},
        .core = core,
        .reply = &session->reply,
        .request = request,
    };
    struct store_key key = execute_key_plain(entry);
    struct store_head head;
    struct store_lease lease;

    if (__builtin_expect(touching, 0)) {
        sink.sink.expiry = execute_expiry(core, request, request->exptime);
    }
    enum store_read read = store_get(core->store_core, &key, &sink.sink, &head, &lease);

    get_count(core, touching, read, &head);
    if (__builtin_expect(core->config->log != NULL, 0)) {
        get_log(core, session, request, read == STORE_HIT || read == STORE_LENT,
                read == STORE_HIT ? sink.run : NULL);
    }
    if (read == STORE_HIT && sink.run) {
        size_t bytes = sink.head_bytes + (size_t)head.value_bytes;

        if (__builtin_expect(request->protocol == REQUEST_BINARY, 0)) {
            bytes = get_has_value(request) ? bytes : sink.head_bytes;
        } else {
            bytes += response_write_tail(sink.run + bytes, request);
        }
        reply_commit(&session->reply, bytes);
    } else if (read == STORE_HIT) {
        get_give_up(core, session, request);
    } else if (read == STORE_LENT) {
        get_lent(core, session, request, &head, &lease);
    } else {
        get_miss(core, session, request);
    }
}
