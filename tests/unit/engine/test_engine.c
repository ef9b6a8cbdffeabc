/* larder: tests of the executor: counters, failures, uploads, parked replies, admin hooks */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/engine/fake_store.h"
#include "tests/unit/engine/wire.h"

struct fixture;

/* A slot and whose it is: the session may be gone when it is dropped. */
struct test_slot {
    struct reply_slot slot;
    struct fixture *fixture;
};

struct fixture {
    struct wire wire;
    struct admin_hooks hooks;
    struct test_slot slots[REPLY_SLOTS_MAX + 1];
    unsigned parked, dropped, done, produced;
    uint64_t connection_bytes_max;
    unsigned logged;
    char log[1000];
};

static struct fixture *fixture_at(void **state) {
    return *state;
}

static int open_fixture_with(void **state, uint64_t connection_bytes_max) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct wire_options options = {.admin = &fixture->hooks,
                                   .connection_bytes_max = connection_bytes_max};

    *state = fixture;
    if (!fixture) {
        return -1;
    }
    fixture->hooks.context = fixture;
    return wire_open(&fixture->wire, &options) ? 0 : -1;
}

static int open_fixture(void **state) {
    return open_fixture_with(state, 0);
}

static int open_poor_fixture(void **state) {
    return open_fixture_with(state, 100000);
}

static int open_tight_fixture(void **state) {
    return open_fixture_with(state, 300000);
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;

    wire_close(&fixture->wire);
    free(fixture);
    return 0;
}

static void send_text(struct fixture *fixture, unsigned index, const char *text) {
    wire_send(&fixture->wire, index, text, strlen(text));
}

static void expect_text(struct fixture *fixture, unsigned index, const char *text) {
    struct wire_conn *conn = &fixture->wire.conns[index];

    if (conn->output_bytes != strlen(text) ||
        memcmp(conn->output, text, conn->output_bytes) != 0) {
        print_error("got \"%.*s\", wanted \"%s\"\n", (int)conn->output_bytes,
                    conn->output ? (const char *)conn->output : "", text);
        fail();
    }
    wire_take(conn, conn->output_bytes);
}

#define expect_counter(fixture, counter, wanted)                                                   \
    assert_int_equal(atom_load_relaxed(&(fixture)->wire.core->counters.counter), wanted)

/* -- counters ---------------------------------------------------------------------------------- */

static void reads_are_counted_by_key(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_text(fixture, 0, "set a 0 0 1 noreply\r\nx\r\nget a b a\r\ngets a b\r\ngat 100 a b\r\n");
    expect_counter(fixture, cmd_get, 5);
    expect_counter(fixture, get_hits, 3);
    expect_counter(fixture, get_misses, 2);
    expect_counter(fixture, cmd_touch, 2);
    expect_counter(fixture, touch_hits, 1);
    expect_counter(fixture, touch_misses, 1);
    fixture->wire.now += 200;
    send_text(fixture, 0, "get a\r\n");
    expect_counter(fixture, get_expired, 1);
    expect_counter(fixture, get_misses, 3);
}

static void writes_are_counted_when_they_got_memory(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_text(fixture, 0, "set a 0 0 1\r\nx\r\nadd a 0 0 1\r\nx\r\ncas a 0 0 1 1\r\ny\r\n"
                          "cas a 0 0 1 1\r\nz\r\ncas b 0 0 1 1\r\nz\r\nset a 0 0 1\r\nxx\r\n");
    expect_counter(fixture, cmd_set, 6);
    expect_counter(fixture, cas_hits, 1);
    expect_counter(fixture, cas_badval, 1);
    expect_counter(fixture, cas_misses, 1);
    fake_store_refuse(fixture->wire.store, true);
    send_text(fixture, 0, "set a 0 0 1\r\nx\r\n");
    expect_counter(fixture, cmd_set, 6);
    expect_counter(fixture, store_no_memory, 1);
}

static void the_rest_is_counted_too(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_text(fixture, 0, "set n 0 0 1\r\n5\r\nincr n 1\r\ndecr n 1\r\nincr m 1\r\ndecr m 1\r\n"
                          "touch n 5\r\ntouch m 5\r\ndelete n\r\ndelete n\r\nflush_all\r\n");
    expect_text(fixture, 0, "STORED\r\n6\r\n5\r\nNOT_FOUND\r\nNOT_FOUND\r\nTOUCHED\r\nNOT_FOUND\r\n"
                            "DELETED\r\nNOT_FOUND\r\nOK\r\n");
    expect_counter(fixture, incr_hits, 1);
    expect_counter(fixture, incr_misses, 1);
    expect_counter(fixture, decr_hits, 1);
    expect_counter(fixture, decr_misses, 1);
    expect_counter(fixture, cmd_touch, 2);
    expect_counter(fixture, delete_hits, 1);
    expect_counter(fixture, delete_misses, 1);
    expect_counter(fixture, cmd_flush, 1);
}

static void times_are_read_as_memcached_does(void **state) {
    struct fixture *fixture = fixture_at(state);
    struct engine_core *core = fixture->wire.core;

    core->now = 1000;
    assert_int_equal(engine_expiry(core, 0), STORE_EXPIRY_NEVER);
    assert_int_equal(engine_expiry(core, -1), 1);
    assert_int_equal(engine_expiry(core, 1), 1001);
    assert_int_equal(engine_expiry(core, 2592000), 2593000);
    assert_int_equal(engine_expiry(core, 2592001), 1);
    assert_int_equal(engine_expiry(core, (int64_t)WIRE_EPOCH), 1);
    assert_int_equal(engine_expiry(core, (int64_t)WIRE_EPOCH + 1234), 1234);
    assert_int_equal(engine_expiry(core, UINT32_MAX), UINT32_MAX - WIRE_EPOCH);
}

/* -- failures ---------------------------------------------------------------------------------- */

static void a_set_without_memory_takes_the_old_value_with_it(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_text(fixture, 0, "set a 0 0 1\r\nx\r\n");
    fake_store_refuse(fixture->wire.store, true);
    send_text(fixture, 0, "add b 0 0 1\r\nx\r\nset a 0 0 1\r\ny\r\nget a\r\n");
    expect_text(fixture, 0, "STORED\r\nSERVER_ERROR out of memory storing object\r\n"
                            "SERVER_ERROR out of memory storing object\r\nEND\r\n");
}

/* "set a" of `bytes` bytes with `end` behind them, in pieces of 5000. */
static void send_large(struct fixture *fixture, const char *head, size_t bytes, const char *end) {
    char *text = malloc(bytes + 200);

    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "%s\r\n", head);

    memset(text + at, 'v', bytes);
    size_t total = at + bytes + (size_t)sprintf(text + at + bytes, "%s", end);

    for (size_t sent = 0; sent < total; sent += 5000) {
        wire_send(&fixture->wire, 0, text + sent, total - sent < 5000 ? total - sent : 5000);
    }
    free(text);
}

static void an_upload_that_runs_out_of_memory_keeps_the_old_value(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_text(fixture, 0, "set a 0 0 1\r\nx\r\n");
    fake_store_upload_limit(fixture->wire.store, 20000);
    send_large(fixture, "set a 0 0 60000", 60000, "\r\nget a\r\n");
    expect_text(fixture, 0, "STORED\r\nSERVER_ERROR Out of memory during read\r\n"
                            "VALUE a 0 1\r\nx\r\nEND\r\n");
    send_large(fixture, "set a 0 0 60000 noreply", 60000, "\r\nget a\r\n");
    expect_text(fixture, 0, "VALUE a 0 1\r\nx\r\nEND\r\n");
    wire_conn(&fixture->wire, 0)->direct = true;
    send_large(fixture, "set a 0 0 160000", 160000, "\r\nget a\r\n");
    expect_text(fixture, 0, "SERVER_ERROR Out of memory during read\r\n"
                            "VALUE a 0 1\r\nx\r\nEND\r\n");
}

static void an_upload_with_a_bad_end_keeps_the_old_value(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_text(fixture, 0, "set a 0 0 1\r\nx\r\n");
    send_large(fixture, "set a 0 0 60000", 60000, "zzget a\r\n");
    expect_text(fixture, 0, "STORED\r\nCLIENT_ERROR bad data chunk\r\n"
                            "VALUE a 0 1\r\nx\r\nEND\r\n");
}

static void a_hangup_abandons_an_upload(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_large(fixture, "set a 0 0 60000", 30000, "");
    assert_int_equal(fake_store_uploads(fixture->wire.store), 1);
    assert_false(session_is_idle(&fixture->wire.conns[0].session));
    wire_hangup(&fixture->wire, 0);
    assert_int_equal(fake_store_uploads(fixture->wire.store), 0);
    assert_int_equal(fake_store_items(fixture->wire.store), 0);
}

static void a_refused_upload_is_swallowed(void **state) {
    struct fixture *fixture = fixture_at(state);

    fake_store_refuse(fixture->wire.store, true);
    send_large(fixture, "set a 0 0 60000", 60000, "\r\nversion\r\n");
    expect_text(fixture, 0, "SERVER_ERROR out of memory storing object\r\nVERSION 1.6.45\r\n");
}

static void a_value_without_room_in_the_reply_is_an_error_and_the_end(void **state) {
    struct fixture *fixture = fixture_at(state);
    struct wire_conn *conn = wire_conn(&fixture->wire, 0);

    send_large(fixture, "set a 0 0 12000", 12000, "\r\n");
    expect_text(fixture, 0, "STORED\r\n");
    conn->held = true;
    send_text(fixture, 0, "get a a a a a a a a a a a a a\r\nversion\r\n");
    wire_release(&fixture->wire, 0);
    const char *text = "SERVER_ERROR out of memory writing get response\r\n";

    assert_true(conn->closed);
    assert_true(conn->output_bytes > 30000);
    assert_memory_equal(conn->output + conn->output_bytes - strlen(text), text, strlen(text));
}

static void slow_readers_share_tight_memory(void **state) {
    struct fixture *fixture = fixture_at(state);

    send_large(fixture, "set a 0 0 1000", 1000, "\r\n");
    expect_text(fixture, 0, "STORED\r\n");
    for (unsigned i = 0; i < 5; i++) {
        wire_conn(&fixture->wire, i)->held = true;
        for (unsigned j = 0; j < 300; j++) {
            send_text(fixture, i, "get a\r\n");
        }
        assert_true(fixture->wire.conns[i].session.reply.unsent_bytes > 0);
    }
    for (unsigned i = 0; i < 5; i++) {
        wire_release(&fixture->wire, i);
        assert_false(fixture->wire.conns[i].closed);
        assert_int_equal(fixture->wire.conns[i].output_bytes, 300 * (16 + 1000 + 2 + 5));
    }
}

static void partial_input_without_room_ends_the_connection(void **state) {
    struct fixture *fixture = fixture_at(state);
    char *line = malloc(120000);

    assert_non_null(line);
    memset(line, 'k', 120000);
    for (size_t i = 0; i < 120000; i += 100) {
        line[i] = ' ';
    }
    memcpy(line, "get ", 4);
    for (size_t i = 0; i < 120000; i += 10000) {
        wire_send(&fixture->wire, 0, line + i, 10000);
    }
    assert_true(fixture->wire.conns[0].closed);
    expect_text(fixture, 0, "SERVER_ERROR out of memory reading request\r\n");
    send_text(fixture, 1, "version\r\n");
    expect_text(fixture, 1, "VERSION 1.6.45\r\n");
    free(line);
}

/* -- admin hooks and parked replies ------------------------------------------------------------ */

static enum outcome hook_stats(struct admin_call *call) {
    if (call->token_count == 1 && span_is(call->tokens[0], "reset")) {
        return OUTCOME_RESET;
    }
    admin_stat_u64(call, "number", 18446744073709551615u);
    admin_stat_text(call, "text", "%s %d", "words", -5);
    admin_printf(call, "LINE %u\r\n", 7u);
    admin_stat_end(call);
    return OUTCOME_NONE;
}

static void hooks_answer_in_order(void **state) {
    struct fixture *fixture = fixture_at(state);

    fixture->hooks.functions[VERB_STATS] = hook_stats;
    send_text(fixture, 0, "version\r\nstats  reset\r\nstats\r\nverbosity 1\r\nversion\r\n");
    expect_text(fixture, 0, "VERSION 1.6.45\r\nRESET\r\nSTAT number 18446744073709551615\r\n"
                            "STAT text words -5\r\nLINE 7\r\nEND\r\nERROR\r\nVERSION 1.6.45\r\n");
}

static struct fixture *fixture_of_slot(struct reply_slot *slot) {
    return ((struct test_slot *)slot)->fixture;
}

static void slot_dropped(struct reply_slot *slot) {
    fixture_of_slot(slot)->dropped++;
}

static void slot_done(struct reply_slot *slot) {
    fixture_of_slot(slot)->done++;
}

static enum outcome hook_park(struct admin_call *call) {
    struct fixture *fixture = call->context;
    struct reply_slot *slot = &fixture->slots[fixture->parked].slot;

    fixture->slots[fixture->parked].fixture = fixture;
    slot->dropped = slot_dropped;
    slot->done = slot_done;
    slot->produce = NULL;
    if (!reply_park(call->reply, call->session, slot)) {
        return OUTCOME_NO_MEMORY;
    }
    fixture->parked++;
    return OUTCOME_NONE;
}

static void slot_complete(struct fixture *fixture, struct reply_slot *slot, const char *text) {
    wire_turn_begin(&fixture->wire);
    assert_true(reply_append(&slot->reply, text, strlen(text)));
    slot->complete = true;
    session_slot_written(slot->session);
    wire_turn_end(&fixture->wire);
}

static void a_parked_reply_keeps_its_place(void **state) {
    struct fixture *fixture = fixture_at(state);

    fixture->hooks.functions[VERB_WATCH] = hook_park;
    send_text(fixture, 0, "version\r\nwatch\r\nget a\r\nwatch\r\nversion\r\n");
    expect_text(fixture, 0, "VERSION 1.6.45\r\n");
    slot_complete(fixture, &fixture->slots[1].slot, "second\r\n");
    expect_text(fixture, 0, "");
    slot_complete(fixture, &fixture->slots[0].slot, "first\r\n");
    expect_text(fixture, 0, "first\r\nEND\r\nsecond\r\nVERSION 1.6.45\r\n");
    assert_int_equal(fixture->done, 2);
    assert_true(session_is_idle(&fixture->wire.conns[0].session));
}

static void a_slot_in_front_sends_what_it_has(void **state) {
    struct fixture *fixture = fixture_at(state);
    struct reply_slot *slot = &fixture->slots[0].slot;

    fixture->hooks.functions[VERB_WATCH] = hook_park;
    send_text(fixture, 0, "watch\r\nversion\r\n");
    wire_turn_begin(&fixture->wire);
    assert_true(reply_append(&slot->reply, "one\r\n", 5));
    session_slot_written(slot->session);
    wire_turn_end(&fixture->wire);
    expect_text(fixture, 0, "one\r\n");
    slot_complete(fixture, slot, "two\r\n");
    expect_text(fixture, 0, "two\r\nVERSION 1.6.45\r\n");
}

static void parked_replies_are_bounded(void **state) {
    struct fixture *fixture = fixture_at(state);

    fixture->hooks.functions[VERB_WATCH] = hook_park;
    for (unsigned i = 0; i < REPLY_SLOTS_MAX + 1; i++) {
        send_text(fixture, 0, "watch\r\n");
    }
    assert_int_equal(fixture->parked, REPLY_SLOTS_MAX);
    assert_true(fixture->wire.conns[0].paused);
    slot_complete(fixture, &fixture->slots[0].slot, "x");
    assert_int_equal(fixture->parked, REPLY_SLOTS_MAX + 1);
    wire_hangup(&fixture->wire, 0);
    assert_int_equal(fixture->dropped, REPLY_SLOTS_MAX);
}

static void slot_produce(struct reply_slot *slot) {
    struct fixture *fixture = fixture_of_slot(slot);
    char text[1000];

    memset(text, 'p', sizeof text);
    assert_true(reply_append(&slot->reply, text, sizeof text));
    fixture->produced++;
    slot->complete = fixture->produced == 2000;
}

static enum outcome hook_produce(struct admin_call *call) {
    enum outcome outcome = hook_park(call);
    struct fixture *fixture = call->context;

    fixture->slots[fixture->parked - 1].slot.produce = slot_produce;
    session_slot_written(call->session);
    return outcome;
}

static void long_output_is_produced_as_it_is_sent(void **state) {
    struct fixture *fixture = fixture_at(state);
    struct wire_conn *conn = wire_conn(&fixture->wire, 0);

    fixture->hooks.functions[VERB_LRU_CRAWLER] = hook_produce;
    conn->held = true;
    send_text(fixture, 0, "lru_crawler metadump all\r\nversion\r\n");
    assert_true(fixture->produced < 200);
    wire_release(&fixture->wire, 0);
    assert_int_equal(fixture->produced, 2000);
    assert_int_equal(conn->output_bytes, 2000 * 1000 + strlen("VERSION 1.6.45\r\n"));
    assert_int_equal(fixture->done, 1);
    wire_take(conn, conn->output_bytes);
}

/* -- log --------------------------------------------------------------------------------------- */

static void note_line(void *context, const struct session *session, char prefix,
                      struct span text) {
    struct fixture *fixture = context;
    size_t at = strlen(fixture->log);

    (void)session;
    snprintf(fixture->log + at, sizeof fixture->log - at, "%c%.*s\n", prefix, (int)text.len,
             (const char *)text.data);
    fixture->logged++;
}

static void the_log_sees_commands_and_replies(void **state) {
    struct fixture *fixture = fixture_at(state);

    fixture->wire.config.log = note_line;
    fixture->wire.config.log_context = fixture;
    send_text(fixture, 0, "set a 0 0 1\r\nx\r\nget a b\r\n");
    assert_string_equal(fixture->log,
                        "<set a 0 0 1\n<get a b\n>STORED\n>sending key a\n>END\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define TIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, open_tight_fixture, close_fixture)
#define POOR_TEST(name) cmocka_unit_test_setup_teardown(name, open_poor_fixture, close_fixture)
        ENGINE_TEST(reads_are_counted_by_key),
        ENGINE_TEST(writes_are_counted_when_they_got_memory),
        ENGINE_TEST(the_rest_is_counted_too),
        ENGINE_TEST(times_are_read_as_memcached_does),
        ENGINE_TEST(a_set_without_memory_takes_the_old_value_with_it),
        ENGINE_TEST(an_upload_that_runs_out_of_memory_keeps_the_old_value),
        ENGINE_TEST(an_upload_with_a_bad_end_keeps_the_old_value),
        ENGINE_TEST(a_hangup_abandons_an_upload),
        ENGINE_TEST(a_refused_upload_is_swallowed),
        POOR_TEST(a_value_without_room_in_the_reply_is_an_error_and_the_end),
        TIGHT_TEST(slow_readers_share_tight_memory),
        POOR_TEST(partial_input_without_room_ends_the_connection),
        ENGINE_TEST(hooks_answer_in_order),
        ENGINE_TEST(a_parked_reply_keeps_its_place),
        ENGINE_TEST(a_slot_in_front_sends_what_it_has),
        ENGINE_TEST(parked_replies_are_bounded),
        ENGINE_TEST(long_output_is_produced_as_it_is_sent),
        ENGINE_TEST(the_log_sees_commands_and_replies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
