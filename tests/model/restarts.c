/* larder: the session's store in a file, stopped and started again in mid-sequence */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/model/session.h"

static void file_open(struct session *session) {
    if (!restart_open(&session->restart, session->path))
        session_fail(session, "no file: %s", session->restart.reason);
    session->restart.wall_s = session->wall_s;
    session->restart.verify_values = true;
}

void session_store_open(struct session *session) {
    struct store_config config = session->profile->config;

    config.hash_seed = session->seed;
    if (session->profile->weight[OP_RESTART]) {
        int fd = memfd_create("larder", MFD_CLOEXEC); /* open to the end of the process */

        ASSERT(fd >= 0);
        (void)snprintf(session->path, sizeof session->path, "/proc/self/fd/%d", fd);
        file_open(session);
        config.restart = &session->restart;
    }
    session->store = store_create(&config);
    ASSERT(session->store);
    session_cores_open(session);
}

void session_cores_open(struct session *session) {
    for (unsigned i = 0; i < session->profile->config.core_count; i++) {
        session->cores[i] = store_core_create(session->store, i);
        ASSERT(session->cores[i]);
    }
}

void session_places_close(struct session *session) {
    for (unsigned i = 0; i < PLACES; i++) {
        struct operation op = {.place = i};

        session_lease_return(session, &session->leases[i]);
        session_upload_abandon(session, &op);
    }
}

void session_restart(struct session *session, const struct operation *operation) {
    struct store_config config = session->profile->config;
    struct store_totals totals;

    if (!session->path[0])
        return;
    session_places_close(session);
    store_turn_end(session->core);
    for (unsigned i = 0; i < config.core_count; i++)
        store_core_destroy(session->cores[i]);
    store_totals(session->store, &totals);
    session->evictions_before += totals.evictions;
    if (!store_save(session->store, session->model.now, session->wall_s))
        session_fail(session, "not saved: %s", session->restart.reason);
    store_destroy(session->store);
    restart_close(&session->restart);
    session->wall_s += (int64_t)(operation->random % 4);
    file_open(session);
    config.restart = &session->restart;
    session->store = store_create(&config);
    ASSERT(session->store);
    if (!session->restart.reused)
        session_fail(session, "not taken over: %s", session->restart.reason);
    session_cores_open(session);
    model_time(&session->model, session->restart.now);
    session->core = session->cores[operation->core];
    store_turn_begin(session->core, session->model.now);
    session_check(session);
}
