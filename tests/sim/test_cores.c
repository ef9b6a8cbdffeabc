/* larder: several cores in one thread, over a network that delays, cuts, withholds and breaks
 *
 * Each seed is a run: a few cores, a few clients of which some are slow, some leave, some are cut
 * off. Whichever core can run is stepped, in random order. Every reply is checked; afterwards the
 * server drains, the store is walked, and nothing may be left. LARDER_TEST_SECONDS says how long
 * seeds are tried, LARDER_TEST_SEED where they begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "io/sim.h"
#include "src/server/server.h"
#include "tests/sim/client.h"

enum {
    RUN_PORT = 11211,
    RUN_CORES_MAX = 4,
    RUN_CLIENTS_MAX = 8,
    RUN_STEPS_MAX = 4000000,
    RUN_MEMORY_BYTES = 64 << 20,
    RUN_MEMORY_BYTES_SCARCE = 7 << 18,
    RUN_SECONDS_DEFAULT = 3,
    RUN_SEEDS_MIN = 20,
};

struct run {
    uint64_t seed;
    bool scarce; /* memory for less than what clients store */
    struct sim_net *net;
    struct settings *settings;
    struct server server;
    struct client *clients[RUN_CLIENTS_MAX];
    unsigned client_count;
    uint64_t evictions;
};

static void run_fail(const struct run *run, const char *what) {
    fail_msg("seed %llu: %s", (unsigned long long)run->seed, what);
}

static void run_network(struct run *run, bool breaks) {
    struct sim_config config = sim_config_harsh(run->seed);
    if (breaks) {
        config.reset_per_million = 2000;
        config.accept_permille = 100;
        config.lacking_permille = 50;
    }
    assert_int_equal(sim_net_create(&config, &run->net), 0);
}

static void run_server(struct run *run, unsigned cores) {
    int fd = -1;
    run->settings = settings_create_default();
    assert_non_null(run->settings);
    run->settings->memory_bytes = run->scarce ? RUN_MEMORY_BYTES_SCARCE : RUN_MEMORY_BYTES;
    assert_true(server_init(&run->server, run->settings, NULL, cores, run->seed));
    assert_int_equal(sim_listen(run->net, RUN_PORT, &fd), 0);
    run->server.listeners[0] = (struct server_listener){.fd = fd, .local = true};
    run->server.listener_count = 1;
    run->server.clock_base_ns = sim_net_now_ns(run->net);
    for (unsigned i = 0; i < cores; i++) {
        struct io *io = NULL;
        assert_int_equal(sim_io_create(run->net,
                                       &(struct io_config){.conns_max = 64, .buffer_bytes = 4096},
                                       &io),
                         0);
        assert_int_equal(core_start(run->server.cores[i], io), 0);
    }
    assert_int_equal(core_listen(run->server.cores[0], 0), 0);
}

static void run_clients(struct run *run, bool breaks) {
    unsigned few = 1 + (unsigned)sim_net_random(run->net, RUN_CLIENTS_MAX);
    run->client_count = run->scarce ? RUN_CLIENTS_MAX : few;
    for (unsigned i = 0; i < run->client_count; i++) {
        bool leaves = sim_net_random(run->net, 4) == 0;
        run->clients[i] = client_create(&(struct client_config){
            .net = run->net,
            .seed = run->seed,
            .port = RUN_PORT,
            .number = i,
            .requests = 20 + (unsigned)sim_net_random(run->net, 200),
            .value_bytes_max =
                !run->scarce && sim_net_random(run->net, 2) == 0 ? 3000 : 100000,
            .lazy_percent = sim_net_random(run->net, 3) == 0 ? 95 : 10,
            .may_break = breaks,
            .leaves = leaves,
            .may_miss = run->scarce,
            .stalls = !run->scarce && sim_net_random(run->net, 4) == 0,
        });
    }
}

/* One thing that can happen now, at random; or time passes. */
static void run_step(struct run *run) {
    unsigned cores = run->server.core_count;
    unsigned start = (unsigned)sim_net_random(run->net, cores);
    if (sim_net_random(run->net, 3) != 0) {
        for (unsigned i = 0; i < cores; i++) {
            struct core *core = run->server.cores[(start + i) % cores];
            /* a finished one too: while it is due to wake, time stands still */
            if (sim_io_runnable(core->io)) {
                core_step(core);
                return;
            }
        }
    }
    struct client *client = run->clients[sim_net_random(run->net, run->client_count)];
    if (!client_step(client) && store_housekeeping_due(run->server.store)) {
        (void)store_housekeeping(run->server.store);
    } else if (sim_net_random(run->net, 4) == 0) {
        (void)sim_net_step(run->net);
    }
}

static bool run_clients_done(const struct run *run) {
    for (unsigned i = 0; i < run->client_count; i++) {
        if (!client_is_done(run->clients[i])) {
            return false;
        }
    }
    return true;
}

static bool run_cores_finished(const struct run *run) {
    for (unsigned i = 0; i < run->server.core_count; i++) {
        if (!run->server.cores[i]->finished) {
            return false;
        }
    }
    return true;
}

static void run_end(struct run *run) {
    struct store_totals totals;
    for (unsigned i = 0; i < run->server.core_count; i++) {
        core_stop(run->server.cores[i]);
    }
    store_totals(run->server.store, &totals);
    run->evictions = totals.evictions;
    const char *wrong = store_check(run->server.store);
    if (wrong != NULL) {
        run_fail(run, wrong);
    }
    if (totals.lent_bytes != 0 || totals.uncommitted_bytes != 0) {
        run_fail(run, "something is still lent or uncommitted");
    }
    if (atom_load_relaxed(&run->server.connections_open) != 0) {
        run_fail(run, "connections are still counted");
    }
    server_fini(&run->server);
    settings_destroy(run->settings);
    for (unsigned i = 0; i < run->client_count; i++) {
        client_destroy(run->clients[i]);
    }
    sim_net_destroy(run->net);
}

/* Returns how many items were evicted. */
static uint64_t run_seed(uint64_t seed) {
    struct run *run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->seed = seed;
    bool breaks = seed % 3 == 0;
    run->scarce = seed % 5 == 0;
    run_network(run, breaks);
    run_server(run, 1 + (unsigned)(seed % RUN_CORES_MAX));
    run_clients(run, breaks);
    unsigned steps = 0;
    for (; !run_clients_done(run) && steps < RUN_STEPS_MAX; steps++) {
        run_step(run);
    }
    if (!run_clients_done(run)) {
        run_fail(run, "clients wait for replies that do not come");
    }
    server_stop(&run->server, SERVER_STOPS);
    for (steps = 0; !run_cores_finished(run) && steps < RUN_STEPS_MAX; steps++) {
        run_step(run);
    }
    if (!run_cores_finished(run)) {
        run_fail(run, "cores do not finish");
    }
    run_end(run);
    uint64_t evictions = run->evictions;
    free(run);
    return evictions;
}

static void every_reply_is_right_and_nothing_is_left_whatever_the_network_does(void **state) {
    (void)state;
    const char *wanted = getenv("LARDER_TEST_SEED");
    const uint64_t first = wanted == NULL ? 1 : strtoull(wanted, NULL, 10);
    const char *limit = getenv("LARDER_TEST_SECONDS");
    time_t seconds = limit == NULL ? RUN_SECONDS_DEFAULT : (time_t)strtoul(limit, NULL, 10);
    time_t end = time(NULL) + seconds;
    uint64_t count = 0;
    uint64_t evictions = 0;
    for (; count < RUN_SEEDS_MIN || time(NULL) < end; count++) {
        evictions += run_seed(first + count);
    }
    print_message("# %llu seeds from %llu, %llu evictions\n", (unsigned long long)count,
                  (unsigned long long)first, (unsigned long long)evictions);
    assert_true(evictions > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_is_right_and_nothing_is_left_whatever_the_network_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
