/* larder: which size classes are in use in a partition
 *
 * Base classes serve every size from the start. A class between two of them would hold its sizes
 * with less waste, but strands about half a page of its own. So demand is counted (one request in
 * sixteen), and after every turnover of a part of the memory each class in between is reviewed: it
 * is taken into use when the bytes that its items would save are worth more than two pages, and put
 * out of use when they are worth less than half a page. What lies in a class put out of use stays
 * until it leaves; its pages are evacuated when they are sparse. */
#include "src/store/partition.h"

#define COUNTED_ONE_IN 16u
/* The first review comes after this part of the partition's share, each later one after twice as
 * much, to once the share. */
#define FIRST_REVIEW_SHARE 64u
#define WORTH_TAKING_HALF_PAGES 4u
#define WORTH_KEEPING_HALF_PAGES 1u

static uint64_t share_bytes(const struct store *store) {
    uint64_t limit = atom_load_relaxed(&store->pool.pages_limit) << store->pool.page_shift;
    return limit / store->partition_count;
}

void fit_init(const struct store *store, struct partition *p) {
    const struct slab_classes *classes = &store->pool.classes;
    for (unsigned id = 1; id <= classes->count; id++) {
        atom_store_relaxed(&p->fit.serving[id], classes->base[id]);
    }
    p->fit.review_bytes = share_bytes(store) / COUNTED_ONE_IN / FIRST_REVIEW_SHARE;
}

unsigned fit_class(const struct store *store, const struct partition *p, uint64_t bytes) {
    return atom_load_relaxed(&p->fit.serving[slab_class_of(&store->pool.classes, bytes)]);
}

/* Half pages that a class would save over the next larger one in use, were the partition filled
 * with what was asked for lately. */
static uint64_t half_pages_saved(const struct store *store, const struct partition *p, unsigned id,
                                 unsigned above) {
    const struct slab_classes *classes = &store->pool.classes;
    const struct fit *fit = &p->fit;
    uint64_t per_page = classes->per_page[id];
    uint64_t per_page_above = classes->per_page[above];
    uint64_t items = share_bytes(store) / (fit->counted_bytes / fit->counted + 1);
    uint64_t of_class = items * fit->demand[id] / fit->counted;
    return of_class * 2 / per_page_above - of_class * 2 / per_page;
}

static void review(const struct store *store, struct partition *p) {
    const struct slab_classes *classes = &store->pool.classes;
    struct fit *fit = &p->fit;
    unsigned above = classes->count;
    for (unsigned id = classes->count; id >= 1; id--) {
        bool base = classes->base[id] == id;
        bool used = atom_load_relaxed(&fit->serving[id]) == id;
        uint64_t worth = used ? WORTH_KEEPING_HALF_PAGES : WORTH_TAKING_HALF_PAGES;
        if (base || half_pages_saved(store, p, id, above) >= worth) {
            above = id;
        }
        atom_store_relaxed(&fit->serving[id], (uint8_t)above);
        fit->demand[id] = 0;
    }
    uint64_t most = share_bytes(store) / COUNTED_ONE_IN;
    fit->review_bytes = fit->review_bytes * 2 < most ? fit->review_bytes * 2 : most;
    fit->counted = 0;
    fit->counted_bytes = 0;
}

unsigned fit_class_counted(const struct store *store, struct partition *p, uint64_t bytes) {
    struct fit *fit = &p->fit;
    unsigned best = slab_class_of(&store->pool.classes, bytes);
    if (++fit->skipped == COUNTED_ONE_IN) {
        fit->skipped = 0;
        fit->counted++;
        fit->counted_bytes += store->pool.classes.chunk_bytes[best];
        fit->demand[best]++; /* reviewed before it can wrap */
        if (fit->counted_bytes >= fit->review_bytes || fit->counted == UINT16_MAX) {
            review(store, p);
        }
    }
    return atom_load_relaxed(&fit->serving[best]);
}
