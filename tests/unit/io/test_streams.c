/* larder: tests of receiving, sending and closing, under every back end */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/io/harness.h"

enum { MIB = 1024 * 1024, PARTS = 200 };

static void peer_write(struct end *end, const void *bytes, size_t count) {
    assert_int_equal(send(end->other_fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

static void bytes_arrive_in_order(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    struct writer *writer = writer_start(end->other_fd, 3 * MIB);

    io_recv_start(end->conn);
    PUMP_UNTIL(harness, end->bytes_count == 3 * MIB);
    writer_join(writer);
    pattern_check(end->bytes, end->bytes_count, 0);
    assert_int_equal(end->ended, 0);
    end_free(harness, end);
}

static void bytes_that_came_before_the_start_arrive(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);

    peer_write(end, "abc", 3);
    pump_idle(harness);
    assert_int_equal(end->bytes_count, 0);
    io_recv_start(end->conn);
    PUMP_UNTIL(harness, end->bytes_count == 3);
    peer_write(end, "def", 3);
    PUMP_UNTIL(harness, end->bytes_count == 6);
    assert_memory_equal(end->bytes, "abcdef", 6);
    end_free(harness, end);
}

static void the_end_of_a_stream_comes_once_and_after_its_bytes(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);

    io_recv_start(end->conn);
    peer_write(end, "last", 4);
    assert_int_equal(shutdown(end->other_fd, SHUT_WR), 0);
    PUMP_UNTIL(harness, end->ended > 0);
    assert_int_equal(end->bytes_count, 4);
    assert_int_equal(end->end_error, 0);
    pump_idle(harness);
    assert_int_equal(end->ended, 1);
    end_free(harness, end);
}

static void a_reset_by_the_peer_is_an_error(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    struct linger reset = {.l_onoff = 1};

    io_recv_start(end->conn);
    peer_write(end, "half of a val", 13);
    PUMP_UNTIL(harness, end->bytes_count == 13);
    assert_int_equal(setsockopt(end->other_fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    (void)close(end->other_fd);
    end->other_fd = -1;
    PUMP_UNTIL(harness, end->ended > 0);
    assert_int_equal(end->end_error, ECONNRESET);
    end_free(harness, end);
}

static void sending_to_a_peer_that_is_gone_is_an_error(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);
    struct iovec part = {.iov_base = "reply", .iov_len = 5};

    (void)close(end->other_fd);
    end->other_fd = -1;
    io_send(end->conn, &part, 1);
    PUMP_UNTIL(harness, end->sent == 1);
    assert_int_equal(end->sent_error, EPIPE);
    assert_int_equal(end->sent_length, 0);
    end_free(harness, end);
}

/* Parts of 1 to PARTS bytes and then one long one. */
static void send_in_parts(struct harness *harness, struct end *end) {
    uint8_t *pattern = pattern_make(4 * MIB);
    struct iovec parts[PARTS + 1];
    struct reader *reader = reader_start(end->other_fd, 4 * MIB);
    size_t used = 0;

    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = (struct iovec){.iov_base = pattern + used, .iov_len = i + 1};
        used += i + 1;
    }
    parts[PARTS] = (struct iovec){.iov_base = pattern + used, .iov_len = 4 * MIB - used};
    io_send(end->conn, parts, PARTS + 1);
    PUMP_UNTIL(harness, end->sent == 1);
    assert_int_equal(end->sent_error, 0);
    assert_int_equal(end->sent_length, 4 * MIB);
    reader_join(reader);
    free(pattern);
}

static void a_long_send_of_many_parts_is_finished(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);

    send_in_parts(harness, end);
    end_free(harness, end);
}

static void short_sends_are_continued(void **state) {
    struct harness *harness = harness_of(state);
    struct io_counters counters;
    struct end *end;

    harness_restart(harness, (struct io_config){.send_bytes_max = 1500});
    end = end_open(harness);
    send_in_parts(harness, end);
    io_counters_read(harness->io, &counters);
    assert_true(counters.sends_short > 1000);
    end_free(harness, end);
}

/* Sends more than the socket holds to a peer that does not read. */
static void send_stuck(struct harness *harness, struct end *end, struct iovec *part) {
    io_send(end->conn, part, 1);
    pump_idle(harness);
    assert_int_equal(end->sent, 0);
}

static void a_stuck_send_is_recalled_and_says_how_far_it_came(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    size_t bytes = 16 * MIB;
    uint8_t *pattern = pattern_make(bytes);
    struct iovec part = {.iov_base = pattern, .iov_len = bytes};
    struct reader *reader;
    size_t first;

    send_stuck(harness, end, &part);
    io_send_cancel(end->conn);
    PUMP_UNTIL(harness, end->sent == 1);
    assert_int_equal(end->sent_error, ECANCELED);
    first = end->sent_length;
    assert_true(first > 0 && first < bytes);

    /* the stream goes on where it stopped */
    reader = reader_start(end->other_fd, bytes);
    part = (struct iovec){.iov_base = pattern + first, .iov_len = bytes - first};
    io_send(end->conn, &part, 1);
    PUMP_UNTIL(harness, end->sent == 2);
    assert_int_equal(end->sent_error, 0);
    reader_join(reader);
    free(pattern);
    end_free(harness, end);
}

static void recalling_a_send_that_is_done_changes_nothing(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);
    struct iovec part = {.iov_base = "done", .iov_len = 4};

    io_send_cancel(end->conn);
    io_send(end->conn, &part, 1);
    PUMP_UNTIL(harness, end->sent == 1);
    io_send_cancel(end->conn);
    pump_idle(harness);
    assert_int_equal(end->sent, 1);
    assert_int_equal(end->sent_error, 0);
    end_free(harness, end);
}

static void recalling_a_send_at_once_gives_one_answer(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open(harness);
    struct iovec part = {.iov_base = "none or all", .iov_len = 11};
    char got[16];

    io_send(end->conn, &part, 1);
    io_send_cancel(end->conn);
    PUMP_UNTIL(harness, end->sent == 1);
    if (end->sent_error == ECANCELED) {
        assert_int_equal(end->sent_length, 0);
        assert_int_equal(recv(end->other_fd, got, sizeof(got), MSG_DONTWAIT), -1);
    } else {
        assert_int_equal(recv(end->other_fd, got, sizeof(got), MSG_DONTWAIT), 11);
    }
    end_free(harness, end);
}

static void close_sends_the_end_with_a_receive_armed(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    struct timeval limit = {.tv_sec = PUMP_SECONDS_MAX};
    char byte;

    io_recv_start(end->conn);
    pump_idle(harness);
    io_close(end->conn);
    PUMP_UNTIL(harness, end->closed == 1);
    assert_int_equal(io_conns_open(harness->io), 0);
    assert_int_equal(setsockopt(end->other_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(recv(end->other_fd, &byte, 1, 0), 0);
    end_free(harness, end);
}

static void close_awaits_what_is_in_flight_and_frees_its_memory(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    size_t bytes = 16 * MIB;
    uint8_t *out = pattern_make(bytes);
    uint8_t *in = malloc(MIB);
    struct iovec out_part = {.iov_base = out, .iov_len = bytes};
    struct iovec in_part = {.iov_base = in, .iov_len = MIB};
    int fd = io_conn_fd(end->conn);

    send_stuck(harness, end, &out_part);
    io_recv_into(end->conn, &in_part, 1);
    pump_idle(harness);
    assert_int_equal(end->into, 0);
    io_close(end->conn);
    PUMP_UNTIL(harness, end->closed == 1);
    free(out);
    free(in);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    peer_write(end, "nobody hears", 12); /* arrives at nothing */
    pump_idle(harness);
    assert_int_equal(end->sent + end->into + end->ended, 0);
    end_free(harness, end);
}

static void close_right_after_asking_is_answered_by_closed_alone(void **state) {
    struct harness *harness = harness_of(state);

    for (unsigned round = 0; round < 300; round++) {
        struct end *end = end_open(harness);
        char *reply = strdup("reply");
        struct iovec part = {.iov_base = reply, .iov_len = 5};
        unsigned before;

        io_recv_start(end->conn);
        if (round % 3 == 1) {
            peer_write(end, "x", 1);
            (void)pump_once(harness, 0);
        }
        io_send(end->conn, &part, 1);
        if (round % 3 == 2) {
            io_recv_stop(end->conn);
        }
        before = end->receives;
        io_close(end->conn);
        PUMP_UNTIL(harness, end->closed == 1);
        assert_int_equal(end->sent + end->stopped + end->ended, 0);
        assert_int_equal(end->receives, before);
        free(reply);
        end_free(harness, end);
    }
    assert_int_equal(io_conns_open(harness->io), 0);
}

static void a_send_that_is_done_before_close_reaches_the_peer(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    struct iovec part = {.iov_base = "bye", .iov_len = 3};
    char got[8];

    io_recv_start(end->conn);
    io_send(end->conn, &part, 1);
    PUMP_UNTIL(harness, end->sent == 1);
    io_close(end->conn);
    PUMP_UNTIL(harness, end->closed == 1);
    assert_int_equal(recv(end->other_fd, got, sizeof(got), MSG_WAITALL), 3);
    assert_memory_equal(got, "bye", 3);
    end_free(harness, end);
}

static void more_connections_than_allowed_are_refused(void **state) {
    struct harness *harness = harness_of(state);
    struct io_conn *conn;
    struct end *end;
    int fds[2];

    harness_restart(harness, (struct io_config){.conns_max = 1});
    end = end_open(harness);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(io_conn_open(harness->io, fds[0], NULL, &conn), EMFILE);
    assert_null(conn);
    end_free(harness, end);
    end = end_open_fds(harness, fds[0], fds[1]);
    end_free(harness, end);
}

static void destroying_closes_what_is_open(void **state) {
    struct harness *harness = harness_of(state);
    struct end *end = end_open_tcp(harness);
    size_t bytes = 16 * MIB;
    uint8_t *out = pattern_make(bytes);
    struct iovec part = {.iov_base = out, .iov_len = bytes};
    int fd = io_conn_fd(end->conn);

    io_recv_start(end->conn);
    send_stuck(harness, end, &part);
    io_destroy(harness->io);
    harness->io = NULL;
    free(out);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    end->closed = 1;
    end_free(harness, end);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order),
        cmocka_unit_test(bytes_that_came_before_the_start_arrive),
        cmocka_unit_test(the_end_of_a_stream_comes_once_and_after_its_bytes),
        cmocka_unit_test(a_reset_by_the_peer_is_an_error),
        cmocka_unit_test(sending_to_a_peer_that_is_gone_is_an_error),
        cmocka_unit_test(a_long_send_of_many_parts_is_finished),
        cmocka_unit_test(short_sends_are_continued),
        cmocka_unit_test(a_stuck_send_is_recalled_and_says_how_far_it_came),
        cmocka_unit_test(recalling_a_send_that_is_done_changes_nothing),
        cmocka_unit_test(recalling_a_send_at_once_gives_one_answer),
        cmocka_unit_test(close_sends_the_end_with_a_receive_armed),
        cmocka_unit_test(close_awaits_what_is_in_flight_and_frees_its_memory),
        cmocka_unit_test(close_right_after_asking_is_answered_by_closed_alone),
        cmocka_unit_test(a_send_that_is_done_before_close_reaches_the_peer),
        cmocka_unit_test(more_connections_than_allowed_are_refused),
        cmocka_unit_test(destroying_closes_what_is_open),
    };

    return harness_run("streams", tests, sizeof(tests) / sizeof(tests[0]));
}
