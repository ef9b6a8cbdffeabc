/* larder: tests of listening sockets */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/listen.h"

enum { BACKLOG = 16 };

static void sockets_close(struct listen_sockets *sockets) {
    for (unsigned i = 0; i < sockets->count; i++) {
        (void)close(sockets->fds[i]);
    }
}

static int option_of(int fd, int level, int option) {
    int value = -1;
    socklen_t bytes = sizeof(value);

    assert_int_equal(getsockopt(fd, level, option, &value, &bytes), 0);
    return value;
}

static void a_listener_has_memcacheds_options(void **state) {
    struct listen_config config = {.host = "127.0.0.1", .backlog = BACKLOG, .ipv4 = true};
    struct listen_sockets sockets;

    (void)state;
    assert_int_equal(listen_tcp(&config, &sockets), 0);
    assert_int_equal(sockets.count, 1);
    assert_string_equal(sockets.reason, "");
    assert_int_not_equal(sockets.port, 0);
    assert_int_not_equal(option_of(sockets.fds[0], SOL_SOCKET, SO_REUSEADDR), 0);
    assert_int_not_equal(option_of(sockets.fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_not_equal(option_of(sockets.fds[0], IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(option_of(sockets.fds[0], SOL_SOCKET, SO_REUSEPORT), 0);
    assert_int_not_equal(option_of(sockets.fds[0], SOL_SOCKET, SO_ACCEPTCONN), 0);
    sockets_close(&sockets);
}

static void a_second_server_on_the_port_fails(void **state) {
    struct listen_config config = {.host = NULL, .backlog = BACKLOG, .ipv4 = true, .ipv6 = true};
    struct listen_sockets first;
    struct listen_sockets second;

    (void)state;
    assert_int_equal(listen_tcp(&config, &first), 0);
    config.port = first.port;
    assert_int_equal(listen_tcp(&config, &second), EADDRINUSE);
    assert_int_equal(second.count, 0);
    assert_non_null(strstr(second.reason, strerror(EADDRINUSE)));
    sockets_close(&first);
    assert_int_equal(listen_tcp(&config, &second), 0);
    sockets_close(&second);
}

static void every_address_is_served_by_a_socket_a_family(void **state) {
    struct listen_config config = {.host = NULL, .backlog = BACKLOG, .ipv4 = true, .ipv6 = true};
    struct listen_sockets sockets;

    (void)state;
    assert_int_equal(listen_tcp(&config, &sockets), 0);
    for (unsigned i = 0; i < sockets.count; i++) {
        struct sockaddr_storage address;
        socklen_t bytes = sizeof(address);

        assert_int_equal(getsockname(sockets.fds[i], (struct sockaddr *)&address, &bytes), 0);
        if (address.ss_family == AF_INET6) {
            assert_int_equal(option_of(sockets.fds[i], IPPROTO_IPV6, IPV6_V6ONLY), 1);
            assert_int_equal(ntohs(((struct sockaddr_in6 *)&address)->sin6_port), sockets.port);
        } else {
            assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), sockets.port);
        }
    }
    sockets_close(&sockets);
}

static void a_name_that_does_not_resolve_is_said(void **state) {
    struct listen_config config = {.host = "256.1.1.1", .backlog = BACKLOG, .ipv4 = true};
    struct listen_sockets sockets;

    (void)state;
    assert_int_equal(listen_tcp(&config, &sockets), ENOENT);
    assert_int_not_equal(sockets.reason[0], '\0');
    config.host = "192.0.2.1"; /* nobody's: documentation */
    assert_int_equal(listen_tcp(&config, &sockets), EADDRNOTAVAIL);
}

static void path_make(char *path, size_t bytes) {
    char folder[] = "/tmp/larder-listen-XXXXXX";

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, bytes, "%s/s", folder);
}

static void path_remove(char *path) {
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

static void a_unix_socket_has_the_mode_asked_for(void **state) {
    static const mode_t modes[] = {0700, 0777, 0640};
    struct listen_sockets sockets;
    struct stat status;
    char path[64];

    (void)state;
    path_make(path, sizeof(path));
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(listen_unix(path, modes[i], BACKLOG, &sockets), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, modes[i]);
        sockets_close(&sockets); /* leaves a stale file for the next round */
    }
    path_remove(path);
}

static void a_unix_socket_that_is_served_is_not_taken(void **state) {
    struct listen_sockets first;
    struct listen_sockets second;
    char path[64];

    (void)state;
    path_make(path, sizeof(path));
    assert_int_equal(listen_unix(path, 0700, BACKLOG, &first), 0);
    assert_int_equal(listen_unix(path, 0700, BACKLOG, &second), EADDRINUSE);
    assert_int_equal(second.count, 0);
    sockets_close(&first);
    path_remove(path);
}

static void a_file_that_is_no_socket_is_left_alone(void **state) {
    struct listen_sockets sockets;
    struct stat status;
    char path[64];
    char longer[300];
    FILE *file;

    (void)state;
    path_make(path, sizeof(path));
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(listen_unix(path, 0700, BACKLOG, &sockets), EADDRINUSE);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    path_remove(path);

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(listen_unix(longer, 0700, BACKLOG, &sockets), ENAMETOOLONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_has_memcacheds_options),
        cmocka_unit_test(a_second_server_on_the_port_fails),
        cmocka_unit_test(every_address_is_served_by_a_socket_a_family),
        cmocka_unit_test(a_name_that_does_not_resolve_is_said),
        cmocka_unit_test(a_unix_socket_has_the_mode_asked_for),
        cmocka_unit_test(a_unix_socket_that_is_served_is_not_taken),
        cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
