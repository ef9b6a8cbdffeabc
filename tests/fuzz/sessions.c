/* larder: any bytes, in any cuts, into sessions over the store
 *
 * Input: cuts and bytes mixed, so that a mutated text stays a text:
 *     byte 0   options: 1 reply bound low, 2 no direct receives, 4 the client seldom reads
 *     byte 1   bytes of a portion (0: all), then the stream
 *     0xff n   in the stream: ends the portion here; n picks the connection of the next one
 * Checked: no crash, no leak (memory in use is 0 when all connections are gone), output bounded. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/sessions.h"
#include "tests/unit/engine/wire.h"

enum {
    CONNS = 3,
    REPLY_BYTES_MAX = 40000,
    OUTPUT_BYTES_MAX = REPLY_BYTES_MAX + (2 << 20), /* one value of the largest kind beyond */
    OPTION_LOW_BOUND = 1,
    OPTION_NO_DIRECT = 2,
    OPTION_HELD = 4,
    MARK = 0xff,
};

static void check_conn(struct wire *wire, unsigned index, unsigned options, unsigned portions) {
    struct wire_conn *conn = &wire->conns[index];

    if (conn->open && (options & OPTION_LOW_BOUND)) {
        ASSERT(conn->session.reply.unsent_bytes <= OUTPUT_BYTES_MAX);
    }
    if ((options & OPTION_HELD) && portions % 8 == 7) {
        wire_release(wire, index);
        conn->held = true;
    }
    wire_take(conn, conn->output_bytes);
}

static void send_portion(struct wire *wire, unsigned index, unsigned options, struct span portion) {
    struct wire_conn *conn = wire_conn(wire, index);

    conn->direct = !(options & OPTION_NO_DIRECT);
    conn->held = (options & OPTION_HELD) != 0;
    if (conn->open && !conn->paused && portion.len > 0) {
        wire_send(wire, index, portion.data, portion.len);
    }
}

static void run_stream(struct wire *wire, unsigned options, size_t portion_max,
                       struct span stream) {
    unsigned portions = 0;
    unsigned index = 0;
    size_t at = 0;

    while (at < stream.len) {
        const uint8_t *from = stream.data + at;
        size_t left = stream.len - at;
        const uint8_t *mark = memchr(from, MARK, left);
        size_t bytes = mark ? (size_t)(mark - from) : left;

        bytes = portion_max && bytes > portion_max ? portion_max : bytes;
        send_portion(wire, index, options, span_of(from, bytes));
        check_conn(wire, index, options, portions++);
        at += bytes;
        if (mark == from + bytes) {
            index = at + 1 < stream.len ? stream.data[at + 1] % CONNS : 0;
            at += 2;
        }
    }
}

int fuzz_sessions(const uint8_t *data, size_t len) {
    struct wire wire;

    if (len < 2) {
        return 0;
    }
    struct wire_options options = {
        .words = "-I 100k",
        .reply_bytes_max = data[0] & OPTION_LOW_BOUND ? REPLY_BYTES_MAX : 0,
    };

    if (!wire_open(&wire, &options)) {
        abort();
    }
    run_stream(&wire, data[0], data[1], span_of(data + 2, len - 2));
    for (unsigned i = 0; i < CONNS; i++) {
        wire.conns[i].held = false;
        wire_hangup(&wire, i);
    }
    ASSERT(atom_load_relaxed(&wire.core->buffers.used_bytes) ==
           atom_load_relaxed(&wire.core->buffers.free_bytes));
    wire_close(&wire);
    return 0;
}
