/* larder: bytes to requests
 *
 * Purpose: cuts the bytes of one connection into requests, in any portions. Knows no socket, no
 *   store, no clock, and allocates nothing: the caller holds the input.
 * Owner: the session.   Threads: one.
 * Memory: requests point into the input given to parser_next; they live as long as it does.
 * Limits: a line without end may have 2048 bytes (then PARSE_CLOSE); lines of get, gets, gat and
 *   gats PARSER_LINE_BYTES_MAX; with its end in sight 16 KiB. Values up to
 *   `value_bytes_inline_max` are waited for whole, larger ones are announced (value_follows).
 * Errors: a client's mistakes come out as requests with VERB_FAIL; PARSE_CLOSE where memcached
 *   hangs up. */
#ifndef LARDER_PROTO_PARSER_H
#define LARDER_PROTO_PARSER_H

#include "src/proto/meta.h"
#include "src/proto/request.h"
#include "src/proto/scan.h"

enum {
    PARSER_LINE_BYTES_MAX = 1 << 20,         /* get, gets, gat, gats */
    PARSER_LINE_BYTES_UNENDED_MAX = 2048,    /* others, while no \n is in sight */
    PARSER_LINE_BYTES_ENDED_MAX = 16 * 1024, /* others, with it */
};

enum parser_protocol { PARSER_AUTO, PARSER_ASCII_ONLY, PARSER_BINARY_ONLY };

enum parser_state {
    PARSER_FIRST,   /* no byte seen yet: picks the protocol */
    PARSER_LINE,    /* between two commands, or inside the line of one */
    PARSER_BINARY,  /* between two binary packets */
    PARSER_KEYS,    /* inside a validated line of keys */
    PARSER_SWALLOW, /* dropping the value of a refused command */
    PARSER_CLOSED,
};

enum parse_result {
    PARSE_MORE,    /* nothing whole in the input; `need_bytes` says how much there must be */
    PARSE_REQUEST, /* *request is filled */
    PARSE_CLOSE,   /* hang up without a reply; the parser stays there */
};

/* Plain data; all fields private to the parser but need_bytes and scanned_bytes. */
struct parser {
    uint8_t protocol; /* enum parser_protocol; AUTO until the first byte */
    uint8_t state;    /* enum parser_state */
    uint8_t verb;     /* inside a key list: its verb */
    bool noreply;     /* of the request whose value is swallowed */
    uint8_t outcome;  /* the answer once it is swallowed */
    uint8_t opcode;   /* binary: whose */
    uint32_t opaque;
    int32_t exptime;  /* inside a key list of gat, gats */
    uint32_t value_bytes_inline_max;
    uint32_t line_bytes_left; /* inside a key list: to the end of its line, the end included */
    uint32_t scanned_bytes;   /* > 0: the line is unfinished, so many bytes hold no \n */
    uint64_t need_bytes;      /* after PARSE_MORE: no progress before the input has this many */
    uint64_t swallow_bytes;   /* still to be dropped */
};

/* `value_bytes_inline_max` >= 1. */
void parser_init(struct parser *parser, enum parser_protocol protocol,
                 uint32_t value_bytes_inline_max);

/* After `request`, with value_follows, failed at once: drops `bytes` of input, then comes out with
 * VERB_FAIL and `outcome`. */
void parser_swallow(struct parser *parser, const struct request *request, uint64_t bytes,
                    enum outcome outcome);

/* Takes back `request` and everything parsed after it (all unexecuted): the next input offered
 * starts with the request's first byte. */
void parser_rewind(struct parser *parser, const struct request *request);

/* True between two commands: nothing of one was consumed. */
bool parser_is_idle(const struct parser *parser);

/* -- taking requests --------------------------------------------------------------------------- */

/* "get KEY\r\n", whole and with one key. Returns its bytes; 0: let the general parser look. */
static inline size_t parser_get_fast(struct span input, struct request *request) {
    const uint8_t *key = input.data + 4;
    const uint8_t *end = input.data + input.len;
    const uint8_t *stop = scan_token_end(input.data, key, end);

    if (stop == end || *stop != '\n') {
        return 0;
    }
    size_t key_bytes = (size_t)(stop - key);

    key_bytes -= stop[-1] == '\r' && key_bytes > 0;
    if (key_bytes - 1 >= REQUEST_KEY_BYTES_MAX) {
        return 0;
    }
    request_mark(request, VERB_GET, true);
    request->key = span_of(key, key_bytes);
    return (size_t)(stop + 1 - input.data);
}

/* "set KEY FLAGS EXPTIME BYTES\r\n" with plain short numbers and the whole value behind it. Returns
 * the bytes of all; 0: let the general parser look. */
size_t parser_set_fast(struct span input, struct request *request);

/* One key of a validated line; `input` starts in front of it. */
enum parse_result parser_next_key(struct parser *parser, struct span input, size_t *consumed,
                                  struct request *request);

/* Everything else. */
enum parse_result parser_next_slow(struct parser *parser, struct span input, size_t *consumed,
                                   struct request *request);

/* Takes the next request off the front of `input` (contiguous). `*consumed` is the number of bytes
 * that are done with, also with PARSE_MORE (swallowed ones); the caller offers the rest again, with
 * more behind it. A line of keys comes out as one request a key, after the whole line was looked
 * at: between two keys the caller may stop as long as it likes. request->input_offset is the
 * caller's. */
static inline enum parse_result parser_next(struct parser *parser, struct span input,
                                            size_t *consumed, struct request *request) {
    size_t bytes = 0;

    parser->need_bytes = 1;
    if (parser->state == PARSER_LINE && parser->scanned_bytes == 0 && input.len >= 8) {
        if (memcmp(input.data, "get ", 4) == 0) {
            bytes = parser_get_fast(input, request);
        } else if (memcmp(input.data, "set ", 4) == 0) {
            bytes = parser_set_fast(input, request);
        } else if (memcmp(input.data, "mg ", 3) == 0) {
            bytes = meta_get_fast(input, request);
        }
    }
    if (bytes > 0) {
        *consumed = bytes;
        return PARSE_REQUEST;
    }
    if (parser->state == PARSER_KEYS && input.len > 0) {
        return parser_next_key(parser, input, consumed, request);
    }
    return parser_next_slow(parser, input, consumed, request);
}

#endif
