/* larder: delete, incr, decr, touch */
#include "src/engine/execute.h"

/* Whether a meta or binary request compares the CAS unique. */
static bool item_compares(const struct request *request) {
    return (request->meta & (request->protocol == REQUEST_META ? (uint32_t)META_COMPARE
                                                               : (uint32_t)BINARY_COMPARE)) != 0;
}

/* The counters of the class of the item that the last command on a key found. */
static struct class_counters *item_class(struct engine_core *core) {
    return &core->classes[store_class_found(core->store_core)];
}

/* md and binary delete. */
static void item_remove(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct counters *counters = &core->counters;
    struct store_key key = execute_key(entry);
    uint32_t meta = request->protocol == REQUEST_META ? request->meta : 0;
    struct store_removal removal = {
        .compare = item_compares(request),
        .compare_token = request->cas,
        .invalidate = (meta & META_INVALIDATE) != 0,
        .drop_value = (meta & META_DROP_VALUE) != 0,
        .touch = (meta & META_SET_TTL) != 0,
        .expiry = (meta & META_SET_TTL) != 0 ? engine_expiry(core, request->exptime) : 0,
        .set_token = (meta & META_TOKEN) != 0,
        .token = request->token,
    };
    enum outcome outcome = OUTCOME_DELETED;

    switch (store_remove(core->store_core, &key, &removal)) {
    case STORE_OK:
        counter_add(&counters->delete_hits, !removal.invalidate);
        counter_add(&item_class(core)->delete_hits, !removal.invalidate);
        break;
    case STORE_EXISTS:
        counter_add(&counters->delete_misses, request->protocol == REQUEST_META);
        outcome = OUTCOME_EXISTS;
        break;
    case STORE_NOT_FOUND:
        counter_add(&counters->delete_misses, 1);
        outcome = OUTCOME_NOT_FOUND;
        break;
    default:
        outcome = OUTCOME_NO_MEMORY;
        break;
    }
    execute_answer(core, entry->session, request, outcome);
}

void item_delete(struct engine_core *core, struct engine_request *entry) {
    if (entry->request.protocol != REQUEST_ASCII) {
        item_remove(core, entry);
        return;
    }
    struct store_key key = execute_key(entry);
    bool hit = store_delete(core->store_core, &key) == STORE_OK;

    counter_add(hit ? &core->counters.delete_hits : &core->counters.delete_misses, 1);
    counter_add(&item_class(core)->delete_hits, hit);
    execute_answer(core, entry->session, &entry->request,
                   hit ? OUTCOME_DELETED : OUTCOME_NOT_FOUND);
}

void item_touch(struct engine_core *core, struct engine_request *entry) {
    struct store_key key = execute_key(entry);
    uint32_t expiry = engine_expiry(core, entry->request.exptime);
    bool hit = store_touch(core->store_core, &key, expiry) == STORE_OK;

    counter_add(&core->counters.cmd_touch, 1);
    counter_add(hit ? &core->counters.touch_hits : &core->counters.touch_misses, 1);
    counter_add(&item_class(core)->touch_hits, hit);
    execute_answer(core, entry->session, &entry->request,
                   hit ? OUTCOME_TOUCHED : OUTCOME_NOT_FOUND);
}

static void item_count_prepare(const struct engine_core *core, const struct request *request,
                               struct store_count *count) {
    bool binary = request->protocol == REQUEST_BINARY;
    uint32_t meta = binary ? 0 : request->meta;

    *count = (struct store_count){
        .decrement = request->verb == VERB_DECR,
        .delta = request->delta,
        .compare = item_compares(request) && request->cas != 0,
        .compare_token = request->cas,
        .initial = request->initial,
        .create = binary ? (request->meta & BINARY_CREATE) != 0 : (meta & META_VIVIFY) != 0,
        .touch = (meta & META_SET_TTL) != 0,
        .set_token = (meta & META_TOKEN) != 0,
        .token = request->token,
        .key_is_binary = request_key_is_base64(request),
    };
    if (count->touch) {
        count->expiry = engine_expiry(core, request->exptime);
    }
    if (count->create) {
        count->create_expiry =
            binary ? execute_expiry(core, request, request->vivify_exptime)
                   : meta_created_expiry(core, request);
    }
}

static enum outcome item_count_outcome(struct engine_core *core, bool decrement,
                                       enum store_outcome outcome, bool created) {
    struct counters *counters = &core->counters;
    struct class_counters *class = item_class(core);

    switch (outcome) {
    case STORE_OK:
        counter_add(decrement ? &counters->decr_hits : &counters->incr_hits, !created);
        counter_add(decrement ? &class->decr_hits : &class->incr_hits, !created);
        return OUTCOME_STORED;
    case STORE_NOT_FOUND:
        counter_add(decrement ? &counters->decr_misses : &counters->incr_misses, 1);
        return OUTCOME_NOT_FOUND;
    case STORE_NOT_NUMERIC:
        return OUTCOME_NOT_NUMERIC;
    case STORE_EXISTS:
        return OUTCOME_EXISTS;
    default:
        return OUTCOME_NO_MEMORY;
    }
}

/* ma and binary incr and decr. */
static void item_count_told(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct store_key key = execute_key(entry);
    struct store_counted counted = {0};
    struct store_count count;

    item_count_prepare(core, request, &count);
    enum store_outcome stored = store_count(core->store_core, &key, &count, &counted);
    enum outcome outcome = item_count_outcome(core, count.decrement, stored, counted.created);
    struct response_result result = {
        .cas = counted.token,
        .number = counted.value,
        .has_number = stored == STORE_OK,
        .now = core->now,
        .expiry = counted.expiry,
        .expiry_set = count.expiry,
        .created = counted.created,
    };

    if (count.create && request->protocol == REQUEST_META) {
        result.expiry_vivified = engine_expiry(core, request->vivify_exptime);
    }
    execute_answer_result(core, entry->session, request, outcome, &result);
}

void item_count(struct engine_core *core, struct engine_request *entry) {
    if (entry->request.protocol != REQUEST_ASCII) {
        item_count_told(core, entry);
        return;
    }
    const struct request *request = &entry->request;
    struct store_key key = execute_key(entry);
    bool decrement = request->verb == VERB_DECR;
    uint64_t number = 0;
    enum outcome outcome = item_count_outcome(
        core, decrement,
        store_arith(core->store_core, &key, decrement, request->delta, &number), false);

    if (outcome == OUTCOME_STORED) {
        execute_answer_number(core, entry->session, request, number);
    } else {
        execute_answer(core, entry->session, request, outcome);
    }
}
