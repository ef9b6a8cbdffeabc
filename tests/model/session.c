/* larder: runs operations on a store and on the dictionary and compares the answers */
#include "tests/model/session.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOUSEKEEPINGS_MAX = 1000 };

/* Where a read's bytes go. */
struct session_sink {
    struct store_sink sink; /* first */
    struct session *session;
    bool lend;          /* answer NULL when a loan is offered */
    bool called, copied;
};

void session_fail(struct session *session, const char *format, ...) {
    va_list arguments;

    if (session->loud) {
        fflush(stdout);
        fprintf(stderr, "FAILED: %s, seed %" PRIu64 ", operation %" PRIu64 ": ",
                session->profile->name, session->seed, session->number);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        if (session->operation)
            operation_print(stderr, session->number, session->operation);
    }
    _exit(SESSION_FAILED);
}

struct store_key session_key(struct session *session, uint32_t number, uint8_t *text) {
    uint32_t len = operation_key(text, number);

    return (struct store_key){.data = text, .len = len,
                              .hash = store_hash(session->store, text, len)};
}

void session_evicted(struct session *session, uint32_t key, const char *what) {
    if (!session->profile->may_miss)
        session_fail(session, "%s: key %u is missing", what, key);
    session->evictions_noticed++;
    model_drop(&session->model, key);
}

/* -- reading ----------------------------------------------------------------------------------- */

static uint8_t *session_place(struct store_sink *sink, const struct store_head *head) {
    struct session_sink *place = (struct session_sink *)(void *)sink;
    struct session *session = place->session;

    place->called = true;
    if (head->value_bytes > session->profile->config.item_bytes_max)
        session_fail(session, "place() was asked for %" PRIu64 " bytes", head->value_bytes);
    place->copied = !(sink->may_lend && place->lend);
    return place->copied ? session->got : NULL;
}

static void session_check_head(struct session *session, uint32_t key,
                               const struct store_head *head) {
    struct model_item *item = &session->model.items[key];
    bool tokens = session->profile->config.token_in_items;
    uint8_t text[STORE_KEY_BYTES_MAX];

    if (head->value_bytes != item->bytes || head->client_flags != item->client_flags)
        session_fail(session, "head says %" PRIu64 " bytes, flags %u; stored were %" PRIu64 ", %u",
                     head->value_bytes, head->client_flags, item->bytes, item->client_flags);
    if (head->key_bytes != operation_key(text, key))
        session_fail(session, "head says %u bytes of key", head->key_bytes);
    if (head->token != (tokens ? item->token : 0))
        session_fail(session, "token %" PRIu64 " instead of %" PRIu64, head->token, item->token);
    if (session->changed[key] ? head->version <= session->version_last[key]
                              : head->version != session->version_last[key])
        session_fail(session, "version %" PRIu64 " after %" PRIu64 ", %s", head->version,
                     session->version_last[key], session->changed[key] ? "stored" : "not stored");
    session->version_last[key] = head->version;
    session->changed[key] = false;
}

static void session_check_miss(struct session *session, uint32_t key, enum store_read read) {
    const struct model_item *item = &session->model.items[key];

    if (model_is_live(&session->model, key)) {
        session_evicted(session, key, "read");
        return;
    }
    if (read == STORE_FLUSHED && !(item->present && item->flushed))
        session_fail(session, "key %u is said to be flushed", key);
    if (read == STORE_EXPIRED && !(item->present && item->expiry != 0))
        session_fail(session, "key %u is said to have expired", key);
}

static void session_check_hit(struct session *session, uint32_t key, const struct store_head *head,
                              const struct session_sink *sink) {
    const struct model_item *item = &session->model.items[key];

    if (!model_is_live(&session->model, key))
        session_fail(session, "key %u is not there but was read", key);
    session_check_head(session, key, head);
    if (!sink->called)
        session_fail(session, "place() was not called");
    if (sink->copied && item->bytes > 0 && memcmp(session->got, item->value, item->bytes) != 0)
        session_fail(session, "key %u has another value", key);
}

static void session_lent(struct session *session, uint32_t key, struct session_lease *held) {
    const struct model_item *item = &session->model.items[key];

    if (held->lease.value_bytes != item->bytes || item->bytes < store_lend_bytes_min())
        session_fail(session, "%" PRIu64 " bytes were lent of %" PRIu64, held->lease.value_bytes,
                     item->bytes);
    held->value = malloc(item->bytes + 1);
    ASSERT(held->value);
    memcpy(held->value, item->value, item->bytes);
    held->open = true;
}

static void session_read_done(struct session *session, uint32_t key, enum store_read read,
                              const struct store_head *head, const struct session_sink *sink) {
    if (read == STORE_HIT || read == STORE_LENT)
        session_check_hit(session, key, head, sink);
    else
        session_check_miss(session, key, read);
}

void session_read(struct session *session, uint32_t key, bool quiet, struct session_lease *lease) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key asked = session_key(session, key, text);
    struct session_sink sink = {.sink = {.place = session_place}, .session = session};
    struct store_head head = {0};

    sink.lend = lease != NULL;
    sink.sink.access = quiet ? STORE_ACCESS_QUIET : STORE_ACCESS_COUNTED;
    enum store_read read =
        store_get(session->core, &asked, &sink.sink, &head, lease ? &lease->lease : NULL);

    if (lease && read == STORE_HIT && head.value_bytes < store_lend_bytes_min() && !sink.copied)
        session_fail(session, "a small value was offered to be lent");
    session_read_done(session, key, read, &head, &sink);
    if (read == STORE_LENT)
        session_lent(session, key, lease);
    if (read == STORE_HIT && head.expiry != session->model.items[key].expiry)
        session_fail(session, "expiry %u instead of %u", head.expiry,
                     session->model.items[key].expiry);
}

static void session_gat(struct session *session, const struct operation *op, uint32_t expiry) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key asked = session_key(session, op->key, text);
    struct session_sink sink = {
        .sink = {.place = session_place, .access = STORE_ACCESS_EXPIRY, .expiry = expiry},
        .session = session};
    struct store_head head = {0};
    enum store_read read = store_get(session->core, &asked, &sink.sink, &head, NULL);

    session_read_done(session, op->key, read, &head, &sink);
    if (read == STORE_HIT)
        session->model.items[op->key].expiry = expiry;
}

/* -- writing ----------------------------------------------------------------------------------- */

struct store_write session_write(struct session *session, const struct operation *op,
                                 uint8_t *key_text, struct model_write *write) {
    bool tokens = session->profile->config.token_in_items;
    uint64_t token = session->model.items[op->key].token;

    *write = (struct model_write){
        .key = op->key,
        .mode = op->mode,
        .client_flags = op->client_flags,
        .expiry = op->seconds ? session->model.now + op->seconds : STORE_EXPIRY_NEVER,
        .compare = tokens && op->compare != COMPARE_NOT,
        .compare_token = op->compare == COMPARE_RIGHT ? token : token + 1 + op->random % 3,
        .bytes = op->bytes,
    };
    return (struct store_write){
        .key = session_key(session, op->key, key_text),
        .mode = write->mode,
        .client_flags = write->client_flags,
        .expiry = write->expiry,
        .compare = write->compare,
        .compare_token = write->compare_token,
        .set_token = tokens && op->set_token,
        .token = op->random >> 2 | 1,
    };
}

/* What is left of the key after an answer that may or may not have deleted it. */
static void session_resync(struct session *session, uint32_t key) {
    struct profile lenient = *session->profile;
    const struct profile *strict = session->profile;

    lenient.may_miss = true;
    session->profile = &lenient;
    uint64_t noticed = session->evictions_noticed;

    session_read(session, key, true, NULL);
    session->evictions_noticed = noticed;
    session->profile = strict;
}

/* TOO_LARGE or NO_MEMORY: a set has deleted what was there, other modes leave it. */
static void session_refused(struct session *session, const struct model_write *write,
                            enum store_outcome outcome) {
    uint32_t key = write->key, key_bytes;
    uint8_t text[STORE_KEY_BYTES_MAX];

    key_bytes = operation_key(text, key);
    uint64_t bytes = model_bytes_after(&session->model, write);
    uint32_t flags = write->bytes == bytes ? write->client_flags
                                           : session->model.items[key].client_flags;
    bool fits = store_item_fits(session->store, key_bytes, flags, bytes);

    if (outcome == STORE_TOO_LARGE && fits)
        session_fail(session, "%" PRIu64 " bytes are said to be too large", bytes);
    if (outcome == STORE_NO_MEMORY && !session->profile->may_refuse)
        session_fail(session, "out of memory");
    if (write->mode == STORE_SET && !write->compare && outcome == STORE_TOO_LARGE)
        model_drop(&session->model, key);
    session_resync(session, key);
}

void session_written(struct session *session, const struct model_write *write,
                     const struct store_write *asked, enum store_outcome outcome, uint64_t token) {
    struct model *model = &session->model;
    uint32_t key = write->key;
    bool live = model_is_live(model, key);

    if (outcome == STORE_TOO_LARGE || outcome == STORE_NO_MEMORY) {
        session_refused(session, write, outcome);
        return;
    }
    bool joins = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;

    if (outcome == STORE_NOT_STORED && joins && live &&
        !store_item_fits(session->store, asked->key.len, model->items[key].client_flags,
                         model_bytes_after(model, write)))
        return; /* the result would be too large: memcached's answer, and the old value stays */
    if (outcome != model_judge(model, write, live)) {
        if (!live || outcome != model_judge(model, write, false))
            session_fail(session, "answered %d instead of %d", (int)outcome,
                         (int)model_judge(model, write, live));
        session_evicted(session, key, "write");
    }
    if (outcome != STORE_OK)
        return;
    if (!store_item_fits(session->store, asked->key.len, 0, model_bytes_after(model, write)))
        session_fail(session, "%" PRIu64 " bytes were stored", model_bytes_after(model, write));
    if (asked->set_token && token != asked->token)
        session_fail(session, "token %" PRIu64 " was asked for, not %" PRIu64, asked->token, token);
    if (session->profile->config.token_in_items && token == 0)
        session_fail(session, "stored without a token");
    model_write(model, write, token);
    session->changed[key] = true;
}

static void session_put(struct session *session, const struct operation *op) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct model_write write;
    struct store_write asked = session_write(session, op, text, &write);
    struct iovec value = {.iov_base = session->value, .iov_len = op->bytes};
    uint64_t token = 0;

    operation_value(op, session->value, op->bytes);
    write.value = session->value;
    enum store_outcome outcome = store_put(session->core, &asked, &value, &token);

    session_written(session, &write, &asked, outcome, token);
    if (op->quiet)
        session_read(session, op->key, true, NULL);
}

/* Delete and touch: the outcome tells whether the key was live. */
static bool session_was_live(struct session *session, uint32_t key, enum store_outcome outcome,
                             const char *what) {
    bool live = model_is_live(&session->model, key);

    if (outcome != STORE_OK && outcome != STORE_NOT_FOUND)
        session_fail(session, "%s answered %d", what, (int)outcome);
    if (outcome == STORE_OK && !live)
        session_fail(session, "%s found key %u, which is not there", what, key);
    if (outcome == STORE_NOT_FOUND && live)
        session_evicted(session, key, what);
    return outcome == STORE_OK;
}

static void session_arith(struct session *session, const struct operation *op) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key key = session_key(session, op->key, text);
    struct model *model = &session->model;
    uint64_t delta = op->random >> op->random % 64, value = 0, expected = 0;
    enum store_outcome outcome =
        store_arith(session->core, &key, op->decrement, delta, &value);

    if (outcome == STORE_NOT_FOUND) {
        session_was_live(session, op->key, outcome, "arith");
        return;
    }
    if (!model_is_live(model, op->key))
        session_fail(session, "arith found key %u, which is not there", op->key);
    if (outcome == STORE_NO_MEMORY && session->profile->may_refuse)
        return;
    if (outcome != model_arith(model, op->key, op->decrement, delta, &expected))
        session_fail(session, "arith answered %d", (int)outcome);
    if (outcome != STORE_OK)
        return;
    if (value != expected)
        session_fail(session, "arith made %" PRIu64 " instead of %" PRIu64, value, expected);
    model_arith_write(model, op->key, value);
    session->changed[op->key] = true;

    struct session_sink sink = {
        .sink = {.place = session_place, .access = STORE_ACCESS_QUIET}, .session = session};
    struct store_head head = {0};

    if (store_get(session->core, &key, &sink.sink, &head, NULL) == STORE_HIT)
        model->items[op->key].token = head.token;
    session_read(session, op->key, true, NULL);
}

/* -- the rest ---------------------------------------------------------------------------------- */

void session_check(struct session *session) {
    const char *wrong = store_check(session->store);
    struct store_totals totals;
    uint64_t live = 0, present = 0;

    if (wrong)
        session_fail(session, "store_check: %s", wrong);
    store_totals(session->store, &totals);
    for (uint32_t key = 0; key < session->model.key_count; key++) {
        live += model_is_live(&session->model, key);
        present += session->model.items[key].present;
    }
    if (totals.evictions + session->evictions_before < session->evictions_noticed)
        session_fail(session, "%" PRIu64 " keys went, %" PRIu64 " evictions were counted",
                     session->evictions_noticed, totals.evictions);
    if (totals.items > present || (!session->profile->may_miss && totals.items < live))
        session_fail(session, "%" PRIu64 " items are counted, %" PRIu64 " of %" PRIu64 " live",
                     totals.items, live, present);
}

static void session_limit(struct session *session, const struct operation *op) {
    uint64_t most = session->profile->config.memory_bytes_max;
    uint64_t limit = most / 4 + op->random % (most - most / 4 + 1);

    if (!store_memory_limit_set(session->store, limit))
        session_fail(session, "the limit %" PRIu64 " was refused", limit);
}

static void session_time(struct session *session, const struct operation *op) {
    store_turn_end(session->core);
    model_time(&session->model, session->model.now + op->seconds);
    store_turn_begin(session->core, session->model.now);
}

static void session_flush(struct session *session, const struct operation *op) {
    uint32_t when = op->seconds ? session->model.now + op->seconds : 0;

    store_flush(session->core, when);
    model_flush(&session->model, when);
}

/* Operations on one key, which may be live or not. */
static bool session_run_key(struct session *session, const struct operation *op) {
    uint8_t text[STORE_KEY_BYTES_MAX];
    struct store_key key = session_key(session, op->key, text);
    uint32_t expiry = op->seconds ? session->model.now + op->seconds : STORE_EXPIRY_NEVER;

    switch (op->kind) {
    case OP_PUT:
        session_put(session, op);
        return true;
    case OP_GET:
        session_read(session, op->key, op->quiet, NULL);
        return true;
    case OP_GAT:
        session_gat(session, op, expiry);
        return true;
    case OP_DELETE:
        if (session_was_live(session, op->key, store_delete(session->core, &key), "delete"))
            model_drop(&session->model, op->key);
        return true;
    case OP_TOUCH:
        if (session_was_live(session, op->key, store_touch(session->core, &key, expiry), "touch"))
            session->model.items[op->key].expiry = expiry;
        return true;
    case OP_ARITH:
        session_arith(session, op);
        return true;
    case OP_LOOK_UP:
        session_look_up(session, op);
        return true;
    case OP_COUNT:
        session_count(session, op);
        return true;
    case OP_REMOVE:
        session_remove(session, op);
        return true;
    case OP_LEASE:
        if (!session->leases[op->place].open)
            session_read(session, op->key, op->quiet, &session->leases[op->place]);
        return true;
    default:
        return false;
    }
}

static void session_run_other(struct session *session, const struct operation *op) {
    switch (op->kind) {
    case OP_LEASE_RETURN:
        session_lease_return(session, &session->leases[op->place]);
        break;
    case OP_UPLOAD_BEGIN:
        session_upload_begin(session, op);
        break;
    case OP_UPLOAD_FEED:
        session_upload_feed(session, op);
        break;
    case OP_UPLOAD_COMMIT:
        session_upload_commit(session, op);
        break;
    case OP_UPLOAD_ABANDON:
        session_upload_abandon(session, op);
        break;
    case OP_FLUSH:
        session_flush(session, op);
        break;
    case OP_TIME:
        session_time(session, op);
        break;
    case OP_UPKEEP:
        store_upkeep(session->core, op->random % 100000);
        break;
    case OP_HOUSEKEEP:
        store_housekeeping(session->store);
        break;
    case OP_LIMIT:
        session_limit(session, op);
        break;
    case OP_RESTART:
        session_restart(session, op);
        break;
    default:
        session_check(session);
    }
}

void session_run(struct session *session, uint64_t number, const struct operation *operation) {
    session->number = number;
    session->operation = operation;
    session->core = session->cores[operation->core];
    store_turn_begin(session->core, session->model.now);
    if (!session_run_key(session, operation))
        session_run_other(session, operation);
    store_turn_end(session->core);
    if (number % session->profile->check_every == 0)
        session_check(session);
}

void session_open(struct session *session, const struct profile *profile, uint64_t seed,
                  bool loud) {
    uint64_t scratch = 2 * profile->config.item_bytes_max + 64;

    *session = (struct session){.profile = profile, .seed = seed, .loud = loud};
    session->version_last = calloc(profile->key_count, sizeof *session->version_last);
    session->changed = calloc(profile->key_count, sizeof *session->changed);
    session->value = malloc(scratch);
    session->got = malloc(scratch);
    ASSERT(session->version_last && session->changed && session->value && session->got);
    ASSERT(profile->config.core_count <= SESSION_CORES_MAX);
    session_store_open(session);
    model_create(&session->model, profile->key_count);
    for (unsigned i = 0; i < HOUSEKEEPINGS_MAX && store_housekeeping(session->store); i++)
        continue;
}

void session_close(struct session *session) {
    session->operation = NULL;
    session->core = session->cores[0];
    store_turn_begin(session->core, session->model.now);
    session_places_close(session);
    for (uint32_t key = 0; key < session->model.key_count; key++)
        session_read(session, key, true, NULL);
    store_turn_end(session->core);
    session_check(session);
    for (unsigned i = 0; i < session->profile->config.core_count; i++)
        store_core_destroy(session->cores[i]);
    store_destroy(session->store);
    model_destroy(&session->model);
    free(session->version_last);
    free(session->changed);
    free(session->value);
    free(session->got);
}
