/* larder: SASL in the binary protocol (-S)
 *
 * Purpose: the three opcodes that log a client in, over whatever mechanisms the server has.
 *
 *     List mechanisms  -> their names                     and the client is logged out
 *     Auth  key: mechanism, value: first data  -> result  logged out, then in if it was good
 *     Step  key: mechanism, value: data        -> result  the same, after an Auth that went on
 *
 *     result: 0 "Authenticated", 0x21 with a challenge, 0x20 "Auth failure."
 *
 * Owner: the session, whose conversation is ended with it.   Threads: its core's.
 * Memory: the back end's.   Limits: see BINARY_MECHANISM_BYTES_MAX, BINARY_TOKEN_BYTES_MAX.
 * Errors: answered.   Source: RFC 4422, RFC 4616 (PLAIN). */
#ifndef LARDER_ENGINE_SASL_H
#define LARDER_ENGINE_SASL_H

#include "src/engine/auth.h"

struct session;

/* PLAIN alone, over the users of `auth`, which must outlive the back end. */
struct auth_backend sasl_plain_backend(struct auth *auth);

/* Ends the session's conversation, if there is one. */
void sasl_end(struct session *session);

#endif
