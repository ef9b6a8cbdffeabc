/* larder: tests of backpressure, direct receives and scarce buffers, under every back end */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/io/echo.h"
#include "tests/unit/io/harness.h"

enum { MIB = 1024 * 1024, CROWD = 40, ECHOED_BYTES = 60000 };

static void peer_write(struct end *end, const void *bytes, size_t count) {
    assert_int_equal(send(end->other_fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

static void a_stop_is_answered_once_and_then_nothing_comes(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);

    io_recv_start(end->conn);
    peer_write(end, "one", 3);
    PUMP_UNTIL(harness, end->bytes_count == 3);
    io_recv_stop(end->conn);
    io_recv_stop(end->conn);
    PUMP_UNTIL(harness, end->stopped == 1);
    peer_write(end, "two", 3);
    pump_idle(harness);
    assert_int_equal(end->stopped, 1);
    assert_int_equal(end->bytes_count, 3);
    io_recv_start(end->conn);
    PUMP_UNTIL(harness, end->bytes_count == 6);
    end_free(harness, end);
}

static void a_stop_that_is_taken_back_is_not_answered(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);

    for (unsigned round = 0; round < 50; round++) {
        io_recv_start(end->conn);
        if (round % 2 == 0) {
            (void)pump_once(harness, 0);
        }
        io_recv_stop(end->conn);
        if (round % 3 == 0) {
            io_recv_start(end->conn);
            peer_write(end, "x", 1);
            PUMP_UNTIL(harness, end->bytes_count == round / 3 + 1);
            assert_int_equal(end->stopped, 0);
            io_recv_stop(end->conn);
        }
        PUMP_UNTIL(harness, end->stopped == 1);
        end->stopped = 0;
    }
    end_free(harness, end);
}

static void a_stop_after_the_end_is_answered(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);

    io_recv_start(end->conn);
    assert_int_equal(shutdown(end->other_fd, SHUT_WR), 0);
    PUMP_UNTIL(harness, end->ended == 1);
    io_recv_stop(end->conn);
    PUMP_UNTIL(harness, end->stopped == 1);
    assert_int_equal(end->ended, 1);
    end_free(harness, end);
}

static void stopping_and_starting_at_random_loses_nothing(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    size_t bytes = 8 * MIB;
    struct writer *writer = writer_start(end->other_fd, bytes);
    unsigned random = 12345;
    bool streaming = true;
    int64_t deadline = pump_now() + (int64_t)PUMP_SECONDS_MAX * 1000000000;

    io_recv_start(end->conn);
    while (end->bytes_count < bytes) {
        (void)pump_once(harness, streaming ? 100000000 : 0);
        random = random * 1103515245u + 12345u;
        if (streaming && random >> 28 < 8) {
            io_recv_stop(end->conn);
            streaming = false;
        } else if (!streaming && (end->stopped > 0 || random >> 28 < 4)) {
            end->stopped = 0;
            io_recv_start(end->conn);
            streaming = true;
        }
        assert_true(pump_now() < deadline);
    }
    writer_join(writer);
    pattern_check(end->bytes, end->bytes_count, 0);
    end_free(harness, end);
}

/* Takes the rest of a value in parts of at most a MiB, behind what the stream brought. */
static void receive_rest(struct harness *harness, struct end *end, uint8_t *into, size_t bytes) {
    size_t done = 0;

    while (done < bytes) {
        struct iovec parts[3];
        size_t left = bytes - done;
        unsigned count = 0;

        for (size_t at = done; count < 3 && left > 0; count++) {
            size_t part = left < 100000 ? left : 100000;

            parts[count] = (struct iovec){.iov_base = into + at, .iov_len = part};
            at += part;
            left -= part;
        }
        end->into = 0;
        io_recv_into(end->conn, parts, count);
        PUMP_UNTIL(harness, end->into == 1);
        assert_int_equal(end->into_error, 0);
        assert_true(end->into_length > 0 && end->into_length <= 300000);
        done += end->into_length;
    }
}

static void a_large_value_is_received_in_place_behind_the_stream(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    size_t bytes = 6 * MIB;
    size_t place_end = 5 * MIB;
    struct writer *writer = writer_start(end->other_fd, bytes);
    uint8_t *value = malloc(place_end);
    size_t from;

    assert_non_null(value);
    io_recv_start(end->conn);
    PUMP_UNTIL(harness, end->bytes_count > 100);
    io_recv_stop(end->conn);
    PUMP_UNTIL(harness, end->stopped == 1);
    from = end->bytes_count;
    assert_true(from < place_end);
    receive_rest(harness, end, value, place_end - from);
    pattern_check(value, place_end - from, from);

    /* and the stream after it */
    end->bytes_count = 0;
    io_recv_start(end->conn);
    PUMP_UNTIL(harness, end->bytes_count == bytes - place_end);
    pattern_check(end->bytes, end->bytes_count, place_end);
    writer_join(writer);
    free(value);
    end_free(harness, end);
}

static void a_direct_receive_tells_the_end_and_errors(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    struct linger reset = {.l_onoff = 1};
    uint8_t value[100];
    struct iovec part = {.iov_base = value, .iov_len = sizeof(value)};

    io_recv_into(end->conn, &part, 1);
    assert_int_equal(shutdown(end->other_fd, SHUT_WR), 0);
    PUMP_UNTIL(harness, end->into == 1);
    assert_int_equal(end->into_error, 0);
    assert_int_equal(end->into_length, 0);
    end_free(harness, end);

    end = end_open_tcp(harness);
    part = (struct iovec){.iov_base = value, .iov_len = sizeof(value)};
    io_recv_into(end->conn, &part, 1);
    pump_idle(harness);
    assert_int_equal(setsockopt(end->other_fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    (void)close(end->other_fd);
    end->other_fd = -1;
    PUMP_UNTIL(harness, end->into == 1);
    assert_int_equal(end->into_error, ECONNRESET);
    end_free(harness, end);
}

static void a_direct_receive_is_recalled(void **state) {
    struct harness *harness = harness_of(state);

    for (unsigned round = 0; round < 20; round++) {
        struct end *end = end_open(harness);
        uint8_t *value = malloc(1000);
        struct iovec part = {.iov_base = value, .iov_len = 1000};

        io_recv_into(end->conn, &part, 1);
        if (round % 2 == 0) {
            (void)pump_once(harness, 0);
        }
        io_recv_into_cancel(end->conn);
        PUMP_UNTIL(harness, end->into == 1);
        assert_int_equal(end->into_error, ECANCELED);
        assert_int_equal(end->into_length, 0);
        free(value);
        /* its bytes come to the stream, none is lost */
        peer_write(end, "after", 5);
        io_recv_start(end->conn);
        PUMP_UNTIL(harness, end->bytes_count == 5);
        end_free(harness, end);
    }
}

static void a_tiny_ring_of_buffers_runs_dry_and_goes_on(void **state) {
    struct harness *harness = harness_of(state);
    struct end *ends[CROWD];
    struct writer *writers[CROWD];
    struct io_counters counters;

    harness_restart(
        harness, (struct io_config){.buffer_bytes = 1024, .buffers_initial = 1, .buffers_max = 4});
    for (unsigned i = 0; i < CROWD; i++) {
        ends[i] = end_open(harness);
        io_recv_start(ends[i]->conn);
    }
    pump_idle(harness);
    for (unsigned i = 0; i < CROWD; i++) {
        writers[i] = writer_start(ends[i]->other_fd, 50000);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        PUMP_UNTIL(harness, ends[i]->bytes_count == 50000);
        writer_join(writers[i]);
        pattern_check(ends[i]->bytes, ends[i]->bytes_count, 0);
        assert_int_equal(ends[i]->ended, 0);
    }
    io_counters_read(harness->io, &counters);
    if ((io_features(harness->io) & IO_FEATURE_BUFFER_RING) != 0) {
        assert_true(counters.buffers_lacking > 0);
        assert_int_equal(counters.buffers, 4);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        end_free(harness, ends[i]);
    }
}

static void a_turn_returns_no_more_than_was_asked_for(void **state) {
    struct harness *harness = harness_of(state);
    struct end *ends[CROWD];
    unsigned received;

    harness->capacity = IO_EVENTS_MIN;
    for (unsigned i = 0; i < CROWD; i++) {
        ends[i] = end_open(harness);
        io_recv_start(ends[i]->conn);
        peer_write(ends[i], "abc", 3);
    }
    for (unsigned turns = 0; turns < 100; turns++) {
        (void)pump_once(harness, 0);
    }
    received = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        received += (unsigned)ends[i]->bytes_count;
        io_close(ends[i]->conn);
    }
    assert_int_equal(received, 3 * CROWD);
    for (unsigned turns = 0; turns < 100; turns++) {
        (void)pump_once(harness, 0);
    }
    assert_int_equal(io_conns_open(harness->io), 0);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(ends[i]->closed, 1);
        end_free(harness, ends[i]);
    }
}

static void one_busy_connection_does_not_starve_another(void **state) {
    struct harness *harness = harness_of(state);
    struct end *busy = end_open(harness);
    struct end *quiet = end_open(harness);
    struct writer *writer = writer_start(busy->other_fd, 8 * MIB);

    io_recv_start(busy->conn);
    PUMP_UNTIL(harness, busy->bytes_count > MIB);
    io_recv_start(quiet->conn);
    peer_write(quiet, "me too", 6);
    PUMP_UNTIL(harness, quiet->bytes_count == 6);
    PUMP_UNTIL(harness, busy->bytes_count == 8 * MIB);
    writer_join(writer);
    end_free(harness, busy);
    end_free(harness, quiet);
}

/* Streams that go through stops, direct receives, recalls and sends at once, on all connections. */
static void an_echo_gives_every_stream_back(void **state) {
    struct harness *harness = harness_of(state);
    struct writer *writers[CROWD];
    struct reader *readers[CROWD];
    int64_t deadline = pump_now() + (int64_t)PUMP_SECONDS_MAX * 1000000000;
    struct echo echo;
    int others[CROWD];

    harness_restart(harness, (struct io_config){.buffer_bytes = 2048, .send_bytes_max = 700});
    echo_init(&echo, harness->io, -1);
    for (unsigned i = 0; i < CROWD; i++) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        others[i] = fds[1];
        echo_adopt(&echo, fds[0]);
        readers[i] = reader_start(fds[1], ECHOED_BYTES);
        writers[i] = writer_start(fds[1], ECHOED_BYTES);
    }
    while (echo.conns_served < CROWD) {
        (void)echo_step(&echo, 10000000);
        for (unsigned i = 0; i < CROWD; i++) {
            if (others[i] >= 0 && reader_is_done(readers[i])) {
                assert_int_equal(shutdown(others[i], SHUT_WR), 0);
                writer_join(writers[i]);
                reader_join(readers[i]);
                (void)close(others[i]);
                others[i] = -1;
            }
        }
        assert_true(pump_now() < deadline);
    }
}

static void a_wait_ends_when_its_time_is_over(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);
    int64_t before = pump_now();
    int64_t now;

    io_recv_start(end->conn);
    while (pump_now() < before + 5000000) {
        (void)pump_once(harness, before + 5000000 - pump_now());
    }
    now = io_now_ns(harness->io);
    assert_true(now >= before + 5000000 && now <= pump_now());
    assert_int_equal(end->receives, 0);
    end_free(harness, end);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_is_answered_once_and_then_nothing_comes),
        cmocka_unit_test(a_stop_that_is_taken_back_is_not_answered),
        cmocka_unit_test(a_stop_after_the_end_is_answered),
        cmocka_unit_test(stopping_and_starting_at_random_loses_nothing),
        cmocka_unit_test(a_large_value_is_received_in_place_behind_the_stream),
        cmocka_unit_test(a_direct_receive_tells_the_end_and_errors),
        cmocka_unit_test(a_direct_receive_is_recalled),
        cmocka_unit_test(a_tiny_ring_of_buffers_runs_dry_and_goes_on),
        cmocka_unit_test(a_turn_returns_no_more_than_was_asked_for),
        cmocka_unit_test(one_busy_connection_does_not_starve_another),
        cmocka_unit_test(an_echo_gives_every_stream_back),
        cmocka_unit_test(a_wait_ends_when_its_time_is_over),
    };

    return harness_run("flow", tests, sizeof(tests) / sizeof(tests[0]));
}
