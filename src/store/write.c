/* larder: storing, extending, deleting, touching, counting
 *
 * An item of up to 512 bytes is written in one hold of the lock. A longer one is filled first, in a
 * chunk that nobody can reach, and linked in a second hold. append and prepend read, compose and
 * replace what they read, by version. */
#include <string.h>

#include "src/store/partition.h"

/* Rounds of a write before it gives up; each failure fetched something that others then took. */
#define ROUNDS_MAX 1000u

static void attempt_init(struct attempt *attempt, struct store_core *core,
                         const struct store_write *write, uint64_t *token) {
    *attempt = (struct attempt){.core = core,
                                .p = partition_of(core->store, write->key.hash),
                                .write = write,
                                .token = token};
}

static void attempt_give_back(struct attempt *attempt) {
    if (attempt->location != 0) {
        partition_lock(attempt->core, attempt->p);
        (void)space_give(attempt->core->store, attempt->p, attempt->location);
        partition_unlock(attempt->core, attempt->p);
        attempt->location = 0;
    }
}

/* Takes a chunk and fills the value in, outside the lock. */
static bool prefill(struct attempt *attempt, unsigned *spent) {
    struct store *store = attempt->core->store;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        partition_lock(attempt->core, attempt->p);
        attempt->class_id =
            fit_class_counted(store, attempt->p, item_total_bytes(attempt->shape));
        uint64_t location = space_take(store, attempt->p, attempt->class_id);
        partition_unlock(attempt->core, attempt->p);
        if (location != 0) {
            struct item *item = item_at(store, location);
            slab_fill(item_byte(item, item_value_offset(attempt->shape)),
                      attempt->value->iov_base, attempt->value->iov_len);
            attempt->location = location;
            return true;
        }
        attempt->need = NEED_CHUNK;
        if (!link_fetch(attempt, spent)) {
            return false;
        }
    }
    return false;
}

/* Stores a value that fits one chunk. */
static enum store_outcome put_single(struct attempt *attempt) {
    struct store_core *core = attempt->core;
    bool in_hold = item_total_bytes(attempt->shape) <= FILL_IN_HOLD_BYTES_MAX;
    unsigned spent = 0;
    if (!in_hold && !prefill(attempt, &spent)) {
        return STORE_NO_MEMORY;
    }
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        partition_lock(core, attempt->p);
        enum store_outcome outcome = link_attempt(attempt);
        partition_unlock(core, attempt->p);
        if (attempt->need == NEED_NOTHING) {
            attempt_give_back(attempt);
            link_settle(core, attempt->p);
            return outcome;
        }
        if (!link_fetch(attempt, &spent)) {
            break;
        }
    }
    attempt_give_back(attempt);
    return STORE_NO_MEMORY;
}

static enum store_outcome put_chained(struct store_core *core, const struct store_write *write,
                                      const struct iovec *value, uint64_t *token) {
    struct store_upload upload;
    enum store_outcome outcome = store_upload_begin(core, &upload, write, value->iov_len);
    if (outcome != STORE_OK) {
        return outcome;
    }
    upload.whole = true;
    store_upload_append(core, &upload, value->iov_base, value->iov_len);
    return store_upload_commit(core, &upload, token);
}

/* -- append and prepend ------------------------------------------------------------------------ */

/* Receives the old value: into the core's scratch memory when it is short, else on loan. */
struct extend_sink {
    struct store_sink sink;
    uint8_t *scratch;
    uint64_t room;
};

static uint8_t *extend_place(struct store_sink *sink, const struct store_head *head) {
    struct extend_sink *extend = (struct extend_sink *)sink;
    return head->value_bytes <= extend->room && !sink->may_lend ? extend->scratch : NULL;
}

struct extension {
    struct store_core *core;
    const struct store_write *write; /* as the caller gave it */
    struct store_write whole;        /* what replaces the old item */
    struct store_head head;
    struct store_lease lease;
    struct store_upload *piece_upload; /* the new piece, if it was uploaded */
    const struct iovec *piece;         /* else here */
    uint64_t piece_bytes;
    uint64_t *token;
    struct rewriting *rewriting; /* NULL: an append or prepend */
    bool changed;
};

static enum store_outcome extend_single(struct extension *ext) {
    struct store_core *core = ext->core;
    uint8_t *scratch = core->scratch;
    uint64_t old_bytes = ext->head.value_bytes;
    if (ext->write->mode == STORE_PREPEND) {
        memmove(scratch + ext->piece_bytes, scratch, old_bytes);
        memcpy(scratch, ext->piece->iov_base, ext->piece_bytes);
    } else {
        memcpy(scratch + old_bytes, ext->piece->iov_base, ext->piece_bytes);
    }
    struct iovec value = {scratch, old_bytes + ext->piece_bytes};
    struct attempt attempt;
    attempt_init(&attempt, core, &ext->whole, ext->token);
    attempt.value = &value;
    attempt.expect_version = ext->head.version;
    attempt.shape = write_marks(&ext->whole, value.iov_len) | ext->whole.key.len |
                    (uint32_t)value.iov_len << ITEM_VALUE_SHIFT;
    enum store_outcome outcome = put_single(&attempt);
    ext->changed = attempt.changed;
    return outcome;
}

/* By way of scratch, whose first half may hold the old value: an upload takes private memory. A
 * piece is at most a chunk. */
static void append_walk(struct store_core *core, struct store_upload *upload,
                        struct lease_walk *walk) {
    uint8_t *bounce = core->scratch + (size_t)slab_chunk_bytes_max(&core->store->pool.classes) * 2;
    do {
        slab_copy_out(bounce, walk->piece.iov_base, walk->piece.iov_len);
        store_upload_append(core, upload, bounce, walk->piece.iov_len);
    } while (lease_walk_next(core->store, walk));
}

static void append_old(struct extension *ext, struct store_upload *upload) {
    struct store_core *core = ext->core;
    if (ext->lease.location == 0) {
        store_upload_append(core, upload, core->scratch, ext->head.value_bytes);
        return;
    }
    struct lease_walk walk;
    lease_walk_begin(core->store, &ext->lease, &walk);
    append_walk(core, upload, &walk);
}

static void append_piece(struct extension *ext, struct store_upload *upload) {
    if (ext->piece_upload != NULL) {
        struct lease_walk walk;
        upload_walk_begin(ext->core->store, ext->piece_upload, &walk);
        if (walk.end != 0) {
            append_walk(ext->core, upload, &walk);
        }
    } else {
        store_upload_append(ext->core, upload, ext->piece->iov_base, ext->piece_bytes);
    }
}

static enum store_outcome extend_chained(struct extension *ext) {
    struct store_upload upload;
    uint64_t bytes = ext->head.value_bytes + ext->piece_bytes;
    enum store_outcome outcome = store_upload_begin(ext->core, &upload, &ext->whole, bytes);
    if (outcome != STORE_OK) {
        return outcome;
    }
    upload.whole = true;
    upload.roomy = ext->write->mode == STORE_APPEND && ext->rewriting == NULL;
    if (ext->write->mode == STORE_PREPEND) {
        append_piece(ext, &upload);
        append_old(ext, &upload);
    } else {
        append_old(ext, &upload);
        append_piece(ext, &upload);
    }
    return upload_commit_expecting(ext->core, &upload, ext->head.version, &ext->changed,
                                   ext->token);
}

/* Nothing is there: an append that may create stores its piece; one that was uploaded does that in
 * store_upload_commit(). */
static enum store_outcome extend_missing(struct extension *ext) {
    if (ext->rewriting != NULL) {
        return STORE_NOT_FOUND;
    }
    if (!ext->write->create) {
        return ext->write->compare ? STORE_NOT_FOUND : STORE_NOT_STORED;
    }
    if (ext->piece_upload != NULL) {
        return STORE_NOT_STORED;
    }
    ext->whole = *ext->write;
    ext->whole.mode = STORE_ADD;
    ext->whole.compare = false;
    enum store_outcome outcome = write_put(ext->core, &ext->whole, ext->piece, ext->token);
    ext->changed = outcome == STORE_NOT_STORED; /* somebody was faster: append to that */
    return outcome;
}

/* What the item that was read becomes. */
static void extend_form(struct extension *ext) {
    ext->whole = *ext->write;
    ext->whole.mode = STORE_SET;
    ext->whole.client_flags = ext->head.client_flags;
    ext->whole.expiry = ext->head.expiry;
    ext->whole.key_is_binary = ext->head.key_is_binary;
    if (ext->rewriting != NULL) {
        ext->rewriting->form(ext->rewriting, &ext->head, &ext->whole);
    }
}

/* One try: reads what is there and replaces just that. */
static enum store_outcome extend_once(struct extension *ext) {
    struct store_core *core = ext->core;
    struct extend_sink sink = {
        .sink.place = extend_place,
        .scratch = core->scratch,
        .room = slab_chunk_bytes_max(&core->store->pool.classes) * 2,
    };
    ext->lease.location = 0;
    ext->changed = false;
    enum store_read read = read_for_rewrite(core, &ext->write->key, &sink.sink, &ext->head,
                                            &ext->lease);
    if (read != STORE_HIT && read != STORE_LENT) {
        return extend_missing(ext);
    }
    extend_form(ext);
    if (ext->rewriting != NULL && ext->rewriting->drop_value) {
        store_lease_return(core, &ext->lease);
        ext->head.value_bytes = 0;
        read = STORE_HIT;
    }
    uint64_t bytes = ext->head.value_bytes + ext->piece_bytes;
    if (!store_item_fits(core->store, ext->whole.key.len, ext->whole.client_flags, bytes)) {
        return STORE_NOT_STORED;
    }
    uint32_t marks = write_marks(&ext->whole, bytes);
    bool single = ext->piece_upload == NULL && read == STORE_HIT &&
                  !write_needs_chain(core->store, marks, ext->whole.key.len, bytes);
    return single ? extend_single(ext) : extend_chained(ext);
}

static enum store_outcome extend(struct extension *ext) {
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        enum store_outcome outcome = extend_once(ext);
        store_lease_return(ext->core, &ext->lease);
        if (!ext->changed) {
            if (outcome == STORE_OK && ext->write->value_bytes != NULL) {
                *ext->write->value_bytes = ext->whole.mode == STORE_ADD
                                               ? ext->piece_bytes
                                               : ext->head.value_bytes + ext->piece_bytes;
            }
            return outcome == STORE_TOO_LARGE ? STORE_NOT_STORED : outcome;
        }
    }
    return STORE_NO_MEMORY;
}

enum store_outcome write_anew(struct store_core *core, const struct store_key *key,
                              struct rewriting *rewriting) {
    const struct store_write write = {.key = *key, .mode = STORE_APPEND};
    const struct iovec nothing = {core->scratch, 0};
    struct extension ext = {
        .core = core, .write = &write, .piece = &nothing, .rewriting = rewriting};
    return extend(&ext);
}

enum store_outcome extend_with_upload(struct store_core *core, struct store_upload *upload,
                                      uint64_t *token) {
    struct extension ext = {.core = core,
                            .write = &upload->write,
                            .piece_upload = upload,
                            .piece_bytes = upload->value_bytes,
                            .token = token};
    struct lease_walk piece;
    upload_walk_begin(core->store, upload, &piece);
    if (upload->write.mode == STORE_APPEND &&
        append_in_place(core, &upload->write, &piece, token)) {
        return STORE_OK;
    }
    return extend(&ext);
}

__attribute__((noinline)) static enum store_outcome
put_joined(struct store_core *core, const struct store_write *write, const struct iovec *value,
           uint64_t *token) {
    struct store *store = core->store;
    if (!store_item_fits(store, write->key.len, write->client_flags, value->iov_len)) {
        return STORE_TOO_LARGE;
    }
    enum store_outcome outcome;
    struct lease_walk piece = {.piece = *value, .end = value->iov_len};
    if (write->mode == STORE_APPEND && append_in_place(core, write, &piece, token)) {
        outcome = STORE_OK;
    } else if (write_needs_chain(store, 0, write->key.len, value->iov_len)) {
        outcome = put_chained(core, write, value, token);
    } else {
        struct extension ext = {.core = core,
                                .write = write,
                                .piece = value,
                                .piece_bytes = value->iov_len,
                                .token = token};
        outcome = extend(&ext);
    }
    /* memcached's way: of the piece, not of what it was joined to */
    core->class_stored = store_class_for(core, &write->key, write->client_flags, value->iov_len);
    return outcome;
}

/* A value whose size decides what is to be done. */
__attribute__((noinline)) static enum store_outcome
put_sized(struct store_core *core, const struct store_write *write, const struct iovec *value,
          uint64_t *token, bool *single) {
    struct store *store = core->store;
    enum store_outcome outcome = STORE_OK;
    *single = false;
    if (!store_item_fits(store, write->key.len, write->client_flags, value->iov_len)) {
        outcome = STORE_TOO_LARGE;
    } else if (write_needs_chain(store, write_marks(write, value->iov_len), write->key.len,
                                 value->iov_len)) {
        outcome = put_chained(core, write, value, token);
    } else {
        *single = true;
    }
    return outcome;
}

__attribute__((always_inline)) static inline enum store_outcome
put_any(struct store_core *core, const struct store_write *write, const struct iovec *value,
        uint64_t *token) {
    enum store_outcome outcome = STORE_OK;
    bool single = true;
    if (write->mode == STORE_APPEND || write->mode == STORE_PREPEND) {
        return put_joined(core, write, value, token);
    }
    if (__builtin_expect(value->iov_len > core->store->small_value_bytes, 0)) {
        outcome = put_sized(core, write, value, token, &single);
    }
    if (single) {
        struct attempt attempt;
        attempt_init(&attempt, core, write, token);
        attempt.value = value;
        attempt.shape = write_marks(write, value->iov_len) | write->key.len |
                        (uint32_t)value->iov_len << ITEM_VALUE_SHIFT;
        outcome = put_single(&attempt);
    }
    if (outcome == STORE_NO_MEMORY || outcome == STORE_TOO_LARGE) {
        link_failed_set(core, write, outcome);
    }
    return outcome;
}

enum store_outcome store_put(struct store_core *core, const struct store_write *write,
                             const struct iovec *value, uint64_t *token) {
    return put_any(core, write, value, token);
}

/* A copy for callers inside the store, so that the engine's one call can be inlined. */
enum store_outcome write_put(struct store_core *core, const struct store_write *write,
                             const struct iovec *value, uint64_t *token) {
    return put_any(core, write, value, token);
}

/* -- delete ------------------------------------------------------------------------------------ */

enum store_outcome store_delete(struct store_core *core, const struct store_key *key) {
    struct store *store = core->store;
    struct partition *p = partition_of(store, key->hash);
    enum store_outcome outcome = STORE_NOT_FOUND;
    struct cursor cursor;
    partition_lock(core, p);
    if (index_find(store, p, key, &cursor)) {
        bool dead = item_is_dead(p, atom_load_relaxed(&cursor.item->version),
                                 item_expiry(cursor.item, cursor.shape), core->now);
        core->class_found = location_class(store, slot_location(cursor.slot));
        item_unlink(store, p, &cursor, dead ? LEAVE_EXPIRED : LEAVE_DELETED, core->now);
        outcome = dead ? STORE_NOT_FOUND : STORE_OK;
    }
    partition_unlock(core, p);
    return outcome;
}
