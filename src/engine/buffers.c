/* larder: a core's memory for connections */
#include "src/engine/buffers.h"

#include <stdlib.h>

#include "src/base/atomic.h"

void buffers_init(struct buffers *buffers, uint64_t bytes_max) {
    *buffers = (struct buffers){.bytes_max = bytes_max};
}

static void buffers_free_list(struct buffers_free *list) {
    while (list) {
        struct buffers_free *next = list->next;

        free(list);
        list = next;
    }
}

void buffers_trim(struct buffers *buffers) {
    uint64_t bytes = atom_load_relaxed(&buffers->free_bytes);
    buffers_free_list(buffers->small_free);
    buffers_free_list(buffers->block_free);
    buffers->small_free = NULL;
    buffers->block_free = NULL;
    buffers->small_kept = 0;
    buffers->block_kept = 0;
    atom_own_add(&buffers->free_bytes, (uint64_t)0 - bytes);
    atom_own_add(&buffers->used_bytes, (uint64_t)0 - bytes);
}

void buffers_fini(struct buffers *buffers) {
    ASSERT(atom_load_relaxed(&buffers->used_bytes) == atom_load_relaxed(&buffers->free_bytes));
    buffers_trim(buffers);
    *buffers = (struct buffers){0};
}

static void *buffers_allocate(struct buffers *buffers, size_t bytes) {
    uint64_t used_bytes = atom_load_relaxed(&buffers->used_bytes);
    void *memory = NULL;

    if (used_bytes <= buffers->bytes_max && bytes <= buffers->bytes_max - used_bytes) {
        memory = malloc(bytes);
    }
    if (memory) {
        atom_store_relaxed(&buffers->used_bytes, used_bytes + bytes);
    } else {
        atom_own_add(&buffers->refused, 1);
    }
    return memory;
}

static void *buffers_take_kept(struct buffers *buffers, struct buffers_free **list, uint32_t *kept,
                               size_t bytes) {
    struct buffers_free *memory = *list;

    *list = memory->next;
    (*kept)--;
    atom_own_add(&buffers->free_bytes, (uint64_t)0 - bytes);
    return memory;
}

void *buffers_take(struct buffers *buffers, size_t bytes_min, size_t *bytes) {
    if (bytes_min > BUFFERS_BLOCK_BYTES) {
        *bytes = bytes_min;
        return buffers_allocate(buffers, bytes_min);
    }
    if (bytes_min > BUFFERS_SMALL_BYTES) {
        *bytes = BUFFERS_BLOCK_BYTES;
        return buffers->block_free
                   ? buffers_take_kept(buffers, &buffers->block_free, &buffers->block_kept,
                                       BUFFERS_BLOCK_BYTES)
                   : buffers_allocate(buffers, BUFFERS_BLOCK_BYTES);
    }
    *bytes = BUFFERS_SMALL_BYTES;
    return buffers->small_free ? buffers_take_kept(buffers, &buffers->small_free,
                                                   &buffers->small_kept, BUFFERS_SMALL_BYTES)
                               : buffers_allocate(buffers, BUFFERS_SMALL_BYTES);
}

static bool buffers_keep(struct buffers *buffers, struct buffers_free **list, uint32_t *kept,
                         void *memory, size_t bytes) {
    struct buffers_free *entry = memory;

    if (*kept >= BUFFERS_KEPT_MAX) {
        return false;
    }
    entry->next = *list;
    *list = entry;
    (*kept)++;
    atom_own_add(&buffers->free_bytes, bytes);
    return true;
}

void buffers_give(struct buffers *buffers, void *memory, size_t bytes) {
    bool kept = false;

    if (bytes == BUFFERS_BLOCK_BYTES) {
        kept = buffers_keep(buffers, &buffers->block_free, &buffers->block_kept, memory, bytes);
    } else if (bytes == BUFFERS_SMALL_BYTES) {
        kept = buffers_keep(buffers, &buffers->small_free, &buffers->small_kept, memory, bytes);
    }
    if (!kept) {
        free(memory);
        atom_own_add(&buffers->used_bytes, (uint64_t)0 - bytes);
    }
}
