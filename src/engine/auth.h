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

struct auth_users;

struct auth {
    enum auth_kind kind;
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
