/* larder: what the unit tests of io share: a core's I/O under every back end and step of the ladder
 *
 * Purpose: each test runs once a variant (epoll, io_uring, io_uring with features refused), against
 *   plain sockets at the other end. A `struct end` collects what the events of one connection said.
 * Owner: the test.   Threads: the test's.   Memory: freed by the harness.
 * Limits: a test that waits longer than PUMP_SECONDS_MAX for what it expects fails.
 * Errors: cmocka's.
 */
#ifndef LARDER_TESTS_UNIT_IO_HARNESS_H
#define LARDER_TESTS_UNIT_IO_HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/io.h"

enum { PUMP_SECONDS_MAX = 100, EVENTS_MAX = 64, CONNS_MAX = 4096 };

struct variant {
    const char *name;
    struct io_config config;
};

/* What happened to one connection of ours. */
struct end {
    struct io_conn *conn;
    int other_fd; /* the peer's side, a plain socket */
    uint8_t *bytes;
    size_t bytes_count;
    size_t bytes_room;
    unsigned receives;
    unsigned ended; /* ends of the stream and errors */
    int end_error;
    unsigned stopped;
    unsigned into;
    size_t into_length;
    int into_error;
    unsigned sent;
    size_t sent_length;
    int sent_error;
    unsigned closed;
};

struct harness {
    const struct variant *variant;
    struct io *io;
    unsigned capacity; /* of a turn; at most EVENTS_MAX */
    unsigned doorbells;
    unsigned accepted;
    int accepted_fds[CONNS_MAX];
    int accept_error;
    unsigned accept_errors;
    unsigned listen_closed;
};

/* Runs the tests, each under all variants that this kernel has. */
int harness_run(const char *group, const struct CMUnitTest *tests, size_t count);

struct harness *harness_of(void **state);
/* Makes the I/O anew with another configuration (backend and features stay the variant's). */
void harness_restart(struct harness *harness, struct io_config config);

/* One turn, its events noted in their ends; returns their number. */
unsigned pump_once(struct harness *harness, int64_t wait_ns);
/* Turns until the condition holds. */
#define PUMP_UNTIL(harness, condition)                                                             \
    do {                                                                                           \
        int64_t pump_deadline_ = pump_now() + (int64_t)PUMP_SECONDS_MAX * 1000000000;              \
        while (!(condition)) {                                                                     \
            (void)pump_once((harness), 100000000);                                                 \
            assert_true(pump_now() < pump_deadline_);                                              \
        }                                                                                          \
    } while (0)
/* Turns until nothing comes any more, for what should not happen. */
void pump_idle(struct harness *harness);
int64_t pump_now(void);

/* A connected pair: unix sockets, or TCP over the loopback. */
struct end *end_open(struct harness *harness);
struct end *end_open_tcp(struct harness *harness);
struct end *end_open_fds(struct harness *harness, int fd, int other_fd);
/* Closes what is still open and frees. */
void end_free(struct harness *harness, struct end *end);

/* The byte at each place of a test's stream: sequence errors do not go unseen. */
uint8_t pattern_at(size_t place);
uint8_t *pattern_make(size_t bytes);
void pattern_check(const uint8_t *bytes, size_t count, size_t place_first);

/* Writes all to the peer's side, which blocks; from a thread of its own. */
struct writer *writer_start(int fd, size_t bytes);
void writer_join(struct writer *writer);
/* Reads so many from the peer's side and checks the pattern. */
struct reader *reader_start(int fd, size_t bytes);
bool reader_is_done(struct reader *reader);
void reader_join(struct reader *reader);

#endif
