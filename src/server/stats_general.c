/* larder: `stats` and `stats settings` */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/server/server.h"
#include "src/server/stats.h"

enum { STATS_NS_A_US = 1000 };

/* What the rows of stats.def speak of. */
struct stats_view {
    struct stats_sums sums;
    struct store_totals totals;
    struct rusage usage;
    uint64_t pid;
    uint64_t uptime_s;
    uint64_t time_s;
    uint64_t connections;
    uint64_t connection_slots;
    uint64_t sends;
    uint64_t buffer_blocks;
    uint64_t buffer_bytes;
    uint64_t buffer_bytes_free;
    uint64_t buffer_refusals;
    uint64_t descriptors;
    uint64_t memory_limit_bytes;
    uint64_t accepting;
    uint64_t disabled;
    uint64_t disabled_us;
    uint64_t threads;
    struct watch_figures watch;
    uint64_t crawling;
    uint64_t reassigning;
    uint64_t crawls;
};

static void stats_view_cores(struct stats_view *view, const struct server *server) {
    for (unsigned i = 0; i < server->core_count; i++) {
        const struct core *core = server->cores[i];
        const struct buffers *buffers = &core->engine.buffers;
        view->connection_slots += (uint64_t)CONNECTION_CHUNK_SLOTS *
                                  atom_load_relaxed(&core->connections.chunk_count);
        view->sends += atom_load_relaxed(&core->connections.sends);
        view->buffer_bytes += atom_load_relaxed(&buffers->used_bytes);
        view->buffer_bytes_free += atom_load_relaxed(&buffers->free_bytes);
        view->buffer_refusals += atom_load_relaxed(&buffers->refused);
    }
    view->buffer_blocks = view->buffer_bytes / BUFFERS_BLOCK_BYTES;
}

static void stats_view_fill(struct stats_view *view, struct server *server,
                            const struct core *core) {
    memset(view, 0, sizeof(*view));
    stats_sum_since_reset(server, &view->sums);
    store_totals(server->store, &view->totals);
    stats_view_cores(view, server);
    getrusage(RUSAGE_SELF, &view->usage);
    view->pid = (uint64_t)getpid();
    view->uptime_s = core->now;
    view->time_s = (uint64_t)server->epoch + core->now;
    view->connections = atom_load_relaxed(&server->connections_open);
    view->descriptors = server->listener_count + 4ull * server->core_count + 4;
    view->accepting = atom_load_relaxed(&server->accept_paused) == 0;
    view->threads = server->core_count;
    watch_figures(&server->watch, &view->watch);
    view->crawling = atom_load_relaxed(&server->crawl_until) > core->now;
    view->reassigning = store_reassign_running(server->store);
    view->crawls = atom_load_relaxed(&server->crawls);
    pthread_mutex_lock(&server->admin_lock);
    view->memory_limit_bytes = server->memory_limit_bytes;
    view->disabled = view->sums.listen_disabled + server->disabled_count;
    view->disabled_us = server->disabled_ns / STATS_NS_A_US;
    pthread_mutex_unlock(&server->admin_lock);
}

/* As admin commands have changed them. */
static struct settings stats_settings_live(struct server *server) {
    pthread_mutex_lock(&server->admin_lock);
    struct settings live = server->live;
    pthread_mutex_unlock(&server->admin_lock);
    return live;
}

#define STATS_WRITE_U64(name, value) admin_stat_u64(call, name, (uint64_t)(value))
#define STATS_WRITE_TEXT(name, value) admin_stat_text(call, name, "%s", value)
#define STATS_WRITE_TIME(name, value)                                                              \
    admin_stat_text(call, name, "%ld.%06ld", (long)(value).tv_sec, (long)(value).tv_usec)

enum outcome stats_general(struct admin_call *call) {
    struct server *server = call->context;
    const struct connection *connection = call->session->context;
    const struct settings live = stats_settings_live(server);
    const struct settings *settings = &live;
    struct stats_view filled;
    const struct stats_view *view = &filled;
    const struct stats_sums *sums = &view->sums;
    const struct store_totals *totals = &view->totals;
    stats_view_fill(&filled, server, connection->core);
#define STAT(name, kind, value, when, doc)                                                         \
    if (when) {                                                                                    \
        STATS_WRITE_##kind(#name, value);                                                          \
    }
#include "src/server/stats.def"
#undef STAT
    admin_stat_end(call);
    return OUTCOME_NONE;
}

/* -- settings ---------------------------------------------------------------------------------- */

struct stats_settings_visit {
    struct admin_call *call;
    struct server *server;
};

/* Replaces what is not as it was at the start. */
static void stats_settings_line(void *context, const char *key, const char *value) {
    const struct stats_settings_visit *visit = context;
    struct server *server = visit->server;
    if (strcmp(key, "verbosity") == 0) {
        admin_stat_u64(visit->call, key, atom_load_relaxed(&server->verbosity));
    } else if (strcmp(key, "num_threads") == 0 || strcmp(key, "num_threads_per_udp") == 0) {
        admin_stat_u64(visit->call, key, server->core_count);
    } else if (strcmp(key, "maxbytes") == 0) {
        pthread_mutex_lock(&server->admin_lock);
        uint64_t bytes = server->memory_limit_bytes;
        pthread_mutex_unlock(&server->admin_lock);
        admin_stat_u64(visit->call, key, bytes);
    } else {
        admin_stat_text(visit->call, key, "%s", value);
    }
}

enum outcome stats_settings(struct admin_call *call) {
    struct stats_settings_visit visit = {.call = call, .server = call->context};
    const struct settings live = stats_settings_live(visit.server);
    settings_each(&live, stats_settings_line, &visit);
    admin_stat_end(call);
    return OUTCOME_NONE;
}
