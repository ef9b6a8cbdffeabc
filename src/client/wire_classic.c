/* larder: the classic commands from a client's side */
#include "src/base/number.h"
#include "src/client/wire.h"

static uint8_t *put_text(uint8_t *at, const char *text) {
    size_t bytes = strlen(text);

    memcpy(at, text, bytes);
    return at + bytes;
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t bytes) {
    if (bytes > 0) {
        memcpy(at, data, bytes);
    }
    return at + bytes;
}

static uint8_t *put_number(uint8_t *at, uint64_t number) {
    *at++ = ' ';
    return at + number_write_u64(at, number);
}

static uint8_t *put_store(uint8_t *at, const struct larder_request *request) {
    static const char *const names[] = {
        [LARDER_SET] = "set ",       [LARDER_ADD] = "add ",         [LARDER_REPLACE] = "replace ",
        [LARDER_APPEND] = "append ", [LARDER_PREPEND] = "prepend ", [LARDER_CAS] = "cas ",
    };

    at = put_text(at, names[request->verb]);
    at = put_bytes(at, request->key, request->key_bytes);
    at = put_number(at, request->flags);
    at = put_number(at, request->ttl_s);
    at = put_number(at, request->value_bytes);
    if (request->verb == LARDER_CAS) {
        at = put_number(at, request->cas);
    }
    at = put_text(at, "\r\n");
    return put_bytes(at, request->value, request->value_bytes);
}

/* NAME KEY */
static uint8_t *put_named(uint8_t *at, const char *name, const struct larder_request *request) {
    return put_bytes(put_text(at, name), request->key, request->key_bytes);
}

static uint8_t *put_get(uint8_t *at, const struct larder_request *request) {
    if ((request->ask & LARDER_TOUCH_TOO) == 0) {
        return put_named(at, "gets ", request);
    }
    at = put_text(at, "gats");
    at = put_number(at, request->ttl_s);
    return put_named(at, " ", request);
}

size_t wire_classic_encode(const struct larder_request *request, uint8_t *to) {
    uint8_t *at = to;

    switch (request->verb) {
    case LARDER_GET: at = put_get(at, request); break;
    case LARDER_TOUCH: at = put_number(put_named(at, "touch ", request), request->ttl_s); break;
    case LARDER_DELETE: at = put_named(at, "delete ", request); break;
    case LARDER_INCR: at = put_number(put_named(at, "incr ", request), request->delta); break;
    case LARDER_DECR: at = put_number(put_named(at, "decr ", request), request->delta); break;
    case LARDER_NOOP: at = put_text(at, "version"); break;
    default: at = put_store(at, request);
    }
    at = put_text(at, "\r\n");
    return (size_t)(at - to);
}

/* VALUE KEY FLAGS BYTES [CAS] */
static enum wire_status parse_value(struct span rest, struct wire_reply *reply) {
    uint64_t bytes;

    reply->key = wire_word(&rest);
    if (reply->key.len == 0 || !number_parse_u32(wire_word(&rest), &reply->flags) ||
        !number_parse_u64(wire_word(&rest), &bytes) || bytes > SIZE_MAX / 4) {
        return WIRE_NONSENSE;
    }
    struct span cas = wire_word(&rest);

    if (cas.len > 0 && !number_parse_u64(cas, &reply->cas)) {
        return WIRE_NONSENSE;
    }
    reply->value_bytes = (size_t)bytes;
    return WIRE_VALUE;
}

enum wire_status wire_classic_parse(struct span line, struct wire_reply *reply) {
    static const struct {
        const char *name;
        enum wire_status status;
    } table[] = {
        {"END", WIRE_END},           {"STORED", WIRE_GOOD},      {"NOT_STORED", WIRE_NOT_STORED},
        {"EXISTS", WIRE_EXISTS},     {"DELETED", WIRE_GOOD},     {"NOT_FOUND", WIRE_NOT_FOUND},
        {"TOUCHED", WIRE_GOOD},
    };
    struct span rest = line;
    struct span word = wire_word(&rest);

    if (span_is(word, "VALUE")) {
        return parse_value(rest, reply);
    }
    if (span_is(word, "VERSION")) {
        return WIRE_ALIVE;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (span_is(line, table[i].name)) {
            return table[i].status;
        }
    }
    /* decr pads a shorter number with blanks in the item, not in its reply */
    return number_parse_u64(word, &reply->number) ? WIRE_NUMBER : WIRE_NONSENSE;
}
