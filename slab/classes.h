/* larder: size classes
 *
 * Purpose: the table of chunk sizes. Steps of 8 bytes to 256, 16 to 512, and above every size that
 *   divides a page (page/n), so that no size loses more than the next step. Some of these classes
 *   are base classes: enough to serve every size, few enough that partition >= 16 x base classes x
 *   page, because each class in use strands about half a page in every partition. The others are
 *   taken into use where demand makes it worth while (src/store/fit.c).
 * Owner: one table a store, immutable.   Threads: any.   Memory: inline.
 * Limits: SLAB_CLASSES_MAX classes, numbered from 1; chunks are multiples of 8 bytes.
 * Errors: none. */
#ifndef LARDER_SLAB_CLASSES_H
#define LARDER_SLAB_CLASSES_H

#include <stdint.h>

#define SLAB_CLASSES_MAX 200u
#define SLAB_CHUNK_BYTES_MIN 32u
/* The bitmap of so many chunks lies in the page's metadata; a longer one at the start of the page.
 * */
#define SLAB_META_CHUNKS_MAX 512u
/* Chunks up to a quarter of a page; larger values are chains of such chunks. */
#define SLAB_LARGEST_PER_PAGE 4u

struct slab_classes {
    uint32_t page_bytes;
    uint32_t count;                             /* classes 1..count */
    uint32_t chunk_bytes[SLAB_CLASSES_MAX + 1]; /* [0] unused */
    uint16_t per_page[SLAB_CLASSES_MAX + 1];
    uint8_t base[SLAB_CLASSES_MAX + 1]; /* the smallest base class at least as large */
    uint32_t base_count;
    uint16_t lead_bytes[SLAB_CLASSES_MAX + 1]; /* before the first chunk: a long bitmap */
    uint8_t by_granule[16384 / 8 + 1]; /* smallest class for bytes = 8 x index */
};

/* Fills the table for pages of `page_bytes` (16 or 64 KiB) in partitions of `partition_bytes`. */
void slab_classes_init(struct slab_classes *classes, uint32_t page_bytes, uint64_t partition_bytes);

/* The smallest class with chunks of at least `bytes`; 0 when no chunk is that large. */
static inline unsigned slab_class_of(const struct slab_classes *classes, uint64_t bytes) {
    if (bytes > classes->chunk_bytes[classes->count]) {
        return 0;
    }
    return classes->by_granule[(bytes + 7) / 8];
}

static inline uint32_t slab_chunk_bytes_max(const struct slab_classes *classes) {
    return classes->chunk_bytes[classes->count];
}

#endif
