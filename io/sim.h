/* larder: a network in this process, seeded, with a clock of its own: the third back end of io.h
 *
 * Purpose: several cores (each a `struct io` of sim_io_create()), their clients and a partner run
 *   in one thread, and the same seed gives the same run. The network delays, cuts receives and
 *   sends short, withholds completions so that others overtake them, lacks buffers, resets, and
 *   goes on delivering after io_recv_stop(): all that a kernel may do, and more often. Bytes of one
 *   direction keep their order. Memory of operations is read and written until the last moment, and
 *   received data is freed in the next turn, so that AddressSanitizer sees misuse.
 * Owner: the test.   Threads: one for everything of a network.
 * Memory: freed by sim_net_destroy(), after io_destroy() of its ios. A socket costs two pipes while
 *   it is open, and a small record until the end.
 * Limits: what is sent and not received of one direction fits pipe_bytes; then the sender waits.
 * Errors: errno values as the system calls have them.
 *
 * A run is a loop:
 *
 *   any core of which sim_io_runnable() holds, chosen at random: its io_turn() and what it does
 *   any client: sim_client_*()
 *   when no core can run: sim_net_step(), which moves the clock to the next arrival or wake-up
 *
 * io_turn() does not wait here: it returns 0 events and the io sleeps, until an event, the doorbell
 * or the end of wait_ns_max makes it runnable again.
 */
#ifndef LARDER_IO_SIM_H
#define LARDER_IO_SIM_H

#include "io/io.h"

struct sim_net;
struct sim_client;

struct sim_config {
    uint64_t seed;
    int64_t delay_ns_min; /* of bytes on their way */
    int64_t delay_ns_max;
    int64_t turn_ns;            /* that the clock moves with each io_turn() */
    uint32_t pipe_bytes;        /* 0: 64 KiB */
    uint32_t short_permille;    /* receives and sends that move less than they could */
    uint32_t defer_permille;    /* completions withheld for a turn; at most 900 */
    uint32_t lacking_permille;  /* receives that find no buffer */
    uint32_t accept_permille;   /* accepts that fail with EMFILE */
    uint32_t reset_per_million; /* receives and sends upon which the connection breaks */
};

/* All of it, often: delays of 10 to 500 microseconds, one completion in four withheld, one transfer
 * in two short, small pipes. No resets and no failed accepts: add them where the test expects them.
 */
struct sim_config sim_config_harsh(uint64_t seed);

/* 0 or ENOMEM, EINVAL. */
MUST_CHECK int sim_net_create(const struct sim_config *config, struct sim_net **out);
/* Every io of it is destroyed before. */
void sim_net_destroy(struct sim_net *net);

/* A core on this network; io_destroy() ends it. config's backend is ignored. 0 or errno. */
MUST_CHECK int sim_io_create(struct sim_net *net, const struct io_config *config, struct io **out);
/* Would io_turn() do something, or has the io not gone to sleep? */
bool sim_io_runnable(const struct io *io);

/* The virtual clock, in nanoseconds; begins above 0. */
int64_t sim_net_now_ns(const struct sim_net *net);
/* A number below bound (> 0) from the network's own seeded sequence, for the test's choices. */
uint64_t sim_net_random(struct sim_net *net, uint64_t bound);
/* Moves the clock to the next thing that happens and lets it happen. False when nothing will: no
 * byte is on its way and every io sleeps without limit. */
bool sim_net_step(struct sim_net *net);

/* A listening socket at port, for io_listen_start(). 0 or EADDRINUSE, ENOMEM. */
MUST_CHECK int sim_listen(struct sim_net *net, uint16_t port, int *fd);
/* A connection to port as a socket for io_conn_open(): a partner's. 0 or ECONNREFUSED, ENOMEM. */
MUST_CHECK int sim_connect(struct sim_net *net, uint16_t port, int *fd);

/* A connection to port, driven by the test. 0 or ECONNREFUSED, ENOMEM. */
MUST_CHECK int sim_client_connect(struct sim_net *net, uint16_t port, struct sim_client **out);
/* Sends as many bytes as fit; returns their number, 0 when the pipe is full or the connection over.
 */
size_t sim_client_send(struct sim_client *client, const void *bytes, size_t count);
/* Takes what arrived, at most count bytes; returns their number. A client that does not call this
 * is one that does not read. */
size_t sim_client_receive(struct sim_client *client, void *bytes, size_t count);
/* Bytes that sim_client_receive() could take now. */
size_t sim_client_received_bytes(const struct sim_client *client);
/* The server's end was received and everything before it taken, or the connection was reset. */
bool sim_client_ended(const struct sim_client *client);
bool sim_client_reset_seen(const struct sim_client *client);
/* Sends the end of its stream and goes on receiving. */
void sim_client_finish(struct sim_client *client);
/* Nothing of this connection arrives, in either direction, for so long. */
void sim_client_stall(struct sim_client *client, int64_t ns);
/* Breaks the connection. The client remains, to be closed. */
void sim_client_reset(struct sim_client *client);
/* Closes; the client is gone. What the server still sends fails. */
void sim_client_close(struct sim_client *client);

#endif
