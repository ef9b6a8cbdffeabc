/* larder: tests of a connection's life, over both back ends */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/server/rig.h"

enum {
    VALUE_BYTES = 700 * 1000,
    IDLE_CLIENTS = 512,
    IDLE_BYTES_MAX = 1024,
    IDLE_TIMEOUT_S = 30,
    LOAN_S = 11,
    FLOOD_REQUESTS = 20000,
};

static enum io_backend backend_of(void **state) {
    return *(const enum io_backend *)*state;
}

static void fill(uint8_t *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i * 31 + i / 251);
    }
}

/* Stores a value of `bytes` under `key`. */
static void store_value(struct rig *rig, int fd, const char *key, size_t bytes) {
    char line[128];
    uint8_t *value = malloc(bytes + 2);
    assert_non_null(value);
    fill(value, bytes);
    memcpy(value + bytes, "\r\n", 2);
    snprintf(line, sizeof(line), "set %s 0 0 %zu\r\n", key, bytes);
    rig_send_text(rig, fd, line);
    rig_send(rig, fd, value, bytes + 2);
    rig_expect_text(rig, fd, "STORED\r\n");
    free(value);
}

/* Reads the answer to a get of it. */
static void receive_value(struct rig *rig, int fd, const char *key, size_t bytes) {
    char line[128];
    uint8_t *value = malloc(bytes);
    uint8_t *got = malloc(bytes);
    assert_non_null(value);
    assert_non_null(got);
    fill(value, bytes);
    snprintf(line, sizeof(line), "VALUE %s 0 %zu\r\n", key, bytes);
    rig_expect_text(rig, fd, line);
    rig_receive(rig, fd, got, bytes);
    assert_memory_equal(got, value, bytes);
    rig_expect_text(rig, fd, "\r\nEND\r\n");
    free(value);
    free(got);
}

static void a_request_is_answered(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    rig_send_text(&rig, fd, "set a 5 0 1\r\nx\r\nget a b\r\n");
    rig_expect_text(&rig, fd, "STORED\r\nVALUE a 5 1\r\nx\r\nEND\r\n");
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void connections_go_to_the_core_with_the_fewest(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 4, NULL);
    int fds[16];
    for (unsigned i = 0; i < 16; i++) {
        fds[i] = rig_connect(&rig);
    }
    for (unsigned i = 0; i < 16; i++) {
        rig_send_text(&rig, fds[i], "version\r\n");
        rig_expect_text(&rig, fds[i], "VERSION 1.6.45\r\n");
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(io_conns_open(rig.server.cores[i]->io), 4);
    }
    for (unsigned i = 0; i < 16; i++) {
        close(fds[i]);
    }
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void quit_ends_the_connection_behind_the_replies(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    rig_send_text(&rig, fd, "get a\r\nversion\r\nquit\r\nversion\r\n");
    rig_expect_text(&rig, fd, "END\r\nVERSION 1.6.45\r\n");
    rig_expect_end(&rig, fd);
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void a_client_that_has_ended_gets_what_it_asked_for(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    store_value(&rig, fd, "big", VALUE_BYTES);
    rig_send_text(&rig, fd, "get big\r\nget unfinished");
    shutdown(fd, SHUT_WR);
    receive_value(&rig, fd, "big", VALUE_BYTES);
    rig_expect_end(&rig, fd);
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void a_large_value_is_received_in_place(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    store_value(&rig, fd, "big", VALUE_BYTES);
    rig_send_text(&rig, fd, "get big\r\n");
    receive_value(&rig, fd, "big", VALUE_BYTES);
    assert_true(LARDER_TSAN ||
                atom_load_relaxed(&rig.server.cores[0]->counters.receives_direct) > 0);
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void a_client_that_leaves_inside_a_value_leaves_nothing(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    for (unsigned sent = 0; sent < 400000; sent += 37001) {
        int fd = rig_connect(&rig);
        uint8_t *value = calloc(1, sent + 1);
        rig_send_text(&rig, fd, "set big 0 0 700000\r\n");
        rig_send(&rig, fd, value, sent);
        rig_step(&rig);
        close(fd);
        rig_await_no_connections(&rig);
        free(value);
    }
    struct store_totals totals;
    store_totals(rig.server.store, &totals);
    assert_int_equal(totals.uncommitted_bytes, 0);
    rig_end(&rig);
}

static void a_client_that_does_not_read_costs_bounded_memory(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    const struct buffers *buffers = &rig.server.cores[0]->engine.buffers;
    store_value(&rig, fd, "k", 8000);
    unsigned sent = 0;
    for (unsigned i = 0; i < FLOOD_REQUESTS && sent < FLOOD_REQUESTS; i++) {
        static const char line[] = "get k\r\n";
        while (sent < FLOOD_REQUESTS && rig_write(fd, line, 7) == 7) {
            sent++;
        }
        rig_step(&rig);
    }
    assert_true(sent < FLOOD_REQUESTS);
    assert_true(atom_load_relaxed(&buffers->used_bytes) < 1024 * 1024);
    for (unsigned i = 0; i < sent; i++) {
        receive_value(&rig, fd, "k", 8000);
    }
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void a_close_awaits_the_send_in_flight(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    store_value(&rig, fd, "big", VALUE_BYTES);
    rig_send_text(&rig, fd, "get big\r\nget big\r\n");
    for (unsigned i = 0; i < 20; i++) {
        rig_step(&rig);
    }
    assert_int_equal(atom_load_relaxed(&rig.server.cores[0]->connections.sends), 1);
    close(fd);
    rig_await_no_connections(&rig);
    struct store_totals totals;
    store_totals(rig.server.store, &totals);
    assert_int_equal(totals.lent_bytes, 0);
    rig_end(&rig);
}

static void a_value_lent_for_too_long_is_recalled(void **state) {
    struct rig rig;
    struct store_totals totals;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fd = rig_connect(&rig);
    store_value(&rig, fd, "big", VALUE_BYTES);
    rig_send_text(&rig, fd, "get big\r\n");
    for (unsigned i = 0; i < 20; i++) {
        rig_step(&rig);
    }
    rig_advance(&rig, LOAN_S);
    for (unsigned i = 0; i < 20; i++) {
        rig_step(&rig);
    }
    store_totals(rig.server.store, &totals);
    assert_int_equal(totals.lent_bytes, 0);
    assert_int_equal(atom_load_relaxed(&rig.server.cores[0]->counters.sends_recalled), 1);
    receive_value(&rig, fd, "big", VALUE_BYTES);
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void tune_idle(struct settings *settings) {
    settings->idle_timeout_s = IDLE_TIMEOUT_S;
}

static void an_idle_connection_is_closed_one_inside_a_value_is_not(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, tune_idle);
    int idle = rig_connect(&rig);
    int busy = rig_connect(&rig);
    rig_send_text(&rig, busy, "set a 0 0 10\r\nabc");
    rig_step(&rig);
    rig_step(&rig);
    rig_advance(&rig, IDLE_TIMEOUT_S + 1);
    rig_expect_end(&rig, idle);
    rig_send_text(&rig, busy, "defghij\r\n");
    rig_expect_text(&rig, busy, "STORED\r\n");
    assert_int_equal(atom_load_relaxed(&rig.server.cores[0]->counters.connections_kicked), 1);
    close(idle);
    close(busy);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void an_idle_connection_costs_less_than_a_kibibyte(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int fds[IDLE_CLIENTS];
    /* what is kept for all of them stands before the count begins */
    int first = rig_connect(&rig);
    rig_send_text(&rig, first, "version\r\n");
    rig_expect_text(&rig, first, "VERSION 1.6.45\r\n");
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (unsigned i = 0; i < IDLE_CLIENTS; i++) {
        fds[i] = rig_connect(&rig);
        rig_send_text(&rig, fds[i], "set a 0 0 1\r\nx\r\nget a\r\n");
        rig_expect_text(&rig, fds[i], "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    size_t each = (after - before) / IDLE_CLIENTS;
    print_message("# %zu bytes an idle connection\n", each);
    assert_true(each < IDLE_BYTES_MAX);
    for (unsigned i = 0; i < IDLE_CLIENTS; i++) {
        close(fds[i]);
    }
    close(first);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

/* The other's request is in the same turn as the flood, or in the next. */
static void a_flooding_client_does_not_keep_others_waiting(void **state) {
    struct rig rig;
    char answer[32] = "";
    rig_start(&rig, backend_of(state), 1, NULL);
    int flood = rig_connect(&rig);
    int other = rig_connect(&rig);
    size_t bytes = 5 * (size_t)FLOOD_REQUESTS;
    char *text = malloc(bytes);
    assert_non_null(text);
    for (size_t i = 0; i < FLOOD_REQUESTS; i++) {
        memcpy(text + 5 * i, "nope\n", 5);
    }
    size_t sent = rig_write(flood, text, bytes);
    rig_write(other, "version\r\n", 9);
    for (unsigned i = 0; i < 4; i++) {
        rig_step(&rig);
    }
    assert_int_equal(recv(other, answer, sizeof(answer) - 1, 0), 16);
    assert_string_equal(answer, "VERSION 1.6.45\r\n");
    for (size_t i = 0; i < sent / 5; i++) {
        rig_expect_text(&rig, flood, "ERROR\r\n");
    }
    free(text);
    close(flood);
    close(other);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void tune_small_share(struct settings *settings) {
    settings->requests_per_turn_max = 1;
}

static void a_connection_yields_after_its_share(void **state) {
    struct rig rig;
    char text[5000];
    rig_start(&rig, backend_of(state), 1, tune_small_share);
    int fd = rig_connect(&rig);
    for (size_t i = 0; i < sizeof(text); i += 5) {
        memcpy(text + i, "nope\n", 5);
    }
    rig_send(&rig, fd, text, sizeof(text));
    for (size_t i = 0; i < sizeof(text) / 5; i++) {
        rig_expect_text(&rig, fd, "ERROR\r\n");
    }
    /* a thousand requests in shares of one, each used up */
    assert_int_equal(atom_load_relaxed(&rig.server.cores[0]->counters.yields), 1000);
    close(fd);
    rig_await_no_connections(&rig);
    rig_end(&rig);
}

static void a_stopping_server_lets_replies_leave(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 2, NULL);
    int idle = rig_connect(&rig);
    int busy = rig_connect(&rig);
    store_value(&rig, busy, "big", VALUE_BYTES);
    rig_send_text(&rig, busy, "get big\r\n");
    for (unsigned i = 0; i < 20; i++) {
        rig_step(&rig);
    }
    server_stop(&rig.server, SERVER_STOPS);
    rig_expect_end(&rig, idle);
    receive_value(&rig, busy, "big", VALUE_BYTES);
    rig_expect_end(&rig, busy);
    rig_await_no_connections(&rig);
    rig_step(&rig);
    assert_true(rig.server.cores[0]->finished);
    assert_true(rig.server.cores[1]->finished);
    close(idle);
    close(busy);
    rig_end(&rig);
}

static void a_core_that_is_stopped_at_once_gives_everything_back(void **state) {
    struct rig rig;
    rig_start(&rig, backend_of(state), 1, NULL);
    int reading = rig_connect(&rig);
    int writing = rig_connect(&rig);
    store_value(&rig, reading, "big", VALUE_BYTES);
    rig_send_text(&rig, reading, "get big\r\n");
    rig_send_text(&rig, writing, "set large 0 0 700000\r\nabc");
    for (unsigned i = 0; i < 20; i++) {
        rig_step(&rig);
    }
    rig_end(&rig);
    close(reading);
    close(writing);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_prestate(test, &epoll), cmocka_unit_test_prestate(test, &automatic)

int main(void) {
    static enum io_backend epoll = IO_BACKEND_EPOLL;
    static enum io_backend automatic = IO_BACKEND_AUTO;
    const struct CMUnitTest tests[] = {
        BOTH(a_request_is_answered),
        BOTH(connections_go_to_the_core_with_the_fewest),
        BOTH(quit_ends_the_connection_behind_the_replies),
        BOTH(a_client_that_has_ended_gets_what_it_asked_for),
        BOTH(a_large_value_is_received_in_place),
        BOTH(a_client_that_leaves_inside_a_value_leaves_nothing),
        BOTH(a_client_that_does_not_read_costs_bounded_memory),
        BOTH(a_close_awaits_the_send_in_flight),
        BOTH(a_value_lent_for_too_long_is_recalled),
        BOTH(an_idle_connection_is_closed_one_inside_a_value_is_not),
        BOTH(an_idle_connection_costs_less_than_a_kibibyte),
        BOTH(a_flooding_client_does_not_keep_others_waiting),
        BOTH(a_connection_yields_after_its_share),
        BOTH(a_stopping_server_lets_replies_leave),
        BOTH(a_core_that_is_stopped_at_once_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
