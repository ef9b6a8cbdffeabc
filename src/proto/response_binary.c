/* larder: answers of the binary protocol */
#include "src/proto/binary.h"
#include "src/proto/response.h"

#include "src/base/assert.h"

size_t response_write_packet(uint8_t *to, const struct request *request,
                             const struct response_packet *packet) {
    uint32_t extras_bytes = packet->has_flags ? 4 : 0;
    uint64_t body_bytes = extras_bytes + packet->key.len + packet->value_bytes;

    ASSERT(body_bytes <= UINT32_MAX && packet->key.len <= UINT16_MAX);
    binary_store_u32(to, (uint32_t)BINARY_MAGIC_RESPONSE << 24 | (uint32_t)request->opcode << 16 |
                             (uint32_t)packet->key.len);
    binary_store_u32(to + 4, extras_bytes << 24 | packet->status);
    binary_store_u32(to + 8, (uint32_t)body_bytes);
    memcpy(to + 12, &request->opaque, sizeof request->opaque);
    binary_store_u64(to + 16, packet->cas);
    binary_store_u32(to + BINARY_HEADER_BYTES, packet->client_flags); /* room is there */
    if (packet->key.len > 0) {
        memcpy(to + BINARY_HEADER_BYTES + extras_bytes, packet->key.data, packet->key.len);
    }
    return BINARY_HEADER_BYTES + extras_bytes + packet->key.len;
}

size_t response_write_binary_head(uint8_t *to, const struct request *request,
                                  const struct response_value *value) {
    uint32_t key_bytes = (request->meta & BINARY_KEY) != 0 ? (uint32_t)request->key.len : 0;
    uint64_t value_bytes = (request->meta & BINARY_NO_VALUE) != 0 ? 0 : value->value_bytes;

    ASSERT(value_bytes <= UINT32_MAX - 4 - REQUEST_KEY_BYTES_MAX);
    binary_store_u32(to, (uint32_t)BINARY_MAGIC_RESPONSE << 24 | (uint32_t)request->opcode << 16 |
                             key_bytes);
    binary_store_u32(to + 4, 4u << 24);
    binary_store_u32(to + 8, 4 + key_bytes + (uint32_t)value_bytes);
    memcpy(to + 12, &request->opaque, sizeof request->opaque);
    binary_store_u64(to + 16, value->cas);
    binary_store_u32(to + BINARY_HEADER_BYTES, value->client_flags);
    if (key_bytes > 0) {
        memcpy(to + BINARY_HEADER_BYTES + 4, request->key.data, key_bytes);
    }
    return BINARY_HEADER_BYTES + 4 + key_bytes;
}

/* What the store said, as this opcode words it. */
static enum outcome binary_outcome(const struct request *request, enum outcome outcome) {
    if (outcome != OUTCOME_NOT_STORED) {
        return outcome;
    }
    return request->verb == VERB_ADD       ? OUTCOME_EXISTS
           : request->verb == VERB_REPLACE ? OUTCOME_NOT_FOUND
                                           : outcome;
}

size_t response_write_binary_outcome(uint8_t *to, const struct request *request,
                                     enum outcome outcome, const struct response_result *result) {
    outcome = binary_outcome(request, outcome);
    struct response_packet packet = {.status = outcome_status(outcome)};
    const char *says = outcome_says(outcome);
    uint8_t number[8];
    struct span body = span_from_text(says);

    if (packet.status == 0 && request->verb < VERB_FAIL && (request->meta & BINARY_QUIET) != 0) {
        return 0;
    }
    if (result && packet.status == 0) {
        packet.cas = result->cas;
        if (result->has_number) {
            binary_store_u64(number, result->number);
            body = span_of(number, sizeof number);
        }
    }
    if (outcome == OUTCOME_NOT_FOUND && request->verb < VERB_FAIL &&
        (request->meta & BINARY_KEY) != 0) {
        packet.key = request->key;
        body.len = 0;
    }
    packet.value_bytes = body.len;
    size_t bytes = response_write_packet(to, request, &packet);

    if (body.len > 0) {
        memcpy(to + bytes, body.data, body.len);
    }
    return bytes + body.len;
}
