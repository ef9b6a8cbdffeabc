/* larder: who may use the server
 *
 * Purpose: the users of a password file, and the one comparison of names and passwords that every
 *   protocol's login ends in. It looks at every user and every byte, whatever it finds, so that its
 *   time tells nothing about either.
 * Owner: the server.
 * Threads: any; the lock is held for one comparison or the exchange of a pointer.
 * Memory: a block of AUTH_FIELD_BYTES twice a user, zeroed before it is freed.
 * Limits: AUTH_USERS_MAX users of a -Y file, AUTH_USERS_SASL_MAX of a SASL password file; names
 *   and passwords of AUTH_LINE_BYTES_MAX together; logins longer than that fail.
 * Errors: told by enum auth_read; a file that cannot be read changes nothing. */
#ifndef LARDER_ENGINE_AUTH_H
#define LARDER_ENGINE_AUTH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/base/assert.h"
#include "src/base/span.h"

enum {
    AUTH_USERS_MAX = 8, /* as in memcached */
    AUTH_USERS_SASL_MAX = 1024,
    AUTH_LINE_BYTES_MAX = 255, /* user:password, without the line's end */
    AUTH_FIELD_BYTES = 256,
};

enum auth_kind {
    AUTH_ASCII, /* -Y: user:password, and the password may hold colons; 8 users */
    AUTH_SASL,  /* -S: user:password[:anything] */
};

enum auth_read {
    AUTH_READ_GOOD,
    AUTH_READ_CUT,       /* good, but only the first users fit */
    AUTH_READ_MALFORMED, /* a line without a colon, or too long */
    AUTH_READ_NO_MEMORY,
};

/* What a step of a SASL exchange came to. */
enum auth_step {
    AUTH_STEP_GOOD,
    AUTH_STEP_CONTINUE, /* send the challenge and wait for the next step */
    AUTH_STEP_BAD,
};

/* The mechanisms of -S: PLAIN over the users (sasl_plain_backend), or a library's. A conversation
 * is one connection's exchange, made by the first call that needs it; challenges live until the
 * next call. Any thread. */
struct auth_backend {
    void *context;
    /* Their names, separated by spaces; data NULL: something went wrong. */
    struct span (*mechanisms)(void *context, void **conversation);
    enum auth_step (*start)(void *context, void **conversation, struct span mechanism,
                            struct span data, struct span *challenge);
    enum auth_step (*step)(void *context, void **conversation, struct span data,
                           struct span *challenge);
    void (*end)(void *context, void *conversation); /* not called for NULL */
};

struct auth_users;

struct auth {
    enum auth_kind kind;
    struct auth_backend backend; /* of AUTH_SASL */
    pthread_mutex_t lock;
    struct auth_users *users; /* NULL: none may log in */
};

void auth_init(struct auth *auth, enum auth_kind kind);
void auth_fini(struct auth *auth);

/* Takes the users of a file's text in place of those before; on an error those stay. */
MUST_CHECK enum auth_read auth_read_users(struct auth *auth, struct span text);

/* Whether this is a user's name and password. */
MUST_CHECK bool auth_check(struct auth *auth, struct span user, struct span password);

#endif
