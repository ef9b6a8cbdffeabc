/* larder: mg, me, mn */
#include <stdio.h>

#include "src/engine/execute.h"
#include "src/proto/response.h"

/* Where a hit goes: its line, with the value behind it or lent. */
struct meta_sink {
    struct store_lookup lookup; /* first: the store hands its sink back */
    struct engine_core *core;
    struct reply *reply;
    const struct request *request;
    struct response_result result;
    uint8_t *run;      /* the reserved bytes; NULL: nothing placed */
    size_t head_bytes; /* of them written before the value */
};

uint32_t meta_created_expiry(const struct engine_core *core, const struct request *request) {
    struct span tokens[META_TOKENS_MAX];
    int32_t exptime = request->vivify_exptime;

    if ((request->meta & META_SET_TTL) != 0) {
        unsigned count = request_tokens(request->arguments, tokens, META_TOKENS_MAX);

        for (unsigned i = 0; i < count; i++) {
            exptime = tokens[i].data[0] == 'N'   ? request->vivify_exptime
                      : tokens[i].data[0] == 'T' ? request->exptime
                                                 : exptime;
        }
    }
    return engine_expiry(core, exptime);
}

/* Whether R stands behind T and so looks at the new expiry. */
static bool meta_recaches_touched(const struct request *request) {
    struct span tokens[META_TOKENS_MAX];
    unsigned count = request_tokens(request->arguments, tokens, META_TOKENS_MAX);

    for (unsigned i = 0; i < count; i++) {
        if (tokens[i].data[0] == 'R' || tokens[i].data[0] == 'T') {
            return tokens[i].data[0] == 'T';
        }
    }
    return false;
}

enum { META_PREPARED = META_NO_UPDATE | META_SET_TTL | META_VIVIFY | META_RECACHE };

/* What mg asks for beyond reading. */
static void meta_prepare(struct meta_sink *meta) {
    const struct engine_core *core = meta->core;
    const struct request *request = meta->request;
    struct store_lookup *lookup = &meta->lookup;
    bool quiet = (request->meta & META_NO_UPDATE) != 0;

    lookup->sink.access = quiet ? STORE_ACCESS_QUIET : STORE_ACCESS_COUNTED;
    if ((request->meta & META_SET_TTL) != 0) {
        lookup->sink.access = quiet ? STORE_ACCESS_EXPIRY_QUIET : STORE_ACCESS_EXPIRY;
        lookup->sink.expiry = engine_expiry(core, request->exptime);
        meta->result.expiry_set = lookup->sink.expiry;
    }
    if ((request->meta & META_VIVIFY) != 0) {
        lookup->vivify = true;
        lookup->vivify_expiry = meta_created_expiry(core, request);
        lookup->set_token = (request->meta & META_TOKEN) != 0;
        lookup->token = request->token;
        lookup->key_is_binary = request_key_is_base64(request);
        meta->result.expiry_vivified = engine_expiry(core, request->vivify_exptime);
    }
    if ((request->meta & META_RECACHE) != 0) {
        lookup->recache = true;
        lookup->recache_before = engine_expiry(core, request->recache_exptime);
        lookup->recache_touched = meta_recaches_touched(request);
    }
}

static size_t meta_write_hit(struct meta_sink *meta, uint8_t *to, const struct store_head *head,
                             bool with_value) {
    struct response_result *result = &meta->result;

    result->cas = head->token;
    result->value_bytes = head->value_bytes;
    result->client_flags = head->client_flags;
    result->expiry = meta->lookup.created ? STORE_EXPIRY_NEVER : head->expiry;
    result->accessed = head->accessed;
    result->now = meta->core->now;
    result->fetched = head->fetched;
    result->stale = head->stale;
    result->win_sent = head->win_sent;
    result->won = meta->lookup.won;
    result->created = meta->lookup.created;
    result->key_is_binary = head->key_is_binary;
    result->with_value = with_value;
    return response_write_meta_hit(to, meta->request, result);
}

static bool meta_wants_value(const struct request *request, const struct store_head *head) {
    return (request->meta & META_VALUE) != 0 &&
           ((request->meta & META_COMPARE) == 0 || head->token != request->cas);
}

static uint8_t *meta_place(struct store_sink *sink, const struct store_head *head) {
    struct meta_sink *meta = (struct meta_sink *)sink;

    meta->run = NULL;
    if (!meta_wants_value(meta->request, head) ||
        (sink->may_lend && head->value_bytes >= meta->core->lend_bytes_min)) {
        return NULL;
    }
    meta->run = reply_reserve(meta->reply,
                              RESPONSE_RESULT_BYTES_MAX + (size_t)head->value_bytes + 2);
    if (!meta->run) {
        return NULL;
    }
    meta->head_bytes = meta_write_hit(meta, meta->run, head, true);
    return meta->run + meta->head_bytes;
}

/* The line alone, or the line before a lent value. */
static bool meta_append_hit(struct meta_sink *meta, const struct store_head *head,
                            bool with_value) {
    uint8_t *to = reply_reserve(meta->reply, RESPONSE_RESULT_BYTES_MAX);

    if (!to) {
        meta->reply->broken = true;
        return false;
    }
    reply_commit(meta->reply, meta_write_hit(meta, to, head, with_value));
    return true;
}

static void meta_hit(struct meta_sink *meta, struct session *session,
                     const struct store_head *head, enum store_read read,
                     struct store_lease *lease) {
    struct engine_core *core = meta->core;

    if (!meta_wants_value(meta->request, head)) {
        if (read == STORE_LENT) {
            store_lease_return(core->store_core, lease);
        }
        (void)meta_append_hit(meta, head, false);
    } else if (read == STORE_LENT) {
        (void)meta_append_hit(meta, head, true);
        if (reply_lend(meta->reply, core->store_core, lease)) {
            (void)reply_append(meta->reply, "\r\n", 2);
        }
        counter_add(&core->counters.values_lent, 1);
    } else if (meta->run) {
        size_t bytes = meta->head_bytes + (size_t)head->value_bytes;

        memcpy(meta->run + bytes, "\r\n", 2);
        reply_commit(meta->reply, bytes + 2);
    } else {
        counter_add(&core->counters.response_oom, 1);
        execute_answer(core, session, meta->request, OUTCOME_NO_MEMORY_GET);
        session_close(session, SESSION_CLOSE_MEMORY);
    }
}

static void meta_count(struct engine_core *core, bool touched, enum store_read read,
                       const struct store_head *head) {
    struct counters *counters = &core->counters;

    if (touched) {
        counter_add(&counters->cmd_touch, 1);
        counter_add(&counters->touch_hits, 1);
        counter_add(&core->classes[head->class_id].touch_hits, 1);
        return;
    }
    counter_add(&counters->cmd_get, 1);
    if (read >= STORE_HIT) {
        counter_add(&counters->get_hits, 1);
        counter_add(&core->classes[head->class_id].get_hits, 1);
    } else {
        counter_add(&counters->get_misses, 1);
        counter_add(&counters->get_expired, read == STORE_EXPIRED);
        counter_add(&counters->get_flushed, read == STORE_FLUSHED);
    }
}

void meta_get(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct meta_sink meta; /* the rest is filled where it is used */

    meta.lookup.sink = (struct store_sink){.place = meta_place};
    meta.lookup.vivify = false;
    meta.lookup.recache = false;
    meta.lookup.recache_touched = false;
    meta.core = core;
    meta.reply = &entry->session->reply;
    meta.request = request;
    struct store_key key = execute_key(entry);
    struct store_head head;
    struct store_lease lease;
    bool lends = (request->meta & META_VALUE) != 0;

    if ((request->meta & META_PREPARED) != 0) {
        meta_prepare(&meta);
    }
    enum store_read read = store_look_up(core->store_core, &key, &meta.lookup, &head,
                                         lends ? &lease : NULL);
    bool hit = read == STORE_HIT || read == STORE_LENT;

    meta_count(core, hit && (request->meta & META_SET_TTL) != 0, read, &head);
    if (hit) {
        meta_hit(&meta, entry->session, &head, read, &lease);
    } else {
        execute_answer(core, entry->session, request, OUTCOME_META_MISS);
    }
}

static uint8_t *meta_place_nothing(struct store_sink *sink, const struct store_head *head) {
    (void)sink;
    (void)head;
    return NULL;
}

void meta_debug(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct session *session = entry->session;
    struct store_sink sink = {.place = meta_place_nothing, .access = STORE_ACCESS_QUIET};
    struct store_key key = execute_key(entry);
    struct store_head head;
    enum store_read read = store_get(core->store_core, &key, &sink, &head, NULL);
    char text[160];

    counter_add(&core->counters.cmd_meta, 1);
    if (read != STORE_HIT) {
        execute_answer(core, session, request, OUTCOME_META_MISS);
        return;
    }
    uint8_t *to = reply_reserve(&session->reply, RESPONSE_RESULT_BYTES_MAX);
    int bytes = snprintf(
        text, sizeof text, "exp=%lld la=%u cas=%llu fetch=%s cls=%u size=%llu",
        head.expiry == 0 ? -1LL : (long long)head.expiry - core->now, core->now - head.accessed,
        (unsigned long long)head.token, head.fetched ? "yes" : "no", head.class_id,
        (unsigned long long)store_item_bytes(core->store, key.len, head.client_flags,
                                             head.value_bytes));

    ASSERT(bytes > 0 && (size_t)bytes < sizeof text);
    if (!to) {
        session->reply.broken = true;
        return;
    }
    reply_commit(&session->reply, response_write_meta_debug(to, request, head.key_is_binary,
                                                           text, (size_t)bytes));
}

void meta_end(struct engine_core *core, struct engine_request *entry) {
    execute_answer(core, entry->session, &entry->request, OUTCOME_META_END);
}
