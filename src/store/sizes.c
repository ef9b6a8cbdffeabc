/* larder: how many items there are of each size, for who asked to have it counted */
#include <stdlib.h>

#include "src/store/sizes.h"

/* memcached rounds up to a whole step. */
static uint32_t size_step(uint64_t bytes) {
    return (uint32_t)((bytes + STORE_SIZE_STEP - 1) / STORE_SIZE_STEP);
}

bool sizes_init(const struct store *store, struct partition *p) {
    if (!store->config.track_sizes) {
        return true;
    }
    p->sizes = calloc(size_step(store->config.item_bytes_max) + 1, sizeof(*p->sizes));
    return p->sizes != NULL;
}

void sizes_fini(struct partition *p) {
    free(p->sizes);
}

void sizes_change(struct partition *p, uint64_t bytes, uint32_t change) {
    uint32_t step = size_step(bytes);
    atom_own_add(&p->sizes[step], change);
    if (step >= atom_load_relaxed(&p->sizes_end)) {
        atom_store_relaxed(&p->sizes_end, step + 1);
    }
}

uint32_t store_sizes_end(const struct store *store) {
    uint32_t end = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        uint32_t of_partition = atom_load_relaxed(&store->partitions[i].sizes_end);
        end = of_partition > end ? of_partition : end;
    }
    return end;
}

uint64_t store_sizes_count(const struct store *store, uint32_t step) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        const struct partition *p = &store->partitions[i];
        if (step < atom_load_relaxed(&p->sizes_end)) {
            count += atom_load_relaxed(&p->sizes[step]);
        }
    }
    return count;
}
