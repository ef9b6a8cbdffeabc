/* larder: what a client may say before it has logged in (ASCII, -Y)
 *
 * Purpose: reads the one command that is understood then, whatever else comes:
 *
 *     set <anything> <anything> <anything> <bytes>[ <anything>]\r\n<user> <password>\r\n
 *
 * Owner: the session.   Threads: one.   Memory: spans point into the input.
 * Limits: lines of LOGIN_LINE_BYTES_MAX, tokens of LOGIN_TOKEN_BYTES_MAX.
 * Errors: told as outcomes, or LOGIN_CLOSE where memcached hangs up. */
#ifndef LARDER_PROTO_LOGIN_H
#define LARDER_PROTO_LOGIN_H

#include "src/proto/request.h"

enum {
    LOGIN_LINE_BYTES_MIN = 6, /* without the line feed; shorter ones are no client's */
    LOGIN_LINE_BYTES_MAX = 2048,
    LOGIN_TOKEN_BYTES_MAX = 16384,
};

enum login_result {
    LOGIN_MORE,   /* nothing whole yet: need_bytes, line_scanned */
    LOGIN_ANSWER, /* answer `outcome`; the client may try again */
    LOGIN_TRY,    /* user and password are to be checked */
    LOGIN_CLOSE,  /* hang up */
};

/* Zeroed at the start of a connection. */
struct login {
    uint32_t token_bytes; /* of the token that comes next, its line end included; 0: a line comes */
    /* the latest result: */
    enum outcome outcome;
    struct span user;
    struct span password;
    size_t need_bytes; /* LOGIN_MORE: no progress before the input has this many */
    bool line_scanned; /* LOGIN_MORE: none of what is there is a line feed */
};

/* Takes the next thing off the front of `input`; *consumed bytes are done with. */
enum login_result login_next(struct login *login, struct span input, size_t *consumed);

#endif
