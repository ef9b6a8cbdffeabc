/* larder: the server around its cores: what they share */
#include "src/server/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/server/auth_file.h"
#include "src/server/certificates.h"
#include "src/server/control.h"
#include "src/server/memory_file.h"

enum {
    SERVER_SECOND_NS = 1000000000,
    SERVER_LINE_BYTES_MAX = 4096,
    SERVER_MEMORY_GROWTH = 16,
    SERVER_MEMORY_GROWTH_LOCKED = 2,
};

#define SERVER_MEMORY_BYTES_MAX_LEAST ((uint64_t)4 << 30)

/* How far cache_memlimit can raise the limit. Address space costs nothing until it is used, but its
 * page table of 7 bytes a KiB does with -k, which locks all of it. */
static uint64_t server_memory_bytes_max(const struct settings *settings) {
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t bytes = settings->memory_bytes * SERVER_MEMORY_GROWTH_LOCKED;
    if (!settings->lock_memory) {
        bytes = settings->memory_bytes * SERVER_MEMORY_GROWTH;
        bytes = bytes < SERVER_MEMORY_BYTES_MAX_LEAST ? SERVER_MEMORY_BYTES_MAX_LEAST : bytes;
        bytes = bytes > machine ? machine : bytes;
    }
    return bytes > settings->memory_bytes ? bytes : settings->memory_bytes;
}

static bool server_store_create(struct server *server, uint64_t hash_seed) {
    const struct settings *settings = server->settings;
    int nodes[SETTINGS_THREADS_MAX];
    bool nodes_matter = server->plan != NULL && server->plan->node_count > 1;
    for (unsigned i = 0; nodes_matter && i < server->core_count; i++) {
        nodes[i] = (int)server->plan->cores[i].node;
    }
    server->store = store_create(&(struct store_config){
        .memory_bytes = settings->memory_bytes,
        .memory_bytes_max = server_memory_bytes_max(settings),
        .item_bytes_max = settings->item_bytes_max,
        .partition_count = settings->partitions,
        .core_count = server->core_count,
        .core_nodes = nodes_matter ? nodes : NULL,
        .hash_seed = hash_seed,
        .temporary_ttl = settings->temporary_ttl_enabled ? settings->temporary_ttl_s : 0,
        .evict = settings->evictions_enabled,
        .token_in_items = settings->cas_enabled,
        .track_sizes = settings->track_sizes,
        .huge_pages = settings->large_pages,
        .lock_memory = settings->lock_memory,
        .evicted = watch_evicted,
        .evicted_context = server,
        .restart = settings->memory_path != NULL ? &server->restart : NULL,
    });
    return server->store != NULL;
}

/* Store and cores. False: no memory (errno). */
static bool server_memory_init(struct server *server, uint64_t hash_seed) {
    if (!server_store_create(server, hash_seed) ||
        !watch_init(&server->watch, server->core_count, store_partitions(server->store))) {
        return false;
    }
    for (unsigned i = 0; i < server->core_count; i++) {
        server->cores[i] = core_create(server, i);
        if (server->cores[i] == NULL) {
            return false;
        }
    }
    return true;
}

bool server_init(struct server *server, const struct settings *settings,
                 struct topology_plan *plan, unsigned core_count, uint64_t hash_seed) {
    memset(server, 0, sizeof(*server));
    server->settings = settings;
    server->live = *settings;
    server->plan = plan;
    server->core_count = core_count;
    server->connections_max = settings->connections_max;
    server->wake_fd = -1;
    server->memory_limit_bytes = settings->memory_bytes;
    server->clock_start_s = SERVER_CLOCK_START_S;
    server->epoch = (int64_t)time(NULL) - SERVER_CLOCK_START_S;
    atom_store_relaxed(&server->verbosity, settings->verbosity);
    atom_store_relaxed(&server->detail, settings->detail_enabled ? 1 : 0);
    pthread_mutex_init(&server->admin_lock, NULL);
    auth_init(&server->auth, settings->sasl_enabled ? AUTH_SASL : AUTH_ASCII);
    server->users_path = settings->auth_path;
    control_hooks_init(&server->hooks, server);
    server->cores = calloc(core_count, sizeof(server->cores[0]));
    server->complained = !memory_file_open(server);
    if (server->complained || server->cores == NULL || !server_memory_init(server, hash_seed)) {
        int reason = errno;
        server_fini(server);
        errno = reason;
        return false;
    }
    memory_file_report(server);
    server->clock_start_s = server->restart.reused ? server->restart.now : SERVER_CLOCK_START_S;
    atom_store_relaxed(&server->certificates_read_at, server->clock_start_s);
    return true;
}

void server_fini(struct server *server) {
    for (unsigned i = 0; server->cores != NULL && i < server->core_count; i++) {
        if (server->cores[i] != NULL) {
            core_destroy(server->cores[i]);
        }
    }
    free(server->cores);
    server->cores = NULL;
    if (server->store != NULL) {
        store_destroy(server->store);
        server->store = NULL;
    }
    memory_file_close(server);
    tls_context_destroy(server->tls);
    server->tls = NULL;
    auth_fini(&server->auth);
    if (server->watch.rings != NULL) {
        watch_fini(&server->watch);
    }
    pthread_mutex_destroy(&server->admin_lock);
}

uint32_t server_clock(const struct server *server, int64_t now_ns) {
    uint32_t paused = atom_load_relaxed(&server->clock_paused_s);
    if (paused != 0) {
        return paused;
    }
    int64_t seconds = server->clock_start_s + (now_ns - server->clock_base_ns) / SERVER_SECOND_NS +
                      atom_load_relaxed(&server->clock_offset_s);
    return seconds < SERVER_CLOCK_START_S ? SERVER_CLOCK_START_S : (uint32_t)seconds;
}

void server_ring(struct server *server) {
    for (unsigned i = 0; i < server->core_count; i++) {
        if (server->cores[i]->io != NULL) {
            io_doorbell_ring(server->cores[i]->io);
        }
    }
}

void server_stop(struct server *server, enum server_stop stop) {
    uint32_t running = SERVER_RUNS;
    if (atom_compare_exchange(&server->stop, &running, stop)) {
        server_ring(server);
        server_wake(server);
    }
}

void server_reload(struct server *server) {
    if (server->users_path != NULL && !auth_file_load(&server->auth, server->users_path)) {
        server_log(server, 0, "the users read before stay");
    }
    char reason[TLS_REASON_BYTES_MAX];
    if (server->tls != NULL && !certificates_read(server, reason)) {
        server_log(server, 0, "Could not reload TLS certificates on SIGHUP: %s", reason);
    }
}

void server_wake(struct server *server) {
    if (server->wake_fd < 0 || atom_exchange(&server->housekeeping_due, 1) != 0) {
        return;
    }
    uint64_t one = 1;
    ssize_t written = write(server->wake_fd, &one, sizeof(one));
    (void)written; /* a full counter wakes as well */
}

/* -- the limit of connections ------------------------------------------------------------------ */

uint32_t server_connections_bound(const struct server *server) {
    uint32_t bound = server->connections_max + SERVER_CONNECTIONS_SLACK;
    return bound > IO_CONNS_MAX ? IO_CONNS_MAX : bound;
}

/* Stops and restarts accepting, without maxconns_fast. Rare: the lock is of no weight. */
static void server_accepting_update(struct server *server, int64_t now_ns) {
    pthread_mutex_lock(&server->admin_lock);
    uint32_t open = atom_load_seq_cst(&server->connections_open);
    bool pause = open >= server->connections_max;
    bool changed = pause != (atom_load_relaxed(&server->accept_paused) != 0);
    if (changed && pause) {
        server->disabled_since_ns = now_ns;
        server->disabled_count++;
    } else if (changed) {
        server->disabled_ns += (uint64_t)(now_ns - server->disabled_since_ns);
    }
    if (changed) {
        atom_store_seq_cst(&server->accept_paused, pause ? 1 : 0);
    }
    pthread_mutex_unlock(&server->admin_lock);
    if (changed) {
        server_ring(server);
    }
}

bool server_connection_enter(struct server *server, int64_t now_ns) {
    uint32_t open = atom_fetch_add(&server->connections_open, 1) + 1;
    if (server->settings->connections_refuse_fast) {
        if (open <= server->connections_max) {
            return true;
        }
    } else {
        if (open >= server->connections_max) {
            server_accepting_update(server, now_ns);
        }
        if (open <= server_connections_bound(server)) {
            return true;
        }
    }
    atom_fetch_sub(&server->connections_open, 1);
    return false;
}

void server_connection_leave(struct server *server, int64_t now_ns) {
    atom_fetch_sub(&server->connections_open, 1);
    if (atom_load_seq_cst(&server->accept_paused) != 0) {
        server_accepting_update(server, now_ns);
    }
}

void server_log(const struct server *server, unsigned verbosity_min, const char *format, ...) {
    if (atom_load_relaxed(&server->verbosity) < verbosity_min) {
        return;
    }
    char line[SERVER_LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    size_t bytes = (size_t)length < sizeof(line) - 2 ? (size_t)length : sizeof(line) - 2;
    line[bytes] = '\n';
    (void)fwrite(line, 1, bytes + 1, stderr); /* one call: lines of threads do not mix */
}
