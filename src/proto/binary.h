/* larder: packets of the binary protocol
 *
 * Purpose: the one decoder of request headers. Every length is widened, bounded and checked against
 *   the others before it is used; extras and key are as the opcode's row wants them.
 *
 *   +0  magic 0x80, opcode u8, key bytes u16 | extras bytes u8, data type u8 (ignored), vbucket u16
 *   +8  body bytes u32, opaque u32 (echoed as it is) | cas u64
 *   +24 extras, key, value; all numbers big endian
 *
 * Owner: none.   Threads: any.   Memory: the request borrows the input.
 * Limits: keys of 250 bytes, bodies of 1 GiB.
 * Errors: told as a kind of packet; nothing past the header is looked at then. */
#ifndef LARDER_PROTO_BINARY_H
#define LARDER_PROTO_BINARY_H

#include "src/proto/request.h"

enum {
    BINARY_MAGIC_REQUEST = 0x80,
    BINARY_MAGIC_RESPONSE = 0x81,
    BINARY_HEADER_BYTES = 24,
    BINARY_BODY_BYTES_MAX = 1 << 30,
    BINARY_OPCODE_SASL_FIRST = 0x20,
    BINARY_OPCODE_SASL_LAST = 0x22,
    BINARY_MECHANISM_BYTES_MAX = 32,  /* of SASL: the key */
    BINARY_TOKEN_BYTES_MAX = 8 * 1024, /* of SASL: the value, which is never announced */
};

enum binary_packet_kind {
    BINARY_PACKET_WHOLE,   /* the request is in the input */
    BINARY_PACKET_VALUE,   /* its front is; value_bytes of value come next */
    BINARY_PACKET_REFUSED, /* answer `wrong` when value_bytes more are passed over */
    BINARY_PACKET_FATAL,   /* answer `wrong` and hang up */
    BINARY_PACKET_FOREIGN, /* no request at all: hang up */
};

struct binary_packet {
    enum binary_packet_kind kind;
    enum outcome wrong;
    uint64_t front_bytes; /* header, extras and key; of what is refused the header alone */
    uint64_t value_bytes;
};

/* Reads the packet at the front of the input into the request. Returns 0, or how many bytes there
 * must be. */
uint64_t binary_parse(struct span input, struct request *request, struct binary_packet *packet);

/* A whole get in one of its four forms, which is nearly all that is ever sent: its bytes. 0: let
 * binary_parse look. The request's marks have been reset. */
size_t binary_get_fast(struct span input, struct request *request);

static inline uint32_t binary_load_u32(const uint8_t *from) {
    uint32_t value;

    memcpy(&value, from, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t binary_load_u64(const uint8_t *from) {
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return __builtin_bswap64(value);
}

static inline void binary_store_u32(uint8_t *to, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

static inline void binary_store_u64(uint8_t *to, uint64_t value) {
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

#endif
