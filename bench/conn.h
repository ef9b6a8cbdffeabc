/* larder: one connection of the load generator.
 *
 * Purpose: keeps what is in flight on a socket: which replies are to come, what is not yet written.
 * Owner: its worker.   Threads: the worker's.
 * Memory: two rings of `pipeline` entries; a queue of unsent bytes once the socket was full.
 * Limits: `pipeline` requests in flight.   Errors: false, with errno.
 */
#ifndef LARDER_BENCH_CONN_H
#define LARDER_BENCH_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/codec.h"
#include "bench/outq.h"

struct conn {
    int fd;
    uint32_t head; /* oldest op in flight */
    uint32_t in_flight;
    uint32_t pipeline;
    uint32_t keys_per_op;
    struct op *ops;
    uint64_t *tokens; /* keys_per_op for each op */
    struct outq unsent;
    struct reply reply;
};

bool conn_init(struct conn *conn, uint32_t pipeline, uint32_t keys_per_op)
    __attribute__((warn_unused_result));
void conn_fini(struct conn *conn);

/* Connects, then makes the socket non-blocking, without Nagle's delay. */
bool conn_open(struct conn *conn, const struct sockaddr *address, socklen_t address_bytes)
    __attribute__((warn_unused_result));

static inline bool conn_has_room(const struct conn *conn) {
    return conn->in_flight < conn->pipeline && outq_is_empty(&conn->unsent);
}

/* The place of the next op to be sent: fill in, then conn_push(). */
static inline uint32_t conn_tail(const struct conn *conn) {
    uint32_t tail = conn->head + conn->in_flight;
    return tail < conn->pipeline ? tail : tail - conn->pipeline;
}

static inline uint64_t *conn_tokens(const struct conn *conn, uint32_t place) {
    return conn->tokens + (size_t)place * conn->keys_per_op;
}

static inline void conn_push(struct conn *conn) {
    conn->in_flight++;
}

/* The oldest op has been answered. */
static inline void conn_pop(struct conn *conn) {
    conn->head = conn->head + 1 < conn->pipeline ? conn->head + 1 : 0;
    conn->in_flight--;
}

#endif
