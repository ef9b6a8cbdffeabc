/* larder: what the unit tests of io share */
#include "tests/unit/io/harness.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "src/base/atomic.h"

static const struct variant variants[] = {
    {"epoll", {.backend = IO_BACKEND_EPOLL}},
    {"uring", {.backend = IO_BACKEND_URING}},
    {"uring, coop_taskrun",
     {.backend = IO_BACKEND_URING, .features_refused = IO_FEATURE_DEFER_TASKRUN}},
    {"uring, plain completions, no registered ring, no waitall",
     {.backend = IO_BACKEND_URING,
      .features_refused = IO_FEATURE_DEFER_TASKRUN | IO_FEATURE_COOP_TASKRUN |
                          IO_FEATURE_REGISTERED_RING | IO_FEATURE_SEND_WAITALL}},
    {"uring, single receives and accepts",
     {.backend = IO_BACKEND_URING,
      .features_refused = IO_FEATURE_RECV_MULTISHOT | IO_FEATURE_ACCEPT_MULTISHOT}},
    {"uring, no buffer ring",
     {.backend = IO_BACKEND_URING, .features_refused = IO_FEATURE_BUFFER_RING}},
};

enum { VARIANTS = sizeof(variants) / sizeof(variants[0]), NAME_BYTES = 160 };

static struct io_config config_of(const struct variant *variant) {
    struct io_config config = variant->config;

    config.conns_max = CONNS_MAX;
    return config;
}

static int harness_setup(void **state) {
    struct harness *harness = calloc(1, sizeof(*harness));
    struct io_config config;

    assert_non_null(harness);
    harness->variant = *state;
    harness->capacity = EVENTS_MAX;
    config = config_of(harness->variant);
    assert_int_equal(io_create(&config, &harness->io), 0);
    *state = harness;
    return 0;
}

static int harness_teardown(void **state) {
    struct harness *harness = *state;

    io_destroy(harness->io);
    free(harness);
    return 0;
}

struct harness *harness_of(void **state) {
    return *state;
}

void harness_restart(struct harness *harness, struct io_config config) {
    io_destroy(harness->io);
    config.backend = harness->variant->config.backend;
    config.features_refused |= harness->variant->config.features_refused;
    if (config.conns_max == 0) {
        config.conns_max = CONNS_MAX;
    }
    assert_int_equal(io_create(&config, &harness->io), 0);
}

static bool variant_works(const struct variant *variant) {
    struct io_config config = config_of(variant);
    struct io *io;

    if (io_create(&config, &io) != 0) {
        (void)printf("# %s: not on this kernel or in this build\n", variant->name);
        return false;
    }
    io_destroy(io);
    return true;
}

int harness_run(const char *group, const struct CMUnitTest *tests, size_t count) {
    struct CMUnitTest *all = calloc(count * VARIANTS, sizeof(*all));
    char(*names)[NAME_BYTES] = calloc(count * VARIANTS, sizeof(*names));
    size_t used = 0;
    int failed;

    if (all == NULL || names == NULL) {
        return 1;
    }
    for (size_t v = 0; v < VARIANTS; v++) {
        if (!variant_works(&variants[v])) {
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            (void)snprintf(names[used], NAME_BYTES, "%s: %s", variants[v].name, tests[i].name);
            all[used] = (struct CMUnitTest){names[used], tests[i].test_func, harness_setup,
                                            harness_teardown, (void *)(uintptr_t)&variants[v]};
            used++;
        }
    }
    failed = _cmocka_run_group_tests(group, all, used, NULL, NULL);
    free(names);
    free(all);
    return failed;
}

int64_t pump_now(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void end_bytes_add(struct end *end, const uint8_t *data, size_t length) {
    if (end->bytes_count + length > end->bytes_room) {
        end->bytes_room = (end->bytes_count + length) * 2;
        end->bytes = realloc(end->bytes, end->bytes_room);
        assert_non_null(end->bytes);
    }
    memcpy(end->bytes + end->bytes_count, data, length);
    end->bytes_count += length;
}

static void note_received(struct end *end, const struct io_event *event) {
    if (event->error == 0 && event->length > 0) {
        end->receives++;
        end_bytes_add(end, event->data, event->length);
        return;
    }
    end->ended++;
    end->end_error = event->error;
}

static void note_conn(struct end *end, const struct io_event *event) {
    assert_int_equal(end->closed, 0);
    switch (event->kind) {
    case IO_RECEIVED:
        note_received(end, event);
        break;
    case IO_RECV_STOPPED:
        end->stopped++;
        break;
    case IO_RECEIVED_INTO:
        end->into++;
        end->into_length = event->length;
        end->into_error = event->error;
        break;
    case IO_SENT:
        end->sent++;
        end->sent_length = event->length;
        end->sent_error = event->error;
        break;
    default:
        assert_int_equal(event->kind, IO_CLOSED);
        end->closed++;
        break;
    }
}

static void note(struct harness *harness, const struct io_event *event) {
    switch (event->kind) {
    case IO_DOORBELL:
        harness->doorbells++;
        break;
    case IO_ACCEPTED:
        if (event->error != 0) {
            harness->accept_error = event->error;
            harness->accept_errors++;
        } else {
            assert_true(harness->accepted < CONNS_MAX);
            harness->accepted_fds[harness->accepted++] = event->fd;
        }
        break;
    case IO_LISTEN_CLOSED:
        harness->listen_closed++;
        break;
    default:
        note_conn(event->owner, event);
        break;
    }
}

unsigned pump_once(struct harness *harness, int64_t wait_ns) {
    struct io_event events[EVENTS_MAX];
    unsigned count = io_turn(harness->io, events, harness->capacity, wait_ns);

    assert_true(count <= harness->capacity);
    for (unsigned i = 0; i < count; i++) {
        note(harness, &events[i]);
    }
    return count;
}

void pump_idle(struct harness *harness) {
    for (unsigned quiet = 0; quiet < 3;) {
        quiet = pump_once(harness, 2000000) == 0 ? quiet + 1 : 0;
    }
}

struct end *end_open_fds(struct harness *harness, int fd, int other_fd) {
    struct end *end = calloc(1, sizeof(*end));

    assert_non_null(end);
    end->other_fd = other_fd;
    assert_int_equal(io_conn_open(harness->io, fd, end, &end->conn), 0);
    assert_int_equal(io_conn_fd(end->conn), fd);
    return end;
}

struct end *end_open(struct harness *harness) {
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return end_open_fds(harness, fds[0], fds[1]);
}

struct end *end_open_tcp(struct harness *harness) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    assert_true(listener >= 0 && client >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    (void)close(listener);
    return end_open_fds(harness, fd, client);
}

void end_free(struct harness *harness, struct end *end) {
    if (end->closed == 0) {
        io_close(end->conn);
        PUMP_UNTIL(harness, end->closed == 1);
    }
    if (end->other_fd >= 0) {
        (void)close(end->other_fd);
    }
    free(end->bytes);
    free(end);
}

uint8_t pattern_at(size_t place) {
    return (uint8_t)((place * 2654435761u) >> 13);
}

uint8_t *pattern_make(size_t bytes) {
    uint8_t *made = malloc(bytes);

    assert_non_null(made);
    for (size_t i = 0; i < bytes; i++) {
        made[i] = pattern_at(i);
    }
    return made;
}

void pattern_check(const uint8_t *bytes, size_t count, size_t place_first) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != pattern_at(place_first + i)) {
            fail_msg("the stream differs at byte %zu", place_first + i);
        }
    }
}

struct writer {
    pthread_t thread;
    int fd;
    size_t bytes;
    uint8_t *pattern;
};

struct reader {
    pthread_t thread;
    int fd;
    size_t bytes;
    size_t got;
    uint8_t *into;
    _Atomic bool done;
};

static void *writer_main(void *argument) {
    struct writer *writer = argument;
    size_t done = 0;

    while (done < writer->bytes) {
        ssize_t count =
            send(writer->fd, writer->pattern + done, writer->bytes - done, MSG_NOSIGNAL);

        if (count <= 0) {
            break;
        }
        done += (size_t)count;
    }
    return NULL;
}

struct writer *writer_start(int fd, size_t bytes) {
    struct writer *writer = calloc(1, sizeof(*writer));

    assert_non_null(writer);
    writer->fd = fd;
    writer->bytes = bytes;
    writer->pattern = pattern_make(bytes);
    assert_int_equal(pthread_create(&writer->thread, NULL, writer_main, writer), 0);
    return writer;
}

void writer_join(struct writer *writer) {
    assert_int_equal(pthread_join(writer->thread, NULL), 0);
    free(writer->pattern);
    free(writer);
}

static void *reader_main(void *argument) {
    struct reader *reader = argument;

    while (reader->got < reader->bytes) {
        ssize_t count =
            recv(reader->fd, reader->into + reader->got, reader->bytes - reader->got, 0);

        if (count <= 0) {
            break;
        }
        reader->got += (size_t)count;
    }
    atom_store_release(&reader->done, true);
    return NULL;
}

struct reader *reader_start(int fd, size_t bytes) {
    struct reader *reader = calloc(1, sizeof(*reader));

    assert_non_null(reader);
    reader->fd = fd;
    reader->bytes = bytes;
    reader->into = malloc(bytes);
    assert_non_null(reader->into);
    assert_int_equal(pthread_create(&reader->thread, NULL, reader_main, reader), 0);
    return reader;
}

bool reader_is_done(struct reader *reader) {
    return atom_load_acquire(&reader->done);
}

void reader_join(struct reader *reader) {
    assert_int_equal(pthread_join(reader->thread, NULL), 0);
    assert_int_equal(reader->got, reader->bytes);
    pattern_check(reader->into, reader->bytes, 0);
    free(reader->into);
    free(reader);
}
