/* larder: the simulated network's sockets and pipes, shared by its two files
 *
 * Purpose: sim_net.c moves bytes and the clock, sim_io.c is the back end on top of it.
 * Owner, Threads, Memory, Limits, Errors: as in io/sim.h.
 */
#ifndef LARDER_IO_SIM_CORE_H
#define LARDER_IO_SIM_CORE_H

#include "io/io_core.h"
#include "io/sim.h"

/* Numbers that no open descriptor of the process has. */
enum { SIM_FD_FIRST = 1 << 24 };

/* Bytes on their way, or the end of the stream. */
struct sim_segment {
    int64_t due_ns;
    size_t bytes;
    bool end;
};

/* One direction, towards the socket that holds it. Places count from the beginning of the stream:
 *
 *     read_at <= arrived_at <= written_at <= read_at + pipe_bytes
 */
struct sim_pipe {
    uint8_t *bytes;
    uint64_t read_at;
    uint64_t arrived_at;
    uint64_t written_at;
    struct sim_segment *segments; /* in order */
    size_t segments_first;
    size_t segments_count;
    size_t segments_room;
    int64_t due_ns_last;
    int64_t stalled_until_ns;
    bool end_written;
    bool end_arrived;
};

struct sim_socket {
    struct sim_net *net;
    struct sim_socket *peer; /* NULL: a listener */
    struct io_conn *conn;    /* that drives it, if any */
    struct io_listener *listener;
    struct sim_pipe in;
    struct sim_socket **backlog; /* a listener's, in order of arrival */
    size_t backlog_count;
    size_t backlog_room;
    int fd;
    uint16_t port;
    bool open;
    bool reset;
    bool connecting; /* not at the listener yet */
};

/* At due_ns, look at a socket: bytes arrive there, or its connection at the listener. */
struct sim_alarm {
    int64_t due_ns;
    uint64_t order;
    struct sim_socket *socket;
};

struct sim_io;

struct sim_net {
    struct sim_config config;
    uint64_t random;
    int64_t now_ns;
    uint64_t alarms_set;
    struct sim_alarm *alarms; /* heap, the earliest first */
    size_t alarms_count;
    size_t alarms_room;
    struct sim_socket **sockets;
    size_t sockets_count;
    size_t sockets_room;
    struct sim_io *ios;
};

struct sim_io {
    struct io io;
    struct sim_net *net;
    struct sim_io *next;
    struct io_conn **work; /* connections that may have something to do */
    size_t work_count;
    size_t work_room;
    uint8_t **chunks; /* received data of the turn, each an allocation of its own */
    size_t chunks_count;
    size_t chunks_room;
    int64_t wake_ns;
    bool asleep;
    bool listeners_work;
};

/* Room for one more in an array that doubles; ASSERTs memory, this is a test's network. */
void *sim_grow(void *array, size_t count, size_t *room, size_t bytes);

bool sim_chance(struct sim_net *net, uint64_t in, uint64_t of);
/* A part of bytes (> 0): all of it, or in short_permille of the cases less. */
size_t sim_portion(struct sim_net *net, size_t bytes);

struct sim_socket *sim_socket_of(const struct sim_net *net, int fd);
size_t sim_socket_readable(const struct sim_socket *socket);
size_t sim_socket_room(const struct sim_socket *socket); /* of what it sends */
void sim_socket_read(struct sim_socket *socket, uint8_t *into, size_t bytes);
void sim_socket_write(struct sim_socket *socket, const uint8_t *bytes, size_t count);
bool sim_socket_at_end(const struct sim_socket *socket);
void sim_socket_reset(struct sim_socket *socket);
void sim_socket_close(struct sim_socket *socket);
/* Lets everything happen that is due. */
void sim_net_deliver(struct sim_net *net);

/* sim_io.c: something may have changed for this connection, or this listener. */
void sim_conn_wake(struct io_conn *conn);
void sim_listener_wake(struct io_listener *listener);

#endif
