/* larder: lines of watch, in memcached's forms */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "src/server/connection.h"
#include "src/server/uri.h"
#include "src/server/watch_record.h"

enum { WATCH_US_A_S = 1000000 };

static const char *watch_read_text(unsigned status) {
    static const char *const texts[] = {
        [STORE_MISS] = "not_found", [STORE_EXPIRED] = "expired", [STORE_FLUSHED] = "flushed",
        [STORE_HIT] = "found",      [STORE_LENT] = "found",
    };
    return texts[status];
}

static const char *watch_store_text(const struct watch_record *record) {
    switch (record->status) {
    case STORE_OK:
        return "stored";
    case STORE_EXISTS:
        return "exists";
    case STORE_TOO_LARGE:
        return "too_large";
    case STORE_NO_MEMORY:
        return "no_memory";
    case STORE_NOT_FOUND:
        return record->verb == VERB_CAS ? "not_found" : "not_stored";
    default:
        return "not_stored";
    }
}

static const char *watch_command_text(unsigned verb) {
    switch (verb) {
    case VERB_SET:
        return "set";
    case VERB_ADD:
        return "add";
    case VERB_REPLACE:
        return "replace";
    case VERB_APPEND:
        return "append";
    case VERB_PREPEND:
        return "prepend";
    case VERB_CAS:
        return "cas";
    default:
        return "na";
    }
}

static const char *watch_close_text(unsigned reason) {
    switch (reason) {
    case CONNECTION_REASON_NORMAL:
        return "normal";
    case CONNECTION_REASON_IDLE:
        return "idle_timeout";
    case CONNECTION_REASON_SHUTDOWN:
        return "shutdown";
    default:
        return "error";
    }
}

static int watch_line_item(char *to, size_t room, const struct watch_record *record) {
    char key[URI_KEY_BYTES_MAX];
    key[uri_encode(key, record->key, record->key_bytes)] = '\0';
    unsigned class_number = record->class_number;
    switch (record->kind) {
    case WATCH_ITEM_GET:
        return snprintf(to, room,
                        "type=item_get key=%s status=%s clsid=%u cfd=%d size=%" PRIu64 "\n", key,
                        watch_read_text(record->status), class_number, record->fd,
                        record->value_bytes);
    case WATCH_ITEM_STORE:
        return snprintf(to, room,
                        "type=item_store key=%s status=%s cmd=%s ttl=%" PRIu32
                        " clsid=%u cfd=%d size=%" PRIu64 "\n",
                        key, watch_store_text(record), watch_command_text(record->verb),
                        (uint32_t)record->ttl, class_number, record->fd, record->value_bytes);
    case WATCH_ITEM_DELETED:
        return snprintf(to, room, "type=deleted key=%s cmd=%s clsid=%u size=%" PRIu64 "\n", key,
                        record->protocol == REQUEST_META ? "md" : "delete", class_number,
                        record->value_bytes);
    default:
        return snprintf(to, room,
                        "type=eviction key=%s fetch=%s ttl=%" PRId64 " la=%" PRIu32
                        " clsid=%u size=%" PRIu64 "\n",
                        key, record->fetched != 0 ? "yes" : "no", record->ttl,
                        record->accessed_ago_s, class_number, record->value_bytes);
    }
}

static int watch_line_connection(char *to, size_t room, const struct watch_record *record) {
    char address[INET6_ADDRSTRLEN] = "unix";
    bool local = record->family != AF_INET && record->family != AF_INET6;
    if (!local) {
        inet_ntop(record->family, record->address, address, sizeof(address));
    }
    bool closed = record->kind == WATCH_CONN_CLOSE;
    return snprintf(to, room, "type=%s rip=%s rport=%u transport=%s%s%s cfd=%d\n",
                    closed ? "conn_close" : "conn_new", address, record->port,
                    local ? "local" : "tcp", closed ? " reason=" : "",
                    closed ? watch_close_text(record->status) : "", record->fd);
}

size_t watch_line(char *line, const struct watch_record *record, uint64_t gid) {
    int head = snprintf(line, WATCH_LINE_BYTES_MAX, "ts=%" PRIu64 ".%" PRIu64 " gid=%" PRIu64 " ",
                        record->time_us / WATCH_US_A_S, record->time_us % WATCH_US_A_S, gid);
    char *to = line + head;
    size_t room = (size_t)(WATCH_LINE_BYTES_MAX - head);
    int rest;
    if (record->kind == WATCH_TEXT) {
        rest = snprintf(to, room, "%.*s\n", (int)record->key_bytes, (const char *)record->key);
    } else if (record->kind == WATCH_CONN_NEW || record->kind == WATCH_CONN_CLOSE) {
        rest = watch_line_connection(to, room, record);
    } else {
        rest = watch_line_item(to, room, record);
    }
    ASSERT(rest > 0 && (size_t)rest < room);
    return (size_t)(head + rest);
}
