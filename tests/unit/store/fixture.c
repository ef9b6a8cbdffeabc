/* larder: a small store, opened and looked into by the unit tests of src/store */
#include "tests/unit/store/fixture.h"

struct store_config fixture_config(void) {
    return (struct store_config){
        .memory_bytes = 16 * MIB,
        .item_bytes_max = MIB,
        .partition_count = 1,
        .core_count = 1,
        .hash_seed = 7,
        .evict = true,
        .token_in_items = true,
    };
}

void fixture_open(struct fixture *f, const struct store_config *config) {
    f->store = store_create(config);
    assert_non_null(f->store);
    f->core = store_core_create(f->store, 0);
    assert_non_null(f->core);
    f->p = &f->store->partitions[0];
    f->now = 100;
    f->out = malloc(BUFFER_BYTES);
    f->pattern = malloc(BUFFER_BYTES);
    assert_non_null(f->out);
    assert_non_null(f->pattern);
    store_turn_begin(f->core, f->now);
}

void key_number(char *key, const char *prefix, unsigned number) {
    (void)snprintf(key, KEY_TEXT_BYTES, "%s-%u", prefix, number);
}

void fixture_check(struct fixture *f) {
    const char *wrong = store_check(f->store);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
}

void fixture_close(struct fixture *f) {
    store_turn_end(f->core);
    fixture_check(f);
    store_core_destroy(f->core);
    store_destroy(f->store);
    free(f->out);
    free(f->pattern);
}

void fixture_pass(struct fixture *f, uint32_t seconds) {
    store_turn_end(f->core);
    f->now += seconds;
    store_turn_begin(f->core, f->now);
}

void fixture_upkeep(struct fixture *f) {
    for (unsigned i = 0; i < 100000; i++) {
        bool more = store_upkeep(f->core, 1000000);
        if (store_housekeeping_due(f->store)) {
            more = store_housekeeping(f->store) || more;
        }
        store_turn_end(f->core);
        store_turn_begin(f->core, f->now);
        if (!more && f->p->limbo_head == 0 && f->p->retired_count == 0) {
            return;
        }
    }
}

struct store_key key_of(struct fixture *f, const char *text) {
    size_t len = strlen(text);
    const uint8_t *data = (const uint8_t *)text;
    return (struct store_key){data, (uint32_t)len, store_hash(f->store, data, len)};
}

struct store_write write_of(struct fixture *f, const char *key) {
    return (struct store_write){.key = key_of(f, key), .mode = STORE_SET};
}

const uint8_t *pattern(struct fixture *f, uint64_t bytes, unsigned seed) {
    assert_true(bytes <= BUFFER_BYTES);
    for (uint64_t i = 0; i < bytes; i++) {
        f->pattern[i] = (uint8_t)((i * 167 + (i >> 8) * 31 + (i >> 16) * 7) ^ seed);
    }
    return f->pattern;
}

enum store_outcome put_as(struct fixture *f, const struct store_write *write, const void *value,
                          uint64_t bytes) {
    struct iovec vector = {(void *)(uintptr_t)value, bytes};
    return store_put(f->core, write, &vector, NULL);
}

enum store_outcome put(struct fixture *f, const char *key, const void *value, uint64_t bytes) {
    struct store_write write = write_of(f, key);
    return put_as(f, &write, value, bytes);
}

enum store_outcome put_text(struct fixture *f, const char *key, const char *text) {
    return put(f, key, text, strlen(text));
}

struct out_sink {
    struct store_sink sink;
    uint8_t *out;
    bool borrow;
};

static uint8_t *out_place(struct store_sink *sink, const struct store_head *head) {
    struct out_sink *out = (struct out_sink *)sink;
    if (head->value_bytes > BUFFER_BYTES || (out->borrow && sink->may_lend)) {
        return NULL;
    }
    return out->out;
}

static struct got read_key(struct fixture *f, const char *key, struct out_sink *sink) {
    struct got got = {.read = STORE_MISS};
    struct store_key store_key = key_of(f, key);
    sink->sink.place = out_place;
    sink->out = f->out;
    got.read = store_get(f->core, &store_key, &sink->sink, &got.head,
                         sink->borrow ? &got.lease : NULL);
    return got;
}

struct got get_as(struct fixture *f, const char *key, enum store_access access, uint32_t expiry) {
    struct out_sink sink = {.sink.access = access, .sink.expiry = expiry};
    return read_key(f, key, &sink);
}

struct got get(struct fixture *f, const char *key) {
    return get_as(f, key, STORE_ACCESS_COUNTED, 0);
}

struct got get_lent(struct fixture *f, const char *key) {
    struct out_sink sink = {.sink.access = STORE_ACCESS_COUNTED, .borrow = true};
    return read_key(f, key, &sink);
}

bool has(struct fixture *f, const char *key) {
    return get_as(f, key, STORE_ACCESS_QUIET, 0).read == STORE_HIT;
}

enum store_outcome delete_key(struct fixture *f, const char *key) {
    struct store_key store_key = key_of(f, key);
    return store_delete(f->core, &store_key);
}

enum store_outcome touch(struct fixture *f, const char *key, uint32_t expiry) {
    struct store_key store_key = key_of(f, key);
    return store_touch(f->core, &store_key, expiry);
}

void assert_value(struct fixture *f, const char *key, const void *value, uint64_t bytes) {
    struct got got = get_as(f, key, STORE_ACCESS_QUIET, 0);
    assert_int_equal(got.read, STORE_HIT);
    assert_int_equal(got.head.value_bytes, bytes);
    if (bytes != 0) {
        assert_memory_equal(f->out, value, bytes);
    }
}

void assert_text(struct fixture *f, const char *key, const char *text) {
    assert_value(f, key, text, strlen(text));
}

void assert_missing(struct fixture *f, const char *key) {
    struct got got = get_as(f, key, STORE_ACCESS_QUIET, 0);
    assert_true(got.read == STORE_MISS || got.read == STORE_EXPIRED || got.read == STORE_FLUSHED);
}

void cursor_of(struct fixture *f, const char *key, struct cursor *cursor) {
    struct store_key store_key = key_of(f, key);
    struct partition *p = partition_of(f->store, store_key.hash);
    assert_true(index_find(f->store, p, &store_key, cursor));
}

uint64_t slot_of(struct fixture *f, const char *key) {
    struct cursor cursor;
    cursor_of(f, key, &cursor);
    return cursor.slot;
}

struct store_totals totals_of(struct fixture *f) {
    struct store_totals totals;
    store_totals(f->store, &totals);
    return totals;
}

unsigned fill_until_full(struct fixture *f, const char *prefix, uint64_t bytes) {
    char key[64];
    unsigned count = 0;
    uint64_t before = totals_of(f).evictions;
    (void)pattern(f, bytes, 0);
    while (totals_of(f).evictions == before) {
        (void)snprintf(key, sizeof(key), "%s%u", prefix, count++);
        assert_int_equal(put(f, key, f->pattern, bytes), STORE_OK);
        assert_true(count < 10000000);
    }
    return count;
}

uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
