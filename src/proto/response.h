/* larder: what is answered, and its bytes
 *
 * Purpose: the executor's result and the emitters that write it in the request's protocol. The
 *   caller gives room for the stated maximum; nothing here allocates.
 * Owner: none.   Threads: any.   Memory: writes into the caller's.
 * Limits: RESPONSE_HEAD_BYTES_MAX, RESPONSE_LINE_BYTES_MAX.   Errors: none. */
#ifndef LARDER_PROTO_RESPONSE_H
#define LARDER_PROTO_RESPONSE_H

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
size_t response_write_head(uint8_t *to, const struct request *request,
                           const struct response_value *value);
/* What stands behind them; with request->last the end of the reply too. */
size_t response_write_tail(uint8_t *to, const struct request *request);
/* A key without an item: nothing, or the end of the reply with request->last. */
size_t response_write_miss(uint8_t *to, const struct request *request);
/* A fixed answer. Does not look at noreply. */
size_t response_write_outcome(uint8_t *to, const struct request *request, enum outcome outcome);
/* The new value of incr and decr. */
size_t response_write_number(uint8_t *to, const struct request *request, uint64_t number);

/* The text of an outcome, without its end. */
struct span outcome_text(enum outcome outcome);

#endif
