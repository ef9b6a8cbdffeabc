/* larder: random operations on the store */
#include "tests/model/operation.h"

#include <inttypes.h>
#include <string.h>

static uint64_t spread(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t *state, uint64_t bound) {
    return spread(state) % bound;
}

static enum operation_kind draw_kind(const struct profile *profile, uint64_t *state) {
    uint64_t dice = below(state, 1000);

    for (unsigned kind = 0; kind < OP_KINDS; kind++) {
        if (dice < profile->weight[kind])
            return kind;
        dice -= profile->weight[kind];
    }
    return OP_GET;
}

/* Mostly small, sometimes around a step, sometimes anything up to the profile's bound. */
static uint64_t draw_bytes(const struct profile *profile, uint64_t *state) {
    uint64_t most = profile->bytes_max, bytes;

    switch (below(state, 8)) {
    case 0:
        bytes = below(state, 4);
        break;
    case 1:
        bytes = ((uint64_t)1 << below(state, 21)) + below(state, 5) - 2;
        break;
    case 2:
        bytes = below(state, most + 1);
        break;
    case 3:
        bytes = below(state, 8192);
        break;
    default:
        bytes = below(state, 400);
    }
    return bytes <= most ? bytes : bytes % (most + 1);
}

struct operation operation_draw(const struct profile *profile, uint64_t seed, uint64_t number) {
    uint64_t state = seed * 0xd1342543de82ef95u + number;
    uint64_t keys = profile->key_count, hot = keys < 16 ? keys : 16;
    struct operation op = {.kind = draw_kind(profile, &state)};

    op.core = (unsigned)below(&state, profile->config.core_count);
    op.place = (unsigned)below(&state, PLACES);
    op.key = (uint32_t)(below(&state, 3) ? below(&state, keys) : below(&state, hot));
    op.mode = below(&state, 2) ? STORE_SET : (enum store_mode)below(&state, STORE_PREPEND + 1);
    if (profile->grows && below(&state, 32) != 0)
        op.mode = STORE_APPEND;
    if (op.mode == STORE_SET && below(&state, 4) == 0)
        op.compare = below(&state, 3) ? COMPARE_RIGHT : COMPARE_WRONG;
    if (op.kind == OP_COUNT || op.kind == OP_REMOVE)
        op.compare = (enum compare)below(&state, COMPARE_WRONG + 1);
    op.set_token = below(&state, 16) == 0;
    op.numeric = below(&state, 5) == 0;
    op.quiet = below(&state, 4) == 0;
    op.decrement = below(&state, 2);
    op.direct = below(&state, 2);
    op.client_flags = below(&state, 2) ? (uint32_t)spread(&state) : 0;
    if (profile->expire_one_in && below(&state, profile->expire_one_in) == 0)
        op.seconds = 1 + (uint32_t)below(&state, 20);
    if (op.kind == OP_TIME || op.kind == OP_FLUSH)
        op.seconds = (uint32_t)below(&state, 4);
    op.bytes = op.numeric ? 1 + below(&state, 20) : draw_bytes(profile, &state);
    op.random = spread(&state);
    return op;
}

void operation_value(const struct operation *operation, uint8_t *value, uint64_t bytes) {
    uint64_t state = operation->random;

    for (uint64_t at = 0; at < bytes; at += 8) {
        uint64_t part = spread(&state);

        memcpy(value + at, &part, bytes - at < 8 ? bytes - at : 8);
    }
    for (uint64_t at = 0; operation->numeric && at < bytes; at++)
        value[at] = (uint8_t)('0' + value[at] % 10);
    if (operation->numeric && bytes == 20)
        memcpy(value, "10", 2); /* below 2^64 */
    if (!operation->numeric && bytes > 0)
        value[0] |= 0x80; /* not a digit */
}

uint32_t operation_key(uint8_t text[STORE_KEY_BYTES_MAX], uint32_t number) {
    uint32_t len = 0, rest = number;

    do
        text[len++] = (uint8_t)('a' + rest % 26);
    while ((rest /= 26) > 0);
    if (number % 3 == 0)
        return len;
    uint32_t pad = number % 7 == 1 ? STORE_KEY_BYTES_MAX - len : number % 31 + 1;

    memset(text + len, '.', pad);
    return len + pad;
}

static const char *const kind_names[OP_KINDS] = {
    [OP_PUT] = "put",
    [OP_GET] = "get",
    [OP_GAT] = "get and touch",
    [OP_DELETE] = "delete",
    [OP_TOUCH] = "touch",
    [OP_ARITH] = "arith",
    [OP_LOOK_UP] = "look up",
    [OP_COUNT] = "count",
    [OP_REMOVE] = "remove",
    [OP_LEASE] = "lease",
    [OP_LEASE_RETURN] = "lease return",
    [OP_UPLOAD_BEGIN] = "upload begin",
    [OP_UPLOAD_FEED] = "upload feed",
    [OP_UPLOAD_COMMIT] = "upload commit",
    [OP_UPLOAD_ABANDON] = "upload abandon",
    [OP_FLUSH] = "flush",
    [OP_TIME] = "time",
    [OP_UPKEEP] = "upkeep",
    [OP_HOUSEKEEP] = "housekeep",
    [OP_LIMIT] = "limit",
    [OP_RESTART] = "restart",
    [OP_CHECK] = "check",
};

void operation_print(FILE *file, uint64_t number, const struct operation *op) {
    static const char *const modes[] = {"set", "add", "replace", "append", "prepend"};
    static const char *const compares[] = {"", " compare-right", " compare-wrong"};
    bool writes = op->kind == OP_PUT || op->kind == OP_UPLOAD_BEGIN;

    fprintf(file, "  %6" PRIu64 " core %u %s key %u", number, op->core, kind_names[op->kind],
            op->key);
    if (writes)
        fprintf(file, " %s%s%s%s flags %u", modes[op->mode], compares[op->compare],
                op->set_token ? " token" : "", op->numeric ? " numeric" : "", op->client_flags);
    if (op->kind == OP_ARITH)
        fprintf(file, " %s", op->decrement ? "decr" : "incr");
    fprintf(file, " place %u seconds %u bytes %" PRIu64 " random %#" PRIx64 "\n", op->place,
            op->seconds, op->bytes, op->random);
}
