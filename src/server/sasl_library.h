/* larder: SASL mechanisms of the system's library (libsasl2)
 *
 * Purpose: a struct auth_backend over the library, which reads memcached.conf of its own folder or
 *   of the one that SASL_CONF_PATH names. sasl_library.c is the one file that names the library;
 *   without it sasl_library_none.c stands in.
 * Owner: the server, one a process (the library's own state is global).
 * Threads: any; the library is called under one lock, as not all of its plugins stand two callers.
 *   A plugin may block its caller, and so a core, for as long as it likes (saslauthd, databases).
 * Memory: the library's.   Limits: the library's.   Errors: told at the start. */
#ifndef LARDER_SERVER_SASL_LIBRARY_H
#define LARDER_SERVER_SASL_LIBRARY_H

#include <stdint.h>

#include "src/engine/auth.h"

/* Whether this build has the library. */
bool sasl_library_is_built_in(void);

/* Starts the library. False: complained on stderr. Log lines follow `verbosity`. */
MUST_CHECK bool sasl_library_open(struct auth_backend *backend, uint32_t verbosity);
/* Every conversation must be over. */
void sasl_library_close(struct auth_backend *backend);

#endif
