/* larder: tests of the header decoder of the binary protocol */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/proto/binary.h"

enum { SET = 0x01, GET = 0x00, INCR = 0x05, NOOP = 0x0a, GAT = 0x1d, UNKNOWN = 0x99 };

/* What a header says of its packet, and what the decoder made of it. */
struct decoded {
    struct request request;
    struct binary_packet packet;
    uint64_t wanted; /* bytes there must be */
};

static void header_write(uint8_t *to, uint8_t opcode, uint16_t key, uint8_t extras,
                         uint32_t body) {
    memset(to, 0, BINARY_HEADER_BYTES);
    to[0] = BINARY_MAGIC_REQUEST;
    to[1] = opcode;
    to[2] = (uint8_t)(key >> 8);
    to[3] = (uint8_t)key;
    to[4] = extras;
    binary_store_u32(to + 8, body);
}

/* Decodes a packet of which `bytes` are there, in memory that ends with them. */
static struct decoded decode(const uint8_t *packet, size_t bytes) {
    struct decoded decoded;
    uint8_t *input = malloc(bytes);

    assert_non_null(input);
    memcpy(input, packet, bytes);
    memset(&decoded, 0, sizeof decoded);
    decoded.wanted = binary_parse(span_of(input, bytes), &decoded.request, &decoded.packet);
    free(input); /* the tests look at no key */
    return decoded;
}

static struct decoded decode_header(uint8_t opcode, uint16_t key, uint8_t extras, uint32_t body) {
    uint8_t header[BINARY_HEADER_BYTES];

    header_write(header, opcode, key, extras, body);
    return decode(header, sizeof header);
}

static void expect_fatal(const struct decoded *decoded, enum outcome wrong) {
    assert_int_equal(decoded->wanted, 0);
    assert_int_equal(decoded->packet.kind, BINARY_PACKET_FATAL);
    assert_int_equal(decoded->packet.wrong, wrong);
}

static void a_header_is_awaited_whole(void **state) {
    uint8_t header[BINARY_HEADER_BYTES];

    (void)state;
    header_write(header, NOOP, 0, 0, 0);
    for (size_t bytes = 1; bytes < sizeof header; bytes++) {
        assert_int_equal(decode(header, bytes).wanted, BINARY_HEADER_BYTES);
    }
    struct decoded whole = decode(header, sizeof header);

    assert_int_equal(whole.wanted, 0);
    assert_int_equal(whole.packet.kind, BINARY_PACKET_WHOLE);
}

static void another_first_byte_is_no_request(void **state) {
    uint8_t header[BINARY_HEADER_BYTES];

    (void)state;
    for (unsigned magic = 0; magic < 256; magic++) {
        header_write(header, NOOP, 0, 0, 0);
        header[0] = (uint8_t)magic;
        assert_int_equal(decode(header, 1).packet.kind == BINARY_PACKET_FOREIGN,
                         magic != BINARY_MAGIC_REQUEST);
    }
}

static void lengths_are_checked_against_each_other(void **state) {
    struct decoded decoded;

    (void)state;
    decoded = decode_header(SET, 1, 8, 8);
    expect_fatal(&decoded, OUTCOME_UNKNOWN_COMMAND);
    decoded = decode_header(GET, 65535, 255, 0);
    expect_fatal(&decoded, OUTCOME_UNKNOWN_COMMAND);
    decoded = decode_header(UNKNOWN, 250, 0, 249);
    expect_fatal(&decoded, OUTCOME_UNKNOWN_COMMAND);
    decoded = decode_header(GET, 251, 0, 251);
    expect_fatal(&decoded, OUTCOME_BAD_PACKET);
    decoded = decode_header(SET, 1, 8, BINARY_BODY_BYTES_MAX + 1u);
    expect_fatal(&decoded, OUTCOME_BAD_PACKET);
    decoded = decode_header(SET, 1, 8, UINT32_MAX);
    expect_fatal(&decoded, OUTCOME_BAD_PACKET);
    decoded = decode_header(SET, 1, 8, INT32_MAX + 1u);
    expect_fatal(&decoded, OUTCOME_BAD_PACKET);
}

static void every_opcode_has_its_own_extras(void **state) {
    static const struct {
        uint8_t opcode, key, extras;
        bool value;
    } shapes[] = {{GET, 1, 0, false}, {SET, 1, 8, true}, {INCR, 1, 20, false},
                  {GAT, 1, 4, false}, {NOOP, 0, 0, false}};

    (void)state;
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (unsigned extras = 0; extras < 256; extras++) {
            struct decoded decoded = decode_header(shapes[i].opcode, shapes[i].key,
                                                   (uint8_t)extras, shapes[i].key + extras);

            if (extras == shapes[i].extras) {
                assert_int_equal(decoded.packet.front_bytes,
                                 BINARY_HEADER_BYTES + shapes[i].key + extras);
            } else {
                expect_fatal(&decoded, OUTCOME_BAD_PACKET);
            }
        }
        struct decoded more = decode_header(shapes[i].opcode, shapes[i].key, shapes[i].extras,
                                            shapes[i].key + shapes[i].extras + 1u);

        assert_int_equal(more.packet.kind == BINARY_PACKET_FATAL, !shapes[i].value);
    }
}

static void an_unknown_command_passes_over_its_body(void **state) {
    struct decoded decoded = decode_header(UNKNOWN, 3, 4, 1000);

    (void)state;
    assert_int_equal(decoded.wanted, 0);
    assert_int_equal(decoded.packet.kind, BINARY_PACKET_REFUSED);
    assert_int_equal(decoded.packet.wrong, OUTCOME_UNKNOWN_COMMAND);
    assert_int_equal(decoded.packet.value_bytes, 1000);
}

static void the_front_is_awaited_and_the_value_announced(void **state) {
    uint8_t packet[BINARY_HEADER_BYTES + 8 + 3];

    (void)state;
    header_write(packet, SET, 3, 8, 8 + 3 + 1000000);
    memset(packet + BINARY_HEADER_BYTES, 0, 8);
    memcpy(packet + BINARY_HEADER_BYTES + 8, "key", 3);
    for (size_t bytes = BINARY_HEADER_BYTES; bytes < sizeof packet; bytes++) {
        assert_int_equal(decode(packet, bytes).wanted, sizeof packet);
    }
    struct decoded decoded = decode(packet, sizeof packet);

    assert_int_equal(decoded.wanted, 0);
    assert_int_equal(decoded.packet.kind, BINARY_PACKET_VALUE);
    assert_int_equal(decoded.packet.value_bytes, 1000000);
    assert_int_equal(decoded.request.key.len, 3);
    assert_int_equal(decoded.request.verb, VERB_SET);
}

/* Whatever a header says, the decoder asks for no more than its front and reads no further. */
static void any_header_is_survived(void **state) {
    uint8_t header[BINARY_HEADER_BYTES];
    uint64_t random = 88172645463325252u;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        for (unsigned i = 0; i < sizeof header; i += 8) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            memcpy(header + i, &random, 8);
        }
        header[0] = BINARY_MAGIC_REQUEST;
        header[1] &= 0x3f;
        header[2] = round % 4 != 0 ? 0 : header[2];
        header[4] = round % 3 != 0 ? header[4] & 31 : header[4];
        header[8] = round % 2 != 0 ? 0 : header[8];
        struct decoded decoded = decode(header, sizeof header);

        assert_true(decoded.wanted <= BINARY_HEADER_BYTES + 255u + REQUEST_KEY_BYTES_MAX);
        assert_true(decoded.wanted != 0 || decoded.packet.value_bytes <= BINARY_BODY_BYTES_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_awaited_whole),
        cmocka_unit_test(another_first_byte_is_no_request),
        cmocka_unit_test(lengths_are_checked_against_each_other),
        cmocka_unit_test(every_opcode_has_its_own_extras),
        cmocka_unit_test(an_unknown_command_passes_over_its_body),
        cmocka_unit_test(the_front_is_awaited_and_the_value_announced),
        cmocka_unit_test(any_header_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
