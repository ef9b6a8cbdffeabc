/* larder: listening sockets and the socket options that memcached sets */
#include "io/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PORT_TEXT_BYTES = 8 };

static void out_reset(struct listen_sockets *out) {
    *out = (struct listen_sockets){.count = 0};
}

/* Closes what was opened; the reason is "what: why". Returns error. */
static int out_fail(struct listen_sockets *out, const char *what, int error) {
    for (unsigned i = 0; i < out->count; i++) {
        (void)close(out->fds[i]);
    }
    out->count = 0;
    (void)snprintf(out->reason, sizeof(out->reason), "%s: %s", what, strerror(error));
    return error;
}

static void option_set(int fd, int level, int option) {
    int on = 1;

    (void)setsockopt(fd, level, option, &on, sizeof(on));
}

static void options_set(int fd, int family) {
    struct linger linger = {0};

    option_set(fd, SOL_SOCKET, SO_REUSEADDR);
    option_set(fd, SOL_SOCKET, SO_KEEPALIVE);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    if (family != AF_UNIX) {
        option_set(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
    }
    if (family == AF_INET6) {
        option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    }
}

static uint16_t *port_of(struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port
                                          : &((struct sockaddr_in *)address)->sin_port;
}

/* Names resolve to the same address twice where /etc/hosts says it twice. */
static bool listens_already(const struct listen_sockets *out,
                            const struct sockaddr_storage *wanted) {
    for (unsigned i = 0; i < out->count; i++) {
        struct sockaddr_storage has = {0};
        socklen_t bytes = sizeof(has);

        if (getsockname(out->fds[i], (struct sockaddr *)&has, &bytes) == 0 &&
            memcmp(&has, wanted, sizeof(has)) == 0) {
            return true;
        }
    }
    return false;
}

static int socket_listen(const struct addrinfo *info, int backlog, struct listen_sockets *out) {
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof(address);
    int fd;

    memcpy(&address, info->ai_addr, info->ai_addrlen);
    if (out->port != 0) {
        *port_of(&address) = htons(out->port);
    }
    if (listens_already(out, &address)) {
        return 0;
    }
    fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
    if (fd < 0) {
        return errno;
    }
    options_set(fd, info->ai_family);
    if (bind(fd, (struct sockaddr *)&address, info->ai_addrlen) != 0 || listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
        int error = errno;

        (void)close(fd);
        return error;
    }
    out->port = ntohs(*port_of(&address));
    out->fds[out->count++] = fd;
    return 0;
}

/* The host has no such family or address, which is no fault as long as another serves. */
static bool absent(int error) {
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT;
}

static int resolved_listen(const struct addrinfo *found, const struct listen_config *config,
                           struct listen_sockets *out) {
    int error_absent = 0;

    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        int error = 0;

        if (info->ai_family != AF_INET && info->ai_family != AF_INET6) {
            continue;
        }
        if (out->count == LISTEN_SOCKETS_MAX) {
            return out_fail(out, "too many addresses", ENOSPC);
        }
        error = socket_listen(info, config->backlog, out);
        if (absent(error)) {
            error_absent = error;
        } else if (error != 0) {
            return out_fail(out, "bind or listen", error);
        }
    }
    if (out->count == 0) {
        return out_fail(out, "bind", error_absent != 0 ? error_absent : EADDRNOTAVAIL);
    }
    return 0;
}

int listen_tcp(const struct listen_config *config, struct listen_sockets *out) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[PORT_TEXT_BYTES];
    int result;

    ASSERT(config->ipv4 || config->ipv6);
    out_reset(out);
    hints.ai_family = !config->ipv6 ? AF_INET : !config->ipv4 ? AF_INET6 : AF_UNSPEC;
    (void)snprintf(port, sizeof(port), "%u", (unsigned)config->port);
    result = getaddrinfo(config->host, port, &hints, &found);
    if (result == EAI_SYSTEM) {
        return out_fail(out, "getaddrinfo", errno);
    }
    if (result != 0) {
        (void)snprintf(out->reason, sizeof(out->reason), "getaddrinfo: %s", gai_strerror(result));
        return ENOENT;
    }
    result = resolved_listen(found, config, out);
    freeaddrinfo(found);
    return result;
}

/* Does somebody accept connections at this path? */
static bool unix_served(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served;

    if (fd < 0) {
        return true;
    }
    served = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
             errno == EAGAIN || errno == EINPROGRESS;
    (void)close(fd);
    return served;
}

static void unix_remove_stale(const struct sockaddr_un *address) {
    struct stat status;

    if (lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        !unix_served(address)) {
        (void)unlink(address->sun_path);
    }
}

int listen_unix(const char *path, mode_t mask, int backlog, struct listen_sockets *out) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mode = mask & (S_IRWXU | S_IRWXG | S_IRWXO);
    int fd;

    out_reset(out);
    if (strlen(path) >= sizeof(address.sun_path)) {
        return out_fail(out, path, ENAMETOOLONG);
    }
    strcpy(address.sun_path, path);
    unix_remove_stale(&address);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return out_fail(out, "socket", errno);
    }
    out->fds[out->count++] = fd;
    options_set(fd, AF_UNIX);
    /* bind(2) gives the file the socket's mode less the umask: never more than was asked for */
    if (fchmod(fd, mode) != 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return out_fail(out, path, errno);
    }
    if (chmod(path, mode) != 0 || listen(fd, backlog) != 0) {
        int error = errno;

        (void)unlink(path);
        return out_fail(out, path, error);
    }
    return 0;
}

void listen_prepare_accepted(int fd) {
    int family = 0;
    socklen_t bytes = sizeof(family);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &bytes) == 0 && family != AF_UNIX) {
        option_set(fd, IPPROTO_TCP, TCP_NODELAY);
        option_set(fd, SOL_SOCKET, SO_KEEPALIVE);
    }
}
