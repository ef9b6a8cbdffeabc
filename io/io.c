/* larder: the I/O contract: configuration, states of connections and listeners */
#include "io/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_core.h"

enum {
    BUFFER_BYTES_DEFAULT = 16 * 1024,
    BUFFER_BYTES_MIN = 1024,
    BUFFER_BYTES_MAX = 1024 * 1024,
    BUFFERS_DEFAULT = 64,
    BUFFERS_MAX_DEFAULT = 256,
    BUFFERS_MAX_MAX = 32768
};

static bool power_of_two(uint32_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}

bool io_config_complete(struct io_config *config) {
    if (config->buffer_bytes == 0) {
        config->buffer_bytes = BUFFER_BYTES_DEFAULT;
    }
    if (config->buffers_initial == 0) {
        config->buffers_initial = BUFFERS_DEFAULT;
    }
    if (config->buffers_max == 0) {
        config->buffers_max = BUFFERS_MAX_DEFAULT;
    }
    if (config->buffers_max < config->buffers_initial) {
        config->buffers_max = config->buffers_initial;
    }
    return config->conns_max >= 1 && config->conns_max <= IO_CONNS_MAX &&
           power_of_two(config->buffer_bytes) && config->buffer_bytes >= BUFFER_BYTES_MIN &&
           config->buffer_bytes <= BUFFER_BYTES_MAX && power_of_two(config->buffers_initial) &&
           power_of_two(config->buffers_max) && config->buffers_max <= BUFFERS_MAX_MAX;
}

/* "uring defer_taskrun registered_ring ..." */
static void features_describe(struct io *io) {
    static const struct {
        enum io_feature feature;
        const char *name;
    } names[] = {
        {IO_FEATURE_DEFER_TASKRUN, "defer_taskrun"},
        {IO_FEATURE_COOP_TASKRUN, "coop_taskrun"},
        {IO_FEATURE_REGISTERED_RING, "registered_ring"},
        {IO_FEATURE_BUFFER_RING, "buffer_ring"},
        {IO_FEATURE_RECV_MULTISHOT, "recv_multishot"},
        {IO_FEATURE_ACCEPT_MULTISHOT, "accept_multishot"},
        {IO_FEATURE_SEND_WAITALL, "send_waitall"},
    };
    size_t used = (size_t)snprintf(io->features_text, sizeof(io->features_text), "%s",
                                   io_backend_name(io->ops->backend));

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((io->features & names[i].feature) != 0 && used < sizeof(io->features_text)) {
            used += (size_t)snprintf(io->features_text + used, sizeof(io->features_text) - used,
                                     " %s", names[i].name);
        }
    }
}

static int create_auto(const struct io_config *config, struct io **out) {
    int refused = io_create_uring(config, out);
    int error;

    if (refused == 0) {
        features_describe(*out);
        return 0;
    }
    error = io_create_epoll(config, out);
    if (error == 0) {
        (void)snprintf((*out)->features_text, sizeof((*out)->features_text),
                       "epoll (uring refused: %s)", strerror(refused));
    }
    return error;
}

int io_create(const struct io_config *config, struct io **out) {
    struct io_config complete = *config;
    int error;

    *out = NULL;
    if (!io_config_complete(&complete)) {
        return EINVAL;
    }
    switch (config->backend) {
    case IO_BACKEND_AUTO:
        return create_auto(&complete, out);
    case IO_BACKEND_URING:
        error = io_create_uring(&complete, out);
        break;
    case IO_BACKEND_EPOLL:
        error = io_create_epoll(&complete, out);
        break;
    case IO_BACKEND_SIM:
    default:
        return EINVAL;
    }
    if (error == 0) {
        features_describe(*out);
    }
    return error;
}

#if !LARDER_URING
int io_create_uring(const struct io_config *config, struct io **out) {
    (void)config;
    *out = NULL;
    return ENOSYS;
}
#endif

static void conns_close(struct io *io) {
    for (uint32_t i = 0; i < io->chunks_count * IO_CHUNK_CONNS; i++) {
        struct io_conn *conn = &io->chunks[i / IO_CHUNK_CONNS][i % IO_CHUNK_CONNS];

        if (conn->in_use && !conn->closing) {
            io_close(conn);
        }
    }
}

static unsigned listeners_close(struct io *io) {
    unsigned count = 0;

    for (unsigned i = 0; i < IO_LISTENERS_MAX; i++) {
        if (io->listeners[i] == NULL) {
            continue;
        }
        count++;
        if (io->listeners[i]->state != IO_LISTEN_STOPPING) {
            io_listen_stop(io->listeners[i]);
        }
    }
    return count;
}

void io_destroy(struct io *io) {
    struct io_event events[64];

    if (io == NULL) {
        return;
    }
    conns_close(io);
    while (listeners_close(io) > 0 || io_conns_open(io) > 0) {
        unsigned count = io_turn(io, events, sizeof(events) / sizeof(events[0]), -1);

        for (unsigned i = 0; i < count; i++) {
            if (events[i].kind == IO_ACCEPTED && events[i].fd >= 0) {
                io->ops->fd_close(io, events[i].fd);
            }
        }
    }
    io->ops->destroy(io);
}

unsigned io_turn(struct io *io, struct io_event *events, unsigned capacity, int64_t wait_ns_max) {
    struct io_batch batch = {.events = events, .capacity = capacity};

    ASSERT(capacity >= IO_EVENTS_MIN);
    io->ops->turn(io, &batch, wait_ns_max);
    atom_own_add(&io->counters.turns, 1);
    atom_own_add(&io->counters.events, batch.count);
    return batch.count;
}

void io_trim(struct io *io) {
    if (io->ops->trim != NULL) {
        io->ops->trim(io);
    }
}

void io_fd_close(struct io *io, int fd) {
    io->ops->fd_close(io, fd);
}

int64_t io_now_ns(const struct io *io) {
    return io->now_ns;
}

void io_recv_start(struct io_conn *conn) {
    ASSERT(!conn->closing);
    ASSERT(conn->recv_state == IO_RECV_IDLE || conn->recv_state == IO_RECV_STOPPING);
    (void)io_conn_unmark(conn, IO_MARK_RECV_STOPPED);
    conn->recv_state = IO_RECV_STREAM;
    conn->io->ops->recv_start(conn);
}

void io_recv_stop(struct io_conn *conn) {
    ASSERT(!conn->closing && conn->recv_state != IO_RECV_DIRECT);
    if (conn->recv_state == IO_RECV_STOPPING) {
        return;
    }
    conn->recv_state = IO_RECV_STOPPING;
    conn->io->ops->recv_stop(conn);
}

void io_recv_check(struct io_conn *conn) {
    if (conn->io->ops->recv_check != NULL && !conn->closing &&
        conn->recv_state == IO_RECV_STREAM) {
        conn->io->ops->recv_check(conn);
    }
}

void io_recv_into(struct io_conn *conn, struct iovec *iov, unsigned count) {
    ASSERT(!conn->closing && conn->recv_state == IO_RECV_IDLE);
    ASSERT(count >= 1 && count <= IO_IOV_MAX);
    conn->recv_state = IO_RECV_DIRECT;
    conn->recv_iov = iov;
    conn->recv_count = (uint16_t)count;
    conn->recv_bytes = 0;
    conn->recv_error = 0;
    conn->io->ops->recv_into(conn);
}

void io_recv_into_cancel(struct io_conn *conn) {
    ASSERT(!conn->closing);
    if (conn->recv_state == IO_RECV_DIRECT && (conn->marks & IO_MARK_RECEIVED_INTO) == 0) {
        conn->io->ops->recv_into_cancel(conn);
    }
}

void io_send(struct io_conn *conn, struct iovec *iov, unsigned count) {
    ASSERT(!conn->closing && conn->send_iov == NULL);
    ASSERT(count >= 1 && count <= IO_IOV_MAX);
    conn->sending = true;
    conn->send_iov = iov;
    conn->send_count = (uint16_t)count;
    conn->send_bytes = 0;
    conn->send_error = 0;
    conn->io->ops->send(conn);
}

void io_send_cancel(struct io_conn *conn) {
    ASSERT(!conn->closing);
    if (conn->sending) {
        conn->io->ops->send_cancel(conn);
    }
}

void io_close(struct io_conn *conn) {
    ASSERT(conn->in_use && !conn->closing);
    conn->closing = true;
    conn->marks = 0;
    conn->io->ops->close(conn);
}

int io_conn_fd(const struct io_conn *conn) {
    return conn->fd;
}

int io_listen_start(struct io *io, int fd, void *owner, struct io_listener **out) {
    struct io_listener *listener;
    uint32_t slot = 0;
    int error;

    *out = NULL;
    while (slot < IO_LISTENERS_MAX && io->listeners[slot] != NULL) {
        slot++;
    }
    if (slot == IO_LISTENERS_MAX) {
        return EMFILE;
    }
    listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        return ENOMEM;
    }
    *listener = (struct io_listener){.io = io, .owner = owner, .fd = fd, .slot = slot};
    listener->generation = io->listeners_started++ & IO_GENERATION_MASK;
    error = io->ops->listen_start(listener);
    if (error != 0) {
        free(listener);
        return error;
    }
    io->listeners[slot] = listener;
    *out = listener;
    return 0;
}

void io_listen_pause(struct io_listener *listener) {
    ASSERT(listener->state != IO_LISTEN_STOPPING);
    if (listener->state == IO_LISTEN_ACCEPTING) {
        listener->state = IO_LISTEN_PAUSED;
        listener->io->ops->listen_change(listener);
    }
}

void io_listen_resume(struct io_listener *listener) {
    ASSERT(listener->state != IO_LISTEN_STOPPING);
    if (listener->state == IO_LISTEN_PAUSED) {
        listener->state = IO_LISTEN_ACCEPTING;
        listener->io->ops->listen_change(listener);
    }
}

void io_listen_stop(struct io_listener *listener) {
    ASSERT(listener->state != IO_LISTEN_STOPPING);
    listener->state = IO_LISTEN_STOPPING;
    listener->io->ops->listen_change(listener);
}

enum io_backend io_backend_of(const struct io *io) {
    return io->ops->backend;
}

const char *io_backend_name(enum io_backend backend) {
    switch (backend) {
    case IO_BACKEND_URING:
        return "uring";
    case IO_BACKEND_EPOLL:
        return "epoll";
    case IO_BACKEND_SIM:
        return "sim";
    case IO_BACKEND_AUTO:
    default:
        return "auto";
    }
}

uint32_t io_features(const struct io *io) {
    return io->features;
}

const char *io_features_text(const struct io *io) {
    return io->features_text;
}

void io_counters_read(const struct io *io, struct io_counters *out) {
    *out = (struct io_counters){
        .turns = atom_load_relaxed(&io->counters.turns),
        .sleeps = atom_load_relaxed(&io->counters.sleeps),
        .syscalls = atom_load_relaxed(&io->counters.syscalls),
        .events = atom_load_relaxed(&io->counters.events),
        .buffers = atom_load_relaxed(&io->counters.buffers),
        .buffers_lacking = atom_load_relaxed(&io->counters.buffers_lacking),
        .rearmed = atom_load_relaxed(&io->counters.rearmed),
        .sends_short = atom_load_relaxed(&io->counters.sends_short),
        .overflows = atom_load_relaxed(&io->counters.overflows),
        .doorbells_rung = atom_load_relaxed(&io->doorbells_rung),
    };
}

uint32_t io_conns_open(const struct io *io) {
    return atom_load_relaxed(&io->conns_open);
}
