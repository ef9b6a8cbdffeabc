/* larder: tests of accepting, many connections and the doorbell, under every back end */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/listen.h"
#include "src/base/atomic.h"
#include "tests/unit/io/harness.h"

enum { CROWD = 1500, CHURN = 5000, RINGS = 30000, BACKLOG = 2048 };

/* A listener on the loopback; its address is what a client connects to. */
static int listener_make(struct sockaddr_in *address) {
    struct listen_config config = {.host = "127.0.0.1", .backlog = BACKLOG, .ipv4 = true};
    struct listen_sockets sockets;

    assert_int_equal(listen_tcp(&config, &sockets), 0);
    assert_int_equal(sockets.count, 1);
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = htons(sockets.port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return sockets.fds[0];
}

static int client_connect(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void every_connection_of_a_crowd_is_accepted(void **state) {
    struct harness *harness = harness_of(state);
    struct io_listener *listener;
    struct sockaddr_in address;
    static int clients[CROWD];
    int fd = listener_make(&address);

    assert_int_equal(io_listen_start(harness->io, fd, NULL, &listener), 0);
    for (unsigned i = 0; i < CROWD; i++) {
        clients[i] = client_connect(&address);
        if (i % 100 == 0) {
            (void)pump_once(harness, 0);
        }
    }
    PUMP_UNTIL(harness, harness->accepted == CROWD);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_true((fcntl(harness->accepted_fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        (void)close(harness->accepted_fds[i]);
        (void)close(clients[i]);
    }
    io_listen_stop(listener);
    PUMP_UNTIL(harness, harness->listen_closed == 1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void a_paused_listener_leaves_connections_in_the_queue(void **state) {
    struct harness *harness = harness_of(state);
    struct io_listener *listener;
    struct sockaddr_in address;
    int clients[3];

    assert_int_equal(io_listen_start(harness->io, listener_make(&address), NULL, &listener), 0);
    clients[0] = client_connect(&address);
    PUMP_UNTIL(harness, harness->accepted == 1);
    io_listen_pause(listener);
    io_listen_pause(listener);
    pump_idle(harness);
    clients[1] = client_connect(&address);
    pump_idle(harness);
    assert_int_equal(harness->accepted, 1);
    io_listen_resume(listener);
    io_listen_resume(listener);
    PUMP_UNTIL(harness, harness->accepted == 2);
    io_listen_pause(listener);
    io_listen_resume(listener);
    clients[2] = client_connect(&address);
    PUMP_UNTIL(harness, harness->accepted == 3);
    for (unsigned i = 0; i < 3; i++) {
        (void)close(clients[i]);
        (void)close(harness->accepted_fds[i]);
    }
    io_listen_stop(listener);
    PUMP_UNTIL(harness, harness->listen_closed == 1);
}

static void stopping_a_listener_right_away_closes_it(void **state) {
    struct harness *harness = harness_of(state);

    for (unsigned round = 0; round < 30; round++) {
        struct io_listener *listener;
        struct sockaddr_in address;

        assert_int_equal(io_listen_start(harness->io, listener_make(&address), NULL, &listener), 0);
        if (round % 3 > 0) {
            (void)pump_once(harness, 0);
        }
        if (round % 3 > 1) {
            io_listen_pause(listener);
        }
        io_listen_stop(listener);
        PUMP_UNTIL(harness, harness->listen_closed == round + 1);
    }
}

static void without_descriptors_accepting_pauses_and_can_go_on(void **state) {
    struct harness *harness = harness_of(state);
    struct io_listener *listener;
    struct sockaddr_in address;
    struct rlimit limit;
    struct rlimit none;
    int fd = listener_make(&address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int spare = dup(client);

    (void)close(spare); /* the lowest free descriptor: io_uring looks at the limit when it arms */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)spare, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(io_listen_start(harness->io, fd, NULL, &listener), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    pump_idle(harness);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(harness->accept_error, EMFILE);
    assert_int_equal(harness->accept_errors, 1); /* paused: it does not come again and again */
    io_listen_resume(listener);
    PUMP_UNTIL(harness, harness->accepted == 1);
    (void)close(client);
    (void)close(harness->accepted_fds[0]);
}

static void a_crowd_is_served_and_closed(void **state) {
    struct harness *harness = harness_of(state);
    static struct end *ends[CROWD];
    struct iovec parts[CROWD];
    char byte;

    for (unsigned i = 0; i < CROWD; i++) {
        ends[i] = end_open(harness);
        io_recv_start(ends[i]->conn);
    }
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < CROWD; i++) {
            assert_int_equal(send(ends[i]->other_fd, "q", 1, 0), 1);
        }
        for (unsigned i = 0; i < CROWD; i++) {
            PUMP_UNTIL(harness, ends[i]->bytes_count == round);
            parts[i] = (struct iovec){.iov_base = "a", .iov_len = 1};
            io_send(ends[i]->conn, &parts[i], 1);
        }
        for (unsigned i = 0; i < CROWD; i++) {
            PUMP_UNTIL(harness, ends[i]->sent == round);
            assert_int_equal(recv(ends[i]->other_fd, &byte, 1, 0), 1);
        }
    }
    assert_int_equal(io_conns_open(harness->io), CROWD);
    for (unsigned i = 0; i < CROWD; i++) {
        io_close(ends[i]->conn);
    }
    PUMP_UNTIL(harness, io_conns_open(harness->io) == 0);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(recv(ends[i]->other_fd, &byte, 1, 0), 0);
        end_free(harness, ends[i]);
    }
}

static void slots_are_used_again_without_mixing_lives(void **state) {
    struct harness *harness = harness_of(state);

    for (unsigned i = 0; i < CHURN; i++) {
        struct end *end = end_open(harness);
        char name[16];
        size_t bytes = (size_t)snprintf(name, sizeof(name), "%u", i);

        io_recv_start(end->conn);
        assert_int_equal(send(end->other_fd, name, bytes, 0), (ssize_t)bytes);
        if (i % 4 > 0) {
            PUMP_UNTIL(harness, end->bytes_count == bytes);
            assert_memory_equal(end->bytes, name, bytes);
        }
        end_free(harness, end);
    }
}

static void a_ring_before_the_turn_is_not_lost(void **state) {
    struct harness *harness = harness_of(state);
    struct io_counters counters;

    io_doorbell_ring(harness->io);
    io_doorbell_ring(harness->io);
    PUMP_UNTIL(harness, harness->doorbells == 1);
    pump_idle(harness);
    assert_int_equal(harness->doorbells, 1);
    io_counters_read(harness->io, &counters);
    assert_int_equal(counters.doorbells_rung, 0);
}

struct ringer {
    struct io *io;
    _Atomic uint32_t posted;
    _Atomic uint32_t taken;
};

/* Posts one message after another, the next as soon as the owner has taken one, so that the ring
 * meets the owner on its way to sleep again and again. */
static void *ringer_main(void *argument) {
    struct ringer *ringer = argument;

    for (uint32_t i = 1; i <= RINGS; i++) {
        uint64_t spins = 0;

        atom_store_relaxed(&ringer->posted, i);
        io_doorbell_ring(ringer->io);
        while (atom_load_acquire(&ringer->taken) != i) {
            if (++spins % 256 == 0) {
                (void)sched_yield();
            }
            cpu_pause();
        }
    }
    return NULL;
}

static void no_ring_is_lost_on_the_way_to_sleep(void **state) {
    struct harness *harness = harness_of(state);
    struct ringer ringer = {.io = harness->io};
    struct io_counters counters;
    pthread_t thread;
    uint32_t taken = 0;

    assert_int_equal(pthread_create(&thread, NULL, ringer_main, &ringer), 0);
    while (taken < RINGS) {
        unsigned before = harness->doorbells;
        int64_t begin = pump_now();

        /* a lost ring would sleep here for ever: the ringer waits for us */
        (void)pump_once(harness, (int64_t)PUMP_SECONDS_MAX * 1000000000);
        assert_true(pump_now() - begin < (int64_t)PUMP_SECONDS_MAX * 1000000000);
        if (harness->doorbells > before) {
            taken = atom_load_relaxed(&ringer.posted);
            atom_store_release(&ringer.taken, taken);
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    io_counters_read(harness->io, &counters);
    assert_true(counters.doorbells_rung <= counters.sleeps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_connection_of_a_crowd_is_accepted),
        cmocka_unit_test(a_paused_listener_leaves_connections_in_the_queue),
        cmocka_unit_test(stopping_a_listener_right_away_closes_it),
        cmocka_unit_test(without_descriptors_accepting_pauses_and_can_go_on),
        cmocka_unit_test(a_crowd_is_served_and_closed),
        cmocka_unit_test(slots_are_used_again_without_mixing_lives),
        cmocka_unit_test(a_ring_before_the_turn_is_not_lost),
        cmocka_unit_test(no_ring_is_lost_on_the_way_to_sleep),
    };

    return harness_run("crowds", tests, sizeof(tests) / sizeof(tests[0]));
}
