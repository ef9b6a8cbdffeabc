/* larder: a large value on its way in
 *
 * Purpose: the part of a session that exists while a value above ENGINE_VALUE_BYTES_INLINE_MAX is
 *   received: its bytes go to the store as they come, then its line end is checked.
 * Owner: the session.   Threads: its core's.
 * Memory: one small block of the core's buffers; the value's chunks are the store's.
 * Limits: one a session.   Errors: answered when the last byte has been read. */
#ifndef LARDER_ENGINE_UPLOAD_H
#define LARDER_ENGINE_UPLOAD_H

#include "src/engine/engine.h"
#include "src/engine/session.h"

enum { UPLOAD_FLAGS_BYTES_MAX = META_OPAQUE_BYTES_MAX + 3 * 2 + 2 };

struct session_upload {
    struct store_upload store;
    struct request request; /* its spans point into this block */
    uint64_t received_bytes; /* of the value */
    size_t memory_bytes;     /* of this block */
    size_t direct_bytes;     /* lent for a direct receive; 0: none */
    bool direct;
    uint8_t tail[2];
    uint8_t tail_bytes;
    uint8_t tail_wanted; /* 2, or 0 with binary */
    uint8_t key_text[REQUEST_KEY_BYTES_MAX]; /* meta: the key as it came */
    uint8_t flags_text[UPLOAD_FLAGS_BYTES_MAX]; /* meta: the flags that are returned */
};

/* Starts the upload that `entry` announces, or has the parser swallow it. */
void upload_begin(struct session *session, const struct engine_request *entry);
/* Takes what it can of data..data+bytes; returns how much. Ends the upload with the last byte. */
size_t upload_feed(struct session *session, const uint8_t *data, size_t bytes);
/* Forgets the upload. */
void upload_abandon(struct session *session);
/* Whether a direct receive pays. */
bool upload_wants_direct(const struct session *session);

#endif
