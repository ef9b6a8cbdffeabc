/* larder: `stats detail` */
#include <stdio.h>
#include <stdlib.h>

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

static void stats_detail_line(FILE *out, const struct prefix *prefix) {
    (void)fprintf(out, "PREFIX %.*s get %llu hit %llu set %llu del %llu\r\n", (int)prefix->len,
                  (const char *)prefix->text, (unsigned long long)prefix->counts[PREFIX_GETS],
                  (unsigned long long)prefix->counts[PREFIX_HITS],
                  (unsigned long long)prefix->counts[PREFIX_SETS],
                  (unsigned long long)prefix->counts[PREFIX_DELETES]);
}

static void stats_detail_text(struct server *server, FILE *out) {
    struct prefixes sum;
    prefixes_init(&sum);
    for (unsigned i = 0; i < server->core_count; i++) {
        prefixes_add(&sum, &server->cores[i]->prefixes);
    }
    for (uint32_t i = 0; sum.slots != NULL && i < PREFIXES_SLOTS; i++) {
        if (sum.slots[i] != NULL) {
            stats_detail_line(out, sum.slots[i]);
        }
    }
    (void)fputs("END\r\n", out);
    prefixes_fini(&sum);
}

/* In packets all of it is the value of one, whose key is "detailed". */
static enum outcome stats_detail_dump(struct admin_call *call) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL) {
        return OUTCOME_NO_MEMORY;
    }
    stats_detail_text(call->context, out);
    if (fclose(out) != 0) {
        free(text);
        return OUTCOME_NO_MEMORY;
    }
    if (call->request->protocol == REQUEST_BINARY) {
        admin_stat_span(call, span_from_text("detailed"), span_of(text, bytes));
        admin_stat_end(call);
    } else {
        (void)reply_append(call->reply, text, bytes);
    }
    free(text);
    return OUTCOME_NONE;
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
