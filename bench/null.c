/* larder: bench/null, the machine's limit as a server */
#include "bench/null.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    THREADS_MAX = 64,
    VALUE_BYTES_MAX = 64 << 20,
};

struct null_options {
    int port;
    const char *socket;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t threads;
    bool (*serve)(int listener, const struct null_replies *replies);
};

struct null_server {
    const struct null_options *options;
    const struct null_replies *replies;
    int listener;
    pthread_t thread;
};

static int listen_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    return listen(fd, BACKLOG) == 0 ? fd : -1;
}

/* Every thread has its own listener on the port; the kernel spreads connections over them. */
static int listen_tcp(int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    return listen(fd, BACKLOG) == 0 ? fd : -1;
}

static void *server_main(void *argument) {
    struct null_server *server = argument;
    (void)!server->options->serve(server->listener, server->replies);
    perror("null");
    exit(1);
}

static bool read_number(const char *text, long low, long high, uint32_t *number) {
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < low || value > high)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool set_io(struct null_options *options, const char *name) {
    if (strcmp(name, "epoll") == 0)
        options->serve = null_epoll_serve;
    else if (strcmp(name, "layer-epoll") == 0)
        options->serve = null_layer_epoll_serve;
#if LARDER_URING
    else if (strcmp(name, "layer-uring") == 0)
        options->serve = null_layer_uring_serve;
    else if (strcmp(name, "uring") == 0)
        options->serve = null_uring_serve;
#endif
    else
        return false;
    return true;
}

static bool set_option(struct null_options *options, int code, const char *text) {
    uint32_t port = 0;
    switch (code) {
    case 'p':
        if (!read_number(text, 1, 65535, &port))
            return false;
        options->port = (int)port;
        return true;
    case 's':
        options->socket = text;
        return true;
    case 'k':
        return read_number(text, 1, 250, &options->key_bytes);
    case 'v':
        return read_number(text, 1, VALUE_BYTES_MAX, &options->value_bytes);
    case 't':
        return read_number(text, 1, THREADS_MAX, &options->threads);
    case 'i':
        return set_io(options, text);
    default:
        return false;
    }
}

static bool parse(struct null_options *options, int argc, char **argv) {
    static const struct option LONGS[] = {
        {"port", required_argument, NULL, 'p'},      {"socket", required_argument, NULL, 's'},
        {"key-bytes", required_argument, NULL, 'k'}, {"value-bytes", required_argument, NULL, 'v'},
        {"threads", required_argument, NULL, 't'},   {"io", required_argument, NULL, 'i'},
        {NULL, 0, NULL, 0},
    };
    for (;;) {
        int code = getopt_long(argc, argv, "p:s:k:v:t:i:", LONGS, NULL);
        if (code == -1)
            break;
        if (!set_option(options, code, optarg))
            return false;
    }
    return optind == argc && (options->socket == NULL || options->threads == 1);
}

static const char USAGE[] =
    "null: answers every get with a value of one size and every set with STORED\n"
    "  -p, --port N         on 127.0.0.1 (11211)\n"
    "  -s, --socket PATH    a unix socket instead (one thread)\n"
    "  -k, --key-bytes N    length of every key (16)\n"
    "  -v, --value-bytes N  length of every value, asked for or stored (100)\n"
    "  -t, --threads N      (1)\n"
    "  -i, --io NAME        epoll or uring, or layer-epoll or layer-uring: larder's io/ (epoll)\n";

int main(int argc, char **argv) {
    struct null_options options = {.port = 11211,
                                   .key_bytes = 16,
                                   .value_bytes = 100,
                                   .threads = 1,
                                   .serve = null_epoll_serve};
    if (!parse(&options, argc, argv)) {
        fputs(USAGE, stderr);
        return 2;
    }
    static struct null_server servers[THREADS_MAX];
    struct null_replies replies;
    bool ok = null_replies_init(&replies, options.key_bytes, options.value_bytes);
    for (uint32_t i = 0; ok && i < options.threads; i++) {
        bool is_unix = options.socket != NULL;
        int listener = is_unix ? listen_unix(options.socket) : listen_tcp(options.port);
        servers[i] = (struct null_server){
            .options = &options, .replies = &replies, .listener = listener};
        ok = listener >= 0;
    }
    for (uint32_t i = 1; ok && i < options.threads; i++)
        ok = pthread_create(&servers[i].thread, NULL, server_main, &servers[i]) == 0;
    if (ok)
        server_main(&servers[0]);
    perror("null");
    return 1;
}
