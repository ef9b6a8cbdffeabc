/* larder: requests of a client to bytes, replies of a server to facts
 *
 * Purpose: both dialects that liblarder speaks: the meta protocol, and the classic commands for
 *   servers that do not know it. Knows no socket and no clock.
 *
 *     meta     mg KEY c f t v O7\r\n      ->  VA 5 c12 f0 t-1 O7\r\nhello\r\n  |  EN\r\n
 *     classic  gets KEY\r\n               ->  VALUE KEY 0 5 12\r\nhello\r\nEND\r\n  |  END\r\n
 *
 * Owner: none.   Threads: any.   Memory: the caller's; spans of a reply point into its input.
 * Limits: WIRE_LINE_BYTES_MAX for a line of a reply; requests take WIRE_HEAD_BYTES_MAX beside their
 *   value.
 * Errors: WIRE_NONSENSE for what no server says; the stream cannot be trusted from then on.
 *
 * What a reply may be depends on what was asked: wire_judge() has the table. A meta reply must bear
 * the request's opaque, a classic value its key, so that a stream which has slipped is seen.
 * Sources: memcached's doc/protocol.txt. */
#ifndef LARDER_CLIENT_WIRE_H
#define LARDER_CLIENT_WIRE_H

#include "src/base/assert.h"
#include "src/base/span.h"
#include "src/client/larder.h"

enum {
    WIRE_HEAD_BYTES_MAX = 768,
    WIRE_LINE_BYTES_MAX = 2048,
};

/* What the library adds to enum larder_ask for itself. */
enum {
    WIRE_ASK_PUBLIC = 0xffff,
    WIRE_ASK_LEAN = 1 << 16,      /* neither token nor TTL (meta) */
    WIRE_ASK_PLAIN_KEY = 1 << 17, /* the key is known not to be binary */
};

enum wire_dialect { WIRE_META, WIRE_CLASSIC };

enum wire_status {
    WIRE_PART, /* the line is not whole yet */
    WIRE_NONSENSE,
    WIRE_GOOD,       /* HD, STORED, DELETED, TOUCHED */
    WIRE_VALUE,      /* VA, VALUE: value_bytes and a line's end follow the line */
    WIRE_END,        /* EN, END */
    WIRE_NUMBER,     /* classic incr, decr */
    WIRE_NOT_STORED, /* NS, NOT_STORED */
    WIRE_EXISTS,     /* EX, EXISTS */
    WIRE_NOT_FOUND,  /* NF, NOT_FOUND */
    WIRE_ALIVE,      /* MN, VERSION */
    WIRE_LINE,       /* another line: of stats and the like */
    WIRE_UNKNOWN,    /* ERROR: the server does not know the command */
    WIRE_REFUSED,    /* CLIENT_ERROR */
    WIRE_BROKEN,     /* SERVER_ERROR */
};

struct wire_reply {
    enum wire_status status;
    size_t line_bytes; /* with its end */
    struct span text;  /* the line without its end */
    struct span key;   /* of a classic value */
    size_t value_bytes;
    uint64_t cas;
    uint64_t number;
    int64_t ttl_s;
    int64_t idle_s;
    uint32_t flags;
    uint32_t opaque;
    unsigned marks;
    bool has_opaque;
    bool fetched;
};

/* Whether it holds blanks or control characters: over meta it goes as base64 then. */
bool wire_key_is_binary(struct span key);

/* Whether the key can be sent, in this dialect. */
MUST_CHECK bool wire_key_is_good(enum wire_dialect dialect, struct span key);

/* Writes the request; returns how many bytes: at most WIRE_HEAD_BYTES_MAX + value_bytes. ttl_s is
 * sent as it is. */
size_t wire_encode(enum wire_dialect dialect, const struct larder_request *request,
                   uint32_t opaque, uint8_t *to);

/* Reads one line of a reply. */
void wire_parse(enum wire_dialect dialect, struct span in, struct wire_reply *reply);

/* What the reply means for the request. False: it is no answer to it. */
MUST_CHECK bool wire_judge(const struct larder_request *request, const struct wire_reply *reply,
                           enum larder_result *result);

/* Of wire_meta.c and wire_classic.c. */
size_t wire_meta_encode(const struct larder_request *request, uint32_t opaque, uint8_t *to);
size_t wire_classic_encode(const struct larder_request *request, uint8_t *to);
enum wire_status wire_meta_parse(struct span line, struct wire_reply *reply);
enum wire_status wire_classic_parse(struct span line, struct wire_reply *reply);

/* Cuts the next word off a line; empty at its end. */
struct span wire_word(struct span *line);

#endif
