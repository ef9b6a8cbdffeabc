/* larder: tests of SASL in the binary protocol: who is let in, and what is kept out until then */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/engine/auth.h"
#include "src/engine/sasl.h"
#include "src/proto/binary.h"
#include "tests/unit/engine/fake_store.h"
#include "tests/unit/engine/wire.h"

enum {
    OPCODE_GET = 0x00,
    OPCODE_SET = 0x01,
    OPCODE_NOOP = 0x0a,
    OPCODE_VERSION = 0x0b,
    OPCODE_STAT = 0x10,
    OPCODE_LIST = 0x20,
    OPCODE_AUTH = 0x21,
    OPCODE_STEP = 0x22,
    OPCODE_UNKNOWN = 0x5f,
    GOOD = 0x00,
    MISS = 0x01,
    INVALID = 0x04,
    REFUSED = 0x20,
    CONTINUE = 0x21,
    UNKNOWN = 0x81,
    PACKET_BYTES_MAX = 32 * 1024,
};

struct world {
    struct auth auth;
    struct wire wire;
    uint8_t packets[4 * PACKET_BYTES_MAX];
    size_t bytes; /* of packets */
};

static int open_world(void **state) {
    struct world *world = calloc(1, sizeof *world);
    struct wire_options options = {.words = NULL};

    *state = world;
    if (!world || !wire_open(&world->wire, &options)) {
        return -1;
    }
    auth_init(&world->auth, AUTH_SASL);
    world->auth.backend = sasl_plain_backend(&world->auth);
    world->wire.config.protocol = PARSER_BINARY_ONLY;
    world->wire.config.auth = &world->auth;
    return auth_read_users(&world->auth, span_from_text("foo:bar\nu:p:q\n")) == AUTH_READ_GOOD
               ? 0
               : -1;
}

static int close_world(void **state) {
    struct world *world = *state;

    wire_close(&world->wire);
    auth_fini(&world->auth);
    free(world);
    return 0;
}

/* Appends a packet to those that are sent next. */
static void packet(struct world *world, uint8_t opcode, const char *key, const void *value,
                   size_t value_bytes) {
    uint8_t *to = world->packets + world->bytes;
    size_t key_bytes = strlen(key);
    uint8_t extras_bytes = opcode == OPCODE_SET ? 8 : 0;

    assert_true(value_bytes < PACKET_BYTES_MAX);
    memset(to, 0, BINARY_HEADER_BYTES + extras_bytes);
    to[0] = BINARY_MAGIC_REQUEST;
    to[1] = opcode;
    to[3] = (uint8_t)key_bytes;
    to[4] = extras_bytes;
    binary_store_u32(to + 8, (uint32_t)(extras_bytes + key_bytes + value_bytes));
    memcpy(to + BINARY_HEADER_BYTES + extras_bytes, key, key_bytes);
    if (value_bytes > 0) {
        memcpy(to + BINARY_HEADER_BYTES + extras_bytes + key_bytes, value, value_bytes);
    }
    world->bytes += BINARY_HEADER_BYTES + extras_bytes + key_bytes + value_bytes;
}

static void flush(struct world *world, unsigned index) {
    (void)wire_conn(&world->wire, index);
    wire_send(&world->wire, index, world->packets, world->bytes);
    world->bytes = 0;
}

/* The next answer is of this opcode and status, with this text. */
static void hear(struct world *world, unsigned index, uint8_t opcode, unsigned status,
                 const char *text) {
    struct wire_conn *conn = wire_conn(&world->wire, index);

    assert_true(conn->output_bytes >= BINARY_HEADER_BYTES);
    size_t body_bytes = binary_load_u32(conn->output + 8);

    assert_int_equal(conn->output[1], opcode);
    assert_int_equal(conn->output[6] << 8 | conn->output[7], status);
    assert_true(conn->output_bytes >= BINARY_HEADER_BYTES + body_bytes);
    if (text) {
        assert_int_equal(body_bytes, strlen(text));
        assert_memory_equal(conn->output + BINARY_HEADER_BYTES, text, body_bytes);
    }
    wire_take(conn, BINARY_HEADER_BYTES + body_bytes);
}

static void hear_nothing(struct world *world, unsigned index, bool closed) {
    assert_int_equal(wire_conn(&world->wire, index)->output_bytes, 0);
    assert_int_equal(wire_conn(&world->wire, index)->closed, closed);
}

#define PLAIN(text) "PLAIN", text, sizeof(text) - 1
#define RIGHT PLAIN("\0foo\0bar")

static void nothing_but_a_login_is_let_through(void **state) {
    static const uint8_t closing[] = {OPCODE_GET, OPCODE_SET, OPCODE_NOOP, OPCODE_STAT,
                                      OPCODE_UNKNOWN, 0x07, 0x08, 0x0c, 0x1c, 0x09};
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof closing; i++) {
        bool key = closing[i] != OPCODE_NOOP && closing[i] != 0x07 && closing[i] != 0x08;

        packet(world, OPCODE_VERSION, "", NULL, 0);
        packet(world, closing[i], key ? "k" : "", NULL, 0);
        packet(world, OPCODE_AUTH, RIGHT);
        flush(world, i);
        hear(world, i, OPCODE_VERSION, GOOD, "1.6.45");
        if (closing[i] == 0x1c) {
            hear(world, i, closing[i], INVALID, NULL); /* lengths are looked at first */
        } else {
            hear(world, i, closing[i], REFUSED, "Auth failure.");
        }
        hear_nothing(world, i, true);
    }
    assert_int_equal(fake_store_uploads(world->wire.store), 0);
}

static void a_large_value_is_not_even_read(void **state) {
    static const uint8_t value[PACKET_BYTES_MAX - 100];
    struct world *world = *state;

    packet(world, OPCODE_SET, "k", value, sizeof value);
    world->bytes = BINARY_HEADER_BYTES + 9 + 10; /* its front, and a little more */
    flush(world, 0);
    hear(world, 0, OPCODE_SET, REFUSED, "Auth failure.");
    hear_nothing(world, 0, true);
    assert_int_equal(fake_store_uploads(world->wire.store), 0);
}

static void the_right_password_opens(void **state) {
    struct world *world = *state;

    packet(world, OPCODE_LIST, "", NULL, 0);
    packet(world, OPCODE_AUTH, PLAIN("\0foo\0baz"));
    packet(world, OPCODE_AUTH, PLAIN("\0foo\0bar\0"));
    packet(world, OPCODE_AUTH, PLAIN("\0bar\0foo"));
    packet(world, OPCODE_AUTH, PLAIN("foo\0bar"));
    packet(world, OPCODE_AUTH, PLAIN("foo bar"));
    packet(world, OPCODE_AUTH, "LOGIN", "\0foo\0bar", 8);
    packet(world, OPCODE_AUTH, PLAIN("someone\0u\0p"));
    packet(world, OPCODE_GET, "k", NULL, 0);
    packet(world, OPCODE_SET, "k", "value", 5);
    packet(world, OPCODE_GET, "k", NULL, 0);
    flush(world, 0);
    hear(world, 0, OPCODE_LIST, GOOD, "PLAIN");
    for (unsigned i = 0; i < 6; i++) {
        hear(world, 0, OPCODE_AUTH, REFUSED, "Auth failure.");
    }
    hear(world, 0, OPCODE_AUTH, GOOD, "Authenticated");
    hear(world, 0, OPCODE_GET, MISS, "Not found");
    hear(world, 0, OPCODE_SET, GOOD, "");
    hear(world, 0, OPCODE_GET, GOOD, NULL);
    hear_nothing(world, 0, false);
    assert_int_equal(atom_load_relaxed(&world->wire.core->counters.auth_cmds), 7);
    assert_int_equal(atom_load_relaxed(&world->wire.core->counters.auth_errors), 6);
}

static void the_token_may_come_in_a_step(void **state) {
    struct world *world = *state;

    packet(world, OPCODE_STEP, RIGHT);
    packet(world, OPCODE_AUTH, "PLAIN", NULL, 0);
    packet(world, OPCODE_STEP, RIGHT);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    packet(world, OPCODE_AUTH, "LOGIN", NULL, 0);
    packet(world, OPCODE_STEP, RIGHT);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    flush(world, 0);
    hear(world, 0, OPCODE_STEP, REFUSED, "Auth failure.");
    hear(world, 0, OPCODE_AUTH, CONTINUE, "");
    hear(world, 0, OPCODE_STEP, GOOD, "Authenticated");
    hear(world, 0, OPCODE_NOOP, GOOD, "");
    hear(world, 0, OPCODE_AUTH, REFUSED, "Auth failure.");
    hear(world, 0, OPCODE_STEP, REFUSED, "Auth failure.");
    hear(world, 0, OPCODE_NOOP, REFUSED, "Auth failure.");
    hear_nothing(world, 0, true);
}

static void asking_again_logs_out(void **state) {
    struct world *world = *state;

    packet(world, OPCODE_AUTH, RIGHT);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    packet(world, OPCODE_LIST, "", NULL, 0);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    flush(world, 0);
    hear(world, 0, OPCODE_AUTH, GOOD, "Authenticated");
    hear(world, 0, OPCODE_NOOP, GOOD, "");
    hear(world, 0, OPCODE_LIST, GOOD, "PLAIN");
    hear(world, 0, OPCODE_NOOP, REFUSED, "Auth failure.");
    hear_nothing(world, 0, true);
    packet(world, OPCODE_AUTH, RIGHT);
    packet(world, OPCODE_AUTH, PLAIN("\0foo\0no"));
    packet(world, OPCODE_GET, "k", NULL, 0);
    flush(world, 1);
    hear(world, 1, OPCODE_AUTH, GOOD, "Authenticated");
    hear(world, 1, OPCODE_AUTH, REFUSED, "Auth failure.");
    hear(world, 1, OPCODE_GET, REFUSED, "Auth failure.");
    hear_nothing(world, 1, true);
}

static void a_login_opens_no_other_connection(void **state) {
    struct world *world = *state;

    packet(world, OPCODE_AUTH, RIGHT);
    flush(world, 0);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    flush(world, 1);
    hear(world, 0, OPCODE_AUTH, GOOD, "Authenticated");
    hear(world, 1, OPCODE_NOOP, REFUSED, "Auth failure.");
    hear_nothing(world, 0, false);
    hear_nothing(world, 1, true);
}

static void long_names_and_tokens_are_passed_over(void **state) {
    static const char name[] = "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"; /* 33 */
    static uint8_t token[BINARY_TOKEN_BYTES_MAX + 1];
    struct world *world = *state;

    packet(world, OPCODE_AUTH, name, "\0foo\0bar", 8);
    packet(world, OPCODE_AUTH, name + 1, "\0foo\0bar", 8);
    packet(world, OPCODE_AUTH, "PLAIN", token, sizeof token);
    packet(world, OPCODE_AUTH, "PLAIN", token, sizeof token - 1);
    packet(world, OPCODE_AUTH, RIGHT);
    flush(world, 0);
    hear(world, 0, OPCODE_AUTH, INVALID, "Invalid arguments");
    hear(world, 0, OPCODE_AUTH, REFUSED, "Auth failure.");
    hear(world, 0, OPCODE_AUTH, 0x03, "Too large.");
    hear(world, 0, OPCODE_AUTH, REFUSED, "Auth failure.");
    hear(world, 0, OPCODE_AUTH, GOOD, "Authenticated");
    hear_nothing(world, 0, false);
}

static void a_sasl_login_may_come_in_any_pieces(void **state) {
    struct world *world = *state;

    packet(world, OPCODE_LIST, "", NULL, 0);
    packet(world, OPCODE_AUTH, PLAIN("\0foo\0x"));
    packet(world, OPCODE_AUTH, RIGHT);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    for (size_t cut = 0; cut <= world->bytes; cut++) {
        (void)wire_conn(&world->wire, 0);
        wire_send(&world->wire, 0, world->packets, cut);
        wire_send(&world->wire, 0, world->packets + cut, world->bytes - cut);
        hear(world, 0, OPCODE_LIST, GOOD, "PLAIN");
        hear(world, 0, OPCODE_AUTH, REFUSED, "Auth failure.");
        hear(world, 0, OPCODE_AUTH, GOOD, "Authenticated");
        hear(world, 0, OPCODE_NOOP, GOOD, "");
        hear_nothing(world, 0, false);
        wire_hangup(&world->wire, 0);
    }
}

static void without_sasl_its_opcodes_are_unknown(void **state) {
    struct world *world = *state;

    world->wire.config.auth = NULL;
    packet(world, OPCODE_LIST, "", NULL, 0);
    packet(world, OPCODE_AUTH, RIGHT);
    packet(world, OPCODE_STEP, RIGHT);
    packet(world, OPCODE_NOOP, "", NULL, 0);
    flush(world, 0);
    hear(world, 0, OPCODE_LIST, UNKNOWN, "Unknown command");
    hear(world, 0, OPCODE_AUTH, UNKNOWN, "Unknown command");
    hear(world, 0, OPCODE_STEP, UNKNOWN, "Unknown command");
    hear(world, 0, OPCODE_NOOP, GOOD, "");
    hear_nothing(world, 0, false);
}

static void no_line_gets_around_it(void **state) {
    static const char lines[] = "version\r\nget k\r\nset k 0 0 1\r\nx\r\n";
    struct world *world = *state;

    world->wire.config.protocol = PARSER_AUTO; /* a listener that speaks both */
    (void)wire_conn(&world->wire, 0);
    wire_send(&world->wire, 0, lines, sizeof lines - 1);
    struct wire_conn *conn = wire_conn(&world->wire, 0);

    assert_true(conn->closed);
    assert_int_equal(conn->output_bytes, strlen("CLIENT_ERROR unauthenticated\r\n"));
    assert_memory_equal(conn->output, "CLIENT_ERROR unauthenticated\r\n", conn->output_bytes);
    wire_take(conn, conn->output_bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_WORLD(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        WITH_WORLD(nothing_but_a_login_is_let_through),
        WITH_WORLD(a_large_value_is_not_even_read),
        WITH_WORLD(the_right_password_opens),
        WITH_WORLD(the_token_may_come_in_a_step),
        WITH_WORLD(asking_again_logs_out),
        WITH_WORLD(a_login_opens_no_other_connection),
        WITH_WORLD(long_names_and_tokens_are_passed_over),
        WITH_WORLD(a_sasl_login_may_come_in_any_pieces),
        WITH_WORLD(without_sasl_its_opcodes_are_unknown),
        WITH_WORLD(no_line_gets_around_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
