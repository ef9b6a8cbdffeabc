/* larder: -e, the file that keeps items over a restart */
#include "src/server/memory_file.h"

#include <stdio.h>
#include <time.h>

#include "src/server/server.h"

#define MIB ((uint64_t)1 << 20)

static bool is_used(const struct server *server) {
    return server->settings->memory_path != NULL;
}

bool memory_file_open(struct server *server) {
    const struct settings *settings = server->settings;
    struct restart *restart = &server->restart;
    if (!is_used(server)) {
        return true;
    }
    if (!restart_open(restart, settings->memory_path)) {
        fprintf(stderr, "memory file %s: %s\n", settings->memory_path, restart->reason);
        return false;
    }
    restart->verify_values = settings->restart_verify;
    restart->wall_s = (int64_t)time(NULL);
    if (!restart->in_memory) {
        server_log(server, 0,
                   "WARNING: memory file %s: it is on a disk, whose writes will hold the server "
                   "up; put it on a tmpfs",
                   settings->memory_path);
    }
    uint64_t room = restart_room_bytes(restart);
    if (room < settings->memory_bytes) {
        server_log(server, 0, "WARNING: memory file %s: its file system has room for %llu MB only",
                   settings->memory_path, (unsigned long long)(room / MIB));
    }
    return true;
}

void memory_file_report(struct server *server) {
    const struct restart *restart = &server->restart;
    if (!is_used(server)) {
        return;
    }
    const char *path = server->settings->memory_path;
    if (restart->reused) {
        struct store_totals totals;
        store_totals(server->store, &totals);
        server_log(server, 1, "memory file %s: %llu items taken over", path,
                   (unsigned long long)totals.items);
    } else if (restart->reason[0] != '\0') {
        server_log(server, 0, "memory file %s: starting with a clean cache: %s", path,
                   restart->reason);
    }
}

void memory_file_save(struct server *server) {
    if (!is_used(server)) {
        return;
    }
    struct timespec steady;
    clock_gettime(CLOCK_MONOTONIC, &steady);
    uint32_t now = server_clock(server, (int64_t)steady.tv_sec * 1000000000 + steady.tv_nsec);
    if (!store_save(server->store, now, (int64_t)time(NULL))) {
        server_log(server, 0, "memory file %s: items are lost: %s", server->settings->memory_path,
                   server->restart.reason);
    } else {
        server_log(server, 1, "memory file %s: saved", server->settings->memory_path);
    }
}

void memory_file_close(struct server *server) {
    if (is_used(server) && server->restart.header != NULL) {
        restart_close(&server->restart);
    }
}
