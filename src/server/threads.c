/* larder: one thread a core, started and ended together */
#include "src/server/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/server/server.h"

enum { THREADS_NAME_BYTES = 16 };

struct thread {
    struct threads *threads;
    unsigned index;
    pthread_t id;
};

struct threads {
    struct server *server;
    pthread_barrier_t start; /* cores and main */
    pthread_barrier_t end;   /* the same: main rings doorbells too */
    _Atomic int error;       /* the first errno that kept a core from starting */
    unsigned count;
    struct thread list[];
};

static enum io_backend thread_backend(const struct settings *settings) {
    switch (settings->io) {
    case SETTINGS_IO_URING:
        return IO_BACKEND_URING;
    case SETTINGS_IO_EPOLL:
        return IO_BACKEND_EPOLL;
    default:
        return IO_BACKEND_AUTO;
    }
}

/* Where binding is refused the thread runs where the system likes; said once. */
static void thread_bind(struct server *server, unsigned index) {
    char name[THREADS_NAME_BYTES];
    snprintf(name, sizeof(name), "larder-%u", index);
    (void)pthread_setname_np(pthread_self(), name);
    if (server->plan == NULL) {
        return;
    }
    int error = topology_bind_thread(server->plan, index);
    if (error != 0 && atom_exchange(&server->bind_failed, 1) == 0) {
        server_log(server, 0, "threads cannot be bound to processors: %s", strerror(error));
    }
}

static int thread_core_start(struct server *server, unsigned index) {
    struct core *core = server->cores[index];
    struct io *io = NULL;
    int error = io_create(&(struct io_config){.backend = thread_backend(server->settings),
                                              .conns_max = server_connections_bound(server)},
                          &io);
    return error != 0 ? error : core_start(core, io);
}

/* The listeners of core i are i, i + cores, ... */
static int thread_core_listen(struct server *server, unsigned index) {
    int error = 0;
    for (unsigned i = index; error == 0 && i < server->listener_count; i += server->core_count) {
        error = core_listen(server->cores[index], i);
    }
    return error;
}

static void threads_failed(struct threads *threads, int error) {
    int none = 0;
    if (error != 0) {
        (void)atom_compare_exchange(&threads->error, &none, error);
    }
}

static void *thread_run(void *argument) {
    struct thread *thread = argument;
    struct threads *threads = thread->threads;
    struct server *server = threads->server;
    struct core *core = server->cores[thread->index];
    thread_bind(server, thread->index);
    threads_failed(threads, thread_core_start(server, thread->index));
    pthread_barrier_wait(&threads->start);
    if (atom_load_acquire(&threads->error) == 0) {
        threads_failed(threads, thread_core_listen(server, thread->index));
    }
    pthread_barrier_wait(&threads->start);
    if (atom_load_acquire(&threads->error) == 0) {
        core_run(core);
    }
    pthread_barrier_wait(&threads->end);
    core_stop(core);
    return NULL;
}

static struct threads *threads_create(struct server *server) {
    unsigned count = server->core_count;
    struct threads *threads = calloc(1, sizeof(*threads) + count * sizeof(threads->list[0]));
    if (threads == NULL) {
        return NULL;
    }
    threads->server = server;
    threads->count = count;
    pthread_barrier_init(&threads->start, NULL, count + 1);
    pthread_barrier_init(&threads->end, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        threads->list[i] = (struct thread){.threads = threads, .index = i};
    }
    return threads;
}

static void threads_destroy(struct threads *threads) {
    pthread_barrier_destroy(&threads->start);
    pthread_barrier_destroy(&threads->end);
    free(threads);
}

void threads_join(struct threads *threads) {
    pthread_barrier_wait(&threads->end);
    for (unsigned i = 0; i < threads->count; i++) {
        pthread_join(threads->list[i].id, NULL);
    }
    threads_destroy(threads);
}

struct threads *threads_start(struct server *server) {
    struct threads *threads = threads_create(server);
    if (threads == NULL) {
        fprintf(stderr, "cannot start threads: %s\n", strerror(ENOMEM));
        return NULL;
    }
    for (unsigned i = 0; i < threads->count; i++) {
        int error = pthread_create(&threads->list[i].id, NULL, thread_run, &threads->list[i]);
        if (error != 0) {
            /* the others wait at the start line for good: there is nothing to go on with */
            fprintf(stderr, "Can't create thread: %s\n", strerror(error));
            exit(EXIT_FAILURE);
        }
    }
    pthread_barrier_wait(&threads->start);
    pthread_barrier_wait(&threads->start);
    int error = atom_load_acquire(&threads->error);
    if (error != 0) {
        fprintf(stderr, "cannot start a core: %s\n", strerror(error));
        threads_join(threads);
        return NULL;
    }
    return threads;
}
