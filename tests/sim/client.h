/* larder: a client of the simulated network that checks every reply
 *
 * Purpose: sends random commands, pipelined, and knows what each may answer. Every value names its
 *   key, its number and its length and is filled from these, so a torn or foreign value is seen.
 *   Keys of its own (`own_C_N`) must read back exactly as written last; shared ones (`all_N`),
 *   which others write and delete, must be whole or missing.
 * Owner: the test.   Threads: one.   Memory: malloc, until client_destroy().
 * Limits: CLIENT_PIPELINE_MAX requests in flight.
 * Errors: fail_msg() with the seed. */
#ifndef LARDER_TESTS_SIM_CLIENT_H
#define LARDER_TESTS_SIM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "io/sim.h"

enum { CLIENT_PIPELINE_MAX = 64, CLIENT_KEYS_OWN = 24, CLIENT_KEYS_SHARED = 8 };

struct client_config {
    struct sim_net *net;
    uint64_t seed;
    uint16_t port;
    unsigned number;
    unsigned requests;        /* then it is done */
    uint32_t value_bytes_max; /* at least 64 */
    unsigned lazy_percent;    /* of the times it is asked it does not read */
    bool may_break;           /* the network resets connections: it may end early */
    bool leaves;              /* closes at some point, whatever is in flight */
    bool may_miss;            /* memory is short: an own key may be evicted */
    bool stalls;              /* its network stands still now and then */
};

struct client;

struct client *client_create(const struct client_config *config);
void client_destroy(struct client *client);

/* Does something, if it can: sends, reads, checks. True: it did. */
bool client_step(struct client *client);
/* Everything was asked and answered, or it left, or its connection broke. */
bool client_is_done(const struct client *client);
/* Closes its connection. */
void client_close(struct client *client);

#endif
