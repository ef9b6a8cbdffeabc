/* larder: tests of logging in: users, the locked ASCII language, and what it keeps out */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/engine/auth.h"
#include "tests/unit/engine/fake_store.h"
#include "tests/unit/engine/wire.h"

struct world {
    struct auth auth;
    struct wire wire;
};

static enum auth_read read_users(struct auth *auth, const char *text) {
    return auth_read_users(auth, span_from_text(text));
}

static bool check(struct auth *auth, const char *user, const char *password) {
    return auth_check(auth, span_from_text(user), span_from_text(password));
}

static int open_world(void **state) {
    struct world *world = calloc(1, sizeof *world);

    *state = world;
    struct wire_options options = {.words = NULL};

    if (!world || !wire_open(&world->wire, &options)) {
        return -1;
    }
    auth_init(&world->auth, AUTH_ASCII);
    world->wire.config.protocol = PARSER_ASCII_ONLY;
    world->wire.config.auth = &world->auth;
    return read_users(&world->auth, "foo:bar\nsneaky:pass:with spaces\n") == AUTH_READ_GOOD ? 0
                                                                                            : -1;
}

static int close_world(void **state) {
    struct world *world = *state;

    wire_close(&world->wire);
    auth_fini(&world->auth);
    free(world);
    return 0;
}

static void hear(struct world *world, unsigned index, const char *text) {
    struct wire_conn *conn = wire_conn(&world->wire, index);

    if (conn->output_bytes != strlen(text) ||
        (conn->output_bytes > 0 && memcmp(conn->output, text, conn->output_bytes) != 0)) {
        print_error("got \"%.*s\", wanted \"%s\"\n", (int)conn->output_bytes,
                    conn->output ? (const char *)conn->output : "", text);
        fail();
    }
    wire_take(conn, conn->output_bytes);
}

static void say(struct world *world, unsigned index, const char *text) {
    (void)wire_conn(&world->wire, index);
    wire_send(&world->wire, index, text, strlen(text));
}

static uint64_t counted(_Atomic uint64_t *counter) {
    return atom_load_relaxed(counter);
}

/* -- users ------------------------------------------------------------------------------------- */

static void names_and_passwords_are_compared_whole(void **state) {
    struct auth auth;

    (void)state;
    auth_init(&auth, AUTH_ASCII);
    assert_false(check(&auth, "", ""));
    assert_int_equal(read_users(&auth, "foo:bar\r\nempty:\n:nameless\nlast:a b:c"), AUTH_READ_GOOD);
    assert_true(check(&auth, "foo", "bar"));
    assert_true(check(&auth, "empty", ""));
    assert_true(check(&auth, "", "nameless"));
    assert_true(check(&auth, "last", "a b:c"));
    assert_false(check(&auth, "foo", "ba"));
    assert_false(check(&auth, "foo", "barr"));
    assert_false(check(&auth, "fo", "bar"));
    assert_false(check(&auth, "foo", "c"));
    assert_false(check(&auth, "", ""));
    assert_false(auth_check(&auth, span_of("foo\0", 4), span_from_text("bar")));
    assert_false(auth_check(&auth, span_from_text("foo"), span_of("bar\0", 4)));
    auth_fini(&auth);
}

static void an_endless_password_is_just_wrong(void **state) {
    struct auth auth;
    static uint8_t text[AUTH_FIELD_BYTES * 8];

    (void)state;
    auth_init(&auth, AUTH_ASCII);
    memset(text, 'x', sizeof text);
    memcpy(text, "u:", 2);
    assert_int_equal(auth_read_users(&auth, span_of(text, AUTH_LINE_BYTES_MAX)), AUTH_READ_GOOD);
    assert_true(auth_check(&auth, span_from_text("u"), span_of(text + 2, AUTH_LINE_BYTES_MAX - 2)));
    for (size_t bytes = AUTH_LINE_BYTES_MAX - 1; bytes < sizeof text - 2; bytes++) {
        assert_false(auth_check(&auth, span_from_text("u"), span_of(text + 2, bytes)));
        assert_false(auth_check(&auth, span_of(text + 2, bytes), span_from_text("x")));
    }
    auth_fini(&auth);
}

static void a_bad_file_keeps_the_users_before(void **state) {
    static const char *const bad[] = {"nocolon\n", "a:b\n\nc:d\n", "\n", "a:b\nc"};
    char line[AUTH_LINE_BYTES_MAX + 2];
    struct auth auth;

    (void)state;
    auth_init(&auth, AUTH_ASCII);
    assert_int_equal(read_users(&auth, "foo:bar\n"), AUTH_READ_GOOD);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_users(&auth, bad[i]), AUTH_READ_MALFORMED);
        assert_true(check(&auth, "foo", "bar"));
    }
    memset(line, 'x', sizeof line);
    line[1] = ':';
    assert_int_equal(auth_read_users(&auth, span_of(line, AUTH_LINE_BYTES_MAX + 1)),
                     AUTH_READ_MALFORMED);
    assert_true(check(&auth, "foo", "bar"));
    assert_int_equal(read_users(&auth, "new:one\n"), AUTH_READ_GOOD);
    assert_false(check(&auth, "foo", "bar"));
    assert_true(check(&auth, "new", "one"));
    assert_int_equal(read_users(&auth, ""), AUTH_READ_GOOD);
    assert_false(check(&auth, "new", "one"));
    auth_fini(&auth);
}

static void the_first_eight_users_count(void **state) {
    struct auth auth;

    (void)state;
    auth_init(&auth, AUTH_ASCII);
    assert_int_equal(read_users(&auth, "a:1\nb:2\nc:3\nd:4\ne:5\nf:6\ng:7\nh:8\n"),
                     AUTH_READ_GOOD);
    assert_true(check(&auth, "h", "8"));
    assert_int_equal(read_users(&auth, "a:1\nb:2\nc:3\nd:4\ne:5\nf:6\ng:7\nh:8\ni:9\n"),
                     AUTH_READ_CUT);
    assert_true(check(&auth, "h", "8"));
    assert_false(check(&auth, "i", "9"));
    auth_fini(&auth);
}

static void passwords_of_a_sasl_file_end_at_a_colon(void **state) {
    struct auth auth;

    (void)state;
    auth_init(&auth, AUTH_SASL);
    assert_int_equal(read_users(&auth, "foo:bar:comment\nu:p\n"), AUTH_READ_GOOD);
    assert_true(check(&auth, "foo", "bar"));
    assert_false(check(&auth, "foo", "bar:comment"));
    assert_true(check(&auth, "u", "p"));
    auth_fini(&auth);
}

/* -- sessions ---------------------------------------------------------------------------------- */

#define LOCKED "CLIENT_ERROR unauthenticated\r\n"
#define WRONG "CLIENT_ERROR authentication failure\r\n"
#define LOGIN "set x 0 0 7\r\nfoo bar\r\n"

static void nothing_is_executed_before_the_login(void **state) {
    struct world *world = *state;

    say(world, 0, "version\r\nquit12\r\nflush_all\r\nget a b c d\r\nset a 0 0 x\r\n");
    hear(world, 0, LOCKED LOCKED LOCKED LOCKED LOCKED);
    say(world, 0, "set a 0 0 1\r\nx\r\n");
    hear(world, 0, "CLIENT_ERROR bad authentication token format\r\n");
    say(world, 0, "settle a 0 0 7\r\n");
    hear(world, 0, LOCKED);
    say(world, 0, LOGIN "get a\r\n");
    hear(world, 0, "STORED\r\nEND\r\n");
    assert_int_equal(counted(&world->wire.core->counters.cmd_flush), 0);
    assert_int_equal(counted(&world->wire.core->counters.cmd_set), 0);
}

static void a_login_is_tried_until_it_is_right(void **state) {
    struct world *world = *state;

    say(world, 0, "set x 0 0 7\r\nfoo baz\r\n");
    hear(world, 0, WRONG);
    say(world, 0, "set x 0 0 7 noreply\r\nfoo baz\r\n");
    hear(world, 0, WRONG);
    say(world, 0, "set x y z 23\r\nsneaky pass:with spaces\r\n");
    hear(world, 0, "STORED\r\n");
    say(world, 0, "set k 0 0 1\r\n1\r\nget k\r\nset x 0 0 7\r\nfoo baz\r\n");
    hear(world, 0, "STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\nSTORED\r\n");
    assert_int_equal(counted(&world->wire.core->counters.auth_cmds), 3);
    assert_int_equal(counted(&world->wire.core->counters.auth_errors), 2);
}

static void the_token_has_its_rules(void **state) {
    struct world *world = *state;

    say(world, 0, "set x 0 0 7\r\nfoobar1\r\n");
    hear(world, 0, "CLIENT_ERROR bad authentication token format\r\n");
    say(world, 0, "set x 0 0 0\r\n\r\n");
    hear(world, 0, "CLIENT_ERROR bad authentication token format\r\n");
    say(world, 0, "set x 0 0 7\r\nfoo bar12");
    hear(world, 0, "CLIENT_ERROR bad command line termination\r\n");
    say(world, 0, "set x 0 0 16385\r\n");
    hear(world, 0, "CLIENT_ERROR auth token too long\r\n");
    say(world, 0, "set x 0 0 99999999999999999999\r\n");
    hear(world, 0, LOCKED);
    say(world, 0, "set x 0 0 -1\r\n");
    hear(world, 0, LOCKED);
    assert_int_equal(counted(&world->wire.core->counters.auth_cmds), 0);
    say(world, 0, LOGIN);
    hear(world, 0, "STORED\r\n");
}

static void a_token_of_the_greatest_length_is_checked(void **state) {
    struct world *world = *state;
    static char text[LOGIN_TOKEN_BYTES_MAX + 64];
    int head = sprintf(text, "set x 0 0 %d\r\nu ", (int)LOGIN_TOKEN_BYTES_MAX);

    memset(text + head, 'p', LOGIN_TOKEN_BYTES_MAX - 2);
    strcpy(text + head + LOGIN_TOKEN_BYTES_MAX - 2, "\r\n");
    say(world, 0, text);
    hear(world, 0, WRONG);
    say(world, 0, LOGIN);
    hear(world, 0, "STORED\r\n");
}

static void what_is_no_login_is_hung_up_on(void **state) {
    struct world *world = *state;
    static char line[LOGIN_LINE_BYTES_MAX + 2];

    say(world, 0, "quit\r\n");
    assert_true(wire_conn(&world->wire, 0)->closed);
    say(world, 1, "\r\n");
    assert_false(wire_conn(&world->wire, 1)->closed);
    say(world, 1, "\n");
    assert_true(wire_conn(&world->wire, 1)->closed);
    memset(line, 'a', LOGIN_LINE_BYTES_MAX);
    say(world, 2, line);
    assert_false(wire_conn(&world->wire, 2)->closed);
    say(world, 2, "a");
    assert_true(wire_conn(&world->wire, 2)->closed);
    say(world, 3, "\x80\x0b\n\n\n\n\n\n\n");
    hear(world, 3, "");
    assert_true(wire_conn(&world->wire, 3)->closed);
}

static void a_login_may_come_in_any_pieces(void **state) {
    struct world *world = *state;
    static const char text[] = "get a\r\nset x 0 0 7\r\nfoo bax\r\n" LOGIN
                               "set k 0 0 2\r\nvv\r\nget k\r\n";
    static const char answer[] =
        LOCKED WRONG "STORED\r\nSTORED\r\nVALUE k 0 2\r\nvv\r\nEND\r\n";

    for (size_t cut = 0; cut < sizeof text; cut++) {
        (void)wire_conn(&world->wire, 0);
        wire_send(&world->wire, 0, text, cut);
        say(world, 0, text + cut);
        hear(world, 0, answer);
        wire_hangup(&world->wire, 0);
    }
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        (void)wire_conn(&world->wire, 0);
        wire_send(&world->wire, 0, text + i, 1);
    }
    hear(world, 0, answer);
}

static void a_client_that_reads_nothing_cannot_fill_memory(void **state) {
    struct world *world = *state;
    struct wire_conn *conn = wire_conn(&world->wire, 0);
    static char lines[64 * 1024];

    for (size_t i = 0; i < sizeof lines; i++) {
        lines[i] = i % 8 == 7 ? '\n' : 'a';
    }
    conn->held = true;
    for (unsigned i = 0; i < 64 && !conn->paused; i++) {
        wire_send(&world->wire, 0, lines, sizeof lines);
    }
    assert_true(conn->paused);
    assert_true(conn->session.reply.unsent_bytes < 2 * ENGINE_REPLY_BYTES_MAX);
    wire_release(&world->wire, 0);
    for (unsigned i = 0; i < 1000 && conn->session.buffer; i++) {
        wire_turn_begin(&world->wire);
        wire_turn_end(&world->wire);
    }
    assert_false(conn->closed);
    assert_int_equal(conn->output_bytes % strlen(LOCKED), 0);
    wire_take(conn, conn->output_bytes);
    say(world, 0, LOGIN);
    hear(world, 0, "STORED\r\n");
}

static void a_login_is_overdue_after_a_minute(void **state) {
    struct world *world = *state;
    say(world, 1, "get a\r\n"); /* the clock runs */
    struct wire_conn *conn = wire_conn(&world->wire, 0);

    say(world, 0, "get a\r\n");
    world->wire.now += SESSION_LOCKED_S_MAX;
    say(world, 0, "get a\r\n");
    assert_false(session_login_is_overdue(&conn->session));
    world->wire.now++;
    say(world, 0, "get a\r\n");
    assert_true(session_login_is_overdue(&conn->session));
    wire_take(conn, conn->output_bytes);
    say(world, 0, LOGIN);
    assert_false(session_login_is_overdue(&conn->session));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_passwords_are_compared_whole),
        cmocka_unit_test(an_endless_password_is_just_wrong),
        cmocka_unit_test(a_bad_file_keeps_the_users_before),
        cmocka_unit_test(the_first_eight_users_count),
        cmocka_unit_test(passwords_of_a_sasl_file_end_at_a_colon),
#define WITH_WORLD(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        WITH_WORLD(nothing_is_executed_before_the_login),
        WITH_WORLD(a_login_is_tried_until_it_is_right),
        WITH_WORLD(the_token_has_its_rules),
        WITH_WORLD(a_token_of_the_greatest_length_is_checked),
        WITH_WORLD(what_is_no_login_is_hung_up_on),
        WITH_WORLD(a_login_may_come_in_any_pieces),
        WITH_WORLD(a_client_that_reads_nothing_cannot_fill_memory),
        WITH_WORLD(a_login_is_overdue_after_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
