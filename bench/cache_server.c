/* larder: a running server as a cache for traces */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cache.h"

#define COMMAND_BYTES_MAX 1000u
#define LINE_BYTES_MAX 400u
#define OUT_BYTES (CACHE_BATCH_MAX * (TRACE_VALUE_BYTES_MAX + 64u))
#define IN_BYTES 65536u
#define CONNECT_TRIES_MAX 200u
#define CONNECT_PAUSE_US 50000u

struct server_cache {
    struct cache cache;
    pid_t pid;
    int fd;
    uint8_t *out;
    size_t out_bytes;
    char in[IN_BYTES];
    size_t in_at, in_end;
};

static void give_up(const char *why) {
    fprintf(stderr, "hit-ratio: %s: %s\n", why, strerror(errno));
    exit(1);
}

static void out_flush(struct server_cache *c) {
    for (size_t at = 0; at < c->out_bytes;) {
        ssize_t sent = write(c->fd, c->out + at, c->out_bytes - at);
        if (sent <= 0) {
            give_up("the server does not read");
        }
        at += (size_t)sent;
    }
    c->out_bytes = 0;
}

/* The next line of the replies, without its end. */
static const char *line_read(struct server_cache *c) {
    for (;;) {
        char *line = c->in + c->in_at;
        char *end = memchr(line, '\n', c->in_end - c->in_at);
        if (end != NULL) {
            *end = '\0';
            c->in_at = (size_t)(end + 1 - c->in);
            return line;
        }
        memmove(c->in, line, c->in_end - c->in_at);
        c->in_end -= c->in_at;
        c->in_at = 0;
        ssize_t got = read(c->fd, c->in + c->in_end, IN_BYTES - c->in_end);
        if (got <= 0) {
            give_up("the server does not answer");
        }
        c->in_end += (size_t)got;
    }
}

static void out_set(struct server_cache *c, const struct request *request) {
    int head = snprintf((char *)c->out + c->out_bytes, LINE_BYTES_MAX, "ms key-%012u %u\r\n",
                        request->key, request->value_bytes);
    c->out_bytes += (size_t)head;
    memset(c->out + c->out_bytes, 'v', request->value_bytes);
    c->out_bytes += request->value_bytes;
    memcpy(c->out + c->out_bytes, "\r\n", 2);
    c->out_bytes += 2;
}

/* All gets of a batch, then the sets of those that missed. */
static uint32_t server_replay(struct cache *cache, const struct request *requests,
                              unsigned count) {
    struct server_cache *c = (struct server_cache *)cache;
    for (unsigned i = 0; i < count; i++) {
        c->out_bytes += (size_t)snprintf((char *)c->out + c->out_bytes, LINE_BYTES_MAX,
                                         "mg key-%012u\r\n", requests[i].key);
    }
    out_flush(c);
    uint32_t hits = 0;
    for (unsigned i = 0; i < count; i++) {
        bool hit = line_read(c)[0] == 'H';
        hits |= (uint32_t)hit << i;
        if (!hit) {
            out_set(c, &requests[i]);
        }
    }
    out_flush(c);
    for (unsigned i = 0; i < count; i++) {
        if ((hits >> i & 1) == 0) {
            (void)line_read(c); /* a refused set is a miss next time */
        }
    }
    return hits;
}

static uint64_t server_objects(struct cache *cache) {
    struct server_cache *c = (struct server_cache *)cache;
    uint64_t objects = 0;
    memcpy(c->out, "stats\r\n", 7);
    c->out_bytes = 7;
    out_flush(c);
    for (const char *line = line_read(c); strncmp(line, "END", 3) != 0; line = line_read(c)) {
        (void)sscanf(line, "STAT curr_items %lu", &objects);
    }
    return objects;
}

static void server_destroy(struct cache *cache) {
    struct server_cache *c = (struct server_cache *)cache;
    (void)close(c->fd);
    (void)kill(c->pid, SIGTERM);
    (void)waitpid(c->pid, NULL, 0);
    free(c->out);
    free(c);
}

/* Replaces {port} and {memory}. */
static void command_fill(char *filled, const char *command, unsigned port, uint64_t memory_mib) {
    size_t at = 0;
    while (*command != '\0' && at < COMMAND_BYTES_MAX) {
        size_t room = COMMAND_BYTES_MAX - at;
        if (strncmp(command, "{port}", 6) == 0) {
            at += (size_t)snprintf(filled + at, room, "%u", port);
            command += 6;
        } else if (strncmp(command, "{memory}", 8) == 0) {
            at += (size_t)snprintf(filled + at, room, "%lu", memory_mib);
            command += 8;
        } else {
            filled[at++] = *command++;
        }
    }
    filled[at < COMMAND_BYTES_MAX ? at : COMMAND_BYTES_MAX] = '\0';
}

static struct sockaddr_in loopback(void) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct sockaddr_in free_address(void) {
    struct sockaddr_in address = loopback();
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
        give_up("no free port");
    }
    (void)close(fd);
    return address;
}

static int connect_patiently(const struct sockaddr_in *address) {
    for (unsigned i = 0; i < CONNECT_TRIES_MAX; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
            int yes = 1;
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
            return fd;
        }
        (void)close(fd);
        (void)usleep(CONNECT_PAUSE_US);
    }
    give_up("the server cannot be reached");
    return -1;
}

struct cache *cache_server_create(const char *command, uint64_t memory_mib) {
    static const char EXEC[] = "exec ";
    struct server_cache *c = calloc(1, sizeof(*c));
    uint8_t *out = malloc(OUT_BYTES);
    if (c == NULL || out == NULL) {
        give_up("no memory");
    }
    struct sockaddr_in address = free_address();
    char line[sizeof(EXEC) + COMMAND_BYTES_MAX];
    memcpy(line, EXEC, sizeof(EXEC));
    command_fill(line + sizeof(EXEC) - 1, command, ntohs(address.sin_port), memory_mib);
    c->pid = fork();
    if (c->pid < 0) {
        give_up("no process for the server");
    }
    if (c->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* however this program ends */
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    c->out = out;
    c->fd = connect_patiently(&address);
    c->cache = (struct cache){server_replay, server_objects, server_destroy};
    return &c->cache;
}
