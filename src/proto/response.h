/* larder: what is answered, and its bytes
 *
 * Purpose: the executor's result and the emitters that write it in the request's protocol. The
 *   caller gives room for the stated maximum; nothing here allocates.
 * Owner: none.   Threads: any.   Memory: writes into the caller's.
 * Limits: RESPONSE_HEAD_BYTES_MAX, RESPONSE_LINE_BYTES_MAX.   Errors: none. */
#ifndef LARDER_PROTO_RESPONSE_H
#define LARDER_PROTO_RESPONSE_H

#include "src/base/copy.h"
#include "src/base/number.h"
#include "src/proto/request.h"

enum {
    /* "VALUE " key " " flags " " bytes " " cas "\r\n"; binary: header, extras and key are
     * shorter */
    RESPONSE_HEAD_BYTES_MAX = 6 + REQUEST_KEY_BYTES_MAX + 1 + 10 + 1 + 20 + 1 + 20 + 2,
    RESPONSE_LINE_BYTES_MAX = 96, /* any row of outcomes.def, or a number, with its end */
    RESPONSE_TAIL_BYTES_MAX = 2 + 5, /* behind a value: "\r\n" and "END\r\n" */
    /* status, size, key as base64, opaque, up to ten numbers, line end, a number as value; binary:
     * header, extras and key, or a text */
    RESPONSE_RESULT_BYTES_MAX = 768,
};

/* An item that is sent. */
struct response_value {
    uint64_t value_bytes;
    uint64_t cas;
    uint32_t client_flags;
};

/* What meta and binary replies tell besides the outcome. */
struct response_result {
    uint64_t cas;
    uint64_t value_bytes; /* of the item, in the end */
    uint64_t number;      /* of incr and decr */
    uint32_t client_flags;
    uint32_t now;      /* store seconds, as the following */
    uint32_t expiry;   /* before this request; 0: never */
    uint32_t expiry_set, expiry_vivified; /* by T and N, in the order of the flags */
    uint32_t accessed; /* before this request */
    bool has_number;
    bool fetched;
    bool stale;
    bool win_sent; /* before this request */
    bool won;
    bool created;
    bool key_is_binary; /* of the item */
    bool with_value; /* mg: the value follows */
};

/* Each writes at `to` and returns how many bytes. */

size_t response_write_binary_head(uint8_t *to, const struct request *request,
                                  const struct response_value *value);
/* The whole answer of a meta or binary request but mg's hits and values: at most
 * RESPONSE_RESULT_BYTES_MAX, nothing when the request is quiet about it. `result` may be NULL. */
size_t response_write_result(uint8_t *to, const struct request *request, enum outcome outcome,
                             const struct response_result *result);

/* What stands before a value's bytes. */
__attribute__((always_inline)) static inline size_t
response_write_head(uint8_t *to, const struct request *request,
                    const struct response_value *value) {
    if (__builtin_expect(request->protocol == REQUEST_BINARY, 0)) {
        return response_write_binary_head(to, request, value);
    }
    uint8_t *at = to + 6;

    memcpy(to, "VALUE ", 6);
    copy_short(at, request->key.data, request->key.len);
    at += request->key.len;
    if (value->client_flags == 0) {
        memcpy(at, " 0 ", 3);
        at += 3;
    } else {
        *at++ = ' ';
        at += number_write_u64(at, value->client_flags);
        *at++ = ' ';
    }
    at += number_write_u64(at, value->value_bytes);
    if (request->verb == VERB_GETS || request->verb == VERB_GATS) {
        *at++ = ' ';
        at += number_write_u64(at, value->cas);
    }
    memcpy(at, "\r\n", 2);
    return (size_t)(at + 2 - to);
}

/* ASCII: what stands behind them; with request->last the end of the reply too. */
static inline size_t response_write_tail(uint8_t *to, const struct request *request) {
    memcpy(to, "\r\nEND\r\n", 7);
    return request->last ? 7 : 2;
}

/* A key without an item: nothing, or the end of the reply with request->last. */
static inline size_t response_write_miss(uint8_t *to, const struct request *request) {
    if (__builtin_expect(request->protocol == REQUEST_BINARY, 0)) {
        return response_write_result(to, request, OUTCOME_NOT_FOUND, NULL);
    }
    memcpy(to, "END\r\n", 5);
    return request->last ? 5 : 0;
}

/* A fixed answer. Does not look at noreply. */
size_t response_write_outcome(uint8_t *to, const struct request *request, enum outcome outcome);
/* The new value of incr and decr. */
size_t response_write_number(uint8_t *to, const struct request *request, uint64_t number);

/* mg's hit, up to the value or, without one, whole. At most RESPONSE_RESULT_BYTES_MAX. */
size_t response_write_meta_hit(uint8_t *to, const struct request *request,
                               const struct response_result *result);
/* me's hit, whole: the text follows "ME KEY ", the key as base64 if the item is marked so. At most
 * RESPONSE_RESULT_BYTES_MAX. */
size_t response_write_meta_debug(uint8_t *to, const struct request *request, bool base64,
                                 const char *text, size_t bytes);

/* A binary packet without its value: header, client flags if `has_flags`, key. */
struct response_packet {
    struct span key;
    uint64_t value_bytes;
    uint64_t cas;
    uint32_t client_flags;
    uint16_t status;
    bool has_flags;
};
size_t response_write_packet(uint8_t *to, const struct request *request,
                             const struct response_packet *packet);
size_t response_write_binary_outcome(uint8_t *to, const struct request *request,
                                     enum outcome outcome, const struct response_result *result);
size_t response_write_meta_outcome(uint8_t *to, const struct request *request,
                                   enum outcome outcome, const struct response_result *result);

/* Status and body of an outcome in the binary protocol. */
uint16_t outcome_status(enum outcome outcome);
const char *outcome_says(enum outcome outcome);
/* The text of an outcome, without its end. */
struct span outcome_text(enum outcome outcome);

#endif
