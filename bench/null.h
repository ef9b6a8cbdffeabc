/* larder: a server without a store, the machine's limit.
 *
 * Purpose: answers classic text requests without looking at them: a value of a fixed size for
 *     every key of a get, STORED for every set. What a real server costs above this is what its
 *     parser, hash and store cost; nothing that speaks the protocol over sockets can be cheaper.
 *     The replies are prepared before the first request, so a run of n equal requests is answered
 *     by one send of n replies from constant memory.
 * Owner: one struct null_server a thread, one struct null_conn a connection.
 * Threads: each thread has its own listener and loop; they share only the constant replies.
 * Memory: at most 1 MiB, or one reply, of prepared values; 16 KiB of parts a connection.
 * Limits: keys must have the length told on the command line, values the size told; 1000 unsent
 *     parts of replies a connection, more closes it.
 * Errors: a loop returns false, with errno, when the kernel refuses what it needs.
 */
#ifndef LARDER_BENCH_NULL_H
#define LARDER_BENCH_NULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    NULL_PARTS = 1000,
    NULL_IN_BYTES = 256 * 1024,
};

/* Constant replies: `count` repetitions of one of `each` bytes. */
struct null_block {
    char *bytes;
    size_t each;
    size_t count;
};

struct null_replies {
    uint32_t key_bytes;
    uint32_t value_bytes;
    struct null_block hit;    /* VALUE ... \r\n END\r\n */
    struct null_block value;  /* VALUE ... \r\n */
    struct null_block end;    /* END\r\n */
    struct null_block stored; /* STORED\r\n */
};

/* What is left to send; parts name constant replies. */
struct null_conn {
    int fd;
    uint32_t part_count;
    uint32_t line_bytes; /* of a request line cut by the end of a receive */
    char line_first;
    bool is_sending; /* with the kernel, or waiting for the socket */
    bool is_ready;   /* to send after this turn's completions (io_uring) */
    bool is_closed;
    uint64_t skip;       /* bytes of a set's value still to come */
    struct iovec parts[NULL_PARTS];
};

bool null_replies_init(struct null_replies *replies, uint32_t key_bytes, uint32_t value_bytes)
    __attribute__((warn_unused_result));

/* Consumes received bytes and adds the replies' parts; false when there is no room for them. */
bool null_feed(struct null_conn *conn, const struct null_replies *replies, const char *bytes,
               size_t count) __attribute__((warn_unused_result));

/* Forgets the first `sent` bytes of the parts. */
void null_sent(struct null_conn *conn, size_t sent);

/* The loops: serve `listener` until the process is told to end. They only return on a fault. */
bool null_epoll_serve(int listener, const struct null_replies *replies)
    __attribute__((warn_unused_result));
bool null_uring_serve(int listener, const struct null_replies *replies)
    __attribute__((warn_unused_result));
/* The same through io/: what larder's own layer costs. */
bool null_layer_epoll_serve(int listener, const struct null_replies *replies)
    __attribute__((warn_unused_result));
bool null_layer_uring_serve(int listener, const struct null_replies *replies)
    __attribute__((warn_unused_result));

#endif
