/* larder: packets of the binary protocol */
#include "src/proto/binary.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the loads and stores of binary.h swap"
#endif

enum { OPCODE_NO, OPCODE_YES, OPCODE_ANY };

struct opcode {
    uint8_t known;
    uint8_t verb;
    uint8_t extras;
    uint8_t extras_or;
    uint8_t key;
    uint8_t value;
    uint8_t bits;
};

static const struct opcode opcodes[256] = {
#define OPCODE(number, VERB, extras_bytes, extras_bytes_or, key_is, value_is, always)              \
    [number] = {.known = 1,                                                                        \
                .verb = VERB_##VERB,                                                               \
                .extras = extras_bytes,                                                            \
                .extras_or = extras_bytes_or,                                                      \
                .key = OPCODE_##key_is,                                                            \
                .value = OPCODE_##value_is,                                                        \
                .bits = always},
#include "src/proto/binary_opcodes.def"
#undef OPCODE
};

#define EXPTIME_CREATE_NOTHING 0xffffffffu

/* The lengths of a header, widened. */
struct binary_lengths {
    uint64_t key, extras, body;
};

static uint64_t binary_refuse(struct binary_packet *packet, enum binary_packet_kind kind,
                              enum outcome wrong, uint64_t value_bytes) {
    packet->kind = kind;
    packet->wrong = wrong;
    packet->value_bytes = value_bytes;
    packet->front_bytes = BINARY_HEADER_BYTES;
    return 0;
}

static bool binary_lengths_fit(const struct opcode *opcode, const struct binary_lengths *lengths) {
    bool key = opcode->key == OPCODE_ANY || (lengths->key > 0) == (opcode->key == OPCODE_YES);
    bool extras = lengths->extras == opcode->extras || lengths->extras == opcode->extras_or;
    bool body = opcode->value == OPCODE_YES || lengths->body == lengths->key + lengths->extras;

    return key && extras && body;
}

/* What the extras and the header's cas say, by verb. */
static void binary_read_extras(struct request *request, const uint8_t *extras,
                               uint64_t extras_bytes) {
    bool compare = request->cas != 0;

    switch (request->verb) {
    case VERB_SET:
    case VERB_ADD:
    case VERB_REPLACE:
        request->client_flags = binary_load_u32(extras);
        request->exptime = (int32_t)binary_load_u32(extras + 4);
        request->verb = compare ? VERB_CAS : request->verb;
        break;
    case VERB_APPEND:
    case VERB_PREPEND:
        request->client_flags = 0;
        request->exptime = 0;
        request->meta |= compare ? BINARY_COMPARE : 0;
        break;
    case VERB_INCR:
    case VERB_DECR:
        request->delta = binary_load_u64(extras);
        request->initial = binary_load_u64(extras + 8);
        request->vivify_exptime = (int32_t)binary_load_u32(extras + 16);
        request->meta |= compare ? BINARY_COMPARE : 0;
        request->meta |=
            (uint32_t)request->vivify_exptime != EXPTIME_CREATE_NOTHING ? BINARY_CREATE : 0;
        break;
    case VERB_DELETE:
        request->meta |= compare ? BINARY_COMPARE : 0;
        break;
    default: /* gat, touch and flush; others have none */
        request->exptime = extras_bytes == 4 ? (int32_t)binary_load_u32(extras) : 0;
        break;
    }
}

size_t binary_get_fast(struct span input, struct request *request) {
    const uint32_t gets = 1u << 0x00 | 1u << 0x09 | 1u << 0x0c | 1u << 0x0d;
    const uint8_t *at = input.data;

    if (input.len < BINARY_HEADER_BYTES) {
        return 0;
    }
    uint32_t first = binary_load_u32(at);
    uint32_t opcode = first >> 16 & 0xff;
    uint32_t key_bytes = first & 0xffff;

    if (first >> 24 != BINARY_MAGIC_REQUEST || opcode > 31 || (gets >> opcode & 1) == 0 ||
        at[4] != 0 || binary_load_u32(at + 8) != key_bytes ||
        key_bytes - 1 >= REQUEST_KEY_BYTES_MAX || input.len < BINARY_HEADER_BYTES + key_bytes) {
        return 0;
    }
    request->verb = VERB_GET;
    request->protocol = REQUEST_BINARY;
    request->opcode = (uint8_t)opcode;
    request->meta = opcodes[opcode].bits;
    request->last = (opcodes[opcode].bits & BINARY_QUIET) == 0;
    request->key = span_of(at + BINARY_HEADER_BYTES, key_bytes);
    memcpy(&request->opaque, at + 12, sizeof request->opaque);
    return BINARY_HEADER_BYTES + key_bytes;
}

uint64_t binary_parse(struct span input, struct request *request, struct binary_packet *packet) {
    const uint8_t *at = input.data;

    if (at[0] != BINARY_MAGIC_REQUEST) {
        return binary_refuse(packet, BINARY_PACKET_FOREIGN, OUTCOME_NONE, 0);
    }
    if (input.len < BINARY_HEADER_BYTES) {
        return BINARY_HEADER_BYTES;
    }
    const struct opcode *opcode = &opcodes[at[1]];
    const struct binary_lengths lengths = {.key = (uint64_t)at[2] << 8 | at[3],
                                           .extras = at[4],
                                           .body = binary_load_u32(at + 8)};

    request->protocol = REQUEST_BINARY;
    request->noreply = false;
    request->opcode = at[1];
    memcpy(&request->opaque, at + 12, sizeof request->opaque);
    if (lengths.key + lengths.extras > lengths.body) {
        return binary_refuse(packet, BINARY_PACKET_FATAL, OUTCOME_UNKNOWN_COMMAND, 0);
    }
    if (lengths.body > BINARY_BODY_BYTES_MAX || lengths.key > REQUEST_KEY_BYTES_MAX) {
        return binary_refuse(packet, BINARY_PACKET_FATAL, OUTCOME_BAD_PACKET, 0);
    }
    if (!opcode->known) {
        return binary_refuse(packet, BINARY_PACKET_REFUSED, OUTCOME_UNKNOWN_COMMAND, lengths.body);
    }
    if (!binary_lengths_fit(opcode, &lengths)) {
        return binary_refuse(packet, BINARY_PACKET_FATAL, OUTCOME_BAD_PACKET, 0);
    }
    packet->front_bytes = BINARY_HEADER_BYTES + lengths.extras + lengths.key;
    if (input.len < packet->front_bytes) {
        return packet->front_bytes;
    }
    const uint8_t *extras = at + BINARY_HEADER_BYTES;

    request->verb = opcode->verb;
    request->meta = opcode->bits;
    request->last = (opcode->bits & BINARY_QUIET) == 0;
    request->cas = binary_load_u64(at + 16);
    request->key = span_of(extras + lengths.extras, (size_t)lengths.key);
    request->arguments = request->key;
    packet->value_bytes = lengths.body - lengths.key - lengths.extras;
    if (request->verb == VERB_SASL_AUTH || request->verb == VERB_SASL_STEP) {
        enum outcome wrong = lengths.key > BINARY_MECHANISM_BYTES_MAX        ? OUTCOME_BAD_PACKET
                             : packet->value_bytes > BINARY_TOKEN_BYTES_MAX ? OUTCOME_TOO_LARGE
                                                                             : OUTCOME_NONE;

        if (wrong != OUTCOME_NONE) {
            return binary_refuse(packet, BINARY_PACKET_REFUSED, wrong, lengths.body);
        }
    }
    packet->kind = opcode->value == OPCODE_YES ? BINARY_PACKET_VALUE : BINARY_PACKET_WHOLE;
    binary_read_extras(request, extras, lengths.extras);
    return 0;
}
