/* larder: lines of the meta commands
 *
 * Purpose: reads "mg KEY FLAG*" and its kin whole, with the words of meta_flags.def, into the
 *   fields of the classic commands.
 * Owner: none.   Threads: any.   Memory: the request borrows the input.
 * Limits: 20 tokens, keys of 250 bytes as they stand on the line.
 * Errors: an outcome; memcached's, in its order of precedence. */
#ifndef LARDER_PROTO_META_H
#define LARDER_PROTO_META_H

#include "src/proto/request.h"

enum {
    META_TOKENS_MAX = 20,       /* command, key and length count */
    META_OPAQUE_BYTES_MAX = 32, /* its letter counts */
    META_KEY_BYTES_MAX = 192,   /* room for a decoded key */
};

struct meta_line {
    const uint8_t *next; /* behind its line feed */
    bool has_value;      /* a value of request->value_bytes follows, also when something is wrong */
    enum outcome wrong;  /* OUTCOME_NONE: the request is good */
};

/* Reads the line whose command word (two letters) is at `word`, inside input. False: its line feed
 * is not in the input. */
bool meta_parse(struct span input, const uint8_t *word, struct request *request,
                struct meta_line *line);

/* "mg KEY FLAG*\r\n" at the front of the input (its word was looked at), whole, with flags that are
 * letters alone. Returns its bytes; 0: let the general parser look. */
size_t meta_get_fast(struct span input, struct request *request);

/* The number of a flag's letter; META_FLAG_COUNT: none. */
unsigned meta_flag_of(uint8_t letter);

/* The bytes that a base64 key stands for; `room` has META_KEY_BYTES_MAX. */
struct span meta_key_decode(const struct request *request, uint8_t *room);

#endif
