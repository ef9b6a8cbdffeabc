/* larder: lru, lru_crawler, slabs: memcached's machinery, as far as larder has any
 *
 * The settings are kept and shown by `stats settings`; what of them steers larder is said where it
 * is done. */
#include <stdlib.h>
#include <string.h>

#include "src/base/number.h"
#include "src/server/control.h"
#include "src/server/dump.h"
#include "src/server/server.h"

enum {
    TUNING_NUMBER_BYTES_MAX = 31,
    TUNING_LRU_PERCENT_MAX = 80,
    TUNING_SLEEP_US_MAX = 1000000,
    TUNING_WINDOW_MIN = 3,
    TUNING_WINDOW_MAX = 1800,
    TUNING_AUTOMOVE_MAX = 2,
};

/* A number with or without a point. */
static bool tuning_parse_factor(struct span text, double *factor) {
    char copy[TUNING_NUMBER_BYTES_MAX + 1];
    char *end = NULL;
    if (text.len == 0 || text.len > TUNING_NUMBER_BYTES_MAX) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, &end);
    if (*end != '\0' || !(value > -1e18 && value < 1e18)) {
        return false;
    }
    *factor = value;
    return true;
}

static struct settings *tuning_begin(struct server *server) {
    pthread_mutex_lock(&server->admin_lock);
    return &server->live;
}

static enum outcome tuning_end(struct server *server) {
    pthread_mutex_unlock(&server->admin_lock);
    return OUTCOME_OK;
}

/* -- lru --------------------------------------------------------------------------------------- */

static enum outcome tuning_lru_tune(struct admin_call *call) {
    struct server *server = call->context;
    uint32_t hot = 0;
    uint32_t warm = 0;
    double hot_factor = 0;
    double warm_factor = 0;
    if (call->token_count < 5 || !number_parse_u32(call->tokens[1], &hot) ||
        !number_parse_u32(call->tokens[2], &warm) ||
        !tuning_parse_factor(call->tokens[3], &hot_factor) ||
        !tuning_parse_factor(call->tokens[4], &warm_factor)) {
        return OUTCOME_ERROR;
    }
    if (hot > TUNING_LRU_PERCENT_MAX || warm > TUNING_LRU_PERCENT_MAX - hot) {
        return OUTCOME_LRU_PERCENTS;
    }
    if (hot_factor <= 0 || warm_factor <= 0) {
        return OUTCOME_LRU_FACTORS;
    }
    struct settings *live = tuning_begin(server);
    live->hot_lru_percent = hot;
    live->warm_lru_percent = warm;
    live->hot_max_factor = hot_factor;
    live->warm_max_factor = warm_factor;
    return tuning_end(server);
}

static enum outcome tuning_lru_mode(struct admin_call *call) {
    struct server *server = call->context;
    bool segmented = span_is(call->tokens[1], "segmented");
    if (!segmented && !span_is(call->tokens[1], "flat")) {
        return OUTCOME_ERROR;
    }
    tuning_begin(server)->lru_segmented = segmented;
    return tuning_end(server);
}

static enum outcome tuning_lru_temporary(struct admin_call *call) {
    struct server *server = call->context;
    int32_t ttl = 0;
    if (!number_parse_i32(call->tokens[1], &ttl)) {
        return OUTCOME_ERROR;
    }
    struct settings *live = tuning_begin(server);
    live->temporary_ttl_enabled = ttl >= 0;
    if (ttl >= 0) {
        live->temporary_ttl_s = (uint32_t)ttl;
    }
    store_temporary_ttl_set(server->store, ttl >= 0 ? (uint32_t)ttl : 0);
    return tuning_end(server);
}

enum outcome control_lru(struct admin_call *call) {
    const struct server *server = call->context;
    bool maintained = server->settings->lru_maintainer;
    if (call->token_count >= 1 && span_is(call->tokens[0], "tune")) {
        return tuning_lru_tune(call);
    }
    if (call->token_count >= 2 && maintained && span_is(call->tokens[0], "mode")) {
        return tuning_lru_mode(call);
    }
    if (call->token_count >= 2 && maintained && span_is(call->tokens[0], "temp_ttl")) {
        return tuning_lru_temporary(call);
    }
    return OUTCOME_ERROR;
}

/* -- lru_crawler ------------------------------------------------------------------------------- */

static enum outcome tuning_crawler_enable(struct admin_call *call) {
    struct server *server = call->context;
    struct settings *live = tuning_begin(server);
    bool enabled = live->lru_crawler;
    live->lru_crawler = true;
    tuning_end(server);
    return enabled ? OUTCOME_CRAWLER_RUNS : OUTCOME_OK;
}

static enum outcome tuning_crawler_disable(struct admin_call *call) {
    struct server *server = call->context;
    tuning_begin(server)->lru_crawler = false;
    return tuning_end(server);
}

static enum outcome tuning_crawler_sleep(struct admin_call *call) {
    struct server *server = call->context;
    uint32_t us = 0;
    if (!number_parse_u32(call->tokens[1], &us)) {
        return OUTCOME_BAD_FORMAT;
    }
    if (us > TUNING_SLEEP_US_MAX) {
        return OUTCOME_CRAWLER_SLEEP;
    }
    tuning_begin(server)->lru_crawler_sleep_us = us;
    return tuning_end(server);
}

static enum outcome tuning_crawler_tocrawl(struct admin_call *call) {
    struct server *server = call->context;
    uint32_t items = 0;
    if (!number_parse_u32(call->tokens[1], &items)) {
        return OUTCOME_BAD_FORMAT;
    }
    tuning_begin(server)->lru_crawler_tocrawl = items;
    return tuning_end(server);
}

/* Expired items of all classes go at once: upkeep looks at pages, whatever their class. */
static enum outcome tuning_crawler_crawl(struct admin_call *call) {
    struct server *server = call->context;
    const struct connection *connection = call->session->context;
    uint64_t classes;
    if (!dump_parse_classes(call->tokens[1], &classes)) {
        return OUTCOME_BAD_CLASS;
    }
    store_sweep(server->store, connection->core->now);
    atom_store_relaxed(&server->crawl_until, connection->core->now + SERVER_CRAWL_S);
    atom_fetch_add(&server->crawls, 1);
    watch_crawl(connection->core);
    return OUTCOME_OK;
}

struct tuning_word {
    const char *word;
    unsigned tokens;
    bool if_enabled; /* refused while the crawler is disabled */
    admin_function *function;
};

static enum outcome tuning_run(struct admin_call *call, const struct tuning_word *words,
                               size_t count) {
    struct server *server = call->context;
    for (size_t i = 0; i < count; i++) {
        if (call->token_count != words[i].tokens || !span_is(call->tokens[0], words[i].word)) {
            continue;
        }
        bool enabled = tuning_begin(server)->lru_crawler;
        tuning_end(server);
        return words[i].if_enabled && !enabled ? OUTCOME_CRAWLER_DISABLED
                                               : words[i].function(call);
    }
    return OUTCOME_ERROR;
}

enum outcome control_lru_crawler(struct admin_call *call) {
    static const struct tuning_word words[] = {
        {"crawl", 2, true, tuning_crawler_crawl},
        {"metadump", 2, true, dump_metadump},
        {"mgdump", 2, true, dump_mgdump},
        {"tocrawl", 2, false, tuning_crawler_tocrawl},
        {"sleep", 2, false, tuning_crawler_sleep},
        {"enable", 1, false, tuning_crawler_enable},
        {"disable", 1, false, tuning_crawler_disable},
    };
    return tuning_run(call, words, sizeof(words) / sizeof(words[0]));
}

/* -- slabs ------------------------------------------------------------------------------------- */

/* The page goes to the pool, from which the class that wants it takes it, as any other. */
static enum outcome tuning_reassign_from(struct admin_call *call, int32_t from) {
    const struct server *server = call->context;
    const struct connection *connection = call->session->context;
    unsigned first = 1;
    unsigned last = store_class_count(server->store);
    if (from == 0) {
        return OUTCOME_REASSIGN_NO_SPARE; /* the pool's pages are anybody's already */
    }
    if (from > 0) {
        stats_class_range(server, (unsigned)from, &first, &last);
    }
    switch (store_reassign(connection->core->store_core, first, last)) {
    case STORE_REASSIGN_STARTED:
        return OUTCOME_OK;
    case STORE_REASSIGN_BUSY:
        return OUTCOME_REASSIGN_BUSY;
    default:
        return OUTCOME_REASSIGN_NO_SPARE;
    }
}

static enum outcome tuning_reassign(struct admin_call *call) {
    const struct server *server = call->context;
    int32_t from = 0;
    int32_t to = 0;
    if (!server->settings->slab_reassign) {
        return OUTCOME_REASSIGN_DISABLED;
    }
    if (!number_parse_i32(call->tokens[1], &from) || !number_parse_i32(call->tokens[2], &to)) {
        return OUTCOME_BAD_FORMAT;
    }
    if (from == to) {
        return OUTCOME_REASSIGN_SAME;
    }
    if (from < -1 || from > STATS_CLASSES_SHOWN_MAX || to < 0 || to > STATS_CLASSES_SHOWN_MAX) {
        return OUTCOME_REASSIGN_BAD_CLASS;
    }
    return tuning_reassign_from(call, from);
}

static enum outcome tuning_automove_factor(struct admin_call *call, bool kept) {
    struct server *server = call->context;
    double ratio = 0;
    if (call->token_count < 3 || !tuning_parse_factor(call->tokens[2], &ratio)) {
        return OUTCOME_ERROR;
    }
    struct settings *live = tuning_begin(server);
    if (kept) {
        live->slab_automove_ratio = ratio;
    }
    return tuning_end(server);
}

static enum outcome tuning_automove_window(struct admin_call *call) {
    struct server *server = call->context;
    uint32_t window = 0;
    if (call->token_count < 3 || !number_parse_u32(call->tokens[2], &window)) {
        return OUTCOME_BAD_FORMAT;
    }
    if (window < TUNING_WINDOW_MIN || window > TUNING_WINDOW_MAX) {
        return OUTCOME_AUTOMOVE_WINDOW;
    }
    tuning_begin(server)->slab_automove_window = window;
    return tuning_end(server);
}

static enum outcome tuning_automove(struct admin_call *call) {
    struct server *server = call->context;
    uint32_t level = 0;
    if (span_is(call->tokens[1], "ratio")) {
        return tuning_automove_factor(call, true);
    }
    if (span_is(call->tokens[1], "freeratio")) {
        return tuning_automove_factor(call, false);
    }
    if (span_is(call->tokens[1], "window")) {
        return tuning_automove_window(call);
    }
    if (!number_parse_u32(call->tokens[1], &level)) {
        return OUTCOME_BAD_FORMAT;
    }
    if (level > TUNING_AUTOMOVE_MAX) {
        return OUTCOME_ERROR;
    }
    tuning_begin(server)->slab_automove = level;
    return tuning_end(server);
}

enum outcome control_slabs(struct admin_call *call) {
    if (call->token_count == 3 && span_is(call->tokens[0], "reassign")) {
        return tuning_reassign(call);
    }
    if (call->token_count >= 2 && span_is(call->tokens[0], "automove")) {
        return tuning_automove(call);
    }
    return OUTCOME_ERROR;
}
