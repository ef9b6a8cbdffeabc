/* larder: admin commands that change something */
#include "src/server/control.h"

#include "src/base/number.h"
#include "src/server/certificates.h"
#include "src/server/server.h"

enum {
    CONTROL_VERBOSITY_MAX = 2,
    CONTROL_MEGABYTES_MIN = 8,
    CONTROL_MEGABYTES_MAX = 1000000000,
    CONTROL_MEGABYTE_BYTES = 1024 * 1024,
};

static enum outcome control_verbosity(struct admin_call *call) {
    struct server *server = call->context;
    uint64_t level = 0;
    if (call->token_count == 0 || !number_parse_u64(call->tokens[0], &level) ||
        level > UINT32_MAX) {
        return OUTCOME_BAD_FORMAT;
    }
    atom_store_relaxed(&server->verbosity, level > CONTROL_VERBOSITY_MAX ? CONTROL_VERBOSITY_MAX
                                                                         : (uint32_t)level);
    return OUTCOME_OK;
}

static enum outcome control_shutdown(struct admin_call *call) {
    struct server *server = call->context;
    if (!server->settings->shutdown_enabled) {
        return OUTCOME_SHUTDOWN_DISABLED;
    }
    enum server_stop stop = SERVER_STOPS;
    if (call->token_count >= 1 && span_is(call->tokens[0], "graceful")) {
        stop = SERVER_STOPS_GRACEFULLY;
    } else if (call->token_count >= 1) {
        return OUTCOME_SHUTDOWN_MODE;
    }
    session_close(call->session, SESSION_CLOSE_SHUTDOWN);
    server_stop(server, stop);
    return OUTCOME_NONE;
}

static enum outcome control_memlimit(struct admin_call *call) {
    struct server *server = call->context;
    uint64_t megabytes = 0;
    if (call->token_count == 0 || !number_parse_u64(call->tokens[0], &megabytes)) {
        return OUTCOME_ERROR;
    }
    if (megabytes < CONTROL_MEGABYTES_MIN) {
        return OUTCOME_MEMLIMIT_TOO_SMALL;
    }
    if (megabytes > CONTROL_MEGABYTES_MAX) {
        return OUTCOME_MEMLIMIT_NOT_BYTES;
    }
    uint64_t bytes = megabytes * CONTROL_MEGABYTE_BYTES;
    if (!store_memory_limit_set(server->store, bytes)) {
        return OUTCOME_MEMLIMIT_FAILED;
    }
    pthread_mutex_lock(&server->admin_lock);
    server->memory_limit_bytes = bytes;
    pthread_mutex_unlock(&server->admin_lock);
    server_wake(server);
    return OUTCOME_OK;
}

/* debugtime p | r | <seconds>: stops the clock, lets it run, moves it. For tests. */
static enum outcome control_debugtime(struct admin_call *call) {
    struct server *server = call->context;
    const struct core *core = ((const struct connection *)call->session->context)->core;
    if (!server->settings->debug_time || call->token_count == 0) {
        return OUTCOME_ERROR;
    }
    struct span word = call->tokens[0];
    bool back = word.len > 1 && word.data[0] == '-';
    uint64_t seconds = 0;
    if (span_is(word, "p")) {
        atom_store_relaxed(&server->clock_paused_s, server_clock(server, core->now_ns));
    } else if (span_is(word, "r")) {
        atom_store_relaxed(&server->clock_paused_s, 0);
    } else if (number_parse_u64(back ? span_of(word.data + 1, word.len - 1) : word, &seconds) &&
               seconds < UINT32_MAX / 2) {
        int64_t delta = back ? -(int64_t)seconds : (int64_t)seconds;
        uint32_t paused = atom_load_relaxed(&server->clock_paused_s);
        atom_store_relaxed(&server->clock_offset_s,
                           atom_load_relaxed(&server->clock_offset_s) + delta);
        atom_store_relaxed(&server->clock_paused_s,
                           paused == 0 ? 0 : (uint32_t)((int64_t)paused + delta));
    } else {
        return OUTCOME_ERROR;
    }
    return OUTCOME_OK;
}

void control_hooks_init(struct admin_hooks *hooks, struct server *server) {
    *hooks = (struct admin_hooks){
        .context = server,
        .functions =
            {
                [VERB_STATS] = stats_run,
                [VERB_WATCH] = watch_run,
                [VERB_VERBOSITY] = control_verbosity,
                [VERB_SHUTDOWN] = control_shutdown,
                [VERB_LRU] = control_lru,
                [VERB_LRU_CRAWLER] = control_lru_crawler,
                [VERB_SLABS] = control_slabs,
                [VERB_CACHE_MEMLIMIT] = control_memlimit,
                [VERB_REFRESH_CERTS] = certificates_refresh,
                [VERB_DEBUGTIME] = control_debugtime,
            },
    };
}
