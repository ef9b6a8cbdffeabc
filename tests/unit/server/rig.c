/* larder: a server with its cores stepped by the test, and clients over socket pairs */
#include "tests/unit/server/rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { RIG_SEED = 1, RIG_CHUNK_BYTES = 64 * 1024 };

void rig_start(struct rig *rig, enum io_backend backend, unsigned cores,
               void (*tune)(struct settings *settings)) {
    rig->settings = settings_create_default();
    assert_non_null(rig->settings);
    if (tune != NULL) {
        tune(rig->settings);
    }
    assert_true(server_init(&rig->server, rig->settings, NULL, cores, RIG_SEED));
    rig->server.listeners[0] = (struct server_listener){.fd = -1, .local = true};
    rig->server.listener_count = 1;
    for (unsigned i = 0; i < cores; i++) {
        struct io *io = NULL;
        assert_int_equal(
            io_create(&(struct io_config){.backend = backend, .conns_max = 4096}, &io), 0);
        if (i == 0) {
            rig->server.clock_base_ns = io_now_ns(io);
        }
        assert_int_equal(core_start(rig->server.cores[i], io), 0);
    }
}

void rig_end(struct rig *rig) {
    for (unsigned i = 0; i < rig->server.core_count; i++) {
        core_stop(rig->server.cores[i]);
    }
    assert_int_equal(atom_load_relaxed(&rig->server.connections_open), 0);
    server_fini(&rig->server);
    settings_destroy(rig->settings);
}

void rig_step(struct rig *rig) {
    for (unsigned i = 0; i < rig->server.core_count; i++) {
        rig->server.cores[i]->more = true; /* so that it does not wait */
        core_step(rig->server.cores[i]);
    }
}

int rig_connect(struct rig *rig) {
    int ends[2];
    struct core *core = rig->server.cores[0];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(server_connection_enter(&rig->server, core->now_ns));
    core_assign(core, ends[1], 0);
    return ends[0];
}

size_t rig_write(int fd, const void *data, size_t bytes) {
    ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    assert_true(sent >= 0 || errno == EAGAIN);
    return sent < 0 ? 0 : (size_t)sent;
}

void rig_send(struct rig *rig, int fd, const void *data, size_t bytes) {
    size_t sent = rig_write(fd, data, bytes);
    for (unsigned i = 0; sent < bytes && i < RIG_STEPS_MAX; i++) {
        rig_step(rig);
        sent += rig_write(fd, (const char *)data + sent, bytes - sent);
    }
    assert_int_equal(sent, bytes);
}

void rig_send_text(struct rig *rig, int fd, const char *text) {
    rig_send(rig, fd, text, strlen(text));
}

void rig_receive(struct rig *rig, int fd, void *data, size_t bytes) {
    size_t got = 0;
    for (unsigned i = 0; got < bytes && i < RIG_STEPS_MAX; i++) {
        ssize_t more = recv(fd, (char *)data + got, bytes - got, MSG_DONTWAIT);
        assert_true(more > 0 || (more < 0 && errno == EAGAIN));
        got += more > 0 ? (size_t)more : 0;
        rig_step(rig);
    }
    assert_int_equal(got, bytes);
}

void rig_expect_text(struct rig *rig, int fd, const char *text) {
    char got[RIG_CHUNK_BYTES];
    size_t bytes = strlen(text);
    assert_true(bytes < sizeof(got));
    rig_receive(rig, fd, got, bytes);
    got[bytes] = '\0';
    assert_string_equal(got, text);
}

void rig_expect_end(struct rig *rig, int fd) {
    char byte;
    for (unsigned i = 0; i < RIG_STEPS_MAX; i++) {
        ssize_t more = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (more == 0 || (more < 0 && errno == ECONNRESET)) {
            return;
        }
        assert_true(more < 0 && errno == EAGAIN);
        rig_step(rig);
    }
    fail_msg("the server has not ended the connection");
}

size_t rig_stats(struct rig *rig, int fd, const char *command, char *text, size_t bytes) {
    size_t got = 0;
    rig_send_text(rig, fd, command);
    for (unsigned i = 0; i < RIG_STEPS_MAX && got < bytes - 1; i++) {
        ssize_t more = recv(fd, text + got, bytes - 1 - got, MSG_DONTWAIT);
        got += more > 0 ? (size_t)more : 0;
        text[got] = '\0';
        if (got >= 5 && strcmp(text + got - 5, "END\r\n") == 0) {
            return got;
        }
        rig_step(rig);
    }
    fail_msg("no END");
    return 0;
}

void rig_await_no_connections(struct rig *rig) {
    for (unsigned i = 0; i < RIG_STEPS_MAX; i++) {
        if (atom_load_relaxed(&rig->server.connections_open) == 0) {
            return;
        }
        rig_step(rig);
    }
    fail_msg("connections are left");
}

void rig_advance(struct rig *rig, unsigned seconds) {
    atom_store_relaxed(&rig->server.clock_offset_s,
                       atom_load_relaxed(&rig->server.clock_offset_s) + seconds);
}
