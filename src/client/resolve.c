/* larder: addresses of a server, without waiting for a name server */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/client/resolve.h"

struct resolve {
    pthread_mutex_t mutex; /* over what follows */
    struct addresses addresses;
    const char *why;
    unsigned holders;
    int fd;
    bool answered;
    uint16_t port;
    char host[RING_HOST_BYTES_MAX + 1];
};

static bool read_path(const char *path, struct addresses *addresses) {
    struct sockaddr_un *to = (struct sockaddr_un *)&addresses->list[0].storage;
    size_t bytes = strlen(path);

    addresses->count = 0;
    if (bytes < sizeof(to->sun_path)) {
        *to = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(to->sun_path, path, bytes + 1);
        addresses->list[0].bytes = sizeof(*to);
        addresses->count = 1;
    }
    return true;
}

bool resolve_text(const struct ring_server *server, struct addresses *addresses) {
    struct address *first = &addresses->list[0];
    struct sockaddr_in *four = (struct sockaddr_in *)&first->storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&first->storage;

    if (server->port == 0) {
        return read_path(server->host, addresses);
    }
    memset(first, 0, sizeof(*first));
    if (inet_pton(AF_INET, server->host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(server->port);
        first->bytes = sizeof(*four);
    } else if (inet_pton(AF_INET6, server->host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(server->port);
        first->bytes = sizeof(*six);
    } else {
        return false;
    }
    addresses->count = 1;
    return true;
}

static void look_up(struct resolve *resolve, struct addresses *addresses) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];

    (void)snprintf(port, sizeof(port), "%u", resolve->port);
    if (getaddrinfo(resolve->host, port, &hints, &found) != 0) {
        return;
    }
    for (struct addrinfo *at = found; at != NULL && addresses->count < RESOLVE_ADDRESSES_MAX;
         at = at->ai_next) {
        struct address *to = &addresses->list[addresses->count];

        if (at->ai_addrlen <= sizeof(to->storage)) {
            memcpy(&to->storage, at->ai_addr, at->ai_addrlen);
            to->bytes = at->ai_addrlen;
            addresses->count++;
        }
    }
    freeaddrinfo(found);
}

static void *resolve_run(void *context) {
    struct resolve *resolve = context;
    struct addresses addresses = {.count = 0};
    uint64_t one = 1;

    look_up(resolve, &addresses);
    (void)pthread_mutex_lock(&resolve->mutex);
    resolve->addresses = addresses;
    resolve->why = addresses.count == 0 ? "the name cannot be resolved" : NULL;
    resolve->answered = true;
    ssize_t written = write(resolve->fd, &one, sizeof(one));

    (void)written;
    (void)pthread_mutex_unlock(&resolve->mutex);
    resolve_end(resolve);
    return NULL;
}

static bool start_thread(struct resolve *resolve) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* the program's signals are not for this thread */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, &attributes, resolve_run, resolve) == 0;

    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return started;
}

struct resolve *resolve_begin(const struct ring_server *server, const char **why) {
    struct resolve *resolve = calloc(1, sizeof(*resolve));

    *why = "out of memory";
    if (resolve == NULL) {
        return NULL;
    }
    resolve->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    resolve->holders = 2;
    resolve->port = server->port;
    (void)snprintf(resolve->host, sizeof(resolve->host), "%s", server->host);
    (void)pthread_mutex_init(&resolve->mutex, NULL);
    if (resolve->fd < 0 || !start_thread(resolve)) {
        *why = resolve->fd < 0 ? "too many open files" : "no thread for a name";
        resolve->holders = 1;
        resolve_end(resolve);
        return NULL;
    }
    return resolve;
}

int resolve_fd(const struct resolve *resolve) {
    return resolve->fd;
}

bool resolve_take(struct resolve *resolve, struct addresses *addresses, const char **why) {
    (void)pthread_mutex_lock(&resolve->mutex);
    bool answered = resolve->answered;

    if (answered) {
        *addresses = resolve->addresses;
        *why = resolve->why;
    }
    (void)pthread_mutex_unlock(&resolve->mutex);
    return answered;
}

void resolve_end(struct resolve *resolve) {
    if (resolve == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&resolve->mutex);
    bool last = --resolve->holders == 0;

    (void)pthread_mutex_unlock(&resolve->mutex);
    if (last) {
        if (resolve->fd >= 0) {
            (void)close(resolve->fd);
        }
        (void)pthread_mutex_destroy(&resolve->mutex);
        free(resolve);
    }
}
