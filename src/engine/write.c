/* larder: set, add, replace, append, prepend, cas */
#include "src/engine/execute.h"
#include "src/engine/observe.h"

static enum store_mode write_mode(enum verb verb) {
    switch (verb) {
    case VERB_ADD:
        return STORE_ADD;
    case VERB_REPLACE:
        return STORE_REPLACE;
    case VERB_APPEND:
        return STORE_APPEND;
    case VERB_PREPEND:
        return STORE_PREPEND;
    default:
        return STORE_SET;
    }
}

/* What only meta and binary requests can ask for. */
static void write_prepare_more(const struct engine_core *core, const struct request *request,
                               struct store_write *write) {
    bool joins = request->verb == VERB_APPEND || request->verb == VERB_PREPEND;

    if (request->protocol == REQUEST_BINARY) {
        write->expiry = execute_expiry(core, request, request->exptime);
        write->compare = write->compare || (request->meta & BINARY_COMPARE) != 0;
    } else {
        write->compare = write->compare ||
                         (joins && (request->meta & META_COMPARE) != 0 && request->cas != 0);
        write->invalidate = write->compare && !joins && (request->meta & META_INVALIDATE) != 0;
        write->create = joins && (request->meta & META_VIVIFY) != 0;
        write->set_token = (request->meta & META_TOKEN) != 0 && request->token != 0;
        write->token = request->token;
        write->key_is_binary = request_key_is_base64(request);
    }
    write->compare_token = write->compare ? request->cas : 0;
}

void write_prepare(const struct engine_core *core, const struct request *request,
                   struct store_key key, struct store_write *write) {
    *write = (struct store_write){
        .key = key,
        .mode = write_mode((enum verb)request->verb),
        .client_flags = request->client_flags,
        .expiry = engine_expiry(core, request->exptime),
        .compare = request->verb == VERB_CAS,
        .compare_token = request->verb == VERB_CAS ? request->cas : 0,
    };
    if (__builtin_expect(request->protocol != REQUEST_ASCII, 0)) {
        write_prepare_more(core, request, write);
    }
}

enum outcome write_refuse(struct engine_core *core, enum store_outcome outcome) {
    if (outcome == STORE_TOO_LARGE) {
        counter_add(&core->counters.store_too_large, 1);
        return OUTCOME_TOO_LARGE;
    }
    counter_add(&core->counters.store_no_memory, 1);
    return OUTCOME_NO_MEMORY_STORING;
}

void write_count(struct engine_core *core, unsigned class_id) {
    counter_add(&core->counters.cmd_set, 1);
    counter_add(&core->classes[class_id].cmd_set, 1);
}

static void write_count_cas(struct engine_core *core, enum store_outcome outcome) {
    struct counters *counters = &core->counters;
    struct class_counters *class = &core->classes[store_class_found(core->store_core)];

    if (outcome == STORE_OK) {
        counter_add(&counters->cas_hits, 1);
        counter_add(&class->cas_hits, 1);
    } else if (outcome == STORE_EXISTS) {
        counter_add(&counters->cas_badval, 1);
        counter_add(&class->cas_badval, 1);
    } else if (outcome == STORE_NOT_FOUND) {
        counter_add(&counters->cas_misses, 1);
    }
}

/* Whether the failure came from joining to what is there: the new bytes alone had memory. */
static bool write_failed_joining(const struct engine_core *core, const struct request *request) {
    return (request->verb == VERB_APPEND || request->verb == VERB_PREPEND) &&
           store_item_fits(core->store, (uint32_t)request->key.len, request->client_flags,
                           request->value_bytes);
}

static enum outcome write_outcome(struct engine_core *core, const struct request *request,
                                  enum store_outcome outcome) {
    switch (outcome) {
    case STORE_OK:
        return OUTCOME_STORED;
    case STORE_EXISTS:
        return OUTCOME_EXISTS;
    case STORE_NOT_FOUND:
        return request->verb == VERB_CAS ? OUTCOME_NOT_FOUND : OUTCOME_NOT_STORED;
    case STORE_TOO_LARGE:
    case STORE_NO_MEMORY:
        return write_failed_joining(core, request) ? OUTCOME_NOT_STORED
                                                   : write_refuse(core, outcome);
    default:
        return OUTCOME_NOT_STORED;
    }
}

void write_forget(struct engine_core *core, const struct request *request,
                  const struct store_key *key, enum store_outcome outcome) {
    bool refused = outcome == STORE_TOO_LARGE || outcome == STORE_NO_MEMORY;

    if (request->protocol == REQUEST_META && refused && !write_failed_joining(core, request)) {
        (void)store_delete(core->store_core, key);
    }
}

void write_finish(struct engine_core *core, struct session *session, const struct request *request,
                  enum store_outcome outcome, const struct response_result *result) {
    enum outcome answer = write_outcome(core, request, outcome);

    if (answer != OUTCOME_TOO_LARGE && answer != OUTCOME_NO_MEMORY_STORING) {
        write_count(core, store_class_stored(core->store_core));
    }
    if (request->verb == VERB_CAS) {
        write_count_cas(core, outcome);
    }
    if (__builtin_expect(core->config->observer != NULL, 0)) {
        observe_stored(core, session, request, outcome);
    }
    if (__builtin_expect(request->protocol != REQUEST_ASCII, 0)) {
        execute_answer_result(core, session, request, answer, result);
    } else {
        execute_answer(core, session, request, answer);
    }
}

/* The value does not end where it should. Its size is looked at first, as memcached does. */
static void write_bad_end(struct engine_core *core, struct engine_request *entry,
                          const struct store_write *write) {
    const struct request *request = &entry->request;

    if (store_item_fits(core->store, write->key.len, write->client_flags, request->value_bytes)) {
        write_count(core, store_class_for(core->store_core, &write->key, write->client_flags,
                                          request->value_bytes));
        execute_answer(core, entry->session, request, OUTCOME_BAD_DATA_CHUNK);
        return;
    }
    if (request->verb == VERB_SET || request->protocol == REQUEST_META) {
        (void)store_delete(core->store_core, &write->key);
    }
    execute_answer(core, entry->session, request, write_refuse(core, STORE_TOO_LARGE));
}

void write_execute(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct iovec value = {.iov_base = (void *)(uintptr_t)request->value.data,
                          .iov_len = request->value.len};
    struct store_write write;

    write_prepare(core, request, execute_key(entry), &write);
    if (__builtin_expect(request->value_bad_end, 0)) {
        write_bad_end(core, entry, &write);
        return;
    }
    struct response_result result; /* of meta and binary */
    uint64_t token = 0;
    bool told = request->protocol != REQUEST_ASCII;

    if (__builtin_expect(told, 0)) {
        result = (struct response_result){.value_bytes = request->value_bytes};
        write.value_bytes = &result.value_bytes;
    }
    enum store_outcome outcome =
        store_put(core->store_core, &write, &value, told ? &token : NULL);

    if (__builtin_expect(told, 0)) {
        result.cas = outcome == STORE_OK ? token : 0;
        write_forget(core, request, &write.key, outcome);
    }
    write_finish(core, entry->session, request, outcome, &result);
}
