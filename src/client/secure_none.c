/* larder: stands for TLS in a build without it */
#include "src/client/secure.h"

struct secure_context *secure_context_create(const struct larder_config *config,
                                             const char **why) {
    (void)config;
    *why = "this build of liblarder has no TLS";
    return NULL;
}

void secure_context_destroy(struct secure_context *context) {
    ASSERT(context == NULL);
}

struct secure *secure_create(struct secure_context *context, const char *name) {
    (void)context;
    (void)name;
    return NULL;
}

void secure_destroy(struct secure *secure) {
    ASSERT(secure == NULL);
}

bool secure_write(struct secure *secure, struct span plain, size_t *taken,
                  struct bytes *records) {
    (void)secure;
    (void)plain;
    (void)records;
    *taken = 0;
    return false;
}

bool secure_read(struct secure *secure, struct span records, struct bytes *plain) {
    (void)secure;
    (void)records;
    (void)plain;
    return false;
}

const char *secure_why(const struct secure *secure) {
    (void)secure;
    return "this build of liblarder has no TLS";
}
