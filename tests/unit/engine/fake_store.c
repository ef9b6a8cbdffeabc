/* larder: a dictionary that keeps the store's contract, for tests of the engine */
#include "tests/unit/engine/fake_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/atomic.h"

enum { LEND_BYTES_MIN = 16 * 1024, UPLOAD_SPAN_BYTES = 10000 };

struct fake_value {
    unsigned references;
    size_t bytes;
    uint8_t data[];
};

struct fake_item {
    struct fake_item *next;
    struct store_head head;
    struct fake_value *value;
    uint8_t key[STORE_KEY_BYTES_MAX];
};

struct store {
    struct store_config config;
    struct fake_item *items;
    uint64_t token;
    uint32_t flush_when;
    uint32_t now;
    unsigned lends;
    unsigned uploads;
    unsigned retries;
    uint64_t upload_limit_bytes;
    bool refuse;
};

struct store_core {
    struct store *store;
};

/* -- life and keys ----------------------------------------------------------------------------- */

struct store *store_create(const struct store_config *config) {
    struct store *store = calloc(1, sizeof *store);

    if (store) {
        store->config = *config;
    }
    return store;
}

static void fake_value_drop(struct fake_value *value) {
    value->references--;
    if (value->references == 0) {
        free(value);
    }
}

static void fake_unlink(struct store *store, struct fake_item *item) {
    struct fake_item **at = &store->items;

    while (*at != item) {
        at = &(*at)->next;
    }
    *at = item->next;
    fake_value_drop(item->value);
    free(item);
}

void store_destroy(struct store *store) {
    while (store->items) {
        fake_unlink(store, store->items);
    }
    free(store);
}

struct store_core *store_core_create(struct store *store, unsigned index) {
    struct store_core *core = calloc(1, sizeof *core);

    (void)index;
    if (core) {
        core->store = store;
    }
    return core;
}

void store_core_destroy(struct store_core *core) {
    free(core);
}

void store_turn_begin(struct store_core *core, uint32_t now) {
    core->store->now = now;
}

void store_turn_end(struct store_core *core) {
    (void)core;
}

uint64_t store_hash(const struct store *store, const uint8_t *data, size_t len) {
    uint64_t hash = store->config.hash_seed ^ 14695981039346656037u;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * 1099511628211u;
    }
    return hash;
}

void store_prefetch_bucket(struct store_core *core, uint64_t hash, bool for_write) {
    (void)core;
    (void)hash;
    (void)for_write;
}

void store_prefetch_item(struct store_core *core, uint64_t hash) {
    (void)core;
    (void)hash;
}

void fake_store_refuse(struct store *store, bool refuse) {
    store->refuse = refuse;
}

void fake_store_upload_limit(struct store *store, uint64_t bytes) {
    store->upload_limit_bytes = bytes;
}

void fake_store_retries(struct store *store, unsigned retries) {
    store->retries = retries;
}

unsigned fake_store_lends(const struct store *store) {
    return store->lends;
}

unsigned fake_store_uploads(const struct store *store) {
    return store->uploads;
}

size_t fake_store_items(const struct store *store) {
    size_t count = 0;

    for (const struct fake_item *item = store->items; item; item = item->next) {
        count++;
    }
    return count;
}

/* -- finding ----------------------------------------------------------------------------------- */

/* The live item, or NULL; a dead one is dropped and *why says so. */
static struct fake_item *fake_find(struct store *store, const struct store_key *key,
                                   enum store_read *why) {
    ASSERT(key->len >= 1 && key->len <= STORE_KEY_BYTES_MAX);
    ASSERT(key->hash == store_hash(store, key->data, key->len));
    *why = STORE_MISS;
    if (store->flush_when && store->now >= store->flush_when) {
        store->flush_when = 0;
        while (store->items) {
            fake_unlink(store, store->items);
        }
        *why = STORE_FLUSHED;
        return NULL;
    }
    for (struct fake_item *item = store->items; item; item = item->next) {
        if (item->head.key_bytes != key->len || memcmp(item->key, key->data, key->len) != 0) {
            continue;
        }
        if (item->head.expiry != STORE_EXPIRY_NEVER && item->head.expiry <= store->now) {
            fake_unlink(store, item);
            *why = STORE_EXPIRED;
            return NULL;
        }
        *why = STORE_HIT;
        return item;
    }
    return NULL;
}

uint64_t store_lend_bytes_min(void) {
    return LEND_BYTES_MIN;
}

static enum store_read fake_read(struct store *store, struct fake_item *item,
                                 struct store_sink *sink, struct store_head *head,
                                 struct store_lease *lease) {
    *head = item->head;
    for (unsigned i = 0; i < store->retries; i++) {
        struct store_head other = *head;

        sink->may_lend = lease != NULL;
        other.value_bytes = head->value_bytes / (i + 2);
        other.client_flags = i;
        uint8_t *to = sink->place(sink, &other);

        if (to) {
            memset(to, 'x', other.value_bytes);
        }
    }
    sink->may_lend = lease != NULL;
    uint8_t *to = sink->place(sink, head);

    item->head.fetched = true;
    if (to) {
        memcpy(to, item->value->data, item->value->bytes);
        return STORE_HIT;
    }
    if (!lease || head->value_bytes < LEND_BYTES_MIN) {
        return STORE_HIT;
    }
    item->value->references++;
    store->lends++;
    *lease = (struct store_lease){.location = (uint64_t)(uintptr_t)item->value,
                                  .value_bytes = head->value_bytes,
                                  .lent_at = store->now};
    return STORE_LENT;
}

enum store_read store_get(struct store_core *core, const struct store_key *key,
                          struct store_sink *sink, struct store_head *head,
                          struct store_lease *lease) {
    enum store_read read;
    struct fake_item *item = fake_find(core->store, key, &read);

    if (!item) {
        return read;
    }
    if (sink->access == STORE_ACCESS_EXPIRY) {
        item->head.expiry = sink->expiry;
    }
    return fake_read(core->store, item, sink, head, lease);
}

unsigned store_lease_spans(const struct store *store, const struct store_lease *lease,
                           uint64_t *offset, struct iovec *spans, unsigned count) {
    struct fake_value *value = (struct fake_value *)(uintptr_t)lease->location;
    unsigned used = 0;

    (void)store;
    while (used < count && *offset < value->bytes) {
        size_t bytes = value->bytes - *offset;

        bytes = bytes < UPLOAD_SPAN_BYTES ? bytes : UPLOAD_SPAN_BYTES;
        spans[used++] = (struct iovec){.iov_base = value->data + *offset, .iov_len = bytes};
        *offset += bytes;
    }
    return used;
}

void store_lease_copy(const struct store *store, const struct store_lease *lease, uint64_t offset,
                      uint8_t *to, size_t bytes) {
    struct fake_value *value = (struct fake_value *)(uintptr_t)lease->location;

    (void)store;
    ASSERT(offset + bytes <= value->bytes);
    memcpy(to, value->data + offset, bytes);
}

void store_lease_return(struct store_core *core, struct store_lease *lease) {
    ASSERT(lease->location != 0 && core->store->lends > 0);
    core->store->lends--;
    fake_value_drop((struct fake_value *)(uintptr_t)lease->location);
    lease->location = 0;
}

/* -- writing ----------------------------------------------------------------------------------- */

uint64_t store_item_bytes(const struct store *store, uint32_t key_bytes, uint32_t client_flags,
                          uint64_t value_bytes) {
    return 48u + (store->config.token_in_items ? 8u : 0u) + (client_flags ? 4u : 0u) + key_bytes +
           1u + value_bytes + 2u;
}

bool store_item_fits(const struct store *store, uint32_t key_bytes, uint32_t client_flags,
                     uint64_t value_bytes) {
    return store_item_bytes(store, key_bytes, client_flags, value_bytes) <=
           store->config.item_bytes_max;
}

static struct fake_value *fake_value_new(size_t bytes) {
    struct fake_value *value = malloc(sizeof *value + bytes);

    ASSERT(value);
    value->references = 1;
    value->bytes = bytes;
    return value;
}

static struct fake_value *fake_value_join(const struct fake_value *first, const uint8_t *data,
                                          size_t bytes, bool behind) {
    struct fake_value *value = fake_value_new(first->bytes + bytes);

    memcpy(value->data + (behind ? 0 : bytes), first->data, first->bytes);
    if (bytes > 0) {
        memcpy(value->data + (behind ? first->bytes : 0), data, bytes);
    }
    return value;
}

static void fake_replace(struct store *store, struct fake_item *item, struct fake_value *value) {
    fake_value_drop(item->value);
    item->value = value;
    item->head.value_bytes = value->bytes;
    item->head.version = ++store->token;
    item->head.token = store->config.token_in_items ? store->token : 0;
}

static enum store_outcome fake_append(struct store *store, struct fake_item *item,
                                      const struct store_write *write, const struct iovec *data) {
    if (!store_item_fits(store, write->key.len, item->head.client_flags,
                         item->head.value_bytes + data->iov_len)) {
        return STORE_TOO_LARGE;
    }
    fake_replace(store, item, fake_value_join(item->value, data->iov_base, data->iov_len,
                                              write->mode == STORE_APPEND));
    return STORE_OK;
}

static enum store_outcome fake_refused(struct store *store, const struct store_write *write,
                                       uint64_t value_bytes) {
    enum store_outcome outcome = store->refuse ? STORE_NO_MEMORY : STORE_OK;
    enum store_read why;

    if (!store_item_fits(store, write->key.len, write->client_flags, value_bytes)) {
        outcome = STORE_TOO_LARGE;
    }
    if (outcome != STORE_OK && write->mode == STORE_SET && !write->compare) {
        struct fake_item *item = fake_find(store, &write->key, &why);

        if (item) {
            fake_unlink(store, item);
        }
    }
    return outcome;
}

/* What the item that is there, or none, means for the write; STORE_OK: go on. */
static enum store_outcome fake_permit(const struct store_write *write,
                                      const struct fake_item *item) {
    if (write->compare && !item) {
        return STORE_NOT_FOUND;
    }
    if (write->compare && (item->head.token != write->compare_token || item->head.token == 0)) {
        return STORE_EXISTS;
    }
    if (write->mode == STORE_ADD ? item != NULL : (write->mode != STORE_SET && !item)) {
        return STORE_NOT_STORED;
    }
    return STORE_OK;
}

enum store_outcome store_put(struct store_core *core, const struct store_write *write,
                             const struct iovec *data, uint64_t *token) {
    struct store *store = core->store;
    enum store_outcome outcome = fake_refused(store, write, data->iov_len);
    enum store_read why;

    if (outcome != STORE_OK) {
        return outcome;
    }
    struct fake_item *item = fake_find(store, &write->key, &why);

    outcome = fake_permit(write, item);
    if (outcome != STORE_OK) {
        return outcome;
    }
    if (write->mode == STORE_APPEND || write->mode == STORE_PREPEND) {
        return fake_append(store, item, write, data);
    }
    struct fake_value *value = fake_value_new(data->iov_len);

    if (data->iov_len > 0) {
        memcpy(value->data, data->iov_base, data->iov_len);
    }
    if (!item) {
        item = calloc(1, sizeof *item);
        ASSERT(item);
        memcpy(item->key, write->key.data, write->key.len);
        item->head.key_bytes = (uint8_t)write->key.len;
        item->head.class_id = 1;
        item->value = fake_value_new(0);
        item->next = store->items;
        store->items = item;
    }
    fake_replace(store, item, value);
    item->head.client_flags = write->client_flags;
    item->head.expiry = write->expiry;
    if (token) {
        *token = item->head.token;
    }
    return STORE_OK;
}

/* One class, as item->head.class_id says. */
unsigned store_class_stored(const struct store_core *core) {
    (void)core;
    return 1;
}

unsigned store_class_found(const struct store_core *core) {
    (void)core;
    return 1;
}

unsigned store_class_for(const struct store_core *core, const struct store_key *key,
                         uint32_t client_flags, uint64_t value_bytes) {
    (void)core;
    (void)key;
    (void)client_flags;
    (void)value_bytes;
    return 1;
}

enum store_outcome store_upload_begin(struct store_core *core, struct store_upload *upload,
                                      const struct store_write *write, uint64_t value_bytes) {
    enum store_outcome outcome = fake_refused(core->store, write, value_bytes);

    if (outcome != STORE_OK) {
        return outcome;
    }
    memset(upload, 0, sizeof *upload);
    upload->write = *write;
    memcpy(upload->key_copy, write->key.data, write->key.len);
    upload->write.key.data = upload->key_copy;
    upload->value_bytes = value_bytes;
    upload->head_location = (uint64_t)(uintptr_t)fake_value_new((size_t)value_bytes);
    atom_store_relaxed(&upload->state, 1);
    core->store->uploads++;
    return STORE_OK;
}

static uint8_t *fake_upload_at(struct store_core *core, struct store_upload *upload) {
    uint64_t limit = core->store->upload_limit_bytes;

    if (limit && upload->filled_bytes >= limit) {
        upload->failed = STORE_NO_MEMORY;
    }
    return ((struct fake_value *)(uintptr_t)upload->head_location)->data + upload->filled_bytes;
}

void store_upload_append(struct store_core *core, struct store_upload *upload, const uint8_t *data,
                         size_t bytes) {
    ASSERT(atom_load_relaxed(&upload->state) != 0);
    ASSERT(upload->filled_bytes + bytes <= upload->value_bytes);
    memcpy(fake_upload_at(core, upload), data, bytes);
    upload->filled_bytes += bytes;
}

unsigned store_upload_space(struct store_core *core, struct store_upload *upload,
                            struct iovec *space, unsigned count, size_t bytes_max) {
    size_t offset = 0;
    unsigned used = 0;
    uint8_t *at = fake_upload_at(core, upload);

    if (upload->failed != STORE_OK) {
        return 0;
    }
    for (; used < count && offset < bytes_max; used++) {
        size_t bytes = bytes_max - offset;

        bytes = bytes < UPLOAD_SPAN_BYTES ? bytes : UPLOAD_SPAN_BYTES;
        space[used] = (struct iovec){.iov_base = at + offset, .iov_len = bytes};
        offset += bytes;
    }
    return used;
}

void store_upload_advance(struct store_core *core, struct store_upload *upload, size_t bytes) {
    (void)core;
    upload->filled_bytes += bytes;
    ASSERT(upload->filled_bytes <= upload->value_bytes);
}

void store_upload_abandon(struct store_core *core, struct store_upload *upload) {
    if (atom_load_relaxed(&upload->state)) {
        fake_value_drop((struct fake_value *)(uintptr_t)upload->head_location);
        atom_store_relaxed(&upload->state, 0);
        core->store->uploads--;
    }
}

enum store_outcome store_upload_commit(struct store_core *core, struct store_upload *upload,
                                       uint64_t *token) {
    struct fake_value *value = (struct fake_value *)(uintptr_t)upload->head_location;
    struct iovec data = {.iov_base = value->data, .iov_len = value->bytes};

    ASSERT(atom_load_relaxed(&upload->state) && upload->filled_bytes == upload->value_bytes);
    enum store_outcome outcome =
        upload->failed != STORE_OK ? upload->failed
                                   : store_put(core, &upload->write, &data, token);

    store_upload_abandon(core, upload);
    return outcome;
}

enum store_outcome store_delete(struct store_core *core, const struct store_key *key) {
    enum store_read why;
    struct fake_item *item = fake_find(core->store, key, &why);

    if (!item) {
        return STORE_NOT_FOUND;
    }
    fake_unlink(core->store, item);
    return STORE_OK;
}

enum store_outcome store_touch(struct store_core *core, const struct store_key *key,
                               uint32_t expiry) {
    enum store_read why;
    struct fake_item *item = fake_find(core->store, key, &why);

    if (!item) {
        return STORE_NOT_FOUND;
    }
    item->head.expiry = expiry;
    return STORE_OK;
}

enum store_outcome store_arith(struct store_core *core, const struct store_key *key, bool decrement,
                               uint64_t delta, uint64_t *value) {
    enum store_read why;
    struct fake_item *item = fake_find(core->store, key, &why);
    char text[32] = {0};
    char *end;

    if (!item) {
        return STORE_NOT_FOUND;
    }
    if (item->value->bytes == 0 || item->value->bytes > 22 ||
        memchr(item->value->data, '-', item->value->bytes)) {
        return STORE_NOT_NUMERIC;
    }
    memcpy(text, item->value->data, item->value->bytes);
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (errno || end == text || (*end && !strchr(" \t\n\v\f\r", *end))) {
        return STORE_NOT_NUMERIC;
    }
    *value = decrement ? (delta > *value ? 0 : *value - delta) : *value + delta;

    size_t digits = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)*value);
    size_t bytes = digits > item->value->bytes ? digits : item->value->bytes;
    struct fake_value *counted = fake_value_new(bytes);

    memset(counted->data, ' ', bytes);
    memcpy(counted->data, text, digits);
    fake_replace(core->store, item, counted);
    return STORE_OK;
}

void store_flush(struct store_core *core, uint32_t when) {
    core->store->flush_when = when <= core->store->now ? 0 : when;
    while (when <= core->store->now && core->store->items) {
        fake_unlink(core->store, core->store->items);
    }
}

/* What only meta and binary ask for is tested over the store itself. */
enum store_read store_look_up(struct store_core *core, const struct store_key *key,
                              struct store_lookup *lookup, struct store_head *head,
                              struct store_lease *lease) {
    ASSERT(!lookup->vivify && !lookup->recache);
    return store_get(core, key, &lookup->sink, head, lease);
}

enum store_outcome store_remove(struct store_core *core, const struct store_key *key,
                                const struct store_removal *removal) {
    ASSERT(!removal->compare && !removal->invalidate && !removal->drop_value);
    return store_delete(core, key);
}

enum store_outcome store_count(struct store_core *core, const struct store_key *key,
                               const struct store_count *count, struct store_counted *counted) {
    ASSERT(!count->compare && !count->create && !count->touch && !count->set_token);
    *counted = (struct store_counted){0};
    return store_arith(core, key, count->decrement, count->delta, &counted->value);
}
