/* larder: answers of the meta commands */
#include "src/base/assert.h"
#include "src/base/number.h"
#include "src/proto/base64.h"
#include "src/proto/meta.h"
#include "src/proto/response.h"

#include <stdio.h>

enum {
    RETURN_ALWAYS = META_KEY | META_OPAQUE,
    RETURN_GET = RETURN_ALWAYS | META_CAS | META_CLIENT_FLAGS | META_HIT | META_LAST_ACCESS |
                 META_SIZE | META_TTL | META_SET_TTL | META_VIVIFY,
    RETURN_SET = RETURN_ALWAYS | META_CAS | META_SIZE,
    RETURN_COUNT = RETURN_ALWAYS | META_CAS | META_TTL | META_SET_TTL | META_VIVIFY,
};

static uint8_t *meta_write_number(uint8_t *to, char letter, uint64_t number) {
    to[0] = ' ';
    to[1] = (uint8_t)letter;
    return to + 2 + number_write_u64(to + 2, number);
}

static uint8_t *meta_write_ttl(uint8_t *to, uint32_t expiry, uint32_t now) {
    if (expiry == 0) {
        memcpy(to, " t-1", 4);
        return to + 4;
    }
    return meta_write_number(to, 't', expiry > now ? expiry - now : 0);
}

static uint8_t *meta_write_bytes(uint8_t *to, struct span text) {
    memcpy(to, text.data, text.len);
    return to + text.len;
}

/* The key, as base64 if the request had it so or the item was stored so. */
static uint8_t *meta_write_key(uint8_t *to, const struct request *request, bool base64) {
    uint8_t room[META_KEY_BYTES_MAX];

    if (!base64) {
        return meta_write_bytes(to, request->key);
    }
    return to + base64_encode(request_key_is_base64(request) ? meta_key_decode(request, room)
                                                             : request->key,
                              to);
}

static uint8_t *meta_write_key_flag(uint8_t *to, const struct request *request, bool marked) {
    bool base64 = marked || request_key_is_base64(request);

    *to++ = ' ';
    *to++ = 'k';
    to = meta_write_key(to, request, base64);
    return base64 ? meta_write_bytes(to, span_from_text(" b")) : to;
}

/* One flag of the request; *expiry follows what T and N set, because `t` tells it as of its place
 * among the flags. */
static uint8_t *meta_write_flag(uint8_t *to, const struct request *request, struct span token,
                                const struct response_result *result, uint32_t *expiry) {
    switch ((enum meta_flag)meta_flag_of(token.data[0])) {
    case META_NUMBER_KEY:
        return meta_write_key_flag(to, request, result && result->key_is_binary);
    case META_NUMBER_OPAQUE:
        *to = ' ';
        return meta_write_bytes(to + 1, token);
    case META_NUMBER_CAS:
        return meta_write_number(to, 'c', result ? result->cas : 0);
    case META_NUMBER_SIZE:
        return meta_write_number(to, 's', result->value_bytes);
    case META_NUMBER_CLIENT_FLAGS:
        return meta_write_number(to, 'f', result->client_flags);
    case META_NUMBER_HIT:
        return meta_write_number(to, 'h', result->fetched);
    case META_NUMBER_LAST_ACCESS:
        return meta_write_number(to, 'l', result->now - result->accessed);
    case META_NUMBER_TTL:
        return meta_write_ttl(to, *expiry, result->now);
    case META_NUMBER_SET_TTL:
        *expiry = result->expiry_set;
        return to;
    case META_NUMBER_VIVIFY:
        *expiry = result->created ? result->expiry_vivified : *expiry;
        return to;
    default:
        return to;
    }
}

/* The flags of the request that are in `returned`, in its order. */
static uint8_t *meta_write_flags(uint8_t *to, const struct request *request, uint32_t returned,
                                 const struct response_result *result) {
    const uint8_t *at = request->arguments.data;
    const uint8_t *end = at + request->arguments.len;
    uint32_t expiry = result ? result->expiry : 0;

    if ((request->meta & returned) == 0) {
        return to;
    }
    while (at < end) {
        const uint8_t *start = at;

        while (at < end && *at != ' ') {
            at++;
        }
        if (at > start && (returned >> meta_flag_of(*start) & 1) != 0) {
            to = meta_write_flag(to, request, span_of(start, (size_t)(at - start)), result,
                                 &expiry);
        }
        at++;
    }
    return to;
}

size_t response_write_meta_hit(uint8_t *to, const struct request *request,
                               const struct response_result *result) {
    uint8_t *at = to;

    if (result->with_value) {
        memcpy(at, "VA ", 3);
        at += 3;
        at += number_write_u64(at, result->value_bytes);
    } else {
        memcpy(at, "HD", 2);
        at += 2;
    }
    if ((request->meta & RETURN_GET) != 0) {
        at = meta_write_flags(at, request, RETURN_GET, result);
    }
    if (result->win_sent && !result->created) {
        at = meta_write_bytes(at, span_from_text(" Z"));
    }
    if (result->stale) {
        at = meta_write_bytes(at, span_from_text(" X"));
    }
    if (result->won) {
        at = meta_write_bytes(at, span_from_text(" W"));
    }
    memcpy(at, "\r\n", 2);
    return (size_t)(at + 2 - to);
}

size_t response_write_meta_debug(uint8_t *to, const struct request *request, bool base64,
                                 const char *text, size_t bytes) {
    uint8_t *at = meta_write_bytes(to, span_from_text("ME "));

    at = meta_write_key(at, request, base64 || request_key_is_base64(request));
    *at++ = ' ';
    at = meta_write_bytes(at, span_of(text, bytes));
    at = meta_write_bytes(at, span_from_text("\r\n"));
    return (size_t)(at - to);
}

/* Two letters for what a classic command words; NULL: the outcome's own text. */
static const char *meta_status(enum outcome outcome) {
    switch (outcome) {
    case OUTCOME_STORED:
    case OUTCOME_DELETED:
        return "HD";
    case OUTCOME_NOT_STORED:
        return "NS";
    case OUTCOME_EXISTS:
        return "EX";
    case OUTCOME_NOT_FOUND:
        return "NF";
    case OUTCOME_META_MISS:
        return "EN";
    default:
        return NULL;
    }
}

static uint32_t meta_returned(const struct request *request, enum outcome outcome) {
    switch (request->verb) {
    case VERB_MG:
    case VERB_DELETE:
        return RETURN_ALWAYS;
    case VERB_INCR:
    case VERB_DECR:
        return outcome == OUTCOME_STORED ? RETURN_COUNT : RETURN_ALWAYS;
    case VERB_ME:
        return 0;
    default:
        return RETURN_SET;
    }
}

size_t response_write_meta_outcome(uint8_t *to, const struct request *request,
                                   enum outcome outcome, const struct response_result *result) {
    const char *status = request->verb < VERB_FAIL ? meta_status(outcome) : NULL;
    bool quiet = outcome == OUTCOME_STORED || outcome == OUTCOME_DELETED ||
                 outcome == OUTCOME_META_MISS;
    uint8_t *at = to;

    if (!status) {
        at = meta_write_bytes(to, outcome_text(outcome));
        at = meta_write_bytes(at, span_from_text("\r\n"));
        return (size_t)(at - to);
    }
    if (quiet && request->verb != VERB_ME && (request->meta & META_QUIET) != 0) {
        return 0;
    }
    if (result && result->has_number && (request->meta & META_VALUE) != 0) {
        uint8_t text[NUMBER_TEXT_BYTES_MAX];
        size_t bytes = number_write_u64(text, result->number);

        at = meta_write_bytes(at, span_from_text("VA "));
        at += number_write_u64(at, bytes);
        at = meta_write_flags(at, request, meta_returned(request, outcome), result);
        at = meta_write_bytes(at, span_from_text("\r\n"));
        at = meta_write_bytes(at, span_of(text, bytes));
    } else {
        at = meta_write_bytes(at, span_from_text(status));
        at = meta_write_flags(at, request, meta_returned(request, outcome), result);
    }
    at = meta_write_bytes(at, span_from_text("\r\n"));
    return (size_t)(at - to);
}
