/* larder: `stats detail` */
#include "src/server/server.h"
#include "src/server/stats.h"
#include "src/server/watch.h"

static enum outcome stats_detail_switch(struct admin_call *call, bool on) {
    struct server *server = call->context;
    const struct connection *connection = call->session->context;
    pthread_mutex_lock(&server->admin_lock);
    server->live.detail_enabled = on;
    pthread_mutex_unlock(&server->admin_lock);
    atom_store_relaxed(&server->detail, on ? 1 : 0);
    watch_core_update(connection->core);
    return OUTCOME_OK;
}

static void stats_detail_line(struct admin_call *call, const struct prefix *prefix) {
    admin_printf(call, "PREFIX %.*s get %llu hit %llu set %llu del %llu\r\n", (int)prefix->len,
                 (const char *)prefix->text, (unsigned long long)prefix->counts[PREFIX_GETS],
                 (unsigned long long)prefix->counts[PREFIX_HITS],
                 (unsigned long long)prefix->counts[PREFIX_SETS],
                 (unsigned long long)prefix->counts[PREFIX_DELETES]);
}

static enum outcome stats_detail_dump(struct admin_call *call) {
    struct server *server = call->context;
    struct prefixes sum;
    prefixes_init(&sum);
    for (unsigned i = 0; i < server->core_count; i++) {
        prefixes_add(&sum, &server->cores[i]->prefixes);
    }
    for (uint32_t i = 0; sum.slots != NULL && i < PREFIXES_SLOTS; i++) {
        if (sum.slots[i] != NULL) {
            stats_detail_line(call, sum.slots[i]);
        }
    }
    prefixes_fini(&sum);
    return OUTCOME_END;
}

void stats_detail_reset(struct server *server) {
    for (unsigned i = 0; i < server->core_count; i++) {
        prefixes_clear(&server->cores[i]->prefixes);
    }
}

enum outcome stats_detail(struct admin_call *call) {
    const struct server *server = call->context;
    if (!server->settings->dump_enabled) {
        return OUTCOME_DETAIL_NOT_ALLOWED;
    }
    if (call->token_count >= 2 && span_is(call->tokens[1], "on")) {
        return stats_detail_switch(call, true);
    }
    if (call->token_count >= 2 && span_is(call->tokens[1], "off")) {
        return stats_detail_switch(call, false);
    }
    if (call->token_count >= 2 && span_is(call->tokens[1], "dump")) {
        return stats_detail_dump(call);
    }
    return OUTCOME_DETAIL_USAGE;
}
