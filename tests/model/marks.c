/* larder: the operations of meta commands - look up and create, count and create, remove in part */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/session.h"

/* The token that a client would see, or another. */
static uint64_t marks_token(const struct session *session, const struct operation *op) {
    bool tokens = session->profile->config.token_in_items;
    uint64_t seen = tokens ? session->model.items[op->key].token : 0;

    return op->compare == COMPARE_RIGHT ? seen : seen + 1 + op->random % 1000;
}

static uint32_t marks_expiry(const struct session *session, const struct operation *op) {
    return op->seconds ? session->model.now + op->seconds : STORE_EXPIRY_NEVER;
}

static uint8_t *marks_place(struct store_sink *sink, const struct store_head *head) {
    (void)sink;
    (void)head;
    return NULL;
}

/* Takes over the token that the store has chosen, then compares all there is. */
static void marks_settle(struct session *session, uint32_t key, bool chosen) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key asked = session_key(session, key, text);
    struct store_sink sink = {.place = marks_place, .access = STORE_ACCESS_QUIET};
    struct store_head head = {0};

    session->changed[key] = true;
    if (!chosen && store_get(session->core, &asked, &sink, &head, NULL) == STORE_HIT)
        session->model.items[key].token = head.token;
    session_read(session, key, true, NULL);
}

static void marks_created(struct session *session, const struct operation *op, const char *value) {
    struct model_write write = {.key = op->key,
                                .mode = STORE_SET,
                                .expiry = marks_expiry(session, op),
                                .value = (const uint8_t *)value,
                                .bytes = strlen(value)};

    if (model_is_live(&session->model, op->key))
        session_evicted(session, op->key, "create");
    model_write(&session->model, &write, op->random);
    marks_settle(session, op->key, op->set_token);
}

void session_look_up(struct session *session, const struct operation *op) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key key = session_key(session, op->key, text);
    struct store_lookup lookup = {
        .sink = {.place = marks_place,
                 .access = op->quiet ? STORE_ACCESS_QUIET : STORE_ACCESS_COUNTED},
        .vivify = op->direct,
        .vivify_expiry = marks_expiry(session, op),
        .set_token = op->set_token,
        .token = op->random,
        .recache = op->numeric,
        .recache_before = session->model.now + 5,
    };
    struct store_head head = {0};
    enum store_read read = store_look_up(session->core, &key, &lookup, &head, NULL);
    bool hit = read == STORE_HIT;

    if (lookup.created) {
        if (!hit || !lookup.won || head.value_bytes != 0)
            session_fail(session, "key %u was created and not shown", op->key);
        marks_created(session, op, "");
    } else if (hit != model_is_live(&session->model, op->key)) {
        if (hit)
            session_fail(session, "look up found key %u, which is not there", op->key);
        session_evicted(session, op->key, "look up");
    } else if (!hit && lookup.vivify && !session->profile->may_refuse) {
        session_fail(session, "key %u was not created", op->key);
    } else if (hit) {
        session_read(session, op->key, true, NULL);
    }
}

static enum store_outcome marks_counts(const struct session *session, const struct operation *op,
                                       const struct store_count *count, uint64_t *value) {
    const struct model_item *item = &session->model.items[op->key];
    bool tokens = session->profile->config.token_in_items;

    if (item->bytes > 0 && count->compare && !(tokens && count->compare_token == item->token))
        return STORE_EXISTS;
    return model_arith(&session->model, op->key, op->decrement, count->delta, value);
}

void session_count(struct session *session, const struct operation *op) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key key = session_key(session, op->key, text);
    struct store_count count = {
        .decrement = op->decrement,
        .delta = op->random >> op->random % 64,
        .compare = op->compare != COMPARE_NOT,
        .compare_token = marks_token(session, op),
        .create = op->direct,
        .initial = op->random % 100000,
        .create_expiry = marks_expiry(session, op),
        .touch = op->seconds > 0,
        .expiry = marks_expiry(session, op),
        .set_token = op->set_token,
        .token = op->random,
    };
    struct store_counted counted = {0};
    enum store_outcome outcome = store_count(session->core, &key, &count, &counted);
    char initial[24];
    uint64_t value = 0;

    if (outcome == STORE_NO_MEMORY && session->profile->may_refuse)
        return;
    if (outcome == STORE_OK && counted.created) {
        snprintf(initial, sizeof initial, "%" PRIu64, count.initial);
        marks_created(session, op, initial);
        return;
    }
    if (outcome == STORE_NOT_FOUND && model_is_live(&session->model, op->key)) {
        session_evicted(session, op->key, "count");
        return;
    }
    enum store_outcome expected = !model_is_live(&session->model, op->key)
                                      ? STORE_NOT_FOUND
                                      : marks_counts(session, op, &count, &value);

    if (outcome != expected || (outcome == STORE_OK && counted.value != value))
        session_fail(session, "count answered %d with %" PRIu64 " instead of %d with %" PRIu64,
                     (int)outcome, counted.value, (int)expected, value);
    if (outcome != STORE_OK)
        return;
    model_arith_write(&session->model, op->key, value);
    if (count.touch)
        session->model.items[op->key].expiry = count.expiry;
    session->model.items[op->key].token = op->random;
    marks_settle(session, op->key, op->set_token);
}

/* What is left of an item that was removed in part. */
static void marks_removed(struct session *session, const struct operation *op,
                          const struct store_removal *removal) {
    struct model_item *item = &session->model.items[op->key];

    if (!removal->invalidate && !removal->drop_value) {
        model_drop(&session->model, op->key);
        return;
    }
    if (removal->drop_value) {
        item->bytes = 0;
        item->client_flags = 0;
        item->expiry = STORE_EXPIRY_NEVER;
    }
    if (removal->touch)
        item->expiry = removal->expiry;
    if (removal->set_token)
        item->token = removal->token;
    marks_settle(session, op->key, removal->set_token || !removal->invalidate);
}

void session_remove(struct session *session, const struct operation *op) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key key = session_key(session, op->key, text);
    bool live = model_is_live(&session->model, op->key);
    struct store_removal removal = {
        .compare = op->compare != COMPARE_NOT,
        .compare_token = marks_token(session, op),
        .invalidate = op->quiet || op->decrement,
        .drop_value = op->direct,
        .touch = op->seconds > 0,
        .expiry = marks_expiry(session, op),
        .set_token = op->set_token,
        .token = op->random,
    };
    enum store_outcome outcome = store_remove(session->core, &key, &removal);

    if (outcome == STORE_NO_MEMORY && session->profile->may_refuse)
        return;
    if (outcome == STORE_NOT_FOUND) {
        if (live)
            session_evicted(session, op->key, "remove");
        return;
    }
    enum store_outcome expected = op->compare == COMPARE_WRONG ? STORE_EXISTS : STORE_OK;

    if (!live || outcome != expected)
        session_fail(session, "remove answered %d", (int)outcome);
    if (outcome == STORE_OK)
        marks_removed(session, op, &removal);
}
