/* larder: delete, incr, decr, touch */
#include "src/engine/execute.h"

void item_delete(struct engine_core *core, struct engine_request *entry) {
    struct store_key key = execute_key(entry);
    bool hit = store_delete(core->store_core, &key) == STORE_OK;

    counter_add(hit ? &core->counters.delete_hits : &core->counters.delete_misses, 1);
    execute_answer(core, entry->session, &entry->request,
                   hit ? OUTCOME_DELETED : OUTCOME_NOT_FOUND);
}

void item_touch(struct engine_core *core, struct engine_request *entry) {
    struct store_key key = execute_key(entry);
    uint32_t expiry = engine_expiry(core, entry->request.exptime);
    bool hit = store_touch(core->store_core, &key, expiry) == STORE_OK;

    counter_add(&core->counters.cmd_touch, 1);
    counter_add(hit ? &core->counters.touch_hits : &core->counters.touch_misses, 1);
    execute_answer(core, entry->session, &entry->request,
                   hit ? OUTCOME_TOUCHED : OUTCOME_NOT_FOUND);
}

void item_count(struct engine_core *core, struct engine_request *entry) {
    const struct request *request = &entry->request;
    struct counters *counters = &core->counters;
    struct store_key key = execute_key(entry);
    bool decrement = request->verb == VERB_DECR;
    uint64_t number = 0;

    switch (store_arith(core->store_core, &key, decrement, request->delta, &number)) {
    case STORE_OK:
        counter_add(decrement ? &counters->decr_hits : &counters->incr_hits, 1);
        execute_answer_number(core, entry->session, request, number);
        return;
    case STORE_NOT_FOUND:
        counter_add(decrement ? &counters->decr_misses : &counters->incr_misses, 1);
        execute_answer(core, entry->session, request, OUTCOME_NOT_FOUND);
        return;
    case STORE_NOT_NUMERIC:
        execute_answer(core, entry->session, request, OUTCOME_NOT_NUMERIC);
        return;
    default:
        execute_answer(core, entry->session, request, OUTCOME_NO_MEMORY);
        return;
    }
}
