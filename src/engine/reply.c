/* larder: the ordered output of one session
 *
 * Parts and their bytes live in blocks of the core's buffers; a block goes back when its last part
 * is done. A lent value or a slot is carved out of the tail block, with a new run of bytes behind
 * it:
 *
 *   block | parts=3 | bytes part | VALUE a 0 70000\r\n | lease | bytes part | \r\nEND\r\n ... |
 */
#include "src/engine/reply.h"

#include <string.h>

#include "src/engine/buffers.h"

enum reply_part_kind { PART_BYTES, PART_LENT, PART_SLOT };

struct reply_block {
    size_t block_bytes;
    size_t parts; /* that live in it */
};

struct reply_part {
    struct reply_part *next;
    struct reply_block *block;
    enum reply_part_kind kind;
    union {
        struct {
            uint8_t *from; /* unsent from here .. */
            uint8_t *to;   /* .. to here; of the tail: reply->write */
        } bytes;
        struct {
            struct store_lease lease;
            uint64_t sent_bytes;
        } lent;
        struct reply_slot *slot;
    };
};

enum {
    BLOCK_HEAD_BYTES = sizeof(struct reply_block) + sizeof(struct reply_part),
    CARVE_BYTES = 2 * sizeof(struct reply_part) + _Alignof(struct reply_part),
};

void reply_init(struct reply *reply, struct buffers *buffers) {
    *reply = (struct reply){.buffers = buffers};
}

static void reply_part_free(struct reply *reply, struct reply_part *part) {
    struct reply_block *block = part->block;

    block->parts--;
    if (block->parts == 0) {
        buffers_give(reply->buffers, block, block->block_bytes);
    }
}

/* A block with one empty run of bytes in it, in no list yet. */
static struct reply_part *reply_block_take(struct reply *reply, size_t bytes) {
    size_t block_bytes;
    size_t bytes_min = BLOCK_HEAD_BYTES + bytes;
    struct reply_block *block = buffers_take(
        reply->buffers, bytes_min < BUFFERS_BLOCK_BYTES ? BUFFERS_BLOCK_BYTES : bytes_min,
        &block_bytes);

    if (!block) {
        return NULL;
    }
    struct reply_part *part = (struct reply_part *)(block + 1);

    block->block_bytes = block_bytes;
    block->parts = 1;
    part->next = NULL;
    part->block = block;
    part->kind = PART_BYTES;
    part->bytes.from = (uint8_t *)(part + 1);
    part->bytes.to = part->bytes.from;
    return part;
}

static void reply_link(struct reply *reply, struct reply_part *part) {
    if (reply->tail) {
        if (reply->tail->kind == PART_BYTES) {
            reply->tail->bytes.to = reply->write;
        }
        reply->tail->next = part;
    } else {
        reply->head = part;
    }
    reply->tail = part;
}

uint8_t *reply_reserve_slow(struct reply *reply, size_t bytes) {
    struct reply_part *part = reply_block_take(reply, bytes);

    if (!part) {
        return NULL;
    }
    reply_link(reply, part);
    reply->write = part->bytes.from;
    reply->write_end = (uint8_t *)part->block + part->block->block_bytes;
    return reply->write;
}

/* A part for something else than bytes, linked, with an empty run behind it. */
static struct reply_part *reply_carve(struct reply *reply, enum reply_part_kind kind) {
    const uintptr_t align = _Alignof(struct reply_part);

    if (!reply_reserve(reply, CARVE_BYTES)) {
        return NULL;
    }
    struct reply_block *block = reply->tail->block;
    uintptr_t padding = (align - (uintptr_t)reply->write % align) % align;
    struct reply_part *part = (struct reply_part *)(void *)(reply->write + padding);
    struct reply_part *run = part + 1;

    block->parts += 2;
    *part = (struct reply_part){.block = block, .kind = kind};
    *run = (struct reply_part){.block = block, .kind = PART_BYTES};
    run->bytes.from = (uint8_t *)(run + 1);
    run->bytes.to = run->bytes.from;
    reply_link(reply, part);
    reply_link(reply, run);
    reply->write = run->bytes.from;
    return part;
}

bool reply_append(struct reply *reply, const void *data, size_t bytes) {
    uint8_t *to = reply_reserve(reply, bytes);

    if (!to) {
        reply->broken = true;
        return false;
    }
    memcpy(to, data, bytes);
    reply_commit(reply, bytes);
    return true;
}

bool reply_lend(struct reply *reply, struct store_core *core, const struct store_lease *lease) {
    struct reply_part *part = reply_carve(reply, PART_LENT);

    if (!part) {
        struct store_lease refused = *lease;

        store_lease_return(core, &refused);
        reply->broken = true;
        return false;
    }
    part->lent.lease = *lease;
    part->lent.sent_bytes = 0;
    reply->unsent_bytes += lease->value_bytes;
    return true;
}

bool reply_park(struct reply *reply, struct session *session, struct reply_slot *slot) {
    struct reply_part *part = NULL;

    ASSERT(slot->dropped);
    if (reply->slots < REPLY_SLOTS_MAX) {
        part = reply_carve(reply, PART_SLOT);
    }
    if (!part) {
        return false;
    }
    reply_init(&slot->reply, reply->buffers);
    slot->session = session;
    slot->complete = false;
    part->slot = slot;
    reply->slots++;
    return true;
}

/* -- sending ----------------------------------------------------------------------------------- */

static uint8_t *reply_part_end(const struct reply *reply, const struct reply_part *part) {
    return part == reply->tail ? reply->write : part->bytes.to;
}

static unsigned reply_lent_iovecs(const struct store *store, const struct reply_part *part,
                                  struct iovec *iovecs, unsigned count) {
    uint64_t offset = part->lent.sent_bytes;

    return store_lease_spans(store, &part->lent.lease, &offset, iovecs, count);
}

/* Whether everything of the part stands in the iovecs, so that the next may follow. */
static bool reply_lent_is_whole(const struct reply_part *part, const struct iovec *iovecs,
                                unsigned count) {
    uint64_t bytes = part->lent.sent_bytes;

    for (unsigned i = 0; i < count; i++) {
        bytes += iovecs[i].iov_len;
    }
    return bytes == part->lent.lease.value_bytes;
}

unsigned reply_iovecs(const struct reply *reply, const struct store *store,
                      struct iovec *iovecs, unsigned count) {
    unsigned used = 0;

    for (struct reply_part *part = reply->head; part && used < count; part = part->next) {
        unsigned more = 0;

        if (part->kind == PART_BYTES) {
            size_t bytes = (size_t)(reply_part_end(reply, part) - part->bytes.from);

            iovecs[used] = (struct iovec){.iov_base = part->bytes.from, .iov_len = bytes};
            used += bytes > 0;
        } else if (part->kind == PART_LENT) {
            more = reply_lent_iovecs(store, part, iovecs + used, count - used);
            bool whole = reply_lent_is_whole(part, iovecs + used, more);

            used += more;
            if (!whole) {
                break;
            }
        } else {
            const struct reply *inner = &part->slot->reply;
            uint64_t bytes = 0;

            more = reply_iovecs(inner, store, iovecs + used, count - used);
            for (unsigned i = 0; i < more; i++) {
                bytes += iovecs[used + i].iov_len;
            }
            used += more;
            if (!part->slot->complete || bytes < inner->unsent_bytes) {
                break;
            }
        }
    }
    return used;
}

static void reply_pop(struct reply *reply) {
    struct reply_part *part = reply->head;

    reply->head = part->next;
    if (!reply->head) {
        reply->tail = NULL;
        reply->write = NULL;
        reply->write_end = NULL;
    }
    reply_part_free(reply, part);
}

/* Takes up to `bytes` off the head part; pops it when it is done. Returns false when it is not. */
static bool reply_sent_part(struct reply *reply, struct store_core *core, uint64_t *bytes) {
    struct reply_part *part = reply->head;
    uint64_t left;

    if (part->kind == PART_BYTES) {
        left = (uint64_t)(reply_part_end(reply, part) - part->bytes.from);
        uint64_t taken = left < *bytes ? left : *bytes;

        part->bytes.from += taken;
        *bytes -= taken;
        reply->unsent_bytes -= taken;
        left -= taken;
    } else if (part->kind == PART_LENT) {
        left = part->lent.lease.value_bytes - part->lent.sent_bytes;
        uint64_t taken = left < *bytes ? left : *bytes;

        part->lent.sent_bytes += taken;
        *bytes -= taken;
        reply->unsent_bytes -= taken;
        left -= taken;
        if (left == 0) {
            store_lease_return(core, &part->lent.lease);
        }
    } else {
        struct reply_slot *slot = part->slot;
        uint64_t taken = slot->reply.unsent_bytes < *bytes ? slot->reply.unsent_bytes : *bytes;

        reply_sent(&slot->reply, core, taken);
        *bytes -= taken;
        left = slot->reply.unsent_bytes + !slot->complete;
        if (left == 0) {
            reply->slots--;
            reply_fini(&slot->reply, core);
            slot->session = NULL;
            reply_pop(reply);
            if (slot->done) {
                slot->done(slot);
            }
            return true;
        }
    }
    if (left > 0) {
        return false;
    }
    reply_pop(reply);
    return true;
}

void reply_sent(struct reply *reply, struct store_core *core, uint64_t bytes) {
    while (reply->head && reply_sent_part(reply, core, &bytes)) {
    }
    ASSERT(bytes == 0);
}

void reply_fini(struct reply *reply, struct store_core *core) {
    while (reply->head) {
        struct reply_part *part = reply->head;

        if (part->kind == PART_LENT) {
            store_lease_return(core, &part->lent.lease);
        } else if (part->kind == PART_SLOT) {
            reply_fini(&part->slot->reply, core);
            part->slot->session = NULL;
            part->slot->dropped(part->slot);
        }
        reply_pop(reply);
    }
    reply->unsent_bytes = 0;
    reply->slots = 0;
}

struct reply_slot *reply_front_slot(struct reply *reply) {
    struct reply_part *part = reply->head;

    while (part && part->kind == PART_BYTES && reply_part_end(reply, part) == part->bytes.from) {
        part = part->next;
    }
    return part && part->kind == PART_SLOT ? part->slot : NULL;
}

/* -- recall ------------------------------------------------------------------------------------ */

/* The same bytes, copied, in a part of their own; NULL: no memory. */
static struct reply_part *reply_lent_copy(struct reply *reply, const struct store *store,
                                          const struct reply_part *part) {
    uint64_t bytes = part->lent.lease.value_bytes - part->lent.sent_bytes;
    struct reply_part *copy = reply_block_take(reply, (size_t)bytes);

    if (copy) {
        store_lease_copy(store, &part->lent.lease, part->lent.sent_bytes, copy->bytes.from,
                         (size_t)bytes);
        copy->bytes.to = copy->bytes.from + bytes;
        copy->next = part->next;
    }
    return copy;
}

bool reply_recall(struct reply *reply, const struct store *store, struct store_core *core,
                  uint32_t lent_before) {
    struct reply_part **link = &reply->head;

    while (*link) {
        struct reply_part *part = *link;

        if (part->kind == PART_SLOT &&
            !reply_recall(&part->slot->reply, store, core, lent_before)) {
            return false;
        }
        if (part->kind == PART_LENT && part->lent.lease.lent_at < lent_before) {
            struct reply_part *copy = reply_lent_copy(reply, store, part);

            if (!copy) {
                return false;
            }
            store_lease_return(core, &part->lent.lease);
            *link = copy;
            reply_part_free(reply, part);
            part = copy;
        }
        link = &part->next;
    }
    return true;
}
