/* larder: removing an item with conditions, or leaving a mark in its place
 *
 * A stale item keeps its value and gets a new version where it stands, unless a field has to be
 * added; then, and for tombstones, it is written anew, expecting the version that was read. */
#include "src/store/partition.h"

struct removing {
    struct rewriting rewriting; /* first: form() gets it back */
    const struct store_removal *removal;
};

static bool token_differs(const struct store *store, const struct store_removal *removal,
                          uint64_t token) {
    uint64_t seen = store->config.token_in_items ? token : 0;
    return removal->compare && seen != removal->compare_token;
}

/* Whether the item's fields serve what is to be left. */
static bool fits_where_it_stands(const struct store_removal *removal, uint32_t shape) {
    return removal->invalidate && !removal->drop_value &&
           (!removal->set_token || (shape & ITEM_HAS_TOKEN) != 0) &&
           (!removal->touch || removal->expiry == 0 || (shape & ITEM_HAS_EXPIRY) != 0);
}

static void invalidate_in_place(struct store *store, struct partition *p,
                                const struct store_removal *removal,
                                const struct cursor *cursor) {
    struct item *item = cursor->item;
    uint32_t shape = cursor->shape;
    uint64_t version = partition_next_version(p);
    uint64_t location = slot_location(cursor->slot);
    bool touch = removal->touch && (shape & ITEM_HAS_EXPIRY) != 0;
    if (touch && item_expiry(item, shape) != 0) {
        page_drop_expiry(store, location);
    }
    bucket_change_begin(cursor->home);
    atom_store_relaxed(&item->version, version);
    if ((shape & ITEM_HAS_TOKEN) != 0) {
        atom_store_relaxed(item_u64(item, item_token_offset()),
                           removal->set_token ? removal->token : version);
    }
    if (touch) {
        atom_store_relaxed(item_u32(item, item_expiry_offset(shape)), removal->expiry);
    }
    atom_store_relaxed(&item->shape, (shape | ITEM_STALE) & ~(uint32_t)ITEM_WIN_SENT);
    bucket_change_end(cursor->home);
    if (touch && removal->expiry != 0) {
        page_note_expiry(store, location, removal->expiry);
    }
}

static void removing_form(struct rewriting *rewriting, const struct store_head *head,
                          struct store_write *write) {
    const struct store_removal *removal = ((struct removing *)rewriting)->removal;
    write->compare = removal->compare && removal->compare_token != 0;
    write->compare_token = removal->compare_token;
    write->stale = removal->invalidate;
    write->keep_fetched = !removal->drop_value;
    write->set_token = removal->set_token;
    write->token = removal->token;
    if (removal->drop_value) {
        write->client_flags = 0;
        write->expiry = STORE_EXPIRY_NEVER;
        if (!removal->invalidate && !removal->set_token) {
            write->set_token = true;
            write->token = head->token;
        }
    }
    if (removal->touch) {
        write->expiry = removal->expiry;
    }
}

enum store_outcome store_remove(struct store_core *core, const struct store_key *key,
                                const struct store_removal *removal) {
    struct store *store = core->store;
    struct partition *p = partition_of(store, key->hash);
    enum store_outcome outcome = STORE_NOT_FOUND;
    bool anew = false;
    struct cursor cursor;
    partition_lock(core, p);
    if (index_find(store, p, key, &cursor)) {
        uint64_t version = atom_load_relaxed(&cursor.item->version);
        bool dead = item_is_dead(p, version, item_expiry(cursor.item, cursor.shape), core->now);
        core->class_found = location_class(store, slot_location(cursor.slot));
        if (dead) {
            item_unlink(store, p, &cursor, LEAVE_EXPIRED, core->now);
        } else if (token_differs(store, removal, item_token(cursor.item, cursor.shape, version))) {
            outcome = STORE_EXISTS;
        } else if (!removal->invalidate && !removal->drop_value) {
            item_unlink(store, p, &cursor, LEAVE_DELETED, core->now);
            outcome = STORE_OK;
        } else if (fits_where_it_stands(removal, cursor.shape)) {
            invalidate_in_place(store, p, removal, &cursor);
            outcome = STORE_OK;
        } else {
            anew = true;
        }
    }
    partition_unlock(core, p);
    if (anew) {
        struct removing removing = {
            .rewriting = {.form = removing_form, .drop_value = removal->drop_value},
            .removal = removal};
        outcome = write_anew(core, key, &removing.rewriting);
    }
    return outcome;
}
