/* larder: TLS of a client, as a transformer of bytes
 *
 * Purpose: plain text in, records out, and the other way. secure.c names OpenSSL; a build without
 *   TLS has secure_none.c in its place.
 * Owner: a handle owns the context, a connection its struct secure.
 * Threads: one a handle.
 * Memory: OpenSSL's; output goes to the caller's queue.
 * Limits: those of TLS 1.2 and 1.3.
 * Errors: false, and secure_why() in words; NULL with *why. */
#ifndef LARDER_CLIENT_SECURE_H
#define LARDER_CLIENT_SECURE_H

#include "src/client/bytes.h"

struct larder_config;
struct secure;
struct secure_context;

/* NULL: *why (static). */
MUST_CHECK struct secure_context *secure_context_create(const struct larder_config *config,
                                                        const char **why);
void secure_context_destroy(struct secure_context *context);

/* `name`: host or address that the certificate must be for; NULL: not checked. NULL: no memory. */
MUST_CHECK struct secure *secure_create(struct secure_context *context, const char *name);
void secure_destroy(struct secure *secure);

/* Encrypts; *taken of the plain text have gone into `records`; 0 while the handshake is under way,
 * whose own records go there as well. */
MUST_CHECK bool secure_write(struct secure *secure, struct span plain, size_t *taken,
                             struct bytes *records);
/* Decrypts what has been received. */
MUST_CHECK bool secure_read(struct secure *secure, struct span records, struct bytes *plain);
const char *secure_why(const struct secure *secure);

#endif
