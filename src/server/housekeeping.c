/* larder: what the main thread does while cores serve */
#include "src/server/housekeeping.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "src/server/certificates.h"
#include "src/server/server.h"
#include "src/server/trim.h"

enum { HOUSEKEEPING_WAIT_MS = 1000 };

static sigset_t housekeeping_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    return set;
}

void housekeeping_signals_block(void) {
    sigset_t set = housekeeping_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int housekeeping_open(struct server *server) {
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return server->wake_fd < 0 ? errno : 0;
}

void housekeeping_close(struct server *server) {
    if (server->wake_fd >= 0) {
        close(server->wake_fd);
        server->wake_fd = -1;
    }
}

static void housekeeping_take_signal(struct server *server, int fd) {
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
        server_stop(server, SERVER_STOPS);
    } else if (info.ssi_signo == SIGUSR1) {
        server_stop(server, SERVER_STOPS_GRACEFULLY);
    } else if (info.ssi_signo == SIGHUP) {
        server_reload(server);
    }
}

static void housekeeping_take_wake(struct server *server) {
    uint64_t count;
    ssize_t bytes = read(server->wake_fd, &count, sizeof(count));
    (void)bytes; /* nothing there: woken for another reason */
    atom_store_seq_cst(&server->housekeeping_due, 0);
}

/* What the system refuses is said once, kind by kind. */
static void housekeeping_tell(const struct server *server, struct store_refusals *told) {
    struct store_refusals now;
    store_refusals(server->store, &now);
    if (now.memory != 0 && told->memory == 0) {
        server_log(server, 0, "the system has no memory to fill -m: %s", strerror(now.memory));
    }
    if (now.huge != 0 && told->huge == 0) {
        server_log(server, 0, "-L: %" PRIu64 " MiB in reserved huge pages, the rest as advised: %s",
                   now.huge_bytes >> 20, strerror(now.huge));
    }
    if (now.advice != 0 && told->advice == 0) {
        server_log(server, 1, "huge pages are not to be had: %s", strerror(now.advice));
    }
    if (now.node != 0 && told->node == 0) {
        server_log(server, 0, "memory cannot be kept on its node: %s", strerror(now.node));
    }
    *told = now;
}

void housekeeping_run(struct server *server) {
    sigset_t set = housekeeping_signals();
    int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd wait[2] = {{.fd = signal_fd, .events = POLLIN},
                             {.fd = server->wake_fd, .events = POLLIN}};
    bool more = store_housekeeping_due(server->store);
    bool watched = false;
    bool trimmed = false;
    struct store_refusals told = {0};
    while (atom_load_acquire(&server->stop) == SERVER_RUNS) {
        int wait_ms = watched ? WATCH_WAIT_MS : HOUSEKEEPING_WAIT_MS;
        int ready = poll(wait, 2, more ? 0 : wait_ms);
        if (ready > 0 && (wait[0].revents & POLLIN) != 0) {
            housekeeping_take_signal(server, signal_fd);
        }
        housekeeping_take_wake(server);
        if (ready == 0 && !more && !trimmed) {
            trim_code(); /* a second without work: the start is over */
            trimmed = true;
        }
        certificates_housekeeping(server);
        more = store_housekeeping(server->store);
        housekeeping_tell(server, &told);
        watched = watch_deliver(server);
    }
    if (signal_fd >= 0) {
        close(signal_fd);
    }
}
