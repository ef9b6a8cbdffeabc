/* larder: lines of the meta commands */
#include "src/proto/meta.h"

#include "src/base/number.h"
#include "src/proto/base64.h"
#include "src/proto/scan.h"

enum meta_token {
    TOKEN_NONE,
    TOKEN_U64,
    TOKEN_U32,
    TOKEN_I32,
    TOKEN_DELTA,
    TOKEN_INITIAL,
    TOKEN_MODE,
    TOKEN_OPAQUE,
};

static const uint8_t flag_tokens[META_FLAG_COUNT] = {
#define META_FLAG(NAME, letter, token, doc) [META_NUMBER_##NAME] = TOKEN_##token,
#include "src/proto/meta_flags.def"
#undef META_FLAG
};

/* By letter: the flag's number plus 1; 0: none. */
static const uint8_t flag_letters[256] = {
#define META_FLAG(NAME, letter, token, doc) [letter] = META_NUMBER_##NAME + 1,
#include "src/proto/meta_flags.def"
#undef META_FLAG
};

/* Bits of the letters that ask for no more than their bit; 0: look closer. */
static const uint32_t flag_plain_bits[256] = {
#define META_FLAG(NAME, letter, token, doc)                                                        \
    [letter] = TOKEN_##token == TOKEN_NONE && (letter) != 'b' ? (uint32_t)META_##NAME : 0,
#include "src/proto/meta_flags.def"
#undef META_FLAG
};

/* A line while it is read. */
struct meta_reader {
    struct request *request;
    unsigned tokens;
    uint8_t mode;          /* M's; 0: none */
    bool bad_letter;       /* a flag that is no letter and no digit */
    bool long_opaque;
    enum outcome stop;     /* the first error that ends the reading of flags */
    enum outcome wrong;    /* the last one of the others */
};

unsigned meta_flag_of(uint8_t letter) {
    return flag_letters[letter] ? flag_letters[letter] - 1u : META_FLAG_COUNT;
}

struct span meta_key_decode(const struct request *request, uint8_t *room) {
    return span_of(room, base64_decode(request->key, room));
}

/* -- flags ------------------------------------------------------------------------------------- */

static bool meta_read_i32(struct request *request, unsigned flag, struct span text) {
    int32_t *to = flag == META_NUMBER_SET_TTL  ? &request->exptime
                  : flag == META_NUMBER_VIVIFY ? &request->vivify_exptime
                                               : &request->recache_exptime;

    return number_parse_i32(text, to);
}

/* Its token; false: what is wrong goes to *wrong. */
static bool meta_read_token(struct meta_reader *reader, unsigned flag, struct span text,
                            enum outcome *wrong) {
    struct request *request = reader->request;

    *wrong = OUTCOME_META_TOKEN;
    switch ((enum meta_token)flag_tokens[flag]) {
    case TOKEN_U64:
        return number_parse_u64(text, flag == META_NUMBER_COMPARE ? &request->cas
                                                                  : &request->token);
    case TOKEN_I32:
        return meta_read_i32(request, flag, text);
    case TOKEN_U32: /* leaves the text of an earlier error, as memcached does */
        *wrong = reader->wrong == OUTCOME_NONE ? OUTCOME_BAD_FORMAT : reader->wrong;
        return number_parse_u32(text, &request->client_flags);
    case TOKEN_DELTA:
        *wrong = OUTCOME_META_DELTA;
        return number_parse_u64(text, &request->delta);
    case TOKEN_INITIAL:
        *wrong = OUTCOME_META_INITIAL;
        return number_parse_u64(text, &request->initial);
    case TOKEN_MODE:
        reader->mode = text.len > 0 ? text.data[0] : ' ';
        return true;
    case TOKEN_OPAQUE:
        reader->long_opaque = text.len >= META_OPAQUE_BYTES_MAX;
        return true;
    default:
        return true;
    }
}

static bool meta_key_is_whole(const struct request *request) {
    uint8_t room[META_KEY_BYTES_MAX];

    return request->key.len <= REQUEST_KEY_BYTES_MAX && base64_decode(request->key, room) > 0;
}

static void meta_read_flag(struct meta_reader *reader, const uint8_t *token, size_t bytes) {
    struct request *request = reader->request;
    unsigned flag = meta_flag_of(token[0]);
    enum outcome wrong;

    reader->tokens++;
    if ((token[0] < 'A' && (token[0] < '0' || token[0] > '9')) || token[0] > 'z') {
        reader->bad_letter = true;
        return;
    }
    if (reader->stop != OUTCOME_NONE) {
        return;
    }
    if (flag == META_FLAG_COUNT) {
        reader->stop = OUTCOME_META_INVALID;
        return;
    }
    if ((request->meta >> flag & 1) != 0) {
        reader->stop = OUTCOME_META_DUPLICATE;
        return;
    }
    request->meta |= 1u << flag;
    if (flag_tokens[flag] != TOKEN_NONE &&
        !meta_read_token(reader, flag, span_of(token + 1, bytes - 1), &wrong)) {
        reader->wrong = wrong;
    }
    if (flag == META_NUMBER_KEY_BASE64 && !meta_key_is_whole(request)) {
        reader->wrong = OUTCOME_META_KEY;
    }
}

/* me looks for a `b` and nothing else. */
static void meta_read_debug_flag(struct meta_reader *reader, const uint8_t *token, size_t bytes) {
    reader->tokens++;
    if (bytes == 1 && token[0] == 'b' && (reader->request->meta & META_KEY_BASE64) == 0) {
        reader->request->meta |= META_KEY_BASE64;
        reader->wrong =
            meta_key_is_whole(reader->request) ? OUTCOME_NONE : OUTCOME_BAD_FORMAT;
    }
}

/* The next token of the line; *at goes behind it. False: the input ends before the line does. An
 * empty token with *at at the line feed is the end. */
static inline bool meta_next_token(const uint8_t **at, const uint8_t *end, struct span *token) {
    const uint8_t *start = *at;

    while (start < end && *start == ' ') {
        start++;
    }
    const uint8_t *stop = start;

    while (stop < end && *stop != ' ' && *stop != '\n') {
        stop++;
    }
    if (stop == end) {
        return false;
    }
    size_t bytes = (size_t)(stop - start);

    bytes -= *stop == '\n' && bytes > 0 && stop[-1] == '\r';
    *token = span_of(start, bytes);
    *at = stop;
    return true;
}

/* -- what the line amounts to ------------------------------------------------------------------ */

static enum outcome meta_finish_set(struct meta_reader *reader) {
    struct request *request = reader->request;
    uint32_t meta = request->meta;
    bool joins = false;

    switch (reader->mode) {
    case 0:
    case 'S':
        request->verb = VERB_SET;
        break;
    case 'E':
        request->verb = VERB_ADD;
        break;
    case 'A':
        request->verb = VERB_APPEND;
        joins = true;
        break;
    case 'P':
        request->verb = VERB_PREPEND;
        joins = true;
        break;
    case 'R':
        request->verb = VERB_REPLACE;
        break;
    default:
        return OUTCOME_META_SET_MODE;
    }
    if ((meta & META_COMPARE) != 0 &&
        (request->verb == VERB_SET || request->verb == VERB_REPLACE)) {
        request->verb = VERB_CAS;
    }
    if (joins && (meta & META_VIVIFY) != 0) {
        request->exptime = request->vivify_exptime;
    } else if ((meta & META_SET_TTL) == 0) {
        request->exptime = 0;
    }
    if ((meta & META_SET_FLAGS) == 0) {
        request->client_flags = 0;
    }
    return OUTCOME_NONE;
}

static enum outcome meta_finish_count(struct meta_reader *reader) {
    struct request *request = reader->request;

    switch (reader->mode) {
    case 0:
    case 'I':
    case '+':
        request->verb = VERB_INCR;
        break;
    case 'D':
    case '-':
        request->verb = VERB_DECR;
        break;
    default:
        return OUTCOME_META_COUNT_MODE;
    }
    if ((request->meta & META_DELTA) == 0) {
        request->delta = 1;
    }
    if ((request->meta & META_INITIAL) == 0) {
        request->initial = 0;
    }
    return OUTCOME_NONE;
}

/* What is wrong with key and flags, first things first. */
static enum outcome meta_verdict(const struct meta_reader *reader) {
    if (reader->request->key.len > REQUEST_KEY_BYTES_MAX) {
        return OUTCOME_BAD_FORMAT;
    }
    if (reader->tokens > META_TOKENS_MAX) {
        return OUTCOME_META_FLAGS;
    }
    return reader->stop != OUTCOME_NONE ? reader->stop : reader->wrong;
}

static enum outcome meta_finish(struct meta_reader *reader, uint8_t letter) {
    struct request *request = reader->request;
    enum outcome wrong = meta_verdict(reader);

    if (letter == 'e') {
        request->verb = VERB_ME;
        return request->key.len > REQUEST_KEY_BYTES_MAX ? OUTCOME_BAD_FORMAT : reader->wrong;
    }
    if (wrong != OUTCOME_NONE) {
        return letter == 'a' ? OUTCOME_META_COUNT_FLAG : wrong;
    }
    switch (letter) {
    case 'g':
        request->verb = VERB_MG;
        break;
    case 's':
        wrong = meta_finish_set(reader);
        break;
    case 'd':
        request->verb = VERB_DELETE;
        break;
    default:
        wrong = meta_finish_count(reader);
        break;
    }
    return wrong == OUTCOME_NONE && reader->long_opaque ? OUTCOME_META_OPAQUE : wrong;
}

/* Letters alone, one space between: nearly all that is ever sent. Returns where they end. */
static inline const uint8_t *meta_read_letters(const uint8_t *at, const uint8_t *end,
                                               uint32_t *meta) {
    uint32_t seen = 0;

    while (end - at > 3 && *at == ' ' &&
           (at[2] == ' ' || at[2] == '\n' || (at[2] == '\r' && at[3] == '\n')) &&
           (flag_plain_bits[at[1]] & ~seen) != 0) {
        seen |= flag_plain_bits[at[1]];
        at += 2;
    }
    *meta = seen;
    return at;
}

size_t meta_get_fast(struct span input, struct request *request) {
    const uint8_t *end = input.data + input.len;
    const uint8_t *key = input.data + 3;
    const uint8_t *stop = scan_token_end(input.data, key, end);
    size_t key_bytes = (size_t)(stop - key);

    if (key_bytes - 1 >= REQUEST_KEY_BYTES_MAX || stop == end || *stop != ' ') {
        return 0;
    }
    const uint8_t *at = meta_read_letters(stop, end, &request->meta);

    if (end - at < 2 || at[0] != '\r' || at[1] != '\n') {
        return 0;
    }
    request_mark(request, VERB_MG, false);
    request->protocol = REQUEST_META;
    request->key = span_of(key, key_bytes);
    request->arguments = span_of(stop, (size_t)(at - stop));
    return (size_t)(at + 2 - input.data);
}

/* The flags from `at` on, to the line feed. */
static bool meta_read_flags(struct meta_reader *reader, const uint8_t *at, const uint8_t *end,
                            bool debug, struct meta_line *line) {
    const uint8_t *start = at;
    const uint8_t *stop = at; /* of the last token */
    struct span token;
    reader->request->meta = 0;
    if (!debug) {
        at = meta_read_letters(at, end, &reader->request->meta);
        reader->tokens += (unsigned)(at - stop) / 2;
        stop = at;
    }
    if (*at == '\r' && at[1] == '\n') {
        at++;
    }
    while (*at != '\n') {
        if (!meta_next_token(&at, end, &token)) {
            return false;
        }
        if (token.len == 0) {
            continue;
        }
        stop = token.data + token.len;
        if (debug) {
            meta_read_debug_flag(reader, token.data, token.len);
        } else {
            meta_read_flag(reader, token.data, token.len);
        }
    }
    reader->request->arguments = span_of(start, (size_t)(stop - start));
    line->next = at + 1;
    return true;
}

bool meta_parse(struct span input, const uint8_t *word, struct request *request,
                struct meta_line *line) {
    const uint8_t *end = input.data + input.len;
    const uint8_t *at = word + 2;
    struct meta_reader reader = {.request = request, .tokens = 2};
    uint64_t value_bytes = 0;
    bool valid = true;
    struct span token;

    request->protocol = REQUEST_META;
    request->noreply = false;
    request->meta = 0;
    line->has_value = false;
    while (at < end && *at == ' ') {
        at++;
    }
    const uint8_t *stop = scan_token_end(input.data, at, end);

    if (stop == end) {
        return false;
    }
    request->key = span_of(at, (size_t)(stop - at));
    request->key.len -= *stop == '\n' && request->key.len > 0 && stop[-1] == '\r';
    at = stop;
    if (word[1] == 's') {
        if (!meta_next_token(&at, end, &token)) {
            return false;
        }
        reader.tokens++;
        valid = number_parse_u64(token, &value_bytes) && value_bytes <= REQUEST_VALUE_BYTES_MAX;
    }
    if (!meta_read_flags(&reader, at, end, word[1] == 'e', line)) {
        return false;
    }
    if (request->key.len == 0 || !valid || reader.bad_letter) {
        line->wrong = OUTCOME_BAD_FORMAT;
        return true;
    }
    line->wrong = meta_finish(&reader, word[1]);
    if (word[1] == 's') {
        line->has_value = true;
        request->value_bytes = value_bytes; /* shares its place with N's and R's tokens */
    }
    return true;
}
