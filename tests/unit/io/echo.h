/* larder: a server that sends back what it receives: the smallest user of all that io.h offers
 *
 * Purpose: one core of it runs over any back end. It bounds its output by stopping to receive; at
 *   every third stop it receives directly before it goes on streaming, and recalls every other of
 *   these.
 * Owner: the test.   Threads: that of the io.
 * Memory: ECHO_BYTES a connection.   Limits: the io's.   Errors: asserts.
 */
#ifndef LARDER_TESTS_UNIT_IO_ECHO_H
#define LARDER_TESTS_UNIT_IO_ECHO_H

#include "io/io.h"

/* Above ECHO_HIGH_BYTES it stops receiving; what a kernel delivers before it has stopped must fit.
 */
enum { ECHO_BYTES = 512 * 1024, ECHO_HIGH_BYTES = 2000, ECHO_DIRECT_BYTES = 900, ECHO_EVENTS = 16 };

struct echo {
    struct io *io;
    struct io_listener *listener;
    uint64_t trace; /* of all events, in order: equal runs have equal traces */
    unsigned conns;
    unsigned conns_served;
    unsigned accept_errors;
    unsigned events;
    bool finished; /* the listener is closed */
};

/* Takes connections over from listening_fd (-1: only from echo_adopt()). */
void echo_init(struct echo *echo, struct io *io, int listening_fd);
void echo_adopt(struct echo *echo, int fd);
/* One turn and what follows from it; returns the events. */
unsigned echo_step(struct echo *echo, int64_t wait_ns_max);
void echo_stop(struct echo *echo);

#endif
