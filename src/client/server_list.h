/* larder: servers as users write them
 *
 * Purpose: reads "HOST:PORT/WEIGHT,..." into servers of a ring, and writes a server's name.
 *
 *     cache1:11211,cache2:11212/3      a host or address, its port (11211), its weight (1)
 *     [2001:db8::5]:11211/2            an IPv6 address in brackets, which the ring does not see
 *     /run/larder.sock,/run/b.sock:/2  a unix socket: a path; its weight stands behind ":/"
 *
 * Owner: the caller; fini what was init.   Threads: one at a time.
 * Memory: the list owns the servers and the texts their hosts point to.
 * Limits: RING_SERVERS_MAX servers, hosts of RING_HOST_BYTES_MAX bytes, ports 1 to 65535, weights 1
 *   to 2^32-1. Hosts hold no blanks, control characters, commas or slashes; paths no commas.
 * Errors: false, with what is wrong and with which part of the text. */
#ifndef LARDER_CLIENT_SERVER_LIST_H
#define LARDER_CLIENT_SERVER_LIST_H

#include "src/client/ring.h"

/* brackets, a colon, a port and the end of the text beside the host */
enum { SERVER_NAME_BYTES_MAX = RING_HOST_BYTES_MAX + 10 };

struct server_list {
    struct ring_server *servers;
    char *text;
    uint32_t count;
};

struct server_list_fault {
    const char *why; /* static */
    struct span item;
};

/* Reads the text. On false the list needs no fini, and fault->item is a part of the text. */
MUST_CHECK bool server_list_init(struct server_list *list, struct span text,
                                 struct server_list_fault *fault);
void server_list_fini(struct server_list *list);

/* Writes the name that server_list_init reads, port always, weight never; returns `to`. */
const char *server_name_write(const struct ring_server *server, char to[SERVER_NAME_BYTES_MAX]);

#endif
