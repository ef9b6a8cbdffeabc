/* larder: the only way bytes enter and leave slab memory */
#include "slab/slab_copy.h"

#include <string.h>

#include "src/base/atomic.h"

#if LARDER_TSAN || defined(LARDER_SCHEDULE)

static uint64_t word_load(const uint8_t *chunk, unsigned bytes) {
    if (bytes == 8) {
        return atom_load_relaxed((const _Atomic uint64_t *)(const void *)chunk);
    }
    return atom_load_relaxed((const _Atomic uint8_t *)(const void *)chunk);
}

static void word_store(uint8_t *chunk, uint64_t value, unsigned bytes) {
    if (bytes == 8) {
        atom_store_relaxed((_Atomic uint64_t *)(void *)chunk, value);
    } else {
        atom_store_relaxed((_Atomic uint8_t *)(void *)chunk, (uint8_t)value);
    }
}

/* The widest access that `chunk` allows with `left` bytes to go. */
static unsigned word_bytes(const uint8_t *chunk, size_t left) {
    return left >= 8 && ((uintptr_t)chunk & 7) == 0 ? 8 : 1;
}

void slab_fill(uint8_t *chunk, const uint8_t *from, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        unsigned width = word_bytes(chunk + at, bytes - at);
        uint64_t value = 0;
        memcpy(&value, from + at, width);
        word_store(chunk + at, value, width);
        at += width;
    }
}

void slab_copy_out(uint8_t *to, const uint8_t *chunk, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        unsigned width = word_bytes(chunk + at, bytes - at);
        uint64_t value = word_load(chunk + at, width);
        memcpy(to + at, &value, width);
        at += width;
    }
}

void slab_move(uint8_t *to_chunk, const uint8_t *from_chunk, size_t bytes) {
    for (size_t at = 0; at < bytes; at++) {
        word_store(to_chunk + at, word_load(from_chunk + at, 1), 1);
    }
}

bool slab_equal(const uint8_t *chunk, const uint8_t *with, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        unsigned width = word_bytes(chunk + at, bytes - at);
        uint64_t value = word_load(chunk + at, width);
        if (memcmp(&value, with + at, width) != 0) {
            return false;
        }
        at += width;
    }
    return true;
}

#else

/* Hides the memory behind `pointer` from the optimiser, so that no access below is assumed to be
 * race-free, repeated or left out. */
#define OPAQUE(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

static inline uint64_t word_of(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, sizeof(word));
    return word;
}

void slab_fill(uint8_t *chunk, const uint8_t *from, size_t bytes) {
    if (bytes == 0) { /* `from` may be NULL then, which memcpy does not allow */
        return;
    }
    OPAQUE(chunk);
    memcpy(chunk, from, bytes);
    OPAQUE(chunk);
}

void slab_copy_out(uint8_t *to, const uint8_t *chunk, size_t bytes) {
    OPAQUE(chunk);
    memcpy(to, chunk, bytes);
    OPAQUE(chunk);
}

void slab_move(uint8_t *to_chunk, const uint8_t *from_chunk, size_t bytes) {
    OPAQUE(from_chunk);
    memcpy(to_chunk, from_chunk, bytes);
    OPAQUE(to_chunk);
}

bool slab_equal(const uint8_t *chunk, const uint8_t *with, size_t bytes) {
    OPAQUE(chunk);
    if (bytes - 8 <= 8) { /* keys of 8 to 16 bytes: two words, which may overlap */
        return ((word_of(chunk) ^ word_of(with)) |
                (word_of(chunk + bytes - 8) ^ word_of(with + bytes - 8))) == 0;
    }
    return memcmp(chunk, with, bytes) == 0;
}

#endif
