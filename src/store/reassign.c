/* larder: a page of a class given back because somebody asks for it (slabs reassign)
 *
 * The core that was asked empties the page by the steps of space_shrink_step(), in its upkeep. */
#include "src/store/partition.h"

/* The partition and the class of first..last with the most pages. */
struct source {
    struct partition *p;
    unsigned class_id;
    uint32_t most;  /* pages there */
    uint64_t pages; /* of all these classes */
};

static struct source source_find(const struct store *store, unsigned first, unsigned last) {
    struct source source = {.p = NULL};
    for (uint32_t i = 0; i < store->partition_count; i++) {
        for (unsigned id = first; id <= last && id <= store->pool.classes.count; id++) {
            uint32_t pages = atom_load_relaxed(&store->partitions[i].classes[id].bin.pages);
            source.pages += pages;
            if (pages > source.most) {
                source.most = pages;
                source.class_id = id;
                source.p = &store->partitions[i];
            }
        }
    }
    return source;
}

enum store_reassign store_reassign(struct store_core *core, unsigned first, unsigned last) {
    struct store *store = core->store;
    uint32_t idle = 0;
    if (core->shrink.p != NULL || !atom_compare_exchange(&store->reassigning, &idle, 1u)) {
        return STORE_REASSIGN_BUSY;
    }
    struct source source = source_find(store, first, last);
    uint32_t page = SLAB_NO_PAGE;
    if (source.pages >= 2 && store->config.evict) {
        partition_lock(core, source.p);
        page = slab_bin_emptiest(&store->pool, &source.p->classes[source.class_id].bin, 0);
        partition_unlock(core, source.p);
    }
    if (page == SLAB_NO_PAGE) {
        atom_store_release(&store->reassigning, 0u);
        return STORE_REASSIGN_NO_SPARE;
    }
    core->shrink.p = source.p;
    core->shrink.page = page;
    core->shrink.move = true;
    core->shrink.leaving = false;
    core->shrink.asked = true;
    core->shrink.steps = 0;
    return STORE_REASSIGN_STARTED;
}

bool store_reassign_running(const struct store *store) {
    return atom_load_relaxed(&store->reassigning) != 0;
}
