/* larder: what commands do to keys, told to whoever watches */
#include "src/engine/observe.h"

static uint8_t *observe_place(struct store_sink *sink, const struct store_head *head) {
    (void)sink;
    (void)head;
    return NULL;
}

/* What is under the key, leaving no trace. */
static enum store_read observe_head(struct engine_core *core, const struct store_key *key,
                                    struct store_head *head) {
    struct store_sink sink = {.place = observe_place, .access = STORE_ACCESS_QUIET};
    *head = (struct store_head){0};
    return store_get(core->store_core, key, &sink, head, NULL);
}

static struct store_key observe_key(struct engine_core *core, const struct request *request) {
    struct span key = execute_key_bytes(core, request);
    return (struct store_key){.data = key.data,
                              .len = (uint32_t)key.len,
                              .hash = store_hash(core->store, key.data, key.len)};
}

static bool observe_is_delete(const struct request *request) {
    return request->verb == VERB_DELETE || request->verb == VERB_MD;
}

static void observe_look_up(struct engine_core *core, struct engine_observation *seen,
                            const struct store_key *key) {
    const struct engine_observer *observer = core->config->observer;
    seen->read = observe_head(core, key, &seen->head);
    observer->looked_up(observer->context, seen);
}

void observe_execute(struct engine_core *core, struct engine_request *entry,
                     execute_function *function) {
    const struct engine_observer *observer = core->config->observer;
    struct store_key key = execute_key(entry);
    uint8_t key_copy[STORE_KEY_BYTES_MAX];
    memcpy(key_copy, key.data, key.len);
    key.data = key_copy;
    struct engine_observation seen = {
        .session = entry->session,
        .request = &entry->request,
        .key = span_of(key_copy, key.len),
    };
    observe_look_up(core, &seen, &key);
    function(core, entry);
    if (observe_is_delete(&entry->request) && seen.read == STORE_HIT) {
        struct store_head after;
        if (observe_head(core, &key, &after) != STORE_HIT) {
            observer->deleted(observer->context, &seen);
        }
    }
}

void observe_upload(struct engine_core *core, struct session *session,
                    const struct request *request) {
    struct store_key key = observe_key(core, request);
    struct engine_observation seen = {
        .session = session,
        .request = request,
        .key = span_of(key.data, key.len),
    };
    observe_look_up(core, &seen, &key);
}

void observe_stored(struct engine_core *core, struct session *session,
                    const struct request *request, enum store_outcome outcome) {
    const struct engine_observer *observer = core->config->observer;
    struct store_key key = observe_key(core, request);
    struct engine_observation seen = {
        .session = session,
        .request = request,
        .key = span_of(key.data, key.len),
        .outcome = outcome,
        .expiry = execute_expiry(core, request, request->exptime),
    };
    seen.read = observe_head(core, &key, &seen.head);
    observer->stored(observer->context, &seen);
}
