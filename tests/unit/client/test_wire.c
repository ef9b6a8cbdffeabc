/* larder: tests of both dialects from a client's side */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/client/wire.h"

enum { ROOM = 4096 };

static void encodes(enum wire_dialect dialect, struct larder_request request, const char *text) {
    uint8_t to[ROOM];

    request.key_bytes = request.key_bytes == 0 ? strlen(request.key) : request.key_bytes;
    size_t bytes = wire_encode(dialect, &request, 7, to);

    assert_true(bytes <= WIRE_HEAD_BYTES_MAX + request.value_bytes);
    assert_int_equal(bytes, strlen(text));
    assert_memory_equal(to, text, bytes);
}

static void meta_requests_are_as_the_protocol_has_them(void **state) {
    (void)state;
    encodes(WIRE_META, (struct larder_request){.key = "k"}, "mg k c f t v O7\r\n");
    encodes(WIRE_META, (struct larder_request){.key = "k", .ask = LARDER_NO_VALUE},
            "mg k c f t O7\r\n");
    encodes(WIRE_META,
            (struct larder_request){.key = "k", .ask = LARDER_TOUCH_TOO | LARDER_WANT_HISTORY,
                                    .ttl_s = 9},
            "mg k c f t v h l T9 O7\r\n");
    encodes(WIRE_META,
            (struct larder_request){.key = "k", .ask = LARDER_VIVIFY | LARDER_RECACHE,
                                    .vivify_s = 30, .recache_s = 5},
            "mg k c f t v N30 R5 O7\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_SET, .key = "k", .value = "abc",
                                               .value_bytes = 3},
            "ms k 3 O7\r\nabc\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_SET, .key = "k"},
            "ms k 0 O7\r\n\r\n");
    encodes(WIRE_META,
            (struct larder_request){.verb = LARDER_CAS, .key = "k", .value = "abc",
                                    .value_bytes = 3, .flags = 4, .ttl_s = 60, .cas = 12},
            "ms k 3 F4 T60 C12 O7\r\nabc\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_APPEND, .key = "k", .value = "x",
                                               .value_bytes = 1},
            "ms k 1 MA O7\r\nx\r\n");
    encodes(WIRE_META,
            (struct larder_request){.verb = LARDER_DECR, .key = "k", .delta = 3,
                                    .ask = LARDER_INITIAL, .initial = 10, .ttl_s = 20},
            "ma k v c t MD D3 N20 J10 O7\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_TOUCH, .key = "k", .ttl_s = 20},
            "mg k T20 O7\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_DELETE, .key = "k"}, "md k O7\r\n");
    encodes(WIRE_META,
            (struct larder_request){.verb = LARDER_DELETE, .key = "k", .ask = LARDER_INVALIDATE,
                                    .ttl_s = 30, .cas = 2},
            "md k C2 I T30 O7\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_NOOP, .key = "k"}, "mn\r\n");
}

static void binary_keys_go_as_base64(void **state) {
    (void)state;
    encodes(WIRE_META, (struct larder_request){.key = "a b"}, "mg YSBi b c f t v O7\r\n");
    encodes(WIRE_META, (struct larder_request){.verb = LARDER_SET, .key = "a\nb", .value = "x",
                                               .value_bytes = 1},
            "ms YQpi 1 b O7\r\nx\r\n");
}

static void classic_requests_are_as_the_protocol_has_them(void **state) {
    (void)state;
    encodes(WIRE_CLASSIC, (struct larder_request){.key = "k"}, "gets k\r\n");
    encodes(WIRE_CLASSIC, (struct larder_request){.key = "k", .ask = LARDER_TOUCH_TOO, .ttl_s = 9},
            "gats 9 k\r\n");
    encodes(WIRE_CLASSIC,
            (struct larder_request){.verb = LARDER_CAS, .key = "k", .value = "abc",
                                    .value_bytes = 3, .flags = 4, .ttl_s = 60, .cas = 12},
            "cas k 4 60 3 12\r\nabc\r\n");
    encodes(WIRE_CLASSIC, (struct larder_request){.verb = LARDER_PREPEND, .key = "k"},
            "prepend k 0 0 0\r\n\r\n");
    encodes(WIRE_CLASSIC, (struct larder_request){.verb = LARDER_INCR, .key = "k", .delta = 5},
            "incr k 5\r\n");
    encodes(WIRE_CLASSIC, (struct larder_request){.verb = LARDER_TOUCH, .key = "k", .ttl_s = 5},
            "touch k 5\r\n");
    encodes(WIRE_CLASSIC, (struct larder_request){.verb = LARDER_DELETE, .key = "k"},
            "delete k\r\n");
    encodes(WIRE_CLASSIC, (struct larder_request){.verb = LARDER_NOOP, .key = "k"}, "version\r\n");
}

static bool good(enum wire_dialect dialect, const char *key, size_t bytes) {
    return wire_key_is_good(dialect, span_of(key, bytes));
}

static void keys_are_what_the_dialect_can_say(void **state) {
    char key[300];

    (void)state;
    memset(key, 'k', sizeof(key));
    assert_true(good(WIRE_META, key, 250) && good(WIRE_CLASSIC, key, 250));
    assert_false(good(WIRE_META, key, 0) || good(WIRE_META, key, 251));
    assert_false(good(WIRE_CLASSIC, key, 251));
    /* a byte that is none, at every place of every length */
    for (size_t bytes = 1; bytes <= 40; bytes++) {
        for (size_t at = 0; at < bytes; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                bool binary = byte <= ' ' || byte == 0x7f;

                key[at] = (char)byte;
                assert_int_equal(wire_key_is_binary(span_of(key, bytes)), binary);
                assert_int_equal(good(WIRE_CLASSIC, key, bytes), !binary);
                key[at] = 'k';
            }
        }
    }
    key[0] = ' ';
    assert_true(good(WIRE_META, key, 186) && !good(WIRE_META, key, 188));
}

static struct wire_reply parse(enum wire_dialect dialect, const char *text) {
    struct wire_reply reply;

    wire_parse(dialect, span_from_text(text), &reply);
    return reply;
}

static void meta_replies_are_understood(void **state) {
    struct wire_reply reply = parse(WIRE_META, "VA 5 c12 f3 t-1 l8 h1 W X O77\r\nhello\r\n");

    (void)state;
    assert_int_equal(reply.status, WIRE_VALUE);
    assert_int_equal(reply.value_bytes, 5);
    assert_int_equal(reply.cas, 12);
    assert_int_equal(reply.flags, 3);
    assert_int_equal(reply.ttl_s, LARDER_NEVER);
    assert_int_equal(reply.idle_s, 8);
    assert_true(reply.fetched && reply.has_opaque);
    assert_int_equal(reply.opaque, 77);
    assert_int_equal(reply.marks, LARDER_MARK_WON | LARDER_MARK_STALE);
    assert_int_equal(reply.line_bytes, strlen("VA 5 c12 f3 t-1 l8 h1 W X O77\r\n"));
    reply = parse(WIRE_META, "EN\r\n");
    assert_int_equal(reply.status, WIRE_END);
    assert_false(reply.has_opaque);
    assert_int_equal(reply.ttl_s, LARDER_UNKNOWN);
    assert_int_equal(parse(WIRE_META, "HD O1\r\n").status, WIRE_GOOD);
    assert_int_equal(parse(WIRE_META, "NS O1\r\n").status, WIRE_NOT_STORED);
    assert_int_equal(parse(WIRE_META, "EX O1\r\n").status, WIRE_EXISTS);
    assert_int_equal(parse(WIRE_META, "NF O1\r\n").status, WIRE_NOT_FOUND);
    assert_int_equal(parse(WIRE_META, "MN\r\n").status, WIRE_ALIVE);
    assert_int_equal(parse(WIRE_META, "ERROR\r\n").status, WIRE_UNKNOWN);
    assert_int_equal(parse(WIRE_META, "ERROR Too many open connections\r\n").status, WIRE_BROKEN);
    assert_int_equal(parse(WIRE_META, "CLIENT_ERROR bad\r\n").status, WIRE_REFUSED);
    assert_int_equal(parse(WIRE_META, "SERVER_ERROR bad\r\n").status, WIRE_BROKEN);
}

static void what_is_no_reply_is_nonsense(void **state) {
    static const char *const texts[] = {
        "\r\n",        "\n",           "VA\r\n",       "VA x\r\n",       "VA -1\r\n",
        "VA 1 cx\r\n", "VA 1 c\r\n",   "VA 1 t-2\r\n", "VA 1 Oabc\r\n",  "VA 1 O4294967296\r\n",
        "HD\n",        "HDX\r\n",      "hd\r\n",       "VALUE k 0 1\r\n", "STORED\r\n",
        "VA 99999999999999999999\r\n", "VA 18446744073709551615\r\n",    "VA 1 Wx\r\n",
        "CLIENT_ERRORx\r\n",           "\x80\x01\r\n",
    };
    char line[WIRE_LINE_BYTES_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse(WIRE_META, texts[i]).status, WIRE_NONSENSE);
    }
    assert_int_equal(parse(WIRE_CLASSIC, "VALUE k 0\r\n").status, WIRE_NONSENSE);
    assert_int_equal(parse(WIRE_CLASSIC, "VALUE k x 1\r\n").status, WIRE_NONSENSE);
    assert_int_equal(parse(WIRE_CLASSIC, "HD\r\n").status, WIRE_NONSENSE);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(parse(WIRE_META, line).status, WIRE_NONSENSE);
    line[100] = '\0';
    assert_int_equal(parse(WIRE_META, line).status, WIRE_PART);
    assert_int_equal(parse(WIRE_META, "").status, WIRE_PART);
}

static void classic_replies_are_understood(void **state) {
    struct wire_reply reply = parse(WIRE_CLASSIC, "VALUE key 3 5 12\r\nhello\r\nEND\r\n");

    (void)state;
    assert_int_equal(reply.status, WIRE_VALUE);
    assert_true(span_is(reply.key, "key"));
    assert_int_equal(reply.value_bytes, 5);
    assert_int_equal(reply.cas, 12);
    assert_int_equal(parse(WIRE_CLASSIC, "END\r\n").status, WIRE_END);
    assert_int_equal(parse(WIRE_CLASSIC, "STORED\r\n").status, WIRE_GOOD);
    assert_int_equal(parse(WIRE_CLASSIC, "NOT_STORED\r\n").status, WIRE_NOT_STORED);
    assert_int_equal(parse(WIRE_CLASSIC, "VERSION 1.6.18\r\n").status, WIRE_ALIVE);
    reply = parse(WIRE_CLASSIC, "18446744073709551615\r\n");
    assert_int_equal(reply.status, WIRE_NUMBER);
    assert_true(reply.number == UINT64_MAX);
}

/* What a verb and a reply make; -1: no answer to it. */
static int judge(struct larder_request request, const char *text) {
    struct wire_reply reply = parse(WIRE_META, text);
    enum larder_result result = LARDER_NO_MEMORY;

    return wire_judge(&request, &reply, &result) ? (int)result : -1;
}

static void a_reply_means_what_the_verb_says(void **state) {
    struct larder_request get = {.verb = LARDER_GET};
    struct larder_request win = {.verb = LARDER_GET, .ask = LARDER_VIVIFY};
    struct larder_request set = {.verb = LARDER_SET};
    struct larder_request incr = {.verb = LARDER_INCR};

    (void)state;
    assert_int_equal(judge(get, "VA 1 O1\r\n"), LARDER_HIT);
    assert_int_equal(judge(get, "VA 1 X O1\r\n"), LARDER_STALE);
    assert_int_equal(judge(get, "EN\r\n"), LARDER_MISS);
    assert_int_equal(judge(win, "VA 0 W O1\r\n"), LARDER_MISS);
    assert_int_equal(judge(win, "VA 0 Z O1\r\n"), LARDER_MISS);
    assert_int_equal(judge(win, "VA 0 O1\r\n"), LARDER_HIT);
    assert_int_equal(judge(get, "HD O1\r\n"), -1);
    assert_int_equal(judge(get, "NS O1\r\n"), -1);
    assert_int_equal(judge(set, "HD O1\r\n"), LARDER_STORED);
    assert_int_equal(judge(set, "EX O1\r\n"), LARDER_EXISTS);
    assert_int_equal(judge(set, "VA 1 O1\r\n"), -1);
    assert_int_equal(judge(set, "EN\r\n"), -1);
    assert_int_equal(judge(set, "SERVER_ERROR object too large for cache\r\n"), LARDER_TOO_LARGE);
    assert_int_equal(judge(set, "SERVER_ERROR out of memory\r\n"), LARDER_FAILED);
    assert_int_equal(judge(incr, "CLIENT_ERROR cannot increment\r\n"), LARDER_NOT_NUMBER);
    assert_int_equal(judge(incr, "HD O1\r\n"), -1);
    assert_int_equal(judge((struct larder_request){.verb = LARDER_TOUCH}, "EN\r\n"),
                     LARDER_NOT_FOUND);
    assert_int_equal(judge((struct larder_request){.verb = LARDER_DELETE}, "HD O1\r\n"),
                     LARDER_DELETED);
    assert_int_equal(judge((struct larder_request){.verb = LARDER_NOOP}, "MN\r\n"), LARDER_DONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meta_requests_are_as_the_protocol_has_them),
        cmocka_unit_test(binary_keys_go_as_base64),
        cmocka_unit_test(classic_requests_are_as_the_protocol_has_them),
        cmocka_unit_test(keys_are_what_the_dialect_can_say),
        cmocka_unit_test(meta_replies_are_understood),
        cmocka_unit_test(what_is_no_reply_is_nonsense),
        cmocka_unit_test(classic_replies_are_understood),
        cmocka_unit_test(a_reply_means_what_the_verb_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
