/* larder: expiry and flush_all, ahead of need
 *
 * A page knows how many of its items expire, and the earliest and latest moment. A sweep over the
 * page metadata (a hint, read without a lock) visits a page when more than a hundredth of its
 * chunks should be dead by now, or all of them; a visit finds out exactly. Pages are dealt to cores
 * in runs; the share of a core that sleeps is swept by whoever is done with its own.
 *
 * What a visit costs in vain is its looks at items that live on. A core has looks for a fiftieth of
 * its time, and for each eviction as many as would find a dead item in its stead where one in fifty
 * is dead. When they run out, pages have to hold more dead ones to be worth a visit, until it is
 * enough. Pages that are dead as a whole cost nothing in vain and are always visited. */
#include "src/store/partition.h"

/* Pages a core looks at in a row before the next core's run begins. */
#define RUN_PAGES 64u
/* Seconds after which another core sweeps the share of one that sleeps. */
#define SWEEP_LATE_S 2u
/* Chunks looked at in one hold. */
#define VISIT_BATCH 8u
/* Dead ones in a thousand chunks that are worth a visit: with looks enough, and at most. */
#define DEAD_MILLE_MIN 10u
#define DEAD_MILLE_MAX 500u
/* Looks at the living, a second: 20 ms at 25 to 40 ns. */
#define LOOKS_A_SECOND 500000u
#define LOOKS_AN_EVICTION 50u
/* A page is looked at when its first item has been dead for so long, at most once in that time; for
 * longer while looks are scarce. */
#define DEAD_S_MAX 60u

void page_note_expiry(struct store *store, uint64_t location, uint32_t expiry) {
    struct slab_page *meta =
        slab_page_of(&store->pool, slab_location_page(&store->pool, location));
    atom_own_add(&meta->expiring_count, 1u);
    if (expiry < atom_load_relaxed(&meta->expiry_earliest)) {
        atom_store_relaxed(&meta->expiry_earliest, expiry);
    }
    if (expiry > atom_load_relaxed(&meta->expiry_latest)) {
        atom_store_relaxed(&meta->expiry_latest, expiry);
    }
}

void page_drop_expiry(struct store *store, uint64_t location) {
    struct slab_page *meta =
        slab_page_of(&store->pool, slab_location_page(&store->pool, location));
    uint16_t count = atom_load_relaxed(&meta->expiring_count);
    ASSERT(count != 0);
    atom_store_relaxed(&meta->expiring_count, (uint16_t)(count - 1));
    if (count == 1) {
        atom_store_relaxed(&meta->expiry_earliest, UINT32_MAX);
        atom_store_relaxed(&meta->expiry_latest, 0u);
    }
}

/* How many of the page's items should be dead by now, if their ends are spread evenly. */
static uint64_t expected_dead(const struct slab_page *meta, uint32_t now) {
    uint64_t count = atom_load_relaxed(&meta->expiring_count);
    uint32_t earliest = atom_load_relaxed(&meta->expiry_earliest);
    uint32_t latest = atom_load_relaxed(&meta->expiry_latest);
    if (count == 0 || now < earliest) {
        return 0;
    }
    if (now >= latest) {
        return count;
    }
    uint64_t dead = count * (now - earliest + 1) / (latest - earliest + 1);
    return dead == 0 ? 1 : dead;
}

enum due { DUE_NOT, DUE_IF_LOOKS_ARE_LEFT, DUE_NOW };

static enum due page_is_due(const struct store_core *core, uint32_t page) {
    const struct store *store = core->store;
    const struct slab_page *meta = slab_page_of(&store->pool, page);
    uint32_t now = core->now;
    if (atom_load_relaxed(&meta->kind) != SLAB_PAGE_CHUNKS) {
        return DUE_NOT;
    }
    const struct partition *p = &store->partitions[atom_load_relaxed(&meta->owner)];
    uint32_t expiring = atom_load_relaxed(&meta->expiring_count);
    uint32_t earliest = atom_load_relaxed(&meta->expiry_earliest);
    if (atom_load_relaxed(&meta->flush_seen) != atom_load_relaxed(&p->flush_count) ||
        (expiring != 0 && earliest == UINT32_MAX)) {
        return DUE_NOW; /* flushed, or in the middle of a visit that its core has left */
    }
    uint64_t dead = expected_dead(meta, now);
    if (dead == 0) {
        return DUE_NOT;
    }
    if (dead == expiring || atom_load_relaxed(&store->sweep_until) > now) {
        return DUE_NOW;
    }
    /* Ends are seldom spread evenly: there may be many short ones before a few long ones. */
    uint32_t chunks = store->pool.classes.per_page[atom_load_relaxed(&meta->class_id)];
    uint32_t mille = core->expiry_dead_mille;
    bool worth = dead * 1000 >= (uint64_t)chunks * mille ||
                 now - earliest >= DEAD_S_MAX * mille / DEAD_MILLE_MIN;
    return worth ? DUE_IF_LOOKS_ARE_LEFT : DUE_NOT;
}

/* Looks at one chunk; true when the page is gone with it. */
static bool visit_chunk(struct store_core *core, uint64_t location) {
    struct store *store = core->store;
    struct visit *visit = &core->visit;
    struct item *item = item_at(store, location);
    uint32_t shape = atom_load_relaxed(&item->shape);
    if (ITEM_KEY_BYTES(shape) == 0) {
        return false;
    }
    uint32_t expiry = item_expiry(item, shape);
    uint32_t now = core->now;
    if (!item_is_dead(visit->p, atom_load_relaxed(&item->version), expiry, now)) {
        if (expiry != 0) {
            visit->earliest = expiry < visit->earliest ? expiry : visit->earliest;
            visit->latest = expiry > visit->latest ? expiry : visit->latest;
        }
        core->expiry_looks -= core->expiry_looks != 0 ? 1 : 0;
        return false;
    }
    struct cursor cursor;
    if (!index_find_location(store, visit->p, item_hash(store, item, shape), location,
                             &cursor)) {
        return false;
    }
    struct slab_page *meta = slab_page_of(&store->pool, visit->page);
    unsigned class_id = atom_load_relaxed(&meta->class_id);
    bool last = atom_load_relaxed(&meta->used_count) == 1 && (shape & ITEM_CHAINED) == 0;
    item_unlink(store, visit->p, &cursor, LEAVE_EXPIRED, now);
    atom_own_add(&visit->p->counters.expired_upkeep, 1u);
    atom_own_add(&visit->p->classes[class_id].expired_upkeep, 1u);
    return last;
}

/* The bounds start anew: what is linked during the visit notes itself, the visit adds the rest. */
static void visit_begin(struct visit *visit, struct slab_page *meta) {
    visit->begun = true;
    visit->index = 0;
    visit->earliest = UINT32_MAX;
    visit->latest = 0;
    visit->flush_count = atom_load_relaxed(&visit->p->flush_count);
    atom_store_relaxed(&meta->expiry_earliest, UINT32_MAX);
    atom_store_relaxed(&meta->expiry_latest, 0u);
}

static void visit_end(struct visit *visit, struct slab_page *meta) {
    atom_store_relaxed(&meta->flush_seen, visit->flush_count);
    if (visit->earliest < atom_load_relaxed(&meta->expiry_earliest)) {
        atom_store_relaxed(&meta->expiry_earliest, visit->earliest);
    }
    if (visit->latest > atom_load_relaxed(&meta->expiry_latest)) {
        atom_store_relaxed(&meta->expiry_latest, visit->latest);
    }
}

/* Looks at up to VISIT_BATCH chunks, under the lock. True: more to do. */
static bool visit_step(struct store_core *core) {
    struct store *store = core->store;
    struct visit *visit = &core->visit;
    struct slab_page *meta = slab_page_of(&store->pool, visit->page);
    if (atom_load_relaxed(&meta->kind) != SLAB_PAGE_CHUNKS ||
        atom_load_relaxed(&meta->owner) != visit->p->number) {
        return false;
    }
    if (!visit->begun) {
        visit_begin(visit, meta);
    }
    unsigned class_id = atom_load_relaxed(&meta->class_id);
    unsigned chunks = store->pool.classes.per_page[class_id];
    for (unsigned i = 0; i < VISIT_BATCH; i++) {
        visit->index = slab_page_next_used(&store->pool, visit->page, visit->index);
        if (visit->index >= chunks) {
            visit_end(visit, meta);
            return false;
        }
        uint64_t location = slab_chunk_location(&store->pool, visit->page, visit->index);
        atom_own_add(&visit->p->counters.checked_upkeep, 1u);
        atom_own_add(&visit->p->classes[class_id].checked_upkeep, 1u);
        if (visit_chunk(core, location)) {
            return false;
        }
        visit->index++;
    }
    return true;
}

static void visit_go_on(struct store_core *core) {
    struct partition *p = core->visit.p;
    partition_lock(core, p);
    bool more = visit_step(core);
    partition_unlock(core, p);
    if (!more) {
        core->visit.p = NULL;
    }
}

static void visit_start(struct store_core *core, uint32_t page) {
    struct store *store = core->store;
    const struct slab_page *meta = slab_page_of(&store->pool, page);
    core->visit =
        (struct visit){.p = &store->partitions[atom_load_relaxed(&meta->owner)], .page = page};
    visit_go_on(core);
}

void store_sweep(struct store *store, uint32_t now) {
    atom_store_relaxed(&store->sweep_until, now + 1 + SWEEP_LATE_S);
    for (unsigned i = 0; i < store->config.core_count; i++) {
        atom_store_relaxed(&store->sweeps[i], 0u);
    }
}

/* The next page of the core's share behind `page`. */
static uint32_t page_next(const struct store_core *core, uint32_t page) {
    page++;
    if (page % RUN_PAGES == 0) {
        page += (core->store->config.core_count - 1) * RUN_PAGES;
    }
    return page;
}

/* What the core may look at in vain until its next sweep, and what is worth it. */
static void looks_grant(struct store_core *core) {
    const struct store *store = core->store;
    uint64_t evictions = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        evictions += atom_load_relaxed(&store->partitions[i].counters.evictions);
    }
    uint64_t lately = (evictions - core->expiry_evictions) / store->config.core_count;
    core->expiry_evictions = evictions;
    uint32_t mille = core->expiry_dead_mille;
    mille = core->expiry_looks == 0 ? mille * 3 / 2 : mille * 7 / 8;
    mille = mille < DEAD_MILLE_MIN ? DEAD_MILLE_MIN : mille;
    core->expiry_dead_mille = mille > DEAD_MILLE_MAX ? DEAD_MILLE_MAX : mille;
    core->expiry_looks = LOOKS_A_SECOND + lately * LOOKS_AN_EVICTION;
}

/* Takes a share of the pages to sweep: once a second its own, then any that nobody swept lately. */
static bool sweep_begin(struct store_core *core) {
    struct store *store = core->store;
    unsigned count = store->config.core_count;
    for (unsigned i = 0; i < count; i++) {
        unsigned index = (core->index + i) % count;
        uint32_t begun = atom_load_relaxed(&store->sweeps[index]);
        uint32_t pause_s = index == core->index ? 1 : 1 + SWEEP_LATE_S;
        bool due = begun > core->now ? begun - core->now > SWEEP_LATE_S /* the clock was set back */
                                     : core->now - begun >= pause_s;
        if (due && atom_compare_exchange(&store->sweeps[index], &begun, core->now)) {
            core->expiry_page = index * RUN_PAGES;
            if (index == core->index) {
                looks_grant(core);
            }
            return true;
        }
    }
    return false;
}

bool expire_step(struct store_core *core, unsigned pages) {
    const struct store *store = core->store;
    if (core->visit.p != NULL) {
        visit_go_on(core);
        return true;
    }
    uint32_t end = atom_load_relaxed(&store->pool.extents_live) * store->pool.pages_per_extent;
    if (core->expiry_page >= end && !sweep_begin(core)) {
        return false;
    }
    for (unsigned i = 0; i < pages && core->expiry_page < end; i++) {
        uint32_t page = core->expiry_page;
        core->expiry_page = page_next(core, page);
        enum due due = page_is_due(core, page);
        if (due == DUE_NOW || (due == DUE_IF_LOOKS_ARE_LEFT && core->expiry_looks != 0)) {
            visit_start(core, page);
            return true;
        }
    }
    return true;
}
