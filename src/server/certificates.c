/* larder: reading certificates again: refresh_certs and SIGHUP */
#include "src/server/certificates.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/server/server.h"
#include "src/server/task.h"

enum { NS_A_SECOND = 1000000000 };

bool certificates_read(struct server *server, char reason[static TLS_REASON_BYTES_MAX]) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!tls_context_reload(server->tls, reason)) {
        return false;
    }
    int64_t now_ns = (int64_t)now.tv_sec * NS_A_SECOND + now.tv_nsec;
    atom_store_relaxed(&server->certificates_read_at, server_clock(server, now_ns));
    return true;
}

void certificates_housekeeping(struct server *server) {
    uint64_t wanted = atom_load_acquire(&server->certificates_wanted);
    char reason[TLS_REASON_BYTES_MAX] = "";
    if (wanted == atom_load_relaxed(&server->certificates_done)) {
        return;
    }
    if (certificates_read(server, reason)) {
        reason[0] = '\0';
    }
    pthread_mutex_lock(&server->admin_lock);
    memcpy(server->certificates_reason, reason, sizeof(reason));
    pthread_mutex_unlock(&server->admin_lock);
    atom_store_release(&server->certificates_done, wanted);
    server_ring(server);
}

/* -- the command ------------------------------------------------------------------------------- */

struct refresh {
    struct reply_slot slot; /* first, so that a slot is its refresh */
    struct task task;
    struct core *core;
    uint64_t ticket; /* answered when so many are done */
};

static void refresh_free(struct reply_slot *slot) {
    struct refresh *refresh = (struct refresh *)slot;
    task_remove(refresh->core, &refresh->task);
    free(refresh);
}

static bool refresh_step(struct task *task) {
    struct refresh *refresh =
        (struct refresh *)(void *)((char *)task - offsetof(struct refresh, task));
    struct server *server = refresh->core->server;
    char text[TLS_REASON_BYTES_MAX + 2] = "OK";
    if (refresh->slot.complete ||
        atom_load_acquire(&server->certificates_done) < refresh->ticket) {
        return false;
    }
    pthread_mutex_lock(&server->admin_lock);
    if (server->certificates_reason[0] != '\0') {
        memcpy(text, server->certificates_reason, sizeof(server->certificates_reason));
    }
    pthread_mutex_unlock(&server->admin_lock);
    refresh->slot.complete = true;
    if (reply_append(&refresh->slot.reply, text, strlen(text))) {
        (void)reply_append(&refresh->slot.reply, "\r\n", 2);
    }
    refresh->slot.session->reply.broken |= refresh->slot.reply.broken;
    session_slot_written(refresh->slot.session); /* may free it */
    return false;
}

static enum outcome refresh_now(struct admin_call *call) {
    char reason[TLS_REASON_BYTES_MAX];
    if (certificates_read(call->context, reason)) {
        return OUTCOME_OK;
    }
    admin_printf(call, "%s\r\n", reason);
    return OUTCOME_NONE;
}

enum outcome certificates_refresh(struct admin_call *call) {
    struct server *server = call->context;
    const struct connection *connection = call->session->context;
    if (server->tls == NULL) {
        return OUTCOME_ERROR;
    }
    if (server->wake_fd < 0) {
        return refresh_now(call);
    }
    struct refresh *refresh = calloc(1, sizeof(*refresh));
    if (refresh == NULL) {
        return OUTCOME_NO_MEMORY;
    }
    refresh->core = connection->core;
    refresh->slot.dropped = refresh_free;
    refresh->slot.done = refresh_free;
    refresh->task.step = refresh_step;
    if (!reply_park(call->reply, call->session, &refresh->slot)) {
        free(refresh);
        return OUTCOME_NO_MEMORY;
    }
    refresh->ticket = atom_fetch_add(&server->certificates_wanted, 1) + 1;
    task_add(refresh->core, &refresh->task);
    server_wake(server);
    return OUTCOME_NONE;
}
