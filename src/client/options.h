/* larder: the options of a handle, read from text
 *
 * Purpose: client_options.def as a struct with one field an option, and the reader of each; the
 *   list of servers with their replicas.
 * Owner: larder_config_create/destroy; a handle keeps a copy of its own.
 * Threads: one at a time.
 * Memory: texts are copies.
 * Limits: those of client_options.def and server_list.h.
 * Errors: a static text that says what is wrong; nothing has changed then. */
#ifndef LARDER_CLIENT_OPTIONS_H
#define LARDER_CLIENT_OPTIONS_H

#include "src/client/larder.h"
#include "src/client/server_list.h"

enum { CONFIG_PROTOCOL_AUTO, CONFIG_PROTOCOL_META, CONFIG_PROTOCOL_CLASSIC };
enum { CONFIG_VERIFY_NONE, CONFIG_VERIFY_CHAIN, CONFIG_VERIFY_FULL };

struct larder_config {
#define OPTION_TEXT(name, ...) char *name;
#define OPTION_NUMBER(name, ...) uint32_t name;
#define OPTION_CHOICE(name, ...) uint32_t name;
#include "src/client/client_options.def"
#undef OPTION_TEXT
#undef OPTION_NUMBER
#undef OPTION_CHOICE
};

MUST_CHECK struct larder_config *config_copy(const struct larder_config *config);

/* The servers of the option, positions in order; replicas.servers[i].host is NULL where a position
 * has none. */
struct config_servers {
    struct server_list primaries;
    struct server_list *replicas; /* one list of one server a position; count 0: none */
};
/* NULL: done; fini. */
MUST_CHECK const char *config_servers_init(struct config_servers *servers, const char *text);
void config_servers_fini(struct config_servers *servers);

#endif
