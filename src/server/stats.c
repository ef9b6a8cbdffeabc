/* larder: `stats`: its words, its sums, its reset */
#include "src/server/stats.h"

#include "src/server/dump.h"
#include "src/server/server.h"

void stats_sum(const struct server *server, struct stats_sums *sums) {
    *sums = (struct stats_sums){0};
    for (unsigned i = 0; i < server->core_count; i++) {
        const struct core *core = server->cores[i];
#define COUNTER(name, doc) sums->name += atom_load_relaxed(&core->engine.counters.name);
#include "src/engine/counters.def"
#undef COUNTER
#define COUNTER(name, doc) sums->name += atom_load_relaxed(&core->counters.name);
#include "src/server/counters.def"
#undef COUNTER
    }
}

void stats_sum_since_reset(struct server *server, struct stats_sums *sums) {
    stats_sum(server, sums);
    pthread_mutex_lock(&server->admin_lock);
#define COUNTER(name, doc) sums->name -= server->baseline.name;
#include "src/engine/counters.def"
#include "src/server/counters.def"
#undef COUNTER
    pthread_mutex_unlock(&server->admin_lock);
}

static void stats_class_add(const struct server *server, unsigned class_id,
                            struct stats_class_sums *sums) {
    for (unsigned i = 0; i < server->core_count; i++) {
        const struct class_counters *from = &server->cores[i]->engine.classes[class_id];
#define COUNTER(name, doc) sums->name += atom_load_relaxed(&from->name);
#include "src/engine/class_counters.def"
#undef COUNTER
    }
}

void stats_class_add_since_reset(struct server *server, unsigned class_id,
                                 struct stats_class_sums *sums) {
    stats_class_add(server, class_id, sums);
    pthread_mutex_lock(&server->admin_lock);
#define COUNTER(name, doc) sums->name -= server->class_baselines[class_id].name;
#include "src/engine/class_counters.def"
#undef COUNTER
    pthread_mutex_unlock(&server->admin_lock);
}

enum outcome stats_reset(struct admin_call *call) {
    struct server *server = call->context;
    struct stats_sums sums;
    stats_sum(server, &sums);
    pthread_mutex_lock(&server->admin_lock);
    server->baseline = sums;
    for (unsigned i = 0; i <= STORE_CLASSES_MAX; i++) {
        server->class_baselines[i] = (struct stats_class_sums){0};
        stats_class_add(server, i, &server->class_baselines[i]);
    }
    server->disabled_ns = 0;
    server->disabled_count = 0;
    pthread_mutex_unlock(&server->admin_lock);
    store_counters_reset(server->store);
    stats_detail_reset(server);
    return OUTCOME_RESET;
}

struct stats_word {
    const char *word;
    admin_function *function;
};

/* What is written line by line, in portions or not as STAT: for the ASCII protocol only, as in
 * memcached. */
static bool stats_is_lines(const struct admin_call *call) {
    return span_is(call->tokens[0], "conns") || span_is(call->tokens[0], "cachedump");
}

enum outcome stats_run(struct admin_call *call) {
    static const struct stats_word words[] = {
        {"settings", stats_settings},   {"items", stats_items},   {"slabs", stats_slabs},
        {"sizes", stats_sizes},         {"conns", stats_conns},   {"reset", stats_reset},
        {"cachedump", dump_cachedump}, {"detail", stats_detail}, {"larder", stats_larder},
    };
    if (call->token_count == 0) {
        return stats_general(call);
    }
    if (call->request->protocol == REQUEST_BINARY && stats_is_lines(call)) {
        return OUTCOME_NOT_FOUND;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (span_is(call->tokens[0], words[i].word)) {
            return words[i].function(call);
        }
    }
    return OUTCOME_ERROR;
}
