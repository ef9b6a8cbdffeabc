/* larder: a server with its cores stepped by the test, and clients over socket pairs
 *
 * Purpose: runs what ships, in one thread and without sleeping: each core's core_step() is called
 *   until what the test waits for has happened.
 * Owner: the test.   Threads: one.   Memory: what the server takes.
 * Limits: RIG_STEPS_MAX rounds of steps for anything awaited, RIG_CORES_MAX cores.
 * Errors: cmocka's assertions. */
#ifndef LARDER_TESTS_UNIT_SERVER_RIG_H
#define LARDER_TESTS_UNIT_SERVER_RIG_H

#include <stdbool.h>
#include <stddef.h>

#include "src/server/server.h"

enum { RIG_STEPS_MAX = 20000, RIG_CORES_MAX = 8 };

struct rig {
    struct settings *settings;
    struct server server;
};

/* `tune` may change the settings; NULL: the defaults. */
void rig_start(struct rig *rig, enum io_backend backend, unsigned cores,
               void (*tune)(struct settings *settings));
/* Closes what is still open and frees everything. */
void rig_end(struct rig *rig);

/* One step of every core, without waiting. */
void rig_step(struct rig *rig);
/* A connection accepted by core 0; returns the client's end, which does not block. */
int rig_connect(struct rig *rig);
/* As much as the socket takes; how many bytes that was. */
size_t rig_write(int fd, const void *data, size_t bytes);
/* Sends all of it, stepping where the socket is full. */
void rig_send(struct rig *rig, int fd, const void *data, size_t bytes);
void rig_send_text(struct rig *rig, int fd, const char *text);
/* Steps until exactly `bytes` bytes came. */
void rig_receive(struct rig *rig, int fd, void *data, size_t bytes);
void rig_expect_text(struct rig *rig, int fd, const char *text);
/* Steps until the server has ended the connection, without a byte before it. */
void rig_expect_end(struct rig *rig, int fd);
/* Steps until the answer ends in END; its length, a NUL behind it. */
size_t rig_stats(struct rig *rig, int fd, const char *command, char *text, size_t bytes);
/* Steps until no connection is left on any core. */
void rig_await_no_connections(struct rig *rig);
/* Moves the server's clock. */
void rig_advance(struct rig *rig, unsigned seconds);

#endif
