/* larder: memcached's classic text protocol, from the client's side */
#include "bench/codec_ascii.h"

#include <string.h>

/*     get <key>[ <key>]*\r\n                   VALUE <key> 0 <size>\r\n<value>\r\n ... END\r\n
 *     set <key> 0 0 <size>\r\n<value>\r\n      STORED\r\n
 */
enum {
    VALUE_WORD = 6, /* "VALUE " */
    SIZE_DIGITS_MAX = 10,
    SET_FRAME = 4 + 5 + SIZE_DIGITS_MAX + 4, /* "set ", " 0 0 ", digits, two line ends */
};

size_t ascii_get_bytes_max(const struct dataset *set, uint32_t keys) {
    return 5 + (size_t)keys * (set->key_bytes + 1u);
}

size_t ascii_set_bytes_max(const struct dataset *set) {
    size_t value = set->size_max < CODEC_REFER_BYTES ? set->size_max : CODEC_REFER_BYTES;
    return SET_FRAME + set->key_bytes + 2u * DATASET_STAMP + value;
}

void ascii_get(struct outq *out, const struct dataset *set, const uint64_t *tokens,
               uint32_t keys) {
    char *at = outq_reserve(out, ascii_get_bytes_max(set, keys));
    memcpy(at, "get", 3);
    at += 3;
    for (uint32_t i = 0; i < keys; i++) {
        *at++ = ' ';
        at = dataset_key(set, tokens[i], at);
    }
    memcpy(at, "\r\n", 2);
    outq_commit(out, at + 2);
}

/* Decimal digits without leading zeros; returns how many. */
static uint32_t write_digits(uint32_t number, char *out) {
    char reversed[SIZE_DIGITS_MAX];
    uint32_t count = 0;
    do {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (uint32_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

void ascii_set(struct outq *out, const struct dataset *set, uint64_t token) {
    uint32_t size = dataset_size(set, token);
    struct dataset_value value = dataset_value(set, token, size);
    char *at = outq_reserve(out, ascii_set_bytes_max(set));
    memcpy(at, "set ", 4);
    at = dataset_key(set, token, at + 4);
    memcpy(at, " 0 0 ", 5);
    at += 5;
    at += write_digits(size, at);
    memcpy(at, "\r\n", 2);
    at += 2;
    if (size < CODEC_REFER_BYTES) {
        at = dataset_write(&value, at);
    } else {
        memcpy(at, &value.head, value.head_bytes);
        outq_commit(out, at + value.head_bytes);
        outq_refer(out, value.body, value.body_bytes);
        at = outq_reserve(out, DATASET_STAMP + 2);
        memcpy(at, &value.tail, value.tail_bytes);
        at += value.tail_bytes;
    }
    memcpy(at, "\r\n", 2);
    outq_commit(out, at + 2);
}

/* The digits of the size that is expected, kept from reply to reply: sizes seldom differ. */
static void expect_digits(struct reply *reply, uint32_t size) {
    if (reply->digit_bytes != 0 && reply->digits_of == size)
        return;
    reply->digits_of = size;
    reply->digit_bytes = write_digits(size, reply->digits);
}

/* One whole `VALUE` block of the key that is expected next, all of it at hand: the way that nearly
 * every reply goes. Consumes nothing when anything is out of the ordinary. */
static bool take_whole_value(struct reply *reply, uint64_t token, struct feed *in) {
    const struct dataset *set = in->set;
    uint32_t size = dataset_size(set, token);
    expect_digits(reply, size);
    size_t head_bytes = VALUE_WORD + set->key_bytes + 3u + reply->digit_bytes + 2u;
    if ((size_t)(in->end - in->at) < head_bytes + size + 2)
        return false;
    const char *at = in->at;
    if (memcmp(at, "VALUE ", VALUE_WORD) != 0)
        return false;
    at += VALUE_WORD;
    if (in->check == CHECK_EXACT) {
        char key[DATASET_KEY_MAX];
        dataset_key(set, token, key);
        if (memcmp(at, key, DATASET_KEY_MIN) != 0 ||
            memcmp(at + DATASET_KEY_MIN, key + DATASET_KEY_MIN,
                   set->key_bytes - DATASET_KEY_MIN) != 0)
            return false;
    }
    at += set->key_bytes;
    if (memcmp(at, " 0 ", 3) != 0 || memcmp(at + 3, reply->digits, reply->digit_bytes) != 0)
        return false;
    at += 3 + reply->digit_bytes;
    if (memcmp(at, "\r\n", 2) != 0 || memcmp(at + 2 + size, "\r\n", 2) != 0)
        return false;
    if (in->check == CHECK_EXACT) {
        struct dataset_value value = dataset_value(set, token, size);
        if (!dataset_check(&value, 0, at + 2, size))
            return false;
    }
    in->at = at + size + 4;
    return true;
}

/* The line that begins at in->at, without its end, gathered over receives if need be. */
struct line {
    const char *text;
    size_t bytes;
};

enum line_result {
    LINE_WHOLE,
    LINE_MORE,
    LINE_BROKEN,
};

static enum line_result take_line(struct reply *reply, struct feed *in, struct line *line) {
    size_t have = (size_t)(in->end - in->at);
    const char *newline = memchr(in->at, '\n', have);
    size_t count = newline == NULL ? have : (size_t)(newline - in->at) + 1;
    line->text = in->at;
    line->bytes = count;
    if (reply->line_bytes > 0 || newline == NULL) {
        if (reply->line_bytes + count > sizeof(reply->line))
            return LINE_BROKEN;
        memcpy(reply->line + reply->line_bytes, in->at, count);
        reply->line_bytes += (uint32_t)count;
        line->text = reply->line;
        line->bytes = reply->line_bytes;
    }
    in->at += count;
    if (newline == NULL)
        return LINE_MORE;
    reply->line_bytes = 0;
    if (line->bytes < 2 || line->text[line->bytes - 2] != '\r')
        return LINE_BROKEN;
    line->bytes -= 2;
    return LINE_WHOLE;
}

static bool line_is(const struct line *line, const char *text) {
    return line->bytes == strlen(text) && memcmp(line->text, text, line->bytes) == 0;
}

static bool line_begins(const struct line *line, const char *text) {
    return line->bytes >= strlen(text) && memcmp(line->text, text, strlen(text)) == 0;
}

/* A decimal number that ends the line; false if there is none or it is too large to be a size. */
static bool read_size(const char *text, size_t bytes, uint32_t *size) {
    if (bytes == 0 || bytes > 9)
        return false;
    uint32_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    *size = number;
    return true;
}

/* Which of the op's keys, from the next one on, the text names: those passed over have missed. */
static bool match_key(struct reply *reply, const struct op *op, const uint64_t *tokens,
                      const char *text, const struct feed *in) {
    for (uint32_t i = reply->key_at; i < op->keys; i++) {
        char key[DATASET_KEY_MAX];
        dataset_key(in->set, tokens[i], key);
        if (in->check == CHECK_SHAPE || memcmp(key, text, in->set->key_bytes) == 0) {
            in->tally->misses += i - reply->key_at;
            reply->key_at = i + 1;
            reply->token = tokens[i];
            return true;
        }
    }
    return false;
}

/* `VALUE <key> <flags> <size>`: prepares to check the value, as far as the server's own length can
 * be believed. */
static enum feed_result begin_value(struct reply *reply, const struct op *op,
                                    const uint64_t *tokens, const struct line *line,
                                    struct feed *in) {
    const struct dataset *set = in->set;
    size_t key_end = VALUE_WORD + set->key_bytes;
    int shown = line->bytes < 120 ? (int)line->bytes : 120;
    const char *space = memrchr(line->text, ' ', line->bytes);
    size_t size_at = space == NULL ? 0 : (size_t)(space - line->text) + 1;
    if (space == NULL ||
        !read_size(line->text + size_at, line->bytes - size_at, &reply->value_bytes)) {
        tally_bad(in->tally, "unreadable: %.*s", shown, line->text);
        return FEED_BROKEN;
    }
    reply->state = REPLY_IN_VALUE;
    reply->value_at = 0;
    reply->value_wrong = true;
    if (line->bytes <= key_end || line->text[key_end] != ' ' ||
        !match_key(reply, op, tokens, line->text + VALUE_WORD, in)) {
        tally_bad(in->tally, "a key that was not asked for, or asked for earlier: %.*s", shown,
                  line->text);
        return FEED_MORE;
    }
    if (size_at != key_end + 3 || line->text[key_end + 1] != '0') {
        tally_bad(in->tally, "wrong flags: %.*s", shown, line->text);
        return FEED_MORE;
    }
    if (reply->value_bytes != dataset_size(set, reply->token)) {
        tally_bad(in->tally, "wrong length, not %u: %.*s", dataset_size(set, reply->token), shown,
                  line->text);
        return FEED_MORE;
    }
    reply->value_wrong = false;
    return FEED_MORE;
}

static enum feed_result end_of_op(struct reply *reply, const struct op *op, struct tally *tally) {
    reply->key_at = 0;
    tally->ops++;
    tally->keys += op->keys;
    return FEED_DONE;
}

static enum feed_result take_status(struct reply *reply, const struct op *op,
                                    const uint64_t *tokens, struct feed *in) {
    struct line line;
    enum line_result result = take_line(reply, in, &line);
    if (result == LINE_MORE)
        return FEED_MORE;
    if (result == LINE_BROKEN) {
        tally_bad(in->tally, "a line that is too long or not ended by CR LF");
        return FEED_BROKEN;
    }
    if (op->kind == OP_GET && line_begins(&line, "VALUE "))
        return begin_value(reply, op, tokens, &line, in);
    if (op->kind == OP_GET && line_is(&line, "END")) {
        in->tally->misses += op->keys - reply->key_at;
        return end_of_op(reply, op, in->tally);
    }
    if (op->kind == OP_SET && line_is(&line, "STORED")) {
        in->tally->stored++;
        return end_of_op(reply, op, in->tally);
    }
    if (line_begins(&line, "SERVER_ERROR ") || line_begins(&line, "CLIENT_ERROR ") ||
        line_is(&line, "ERROR")) {
        tally_error(in->tally, line.text, line.bytes);
        return end_of_op(reply, op, in->tally);
    }
    tally_bad(in->tally, "not an answer to %s: %.*s", op->kind == OP_GET ? "get" : "set",
              line.bytes < 120 ? (int)line.bytes : 120, line.text);
    return FEED_BROKEN;
}

static void take_value_bytes(struct reply *reply, struct feed *in) {
    size_t have = (size_t)(in->end - in->at);
    uint32_t left = reply->value_bytes - reply->value_at;
    uint32_t count = have < left ? (uint32_t)have : left;
    if (!reply->value_wrong && in->check == CHECK_EXACT) {
        struct dataset_value value = dataset_value(in->set, reply->token, reply->value_bytes);
        if (!dataset_check(&value, reply->value_at, in->at, count)) {
            reply->value_wrong = true;
            tally_bad(in->tally, "wrong content within bytes %u to %u of %u of key %016llx",
                      reply->value_at, reply->value_at + count, reply->value_bytes,
                      (unsigned long long)reply->token);
        }
    }
    in->at += count;
    reply->value_at += count;
    if (reply->value_at == reply->value_bytes)
        reply->state = REPLY_AT_VALUE_END;
}

static enum feed_result take_value_end(struct reply *reply, struct feed *in) {
    struct line line;
    enum line_result result = take_line(reply, in, &line);
    if (result == LINE_MORE)
        return FEED_MORE;
    if (result == LINE_BROKEN || line.bytes != 0) {
        tally_bad(in->tally, "a value that is longer than announced");
        return FEED_BROKEN;
    }
    in->tally->hits += reply->value_wrong ? 0 : 1;
    reply->state = REPLY_AT_LINE;
    return FEED_MORE;
}

/* What can be answered from whole replies at hand, without any state. */
static bool take_whole_replies(struct reply *reply, const struct op *op, const uint64_t *tokens,
                               struct feed *in) {
    if (op->kind == OP_SET) {
        if (in->end - in->at < 8 || memcmp(in->at, "STORED\r\n", 8) != 0)
            return false;
        in->at += 8;
        in->tally->stored++;
        return true;
    }
    while (reply->key_at < op->keys) {
        if (!take_whole_value(reply, tokens[reply->key_at], in))
            return false;
        reply->key_at++;
        in->tally->hits++;
    }
    if (in->end - in->at < 5 || memcmp(in->at, "END\r\n", 5) != 0)
        return false;
    in->at += 5;
    return true;
}

enum feed_result ascii_feed(struct reply *reply, const struct op *op, const uint64_t *tokens,
                            struct feed *in) {
    while (in->at < in->end) {
        enum feed_result result = FEED_MORE;
        switch (reply->state) {
        case REPLY_AT_LINE:
            if (reply->line_bytes == 0 && take_whole_replies(reply, op, tokens, in))
                return end_of_op(reply, op, in->tally);
            if (in->at < in->end)
                result = take_status(reply, op, tokens, in);
            break;
        case REPLY_IN_VALUE:
            take_value_bytes(reply, in);
            break;
        case REPLY_AT_VALUE_END:
            result = take_value_end(reply, in);
            break;
        }
        if (result != FEED_MORE)
            return result;
    }
    return FEED_MORE;
}
