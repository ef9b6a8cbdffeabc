/* larder: the life of the process */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>

#include "src/engine/sasl.h"
#include "src/server/auth_file.h"
#include "src/server/housekeeping.h"
#include "src/server/listeners.h"
#include "src/server/memory_file.h"
#include "src/server/process.h"
#include "src/server/sasl_library.h"
#include "src/server/server.h"
#include "src/server/threads.h"

/* A store second begins with a second of the wall clock, so that absolute expiry times are met.
 * What has passed since a memory file was taken over has passed for its items too. */
static void server_clock_start(struct server *server) {
    struct timespec wall;
    struct timespec steady;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &steady);
    int64_t steady_ns = (int64_t)steady.tv_sec * 1000000000 + steady.tv_nsec;
    server->clock_base_ns = steady_ns - wall.tv_nsec;
    if (server->restart.reused && wall.tv_sec > server->restart.wall_s) {
        server->clock_start_s += (uint32_t)(wall.tv_sec - server->restart.wall_s);
    }
    server->epoch = (int64_t)wall.tv_sec - server->clock_start_s;
    uint64_t stopped_s = server->settings->clock_stopped_s;
    if (stopped_s != 0) {
        server->epoch = (int64_t)stopped_s - server->clock_start_s;
        atom_store_relaxed(&server->clock_paused_s, server->clock_start_s);
    }
}

static uint64_t server_hash_seed(void) {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
    }
    return seed;
}

static int server_serve(struct server *server) {
    if (!listeners_open(server)) {
        return EX_OSERR;
    }
    int error = housekeeping_open(server);
    if (error != 0) {
        fprintf(stderr, "eventfd: %s\n", strerror(error));
        listeners_close(server, 0);
        return EX_OSERR;
    }
    struct threads *threads = threads_start(server);
    if (threads == NULL) {
        housekeeping_close(server);
        return EX_OSERR;
    }
    server_log(server, 1, "io: %s", io_features_text(server->cores[0]->io));
    process_write_pid(server->settings);
    housekeeping_run(server);
    bool graceful = atom_load_relaxed(&server->stop) == SERVER_STOPS_GRACEFULLY;
    if (graceful || server->settings->verbosity > 0) {
        fprintf(stderr, graceful ? "Gracefully stopping\n" : "Exiting normally\n");
    }
    threads_join(threads);
    housekeeping_close(server);
    if (graceful) {
        memory_file_save(server);
    }
    process_remove_pid(server->settings);
    return EXIT_SUCCESS;
}

/* The mechanisms of -S: PLAIN by the file that the environment names, else the library's. */
static bool server_open_sasl(struct server *server) {
    server->users_path = getenv("MEMCACHED_SASL_PWDB");
    if (server->users_path != NULL) {
        server->auth.backend = sasl_plain_backend(&server->auth);
        return true;
    }
    if (!sasl_library_is_built_in()) {
        fprintf(stderr, "MEMCACHED_SASL_PWDB is not set: it names the file of users, the only "
                        "source of users that this server is built with.\n");
        return false;
    }
    return sasl_library_open(&server->auth.backend, server->settings->verbosity);
}

static void server_close_sasl(struct server *server) {
    if (server->settings->sasl_enabled && server->users_path == NULL &&
        server->auth.backend.context != NULL) {
        sasl_library_close(&server->auth.backend);
    }
}

/* Users and certificates: without those it was given, a server must not start. */
static int server_read_files(struct server *server) {
    const struct settings *settings = server->settings;
    char reason[TLS_REASON_BYTES_MAX];
    if (settings->sasl_enabled && !server_open_sasl(server)) {
        return EXIT_FAILURE;
    }
    if (server->users_path != NULL && !auth_file_load(&server->auth, server->users_path)) {
        return EXIT_FAILURE;
    }
    if (!settings->tls_enabled) {
        return EXIT_SUCCESS;
    }
    server->tls = tls_context_create(settings, reason);
    if (server->tls == NULL) {
        fprintf(stderr, "%s\n", reason);
        return EX_USAGE;
    }
    return EXIT_SUCCESS;
}

/* A limit of locked memory (RLIMIT_MEMLOCK) holds for the reserved range too: rather without -k
 * than not at all. */
static bool server_init_unlocked(struct server *server, const struct settings *settings,
                                 struct topology_plan *plan) {
    if (server_init(server, settings, plan, plan->core_count, server_hash_seed())) {
        return true;
    }
    int reason = errno;
    if (server->complained || !settings->lock_memory || munlockall() != 0) {
        errno = reason;
        return false;
    }
    fprintf(stderr, "warning: -k invalid, memory cannot be locked: %s\n", strerror(reason));
    return server_init(server, settings, plan, plan->core_count, server_hash_seed());
}

int server_main(const struct settings *settings) {
    housekeeping_signals_block();
    struct topology_request request = topology_request_from(settings);
    struct topology_plan *plan = topology_plan_create(&request);
    if (plan == NULL) {
        fprintf(stderr, "cannot plan threads: %s\n", strerror(errno));
        return EX_OSERR;
    }
    struct server *server = malloc(sizeof(*server));
    if (server == NULL || !server_init_unlocked(server, settings, plan)) {
        if (server == NULL || !server->complained) {
            fprintf(stderr, "cannot set up %llu bytes of memory: %s\n",
                    (unsigned long long)settings->memory_bytes, strerror(errno));
        }
        free(server);
        topology_plan_destroy(plan);
        return EX_OSERR;
    }
    server_clock_start(server);
    int exit_code = server_read_files(server);
    if (exit_code == EXIT_SUCCESS) {
        server->connections_max = process_connections_max(settings, plan->core_count);
        exit_code = server_serve(server);
    }
    if (exit_code != EXIT_SUCCESS && server->restart.reused) {
        memory_file_save(server); /* nothing was served: the next start shall find all of it */
    }
    server_close_sasl(server);
    server_fini(server);
    free(server);
    topology_plan_destroy(plan);
    return exit_code;
}
