/* larder: what a client may say before it has logged in (ASCII, -Y) */
#include "src/proto/login.h"

#include "src/base/number.h"

enum { LINE_BYTES_LOOKED_AT = 3, LINE_TOKENS_MIN = 5, LINE_END_BYTES = 2 };

static enum login_result login_need(struct login *login, size_t bytes, bool line_scanned) {
    login->need_bytes = bytes;
    login->line_scanned = line_scanned;
    return LOGIN_MORE;
}

static enum login_result login_answer(struct login *login, enum outcome outcome) {
    login->outcome = outcome;
    return LOGIN_ANSWER;
}

static enum login_result login_line(struct login *login, struct span input, size_t *consumed) {
    struct span tokens[LINE_TOKENS_MIN];
    uint32_t bytes;

    if (input.len < LINE_BYTES_LOOKED_AT) {
        return login_need(login, LINE_BYTES_LOOKED_AT, false);
    }
    size_t looked_at = input.len <= LOGIN_LINE_BYTES_MAX ? input.len : LOGIN_LINE_BYTES_MAX + 1;
    const uint8_t *feed = memchr(input.data, '\n', looked_at);

    if (!feed) {
        return input.len > LOGIN_LINE_BYTES_MAX ? LOGIN_CLOSE
                                                : login_need(login, input.len + 1, true);
    }
    struct span line = span_of(input.data, (size_t)(feed - input.data));

    if (line.len < LOGIN_LINE_BYTES_MIN) {
        return LOGIN_CLOSE;
    }
    *consumed = line.len + 1;
    line.len -= line.data[line.len - 1] == '\r';
    if (request_tokens(line, tokens, LINE_TOKENS_MIN) < LINE_TOKENS_MIN ||
        !span_is(tokens[0], "set") || !number_parse_u32(tokens[4], &bytes)) {
        return login_answer(login, OUTCOME_UNAUTHENTICATED);
    }
    if (bytes > LOGIN_TOKEN_BYTES_MAX) {
        return login_answer(login, OUTCOME_AUTH_TOO_LONG);
    }
    login->token_bytes = bytes + LINE_END_BYTES;
    return login_need(login, 1, false);
}

static enum login_result login_token(struct login *login, struct span input, size_t *consumed) {
    if (input.len < login->token_bytes) {
        return login_need(login, login->token_bytes, false);
    }
    struct span token = span_of(input.data, login->token_bytes - LINE_END_BYTES);
    const uint8_t *end = token.data + token.len;

    *consumed = login->token_bytes;
    login->token_bytes = 0;
    if (memcmp(end, "\r\n", LINE_END_BYTES) != 0) {
        return login_answer(login, OUTCOME_AUTH_LINE_END);
    }
    const uint8_t *space = token.len > 0 ? memchr(token.data, ' ', token.len) : NULL;

    if (!space) {
        return login_answer(login, OUTCOME_AUTH_FORMAT);
    }
    login->user = span_of(token.data, (size_t)(space - token.data));
    login->password = span_of(space + 1, (size_t)(end - space - 1));
    return LOGIN_TRY;
}

enum login_result login_next(struct login *login, struct span input, size_t *consumed) {
    *consumed = 0;
    return login->token_bytes > 0 ? login_token(login, input, consumed)
                                  : login_line(login, input, consumed);
}
