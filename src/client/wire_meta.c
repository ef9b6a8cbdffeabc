/* larder: the meta protocol from a client's side */
#include "src/base/copy.h"
#include "src/base/number.h"
#include "src/client/wire.h"
#include "src/proto/base64.h"

struct writer {
    uint8_t *at;
};

static void put(struct writer *writer, const char *text, size_t bytes) {
    memcpy(writer->at, text, bytes);
    writer->at += bytes;
}

#define PUT(writer, text) put(writer, text, sizeof(text) - 1)

/* " O7" */
static void put_flag(struct writer *writer, char flag, uint64_t value) {
    writer->at[0] = ' ';
    writer->at[1] = (uint8_t)flag;
    writer->at += 2;
    writer->at += number_write_u64(writer->at, value);
}

/* Returns whether the flag b has to follow. */
static bool put_key(struct writer *writer, const struct larder_request *request) {
    if ((request->ask & WIRE_ASK_PLAIN_KEY) == 0 &&
        wire_key_is_binary(span_of(request->key, request->key_bytes))) {
        writer->at += base64_encode(span_of(request->key, request->key_bytes), writer->at);
        return true;
    }
    copy_short(writer->at, request->key, request->key_bytes);
    writer->at += request->key_bytes;
    return false;
}

static void put_get(struct writer *writer, const struct larder_request *request) {
    unsigned ask = request->ask;

    PUT(writer, "mg ");
    if (put_key(writer, request)) {
        PUT(writer, " b");
    }
    if ((ask & LARDER_NO_VALUE) != 0) {
        PUT(writer, " c f t");
    } else if ((ask & WIRE_ASK_LEAN) != 0) {
        PUT(writer, " f v");
    } else {
        PUT(writer, " c f t v");
    }
    if ((ask & LARDER_WANT_HISTORY) != 0) {
        PUT(writer, " h l");
    }
    if ((ask & LARDER_NO_BUMP) != 0) {
        PUT(writer, " u");
    }
    if ((ask & LARDER_TOUCH_TOO) != 0) {
        put_flag(writer, 'T', request->ttl_s);
    }
    if ((ask & LARDER_VIVIFY) != 0) {
        put_flag(writer, 'N', request->vivify_s);
    }
    if ((ask & LARDER_RECACHE) != 0) {
        put_flag(writer, 'R', request->recache_s);
    }
}

static char store_mode(enum larder_verb verb) {
    switch (verb) {
    case LARDER_ADD: return 'E';
    case LARDER_REPLACE: return 'R';
    case LARDER_APPEND: return 'A';
    case LARDER_PREPEND: return 'P';
    default: return 'S';
    }
}

static void put_store(struct writer *writer, const struct larder_request *request) {
    char mode = store_mode(request->verb);

    PUT(writer, "ms ");
    bool binary = put_key(writer, request);

    PUT(writer, " ");
    writer->at += number_write_u64(writer->at, request->value_bytes);
    if (binary) {
        PUT(writer, " b");
    }
    if (mode != 'S') {
        PUT(writer, " M");
        put(writer, &mode, 1);
    }
    if (request->flags != 0) {
        put_flag(writer, 'F', request->flags);
    }
    if (request->ttl_s != 0) {
        put_flag(writer, 'T', request->ttl_s);
    }
    if (request->verb == LARDER_CAS) {
        put_flag(writer, 'C', request->cas);
    }
    if ((request->ask & LARDER_INVALIDATE) != 0) {
        PUT(writer, " I");
    }
}

static void put_arithmetic(struct writer *writer, const struct larder_request *request) {
    PUT(writer, "ma ");
    if (put_key(writer, request)) {
        PUT(writer, " b");
    }
    PUT(writer, " v c t");
    if (request->verb == LARDER_DECR) {
        PUT(writer, " MD");
    }
    put_flag(writer, 'D', request->delta);
    if ((request->ask & LARDER_INITIAL) != 0) {
        put_flag(writer, 'N', request->ttl_s);
        put_flag(writer, 'J', request->initial);
    }
}

static void put_delete(struct writer *writer, const struct larder_request *request) {
    PUT(writer, "md ");
    if (put_key(writer, request)) {
        PUT(writer, " b");
    }
    if (request->cas != 0) {
        put_flag(writer, 'C', request->cas);
    }
    if ((request->ask & LARDER_INVALIDATE) != 0) {
        PUT(writer, " I");
        put_flag(writer, 'T', request->ttl_s);
    }
}

static void put_touch(struct writer *writer, const struct larder_request *request) {
    PUT(writer, "mg ");
    if (put_key(writer, request)) {
        PUT(writer, " b");
    }
    put_flag(writer, 'T', request->ttl_s);
}

size_t wire_meta_encode(const struct larder_request *request, uint32_t opaque, uint8_t *to) {
    struct writer writer = {.at = to};
    bool stores = false;

    switch (request->verb) {
    case LARDER_GET: put_get(&writer, request); break;
    case LARDER_TOUCH: put_touch(&writer, request); break;
    case LARDER_INCR:
    case LARDER_DECR: put_arithmetic(&writer, request); break;
    case LARDER_DELETE: put_delete(&writer, request); break;
    case LARDER_NOOP: PUT(&writer, "mn\r\n"); return (size_t)(writer.at - to);
    default:
        put_store(&writer, request);
        stores = true;
    }
    put_flag(&writer, 'O', opaque);
    PUT(&writer, "\r\n");
    if (stores) {
        if (request->value_bytes > 0) {
            put(&writer, request->value, request->value_bytes);
        }
        PUT(&writer, "\r\n");
    }
    return (size_t)(writer.at - to);
}

/* One flag of a reply; false: it has no value that makes sense. */
static bool parse_flag(struct span word, struct wire_reply *reply) {
    struct span value = span_of(word.data + 1, word.len - 1);
    uint64_t number = 0;

    switch (word.data[0]) {
    case 'O':
        reply->has_opaque = true;
        return number_parse_u32(value, &reply->opaque);
    case 'c': return number_parse_u64(value, &reply->cas);
    case 'f': return number_parse_u32(value, &reply->flags);
    case 't': return number_parse_i64(value, &reply->ttl_s) && reply->ttl_s >= LARDER_NEVER;
    case 'l': return number_parse_i64(value, &reply->idle_s);
    case 'h':
        reply->fetched = number_parse_u64(value, &number) && number != 0;
        return true;
    case 'W': reply->marks |= LARDER_MARK_WON; return value.len == 0;
    case 'X': reply->marks |= LARDER_MARK_STALE; return value.len == 0;
    case 'Z': reply->marks |= LARDER_MARK_SENT; return value.len == 0;
    default: return true;
    }
}

static enum wire_status status_of(struct span word) {
    static const struct {
        char name[3];
        enum wire_status status;
    } table[] = {
        {"HD", WIRE_GOOD},   {"VA", WIRE_VALUE},     {"EN", WIRE_END},
        {"NS", WIRE_NOT_STORED}, {"EX", WIRE_EXISTS}, {"NF", WIRE_NOT_FOUND},
        {"MN", WIRE_ALIVE},
    };

    for (size_t i = 0; word.len == 2 && i < sizeof(table) / sizeof(table[0]); i++) {
        if (memcmp(word.data, table[i].name, 2) == 0) {
            return table[i].status;
        }
    }
    return WIRE_NONSENSE;
}

enum wire_status wire_meta_parse(struct span line, struct wire_reply *reply) {
    enum wire_status status = status_of(wire_word(&line));

    if (status == WIRE_NONSENSE) {
        return status;
    }
    if (status == WIRE_VALUE) {
        uint64_t bytes;

        if (!number_parse_u64(wire_word(&line), &bytes) || bytes > SIZE_MAX / 4) {
            return WIRE_NONSENSE;
        }
        reply->value_bytes = (size_t)bytes;
    }
    for (struct span word = wire_word(&line); word.len > 0; word = wire_word(&line)) {
        if (!parse_flag(word, reply)) {
            return WIRE_NONSENSE;
        }
    }
    return status;
}
