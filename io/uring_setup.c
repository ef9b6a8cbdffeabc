/* larder: the io_uring back end: making a ring and finding out what the kernel grants
 *
 * Every feature is tried with a real operation on sockets of our own, since kernels carry backports
 * and sandboxes refuse single flags or operations: a version number would tell little. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/uring.h"

enum {
    PROBE_SECONDS_MAX = 1,
    PROBE_SEND_BYTES = 1024 * 1024, /* more than a pair of unix sockets holds */
    PROBE_TAG = 1,
    PROBE_CANCEL_TAG = 2
};

/* Of a completion what the probes look at. */
struct probe_result {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

static bool refused(const struct uring_io *back, enum io_feature feature) {
    return (back->io.config.features_refused & feature) != 0;
}

/* Steps down from the best way of running completions to the oldest; 0 or errno. */
static int ring_create(struct uring_io *back) {
    static const struct {
        unsigned flags;
        uint32_t feature;
    } steps[] = {
        {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
         IO_FEATURE_DEFER_TASKRUN},
        {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL, IO_FEATURE_COOP_TASKRUN},
        {IORING_SETUP_SUBMIT_ALL, 0},
        {0, 0},
    };
    int result = -EINVAL;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == -EINVAL; i++) {
        struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                         .cq_entries = URING_COMPLETIONS};

        if (steps[i].feature != 0 && refused(back, (enum io_feature)steps[i].feature)) {
            continue;
        }
        params.flags |= steps[i].flags;
        result = io_uring_queue_init_params(URING_SUBMISSIONS, &back->ring, &params);
        if (result == 0) {
            back->io.features |= IO_FEATURE_URING | steps[i].feature;
        }
    }
    return -result;
}

/* What there is no step down from: 0 or ENOSYS. */
static int ring_suffices(struct uring_io *back) {
    static const int operations[] = {IORING_OP_RECV,         IORING_OP_SEND,   IORING_OP_RECVMSG,
                                     IORING_OP_SENDMSG,      IORING_OP_ACCEPT, IORING_OP_POLL_ADD,
                                     IORING_OP_ASYNC_CANCEL, IORING_OP_READ};
    const unsigned wanted = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL |
                            IORING_FEAT_EXT_ARG;
    struct io_uring_probe *probe = io_uring_get_probe_ring(&back->ring);
    int error = (back->ring.features & wanted) == wanted ? 0 : ENOSYS;

    if (probe == NULL) {
        return ENOSYS;
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (!io_uring_opcode_supported(probe, operations[i])) {
            error = ENOSYS;
        }
    }
    io_uring_free_probe(probe);
    return error;
}

/* Submits and awaits one completion, a copy of which it returns; res -ETIME when none comes. */
static struct probe_result probe_complete(struct uring_io *back) {
    struct __kernel_timespec wait = {.tv_sec = PROBE_SECONDS_MAX};
    struct io_uring_cqe *cqe = NULL;
    int result;

    do {
        result = io_uring_submit_and_wait_timeout(&back->ring, &cqe, 1, &wait, NULL);
    } while (result == -EINTR);
    if (cqe != NULL) {
        struct probe_result seen = {cqe->user_data, cqe->res, cqe->flags};

        io_uring_cqe_seen(&back->ring, cqe);
        return seen;
    }
    return (struct probe_result){.res = -ETIME};
}

/* Recalls what is still armed, and awaits its end. */
static void probe_end(struct uring_io *back) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&back->ring);
    struct probe_result cqe;
    bool over = false;
    bool cancelled = false;

    io_uring_prep_cancel64(sqe, PROBE_TAG, 0);
    sqe->user_data = PROBE_CANCEL_TAG;
    do {
        cqe = probe_complete(back);
        if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
            (void)uring_buffers_take(&back->buffers, cqe.flags);
        }
        if (cqe.user_data == PROBE_CANCEL_TAG) {
            cancelled = true;
            over |= cqe.res == -ENOENT;
        } else {
            over |= (cqe.flags & IORING_CQE_F_MORE) == 0;
        }
    } while (cqe.res != -ETIME && !(over && cancelled));
}

static bool probe_recv_multishot(struct uring_io *back) {
    struct io_uring_sqe *sqe;
    struct probe_result cqe;
    int fds[2];
    bool granted;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return false;
    }
    granted = write(fds[1], "x", 1) == 1;
    sqe = io_uring_get_sqe(&back->ring);
    io_uring_prep_recv_multishot(sqe, fds[0], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    sqe->user_data = PROBE_TAG;
    cqe = probe_complete(back);
    granted = granted && cqe.res == 1 && (cqe.flags & IORING_CQE_F_BUFFER) != 0 &&
              (cqe.flags & IORING_CQE_F_MORE) != 0;
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
        (void)uring_buffers_take(&back->buffers, cqe.flags);
    }
    if ((cqe.flags & IORING_CQE_F_MORE) != 0) {
        probe_end(back);
    }
    uring_buffers_return(&back->buffers);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return granted;
}

/* A listener with a name that the system makes up, and somebody who connected to it. */
static bool probe_listener(int *listener, int *client) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t bytes = sizeof(address);

    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return *listener >= 0 && *client >= 0 &&
           bind(*listener, (struct sockaddr *)&address, sizeof(address.sun_family)) == 0 &&
           listen(*listener, 1) == 0 &&
           getsockname(*listener, (struct sockaddr *)&address, &bytes) == 0 &&
           connect(*client, (struct sockaddr *)&address, bytes) == 0;
}

static bool probe_accept_multishot(struct uring_io *back) {
    struct io_uring_sqe *sqe;
    struct probe_result cqe = {.res = -EINVAL};
    int listener;
    int client;

    if (probe_listener(&listener, &client)) {
        sqe = io_uring_get_sqe(&back->ring);
        io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
        sqe->user_data = PROBE_TAG;
        cqe = probe_complete(back);
        if (cqe.res >= 0) {
            (void)close(cqe.res);
        }
        if ((cqe.flags & IORING_CQE_F_MORE) != 0) {
            probe_end(back);
        }
    }
    if (listener >= 0) {
        (void)close(listener);
    }
    if (client >= 0) {
        (void)close(client);
    }
    return cqe.res >= 0 && (cqe.flags & IORING_CQE_F_MORE) != 0;
}

/* A send that is recalled half-way must tell how far it came (Linux 5.19 and 6.0 forget). */
static bool probe_send_waitall(struct uring_io *back) {
    uint8_t *bytes = calloc(1, PROBE_SEND_BYTES);
    struct io_uring_sqe *sqe;
    struct probe_result first;
    struct probe_result second;
    int fds[2];

    if (bytes == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        free(bytes);
        return false;
    }
    sqe = io_uring_get_sqe(&back->ring);
    io_uring_prep_send(sqe, fds[0], bytes, PROBE_SEND_BYTES, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = PROBE_TAG;
    (void)io_uring_submit(&back->ring);
    sqe = io_uring_get_sqe(&back->ring);
    io_uring_prep_cancel64(sqe, PROBE_TAG, 0);
    sqe->user_data = PROBE_CANCEL_TAG;
    first = probe_complete(back);
    second = probe_complete(back);
    (void)close(fds[0]);
    (void)close(fds[1]);
    free(bytes);
    return (first.user_data == PROBE_TAG ? first.res : second.res) > 0;
}

static void features_probe(struct uring_io *back) {
    uint32_t *features = &back->io.features;

    if (!refused(back, IO_FEATURE_BUFFER_RING) &&
        uring_buffers_init(&back->buffers, &back->ring, &back->io.config) == 0) {
        *features |= IO_FEATURE_BUFFER_RING;
        if (!refused(back, IO_FEATURE_RECV_MULTISHOT) && probe_recv_multishot(back)) {
            *features |= IO_FEATURE_RECV_MULTISHOT;
        }
    }
    if (!refused(back, IO_FEATURE_ACCEPT_MULTISHOT) && probe_accept_multishot(back)) {
        *features |= IO_FEATURE_ACCEPT_MULTISHOT;
    }
    if (!refused(back, IO_FEATURE_SEND_WAITALL) && probe_send_waitall(back)) {
        *features |= IO_FEATURE_SEND_WAITALL;
    }
    if (!refused(back, IO_FEATURE_REGISTERED_RING) && io_uring_register_ring_fd(&back->ring) == 1) {
        *features |= IO_FEATURE_REGISTERED_RING;
    }
}

static int uring_io_init(struct uring_io *back, const struct io_config *config) {
    int error = io_init(&back->io, &uring_ops, config);

    back->messages = calloc(URING_SUBMISSIONS, sizeof(back->messages[0]));
    if (error != 0 || back->messages == NULL) {
        return ENOMEM;
    }
    if (refused(back, IO_FEATURE_URING)) {
        return EPERM;
    }
    back->bell_fd = eventfd(0, EFD_CLOEXEC);
    if (back->bell_fd < 0) {
        return errno;
    }
    error = ring_create(back);
    if (error == 0) {
        error = ring_suffices(back);
    }
    if (error != 0) {
        return error;
    }
    features_probe(back);
    if ((back->io.features & IO_FEATURE_BUFFER_RING) == 0) {
        uring_buffers_fini(&back->buffers);
        error = arena_init(&back->arena, config->buffer_bytes, config->buffers_initial);
        atom_store_relaxed(&back->io.counters.buffers, config->buffers_initial);
    }
    return error;
}

/* The eventfd's read, the one operation left, must not outlive the memory that it writes to. */
static void bell_end(struct uring_io *back) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&back->ring);
    struct probe_result cqe;

    io_uring_prep_cancel64(sqe, uring_tag(URING_BELL, 0, 0), 0);
    sqe->user_data = uring_tag(URING_CANCEL, 0, 0);
    do {
        cqe = probe_complete(back);
        if (cqe.user_data == uring_tag(URING_BELL, 0, 0)) {
            back->bell_armed = false;
        }
    } while (back->bell_armed && cqe.res != -ETIME);
}

void uring_destroy(struct io *io) {
    struct uring_io *back = uring_of(io);

    if (back->bell_armed) {
        bell_end(back);
    }
    if ((io->features & IO_FEATURE_URING) != 0) {
        io_uring_queue_exit(&back->ring);
    }
    if (back->bell_fd >= 0) {
        (void)close(back->bell_fd);
    }
    uring_buffers_fini(&back->buffers);
    arena_fini(&back->arena);
    free(back->messages);
    io_fini(io);
    free(back);
}

int io_create_uring(const struct io_config *config, struct io **out) {
    struct uring_io *back = aligned_alloc(CACHE_LINE_BYTES, sizeof(*back));
    int error;

    *out = NULL;
    if (back == NULL) {
        return ENOMEM;
    }
    *back = (struct uring_io){.bell_fd = -1};
    error = uring_io_init(back, config);
    if (error != 0) {
        uring_destroy(&back->io);
        return error;
    }
    *out = &back->io;
    return 0;
}
