/* larder: tests of sessions, their output bounds and their memory, over a dictionary */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/engine/fake_store.h"
#include "tests/unit/engine/wire.h"

enum { REPLY_BYTES_MAX = 20000 };

static int open_wire(void **state) {
    struct wire *wire = calloc(1, sizeof *wire);
    struct wire_options options = {.reply_bytes_max = REPLY_BYTES_MAX};

    *state = wire;
    return wire && wire_open(wire, &options) ? 0 : -1;
}

static uint64_t memory_in_use(const struct wire *wire) {
    const struct buffers *buffers = &wire->core->buffers;

    return atom_load_relaxed(&buffers->used_bytes) - atom_load_relaxed(&buffers->free_bytes);
}

static int close_wire(void **state) {
    struct wire *wire = *state;

    for (unsigned i = 0; i < WIRE_CONNS_MAX; i++) {
        wire_hangup(wire, i);
    }
    assert_int_equal(memory_in_use(wire), 0);
    assert_int_equal(fake_store_lends(wire->store), 0);
    assert_int_equal(fake_store_uploads(wire->store), 0);
    wire_close(wire);
    free(wire);
    return 0;
}

static void send_text(struct wire *wire, unsigned index, const char *text) {
    wire_send(wire, index, text, strlen(text));
}

static void expect_text(struct wire *wire, unsigned index, const char *text) {
    struct wire_conn *conn = &wire->conns[index];

    if (conn->output_bytes != strlen(text) ||
        memcmp(conn->output, text, conn->output_bytes) != 0) {
        print_error("got \"%.*s\", wanted \"%s\"\n", (int)conn->output_bytes,
                    conn->output ? (const char *)conn->output : "", text);
        fail();
    }
    wire_take(conn, conn->output_bytes);
}

/* Stores `bytes` bytes of a pattern under `key`. */
static void store_pattern(struct wire *wire, const char *key, size_t bytes) {
    char *text = malloc(bytes + 64);

    assert_non_null(text);
    int head = sprintf(text, "set %s 0 0 %zu\r\n", key, bytes);

    for (size_t i = 0; i < bytes; i++) {
        text[(size_t)head + i] = (char)('a' + i % 23);
    }
    memcpy(text + head + bytes, "\r\n", 2);
    wire_send(wire, 15, text, (size_t)head + bytes + 2);
    expect_text(wire, 15, "STORED\r\n");
    free(text);
}

/* Takes one VALUE of the pattern off the output. */
static void expect_pattern(struct wire *wire, unsigned index, const char *key, size_t bytes) {
    struct wire_conn *conn = &wire->conns[index];
    char head[64];
    size_t len = (size_t)sprintf(head, "VALUE %s 0 %zu\r\n", key, bytes);

    assert_true(conn->output_bytes >= len + bytes + 2);
    assert_memory_equal(conn->output, head, len);
    for (size_t i = 0; i < bytes; i++) {
        if (conn->output[len + i] != 'a' + i % 23) {
            fail_msg("byte %zu of %s differs", i, key);
        }
    }
    assert_memory_equal(conn->output + len + bytes, "\r\n", 2);
    wire_take(conn, len + bytes + 2);
}

static char *repeat_text(const char *text, size_t times) {
    size_t bytes = strlen(text);
    char *all = malloc(bytes * times + 1);

    assert_non_null(all);
    for (size_t i = 0; i < times; i++) {
        memcpy(all + i * bytes, text, bytes);
    }
    all[bytes * times] = '\0';
    return all;
}

/* -- input ------------------------------------------------------------------------------------- */

static void sessions_of_one_turn_share_a_window(void **state) {
    struct wire *wire = *state;
    uint8_t first[] = "set a 0 0 1\r\nx\r\nget b\r\n";
    uint8_t second[] = "set b 0 0 1\r\ny\r\nget a\r\n";

    wire_turn_begin(wire);
    wire_feed(wire, 0, first, sizeof first - 1);
    wire_feed(wire, 1, second, sizeof second - 1);
    assert_int_equal(wire->core->pending, 4);
    wire_turn_end(wire);
    expect_text(wire, 0, "STORED\r\nEND\r\n");
    expect_text(wire, 1, "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    assert_int_equal(atom_load_relaxed(&wire->core->counters.windows), 1);
}

static void a_second_portion_in_one_turn_follows_the_first(void **state) {
    struct wire *wire = *state;
    uint8_t first[] = "set a 0 0 3\r\nx";
    uint8_t second[] = "yz\r\nget a\r\nversi";
    uint8_t third[] = "on\r\n";

    wire_turn_begin(wire);
    wire_feed(wire, 0, first, sizeof first - 1);
    wire_feed(wire, 0, second, sizeof second - 1);
    wire_feed(wire, 0, third, sizeof third - 1);
    wire_turn_end(wire);
    expect_text(wire, 0, "STORED\r\nVALUE a 0 3\r\nxyz\r\nEND\r\nVERSION 1.6.45\r\n");
}

static void an_idle_session_holds_no_memory(void **state) {
    struct wire *wire = *state;

    send_text(wire, 0, "set a 0 0 1\r\nx\r\nget a a a\r\n");
    assert_int_equal(memory_in_use(wire), 0);
    assert_true(session_is_idle(&wire->conns[0].session));
    assert_true(sizeof(struct session) < 400);
    send_text(wire, 0, "get");
    assert_false(session_is_idle(&wire->conns[0].session));
    assert_int_equal(memory_in_use(wire), BUFFERS_SMALL_BYTES);
    send_text(wire, 0, " a\r\n");
    assert_int_equal(memory_in_use(wire), 0);
}

static void a_long_line_of_keys_does_not_hold_the_core(void **state) {
    struct wire *wire = *state;
    char *keys = repeat_text(" k", 3 * ENGINE_TURN_REQUESTS_MAX);
    char *line = malloc(strlen(keys) + 16);

    assert_non_null(line);
    int bytes = sprintf(line, "get%s\r\n", keys);

    wire_turn_begin(wire);
    wire_feed(wire, 0, (uint8_t *)line, (size_t)bytes);
    engine_flush(wire->core);
    assert_int_equal(atom_load_relaxed(&wire->core->counters.requests), ENGINE_TURN_REQUESTS_MAX);
    assert_int_equal(wire->conns[0].session.reply.unsent_bytes, 0);
    memset(line, 0xdb, (size_t)bytes);
    wire_turn_end(wire);
    expect_text(wire, 0, "END\r\n");
    assert_int_equal(atom_load_relaxed(&wire->core->counters.cmd_get),
                     3 * ENGINE_TURN_REQUESTS_MAX);
    free(line);
    free(keys);
}

static void end_of_input_lets_the_replies_out_first(void **state) {
    struct wire *wire = *state;
    char *gets = repeat_text("get big\r\n", 50);

    store_pattern(wire, "big", 10000);
    wire_conn(wire, 0)->held = true;
    wire_send(wire, 0, gets, strlen(gets));
    wire_end_input(wire, 0);
    assert_false(wire->conns[0].closed);
    wire_release(wire, 0);
    assert_true(wire->conns[0].closed);
    for (unsigned i = 0; i < 50; i++) {
        expect_pattern(wire, 0, "big", 10000);
        wire_take(&wire->conns[0], strlen("END\r\n"));
    }
    assert_int_equal(wire->conns[0].output_bytes, 0);
    free(gets);
}

/* -- output at its bound ----------------------------------------------------------------------- */

static void a_client_that_does_not_read_stops_its_own_pipeline(void **state) {
    struct wire *wire = *state;
    struct wire_conn *conn = wire_conn(wire, 0);
    char *gets = repeat_text("get v\r\nincr n 1\r\n", 500);

    store_pattern(wire, "v", 1000);
    send_text(wire, 15, "set n 0 0 1\r\n0\r\n");
    expect_text(wire, 15, "STORED\r\n");
    conn->held = true;
    wire_send(wire, 0, gets, strlen(gets));
    assert_true(conn->paused);
    assert_true(conn->session.reply.unsent_bytes < REPLY_BYTES_MAX + 2000);
    wire_release(wire, 0);
    assert_false(conn->paused);
    for (unsigned i = 1; i <= 500; i++) {
        char number[32];
        size_t bytes = (size_t)sprintf(number, "END\r\n%u\r\n", i);

        expect_pattern(wire, 0, "v", 1000);
        assert_memory_equal(conn->output, number, bytes);
        wire_take(conn, bytes);
    }
    assert_int_equal(conn->output_bytes, 0);
    free(gets);
}

static void a_multi_get_stops_between_keys(void **state) {
    struct wire *wire = *state;
    struct wire_conn *conn = wire_conn(wire, 0);
    char *keys = repeat_text(" v", 300);
    char line[1000];
    int bytes = sprintf(line, "gets%s\r\nversion\r\n", keys);

    store_pattern(wire, "v", 1000);
    for (size_t cut = 1; cut < (size_t)bytes; cut += 7) {
        conn->held = true;
        wire_send(wire, 0, line, cut);
        wire_send(wire, 0, line + cut, (size_t)bytes - cut);
        assert_true(conn->session.reply.unsent_bytes < REPLY_BYTES_MAX + 2000);
        wire_release(wire, 0);
        size_t version = strlen("END\r\nVERSION 1.6.45\r\n");

        assert_int_equal(conn->output_bytes,
                         300 * (strlen("VALUE v 0 1000 1\r\n") + 1002) + version);
        assert_memory_equal(conn->output + conn->output_bytes - version,
                            "END\r\nVERSION 1.6.45\r\n", version);
        wire_take(conn, conn->output_bytes);
    }
    free(keys);
}

static void a_large_set_waits_behind_full_output(void **state) {
    struct wire *wire = *state;
    struct wire_conn *conn = wire_conn(wire, 0);
    char *gets = repeat_text("get v\r\n", 40);
    char *value = repeat_text("z", 50000);
    char *all = malloc(strlen(gets) + 50100);

    assert_non_null(all);
    store_pattern(wire, "v", 1000);
    int bytes = sprintf(all, "%sset v 0 0 50000\r\n%s\r\nget v\r\n", gets, value);

    conn->held = true;
    for (int at = 0; at < bytes; at += 3000) {
        wire_send(wire, 0, all + at, (size_t)(bytes - at < 3000 ? bytes - at : 3000));
    }
    assert_int_equal(fake_store_uploads(wire->store), 0);
    wire_release(wire, 0);
    for (unsigned i = 0; i < 40; i++) {
        expect_pattern(wire, 0, "v", 1000);
        wire_take(conn, 5);
    }
    assert_memory_equal(conn->output, "STORED\r\nVALUE v 0 50000\r\nzzz", 28);
    wire_take(conn, conn->output_bytes);
    free(all);
    free(value);
    free(gets);
}

static void short_sends_change_nothing(void **state) {
    struct wire *wire = *state;
    struct wire_conn *conn = wire_conn(wire, 0);

    store_pattern(wire, "small", 100);
    store_pattern(wire, "large", 40000);
    for (size_t bytes = 1; bytes < 3000; bytes = bytes * 3 + 1) {
        conn->send_bytes_max = bytes;
        send_text(wire, 0, "get small large small large nothing\r\nversion\r\n");
        expect_pattern(wire, 0, "small", 100);
        expect_pattern(wire, 0, "large", 40000);
        expect_pattern(wire, 0, "small", 100);
        expect_pattern(wire, 0, "large", 40000);
        expect_text(wire, 0, "END\r\nVERSION 1.6.45\r\n");
        assert_int_equal(fake_store_lends(wire->store), 0);
    }
}

/* -- lent values ------------------------------------------------------------------------------- */

static void a_lent_value_keeps_its_bytes(void **state) {
    struct wire *wire = *state;
    struct wire_conn *conn = wire_conn(wire, 0);

    store_pattern(wire, "large", 60000);
    conn->held = true;
    send_text(wire, 0, "get large\r\n");
    assert_int_equal(fake_store_lends(wire->store), 1);
    send_text(wire, 15, "set large 0 0 1\r\nx\r\ndelete large\r\n");
    expect_text(wire, 15, "STORED\r\nDELETED\r\n");
    wire_release(wire, 0);
    expect_pattern(wire, 0, "large", 60000);
    expect_text(wire, 0, "END\r\n");
    assert_int_equal(fake_store_lends(wire->store), 0);
}

static void a_hangup_returns_what_was_lent(void **state) {
    struct wire *wire = *state;

    store_pattern(wire, "large", 60000);
    wire_conn(wire, 0)->held = true;
    send_text(wire, 0, "get large large\r\n");
    assert_true(fake_store_lends(wire->store) > 0);
    wire_hangup(wire, 0);
    assert_int_equal(fake_store_lends(wire->store), 0);
}

static void a_recalled_loan_is_copied(void **state) {
    struct wire *wire = *state;
    struct wire_conn *conn = wire_conn(wire, 0);

    store_pattern(wire, "large", 60000);
    conn->send_bytes_max = 1000;
    conn->held = true;
    send_text(wire, 0, "get large\r\n");
    wire_turn_begin(wire);
    session_touch(&conn->session);
    assert_true(reply_recall(&conn->session.reply, wire->store, wire->store_core, wire->now));
    assert_int_equal(fake_store_lends(wire->store), 1);
    assert_true(reply_recall(&conn->session.reply, wire->store, wire->store_core, wire->now + 1));
    assert_int_equal(fake_store_lends(wire->store), 0);
    wire_turn_end(wire);
    wire_release(wire, 0);
    expect_pattern(wire, 0, "large", 60000);
    expect_text(wire, 0, "END\r\n");
}

static void an_item_that_changes_while_it_is_read_is_read_again(void **state) {
    struct wire *wire = *state;

    store_pattern(wire, "a", 300);
    store_pattern(wire, "b", 15000);
    store_pattern(wire, "c", 30000);
    fake_store_retries(wire->store, 3);
    send_text(wire, 0, "get a b c a\r\n");
    expect_pattern(wire, 0, "a", 300);
    expect_pattern(wire, 0, "b", 15000);
    expect_pattern(wire, 0, "c", 30000);
    expect_pattern(wire, 0, "a", 300);
    expect_text(wire, 0, "END\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, open_wire, close_wire)
        SESSION_TEST(sessions_of_one_turn_share_a_window),
        SESSION_TEST(a_second_portion_in_one_turn_follows_the_first),
        SESSION_TEST(an_idle_session_holds_no_memory),
        SESSION_TEST(a_long_line_of_keys_does_not_hold_the_core),
        SESSION_TEST(end_of_input_lets_the_replies_out_first),
        SESSION_TEST(a_client_that_does_not_read_stops_its_own_pipeline),
        SESSION_TEST(a_multi_get_stops_between_keys),
        SESSION_TEST(a_large_set_waits_behind_full_output),
        SESSION_TEST(short_sends_change_nothing),
        SESSION_TEST(a_lent_value_keeps_its_bytes),
        SESSION_TEST(a_hangup_returns_what_was_lent),
        SESSION_TEST(a_recalled_loan_is_copied),
        SESSION_TEST(an_item_that_changes_while_it_is_read_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
