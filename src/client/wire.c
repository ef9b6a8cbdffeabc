/* larder: what both dialects of the wire share */
#include "src/client/wire.h"

enum { META_KEY_BYTES_MAX = 250 }; /* on the wire, so of binary keys as base64 */

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Of eight bytes at once: whether one is below 0x21, or 0x7f. (Bit Twiddling Hacks, S. Anderson:
 * "determine if a word has a byte less than n", "has a zero byte".) */
static bool word_is_binary(uint64_t word) {
    uint64_t low = (word - EACH_BYTE * 0x21) & ~word;
    uint64_t del = word ^ EACH_BYTE * 0x7f;

    return ((low | ((del - EACH_BYTE) & ~del)) & EACH_BYTE * 0x80) != 0;
}

bool wire_key_is_binary(struct span key) {
    uint64_t word;
    bool binary = false;

    if (key.len < sizeof(word)) {
        for (size_t i = 0; i < key.len; i++) {
            binary = binary || key.data[i] <= ' ' || key.data[i] == 0x7f;
        }
        return binary;
    }
    for (size_t i = 0; i + sizeof(word) <= key.len; i += sizeof(word)) {
        memcpy(&word, key.data + i, sizeof(word));
        binary = binary || word_is_binary(word);
    }
    memcpy(&word, key.data + key.len - sizeof(word), sizeof(word));
    return binary || word_is_binary(word);
}

bool wire_key_is_good(enum wire_dialect dialect, struct span key) {
    if (key.len == 0 || key.len > LARDER_KEY_BYTES_MAX) {
        return false;
    }
    if (!wire_key_is_binary(key)) {
        return true;
    }
    return dialect == WIRE_META && (key.len + 2) / 3 * 4 <= META_KEY_BYTES_MAX;
}

size_t wire_encode(enum wire_dialect dialect, const struct larder_request *request,
                   uint32_t opaque, uint8_t *to) {
    return dialect == WIRE_META ? wire_meta_encode(request, opaque, to)
                                : wire_classic_encode(request, to);
}

struct span wire_word(struct span *line) {
    size_t from = 0;

    while (from < line->len && line->data[from] == ' ') {
        from++;
    }
    size_t to = from;

    while (to < line->len && line->data[to] != ' ') {
        to++;
    }
    struct span word = span_of(line->data + from, to - from);

    *line = span_of(line->data + to, line->len - to);
    return word;
}

static bool begins(struct span line, const char *with) {
    size_t bytes = strlen(with);

    return line.len >= bytes && memcmp(line.data, with, bytes) == 0;
}

static enum wire_status parse_error(struct span line) {
    if (span_is(line, "ERROR")) {
        return WIRE_UNKNOWN;
    }
    if (begins(line, "ERROR ")) {
        return WIRE_BROKEN; /* "ERROR Too many open connections" */
    }
    if (begins(line, "CLIENT_ERROR ")) {
        return WIRE_REFUSED;
    }
    return begins(line, "SERVER_ERROR ") ? WIRE_BROKEN : WIRE_NONSENSE;
}

void wire_parse(enum wire_dialect dialect, struct span in, struct wire_reply *reply) {
    size_t seen = in.len < WIRE_LINE_BYTES_MAX ? in.len : WIRE_LINE_BYTES_MAX;
    const uint8_t *feed = seen == 0 ? NULL : memchr(in.data, '\n', seen);

    *reply = (struct wire_reply){.ttl_s = LARDER_UNKNOWN, .idle_s = LARDER_UNKNOWN};
    if (feed == NULL) {
        reply->status = seen < WIRE_LINE_BYTES_MAX ? WIRE_PART : WIRE_NONSENSE;
        return;
    }
    size_t bytes = (size_t)(feed - in.data);

    reply->line_bytes = bytes + 1;
    if (bytes == 0 || in.data[bytes - 1] != '\r') {
        reply->status = WIRE_NONSENSE;
        return;
    }
    reply->text = span_of(in.data, bytes - 1);
    reply->status = dialect == WIRE_META ? wire_meta_parse(reply->text, reply)
                                         : wire_classic_parse(reply->text, reply);
    if (reply->status == WIRE_NONSENSE) {
        reply->status = parse_error(reply->text);
    }
}

static bool judge_get(const struct larder_request *request, const struct wire_reply *reply,
                      enum larder_result *result) {
    bool value_wanted = (request->ask & LARDER_NO_VALUE) == 0;

    if (reply->status == WIRE_END) {
        *result = LARDER_MISS;
        return true;
    }
    if (reply->status != (value_wanted ? WIRE_VALUE : WIRE_GOOD)) {
        /* classic servers send the value whether it is wanted or not */
        if (value_wanted || reply->status != WIRE_VALUE) {
            return false;
        }
    }
    bool made = (request->ask & LARDER_VIVIFY) != 0 && value_wanted && reply->value_bytes == 0 &&
                (reply->marks & (LARDER_MARK_WON | LARDER_MARK_SENT)) != 0;

    /* what vivify has put there is no value yet */
    *result = (reply->marks & LARDER_MARK_STALE) != 0 ? LARDER_STALE : LARDER_HIT;
    if (made) {
        *result = LARDER_MISS;
    }
    return true;
}

static bool judge_store(const struct wire_reply *reply, enum larder_result *result) {
    switch (reply->status) {
    case WIRE_GOOD: *result = LARDER_STORED; return true;
    case WIRE_NOT_STORED: *result = LARDER_NOT_STORED; return true;
    case WIRE_EXISTS: *result = LARDER_EXISTS; return true;
    case WIRE_NOT_FOUND: *result = LARDER_NOT_FOUND; return true;
    default: return false;
    }
}

static bool judge_number(const struct wire_reply *reply, enum larder_result *result) {
    switch (reply->status) {
    case WIRE_VALUE:
    case WIRE_NUMBER: *result = LARDER_STORED; return true;
    case WIRE_NOT_FOUND: *result = LARDER_NOT_FOUND; return true;
    case WIRE_NOT_STORED: *result = LARDER_NOT_STORED; return true;
    case WIRE_EXISTS: *result = LARDER_EXISTS; return true;
    default: return false;
    }
}

static bool judge_change(const struct wire_reply *reply, enum larder_result good,
                         enum larder_result *result) {
    switch (reply->status) {
    case WIRE_GOOD: *result = good; return true;
    case WIRE_END:
    case WIRE_NOT_FOUND: *result = LARDER_NOT_FOUND; return true;
    case WIRE_NOT_STORED: *result = LARDER_NOT_STORED; return true;
    case WIRE_EXISTS: *result = LARDER_EXISTS; return true;
    default: return false;
    }
}

bool wire_judge(const struct larder_request *request, const struct wire_reply *reply,
                enum larder_result *result) {
    if (reply->status == WIRE_REFUSED || reply->status == WIRE_BROKEN) {
        bool arithmetic = request->verb == LARDER_INCR || request->verb == LARDER_DECR;
        bool refused = reply->status == WIRE_REFUSED;

        *result = refused && arithmetic ? LARDER_NOT_NUMBER : LARDER_FAILED;
        if (begins(reply->text, "SERVER_ERROR object too large")) {
            *result = LARDER_TOO_LARGE;
        }
        return true;
    }
    switch (request->verb) {
    case LARDER_GET: return judge_get(request, reply, result);
    case LARDER_INCR:
    case LARDER_DECR: return judge_number(reply, result);
    case LARDER_TOUCH: return judge_change(reply, LARDER_TOUCHED, result);
    case LARDER_DELETE: return judge_change(reply, LARDER_DELETED, result);
    case LARDER_NOOP: *result = LARDER_DONE; return reply->status == WIRE_ALIVE;
    default: return judge_store(reply, result);
    }
}
