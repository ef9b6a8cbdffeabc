/* larder: a bounded run of bytes from one thread to another */
#include "src/server/watch_ring.h"

#include <stdlib.h>
#include <string.h>

enum { WATCH_RING_BYTES_MIN = 4096 };

struct watch_ring *watch_ring_create(uint64_t bytes_min) {
    uint64_t bytes = WATCH_RING_BYTES_MIN;
    while (bytes < bytes_min) {
        bytes *= 2;
    }
    void *memory = NULL;
    if (posix_memalign(&memory, CACHE_LINE_BYTES, sizeof(struct watch_ring) + bytes) != 0) {
        return NULL;
    }
    struct watch_ring *ring = memset(memory, 0, sizeof(struct watch_ring) + bytes);
    ring->bytes = bytes;
    return ring;
}

void watch_ring_destroy(struct watch_ring *ring) {
    free(ring);
}

bool watch_ring_write(struct watch_ring *ring, const void *data, size_t bytes) {
    uint64_t at = atom_load_relaxed(&ring->written);
    /* acquire: pairs with the release in watch_ring_take(): the reader is done with that room */
    if (at + bytes - atom_load_acquire(&ring->taken) > ring->bytes) {
        atom_own_add(&ring->refused, 1u);
        return false;
    }
    uint64_t offset = at & (ring->bytes - 1);
    size_t first = ring->bytes - offset < bytes ? (size_t)(ring->bytes - offset) : bytes;
    memcpy(ring->data + offset, data, first);
    memcpy(ring->data, (const uint8_t *)data + first, bytes - first);
    atom_own_add(&ring->writes, 1u);
    atom_store_release(&ring->written, at + bytes); /* pairs with watch_ring_used() */
    return true;
}

uint64_t watch_ring_used(const struct watch_ring *ring) {
    return atom_load_acquire(&ring->written) - atom_load_relaxed(&ring->taken);
}

void watch_ring_peek(const struct watch_ring *ring, uint64_t offset, void *to, size_t bytes) {
    uint64_t at = (atom_load_relaxed(&ring->taken) + offset) & (ring->bytes - 1);
    size_t first = ring->bytes - at < bytes ? (size_t)(ring->bytes - at) : bytes;
    memcpy(to, ring->data + at, first);
    memcpy((uint8_t *)to + first, ring->data, bytes - first);
}

void watch_ring_take(struct watch_ring *ring, size_t bytes) {
    atom_store_release(&ring->taken, atom_load_relaxed(&ring->taken) + bytes);
}
