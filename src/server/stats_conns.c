/* larder: `stats conns`, written in portions: there may be more lines than a reply should hold */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "src/server/server.h"
#include "src/server/stats.h"

enum {
    STATS_CONNS_PORTION = 64, /* listeners and connections in one portion */
    STATS_ADDRESS_BYTES = 160,
    STATS_KEY_BYTES = 48,
};

/* An answer under way. Its own block, until it is sent or its client has gone. */
struct stats_conns {
    struct reply_slot slot;
    struct server *server;
    unsigned listener; /* next to show: first the listeners, */
    unsigned core;     /* then core by core, */
    uint32_t at;       /* slot by slot */
};

static void stats_address_text(const struct sockaddr_storage *address, socklen_t length,
                               char *text, size_t bytes) {
    char number[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_un *local = (const struct sockaddr_un *)address;
    switch (address->ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &v4->sin_addr, number, sizeof(number));
        snprintf(text, bytes, "tcp:%s:%u", number, ntohs(v4->sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &v6->sin6_addr, number, sizeof(number));
        snprintf(text, bytes, "tcp6:[%s]:%u", number, ntohs(v6->sin6_port));
        break;
    case AF_UNIX:
        if (length > sizeof(local->sun_family) && local->sun_path[0] != '\0') {
            snprintf(text, bytes, "unix:%.*s", (int)sizeof(local->sun_path), local->sun_path);
            break;
        }
        /* fall through */
    default:
        snprintf(text, bytes, "unix:<AF %u>", (unsigned)address->ss_family);
    }
}

/* A descriptor that was closed meanwhile, or is another's by now, gives a line that is out of date,
 * as in memcached. */
static void stats_conns_address(struct admin_call *call, int fd, const char *name, bool peer) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    int error = peer ? getpeername(fd, (struct sockaddr *)&address, &length)
                     : getsockname(fd, (struct sockaddr *)&address, &length);
    char text[STATS_ADDRESS_BYTES] = "<closed>";
    if (error == 0) {
        stats_address_text(&address, length, text, sizeof(text));
    }
    char key[STATS_KEY_BYTES];
    snprintf(key, sizeof(key), "%d:%s", fd, name);
    admin_stat_text(call, key, "%s", text);
}

static void stats_conns_text(struct admin_call *call, int fd, const char *name, const char *text) {
    char key[STATS_KEY_BYTES];
    snprintf(key, sizeof(key), "%d:%s", fd, name);
    admin_stat_text(call, key, "%s", text);
}

static void stats_conns_since(struct admin_call *call, int fd, uint32_t seconds) {
    char key[STATS_KEY_BYTES];
    snprintf(key, sizeof(key), "%d:secs_since_last_cmd", fd);
    admin_stat_u64(call, key, seconds);
}

static void stats_conns_listener(struct admin_call *call, const struct server_listener *listener,
                                 uint32_t seconds) {
    stats_conns_address(call, listener->fd, "addr", false);
    stats_conns_text(call, listener->fd, "state", "conn_listening");
    stats_conns_since(call, listener->fd, seconds);
}

/* False: there is no connection in the slot. */
static bool stats_conns_connection(struct admin_call *call, const struct connection *connection,
                                   uint32_t now) {
    int fd = atom_load_relaxed(&connection->fd);
    unsigned state = atom_load_relaxed(&connection->state);
    if (fd < 0 || (state != CONNECTION_OPEN && state != CONNECTION_CLOSING)) {
        return false;
    }
    uint32_t active_at = atom_load_relaxed(&connection->active_at);
    bool self = connection == call->session->context;
    const char *phase = connection_phase_text(atom_load_relaxed(&connection->phase));
    const char *text = self ? "conn_parse_cmd" : phase;
    stats_conns_address(call, fd, "addr", true);
    stats_conns_address(call, fd, "listen_addr", false);
    stats_conns_text(call, fd, "state", state == CONNECTION_OPEN ? text : "conn_closing");
    stats_conns_since(call, fd, now > active_at ? now - active_at : 0);
    return true;
}

/* The next connection behind the last one shown, of any core; NULL: that was all. */
static const struct connection *stats_conns_next(struct stats_conns *conns) {
    const struct server *server = conns->server;
    while (conns->core < server->core_count) {
        const struct connection *connection =
            connection_table_at(&server->cores[conns->core]->connections, conns->at++);
        if (connection != NULL) {
            return connection;
        }
        conns->core++;
        conns->at = 0;
    }
    return NULL;
}

/* Writes a portion, or what is left: never nothing, or nobody would ask for more. */
static void stats_conns_produce(struct reply_slot *slot) {
    struct stats_conns *conns = (struct stats_conns *)slot;
    const struct server *server = conns->server;
    struct admin_call call = {.session = slot->session, .reply = &slot->reply};
    const struct connection *connection = slot->session->context;
    uint32_t now = connection->core->now;
    unsigned written = 0;
    while (conns->listener < server->listener_count && written < STATS_CONNS_PORTION) {
        stats_conns_listener(&call, &server->listeners[conns->listener++],
                             now - server->clock_start_s);
        written++;
    }
    while (written < STATS_CONNS_PORTION && (connection = stats_conns_next(conns)) != NULL) {
        written += stats_conns_connection(&call, connection, now);
    }
    if (conns->core == server->core_count) {
        admin_stat_end(&call);
        slot->complete = true;
    }
}

static void stats_conns_free(struct reply_slot *slot) {
    free(slot);
}

enum outcome stats_conns(struct admin_call *call) {
    struct stats_conns *conns = calloc(1, sizeof(*conns));
    if (conns == NULL) {
        return OUTCOME_NO_MEMORY_STATS;
    }
    conns->server = call->context;
    conns->slot.dropped = stats_conns_free;
    conns->slot.done = stats_conns_free;
    conns->slot.produce = stats_conns_produce;
    if (!reply_park(call->reply, call->session, &conns->slot)) {
        free(conns);
        return OUTCOME_NO_MEMORY_STATS;
    }
    session_slot_written(call->session); /* the first portion */
    return OUTCOME_NONE;
}
