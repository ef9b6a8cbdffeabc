/* larder: a client at the other end of a session, in process */
#include "tests/unit/engine/wire.h"

#include <stdlib.h>

enum { SEND_IOVECS_MAX = 16, TURNS_MAX = 100000, DIRECT_FEED_BYTES = 4096 };

static uint64_t wire_size(const char *text) {
    char *end;
    uint64_t size = strtoull(text, &end, 10);

    return *end == 'k' || *end == 'K' ? size << 10 : *end == 'm' || *end == 'M' ? size << 20 : size;
}

static bool wire_word(const char *word, const char *argument, struct store_config *store,
                      struct engine_config *engine) {
    if (strcmp(word, "-F") == 0) {
        engine->flush_enabled = false;
    } else if (strcmp(word, "-C") == 0) {
        store->token_in_items = false;
    } else if (strcmp(word, "-I") == 0 && argument) {
        store->item_bytes_max = wire_size(argument);
    } else if (strcmp(word, "-m") == 0 && argument) {
        store->memory_bytes = wire_size(argument) << 20;
    } else {
        return false;
    }
    return true;
}

static bool wire_words(const char *words, struct store_config *store,
                       struct engine_config *engine) {
    char copy[256];
    char *rest = copy;

    if (strlen(words) >= sizeof copy) {
        return false;
    }
    strcpy(copy, words);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        bool takes = strcmp(word, "-I") == 0 || strcmp(word, "-m") == 0;
        char *argument = takes ? strtok_r(NULL, " ", &rest) : NULL;

        if (!wire_word(word, argument, store, engine)) {
            return false;
        }
    }
    return true;
}

bool wire_open(struct wire *wire, const struct wire_options *options) {
    struct store_config store = {.memory_bytes = 64u << 20,
                                 .item_bytes_max = 1 << 20,
                                 .core_count = 1,
                                 .hash_seed = 1,
                                 .evict = true,
                                 .token_in_items = true};

    memset(wire, 0, sizeof *wire);
    wire->config = (struct engine_config){.protocol = PARSER_AUTO,
                                          .reply_bytes_max = options->reply_bytes_max,
                                          .connection_bytes_max = options->connection_bytes_max,
                                          .epoch = WIRE_EPOCH,
                                          .version = "1.6.45",
                                          .flush_enabled = true,
                                          .admin = options->admin};
    if (options->words && !wire_words(options->words, &store, &wire->config)) {
        return false;
    }
    wire->now = 2;
    wire->store = store_create(&store);
    ASSERT(wire->store);
    wire->store_core = store_core_create(wire->store, 0);
    ASSERT(wire->store_core);
    wire->core = aligned_alloc(CACHE_LINE_BYTES, sizeof *wire->core);
    ASSERT(wire->core);
    engine_init(wire->core, &wire->config, wire->store, wire->store_core);
    return true;
}

void wire_close(struct wire *wire) {
    for (unsigned i = 0; i < WIRE_CONNS_MAX; i++) {
        wire_hangup(wire, i);
        free(wire->conns[i].output);
    }
    engine_fini(wire->core);
    free(wire->core);
    store_core_destroy(wire->store_core);
    store_destroy(wire->store);
}

struct wire_conn *wire_conn(struct wire *wire, unsigned index) {
    struct wire_conn *conn = &wire->conns[index];

    ASSERT(index < WIRE_CONNS_MAX);
    if (!conn->open && !conn->closed) {
        session_init(&conn->session, wire->core, conn);
        conn->open = true;
    }
    return conn;
}

void wire_hangup(struct wire *wire, unsigned index) {
    struct wire_conn *conn = &wire->conns[index];

    if (conn->open) {
        wire_turn_begin(wire);
        session_fini(&conn->session);
        conn->open = false;
        wire_turn_end(wire);
    }
}

void wire_take(struct wire_conn *conn, size_t bytes) {
    ASSERT(bytes <= conn->output_bytes);
    if (bytes == 0) {
        return;
    }
    conn->output_bytes -= bytes;
    memmove(conn->output, conn->output + bytes, conn->output_bytes);
}

/* One send, as a socket would take it. False: nothing to send. */
static bool wire_send_once(struct wire_conn *conn) {
    struct iovec iovecs[SEND_IOVECS_MAX];
    unsigned count = session_output(&conn->session, iovecs, SEND_IOVECS_MAX);
    size_t sent = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t bytes = iovecs[i].iov_len;

        if (conn->send_bytes_max && bytes > conn->send_bytes_max - sent) {
            bytes = conn->send_bytes_max - sent;
        }
        conn->output = realloc(conn->output, conn->output_bytes + bytes + 1);
        ASSERT(conn->output);
        memcpy(conn->output + conn->output_bytes, iovecs[i].iov_base, bytes);
        conn->output_bytes += bytes;
        sent += bytes;
    }
    if (sent > 0) {
        session_sent(&conn->session, sent);
    }
    return sent > 0;
}

/* What the server's loop does with a session that was touched. */
static void wire_serve(struct wire_conn *conn) {
    unsigned wants = session_wants(&conn->session);

    conn->paused = (wants & SESSION_WANTS_PAUSE) != 0;
    if (wants & SESSION_WANTS_ABORT) {
        session_fini(&conn->session);
        conn->open = false;
        conn->closed = true;
    } else if ((wants & SESSION_WANTS_SEND) && !conn->held) {
        wire_send_once(conn);
    } else if ((wants & SESSION_WANTS_CLOSE) && reply_is_empty(&conn->session.reply)) {
        session_fini(&conn->session);
        conn->open = false;
        conn->closed = true;
    }
}

void wire_turn_begin(struct wire *wire) {
    engine_turn_begin(wire->core, wire->now);
}

void wire_turn_end(struct wire *wire) {
    unsigned turns = 0;
    bool more = true;

    while (more) {
        more = engine_resume(wire->core);
        engine_flush(wire->core);
        for (struct session *session; (session = engine_session_next(wire->core)) != NULL;) {
            wire_serve(session->context);
            engine_flush(wire->core);
        }
        ASSERT(++turns < TURNS_MAX);
    }
    engine_turn_end(wire->core);
}

void wire_feed(struct wire *wire, unsigned index, uint8_t *data, size_t bytes) {
    struct wire_conn *conn = wire_conn(wire, index);

    if (conn->open) {
        session_feed(&conn->session, data, bytes);
    }
}

void wire_end_input(struct wire *wire, unsigned index) {
    struct wire_conn *conn = wire_conn(wire, index);

    if (conn->open) {
        wire_turn_begin(wire);
        session_end_input(&conn->session);
        wire_turn_end(wire);
    }
}

void wire_release(struct wire *wire, unsigned index) {
    struct wire_conn *conn = wire_conn(wire, index);

    conn->held = false;
    if (conn->open) {
        wire_turn_begin(wire);
        session_touch(&conn->session);
        wire_turn_end(wire);
    }
}

/* Receives in place what the session wants so; returns how much. */
static size_t wire_direct(struct wire *wire, struct wire_conn *conn, const uint8_t *data,
                          size_t bytes) {
    struct iovec iovecs[SESSION_DIRECT_SPANS_MAX];
    size_t received = 0;

    wire_turn_begin(wire);
    unsigned count = session_direct_space(&conn->session, iovecs, SESSION_DIRECT_SPANS_MAX);

    for (unsigned i = 0; i < count && bytes > 0; i++) {
        size_t part = iovecs[i].iov_len < bytes ? iovecs[i].iov_len : bytes;

        memcpy(iovecs[i].iov_base, data + received, part);
        received += part;
        bytes -= part;
    }
    if (count > 0) {
        session_received_direct(&conn->session, received);
    }
    wire_turn_end(wire);
    return received;
}

static void wire_send_copy(struct wire *wire, unsigned index, const uint8_t *data, size_t bytes) {
    uint8_t *copy = malloc(bytes ? bytes : 1);

    ASSERT(copy);
    memcpy(copy, data, bytes);
    wire_turn_begin(wire);
    wire_feed(wire, index, copy, bytes);
    engine_flush(wire->core);
    memset(copy, 0xdb, bytes);
    free(copy);
    wire_turn_end(wire);
}

void wire_send(struct wire *wire, unsigned index, const void *data, size_t bytes) {
    struct wire_conn *conn = wire_conn(wire, index);
    const uint8_t *at = data;

    if (!conn->direct) {
        wire_send_copy(wire, index, at, bytes);
        return;
    }
    while (bytes > 0 && conn->open) {
        size_t taken = 0;

        if (session_wants(&conn->session) & SESSION_WANTS_DIRECT) {
            taken = wire_direct(wire, conn, at, bytes);
        }
        if (taken == 0) {
            taken = bytes < DIRECT_FEED_BYTES ? bytes : DIRECT_FEED_BYTES;
            wire_send_copy(wire, index, at, taken);
        }
        at += taken;
        bytes -= taken;
    }
}
