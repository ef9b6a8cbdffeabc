/* larder: what a client asked for, whatever protocol carried it
 *
 * Purpose: the parsers' result and the executor's input. Meta flags and binary headers map onto
 *   the fields of the classic commands, so that what a command means stands once.
 * Owner: the engine's window of requests.   Threads: one core.
 * Memory: spans are borrowed from the input that was parsed; see parser.h for how long.
 * Limits: keys 1..250 bytes; values below 2 GiB.
 * Errors: what the client did wrong is verb VERB_FAIL with `outcome` saying what. */
#ifndef LARDER_PROTO_REQUEST_H
#define LARDER_PROTO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

enum {
    REQUEST_KEY_BYTES_MAX = 250,
    REQUEST_TOKENS_MAX = 23, /* tokens of a line that are looked at; the rest is ignored */
};

#define REQUEST_VALUE_BYTES_MAX 2147483645u /* INT_MAX - 2, as in memcached */

enum verb {
#define COMMAND(VERB, word, shape, tokens_min, execute, doc) VERB_##VERB,
#include "src/proto/commands.def"
#undef COMMAND
    VERB_SASL_LIST, /* binary only: logging in, see src/engine/sasl.h */
    VERB_SASL_AUTH,
    VERB_SASL_STEP,
    VERB_FAIL, /* nothing to execute: answer `outcome` */
    VERB_HANG_UP, /* the same, then close */
    VERB_COUNT
};

/* Whether request->key is set. */
#define REQUEST_VERB_HAS_KEY(verb) ((verb) <= VERB_GATS)

enum outcome {
#define OUTCOME(NAME, text, status, says) OUTCOME_##NAME,
#include "src/proto/outcomes.def"
#undef OUTCOME
    OUTCOME_COUNT
};

enum request_protocol { REQUEST_ASCII, REQUEST_META, REQUEST_BINARY };

/* Numbers of the meta flags, and their bits in request->meta. */
enum meta_flag {
#define META_FLAG(NAME, letter, token, doc) META_NUMBER_##NAME,
#include "src/proto/meta_flags.def"
#undef META_FLAG
    META_FLAG_COUNT
};

enum meta_bit {
#define META_FLAG(NAME, letter, token, doc) META_##NAME = 1 << META_NUMBER_##NAME,
#include "src/proto/meta_flags.def"
#undef META_FLAG
};

/* How request->meta of a binary request says what its opcode asks for. */
enum binary_bit {
    BINARY_QUIET = 1,    /* answers only what the client must know */
    BINARY_KEY = 2,      /* the key comes back */
    BINARY_NO_VALUE = 4, /* touch: the value does not */
    BINARY_COMPARE = 8,  /* `cas` is to be compared */
    BINARY_CREATE = 16,  /* incr, decr: a missing item is created */
};

/* Fields that a verb does not name below are undefined. The common ones are always set. */
struct request {
    /* common */
    uint8_t verb;     /* enum verb */
    uint8_t protocol; /* enum request_protocol */
    uint8_t outcome;  /* enum outcome; VERB_FAIL: the answer. OUTCOME_NONE: none */
    bool noreply;     /* answer nothing */

    bool last;          /* KEYS shapes: the line's last key, END goes with its reply */
    bool value_follows; /* STORAGE: value is not in the input; value_bytes + 2 bytes come next
                         * (false with all others) */
    bool value_bad_end; /* STORAGE, value whole: it does not end in \r\n */

    uint8_t opcode; /* binary: as it came */

    /* Where this request stands in the input, so that it can be taken back (parser_rewind). */
    uint32_t input_offset;    /* of its first byte, from the start of the parsed span */
    uint32_t line_bytes_left; /* KEYS shapes, not the first key: bytes to the end of the line */

    struct span key; /* KEYS, STORAGE, KEY shapes: 1..250 bytes; meta with `b`: as base64 */
    union {
        struct span value; /* STORAGE without value_follows */
        struct {           /* INCR, DECR */
            uint64_t delta;
            uint64_t initial; /* of a created number */
        };
    };
    union {
        uint64_t value_bytes; /* STORAGE: announced length, without \r\n */
        struct {              /* MG, INCR, DECR of meta and binary */
            int32_t vivify_exptime;
            int32_t recache_exptime;
        };
    };

    uint32_t client_flags; /* STORAGE */
    int32_t exptime; /* STORAGE, TOUCH, GAT, GATS, MG: as the client gave it; binary: unsigned */
    uint64_t cas;          /* CAS and where a bit of `meta` says so: the compared unique */
    uint64_t token;        /* meta E: the new unique */

    /* PLAIN and ARGUMENTS: everything behind the word, without the line's end; see
     * request_tokens(). Meta: the flags, to be echoed in order. */
    struct span arguments;

    uint32_t meta;   /* meta: enum meta_bit; binary: enum binary_bit; else undefined */
    uint32_t opaque; /* binary: as it came */
};

/* The marks of a request that the fast paths know, in one go. */
static inline void request_mark(struct request *request, enum verb verb, bool last) {
    request->verb = (uint8_t)verb;
    request->protocol = REQUEST_ASCII;
    request->outcome = OUTCOME_NONE;
    request->noreply = false;
    request->last = last;
    request->value_follows = false;
    request->value_bad_end = false;
    request->opcode = 0;
    request->line_bytes_left = 0;
}

/* What follows a value in the input: its line end, or nothing. */
static inline unsigned request_value_end_bytes(const struct request *request) {
    return request->protocol == REQUEST_BINARY ? 0 : 2;
}

static inline bool request_key_is_base64(const struct request *request) {
    return request->protocol == REQUEST_META && (request->meta & META_KEY_BASE64) != 0;
}

/* Splits `text` at spaces into at most `tokens_max` tokens; returns how many there are. Further
 * tokens are ignored. */
unsigned request_tokens(struct span text, struct span *tokens, unsigned tokens_max);

#endif
