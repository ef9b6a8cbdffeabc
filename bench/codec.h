/* larder: how requests are written and replies are checked, a table row a protocol.
 *
 * Purpose: the one place that knows a wire format on the client's side. A row of codec_table says
 *     how a GET of one or more keys and a SET are written, and how the reply to either is consumed
 *     and checked. Another protocol (meta, binary) is another file with these functions and
 *     another row; nothing else of the generator knows the difference.
 * Owner: the table is constant; a struct reply belongs to its connection, a struct tally to its
 *     worker.
 * Threads: none of its own; one owner at a time.
 * Memory: none but the caller's.
 * Limits: a reply's line is at most REPLY_LINE bytes, anything longer is a broken reply.
 * Errors: a wrong value, key, flag or length is counted as `bad` and the stream goes on where the
 *     reply's own length allows it; what can't be understood is FEED_BROKEN. The first fault's text
 *     stays in the tally.
 */
#ifndef LARDER_BENCH_CODEC_H
#define LARDER_BENCH_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/dataset.h"
#include "bench/outq.h"

enum {
    REPLY_LINE = 512,
    TALLY_TEXT = 200,
    /* A value part of at least this size is sent from where it lies instead of being copied. */
    CODEC_REFER_BYTES = 8192,
};

enum op_kind {
    OP_GET,
    OP_SET,
};

enum reply_check {
    CHECK_EXACT, /* every byte */
    CHECK_SHAPE, /* lengths and framing only: for bench/null, which stores nothing */
};

/* A request in flight: what its reply must be. */
struct op {
    uint64_t due_ns; /* when it was to be sent: latency counts from here */
    uint32_t keys;
    enum op_kind kind;
};

struct tally {
    uint64_t ops;
    uint64_t keys;
    uint64_t hits;
    uint64_t misses;
    uint64_t stored;
    uint64_t errors; /* the server said it can't */
    uint64_t bad;    /* the server said what is not true */
    char first_error[TALLY_TEXT];
    char first_bad[TALLY_TEXT];
};

enum reply_state {
    REPLY_AT_LINE,
    REPLY_IN_VALUE,
    REPLY_AT_VALUE_END,
};

/* Where a connection stands within the reply that is arriving. */
struct reply {
    enum reply_state state;
    uint32_t key_at;       /* keys of the op answered or passed over so far */
    uint32_t value_at;     /* bytes of the value consumed */
    uint32_t value_bytes;  /* as the server announced it */
    uint32_t digits_of;    /* the size whose decimal digits stand in `digits` */
    uint32_t digit_bytes;
    char digits[12];
    bool value_wrong;
    uint64_t token;        /* of the key whose value is arriving */
    uint32_t line_bytes;   /* of a line cut by the end of a receive */
    char line[REPLY_LINE];
};

struct feed {
    const struct dataset *set;
    enum reply_check check;
    struct tally *tally;
    const char *at; /* moves as bytes are consumed */
    const char *end;
};

enum feed_result {
    FEED_DONE,   /* the op's reply is complete */
    FEED_MORE,   /* all bytes are consumed, the reply is not complete */
    FEED_BROKEN, /* not a reply to this op */
};

struct codec {
    const char *name;
    /* An upper bound of what get() adds for `keys` keys, and set() for one, without long values. */
    size_t (*get_bytes_max)(const struct dataset *set, uint32_t keys);
    size_t (*set_bytes_max)(const struct dataset *set);
    /* Add one request; outq_fits() has been asked with the bound and 3 parts. */
    void (*get)(struct outq *out, const struct dataset *set, const uint64_t *tokens,
                uint32_t keys);
    void (*set)(struct outq *out, const struct dataset *set, uint64_t token);
    /* Consume bytes of the reply to one op. `tokens` are its keys in the order asked. */
    enum feed_result (*feed)(struct reply *reply, const struct op *op, const uint64_t *tokens,
                             struct feed *in);
};

/* The rows, ended by one without a name. */
extern const struct codec codec_table[];

/* The row of that name, or NULL. */
const struct codec *codec_find(const char *name);

/* Count one fault and keep the first one's text (printf-like), for every codec. */
void tally_bad(struct tally *tally, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
void tally_error(struct tally *tally, const char *text, size_t bytes) __attribute__((cold));

/* Add the counts of `from`; the first faults are kept. */
void tally_merge(struct tally *into, const struct tally *from);

#endif
