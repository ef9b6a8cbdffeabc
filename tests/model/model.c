/* larder: the dictionary that the store is compared with */
#include "tests/model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_create(struct model *model, uint32_t key_count) {
    *model = (struct model){.key_count = key_count, .now = 2};
    model->items = calloc(key_count, sizeof *model->items);
    ASSERT(model->items);
}

void model_destroy(struct model *model) {
    for (uint32_t key = 0; key < model->key_count; key++)
        model_drop(model, key);
    free(model->items);
}

bool model_is_live(const struct model *model, uint32_t key) {
    const struct model_item *item = &model->items[key];

    return item->present && !item->flushed && (item->expiry == 0 || item->expiry > model->now);
}

void model_drop(struct model *model, uint32_t key) {
    free(model->items[key].value);
    model->items[key] = (struct model_item){0};
}

enum store_outcome model_judge(const struct model *model, const struct model_write *write,
                               bool live) {
    if (write->compare) {
        if (!live)
            return STORE_NOT_FOUND;
        if (model->items[write->key].token != write->compare_token)
            return STORE_EXISTS;
    }
    if (write->mode == STORE_ADD)
        return live ? STORE_NOT_STORED : STORE_OK;
    return live || write->mode == STORE_SET ? STORE_OK : STORE_NOT_STORED;
}

static bool model_joins(const struct model_write *write) {
    return write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
}

uint64_t model_bytes_after(const struct model *model, const struct model_write *write) {
    bool joined = model_joins(write) && model_is_live(model, write->key);

    return write->bytes + (joined ? model->items[write->key].bytes : 0);
}

void model_write(struct model *model, const struct model_write *write, uint64_t token) {
    struct model_item *item = &model->items[write->key];
    struct model_item after = {.bytes = model_bytes_after(model, write),
                               .client_flags = write->client_flags,
                               .expiry = write->expiry,
                               .present = true,
                               .token = token};
    uint64_t before = model_joins(write) ? item->bytes : 0;

    after.value = malloc(after.bytes + 1);
    ASSERT(after.value);
    if (model_joins(write)) {
        bool append = write->mode == STORE_APPEND;

        after.client_flags = item->client_flags;
        after.expiry = item->expiry;
        if (before > 0)
            memcpy(after.value + (append ? 0 : write->bytes), item->value, before);
        if (write->bytes > 0)
            memcpy(after.value + (append ? before : 0), write->value, write->bytes);
    } else if (write->bytes > 0) {
        memcpy(after.value, write->value, write->bytes);
    }
    free(item->value);
    *item = after;
}

/* As memcached reads it: digits below 2^64, then nothing or a blank and whatever. (Leading blanks
 * and a plus are not stored by this test.) What is longer than the store looks at is no number. */
enum { NUMBER_BYTES_MAX = 255 };

static bool model_number(const struct model_item *item, uint64_t *value) {
    uint64_t at = 0, number = 0;

    while (at < item->bytes && item->value[at] >= '0' && item->value[at] <= '9') {
        uint64_t digit = item->value[at++] - (uint64_t)'0';

        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *value = number;
    if (at == 0 || item->bytes > NUMBER_BYTES_MAX)
        return false;
    return at == item->bytes || item->value[at] == ' ' ||
           (item->value[at] >= '\t' && item->value[at] <= '\r');
}

enum store_outcome model_arith(const struct model *model, uint32_t key, bool decrement,
                               uint64_t delta, uint64_t *value) {
    uint64_t number;

    if (!model_number(&model->items[key], &number))
        return STORE_NOT_NUMERIC;
    if (decrement)
        *value = number > delta ? number - delta : 0;
    else
        *value = number + delta;
    return STORE_OK;
}

void model_arith_write(struct model *model, uint32_t key, uint64_t value) {
    struct model_item *item = &model->items[key];
    char text[24];
    uint64_t len = (uint64_t)snprintf(text, sizeof text, "%" PRIu64, value);

    if (len > item->bytes) {
        free(item->value);
        item->value = malloc(len);
        ASSERT(item->value);
        item->bytes = len;
    }
    memset(item->value, ' ', item->bytes);
    memcpy(item->value, text, len);
}

static void model_flush_now(struct model *model) {
    for (uint32_t key = 0; key < model->key_count; key++)
        model->items[key].flushed = true;
    model->flush_when = 0;
}

void model_flush(struct model *model, uint32_t when) {
    if (when <= model->now)
        model_flush_now(model);
    else
        model->flush_when = when;
}

void model_time(struct model *model, uint32_t now) {
    model->now = now;
    if (model->flush_when != 0 && model->flush_when <= now)
        model_flush_now(model);
}
