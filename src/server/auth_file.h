/* larder: reads the file of users
 *
 * Purpose: -Y's password file into a struct auth, at the start and again on SIGHUP.
 * Owner: the main thread.   Threads: that one.
 * Memory: the text, while it is read, zeroed afterwards.
 * Limits: AUTH_FILE_BYTES_MAX.   Errors: said on stderr; the users before stay. */
#ifndef LARDER_SERVER_AUTH_FILE_H
#define LARDER_SERVER_AUTH_FILE_H

#include "src/engine/auth.h"

enum { AUTH_FILE_BYTES_MAX = 1 << 20 };

/* False: complained, and nothing changed. */
MUST_CHECK bool auth_file_load(struct auth *auth, const char *path);

#endif
