/* larder: set, add, replace, append, prepend, cas */
#include "src/engine/execute.h"

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
}

enum outcome write_refuse(struct engine_core *core, enum store_outcome outcome) {
    if (outcome == STORE_TOO_LARGE) {
        counter_add(&core->counters.store_too_large, 1);
        return OUTCOME_TOO_LARGE;
    }
    counter_add(&core->counters.store_no_memory, 1);
    return OUTCOME_NO_MEMORY_STORING;
}

static void write_count_cas(struct engine_core *core, enum store_outcome outcome) {
    struct counters *counters = &core->counters;

    if (outcome == STORE_OK) {
        counter_add(&counters->cas_hits, 1);
    } else if (outcome == STORE_EXISTS) {
        counter_add(&counters->cas_badval, 1);
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
        return OUTCOME_NOT_FOUND;
    case STORE_TOO_LARGE:
    case STORE_NO_MEMORY:
        return write_failed_joining(core, request) ? OUTCOME_NOT_STORED
                                                   : write_refuse(core, outcome);
    default:
        return OUTCOME_NOT_STORED;
    }
}

void write_finish(struct engine_core *core, struct session *session, const struct request *request,
                  enum store_outcome outcome) {
    enum outcome answer = write_outcome(core, request, outcome);

    if (answer != OUTCOME_TOO_LARGE && answer != OUTCOME_NO_MEMORY_STORING) {
        counter_add(&core->counters.cmd_set, 1);
    }
    if (request->verb == VERB_CAS) {
        write_count_cas(core, outcome);
    }
    execute_answer(core, session, request, answer);
}

/* The value does not end where it should. Its size is looked at first, as memcached does. */
static void write_bad_end(struct engine_core *core, struct engine_request *entry,
                          const struct store_write *write) {
    const struct request *request = &entry->request;

    if (store_item_fits(core->store, write->key.len, write->client_flags, request->value_bytes)) {
        counter_add(&core->counters.cmd_set, 1);
        execute_answer(core, entry->session, request, OUTCOME_BAD_DATA_CHUNK);
        return;
    }
    if (request->verb == VERB_SET) {
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
    write_finish(core, entry->session, request,
                 store_put(core->store_core, &write, &value, NULL));
}
