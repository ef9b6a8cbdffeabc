/* larder: room for chunks and pages
 *
 * A request that finds no free chunk takes, in this order: a page from the pool; victims by the
 * eviction order, a batch a hold; a page whose few items are moved to other pages of their class
 * (evacuation), so that memory follows the sizes; and when 64 victims were not enough, a page by
 * force. A partition that owns far less than its share takes a page from the largest one. Every
 * step is bounded; the lock is given up between steps. */
#include <sched.h>

#include "src/store/partition.h"

/* Steps of one request before it gives up: far above what force needs. */
#define STEPS_MAX 4096u
/* Attempts at new memory, in case others are at it or take it. */
#define POPULATE_TRIES_MAX 4u
#define POPULATE_YIELDS_MAX 65536u
/* Steps after which nobody is spared. */
#define STEPS_GENTLE_MAX 64u
/* Pages of a class looked at in order, when the emptiest is pinned; classes likewise. */
#define PINNED_SKIP_MAX 64u
#define PINNED_CLASSES_MAX 8u
/* Larger chunks are not moved: their copy would be too long a hold. */
#define MOVE_BYTES_MAX 4096u
/* From here on a victim is worth a hold of its own: the copy it makes room for costs more, and
 * seven others live on. */
#define LARGE_CHUNK_BYTES 4096u

/* A page from the pool becomes the bin's. */
static bool bin_extend(struct store *store, struct partition *p, struct slab_bin *bin) {
    uint32_t page = slab_pool_take(&store->pool, p->node);
    if (page == SLAB_NO_PAGE) {
        return false;
    }
    slab_bin_add_page(&store->pool, bin, page, p->number);
    atom_own_add(&p->chunk_pages, 1u);
    atom_store_relaxed(&slab_page_of(&store->pool, page)->flush_seen,
                       atom_load_relaxed(&p->flush_count));
    return true;
}

uint64_t space_take(struct store *store, struct partition *p, unsigned class_id) {
    struct slab_bin *bin = &p->classes[class_id].bin;
    uint64_t location = slab_bin_take(&store->pool, bin);
    if (location == 0) {
        if (!bin_extend(store, p, bin)) {
            return 0;
        }
        location = slab_bin_take(&store->pool, bin);
    }
    atom_store_relaxed(&item_at(store, location)->shape, 0u);
    return location;
}

bool space_give(struct store *store, struct partition *p, uint64_t location) {
    uint32_t from = slab_location_page(&store->pool, location);
    unsigned class_id = atom_load_relaxed(&slab_page_of(&store->pool, from)->class_id);
    uint32_t page = slab_bin_give(&store->pool, &p->classes[class_id].bin, location);
    if (page == SLAB_NO_PAGE) {
        return false;
    }
    atom_own_add(&p->chunk_pages, (uint32_t)-1);
    slab_pool_give(&store->pool, page);
    return true;
}

/* -- emptying a page --------------------------------------------------------------------------- */

enum page_step { PAGE_MORE, PAGE_EMPTIED, PAGE_PINNED };

struct page_job {
    struct store *store;
    struct partition *p;
    uint32_t page;
    bool move; /* into other pages of the class while they have room; else evict */
    bool leaving; /* into new pages too: the page's extent goes back to the system */
    uint32_t now;
    unsigned evicted;
    unsigned left; /* chunks that items gave up, moved ones too */
    uint32_t moved_bytes; /* in this hold */
    unsigned class_id;                    /* of the page */
    uint8_t passed[SLAB_CLASSES_MAX + 1]; /* classes whose pages were all pinned */
};

/* Moves one item to another page of its class. Returns whether its old page went empty. */
static bool item_move(struct page_job *job, const struct cursor *cursor, uint64_t to) {
    struct store *store = job->store;
    uint64_t from = slot_location(cursor->slot);
    struct item *target = item_at(store, to);
    uint32_t expiry = item_expiry(cursor->item, cursor->shape);
    job->moved_bytes += item_total_bytes(cursor->shape);
    bucket_change_begin(cursor->home);
    slab_move((uint8_t *)target, (const uint8_t *)cursor->item, item_total_bytes(cursor->shape));
    index_relocate(cursor, to, 0);
    bucket_change_end(cursor->home);
    if (expiry != 0) {
        page_drop_expiry(store, from);
        page_note_expiry(store, to, expiry);
    }
    return space_give(store, job->p, from);
}

/* The chunk belongs to a large value: its item goes, its chunks follow by way of limbo. */
static enum page_step continuation_leave(struct page_job *job, uint64_t location) {
    struct store *store = job->store;
    uint64_t head = atom_load_relaxed(&continuation_at(store, location)->head);
    struct item *item = item_at(store, head);
    uint32_t shape = atom_load_relaxed(&item->shape);
    struct cursor cursor;
    if (ITEM_KEY_BYTES(shape) == 0 ||
        !index_find_location(store, job->p, item_hash(store, item, shape), head, &cursor)) {
        return PAGE_PINNED; /* an upload, or in limbo already */
    }
    item_unlink(store, job->p, &cursor, LEAVE_EVICTED, job->now);
    job->evicted++;
    job->left++;
    return PAGE_MORE;
}

static enum page_step item_leave(struct page_job *job, uint64_t location) {
    struct store *store = job->store;
    struct item *item = item_at(store, location);
    uint32_t shape = atom_load_relaxed(&item->shape);
    if (ITEM_KEY_BYTES(shape) == 0) {
        return (shape & ITEM_CONTINUATION) != 0 ? continuation_leave(job, location) : PAGE_PINNED;
    }
    struct cursor cursor;
    if (!index_find_location(store, job->p, item_hash(store, item, shape), location, &cursor)) {
        return PAGE_PINNED;
    }
    struct slab_bin *bin =
        &job->p->classes[atom_load_relaxed(&slab_page_of(&store->pool, job->page)->class_id)].bin;
    uint32_t chunk_bytes = store->pool.classes.chunk_bytes[bin->class_id];
    bool dead = item_is_dead(job->p, atom_load_relaxed(&item->version),
                             item_expiry(item, shape), job->now);
    bool movable = job->move && !dead && (shape & ITEM_CHAINED) == 0 &&
                   chunk_bytes <= MOVE_BYTES_MAX;
    uint64_t to = movable ? slab_bin_take_elsewhere(&store->pool, bin, job->page) : 0;
    if (movable && to == 0 && job->leaving && bin_extend(store, job->p, bin)) {
        to = slab_bin_take_elsewhere(&store->pool, bin, job->page);
    }
    job->left++;
    if (to != 0) {
        return item_move(job, &cursor, to) ? PAGE_EMPTIED : PAGE_MORE;
    }
    uint16_t left = atom_load_relaxed(&slab_page_of(&store->pool, job->page)->used_count);
    bool last = left == 1 && (shape & ITEM_CHAINED) == 0;
    item_unlink(store, job->p, &cursor, dead ? LEAVE_EXPIRED : LEAVE_EVICTED, job->now);
    job->evicted += dead ? 0 : 1;
    return last ? PAGE_EMPTIED : PAGE_MORE;
}

/* One bounded step; under the lock. */
static enum page_step page_empty_step(struct page_job *job) {
    job->moved_bytes = 0;
    const struct slab_page *meta = slab_page_of(&job->store->pool, job->page);
    if (atom_load_relaxed(&meta->kind) != SLAB_PAGE_CHUNKS ||
        atom_load_relaxed(&meta->owner) != job->p->number) {
        return PAGE_EMPTIED; /* somebody else finished it between two holds */
    }
    unsigned chunks =
        job->store->pool.classes.per_page[atom_load_relaxed(&meta->class_id)];
    unsigned index = 0;
    bool pinned = false;
    for (unsigned i = 0; i < MOVE_BATCH_MAX; i++) {
        index = slab_page_next_used(&job->store->pool, job->page, index);
        if (index >= chunks) {
            return pinned ? PAGE_PINNED : PAGE_MORE;
        }
        enum page_step step =
            item_leave(job, slab_chunk_location(&job->store->pool, job->page, index));
        if (step == PAGE_EMPTIED) {
            return PAGE_EMPTIED;
        }
        pinned = pinned || step == PAGE_PINNED;
        index++;
        if (job->moved_bytes >= MOVE_BYTES_MAX) {
            break;
        }
    }
    return pinned ? PAGE_PINNED : PAGE_MORE;
}

/* -- choosing a page --------------------------------------------------------------------------- */

/* The class with the most pages' worth of free chunks. */
static unsigned loosest_class(const struct page_job *job, uint32_t *free_tenths) {
    unsigned best = 0;
    *free_tenths = 0;
    for (unsigned i = 1; i <= job->store->pool.classes.count; i++) {
        const struct slab_bin *bin = &job->p->classes[i].bin;
        uint32_t tenths = bin->chunks_free * 10 / job->store->pool.classes.per_page[i];
        if (atom_load_relaxed(&bin->pages) > 1 && tenths > *free_tenths && !job->passed[i]) {
            *free_tenths = tenths;
            best = i;
        }
    }
    return best;
}

static unsigned largest_class(const struct page_job *job) {
    unsigned best = 0;
    uint32_t pages = 0;
    for (unsigned i = 1; i <= job->store->pool.classes.count; i++) {
        uint32_t count = atom_load_relaxed(&job->p->classes[i].bin.pages);
        if (count > pages && !job->passed[i]) {
            pages = count;
            best = i;
        }
    }
    return best;
}

/* A page to empty: by moving if a class has a page's worth of free chunks beside it. */
static bool page_job_choose(struct page_job *job, unsigned skip, bool force) {
    uint32_t tenths;
    unsigned class_id = loosest_class(job, &tenths);
    job->move = tenths >= 11;
    if (!job->move) {
        if (!force) {
            return false;
        }
        class_id = class_id != 0 && tenths >= 5 ? class_id : largest_class(job);
    }
    if (class_id == 0) {
        return false;
    }
    job->class_id = class_id;
    job->page = slab_bin_emptiest(&job->store->pool, &job->p->classes[class_id].bin, skip);
    return job->page != SLAB_NO_PAGE;
}

/* Empties the job's page, a bounded step a hold. */
static bool page_job_run(struct store_core *core, struct page_job *job) {
    enum page_step step = PAGE_MORE;
    for (unsigned i = 0; i < STEPS_MAX && step == PAGE_MORE; i++) {
        partition_lock(core, job->p);
        step = page_empty_step(job);
        if (limbo_step(core->store, job->p) && step == PAGE_PINNED) {
            step = PAGE_MORE; /* what pins it may be a dead chain on its way out */
        }
        if (step == PAGE_EMPTIED) {
            atom_own_add(&job->p->counters.page_moves, 1u);
        }
        partition_unlock(core, job->p);
    }
    return step == PAGE_EMPTIED;
}

bool space_give_page(struct store_core *core, struct partition *p) {
    struct page_job job = {.store = core->store, .p = p, .now = core->now};
    for (unsigned classes = 0; classes < PINNED_CLASSES_MAX; classes++) {
        job.class_id = 0;
        for (unsigned skip = 0; skip <= PINNED_SKIP_MAX; skip++) {
            partition_lock(core, p);
            bool chosen = page_job_choose(&job, skip, true);
            partition_unlock(core, p);
            if (!chosen) {
                break;
            }
            if (page_job_run(core, &job)) {
                return true;
            }
        }
        if (job.class_id == 0) {
            return false;
        }
        job.passed[job.class_id] = 1;
    }
    return false;
}

/* The next page to empty: of an extent that is to go back to the system, else, where that has none
 * to offer and too much is in use, of the next partition's. */
static bool shrink_choose(struct store_core *core, struct page_job *job) {
    struct store *store = core->store;
    struct shrink *shrink = &core->shrink;
    job->page = slab_pool_leaving(&store->pool, &shrink->searched);
    job->leaving = job->page != SLAB_NO_PAGE;
    if (job->leaving) {
        const struct slab_page *meta = slab_page_of(&store->pool, job->page);
        job->p = &store->partitions[atom_load_relaxed(&meta->owner)];
        job->move = true;
    } else if (slab_pool_excess_used(&store->pool) == 0) {
        return false;
    } else {
        job->p = &store->partitions[shrink->next++ % store->partition_count];
        partition_lock(core, job->p);
        bool chosen = page_job_choose(job, 0, true);
        partition_unlock(core, job->p);
        if (!chosen) {
            return false;
        }
    }
    shrink->p = job->p;
    shrink->page = job->page;
    shrink->move = job->move;
    shrink->leaving = job->leaving;
    return true;
}

/* Who asks for one page gets that one or none. */
static bool reassign_end(struct store_core *core, enum page_step step) {
    struct shrink *shrink = &core->shrink;
    if (step == PAGE_MORE && ++shrink->steps < STEPS_MAX) {
        return true;
    }
    shrink->p = NULL;
    shrink->asked = false;
    atom_store_release(&core->store->reassigning, 0u);
    return true;
}

/* Goes on with the page that the core is emptying, or chooses one. */
bool space_shrink_step(struct store_core *core) {
    struct store *store = core->store;
    struct shrink *shrink = &core->shrink;
    struct page_job job = {.store = store, .p = shrink->p, .page = shrink->page,
                           .move = shrink->move, .leaving = shrink->leaving, .now = core->now};
    if (job.p == NULL && !shrink_choose(core, &job)) {
        return false;
    }
    partition_lock(core, job.p);
    enum page_step step = page_empty_step(&job);
    bool freed = limbo_step(store, job.p);
    if (shrink->asked) {
        step = step == PAGE_PINNED && freed ? PAGE_MORE : step;
        atom_own_add(&job.p->counters.page_moves, step == PAGE_EMPTIED ? 1u : 0u);
    }
    partition_unlock(core, job.p);
    if (shrink->asked) {
        return reassign_end(core, step);
    }
    if (step == PAGE_MORE) {
        return true;
    }
    shrink->p = NULL;
    bool excess = slab_pool_excess_used(&store->pool) != 0;
    /* A pinned page is seldom: then another is emptied in one go. */
    if (step == PAGE_EMPTIED || (excess && space_give_page(core, job.p))) {
        slab_pool_excess_drop(&store->pool);
        return true;
    }
    return false;
}

/* -- making room ------------------------------------------------------------------------------- */

/* Takes a page from the partition that has most, if that is more than `floor`; if it can give
 * none, from any other. */
static bool space_steal(struct store_core *core, struct partition *p, uint64_t floor) {
    struct store *store = core->store;
    struct partition *richest = NULL;
    uint64_t most = floor;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        struct partition *other = &store->partitions[i];
        uint64_t pages = other == p ? 0 : atom_load_relaxed(&other->chunk_pages);
        if (pages > most) {
            most = pages;
            richest = other;
        }
    }
    if (richest == NULL || space_give_page(core, richest)) {
        return richest != NULL;
    }
    for (uint32_t i = 1; i < store->partition_count; i++) {
        struct partition *other = &store->partitions[(p->number + i) % store->partition_count];
        if (atom_load_relaxed(&other->chunk_pages) > floor && space_give_page(core, other)) {
            return true;
        }
    }
    return false;
}

/* Less than half of its share, and somebody has more than that: a page would be better off here. */
static bool space_level(struct store_core *core, struct partition *p) {
    const struct store *store = core->store;
    uint64_t share = atom_load_relaxed(&store->pool.pages_limit) / store->partition_count;
    return (uint64_t)atom_load_relaxed(&p->chunk_pages) * 2 < share &&
           space_steal(core, p, share / 2);
}

/* Another thread is in the kernel for new memory: that takes longer than the rounds of a write. */
static void await_populating(const struct slab_pool *pool) {
    for (unsigned i = 0; i < POPULATE_YIELDS_MAX; i++) {
        if (atom_load_acquire(&pool->populating) == 0) {
            return;
        }
        cpu_pause();
        sched_yield();
    }
}

/* New memory while the limit allows it. */
static bool space_populate(struct store *store) {
    if (!slab_pool_can_populate(&store->pool)) {
        return false;
    }
    for (unsigned i = 0; i < POPULATE_TRIES_MAX; i++) {
        if (slab_pool_populate(&store->pool) ||
            atom_load_relaxed(&store->pool.pages_free) != 0) {
            return true;
        }
        /* the system has none, or another thread is or was at it */
        await_populating(&store->pool);
    }
    return false;
}

/* What a request has spent on room so far. */
struct effort {
    unsigned *spent;  /* victims */
    unsigned pinned;  /* pages that could not be emptied */
    unsigned batch;   /* victims wanted first: one where it makes room for a long copy */
    bool force;
};

/* Evicts, and evacuates when a class has a page's worth of free chunks. Under the lock. */
static void evict_step(struct store_core *core, struct partition *p, struct effort *effort) {
    struct store *store = core->store;
    struct page_job job = {.store = store, .p = p, .now = core->now};
    if (limbo_step(store, p)) {
        return;
    }
    if (effort->pinned <= MOVE_BATCH_MAX && page_job_choose(&job, effort->pinned, false)) {
        enum page_step step = page_empty_step(&job);
        if (step == PAGE_EMPTIED) {
            atom_own_add(&p->counters.evacuations, 1u);
        }
        effort->pinned += step == PAGE_PINNED ? 1 : 0;
        *effort->spent += job.evicted;
        if (job.left != 0 || step == PAGE_EMPTIED) {
            return;
        }
    }
    *effort->spent += evict_batch(store, p, effort->batch, effort->force, core->now);
    effort->batch = EVICT_BATCH_MAX;
}

static bool class_has_room(const struct store *store, const struct partition *p,
                           unsigned class_id) {
    return p->classes[class_id].bin.chunks_free != 0 || slab_pool_can_take(&store->pool);
}

/* What -M leaves: chains that are dead and not on loan. */
static bool space_reclaim(struct store_core *core, struct partition *p, unsigned class_id) {
    bool freed = true;
    bool room = false;
    for (unsigned i = 0; i < STEPS_MAX && freed && !room; i++) {
        partition_lock(core, p);
        freed = limbo_step(core->store, p);
        room = class_has_room(core->store, p, class_id);
        partition_unlock(core, p);
    }
    return room;
}

/* Steps of eviction until the class has room, the victims are enough or nothing is left. */
static bool space_evict(struct store_core *core, struct partition *p, unsigned class_id,
                        struct effort *effort) {
    unsigned steps = effort->force ? STEPS_MAX : STEPS_GENTLE_MAX;
    for (unsigned i = 0; i < steps; i++) {
        if (!effort->force && *effort->spent >= EVICT_REQUEST_MAX) {
            return false;
        }
        partition_lock(core, p);
        bool room = class_has_room(core->store, p, class_id);
        if (!room) {
            evict_step(core, p, effort);
            room = class_has_room(core->store, p, class_id);
        }
        bool barren = atom_load_relaxed(&p->counters.items) == 0 && p->limbo_head == 0;
        partition_unlock(core, p);
        if (room || barren) {
            return room;
        }
    }
    return false;
}

bool space_make(struct store_core *core, struct partition *p, unsigned class_id,
                unsigned *spent) {
    struct store *store = core->store;
    if (space_populate(store)) {
        return true;
    }
    if (!store->config.evict) {
        return space_reclaim(core, p, class_id);
    }
    bool large = core->store->pool.classes.chunk_bytes[class_id] >= LARGE_CHUNK_BYTES;
    struct effort effort = {.spent = spent, .batch = large ? 1 : EVICT_BATCH_MAX};
    if (space_level(core, p) || space_evict(core, p, class_id, &effort)) {
        return true;
    }
    *spent = 0;
    if (space_give_page(core, p) || space_steal(core, p, 0)) {
        return true;
    }
    effort.force = true; /* every page looked at is pinned: item by item, whatever it takes */
    return space_evict(core, p, class_id, &effort);
}

/* -- table pages ------------------------------------------------------------------------------- */

static void page_clear(struct store *store, uint32_t page) {
    static const uint8_t zeros[4096];
    uint8_t *memory = slab_page_memory(&store->pool, page);
    for (uint32_t at = 0; at < slab_page_bytes(&store->pool); at += sizeof(zeros)) {
        slab_fill(memory + at, zeros, sizeof(zeros));
    }
}

bool space_make_table_page(struct store_core *core, struct partition *p) {
    struct store *store = core->store;
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        partition_lock(core, p);
        bool there = p->spare_page != SLAB_NO_PAGE;
        partition_unlock(core, p);
        if (there) {
            return true;
        }
        uint32_t page = slab_pool_take_table(&store->pool, p->node);
        if (page == SLAB_NO_PAGE) {
            if (!space_populate(store) &&
                (!store->config.evict || (!space_give_page(core, p) && !space_steal(core, p, 0)))) {
                return false;
            }
            continue;
        }
        page_clear(store, page);
        partition_lock(core, p);
        if (p->spare_page == SLAB_NO_PAGE) {
            p->spare_page = page;
            page = SLAB_NO_PAGE;
        }
        partition_unlock(core, p);
        if (page != SLAB_NO_PAGE) {
            slab_pool_give(&store->pool, page);
        }
    }
    return false;
}
