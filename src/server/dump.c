/* larder: all items, one line each */
#include "src/server/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/number.h"
#include "src/proto/base64.h"
#include "src/server/server.h"
#include "src/server/uri.h"

enum {
    DUMP_BUCKETS_MAX = 128,        /* in one turn */
    DUMP_BYTES_AHEAD = 128 * 1024, /* of unsent output, then the dump waits for the client */
    DUMP_ITEMS_INITIAL = 64,       /* of one bucket; more where a bucket holds more */
    DUMP_LINE_BYTES_MAX = 1024,
    DUMP_CACHEDUMP_BYTES_MAX = 2 * 1024 * 1024,
};

enum dump_format { DUMP_META, DUMP_MG, DUMP_CACHE };

struct dump_item {
    struct store_head head;
    uint8_t key[STORE_KEY_BYTES_MAX];
};

struct dump {
    struct reply_slot slot; /* first: the engine hands it back */
    struct task task;
    struct core *core;
    enum dump_format format;
    uint64_t classes; /* to be shown, a bit each */
    struct store_walk walk;
    struct dump_item *items; /* of one bucket */
    uint32_t items_max;
    uint32_t items_count;  /* that the bucket held; above items_max: not all were taken */
    uint64_t lines_left;   /* of cachedump */
    uint64_t bytes_left;   /* of cachedump */
    bool ends;             /* nothing more is to be shown */
};

/* -- lines ------------------------------------------------------------------------------------- */

static size_t dump_line_meta(const struct dump *dump, const struct dump_item *item, char *line) {
    const struct server *server = dump->core->server;
    const struct store_head *head = &item->head;
    char key[URI_KEY_BYTES_MAX];
    key[uri_encode(key, item->key, head->key_bytes)] = '\0';
    int64_t expiry = head->expiry == STORE_EXPIRY_NEVER ? -1 : server->epoch + head->expiry;
    uint64_t bytes =
        store_item_bytes(server->store, head->key_bytes, head->client_flags, head->value_bytes);
    int length = snprintf(line, DUMP_LINE_BYTES_MAX,
                          "key=%s exp=%" PRId64 " la=%" PRId64 " cas=%" PRIu64
                          " fetch=%s cls=%u size=%" PRIu64 " flags=%" PRIu32 " \n",
                          key, expiry, server->epoch + head->accessed, head->token,
                          head->fetched ? "yes" : "no",
                          stats_class_number(server, head->class_id), bytes, head->client_flags);
    return (size_t)length;
}

static size_t dump_line_mg(const struct dump_item *item, char *line) {
    const struct store_head *head = &item->head;
    size_t length = 3;
    memcpy(line, "mg ", 3);
    if (head->key_is_binary) {
        length += base64_encode(span_of(item->key, head->key_bytes), (uint8_t *)line + length);
        memcpy(line + length, " b", 2);
        length += 2;
    } else {
        memcpy(line + length, item->key, head->key_bytes);
        length += head->key_bytes;
    }
    memcpy(line + length, "\r\n", 2);
    return length + 2;
}

/* Binary keys can't be told apart from several words, and are left out. */
static size_t dump_line_cache(const struct dump *dump, const struct dump_item *item, char *line) {
    const struct server *server = dump->core->server;
    const struct store_head *head = &item->head;
    if (head->key_is_binary) {
        return 0;
    }
    int64_t expiry = head->expiry == STORE_EXPIRY_NEVER ? 0 : server->epoch + head->expiry;
    int length = snprintf(line, DUMP_LINE_BYTES_MAX, "ITEM %.*s [%" PRIu64 " b; %" PRId64 " s]\r\n",
                          (int)head->key_bytes, (const char *)item->key, head->value_bytes, expiry);
    return (size_t)length;
}

static size_t dump_line(const struct dump *dump, const struct dump_item *item, char *line) {
    switch (dump->format) {
    case DUMP_META:
        return dump_line_meta(dump, item, line);
    case DUMP_MG:
        return dump_line_mg(item, line);
    default:
        return dump_line_cache(dump, item, line);
    }
}

static void dump_write_item(struct dump *dump, const struct dump_item *item) {
    char line[DUMP_LINE_BYTES_MAX];
    unsigned number = stats_class_number(dump->core->server, item->head.class_id);
    if (dump->ends || (dump->classes >> number & 1) == 0) {
        return;
    }
    size_t bytes = dump_line(dump, item, line);
    if (dump->lines_left == 0 || bytes > dump->bytes_left) {
        dump->ends = true;
        return;
    }
    dump->lines_left -= bytes != 0;
    dump->bytes_left -= bytes;
    (void)reply_append(&dump->slot.reply, line, bytes);
}

/* -- walking ----------------------------------------------------------------------------------- */

/* Under the partition's lock: copies, no more. */
static void dump_visit(void *context, const struct store_head *head, const uint8_t *key) {
    struct dump *dump = context;
    if (dump->items_count < dump->items_max) {
        struct dump_item *item = &dump->items[dump->items_count];
        item->head = *head;
        memcpy(item->key, key, head->key_bytes);
    }
    dump->items_count++;
}

/* More room for items; then the bucket is visited again. */
static bool dump_grow(struct dump *dump) {
    uint32_t count = dump->items_max * 2 > dump->items_count ? dump->items_max * 2
                                                              : dump->items_count;
    struct dump_item *items = realloc(dump->items, count * sizeof(*items));
    if (items == NULL) {
        dump->slot.reply.broken = true;
        return false;
    }
    dump->items = items;
    dump->items_max = count;
    return true;
}

/* The next bucket. False: the walk is over, or broken off. */
static bool dump_bucket(struct dump *dump) {
    struct store_walk walk;
    do {
        walk = dump->walk;
        dump->items_count = 0;
        if (!store_walk_step(dump->core->store_core, &walk, dump_visit, dump)) {
            return false;
        }
    } while (dump->items_count > dump->items_max && dump_grow(dump));
    if (dump->slot.reply.broken) {
        return false;
    }
    dump->walk = walk;
    for (uint32_t i = 0; i < dump->items_count; i++) {
        dump_write_item(dump, &dump->items[i]);
    }
    return !dump->ends && !dump->slot.reply.broken;
}

static bool dump_step(struct task *task) {
    struct dump *dump = (struct dump *)((char *)task - offsetof(struct dump, task));
    struct reply *reply = &dump->slot.reply;
    struct session *session = dump->slot.session;
    bool more = reply->unsent_bytes < DUMP_BYTES_AHEAD && !dump->slot.complete;
    if (!more) {
        return false;
    }
    for (unsigned i = 0; more && i < DUMP_BUCKETS_MAX; i++) {
        more = dump_bucket(dump);
    }
    if (!more) {
        (void)reply_append(reply, dump->format == DUMP_MG ? "EN\r\n" : "END\r\n",
                           dump->format == DUMP_MG ? 4 : 5);
        dump->slot.complete = true;
    }
    session->reply.broken |= reply->broken;
    more = more && reply->unsent_bytes < DUMP_BYTES_AHEAD;
    session_slot_written(session); /* the dump may be gone after it */
    return more;
}

static void dump_free(struct reply_slot *slot) {
    struct dump *dump = (struct dump *)slot;
    task_remove(dump->core, &dump->task);
    free(dump->items);
    free(dump);
}

/* NULL: no memory. */
static struct dump *dump_begin(struct admin_call *call, enum dump_format format,
                               uint64_t classes) {
    const struct connection *connection = call->session->context;
    struct dump *dump = calloc(1, sizeof(*dump));
    if (dump == NULL) {
        return NULL;
    }
    dump->core = connection->core;
    dump->format = format;
    dump->classes = classes;
    dump->lines_left = UINT64_MAX;
    dump->bytes_left = UINT64_MAX;
    dump->items_max = DUMP_ITEMS_INITIAL;
    dump->items = malloc(DUMP_ITEMS_INITIAL * sizeof(dump->items[0]));
    dump->slot.dropped = dump_free;
    dump->slot.done = dump_free;
    dump->task.step = dump_step;
    if (dump->items == NULL || !reply_park(call->reply, call->session, &dump->slot)) {
        free(dump->items);
        free(dump);
        return NULL;
    }
    task_add(dump->core, &dump->task);
    dump->core->more = true;
    return dump;
}

/* -- commands ---------------------------------------------------------------------------------- */

bool dump_parse_classes(struct span text, uint64_t *classes) {
    *classes = UINT64_MAX;
    if (span_is(text, "all") || span_is(text, "hash")) {
        return true;
    }
    *classes = 0;
    while (text.len > 0) {
        const uint8_t *comma = memchr(text.data, ',', text.len);
        size_t bytes = comma == NULL ? text.len : (size_t)(comma - text.data);
        uint32_t number = 0;
        if (!number_parse_u32(span_of(text.data, bytes), &number) || number == 0 ||
            number > STATS_CLASSES_SHOWN_MAX) {
            return false;
        }
        *classes |= (uint64_t)1 << number;
        bytes += comma != NULL;
        text = span_of(text.data + bytes, text.len - bytes);
    }
    return *classes != 0;
}

static enum outcome dump_run(struct admin_call *call, enum dump_format format) {
    uint64_t classes;
    if (!dump_parse_classes(call->tokens[1], &classes)) {
        return OUTCOME_BAD_CLASS;
    }
    struct dump *dump = dump_begin(call, format, classes);
    if (dump == NULL) {
        return OUTCOME_NO_MEMORY;
    }
    (void)reply_append(&dump->slot.reply, "OK\r\n", 4);
    return OUTCOME_NONE;
}

enum outcome dump_metadump(struct admin_call *call) {
    const struct server *server = call->context;
    if (!server->settings->dump_enabled) {
        return OUTCOME_METADUMP_NOT_ALLOWED;
    }
    if (!reply_is_empty(call->reply)) {
        return OUTCOME_METADUMP_PIPELINED;
    }
    return dump_run(call, DUMP_META);
}

enum outcome dump_mgdump(struct admin_call *call) {
    const struct server *server = call->context;
    if (!server->settings->dump_enabled) {
        return OUTCOME_MGDUMP_NOT_ALLOWED;
    }
    if (!reply_is_empty(call->reply)) {
        return OUTCOME_MGDUMP_PIPELINED;
    }
    return dump_run(call, DUMP_MG);
}

enum outcome dump_cachedump(struct admin_call *call) {
    const struct server *server = call->context;
    uint32_t class_id = 0;
    uint32_t limit = 0;
    if (!server->settings->dump_enabled) {
        return OUTCOME_CACHEDUMP_NOT_ALLOWED;
    }
    if (call->token_count < 3) {
        return OUTCOME_BAD_LINE;
    }
    if (!number_parse_u32(call->tokens[1], &class_id) ||
        !number_parse_u32(call->tokens[2], &limit)) {
        return OUTCOME_BAD_FORMAT;
    }
    if (class_id > STATS_CLASSES_SHOWN_MAX) {
        return OUTCOME_ILLEGAL_SLAB_ID;
    }
    struct dump *dump = dump_begin(call, DUMP_CACHE, (uint64_t)1 << class_id);
    if (dump == NULL) {
        return OUTCOME_NO_MEMORY_STATS;
    }
    dump->lines_left = limit == 0 ? UINT64_MAX : limit;
    dump->bytes_left = DUMP_CACHEDUMP_BYTES_MAX - 5; /* END */
    return OUTCOME_NONE;
}
