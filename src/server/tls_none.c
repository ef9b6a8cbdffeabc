/* larder: a build without TLS: no listener asks for it, as the options refuse it */
#include <stdio.h>

#include "src/server/tls.h"

bool tls_is_built_in(void) {
    return false;
}

struct tls_context *tls_context_create(const struct settings *settings,
                                       char reason[static TLS_REASON_BYTES_MAX]) {
    (void)settings;
    (void)snprintf(reason, TLS_REASON_BYTES_MAX, "This server is not built with TLS support.");
    return NULL;
}

void tls_context_destroy(struct tls_context *context) {
    ASSERT(context == NULL);
}

bool tls_context_reload(struct tls_context *context, char reason[static TLS_REASON_BYTES_MAX]) {
    (void)context;
    reason[0] = '\0';
    return false;
}

struct tls *tls_create(struct tls_context *context, enum tls_mode mode, struct buffers *buffers,
                       uint32_t now) {
    (void)context;
    (void)mode;
    (void)buffers;
    (void)now;
    return NULL;
}

void tls_destroy(struct tls *tls) {
    ASSERT(tls == NULL);
}

bool tls_is_ready(const struct tls *tls) {
    return tls == NULL;
}

bool tls_was_resumed(const struct tls *tls) {
    (void)tls;
    return false;
}

bool tls_handshake_is_overdue(const struct tls *tls, uint32_t now) {
    (void)now;
    return tls != NULL;
}

void tls_feed(struct tls *tls, const uint8_t *data, size_t bytes) {
    (void)data;
    (void)bytes;
    ASSERT(tls == NULL);
}

enum tls_progress tls_read(struct tls *tls, uint8_t *to, size_t room, size_t *got) {
    (void)tls;
    (void)to;
    (void)room;
    *got = 0;
    return TLS_FAILED;
}

const char *tls_failure(const struct tls *tls) {
    (void)tls;
    return "no TLS";
}

bool tls_hold(struct tls *tls, const uint8_t *data, size_t bytes) {
    (void)tls;
    (void)data;
    (void)bytes;
    return false;
}

size_t tls_held_bytes(const struct tls *tls) {
    (void)tls;
    return 0;
}

void tls_feed_held(struct tls *tls) {
    ASSERT(tls == NULL);
}

void tls_held_drop(struct tls *tls) {
    ASSERT(tls == NULL);
}

size_t tls_write(struct tls *tls, const struct iovec *iovecs, unsigned count,
                 size_t output_bytes_max) {
    (void)tls;
    (void)iovecs;
    (void)count;
    (void)output_bytes_max;
    return 0;
}

void tls_end(struct tls *tls) {
    ASSERT(tls == NULL);
}

bool tls_is_broken(const struct tls *tls) {
    return tls != NULL;
}

size_t tls_output_bytes(const struct tls *tls) {
    (void)tls;
    return 0;
}

unsigned tls_output(const struct tls *tls, struct iovec *iovecs, unsigned count) {
    (void)tls;
    (void)iovecs;
    (void)count;
    return 0;
}

void tls_sent(struct tls *tls, size_t bytes) {
    (void)bytes;
    ASSERT(tls == NULL);
}
