/* larder: a client at the other end of a session, in process
 *
 * Purpose: an engine core over whatever store is linked, sessions that are fed bytes, and what they
 *   answered. Received bytes are given in memory of exactly their size, so that a read too far is
 *   seen by the sanitizers.
 * Owner: the test.   Threads: one.   Memory: malloc.
 * Limits: WIRE_CONNS_MAX connections.   Errors: asserts. */
#ifndef LARDER_TESTS_UNIT_ENGINE_WIRE_H
#define LARDER_TESTS_UNIT_ENGINE_WIRE_H

#include "src/engine/engine.h"
#include "src/engine/session.h"

enum { WIRE_CONNS_MAX = 16, WIRE_EPOCH = 1800000000 };

struct wire_conn {
    struct session session;
    bool open;
    bool closed;     /* the server wanted to close and did */
    bool held;       /* the client does not read */
    bool paused;     /* the session wants no input */
    bool direct;     /* large values are received in place where wanted */
    uint8_t *output; /* what came, without what was taken */
    size_t output_bytes;
    size_t send_bytes_max; /* one send takes no more; 0: all */
};

struct wire {
    struct store *store;
    struct store_core *store_core;
    struct engine_config config;
    struct engine_core *core;
    uint32_t now;
    struct wire_conn conns[WIRE_CONNS_MAX];
};

struct wire_options {
    const char *words; /* -F -C -M -I N -m N; may be NULL */
    const struct admin_hooks *admin;
    uint64_t reply_bytes_max;
    uint64_t connection_bytes_max;
};

/* False: the words hold an option that is not the engine's. */
bool wire_open(struct wire *wire, const struct wire_options *options);
void wire_close(struct wire *wire);

/* The connection, opened when it is not. */
struct wire_conn *wire_conn(struct wire *wire, unsigned index);
void wire_hangup(struct wire *wire, unsigned index);
/* The client ends its side. */
void wire_end_input(struct wire *wire, unsigned index);

/* One turn in which the connection receives `bytes`; then all that can be sent is sent. */
void wire_send(struct wire *wire, unsigned index, const void *data, size_t bytes);
/* The same in a turn shared by several: feeds only. Finish with wire_turn. */
void wire_turn_begin(struct wire *wire);
void wire_feed(struct wire *wire, unsigned index, uint8_t *data, size_t bytes);
void wire_turn_end(struct wire *wire);

/* The client reads again: everything that can be sent is. */
void wire_release(struct wire *wire, unsigned index);
/* Takes `bytes` off the front of the output. */
void wire_take(struct wire_conn *conn, size_t bytes);

#endif
