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
};

/* An item that is sent. */
struct response_value {
    uint64_t value_bytes;
    uint64_t cas;
    uint32_t client_flags;
};

/* Each writes at `to` and returns how many bytes. */

/* What stands before a value's bytes. */
static inline size_t response_write_head(uint8_t *to, const struct request *request,
                                         const struct response_value *value) {
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

/* What stands behind them; with request->last the end of the reply too. */
static inline size_t response_write_tail(uint8_t *to, const struct request *request) {
    memcpy(to, "\r\nEND\r\n", 7);
    return request->last ? 7 : 2;
}

/* A key without an item: nothing, or the end of the reply with request->last. */
static inline size_t response_write_miss(uint8_t *to, const struct request *request) {
    memcpy(to, "END\r\n", 5);
    return request->last ? 5 : 0;
}

/* A fixed answer. Does not look at noreply. */
size_t response_write_outcome(uint8_t *to, const struct request *request, enum outcome outcome);
/* The new value of incr and decr. */
size_t response_write_number(uint8_t *to, const struct request *request, uint64_t number);

/* The text of an outcome, without its end. */
struct span outcome_text(enum outcome outcome);

#endif
