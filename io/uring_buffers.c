/* larder: the provided buffers of an io_uring ring */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "io/uring.h"

static size_t ring_bytes(const struct uring_buffers *buffers) {
    return buffers->count_max * sizeof(struct io_uring_buf);
}

static void *map(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static void give(struct uring_buffers *buffers, unsigned id, unsigned offset) {
    io_uring_buf_ring_add(buffers->ring, buffers->bytes + id * buffers->buffer_bytes,
                          (unsigned)buffers->buffer_bytes, (unsigned short)id,
                          io_uring_buf_ring_mask(buffers->count_max), (int)offset);
}

static void grow(struct uring_buffers *buffers, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        give(buffers, buffers->count + i, i);
    }
    io_uring_buf_ring_advance(buffers->ring, (int)count);
    buffers->count += count;
}

/* io_uring_setup_buf_ring() came with liburing 2.4; this is what it does. */
int uring_buffers_init(struct uring_buffers *buffers, struct io_uring *ring,
                       const struct io_config *config) {
    struct io_uring_buf_reg wanted = {.ring_entries = config->buffers_max,
                                      .bgid = URING_BUFFER_GROUP};
    int result;

    *buffers = (struct uring_buffers){.buffer_bytes = config->buffer_bytes,
                                      .count_max = config->buffers_max};
    buffers->ring = map(ring_bytes(buffers));
    buffers->bytes = map(buffers->count_max * buffers->buffer_bytes);
    buffers->taken = malloc(buffers->count_max * sizeof(buffers->taken[0]));
    if (buffers->ring == NULL || buffers->bytes == NULL || buffers->taken == NULL) {
        return ENOMEM;
    }
    wanted.ring_addr = (uint64_t)(uintptr_t)buffers->ring;
    result = io_uring_register_buf_ring(ring, &wanted, 0);
    if (result != 0) {
        return -result;
    }
    io_uring_buf_ring_init(buffers->ring);
    grow(buffers, config->buffers_initial);
    return 0;
}

void uring_buffers_fini(struct uring_buffers *buffers) {
    if (buffers->ring != NULL) {
        (void)munmap(buffers->ring, ring_bytes(buffers));
    }
    if (buffers->bytes != NULL) {
        (void)munmap(buffers->bytes, buffers->count_max * buffers->buffer_bytes);
    }
    free(buffers->taken);
    *buffers = (struct uring_buffers){0};
}

const uint8_t *uring_buffers_take(struct uring_buffers *buffers, uint32_t cqe_flags) {
    uint32_t id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;

    ASSERT(id < buffers->count && buffers->taken_count < buffers->count);
    buffers->taken[buffers->taken_count++] = (uint16_t)id;
    return buffers->bytes + id * buffers->buffer_bytes;
}

void uring_buffers_trim(struct uring_buffers *buffers) {
    (void)madvise(buffers->bytes, buffers->count * buffers->buffer_bytes, MADV_DONTNEED);
}

void uring_buffers_return(struct uring_buffers *buffers) {
    for (unsigned i = 0; i < buffers->taken_count; i++) {
        give(buffers, buffers->taken[i], i);
    }
    if (buffers->taken_count > 0) {
        io_uring_buf_ring_advance(buffers->ring, (int)buffers->taken_count);
        buffers->taken_count = 0;
    }
    if (buffers->lacking && buffers->count < buffers->count_max) {
        unsigned more = buffers->count_max - buffers->count;

        grow(buffers, more < buffers->count ? more : buffers->count);
    }
    buffers->lacking = false;
}
