/* larder: size classes */
#include "slab/classes.h"

#include <stdbool.h>

#include "src/base/assert.h"

/* How base classes follow one another. */
struct step_rule {
    uint32_t fine_bytes_max;   /* steps of fine_step up to here */
    uint32_t fine_step;
    uint32_t medium_bytes_max; /* then of medium_step up to here */
    uint32_t medium_step;
    uint32_t growth_percent;   /* then by this factor */
};

/* From the densest to the one with the fewest classes. */
static const struct step_rule step_rules[] = {
    {256, 8, 512, 16, 108},
    {512, 16, 512, 16, 108},
    {256, 16, 512, 32, 115},
    {128, 16, 256, 32, 125},
};

static uint32_t next_size(const struct step_rule *rule, uint32_t bytes) {
    if (bytes < rule->fine_bytes_max) {
        return bytes + rule->fine_step;
    }
    if (bytes < rule->medium_bytes_max) {
        return bytes + rule->medium_step;
    }
    uint32_t grown = (uint32_t)((uint64_t)bytes * rule->growth_percent / 100);
    return (grown + 7) & ~7u;
}

static void add_class(struct slab_classes *classes, uint32_t bytes) {
    ASSERT(classes->count < SLAB_CLASSES_MAX);
    classes->count++;
    classes->chunk_bytes[classes->count] = bytes;
    uint32_t chunks = classes->page_bytes / bytes;
    uint32_t lead = chunks > SLAB_META_CHUNKS_MAX ? (chunks + 63) / 64 * 8 : 0;
    classes->lead_bytes[classes->count] = (uint16_t)lead;
    classes->per_page[classes->count] = (uint16_t)((classes->page_bytes - lead) / bytes);
}

/* Sizes that divide a page, from 512 bytes to the largest. */
static void add_divisors(struct slab_classes *classes) {
    for (uint32_t fit = classes->page_bytes / 512; fit >= SLAB_LARGEST_PER_PAGE; fit--) {
        uint32_t bytes = classes->page_bytes / fit & ~7u;
        if (bytes > classes->chunk_bytes[classes->count]) {
            add_class(classes, bytes);
        }
    }
}

static void add_all(struct slab_classes *classes) {
    classes->count = 0;
    for (uint32_t bytes = SLAB_CHUNK_BYTES_MIN; bytes <= 512; bytes += bytes < 256 ? 8 : 16) {
        add_class(classes, bytes);
    }
    add_divisors(classes);
    unsigned id = 1;
    for (uint32_t granule = 0; granule <= classes->page_bytes / SLAB_LARGEST_PER_PAGE / 8;
         granule++) {
        while (classes->chunk_bytes[id] < granule * 8) {
            id++;
        }
        classes->by_granule[granule] = (uint8_t)id;
    }
}

/* Marks the rule's sizes as base classes; returns how many there are. */
static uint32_t mark_base(struct slab_classes *classes, const struct step_rule *rule) {
    bool base[SLAB_CLASSES_MAX + 1] = {false};
    base[classes->count] = true;
    uint32_t largest = classes->page_bytes / SLAB_LARGEST_PER_PAGE;
    for (uint32_t bytes = SLAB_CHUNK_BYTES_MIN; bytes < largest;
         bytes = next_size(rule, bytes)) {
        base[slab_class_of(classes, bytes)] = true;
    }
    classes->base_count = 0;
    uint8_t above = 0;
    for (uint32_t id = classes->count; id >= 1; id--) {
        above = base[id] ? (uint8_t)id : above;
        classes->base_count += base[id];
        classes->base[id] = above;
    }
    return classes->base_count;
}

void slab_classes_init(struct slab_classes *classes, uint32_t page_bytes,
                       uint64_t partition_bytes) {
    ASSERT(page_bytes / SLAB_LARGEST_PER_PAGE / 8 < sizeof(classes->by_granule));
    classes->page_bytes = page_bytes;
    add_all(classes);
    unsigned rules = sizeof(step_rules) / sizeof(step_rules[0]);
    for (unsigned i = 0; i < rules; i++) {
        if ((uint64_t)16 * mark_base(classes, &step_rules[i]) * page_bytes <= partition_bytes) {
            break;
        }
    }
}
