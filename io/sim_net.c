/* larder: the simulated network: bytes, time, clients */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/sim_core.h"

enum {
    PIPE_BYTES_DEFAULT = 64 * 1024,
    PERMILLE = 1000,
    DEFER_PERMILLE_MAX = 900,
    NS_PER_US = 1000,
    CLOCK_NS_FIRST = 1000000000
};

struct sim_client {
    struct sim_socket *socket;
};

struct sim_config sim_config_harsh(uint64_t seed) {
    return (struct sim_config){
        .seed = seed,
        .delay_ns_min = 10 * NS_PER_US,
        .delay_ns_max = 500 * NS_PER_US,
        .turn_ns = NS_PER_US,
        .pipe_bytes = 4096,
        .short_permille = 500,
        .defer_permille = 250,
        .lacking_permille = 100,
    };
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static uint64_t random_next(struct sim_net *net) {
    uint64_t z = (net->random += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t sim_net_random(struct sim_net *net, uint64_t bound) {
    ASSERT(bound > 0);
    return random_next(net) % bound;
}

bool sim_chance(struct sim_net *net, uint64_t in, uint64_t of) {
    return in > 0 && sim_net_random(net, of) < in;
}

size_t sim_portion(struct sim_net *net, size_t bytes) {
    if (bytes <= 1 || !sim_chance(net, net->config.short_permille, PERMILLE)) {
        return bytes;
    }
    /* one byte is the cruellest cut, and one byte too few the next */
    switch (sim_net_random(net, 4)) {
    case 0:
        return 1;
    case 1:
        return bytes - 1;
    default:
        return 1 + (size_t)sim_net_random(net, bytes - 1);
    }
}

void *sim_grow(void *array, size_t count, size_t *room, size_t bytes) {
    if (count < *room) {
        return array;
    }
    *room = *room == 0 ? 16 : *room * 2;
    array = realloc(array, *room * bytes);
    ASSERT(array != NULL);
    return array;
}

static bool alarm_before(const struct sim_alarm *a, const struct sim_alarm *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void alarm_set(struct sim_socket *socket, int64_t due_ns) {
    struct sim_net *net = socket->net;
    struct sim_alarm alarm = {due_ns, net->alarms_set++, socket};
    size_t at = net->alarms_count++;

    net->alarms = sim_grow(net->alarms, at, &net->alarms_room, sizeof(alarm));
    while (at > 0 && alarm_before(&alarm, &net->alarms[(at - 1) / 2])) {
        net->alarms[at] = net->alarms[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    net->alarms[at] = alarm;
}

static struct sim_socket *alarm_take(struct sim_net *net) {
    struct sim_socket *first = net->alarms[0].socket;
    struct sim_alarm moved = net->alarms[--net->alarms_count];
    size_t at = 0;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child + 1 < net->alarms_count &&
            alarm_before(&net->alarms[child + 1], &net->alarms[child])) {
            child++;
        }
        if (child >= net->alarms_count || !alarm_before(&net->alarms[child], &moved)) {
            break;
        }
        net->alarms[at] = net->alarms[child];
        at = child;
    }
    net->alarms[at] = moved;
    return first;
}

static void socket_wake(struct sim_socket *socket) {
    if (socket->conn != NULL) {
        sim_conn_wake(socket->conn);
    }
}

static void segment_add(struct sim_socket *to, size_t bytes, bool end) {
    struct sim_net *net = to->net;
    struct sim_pipe *pipe = &to->in;
    int64_t spread = net->config.delay_ns_max - net->config.delay_ns_min;
    int64_t due_ns =
        net->now_ns + net->config.delay_ns_min + (int64_t)sim_net_random(net, (uint64_t)spread + 1);

    if (due_ns < pipe->due_ns_last) {
        due_ns = pipe->due_ns_last;
    }
    pipe->due_ns_last = due_ns;
    if (pipe->segments_first > 0 && pipe->segments_first == pipe->segments_count) {
        pipe->segments_first = 0;
        pipe->segments_count = 0;
    }
    pipe->segments = sim_grow(pipe->segments, pipe->segments_count, &pipe->segments_room,
                              sizeof(pipe->segments[0]));
    pipe->segments[pipe->segments_count++] = (struct sim_segment){due_ns, bytes, end};
    alarm_set(to, due_ns);
}

/* The segments that are due arrive, in their order. */
static void socket_arrive(struct sim_socket *socket) {
    struct sim_pipe *pipe = &socket->in;
    int64_t now_ns = socket->net->now_ns;

    if (pipe->stalled_until_ns > now_ns) {
        alarm_set(socket, pipe->stalled_until_ns);
        return;
    }
    while (pipe->segments_first < pipe->segments_count &&
           pipe->segments[pipe->segments_first].due_ns <= now_ns) {
        pipe->arrived_at += pipe->segments[pipe->segments_first].bytes;
        pipe->end_arrived |= pipe->segments[pipe->segments_first].end;
        pipe->segments_first++;
    }
    socket_wake(socket);
}

static struct sim_socket *listener_at(const struct sim_net *net, uint16_t port) {
    for (size_t i = 0; i < net->sockets_count; i++) {
        struct sim_socket *socket = net->sockets[i];

        if (socket->open && socket->peer == NULL && socket->port == port) {
            return socket;
        }
    }
    return NULL;
}

static void connection_arrive(struct sim_socket *socket) {
    struct sim_socket *listener = listener_at(socket->net, socket->port);

    socket->connecting = false;
    if (listener == NULL) {
        sim_socket_reset(socket);
        return;
    }
    listener->backlog = sim_grow(listener->backlog, listener->backlog_count,
                                 &listener->backlog_room, sizeof(listener->backlog[0]));
    listener->backlog[listener->backlog_count++] = socket;
    if (listener->listener != NULL) {
        sim_listener_wake(listener->listener);
    }
}

void sim_net_deliver(struct sim_net *net) {
    while (net->alarms_count > 0 && net->alarms[0].due_ns <= net->now_ns) {
        struct sim_socket *socket = alarm_take(net);

        if (!socket->open) {
            continue;
        }
        if (socket->connecting) {
            connection_arrive(socket);
        } else {
            socket_arrive(socket);
        }
    }
}

static int64_t wake_next(const struct sim_net *net) {
    int64_t next = net->alarms_count > 0 ? net->alarms[0].due_ns : INT64_MAX;

    for (const struct sim_io *io = net->ios; io != NULL; io = io->next) {
        if (io->asleep && io->wake_ns < next) {
            next = io->wake_ns;
        }
    }
    return next;
}

bool sim_net_step(struct sim_net *net) {
    int64_t next = wake_next(net);

    if (next == INT64_MAX) {
        return false;
    }
    if (next > net->now_ns) {
        net->now_ns = next;
    }
    sim_net_deliver(net);
    return true;
}

int64_t sim_net_now_ns(const struct sim_net *net) {
    return net->now_ns;
}

int sim_net_create(const struct sim_config *config, struct sim_net **out) {
    struct sim_net *net;

    *out = NULL;
    if (config->defer_permille > DEFER_PERMILLE_MAX || config->lacking_permille >= PERMILLE ||
        config->accept_permille >= PERMILLE || config->delay_ns_min < 0 || config->turn_ns < 0 ||
        config->delay_ns_max < config->delay_ns_min) {
        return EINVAL;
    }
    net = calloc(1, sizeof(*net));
    if (net == NULL) {
        return ENOMEM;
    }
    net->config = *config;
    if (net->config.pipe_bytes == 0) {
        net->config.pipe_bytes = PIPE_BYTES_DEFAULT;
    }
    net->random = config->seed;
    net->now_ns = CLOCK_NS_FIRST;
    *out = net;
    return 0;
}

static void socket_fini(struct sim_socket *socket) {
    free(socket->in.bytes);
    free(socket->in.segments);
    free(socket->backlog);
    free(socket);
}

void sim_net_destroy(struct sim_net *net) {
    if (net == NULL) {
        return;
    }
    ASSERT(net->ios == NULL);
    for (size_t i = 0; i < net->sockets_count; i++) {
        socket_fini(net->sockets[i]);
    }
    free(net->sockets);
    free(net->alarms);
    free(net);
}

static struct sim_socket *socket_make(struct sim_net *net, uint16_t port) {
    struct sim_socket *socket = calloc(1, sizeof(*socket));

    if (socket == NULL) {
        return NULL;
    }
    socket->net = net;
    socket->port = port;
    socket->open = true;
    socket->fd = SIM_FD_FIRST + (int)net->sockets_count;
    net->sockets =
        sim_grow(net->sockets, net->sockets_count, &net->sockets_room, sizeof(net->sockets[0]));
    net->sockets[net->sockets_count++] = socket;
    socket->in.bytes = malloc(net->config.pipe_bytes);
    ASSERT(socket->in.bytes != NULL);
    return socket;
}

struct sim_socket *sim_socket_of(const struct sim_net *net, int fd) {
    size_t at = (size_t)fd - SIM_FD_FIRST;

    ASSERT(fd >= SIM_FD_FIRST && at < net->sockets_count && net->sockets[at]->open);
    return net->sockets[at];
}

size_t sim_socket_readable(const struct sim_socket *socket) {
    return (size_t)(socket->in.arrived_at - socket->in.read_at);
}

size_t sim_socket_room(const struct sim_socket *socket) {
    const struct sim_pipe *pipe = &socket->peer->in;

    return socket->net->config.pipe_bytes - (size_t)(pipe->written_at - pipe->read_at);
}

void sim_socket_read(struct sim_socket *socket, uint8_t *into, size_t bytes) {
    struct sim_pipe *pipe = &socket->in;
    size_t size = socket->net->config.pipe_bytes;

    ASSERT(bytes <= sim_socket_readable(socket));
    for (size_t i = 0; i < bytes; i++) {
        into[i] = pipe->bytes[(pipe->read_at + i) % size];
    }
    pipe->read_at += bytes;
    socket_wake(socket->peer);
}

void sim_socket_write(struct sim_socket *socket, const uint8_t *bytes, size_t count) {
    struct sim_pipe *pipe = &socket->peer->in;
    size_t size = socket->net->config.pipe_bytes;

    ASSERT(socket->peer->open && count <= sim_socket_room(socket) && !pipe->end_written);
    for (size_t i = 0; i < count; i++) {
        pipe->bytes[(pipe->written_at + i) % size] = bytes[i];
    }
    pipe->written_at += count;
    segment_add(socket->peer, count, false);
}

bool sim_socket_at_end(const struct sim_socket *socket) {
    return socket->in.end_arrived && sim_socket_readable(socket) == 0;
}

void sim_socket_reset(struct sim_socket *socket) {
    socket->reset = true;
    socket->peer->reset = true;
    socket_wake(socket);
    socket_wake(socket->peer);
}

static void end_write(struct sim_socket *socket) {
    if (!socket->peer->in.end_written && socket->peer->open) {
        socket->peer->in.end_written = true;
        segment_add(socket->peer, 0, true);
    }
}

void sim_socket_close(struct sim_socket *socket) {
    ASSERT(socket->open);
    socket->open = false;
    socket->conn = NULL;
    free(socket->in.bytes);
    socket->in.bytes = NULL;
    if (socket->peer != NULL) {
        end_write(socket);
        return;
    }
    for (size_t i = 0; i < socket->backlog_count; i++) {
        sim_socket_reset(socket->backlog[i]);
    }
    socket->backlog_count = 0;
}

int sim_listen(struct sim_net *net, uint16_t port, int *fd) {
    struct sim_socket *socket;

    *fd = -1;
    if (listener_at(net, port) != NULL) {
        return EADDRINUSE;
    }
    socket = socket_make(net, port);
    if (socket == NULL) {
        return ENOMEM;
    }
    *fd = socket->fd;
    return 0;
}

int sim_connect(struct sim_net *net, uint16_t port, int *fd) {
    struct sim_socket *ours;
    struct sim_socket *theirs;

    *fd = -1;
    if (listener_at(net, port) == NULL) {
        return ECONNREFUSED;
    }
    ours = socket_make(net, port);
    theirs = socket_make(net, port);
    if (ours == NULL || theirs == NULL) {
        return ENOMEM;
    }
    ours->peer = theirs;
    theirs->peer = ours;
    theirs->connecting = true;
    alarm_set(theirs, net->now_ns + net->config.delay_ns_min);
    *fd = ours->fd;
    return 0;
}

int sim_client_connect(struct sim_net *net, uint16_t port, struct sim_client **out) {
    struct sim_client *client;
    int error;
    int fd;

    *out = NULL;
    error = sim_connect(net, port, &fd);
    if (error != 0) {
        return error;
    }
    client = calloc(1, sizeof(*client));
    if (client == NULL) {
        sim_socket_close(sim_socket_of(net, fd));
        return ENOMEM;
    }
    client->socket = sim_socket_of(net, fd);
    *out = client;
    return 0;
}

size_t sim_client_send(struct sim_client *client, const void *bytes, size_t count) {
    struct sim_socket *socket = client->socket;
    size_t room = sim_socket_room(socket);

    if (socket->reset || !socket->peer->open || socket->peer->in.end_written) {
        return 0;
    }
    if (count > room) {
        count = room;
    }
    if (count > 0) {
        sim_socket_write(socket, bytes, count);
    }
    return count;
}

size_t sim_client_receive(struct sim_client *client, void *bytes, size_t count) {
    size_t readable = sim_client_received_bytes(client);

    if (count > readable) {
        count = readable;
    }
    if (count > 0) {
        sim_socket_read(client->socket, bytes, count);
    }
    return count;
}

size_t sim_client_received_bytes(const struct sim_client *client) {
    return sim_socket_readable(client->socket);
}

bool sim_client_ended(const struct sim_client *client) {
    return client->socket->reset || sim_socket_at_end(client->socket);
}

bool sim_client_reset_seen(const struct sim_client *client) {
    return client->socket->reset;
}

void sim_client_finish(struct sim_client *client) {
    end_write(client->socket);
}

void sim_client_stall(struct sim_client *client, int64_t ns) {
    int64_t until_ns = client->socket->net->now_ns + ns;

    client->socket->in.stalled_until_ns = until_ns;
    client->socket->peer->in.stalled_until_ns = until_ns;
}

void sim_client_reset(struct sim_client *client) {
    sim_socket_reset(client->socket);
}

void sim_client_close(struct sim_client *client) {
    sim_socket_close(client->socket);
    free(client);
}
