/* larder: what cores tell the watchers, and `stats detail` */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "src/server/server.h"
#include "src/server/watch.h"
#include "src/server/watch_record.h"

enum { WATCH_US_A_SECOND = 1000000, WATCH_NS_A_US = 1000 };

uint64_t watch_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * WATCH_US_A_SECOND + (uint64_t)now.tv_nsec / WATCH_NS_A_US;
}

static void watch_record_begin(struct watch_record *record, enum watch_kind kind,
                               enum watch_stream stream) {
    memset(record, 0, offsetof(struct watch_record, key));
    record->kind = (uint8_t)kind;
    record->stream = (uint8_t)stream;
    record->time_us = watch_now_us();
}

static void watch_record_key(struct watch_record *record, const uint8_t *key, size_t bytes) {
    record->key_bytes = (uint16_t)(bytes < WATCH_KEY_BYTES_MAX ? bytes : WATCH_KEY_BYTES_MAX);
    memcpy(record->key, key, record->key_bytes);
}

/* When the ring is half full the housekeeping thread had better come at once. */
static void watch_emit(struct server *server, unsigned ring_index,
                       const struct watch_record *record) {
    struct watch_ring *ring = atom_load_acquire(&server->watch.rings[ring_index]);
    if (ring == NULL) {
        return;
    }
    (void)watch_ring_write(ring, record, watch_record_bytes(record));
    if (ring_index < server->core_count && watch_ring_used(ring) > ring->bytes / 2) {
        server_wake(server);
    }
}

/* -- commands ---------------------------------------------------------------------------------- */

static void watch_record_seen(struct watch_record *record, const struct core *core,
                              const struct engine_observation *seen) {
    const struct connection *connection = seen->session->context;
    record->fd = atom_load_relaxed(&connection->fd);
    record->verb = seen->request->verb;
    record->protocol = seen->request->protocol;
    record->class_number = (uint16_t)stats_class_number(core->server, seen->head.class_id);
    record->value_bytes = seen->head.value_bytes;
    watch_record_key(record, seen->key.data, seen->key.len);
}

static bool watch_is_get(unsigned verb) {
    return verb == VERB_GET || verb == VERB_GETS || verb == VERB_GAT || verb == VERB_GATS ||
           verb == VERB_MG;
}

static void watch_count_prefix(struct core *core, const struct engine_observation *seen) {
    uint8_t delimiter = (uint8_t)core->server->settings->prefix_delimiter;
    if (watch_is_get(seen->request->verb)) {
        prefixes_count(&core->prefixes, seen->key, delimiter, PREFIX_GETS);
        if (seen->read == STORE_HIT) {
            prefixes_count(&core->prefixes, seen->key, delimiter, PREFIX_HITS);
        }
    } else if (seen->request->verb == VERB_DELETE || seen->request->verb == VERB_MD) {
        prefixes_count(&core->prefixes, seen->key, delimiter, PREFIX_DELETES);
    }
}

static void watch_looked_up(void *context, const struct engine_observation *seen) {
    struct core *core = context;
    if (core->detail) {
        watch_count_prefix(core, seen);
    }
    if ((core->watch_streams & WATCH_FETCHERS) != 0 && seen->request->verb != VERB_ME) {
        struct watch_record record;
        watch_record_begin(&record, WATCH_ITEM_GET, WATCH_FETCHERS);
        watch_record_seen(&record, core, seen);
        record.status = (uint8_t)seen->read;
        if (seen->read != STORE_HIT) {
            record.class_number = 0;
            record.value_bytes = 0;
        }
        watch_emit(core->server, core->index, &record);
    }
}

static void watch_stored(void *context, const struct engine_observation *seen) {
    struct core *core = context;
    if (core->detail) {
        prefixes_count(&core->prefixes, seen->key,
                       (uint8_t)core->server->settings->prefix_delimiter, PREFIX_SETS);
    }
    if ((core->watch_streams & WATCH_MUTATIONS) != 0) {
        struct watch_record record;
        watch_record_begin(&record, WATCH_ITEM_STORE, WATCH_MUTATIONS);
        watch_record_seen(&record, core, seen);
        record.status = (uint8_t)seen->outcome;
        record.value_bytes = seen->request->value_bytes;
        record.ttl = seen->expiry == STORE_EXPIRY_NEVER ? 0 : (int64_t)seen->expiry - core->now;
        watch_emit(core->server, core->index, &record);
    }
}

static void watch_deleted(void *context, const struct engine_observation *seen) {
    struct core *core = context;
    if ((core->watch_streams & WATCH_DELETIONS) != 0 &&
        seen->request->protocol != REQUEST_BINARY) {
        struct watch_record record;
        watch_record_begin(&record, WATCH_ITEM_DELETED, WATCH_DELETIONS);
        watch_record_seen(&record, core, seen);
        watch_emit(core->server, core->index, &record);
    }
}

void watch_core_init(struct core *core) {
    core->observer = (struct engine_observer){
        .context = core,
        .looked_up = watch_looked_up,
        .stored = watch_stored,
        .deleted = watch_deleted,
    };
}

void watch_core_update(struct core *core) {
    core->watch_streams = atom_load_relaxed(&core->server->watch.streams);
    core->detail = atom_load_relaxed(&core->server->detail) != 0;
    bool wanted = core->detail ||
                  (core->watch_streams & (WATCH_FETCHERS | WATCH_MUTATIONS | WATCH_DELETIONS)) != 0;
    core->engine_config.observer = wanted ? &core->observer : NULL;
}

/* -- the rest ---------------------------------------------------------------------------------- */

/* The peer of a connection that was reset is not known any more: its line says 0.0.0.0. */
static void watch_record_peer(struct watch_record *record, const struct connection *connection) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    const struct server *server = connection->core->server;
    if (server->listeners[atom_load_relaxed(&connection->listener)].local) {
        record->family = AF_UNIX;
        return;
    }
    record->family = AF_INET;
    if (getpeername(record->fd, (struct sockaddr *)&address, &length) != 0) {
        return;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    record->family = address.ss_family;
    if (address.ss_family == AF_INET) {
        memcpy(record->address, &v4->sin_addr, sizeof(v4->sin_addr));
        record->port = ntohs(v4->sin_port);
    } else {
        memcpy(record->address, &v6->sin6_addr, sizeof(v6->sin6_addr));
        record->port = ntohs(v6->sin6_port);
    }
}

void watch_connection(const struct connection *connection, bool closed) {
    const struct core *core = connection->core;
    struct watch_record record;
    watch_record_begin(&record, closed ? WATCH_CONN_CLOSE : WATCH_CONN_NEW, WATCH_CONNEVENTS);
    record.fd = atom_load_relaxed(&connection->fd);
    record.status = connection->reason;
    watch_record_peer(&record, connection);
    watch_emit(core->server, core->index, &record);
}

void watch_tls_failed(const struct connection *connection, const char *message) {
    const struct core *core = connection->core;
    struct watch_record record;
    char text[WATCH_KEY_BYTES_MAX];
    if ((core->watch_streams & WATCH_CONNEVENTS) == 0) {
        return;
    }
    int length = snprintf(text, sizeof(text), "type=conntlserr fd=%d msg=%s",
                          atom_load_relaxed(&connection->fd), message);
    size_t bytes = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
    watch_record_begin(&record, WATCH_TEXT, WATCH_CONNEVENTS);
    watch_record_key(&record, (const uint8_t *)text, bytes);
    watch_emit(core->server, core->index, &record);
}

/* Of what memcached's line says larder knows only that a crawl was asked for. */
void watch_crawl(const struct core *core) {
    static const char text[] = "type=lru_crawler crawler=0 lru=all low_mark=0 next_reclaims=0 "
                               "since_run=0 next_run=0 elapsed=0 examined=0 reclaimed=0";
    struct watch_record record;
    if ((core->watch_streams & WATCH_SYSEVENTS) == 0) {
        return;
    }
    watch_record_begin(&record, WATCH_TEXT, WATCH_SYSEVENTS);
    watch_record_key(&record, (const uint8_t *)text, sizeof(text) - 1);
    watch_emit(core->server, core->index, &record);
}

void watch_evicted(void *context, uint32_t partition, uint32_t now, const struct store_head *head,
                   const uint8_t *key) {
    struct server *server = context;
    struct watch_record record;
    watch_record_begin(&record, WATCH_ITEM_EVICTED, WATCH_EVICTIONS);
    record.class_number = (uint16_t)stats_class_number(server, head->class_id);
    record.value_bytes = head->value_bytes;
    record.fetched = head->fetched;
    record.ttl = head->expiry == STORE_EXPIRY_NEVER ? -1 : (int64_t)head->expiry - now;
    record.accessed_ago_s = head->accessed < now ? now - head->accessed : 0;
    watch_record_key(&record, key, head->key_bytes);
    watch_emit(server, server->core_count + partition, &record);
}
