/* larder: the sockets a server listens on */
#include "src/server/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/listen.h"
#include "src/server/server.h"

void listeners_close(struct server *server, unsigned first) {
    while (server->listener_count > first) {
        close(server->listeners[--server->listener_count].fd);
    }
}

static bool listeners_add(struct server *server, const struct listen_sockets *sockets,
                          struct server_listener like) {
    for (unsigned i = 0; i < sockets->count; i++) {
        if (server->listener_count == SERVER_LISTENERS_MAX) {
            close(sockets->fds[i]);
            continue;
        }
        like.fd = sockets->fds[i];
        server->listeners[server->listener_count++] = like;
        server_log(server, 2, "<%d server listening (%s)", like.fd,
                   like.protocol == SETTINGS_PROTOCOL_ASCII    ? "ascii"
                   : like.protocol == SETTINGS_PROTOCOL_BINARY ? "binary"
                                                               : "auto-negotiate");
    }
    return sockets->count != 0;
}

static bool listeners_open_unix(struct server *server) {
    const struct settings *settings = server->settings;
    struct listen_sockets sockets;
    int error = listen_unix(settings->unix_path, (mode_t)settings->unix_mode,
                            (int)settings->backlog, &sockets);
    if (error != 0) {
        fprintf(stderr, "failed to listen on UNIX socket: %s: %s\n", settings->unix_path,
                strerror(error));
        return false;
    }
    return listeners_add(server, &sockets,
                         (struct server_listener){.protocol = (uint8_t)settings->protocol,
                                                  .local = true});
}

static bool listeners_open_tcp(struct server *server, const struct settings_listen *address) {
    const struct settings *settings = server->settings;
    struct listen_sockets sockets;
    int error = listen_tcp(&(struct listen_config){.host = address->host,
                                                   .port = address->port,
                                                   .backlog = (int)settings->backlog,
                                                   .ipv4 = true,
                                                   .ipv6 = true},
                           &sockets);
    if (error == 0) {
        return listeners_add(server, &sockets,
                             (struct server_listener){.protocol = (uint8_t)address->protocol,
                                                      .tls = (uint8_t)address->tls});
    }
    if (sockets.reason[0] != '\0') {
        fprintf(stderr, "%s\n", sockets.reason);
    }
    if (settings->listen_text == NULL) {
        fprintf(stderr, "failed to listen on TCP port %d: %s\n", (int)settings->tcp_port,
                strerror(error));
    } else {
        fprintf(stderr, "failed to listen on one of interface(s) %s: %s\n",
                settings->listen_text, strerror(error));
    }
    return false;
}

/* One line a TCP socket. Readers see the whole file or none: it is written aside and renamed. */
static void listeners_write_ports(const struct server *server) {
    const char *path = getenv("MEMCACHED_PORT_FILENAME");
    char *temporary = NULL;
    if (path == NULL || asprintf(&temporary, "%s.lck", path) < 0) {
        return;
    }
    FILE *file = fopen(temporary, "ae");
    if (file == NULL) {
        fprintf(stderr, "Failed to open \"%s\": %s\n", temporary, strerror(errno));
        free(temporary);
        return;
    }
    for (unsigned i = 0; i < server->listener_count; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);
        if (getsockname(server->listeners[i].fd, (struct sockaddr *)&address, &length) != 0) {
            continue;
        }
        if (address.ss_family == AF_INET) {
            fprintf(file, "TCP INET: %u\n", ntohs(((struct sockaddr_in *)&address)->sin_port));
        } else if (address.ss_family == AF_INET6) {
            fprintf(file, "TCP INET6: %u\n", ntohs(((struct sockaddr_in6 *)&address)->sin6_port));
        }
    }
    if (fclose(file) != 0 || rename(temporary, path) != 0) {
        fprintf(stderr, "Failed to write \"%s\": %s\n", path, strerror(errno));
    }
    free(temporary);
}

bool listeners_open(struct server *server) {
    const struct settings *settings = server->settings;
    bool good = settings->unix_path == NULL || listeners_open_unix(server);
    for (unsigned i = 0; good && i < settings->listen_count; i++) {
        good = listeners_open_tcp(server, &settings->listen[i]);
    }
    if (!good) {
        listeners_close(server, 0);
        return false;
    }
    if (settings->unix_path == NULL) {
        listeners_write_ports(server);
    }
    return true;
}
