/* larder: tests of the ASCII parser by itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/proto/commands.h"
#include "src/proto/parser.h"
#include "src/proto/response.h"

enum { INLINE_BYTES_MAX = 100, REQUESTS_MAX = 64 };

/* Everything the parser says about `input`, offered whole. */
struct parsed {
    struct parser parser;
    struct request requests[REQUESTS_MAX];
    unsigned count;
    enum parse_result last;
    size_t consumed;
};

static void parse_all(struct parsed *parsed, struct span input) {
    parser_init(&parsed->parser, PARSER_AUTO, INLINE_BYTES_MAX);
    parsed->count = 0;
    parsed->consumed = 0;
    for (;;) {
        size_t consumed;
        struct span rest = span_of(input.data + parsed->consumed, input.len - parsed->consumed);

        assert_true(parsed->count < REQUESTS_MAX);
        parsed->last =
            parser_next(&parsed->parser, rest, &consumed, &parsed->requests[parsed->count]);
        parsed->consumed += consumed;
        if (parsed->last != PARSE_REQUEST) {
            return;
        }
        parsed->count++;
    }
}

static const struct request *parse_one(struct parsed *parsed, const char *text) {
    parse_all(parsed, span_from_text(text));
    assert_int_equal(parsed->count, 1);
    assert_int_equal(parsed->consumed, strlen(text));
    return &parsed->requests[0];
}

static void expect_fail(const char *text, enum outcome outcome) {
    struct parsed parsed;
    const struct request *request = parse_one(&parsed, text);

    assert_int_equal(request->verb, VERB_FAIL);
    assert_int_equal(request->outcome, outcome);
}

static void a_get_of_one_key_is_its_last(void **state) {
    struct parsed parsed;
    static const char *const texts[] = {"get foo\r\n", "get foo\n", "get foo \r\n",
                                        "  get   foo  \n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct request *request = parse_one(&parsed, texts[i]);

        assert_int_equal(request->verb, VERB_GET);
        assert_true(span_is(request->key, "foo"));
        assert_true(request->last);
        assert_false(request->noreply);
    }
}

static void a_line_of_keys_is_one_request_a_key(void **state) {
    struct parsed parsed;

    (void)state;
    parse_all(&parsed, span_from_text("gats -1  a bb   ccc \r\nversion\r\n"));
    assert_int_equal(parsed.count, 4);
    assert_true(span_is(parsed.requests[0].key, "a"));
    assert_true(span_is(parsed.requests[1].key, "bb"));
    assert_true(span_is(parsed.requests[2].key, "ccc"));
    assert_false(parsed.requests[0].last);
    assert_false(parsed.requests[1].last);
    assert_true(parsed.requests[2].last);
    assert_int_equal(parsed.requests[2].exptime, -1);
    assert_int_equal(parsed.requests[2].verb, VERB_GATS);
    assert_int_equal(parsed.requests[3].verb, VERB_VERSION);
    assert_true(parser_is_idle(&parsed.parser));
}

static void one_long_key_spoils_the_whole_line(void **state) {
    char text[400];

    (void)state;
    snprintf(text, sizeof text, "get a b %0*d c\r\n", REQUEST_KEY_BYTES_MAX + 1, 7);
    expect_fail(text, OUTCOME_BAD_FORMAT);
    snprintf(text, sizeof text, "get %0*d\r\n", REQUEST_KEY_BYTES_MAX + 1, 7);
    expect_fail(text, OUTCOME_BAD_FORMAT);
    expect_fail("gat x a\r\n", OUTCOME_INVALID_EXPTIME);
}

static void a_key_may_have_250_bytes(void **state) {
    struct parsed parsed;
    char text[400];

    (void)state;
    snprintf(text, sizeof text, "get %0*d\r\n", REQUEST_KEY_BYTES_MAX, 7);
    assert_int_equal(parse_one(&parsed, text)->key.len, REQUEST_KEY_BYTES_MAX);
    snprintf(text, sizeof text, "set %0*d 1 2 3\r\nabc\r\n", REQUEST_KEY_BYTES_MAX, 7);
    assert_int_equal(parse_one(&parsed, text)->key.len, REQUEST_KEY_BYTES_MAX);
}

static void a_set_carries_its_value(void **state) {
    struct parsed parsed;
    static const char *const texts[] = {"set k 5 6 3\r\nabc\r\n", "set  k 5 6 3 \nabc\r\n",
                                        "set k 0000000000005 6 3\r\nabc\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct request *request = parse_one(&parsed, texts[i]);

        assert_int_equal(request->verb, VERB_SET);
        assert_true(span_is(request->key, "k"));
        assert_true(span_is(request->value, "abc"));
        assert_int_equal(request->client_flags, 5);
        assert_int_equal(request->exptime, 6);
        assert_int_equal(request->value_bytes, 3);
        assert_false(request->value_bad_end);
        assert_false(request->noreply);
    }
    assert_true(parse_one(&parsed, "set k 0 0 0 noreply\r\n\r\n")->noreply);
    assert_true(parse_one(&parsed, "set k 0 0 1\r\nabc")->value_bad_end);
}

static void a_cas_needs_its_unique(void **state) {
    struct parsed parsed;

    (void)state;
    assert_true(parse_one(&parsed, "cas k 0 0 1 18446744073709551615\r\na\r\n")->cas ==
                UINT64_MAX);
    expect_fail("cas k 0 0 1\r\na\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("cas k 0 0 1 x\r\na\r\n", OUTCOME_BAD_FORMAT);
    assert_true(parse_one(&parsed, "cas k 0 0 1 noreply\r\na\r\n")->noreply);
}

static void a_bad_byte_count_swallows_nothing(void **state) {
    struct parsed parsed;

    (void)state;
    parse_all(&parsed, span_from_text("set k 0 0 -1 noreply\r\nversion\r\n"));
    assert_int_equal(parsed.count, 2);
    assert_int_equal(parsed.requests[0].outcome, OUTCOME_BAD_FORMAT);
    assert_false(parsed.requests[0].noreply);
    assert_int_equal(parsed.requests[1].verb, VERB_VERSION);
    expect_fail("set k 0 0 2147483646\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("set k 0 0\r\n", OUTCOME_BAD_FORMAT);
}

static void other_bad_numbers_swallow_the_value(void **state) {
    (void)state;
    expect_fail("set k x 0 3\r\nabc\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("set k 0 x 3\r\nabc\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("set k -1 0 3\r\nabc\r\n", OUTCOME_BAD_FORMAT);
}

static void a_short_value_is_waited_for_and_a_long_one_announced(void **state) {
    struct parsed parsed;

    (void)state;
    parse_all(&parsed, span_from_text("set k 0 0 100\r\nabc"));
    assert_int_equal(parsed.count, 0);
    assert_int_equal(parsed.consumed, 0);
    assert_int_equal(parsed.parser.need_bytes, 15 + 102);

    struct request request;
    struct span input = span_from_text("set k 0 0 101\r\nabc");
    size_t consumed;

    parser_init(&parsed.parser, PARSER_AUTO, INLINE_BYTES_MAX);
    assert_int_equal(parser_next(&parsed.parser, input, &consumed, &request), PARSE_REQUEST);
    assert_true(request.value_follows);
    assert_int_equal(consumed, 15);
    request.noreply = true;
    parser_swallow(&parsed.parser, &request, 103, OUTCOME_TOO_LARGE);
    input = span_of(input.data + 15, 3);
    assert_int_equal(parser_next(&parsed.parser, input, &consumed, &request), PARSE_MORE);
    assert_int_equal(consumed, 3);
    char rest[200] = {0};

    memcpy(rest + 100, "quit\r\n", 6);
    input = span_of(rest, 106);
    assert_int_equal(parser_next(&parsed.parser, input, &consumed, &request), PARSE_REQUEST);
    assert_int_equal(consumed, 100);
    assert_int_equal(request.outcome, OUTCOME_TOO_LARGE);
    assert_true(request.noreply);
}

static void a_request_can_be_taken_back(void **state) {
    struct span input = span_from_text("get a b c\r\n");
    struct request first, second, again;
    struct parser parser;
    size_t at = 0, consumed;

    (void)state;
    parser_init(&parser, PARSER_AUTO, INLINE_BYTES_MAX);
    assert_int_equal(parser_next(&parser, input, &at, &first), PARSE_REQUEST);
    input = span_of(input.data + at, input.len - at);
    assert_int_equal(parser_next(&parser, input, &consumed, &second), PARSE_REQUEST);
    parser_rewind(&parser, &second);
    assert_int_equal(parser_next(&parser, input, &consumed, &again), PARSE_REQUEST);
    assert_true(span_is(again.key, "b"));
    assert_false(again.last);
    parser_rewind(&parser, &first);
    assert_true(parser_is_idle(&parser));
}

static void delete_forgives_a_zero(void **state) {
    struct parsed parsed;

    (void)state;
    assert_int_equal(parse_one(&parsed, "delete k\r\n")->verb, VERB_DELETE);
    assert_int_equal(parse_one(&parsed, "delete k 0\r\n")->verb, VERB_DELETE);
    assert_true(parse_one(&parsed, "delete k 0 noreply\r\n")->noreply);
    assert_true(parse_one(&parsed, "delete k noreply\r\n")->noreply);
    expect_fail("delete k b\r\n", OUTCOME_BAD_DELETE);
    expect_fail("delete k 0 b\r\n", OUTCOME_BAD_DELETE);
}

static void words_are_exact(void **state) {
    (void)state;
    expect_fail("GET a\r\n", OUTCOME_ERROR);
    expect_fail("gett a\r\n", OUTCOME_ERROR);
    expect_fail("ge a\r\n", OUTCOME_ERROR);
    expect_fail("    \r\n", OUTCOME_ERROR);
    expect_fail("\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("a\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("get\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("get \r\n", OUTCOME_BAD_FORMAT);
    expect_fail("incr a\r\n", OUTCOME_BAD_FORMAT);
    expect_fail("incr a -1\r\n", OUTCOME_INVALID_DELTA);
    expect_fail("touch a b\r\n", OUTCOME_INVALID_EXPTIME);
}

static void endless_lines_and_http_end_the_connection(void **state) {
    struct parsed parsed;
    char text[4000];

    (void)state;
    memset(text, 'x', sizeof text);
    parse_all(&parsed, span_of(text, PARSER_LINE_BYTES_UNENDED_MAX));
    assert_int_equal(parsed.last, PARSE_MORE);
    parse_all(&parsed, span_of(text, PARSER_LINE_BYTES_UNENDED_MAX + 1));
    assert_int_equal(parsed.last, PARSE_CLOSE);
    memcpy(text, "get ", 4);
    parse_all(&parsed, span_of(text, sizeof text));
    assert_int_equal(parsed.last, PARSE_MORE);
    parse_all(&parsed, span_from_text("POST / HTTP/1.1\r\n"));
    assert_int_equal(parsed.last, PARSE_CLOSE);
    assert_int_equal(parsed.count, 0);
}

static void a_line_of_keys_has_its_bound(void **state) {
    struct parsed parsed;
    size_t bytes = PARSER_LINE_BYTES_MAX + 2;
    char *text = malloc(bytes);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', bytes);
    memcpy(text, "gets a ", 7);
    parse_all(&parsed, span_of(text, PARSER_LINE_BYTES_MAX));
    assert_int_equal(parsed.last, PARSE_MORE);
    parse_all(&parsed, span_of(text, PARSER_LINE_BYTES_MAX + 1));
    assert_int_equal(parsed.last, PARSE_CLOSE);
    text[PARSER_LINE_BYTES_MAX - 1] = '\n';
    parse_all(&parsed, span_of(text, PARSER_LINE_BYTES_MAX));
    assert_int_equal(parsed.count, 1);
    free(text);
}

static void the_first_byte_picks_the_protocol(void **state) {
    struct parser parser;
    struct request request;
    size_t consumed;
    struct span binary = span_from_text("\x80\r\n\r\n");

    (void)state;
    parser_init(&parser, PARSER_AUTO, 1);
    assert_int_equal(parser_next(&parser, binary, &consumed, &request), PARSE_MORE);
    assert_int_equal(parser.need_bytes, 24);
    parser_init(&parser, PARSER_ASCII_ONLY, 1);
    assert_int_equal(parser_next(&parser, binary, &consumed, &request), PARSE_REQUEST);
    parser_init(&parser, PARSER_BINARY_ONLY, 1);
    assert_int_equal(parser_next(&parser, span_from_text("get a\r\n"), &consumed, &request),
                     PARSE_CLOSE);
}

static void nothing_is_read_behind_the_input(void **state) {
    static const char text[] = "get a bb ccc dddd eeeeeeeeeeeeeeeeeeeeeeeeeeeee\r\n"
                               "set kkkkkkkkkkkkkkkkkkkk 0 0 5\r\nvalue\r\nincr a 5\r\n";

    (void)state;
    for (size_t start = 0; start < sizeof text - 1; start++) {
        for (size_t bytes = 0; bytes <= sizeof text - 1 - start; bytes++) {
            struct parsed parsed;
            uint8_t *exact = malloc(bytes ? bytes : 1);

            assert_non_null(exact);
            memcpy(exact, text + start, bytes);
            parse_all(&parsed, span_of(exact, bytes));
            free(exact);
        }
    }
}

static void tokens_beyond_the_last_kept_are_ignored(void **state) {
    struct span tokens[4];

    (void)state;
    assert_int_equal(request_tokens(span_from_text("  a b  c d e "), tokens, 4), 4);
    assert_true(span_is(tokens[3], "d"));
    assert_int_equal(request_tokens(span_from_text("   "), tokens, 4), 0);
    assert_int_equal(request_tokens(span_of("", 0), tokens, 4), 0);
}

static void every_command_is_found_by_its_word(void **state) {
    (void)state;
    for (unsigned verb = 0; verb < VERB_SASL_LIST; verb++) {
        const struct command *command = command_of_verb((enum verb)verb);

        assert_int_equal(command->verb, verb);
        assert_ptr_equal(command_find(span_from_text(command->word)), command);
        assert_int_equal(REQUEST_VERB_HAS_KEY(verb), command->shape <= COMMAND_KEY);
    }
}

static void every_outcome_fits_its_room(void **state) {
    uint8_t line[RESPONSE_LINE_BYTES_MAX];
    struct request request = {0};

    (void)state;
    for (unsigned i = 1; i < OUTCOME_COUNT; i++) {
        struct span text = outcome_text((enum outcome)i);

        assert_int_equal(response_write_outcome(line, &request, (enum outcome)i), text.len + 2);
        assert_memory_equal(line, text.data, text.len);
        assert_memory_equal(line + text.len, "\r\n", 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_of_one_key_is_its_last),
        cmocka_unit_test(a_line_of_keys_is_one_request_a_key),
        cmocka_unit_test(one_long_key_spoils_the_whole_line),
        cmocka_unit_test(a_key_may_have_250_bytes),
        cmocka_unit_test(a_set_carries_its_value),
        cmocka_unit_test(a_cas_needs_its_unique),
        cmocka_unit_test(a_bad_byte_count_swallows_nothing),
        cmocka_unit_test(other_bad_numbers_swallow_the_value),
        cmocka_unit_test(a_short_value_is_waited_for_and_a_long_one_announced),
        cmocka_unit_test(a_request_can_be_taken_back),
        cmocka_unit_test(delete_forgives_a_zero),
        cmocka_unit_test(words_are_exact),
        cmocka_unit_test(endless_lines_and_http_end_the_connection),
        cmocka_unit_test(a_line_of_keys_has_its_bound),
        cmocka_unit_test(the_first_byte_picks_the_protocol),
        cmocka_unit_test(nothing_is_read_behind_the_input),
        cmocka_unit_test(tokens_beyond_the_last_kept_are_ignored),
        cmocka_unit_test(every_command_is_found_by_its_word),
        cmocka_unit_test(every_outcome_fits_its_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
