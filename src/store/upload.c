/* larder: values that arrive in pieces
 *
 * An upload owns its chunks until commit. Its memory is filled without the lock; `state` tells the
 * partition, which may drop an idle upload when unfinished ones hold too much, from the owner:
 *   owner: idle -> busy by compare-exchange, fills, busy -> idle (release)
 *   dropper, under the lock: idle -> dropped by compare-exchange, then frees. */
#include <string.h>

#include "src/store/partition.h"

#define ROUNDS_MAX 1000u
/* Unfinished uploads, loans and dead chains together: 1/8 of the partition's share. */
#define UNSETTLED_SHARE 8u
/* Above that only uploads go that have not moved for so long; above half of the share any may. */
#define STALLED_S_MIN 2u
#define UNSETTLED_SHARE_HARD 2u

/* Uploads looked at in one hold, those that took no chunk for longest first; and dropped. */
#define LOOKED_AT_MAX 32u
#define DROPPED_MAX 4u

/* Chunks from which on one more, half empty, does not matter. */
#ifdef LARDER_SCHEDULE
#define ROOMY_CHUNKS_MIN 1u
#else
#define ROOMY_CHUNKS_MIN 8u
#endif

enum { UPLOAD_IDLE, UPLOAD_BUSY, UPLOAD_DROPPED };

enum store_outcome store_upload_begin(struct store_core *core, struct store_upload *upload,
                                      const struct store_write *write, uint64_t value_bytes) {
    memset(upload, 0, sizeof(*upload));
    struct store *store = core->store;
    upload->write = *write;
    memcpy(upload->key_copy, write->key.data, write->key.len);
    upload->write.key.data = upload->key_copy;
    upload->value_bytes = value_bytes;
    upload->partition = hash_partition(write->key.hash, store->partition_count);
    atom_store_relaxed(&upload->advanced_at, core->now);
    if (!store_item_fits(store, write->key.len, write->client_flags, value_bytes)) {
        upload->failed = STORE_TOO_LARGE;
        link_failed_set(core, write, STORE_TOO_LARGE);
        return STORE_TOO_LARGE;
    }
    upload->shape = write_marks(write, value_bytes);
    if (write_needs_chain(store, upload->shape, write->key.len, value_bytes)) {
        upload->shape |= ITEM_CHAINED | ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS;
    }
    upload->shape |= write->key.len;
    return STORE_OK;
}

/* -- the partition's list of uploads, under its lock ------------------------------------------- */

/* The last to take a chunk comes first. */
static void uploads_add(struct partition *p, struct store_upload *upload) {
    upload->before = NULL;
    upload->next = p->uploads;
    if (p->uploads != NULL) {
        p->uploads->before = upload;
    } else {
        p->uploads_last = upload;
    }
    p->uploads = upload;
}

static void uploads_remove(struct partition *p, struct store_upload *upload) {
    if (upload->before != NULL) {
        upload->before->next = upload->next;
    } else {
        p->uploads = upload->next;
    }
    if (upload->next != NULL) {
        upload->next->before = upload->before;
    } else {
        p->uploads_last = upload->before;
    }
}

/* Gives the chunks back: a chain by way of limbo. */
static void upload_free(struct store *store, struct partition *p, struct store_upload *upload) {
    atom_own_add(&p->uncommitted_bytes, (uint64_t)0 - upload->chunk_bytes);
    if ((upload->shape & ITEM_CHAINED) != 0) {
        struct item *head = item_at(store, upload->head_location);
        atom_store_relaxed(&head->shape, upload->shape & ~0xffu);
        limbo_add(store, p, upload->head_location, upload->chunk_bytes);
    } else {
        (void)space_give(store, p, upload->head_location);
    }
    upload->head_location = 0;
    upload->chunk_bytes = 0;
}

static bool upload_drop(struct store *store, struct partition *p, struct store_upload *upload) {
    uint32_t idle = UPLOAD_IDLE;
    if (!atom_compare_exchange(&upload->state, &idle, (uint32_t)UPLOAD_DROPPED)) {
        return false;
    }
    uploads_remove(p, upload);
    upload_free(store, p, upload);
    return true;
}

/* The largest idle upload but `self`, of those that have stalled or, if `any`, of all, among the
 * first few from the end of the list. */
static struct store_upload *uploads_largest(const struct store_core *core, struct partition *p,
                                            const struct store_upload *self, bool any) {
    struct store_upload *largest = NULL;
    struct store_upload *at = p->uploads_last;
    for (unsigned i = 0; at != NULL && i < LOOKED_AT_MAX; i++, at = at->before) {
        bool idle = atom_load_relaxed(&at->state) == UPLOAD_IDLE && !at->whole;
        /* Another core may be a second ahead. */
        bool stalled = atom_load_relaxed(&at->advanced_at) + STALLED_S_MIN <= core->now;
        if (at != self && idle && (any || stalled) &&
            (largest == NULL || at->chunk_bytes > largest->chunk_bytes)) {
            largest = at;
        }
    }
    return largest;
}

/* Keeps what is unfinished within its bound: the largest one goes, never `self`. An upload alone
 * may be as large as it likes. */
static void uploads_bound(struct store_core *core, struct partition *p, struct store_upload *self,
                          uint64_t bytes) {
    struct store *store = core->store;
    uint64_t limit = atom_load_relaxed(&store->pool.pages_limit) << store->pool.page_shift;
    uint64_t share = limit / store->partition_count;
    for (unsigned i = 0; i < DROPPED_MAX; i++) {
        uint64_t unfinished = atom_load_relaxed(&p->uncommitted_bytes) + bytes;
        if (unfinished <= share / UNSETTLED_SHARE) {
            return;
        }
        bool any = unfinished > share / UNSETTLED_SHARE_HARD;
        struct store_upload *largest = uploads_largest(core, p, self, any);
        if (largest == NULL || !upload_drop(store, p, largest)) {
            return;
        }
    }
}

/* -- taking chunks ----------------------------------------------------------------------------- */

static bool upload_claim(struct store_upload *upload) {
    uint32_t idle = UPLOAD_IDLE;
    if (upload->failed != STORE_OK) {
        return false;
    }
    if (!atom_compare_exchange(&upload->state, &idle, (uint32_t)UPLOAD_BUSY)) {
        ASSERT(idle == UPLOAD_DROPPED);
        upload->failed = STORE_NO_MEMORY;
        return false;
    }
    return true;
}

static void upload_release(struct store_upload *upload) {
    atom_store_release(&upload->state, (uint32_t)UPLOAD_IDLE);
}

/* The class of the next chunk. */
static unsigned next_class(const struct store *store, const struct store_upload *upload) {
    const struct slab_classes *classes = &store->pool.classes;
    const struct partition *p = &store->partitions[upload->partition];
    if ((upload->shape & ITEM_CHAINED) == 0) {
        return fit_class(store, p, item_value_offset(upload->shape) + upload->value_bytes);
    }
    uint64_t left = upload->value_bytes - upload->reserved_bytes + sizeof(struct continuation);
    uint64_t most = slab_chunk_bytes_max(classes);
    bool grows = upload->roomy && upload->value_bytes >= ROOMY_CHUNKS_MIN * most;
    bool largest = upload->head_location == 0 || left > most || grows;
    return largest ? classes->count : fit_class(store, p, left);
}

/* How much of the value a chunk with room for `room` bytes will hold. */
static uint32_t reserve_part(struct store_upload *upload, uint32_t room) {
    uint64_t left = upload->value_bytes - upload->reserved_bytes;
    uint32_t part = left < room ? (uint32_t)left : room;
    upload->reserved_bytes += part;
    return part;
}

static void first_chunk(struct store *store, struct partition *p, struct store_upload *upload,
                        uint64_t location, uint32_t chunk_bytes) {
    upload->head_location = location;
    upload->fill_location = location;
    upload->fill_offset = item_value_offset(upload->shape);
    upload->fill_space_bytes = reserve_part(upload, chunk_bytes - upload->fill_offset);
    upload->shape |= upload->fill_space_bytes << ITEM_VALUE_SHIFT;
    uploads_add(p, upload);
    if ((upload->shape & ITEM_CHAINED) != 0) {
        struct item_chain *chain = item_chain(item_at(store, location), upload->shape);
        atom_store_relaxed(&chain->next, 0u);
        atom_store_relaxed(&chain->tail, location);
        atom_store_relaxed(&chain->value_bytes, upload->value_bytes);
    }
}

static void further_chunk(struct store *store, struct partition *p, struct store_upload *upload,
                          uint64_t location, uint32_t chunk_bytes) {
    struct continuation *chunk = continuation_at(store, location);
    struct item_chain *chain = item_chain(item_at(store, upload->head_location), upload->shape);
    uint32_t part = reserve_part(upload, chunk_bytes - (uint32_t)sizeof(struct continuation));
    atom_store_relaxed(&chunk->next, 0u);
    atom_store_relaxed(&chunk->used_bytes, part);
    atom_store_relaxed(&chunk->head, upload->head_location);
    atom_store_relaxed(&chunk->shape, (uint32_t)ITEM_CONTINUATION);
    if (upload->end_location == upload->head_location) {
        atom_store_relaxed(&chain->next, location);
    } else {
        atom_store_relaxed(&continuation_at(store, upload->end_location)->next, location);
    }
    atom_store_relaxed(&chain->tail, location);
    uploads_remove(p, upload);
    uploads_add(p, upload);
}

/* Takes the next chunk, busy. */
static bool upload_extend(struct store_core *core, struct store_upload *upload) {
    struct store *store = core->store;
    struct partition *p = &store->partitions[upload->partition];
    unsigned class_id = next_class(store, upload);
    uint32_t bytes = store->pool.classes.chunk_bytes[class_id];
    unsigned spent = 0;
    uint64_t location = 0;
    for (unsigned i = 0; i < ROUNDS_MAX && location == 0; i++) {
        partition_lock(core, p);
        uploads_bound(core, p, upload, bytes);
        location = space_take(store, p, class_id);
        if (location != 0) {
            atom_own_add(&p->uncommitted_bytes, bytes);
            upload->chunk_bytes += bytes;
            if (upload->head_location == 0) {
                first_chunk(store, p, upload, location, bytes);
            } else {
                further_chunk(store, p, upload, location, bytes);
            }
            upload->end_location = location;
        }
        partition_unlock(core, p);
        if (location == 0 && !space_make(core, p, class_id, &spent)) {
            break;
        }
    }
    if (location == 0) {
        upload->failed = STORE_NO_MEMORY;
        count_no_memory(core, p, class_id);
    }
    return location != 0;
}

/* Makes the fill position point at room for at least one byte. */
static bool fill_ready(struct store_core *core, struct store_upload *upload) {
    if (upload->fill_space_bytes > 0) {
        return true;
    }
    if (upload->fill_location == upload->end_location && !upload_extend(core, upload)) {
        return false;
    }
    if (upload->fill_space_bytes > 0) {
        return true; /* it was the first chunk */
    }
    struct store *store = core->store;
    upload->fill_location =
        upload->fill_location == upload->head_location
            ? atom_load_relaxed(
                  &item_chain(item_at(store, upload->head_location), upload->shape)->next)
            : atom_load_relaxed(&continuation_at(store, upload->fill_location)->next);
    upload->fill_offset = (uint32_t)sizeof(struct continuation);
    upload->fill_space_bytes =
        atom_load_relaxed(&continuation_at(store, upload->fill_location)->used_bytes);
    return true;
}

static void fill_advance(struct store_upload *upload, uint32_t bytes) {
    upload->fill_offset += bytes;
    upload->fill_space_bytes -= bytes;
    upload->filled_bytes += bytes;
}

static uint64_t upload_left(const struct store_upload *upload) {
    return upload->value_bytes - upload->filled_bytes;
}

void store_upload_append(struct store_core *core, struct store_upload *upload, const uint8_t *data,
                         size_t bytes) {
    ASSERT(bytes <= upload_left(upload) || upload->failed != STORE_OK);
    atom_store_relaxed(&upload->advanced_at, core->now);
    if (bytes == 0 || !upload_claim(upload)) {
        return;
    }
    while (bytes > 0 && fill_ready(core, upload)) {
        size_t part = bytes < upload->fill_space_bytes ? bytes : upload->fill_space_bytes;
        slab_fill(slab_at(&core->store->pool, upload->fill_location) + upload->fill_offset, data,
                  part);
        fill_advance(upload, (uint32_t)part);
        data += part;
        bytes -= part;
    }
    upload_release(upload);
}

/* The spans behind the fill position, chunk by chunk. */
static unsigned fill_spans(const struct store *store, const struct store_upload *upload,
                           struct iovec *space, unsigned count, size_t bytes_max) {
    uint64_t at = upload->fill_location;
    uint32_t offset = upload->fill_offset;
    size_t bytes = upload->fill_space_bytes;
    unsigned filled = 0;
    while (filled < count && bytes_max > 0) {
        bytes = bytes < bytes_max ? bytes : bytes_max;
        space[filled].iov_base = slab_at(&store->pool, at) + offset;
        space[filled].iov_len = bytes;
        filled++;
        bytes_max -= bytes;
        if (at == upload->end_location) {
            break;
        }
        at = at == upload->head_location
                 ? atom_load_relaxed(&item_chain(item_at(store, at), upload->shape)->next)
                 : atom_load_relaxed(&continuation_at(store, at)->next);
        offset = (uint32_t)sizeof(struct continuation);
        bytes = atom_load_relaxed(&continuation_at(store, at)->used_bytes);
    }
    return filled;
}

unsigned store_upload_space(struct store_core *core, struct store_upload *upload,
                            struct iovec *space, unsigned count, size_t bytes_max) {
    uint64_t left = upload_left(upload);
    size_t wanted = left < bytes_max ? (size_t)left : bytes_max;
    if (wanted == 0 || count == 0 || !upload_claim(upload)) {
        return 0;
    }
    bool ready = fill_ready(core, upload);
    for (unsigned i = 1; ready && i < count; i++) {
        uint64_t ahead = upload->reserved_bytes - upload->filled_bytes;
        ready = ahead >= wanted || upload_extend(core, upload);
    }
    unsigned filled =
        ready ? fill_spans(core->store, upload, space, count, wanted) : 0;
    if (filled == 0) {
        upload_release(upload);
    }
    return filled;
}

void store_upload_advance(struct store_core *core, struct store_upload *upload, size_t bytes) {
    ASSERT(bytes <= upload->reserved_bytes - upload->filled_bytes);
    while (bytes > 0) {
        bool ready = fill_ready(core, upload);
        ASSERT(ready);
        size_t part = bytes < upload->fill_space_bytes ? bytes : upload->fill_space_bytes;
        fill_advance(upload, (uint32_t)part);
        bytes -= part;
    }
    atom_store_relaxed(&upload->advanced_at, core->now);
    upload_release(upload);
}

/* -- the end ----------------------------------------------------------------------------------- */

void store_upload_abandon(struct store_core *core, struct store_upload *upload) {
    struct store *store = core->store;
    struct partition *p = &store->partitions[upload->partition];
    uint32_t state = UPLOAD_IDLE;
    (void)atom_compare_exchange(&upload->state, &state, (uint32_t)UPLOAD_BUSY);
    if (state == UPLOAD_DROPPED) {
        /* Who dropped it may still be about: `upload` must not go before. */
        partition_lock(core, p);
        partition_unlock(core, p);
    } else if (upload->head_location != 0) {
        partition_lock(core, p);
        uploads_remove(p, upload);
        upload_free(store, p, upload);
        partition_unlock(core, p);
    }
    upload->head_location = 0;
    if (upload->failed == STORE_OK) {
        upload->failed = STORE_NO_MEMORY; /* closed: what comes is dropped */
    }
}

/* The finished chunks become the item's. Under the lock. */
static void upload_settle(struct partition *p, struct store_upload *upload) {
    uploads_remove(p, upload);
    atom_own_add(&p->uncommitted_bytes, (uint64_t)0 - upload->chunk_bytes);
    upload->head_location = 0;
    upload->chunk_bytes = 0;
}

static enum store_outcome commit_round(struct attempt *attempt, struct store_upload *upload) {
    partition_lock(attempt->core, attempt->p);
    enum store_outcome outcome = link_attempt(attempt);
    if (attempt->need == NEED_NOTHING && outcome == STORE_OK) {
        upload_settle(attempt->p, upload);
    }
    partition_unlock(attempt->core, attempt->p);
    return outcome;
}

enum store_outcome upload_commit_expecting(struct store_core *core, struct store_upload *upload,
                                           uint64_t expect_version, bool *changed,
                                           uint64_t *token) {
    struct attempt attempt = {.core = core,
                              .p = &core->store->partitions[upload->partition],
                              .write = &upload->write,
                              .expect_version = expect_version,
                              .token = token,
                              .shape = upload->shape};
    enum store_outcome outcome = STORE_NO_MEMORY;
    unsigned spent = 0;
    *changed = false;
    if (upload->value_bytes == 0 && upload->head_location == 0 && !upload_extend(core, upload)) {
        upload->failed = STORE_NO_MEMORY;
    }
    if (upload_claim(upload)) {
        ASSERT(upload->filled_bytes == upload->value_bytes);
        attempt.shape = upload->shape;
        attempt.location = upload->head_location;
        unsigned rounds = 0;
        do {
            outcome = commit_round(&attempt, upload);
        } while (attempt.need != NEED_NOTHING && ++rounds < ROUNDS_MAX &&
                 link_fetch(&attempt, &spent));
        outcome = attempt.need != NEED_NOTHING ? STORE_NO_MEMORY : outcome;
        *changed = attempt.changed;
        upload_release(upload);
    }
    store_upload_abandon(core, upload);
    link_settle(core, attempt.p);
    return outcome;
}

enum store_outcome store_upload_commit(struct store_core *core, struct store_upload *upload,
                                       uint64_t *token) {
    enum store_mode mode = upload->write.mode;
    if (mode == STORE_APPEND || mode == STORE_PREPEND) {
        enum store_outcome outcome = STORE_NO_MEMORY;
        if (upload_claim(upload)) {
            outcome = extend_with_upload(core, upload, token);
            upload_release(upload);
        }
        if (outcome == STORE_NOT_STORED && upload->write.create) {
            bool changed_meanwhile;
            upload->write.mode = STORE_ADD; /* its chunks become the item */
            upload->write.compare = false;
            return upload_commit_expecting(core, upload, 0, &changed_meanwhile, token);
        }
        store_upload_abandon(core, upload);
        return outcome;
    }
    bool changed;
    return upload_commit_expecting(core, upload, 0, &changed, token);
}

void upload_walk_begin(const struct store *store, const struct store_upload *upload,
                       struct lease_walk *walk) {
    *walk = (struct lease_walk){.end = upload->value_bytes};
    if (upload->head_location == 0) {
        return;
    }
    struct item *head = item_at(store, upload->head_location);
    uint32_t bytes = ITEM_VALUE_BYTES(upload->shape);
    walk->piece = (struct iovec){item_byte(head, item_value_offset(upload->shape)), bytes};
    if ((upload->shape & ITEM_CHAINED) != 0) {
        walk->next = atom_load_relaxed(&item_chain(head, upload->shape)->next);
    }
}
