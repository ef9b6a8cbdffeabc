/* larder: `stats larder`: what memcached has no line for */
#include <stdio.h>

#include "src/server/memory_plan.h"
#include "src/server/server.h"
#include "src/server/stats.h"

#include "config.h"

enum {
    STATS_LARDER_NAME_BYTES = 64,
    STATS_LARDER_RECEIVE_BYTES = 16 * 1024, /* of a buffer: io_config's default */
};

static void stats_larder_core(struct admin_call *call, const struct core *core, const char *name,
                              uint64_t value) {
    char key[STATS_LARDER_NAME_BYTES];
    snprintf(key, sizeof(key), "core_%u_%s", core->index, name);
    admin_stat_u64(call, key, value);
}

static void stats_larder_io(struct admin_call *call, const struct server *server) {
    struct io_counters sum = {0};
    for (unsigned i = 0; i < server->core_count; i++) {
        struct io_counters one;
        io_counters_read(server->cores[i]->io, &one);
        sum.turns += one.turns;
        sum.sleeps += one.sleeps;
        sum.syscalls += one.syscalls;
        sum.events += one.events;
        sum.buffers += one.buffers;
        sum.buffers_lacking += one.buffers_lacking;
        sum.rearmed += one.rearmed;
        sum.sends_short += one.sends_short;
        sum.overflows += one.overflows;
        sum.doorbells_rung += one.doorbells_rung;
    }
    const struct io *io = server->cores[0]->io;
    admin_stat_text(call, "io_backend", "%s", io_backend_name(io_backend_of(io)));
    admin_stat_text(call, "io_features", "%s", io_features_text(io));
    admin_stat_u64(call, "io_turns", sum.turns);
    admin_stat_u64(call, "io_sleeps", sum.sleeps);
    admin_stat_u64(call, "io_syscalls", sum.syscalls);
    admin_stat_u64(call, "io_events", sum.events);
    admin_stat_u64(call, "io_buffers", sum.buffers);
    admin_stat_u64(call, "io_buffers_lacking", sum.buffers_lacking);
    admin_stat_u64(call, "io_rearmed", sum.rearmed);
    admin_stat_u64(call, "io_sends_short", sum.sends_short);
    admin_stat_u64(call, "io_overflows", sum.overflows);
    admin_stat_u64(call, "io_doorbells_rung", sum.doorbells_rung);
}

/* What connections hold beside the fixed part, in which each core's first receive buffers are. */
static uint64_t connection_memory_bytes(const struct server *server) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < server->core_count; i++) {
        const struct core *core = server->cores[i];
        struct io_counters counters;
        io_counters_read(core->io, &counters);
        uint64_t receive_bytes = counters.buffers * STATS_LARDER_RECEIVE_BYTES;
        bytes += receive_bytes > MEMORY_PLAN_RECEIVE_BYTES
                     ? receive_bytes - MEMORY_PLAN_RECEIVE_BYTES
                     : 0;
        bytes += atom_load_relaxed(&core->engine.buffers.used_bytes);
        bytes += io_conns_open(core->io) * (sizeof(struct connection) + IO_CONN_BYTES_MAX);
    }
    return bytes;
}

static void stats_larder_store(struct admin_call *call, const struct server *server) {
    struct store_totals totals;
    store_totals(server->store, &totals);
    struct store_refusals refusals;
    store_refusals(server->store, &refusals);
    admin_stat_u64(call, "store_partitions", totals.partitions);
    admin_stat_u64(call, "store_classes", totals.classes);
    admin_stat_u64(call, "store_memory_limit_bytes", totals.memory_limit_bytes);
    admin_stat_u64(call, "store_memory_used_bytes", totals.memory_used_bytes);
    admin_stat_u64(call, "store_index_bytes", totals.index_bytes);
    admin_stat_u64(call, "store_page_bytes", totals.page_bytes);
    admin_stat_u64(call, "store_pages_total", totals.pages_total);
    admin_stat_u64(call, "store_pages_free", totals.pages_free);
    admin_stat_u64(call, "store_page_moves", totals.page_moves);
    admin_stat_u64(call, "store_huge_bytes", refusals.huge_bytes);
    admin_stat_u64(call, "memory_connections_bytes", connection_memory_bytes(server));
    admin_stat_u64(call, "memory_fixed_bytes",
                   memory_fixed_bytes(server->settings, server->core_count));
    admin_stat_u64(call, "store_uncommitted_bytes", totals.uncommitted_bytes);
    admin_stat_u64(call, "store_lent_bytes", totals.lent_bytes);
    admin_stat_u64(call, "store_limbo_bytes", totals.limbo_bytes);
    admin_stat_u64(call, "store_splits", totals.splits);
    admin_stat_u64(call, "store_merges", totals.merges);
    admin_stat_u64(call, "store_evacuations", totals.evacuations);
    admin_stat_u64(call, "store_promotions", totals.promotions);
    admin_stat_u64(call, "store_ghost_hits", totals.ghost_hits);
    admin_stat_u64(call, "store_lock_waits", totals.lock_waits);
    admin_stat_u64(call, "store_read_retries", totals.read_retries);
}

static void stats_larder_cores(struct admin_call *call, const struct server *server) {
    for (unsigned i = 0; i < server->core_count; i++) {
        const struct core *core = server->cores[i];
        stats_larder_core(call, core, "connections", io_conns_open(core->io));
        stats_larder_core(call, core, "requests",
                          atom_load_relaxed(&core->engine.counters.requests));
        stats_larder_core(call, core, "windows", atom_load_relaxed(&core->engine.counters.windows));
        stats_larder_core(call, core, "buffer_bytes",
                          atom_load_relaxed(&core->engine.buffers.used_bytes));
#define COUNTER(name, doc)                                                                         \
    stats_larder_core(call, core, #name, atom_load_relaxed(&core->counters.name));
#include "src/server/counters.def"
#undef COUNTER
    }
}

static void stats_larder_sums(struct admin_call *call, struct server *server) {
    struct stats_sums sums;
    stats_sum_since_reset(server, &sums);
#define COUNTER(name, doc) admin_stat_u64(call, #name, sums.name);
#include "src/engine/counters.def"
#include "src/server/counters.def"
#undef COUNTER
}

enum outcome stats_larder(struct admin_call *call) {
    struct server *server = call->context;
    admin_stat_text(call, "larder_version", "%s", PACKAGE_VERSION);
    admin_stat_u64(call, "cores", server->core_count);
    admin_stat_u64(call, "connection_bytes_idle",
                   sizeof(struct connection) + IO_CONN_BYTES_MAX);
    stats_larder_io(call, server);
    stats_larder_store(call, server);
    stats_larder_sums(call, server);
    stats_larder_cores(call, server);
    admin_stat_end(call);
    return OUTCOME_NONE;
}
