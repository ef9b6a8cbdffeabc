/* larder: what a ring carries of an event, and the line it becomes
 *
 * Purpose: a fixed head and a key, small enough to be copied under a partition's lock.
 * Owner: whoever holds it.   Threads: any.   Memory: plain data.
 * Limits: WATCH_KEY_BYTES_MAX bytes of key or text, lines of WATCH_LINE_BYTES_MAX.
 * Errors: none. */
#ifndef LARDER_SERVER_WATCH_RECORD_H
#define LARDER_SERVER_WATCH_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "src/server/watch.h"

enum {
    WATCH_KEY_BYTES_MAX = 256,
    WATCH_LINE_BYTES_MAX = 1024,
    WATCH_ADDRESS_BYTES = 16,
};

enum watch_kind {
    WATCH_ITEM_GET,
    WATCH_ITEM_STORE,
    WATCH_ITEM_DELETED,
    WATCH_ITEM_EVICTED,
    WATCH_CONN_NEW,
    WATCH_CONN_CLOSE,
    WATCH_TEXT, /* the key is the line's end */
};

struct watch_record {
    uint64_t time_us; /* unix time */
    uint64_t value_bytes;
    int64_t ttl;
    int32_t fd;
    uint32_t accessed_ago_s;
    uint16_t class_number;
    uint16_t key_bytes;
    uint16_t port;
    uint16_t family;
    uint8_t kind;    /* enum watch_kind */
    uint8_t stream;  /* enum watch_stream */
    uint8_t status;  /* enum store_read or store_outcome, or enum connection_reason */
    uint8_t verb;    /* enum verb */
    uint8_t protocol; /* enum request_protocol */
    uint8_t fetched;
    uint8_t address[WATCH_ADDRESS_BYTES];
    uint8_t key[WATCH_KEY_BYTES_MAX]; /* only key_bytes of it are carried */
};

static inline size_t watch_record_bytes(const struct watch_record *record) {
    return offsetof(struct watch_record, key) + record->key_bytes;
}

/* Writes the line, its end included; at most WATCH_LINE_BYTES_MAX bytes. Returns how many. */
size_t watch_line(char *line, const struct watch_record *record, uint64_t gid);

#endif
