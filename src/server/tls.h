/* larder: TLS between a socket and a session, as a transformer of bytes
 *
 * Purpose: what a client sent goes in and comes out as what it said; what the session answers goes
 *   in and comes out as what is to be sent. No descriptor is known here, so that both I/O back ends
 *   serve TLS alike. tls.c is the one file that names OpenSSL; without it tls_none.c stands in.
 *
 *     socket --tls_feed--> tls --tls_read--> session --tls_write--> tls --tls_output--> socket
 *
 * Owner: the server owns the one context, a connection its struct tls.
 * Threads: tls_context_reload() and tls_create() any, under the context's lock; a struct tls
 *   belongs to its connection's core.
 * Memory: output in blocks of the core's `buffers`, held until they are sent; an idle connection
 *   has none. OpenSSL's own state comes from malloc; its buffers are released when idle.
 * Limits: TLS_OUTPUT_BLOCKS_MAX blocks of output; TLS_HELD_BYTES_MAX of input that waits for its
 *   handshake's turn.
 * Errors: a connection's end in TLS_FAILED, with a text; a context's are told in words. */
#ifndef LARDER_SERVER_TLS_H
#define LARDER_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "src/base/assert.h"

enum {
    TLS_REASON_BYTES_MAX = 1024,
    TLS_READ_BYTES_MIN = 16 * 1024, /* room that tls_read wants: a record's plain text */
    TLS_OUTPUT_BLOCKS_MAX = 16,
    TLS_OUTPUT_BYTES_MIN = 64 * 1024, /* of records, at which tls_write stops */
    TLS_HELD_BYTES_MAX = 1 << 20,
    TLS_HANDSHAKE_S_MAX = 30, /* store seconds in which a handshake must be done */
};

struct buffers;
struct settings;
struct tls;
struct tls_context;

/* Whether a listener's connections are TLS (-Z, and the prefixes of -l), and who must show a
 * certificate. */
enum tls_mode {
    TLS_MODE_OFF,     /* notls */
    TLS_MODE_DEFAULT, /* as ssl_verify_mode says */
    TLS_MODE_NO_PEER, /* btls: no certificate is asked for */
    TLS_MODE_PEER,    /* mtls: one is required */
};

enum tls_progress {
    TLS_GOT,    /* plain text */
    TLS_WAITS,  /* the input is used up */
    TLS_ENDED,  /* the peer has said that nothing more comes */
    TLS_FAILED, /* this is no TLS, or not acceptable; what tls_output has left tells the peer */
};

/* Whether this build has TLS. */
bool tls_is_built_in(void);

/* Reads the certificates and rules that the settings name. NULL: *reason says why, without a line's
 * end. */
MUST_CHECK struct tls_context *tls_context_create(const struct settings *settings,
                                                  char reason[static TLS_REASON_BYTES_MAX]);
/* Every struct tls must be gone. NULL is allowed. */
void tls_context_destroy(struct tls_context *context);
/* Reads the files again, for connections from now on. False: nothing changed, *reason says why. */
MUST_CHECK bool tls_context_reload(struct tls_context *context,
                                   char reason[static TLS_REASON_BYTES_MAX]);

/* A connection's end of TLS, waiting for the client's hello. NULL: no memory. `now` in store
 * seconds. */
MUST_CHECK struct tls *tls_create(struct tls_context *context, enum tls_mode mode,
                                  struct buffers *buffers, uint32_t now);
void tls_destroy(struct tls *tls);

/* Whether the handshake is done. */
bool tls_is_ready(const struct tls *tls);
/* Of a handshake that is done: whether it took up an earlier session. */
bool tls_was_resumed(const struct tls *tls);
/* Whether it isn't, though TLS_HANDSHAKE_S_MAX have passed. */
bool tls_handshake_is_overdue(const struct tls *tls, uint32_t now);

/* Input for the tls_read calls that follow, until one says TLS_WAITS; borrowed until then. */
void tls_feed(struct tls *tls, const uint8_t *data, size_t bytes);
/* Goes on with the handshake, and writes up to `room` (TLS_READ_BYTES_MIN or more) bytes of plain
 * text; *got of them with TLS_GOT, else 0. May leave output. */
MUST_CHECK enum tls_progress tls_read(struct tls *tls, uint8_t *to, size_t room, size_t *got);
/* What went wrong, for the log; valid until the next call. */
const char *tls_failure(const struct tls *tls);

/* Keeps a copy of input that waits for its turn. False: too much, or no memory. */
MUST_CHECK bool tls_hold(struct tls *tls, const uint8_t *data, size_t bytes);
size_t tls_held_bytes(const struct tls *tls);
/* Feeds what is held; it lives until tls_held_drop(). */
void tls_feed_held(struct tls *tls);
void tls_held_drop(struct tls *tls);

/* Encrypts plain text, up to output_bytes_max of output waiting; returns the plain bytes taken. */
size_t tls_write(struct tls *tls, const struct iovec *iovecs, unsigned count,
                 size_t output_bytes_max);
/* Tells the peer that nothing more comes. Once; later calls do nothing. */
void tls_end(struct tls *tls);
/* Memory ran out: the stream is not whole any more and must be closed. */
bool tls_is_broken(const struct tls *tls);

/* Bytes to be sent. */
size_t tls_output_bytes(const struct tls *tls);
/* Up to `count` parts of them; they stay where they are until tls_sent(). */
unsigned tls_output(const struct tls *tls, struct iovec *iovecs, unsigned count);
void tls_sent(struct tls *tls, size_t bytes);

#endif
