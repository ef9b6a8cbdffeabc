/* larder: changing an item where it stands - touch, gat, incr, decr */
#include <string.h>

#include "src/store/partition.h"

#define ROUNDS_MAX 1000u
#define NUMBER_BYTES_MAX 20u

/* An item on its way into a chunk of another form, same version. */
struct reform {
    struct store_core *core;
    struct partition *p;
    const struct store_key *key;
    enum need need;
    unsigned class_id;
    uint64_t expect_version; /* of the item to touch; 0 = any */
};

static bool find_live(struct reform *reform, struct cursor *cursor) {
    if (!item_find_live(reform->core, reform->p, reform->key, cursor)) {
        return false;
    }
    reform->core->class_found =
        location_class(reform->core->store, slot_location(cursor->slot));
    return true;
}

static void count_access(struct store_core *core, const struct cursor *cursor) {
    uint64_t slot = cursor->slot;
    unsigned freq = slot_freq(slot) < SLOT_FREQ_MAX ? slot_freq(slot) + 1 : slot_freq(slot);
    (void)atom_compare_exchange(&cursor->line->slots[cursor->slot_index], &slot,
                                slot_with_freq(slot, freq) | SLOT_FETCHED);
    atom_store_relaxed(&cursor->item->accessed, core->now);
}

/* Sets the expiry of an item that has the field. Keeps the version: touch does not change the
 * CAS. */
static void expiry_store(struct store *store, const struct cursor *cursor, uint32_t expiry) {
    uint64_t location = slot_location(cursor->slot);
    if (item_expiry(cursor->item, cursor->shape) != 0) {
        page_drop_expiry(store, location);
    }
    bucket_change_begin(cursor->home);
    atom_store_relaxed(item_u32(cursor->item, item_expiry_offset(cursor->shape)), expiry);
    bucket_change_end(cursor->home);
    if (expiry != 0) {
        page_note_expiry(store, location, expiry);
    }
}

/* Copies the item into a chunk with room for an expiry. */
static bool expiry_add(struct reform *reform, const struct cursor *cursor, uint32_t expiry) {
    struct store *store = reform->core->store;
    struct partition *p = reform->p;
    uint32_t shape = cursor->shape | ITEM_HAS_EXPIRY;
    reform->class_id = fit_class_counted(store, p, item_total_bytes(shape));
    ASSERT(reform->class_id != 0); /* write_needs_chain leaves room for it */
    uint64_t to = space_take(store, p, reform->class_id);
    if (to == 0) {
        reform->need = NEED_CHUNK;
        return false;
    }
    struct item *item = item_at(store, to);
    struct item *old = cursor->item;
    uint32_t fixed = item_expiry_offset(shape);
    slab_move((uint8_t *)item, (const uint8_t *)old, fixed);
    atom_store_relaxed(item_u32(item, fixed), expiry);
    slab_move(item_byte(item, fixed + 4), item_byte(old, fixed),
              item_total_bytes(cursor->shape) - fixed);
    atom_store_relaxed(&item->shape, shape);
    bucket_change_begin(cursor->home);
    uint64_t before = atom_load_relaxed(&cursor->line->slots[cursor->slot_index]);
    index_relocate(cursor, to, 0);
    bucket_change_end(cursor->home);
    item_account(store, p, item, shape, slot_with_location(before, to));
    atom_own_add(&p->counters.items_total, (uint64_t)-1);
    item_discard(store, p, before, LEAVE_REPLACED, reform->core->now);
    return true;
}

/* One attempt under the lock. */
static enum store_outcome touch_attempt(struct reform *reform, uint32_t expiry, bool counted) {
    struct cursor cursor;
    reform->need = NEED_NOTHING;
    if (!find_live(reform, &cursor)) {
        return STORE_NOT_FOUND;
    }
    if (reform->expect_version != 0 &&
        reform->expect_version != atom_load_relaxed(&cursor.item->version)) {
        return STORE_EXISTS;
    }
    if (counted) {
        count_access(reform->core, &cursor);
    }
    if ((cursor.shape & ITEM_HAS_EXPIRY) != 0) {
        expiry_store(reform->core->store, &cursor, expiry);
    } else if (expiry != 0) {
        (void)expiry_add(reform, &cursor, expiry);
    }
    return STORE_OK;
}

enum store_outcome store_touch(struct store_core *core, const struct store_key *key,
                               uint32_t expiry) {
    const struct touch touch = {.expiry = expiry, .counted = true};
    return touch_item(core, key, &touch);
}

enum store_outcome touch_item(struct store_core *core, const struct store_key *key,
                              const struct touch *touch) {
    struct reform reform = {.core = core,
                            .p = partition_of(core->store, key->hash),
                            .key = key,
                            .expect_version = touch->expect_version};
    unsigned spent = 0;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        partition_lock(core, reform.p);
        enum store_outcome outcome = touch_attempt(&reform, touch->expiry, touch->counted);
        partition_unlock(core, reform.p);
        if (reform.need == NEED_NOTHING) {
            return outcome;
        }
        if (!space_make(core, reform.p, reform.class_id, &spent)) {
            break;
        }
    }
    return STORE_NO_MEMORY;
}

/* -- incr and decr ----------------------------------------------------------------------------- */

static bool number_is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* memcached's reading of a number: leading blanks, an optional plus, digits, then nothing, or a
 * blank or a zero byte and anything; at most 2^64-1. */
static bool number_parse(const uint8_t *text, uint32_t bytes, uint64_t *number) {
    uint32_t at = 0;
    while (at < bytes && number_is_blank(text[at])) {
        at++;
    }
    at += at < bytes && text[at] == '+' ? 1 : 0;
    uint32_t first = at;
    uint64_t value = 0;
    for (; at < bytes && text[at] >= '0' && text[at] <= '9'; at++) {
        unsigned digit = text[at] - '0';
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    bool ended = at == bytes || text[at] == 0 || number_is_blank(text[at]);
    return at != first && ended;
}

static uint32_t number_print(uint64_t number, uint8_t *text) {
    uint8_t reversed[NUMBER_BYTES_MAX];
    uint32_t digits = 0;
    do {
        reversed[digits++] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (uint32_t i = 0; i < digits; i++) {
        text[i] = reversed[digits - 1 - i];
    }
    return digits;
}

/* The longest value that is looked at as a number. */
#define NUMERIC_BYTES_MAX 255u

static enum store_outcome number_read(const struct cursor *cursor, uint64_t *number) {
    uint8_t text[NUMERIC_BYTES_MAX];
    uint32_t bytes = ITEM_VALUE_BYTES(cursor->shape);
    if ((cursor->shape & ITEM_CHAINED) != 0 || bytes > sizeof(text)) {
        return STORE_NOT_NUMERIC;
    }
    slab_copy_out(text, item_byte(cursor->item, item_value_offset(cursor->shape)), bytes);
    return number_parse(text, bytes, number) ? STORE_OK : STORE_NOT_NUMERIC;
}

/* The item that results, with flags, marks and expiry kept. */
static void number_write(struct reform *reform, const struct cursor *cursor,
                         const struct store_count *count, struct store_write *write) {
    struct item *item = cursor->item;
    *write = (struct store_write){
        .key = *reform->key,
        .mode = STORE_SET,
        .client_flags = item_client_flags(item, cursor->shape),
        .expiry = count->touch ? count->expiry : item_expiry(item, cursor->shape),
        .set_token = count->set_token,
        .token = count->token,
        .key_is_binary = (cursor->shape & ITEM_KEY_BINARY) != 0,
        .stale = (cursor->shape & ITEM_STALE) != 0,
        .win_sent = (cursor->shape & ITEM_WIN_SENT) != 0,
    };
}

/* Links the number as the item's value, in the same hold. */
static enum store_outcome number_link(struct reform *reform, const struct store_write *write,
                                      uint8_t *text, uint32_t bytes, uint64_t *token) {
    struct iovec value = {text, bytes};
    struct attempt attempt = {.core = reform->core, .p = reform->p, .write = write,
                              .value = &value, .token = token};
    attempt.shape = write_marks(write, bytes) | reform->key->len | bytes << ITEM_VALUE_SHIFT;
    enum store_outcome outcome = link_attempt(&attempt);
    if (attempt.location != 0) {
        (void)space_give(reform->core->store, reform->p, attempt.location); /* no table page */
    }
    reform->need = attempt.need;
    reform->class_id = attempt.class_id;
    return outcome;
}

static enum store_outcome count_create(struct reform *reform, const struct store_count *count,
                                       struct store_counted *counted) {
    uint8_t text[NUMBER_BYTES_MAX];
    struct store_write write = {
        .key = *reform->key,
        .mode = STORE_ADD,
        .expiry = count->create_expiry,
        .set_token = count->set_token,
        .token = count->token,
        .key_is_binary = count->key_is_binary,
    };
    counted->value = count->initial;
    counted->expiry = STORE_EXPIRY_NEVER;
    counted->created = true;
    return number_link(reform, &write, text, number_print(count->initial, text),
                       &counted->token);
}

/* Whether the item is the one that the client means. */
static bool count_is_meant(const struct reform *reform, const struct cursor *cursor,
                           const struct store_count *count) {
    uint64_t version = atom_load_relaxed(&cursor->item->version);
    return !count->compare ||
           (reform->core->store->config.token_in_items &&
            item_token(cursor->item, cursor->shape, version) == count->compare_token);
}

static enum store_outcome count_attempt(struct reform *reform, const struct store_count *count,
                                        struct store_counted *counted) {
    struct cursor cursor;
    reform->need = NEED_NOTHING;
    if (!find_live(reform, &cursor)) {
        return count->create ? count_create(reform, count, counted) : STORE_NOT_FOUND;
    }
    uint64_t number;
    enum store_outcome outcome = number_read(&cursor, &number);
    bool empty = (cursor.shape & ITEM_CHAINED) == 0 && ITEM_VALUE_BYTES(cursor.shape) == 0;
    if (!empty && !count_is_meant(reform, &cursor, count)) {
        return STORE_EXISTS;
    }
    if (outcome != STORE_OK) {
        return outcome;
    }
    if (count->decrement) {
        number = number < count->delta ? 0 : number - count->delta;
    } else {
        number += count->delta;
    }
    uint8_t text[NUMERIC_BYTES_MAX];
    uint32_t bytes = number_print(number, text);
    uint32_t old_bytes = ITEM_VALUE_BYTES(cursor.shape);
    struct store_write write;
    number_write(reform, &cursor, count, &write);
    write.keep_fetched = bytes <= old_bytes; /* memcached changes such an item where it stands */
    if (bytes < old_bytes) {
        memset(text + bytes, ' ', old_bytes - bytes);
        bytes = old_bytes;
    }
    counted->value = number;
    counted->expiry = item_expiry(cursor.item, cursor.shape);
    counted->created = false;
    return number_link(reform, &write, text, bytes, &counted->token);
}

enum store_outcome store_count(struct store_core *core, const struct store_key *key,
                               const struct store_count *count, struct store_counted *counted) {
    struct reform reform = {.core = core, .p = partition_of(core->store, key->hash), .key = key};
    unsigned spent = 0;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        partition_lock(core, reform.p);
        enum store_outcome outcome = count_attempt(&reform, count, counted);
        partition_unlock(core, reform.p);
        if (reform.need == NEED_NOTHING) {
            if (outcome == STORE_OK && counted->created) {
                link_settle(core, reform.p);
            }
            return outcome;
        }
        struct attempt fetcher = {
            .core = core, .p = reform.p, .need = reform.need, .class_id = reform.class_id};
        if (!link_fetch(&fetcher, &spent)) {
            break;
        }
    }
    return STORE_NO_MEMORY;
}

enum store_outcome store_arith(struct store_core *core, const struct store_key *key,
                               bool decrement, uint64_t delta, uint64_t *value) {
    struct store_count count = {.decrement = decrement, .delta = delta};
    struct store_counted counted;
    enum store_outcome outcome = store_count(core, key, &count, &counted);
    if (outcome == STORE_OK) {
        *value = counted.value;
    }
    return outcome;
}
