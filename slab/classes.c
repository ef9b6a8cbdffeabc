/* larder: size classes */
#include "slab/classes.h"

#include <stdbool.h>

#include "src/base/assert.h"

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

/* The largest multiple of 8 of which as many fit a page as of `bytes`: a bigger chunk at no
 * cost. */
static uint32_t widened(uint32_t page_bytes, uint32_t bytes) {
    uint32_t fit = page_bytes / bytes;
    return page_bytes / fit & ~7u;
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

static void build(struct slab_classes *classes, const struct step_rule *rule) {
    uint32_t largest = classes->page_bytes / SLAB_LARGEST_PER_PAGE;
    classes->count = 0;
    uint32_t bytes = SLAB_CHUNK_BYTES_MIN;
    while (bytes < largest) {
        uint32_t size = bytes >= 512 ? widened(classes->page_bytes, bytes) : bytes;
        bool wider = classes->count == 0 || size > classes->chunk_bytes[classes->count];
        if (wider && size < largest) {
            add_class(classes, size);
        }
        uint32_t next = next_size(rule, bytes);
        /* Every page/n is a class where few fit a page: between two of them nothing is gained. */
        uint32_t fit = classes->page_bytes / size;
        if (rule->growth_percent <= 108 && fit <= 16 && fit > SLAB_LARGEST_PER_PAGE) {
            next = classes->page_bytes / (fit - 1) & ~7u;
        }
        bytes = next > bytes ? next : bytes + 8;
    }
    add_class(classes, largest);
}

void slab_classes_init(struct slab_classes *classes, uint32_t page_bytes,
                       uint64_t partition_bytes) {
    ASSERT(page_bytes / SLAB_LARGEST_PER_PAGE / 8 < sizeof(classes->by_granule));
    classes->page_bytes = page_bytes;
    unsigned rules = sizeof(step_rules) / sizeof(step_rules[0]);
    for (unsigned i = 0; i < rules; i++) {
        build(classes, &step_rules[i]);
        if ((uint64_t)16 * classes->count * page_bytes <= partition_bytes) {
            break;
        }
    }
    unsigned id = 1;
    for (uint32_t granule = 0; granule <= page_bytes / SLAB_LARGEST_PER_PAGE / 8; granule++) {
        while (classes->chunk_bytes[id] < granule * 8) {
            id++;
        }
        classes->by_granule[granule] = (uint8_t)id;
    }
}
