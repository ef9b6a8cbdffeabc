/* larder: tests of the simulated network */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/sim.h"
#include "tests/unit/io/echo.h"

enum {
    PORT = 11211,
    CLIENTS = 12,
    STREAM_BYTES = 20000,
    STEPS_MAX = 2000000,
    SEEDS = 150,
    BUFFER_BYTES = 1024,
    US = 1000
};

struct client {
    struct sim_client *client;
    size_t sent;
    size_t received;
    bool finished;
};

struct world {
    struct sim_net *net;
    struct echo echo;
    struct client clients[CLIENTS];
};

static uint8_t byte_at(unsigned client, size_t place) {
    return (uint8_t)((place * 31 + client * 7 + (place >> 8)) & 255);
}

static struct io *io_make(struct sim_net *net) {
    struct io_config config = {
        .backend = IO_BACKEND_SIM, .conns_max = 100, .buffer_bytes = BUFFER_BYTES};
    struct io *io;

    assert_int_equal(sim_io_create(net, &config, &io), 0);
    return io;
}

static void world_init(struct world *world, const struct sim_config *config) {
    int fd;

    *world = (struct world){0};
    assert_int_equal(sim_net_create(config, &world->net), 0);
    assert_int_equal(sim_listen(world->net, PORT, &fd), 0);
    echo_init(&world->echo, io_make(world->net), fd);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(sim_client_connect(world->net, PORT, &world->clients[i].client), 0);
    }
}

static void world_fini(struct world *world) {
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (world->clients[i].client != NULL) {
            sim_client_close(world->clients[i].client);
        }
    }
    io_destroy(world->echo.io);
    sim_net_destroy(world->net);
}

/* Sends and receives a little, at random; checks every byte. */
static void client_step(struct world *world, unsigned number) {
    struct client *client = &world->clients[number];
    uint8_t bytes[700];
    size_t count = STREAM_BYTES - client->sent;

    if (client->client == NULL) {
        return;
    }
    if (count > sizeof(bytes)) {
        count = 1 + (size_t)sim_net_random(world->net, sizeof(bytes));
    }
    for (size_t i = 0; i < count; i++) {
        bytes[i] = byte_at(number, client->sent + i);
    }
    client->sent += sim_client_send(client->client, bytes, count);
    if (client->sent == STREAM_BYTES && !client->finished) {
        sim_client_finish(client->client);
        client->finished = true;
    }
    if (sim_net_random(world->net, 4) > 0) {
        count = sim_client_receive(client->client, bytes, sizeof(bytes));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(bytes[i], byte_at(number, client->received + i));
        }
        client->received += count;
    }
    if (sim_client_ended(client->client)) {
        sim_client_close(client->client);
        client->client = NULL;
    }
}

static bool clients_all_gone(const struct world *world) {
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (world->clients[i].client != NULL) {
            return false;
        }
    }
    return true;
}

static void world_run(struct world *world) {
    for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
        if (clients_all_gone(world) && world->echo.conns == 0) {
            return;
        }
        client_step(world, (unsigned)sim_net_random(world->net, CLIENTS));
        if (sim_io_runnable(world->echo.io)) {
            (void)echo_step(&world->echo, -1);
        } else if (sim_net_random(world->net, 8) == 0) {
            (void)sim_net_step(world->net);
        }
    }
    fail_msg("the simulation stands still");
}

static uint64_t world_trace(const struct sim_config *config) {
    struct world world;
    uint64_t trace;

    world_init(&world, config);
    world_run(&world);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(world.clients[i].received, STREAM_BYTES);
    }
    assert_int_equal(world.echo.conns_served, CLIENTS);
    trace = world.echo.trace;
    world_fini(&world);
    return trace;
}

static void every_stream_comes_back_whole_whatever_the_network_does(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_config config = sim_config_harsh(seed);

        (void)world_trace(&config);
    }
}

static void a_seed_gives_the_same_run_and_another_seed_another(void **state) {
    struct sim_config config = sim_config_harsh(7);
    uint64_t trace = world_trace(&config);

    (void)state;
    assert_true(trace == world_trace(&config));
    config.seed = 8;
    assert_true(trace != world_trace(&config));
}

static void a_gentle_network_only_moves_bytes(void **state) {
    struct sim_config config = {.seed = 3};

    (void)state;
    (void)world_trace(&config);
}

static void connections_that_break_are_closed_and_no_others(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_config config = sim_config_harsh(seed);
        struct world world;

        config.reset_per_million = 5000;
        config.accept_permille = 300;
        world_init(&world, &config);
        world_run(&world);
        assert_int_equal(world.echo.conns, 0);
        assert_int_equal(world.echo.conns_served, CLIENTS);
        world_fini(&world);
    }
}

static void run_until_asleep(struct sim_net *net, struct echo *echo) {
    do {
        while (sim_io_runnable(echo->io)) {
            (void)echo_step(echo, -1);
        }
    } while (sim_net_step(net));
}

static void a_client_that_does_not_read_stops_the_flow_and_nothing_grows(void **state) {
    struct sim_config config = {.seed = 5, .pipe_bytes = 4096};
    struct sim_client *client;
    struct sim_net *net;
    struct echo echo;
    uint8_t bytes[1000] = {0};
    size_t sent = 0;
    int fd;

    (void)state;
    assert_int_equal(sim_net_create(&config, &net), 0);
    assert_int_equal(sim_listen(net, PORT, &fd), 0);
    echo_init(&echo, io_make(net), fd);
    assert_int_equal(sim_client_connect(net, PORT, &client), 0);
    for (unsigned i = 0; i < 100; i++) {
        sent += sim_client_send(client, bytes, sizeof(bytes));
        run_until_asleep(net, &echo);
    }
    assert_in_range(sent, 2 * 4096, 3 * 4096 + ECHO_HIGH_BYTES);
    for (unsigned i = 0; i < 1000 && sent > 0; i++) {
        sent -= sim_client_receive(client, bytes, sizeof(bytes));
        run_until_asleep(net, &echo);
    }
    assert_int_equal(sent, 0);
    sim_client_close(client);
    run_until_asleep(net, &echo);
    assert_int_equal(echo.conns, 0);
    io_destroy(echo.io);
    sim_net_destroy(net);
}

static void a_stalled_connection_moves_nothing_for_its_time(void **state) {
    struct sim_config config = {.seed = 5, .delay_ns_min = 10 * US, .delay_ns_max = 20 * US};
    struct sim_client *client;
    struct sim_net *net;
    struct echo echo;
    char byte;
    int64_t begin_ns;
    int fd;

    (void)state;
    assert_int_equal(sim_net_create(&config, &net), 0);
    assert_int_equal(sim_listen(net, PORT, &fd), 0);
    echo_init(&echo, io_make(net), fd);
    assert_int_equal(sim_client_connect(net, PORT, &client), 0);
    run_until_asleep(net, &echo);
    begin_ns = sim_net_now_ns(net);
    assert_int_equal(sim_client_send(client, "x", 1), 1);
    sim_client_stall(client, 5000 * US);
    run_until_asleep(net, &echo);
    assert_int_equal(sim_client_receive(client, &byte, 1), 1);
    assert_in_range(sim_net_now_ns(net) - begin_ns, 5010 * US, 5020 * US);
    sim_client_close(client);
    run_until_asleep(net, &echo);
    io_destroy(echo.io);
    sim_net_destroy(net);
}

static void a_wait_ends_exactly_when_it_should(void **state) {
    struct sim_config config = {.seed = 1};
    struct io_event events[IO_EVENTS_MIN];
    struct sim_net *net;
    struct io *io;
    int64_t begin_ns;

    (void)state;
    assert_int_equal(sim_net_create(&config, &net), 0);
    io = io_make(net);
    begin_ns = sim_net_now_ns(net);
    assert_true(sim_io_runnable(io));
    assert_int_equal(io_turn(io, events, IO_EVENTS_MIN, 700 * US), 0);
    assert_false(sim_io_runnable(io));
    assert_true(sim_net_step(net));
    assert_true(sim_io_runnable(io));
    assert_int_equal(io_turn(io, events, IO_EVENTS_MIN, -1), 0);
    assert_int_equal(io_now_ns(io) - begin_ns, 700 * US);
    assert_false(sim_net_step(net)); /* nobody will ever do anything */
    io_destroy(io);
    sim_net_destroy(net);
}

static void a_doorbell_wakes_a_sleeping_core(void **state) {
    struct sim_config config = {.seed = 1};
    struct io_event events[IO_EVENTS_MIN];
    struct io_counters counters;
    struct sim_net *net;
    struct io *io;

    (void)state;
    assert_int_equal(sim_net_create(&config, &net), 0);
    io = io_make(net);
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(io_turn(io, events, IO_EVENTS_MIN, -1), 0);
        assert_false(sim_io_runnable(io));
        io_doorbell_ring(io);
        io_doorbell_ring(io);
        assert_true(sim_io_runnable(io));
        assert_int_equal(io_turn(io, events, IO_EVENTS_MIN, -1), 1);
        assert_int_equal(events[0].kind, IO_DOORBELL);
        io_counters_read(io, &counters);
        assert_int_equal(counters.doorbells_rung, round);
    }
    io_destroy(io);
    sim_net_destroy(net);
}

static void a_socket_may_be_served_by_another_core_than_accepted_it(void **state) {
    struct sim_config config = sim_config_harsh(9);
    struct io_event events[IO_EVENTS_MIN];
    struct io_listener *listener;
    struct sim_client *client;
    struct sim_net *net;
    struct echo echo;
    struct io *acceptor;
    char got[4];
    int fd;

    (void)state;
    assert_int_equal(sim_net_create(&config, &net), 0);
    acceptor = io_make(net);
    assert_int_equal(sim_listen(net, PORT, &fd), 0);
    assert_int_equal(io_listen_start(acceptor, fd, NULL, &listener), 0);
    echo_init(&echo, io_make(net), -1);
    assert_int_equal(sim_client_connect(net, PORT, &client), 0);
    assert_int_equal(sim_client_send(client, "abcd", 4), 4);
    while (io_turn(acceptor, events, IO_EVENTS_MIN, -1) == 0) {
        assert_true(sim_io_runnable(acceptor) || sim_net_step(net));
    }
    assert_int_equal(events[0].kind, IO_ACCEPTED);
    echo_adopt(&echo, events[0].fd);
    while (sim_client_received_bytes(client) < 4) {
        (void)echo_step(&echo, -1);
        (void)sim_net_step(net);
    }
    assert_int_equal(sim_client_receive(client, got, sizeof(got)), 4);
    assert_memory_equal(got, "abcd", 4);
    sim_client_close(client);
    run_until_asleep(net, &echo);
    io_destroy(acceptor);
    io_destroy(echo.io);
    sim_net_destroy(net);
}

static void without_a_listener_connections_are_refused(void **state) {
    struct sim_config config = {.seed = 1};
    struct sim_client *client;
    struct sim_net *net;
    int fd;
    int second;

    (void)state;
    assert_int_equal(sim_net_create(&config, &net), 0);
    assert_int_equal(sim_client_connect(net, PORT, &client), ECONNREFUSED);
    assert_int_equal(sim_listen(net, PORT, &fd), 0);
    assert_int_equal(sim_listen(net, PORT, &second), EADDRINUSE);
    sim_net_destroy(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_comes_back_whole_whatever_the_network_does),
        cmocka_unit_test(a_seed_gives_the_same_run_and_another_seed_another),
        cmocka_unit_test(a_gentle_network_only_moves_bytes),
        cmocka_unit_test(connections_that_break_are_closed_and_no_others),
        cmocka_unit_test(a_client_that_does_not_read_stops_the_flow_and_nothing_grows),
        cmocka_unit_test(a_stalled_connection_moves_nothing_for_its_time),
        cmocka_unit_test(a_wait_ends_exactly_when_it_should),
        cmocka_unit_test(a_doorbell_wakes_a_sleeping_core),
        cmocka_unit_test(a_socket_may_be_served_by_another_core_than_accepted_it),
        cmocka_unit_test(without_a_listener_connections_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
