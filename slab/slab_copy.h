/* larder: the only way bytes enter and leave slab memory
 *
 * Purpose: readers copy out of chunks that a writer may be changing; what they copied is thrown
 *   away when the bucket's version has moved. Such a race is made harmless here and nowhere else:
 *   the release build copies with a memcpy that the compiler cannot see through, ThreadSanitizer
 *   builds and schedule tests copy with relaxed atomic words.
 * Owner: none.   Threads: any; the caller's version check decides whether the bytes mean anything.
 * Memory: `chunk` lies in the arena, the other side is private to the caller.
 * Limits: none.   Errors: none.
 * Source: seqlock readers as in H.-J. Boehm, "Can seqlocks get along with programming language
 *   memory models?", MSPC 2012. */
#ifndef LARDER_SLAB_SLAB_COPY_H
#define LARDER_SLAB_SLAB_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private memory -> slab memory. */
void slab_fill(uint8_t *chunk, const uint8_t *from, size_t bytes);
/* Slab memory -> private memory. */
void slab_copy_out(uint8_t *to, const uint8_t *chunk, size_t bytes);
/* Slab memory -> slab memory (page moves, chains); the ranges do not overlap. */
void slab_move(uint8_t *to_chunk, const uint8_t *from_chunk, size_t bytes);
/* Whether the bytes are equal, as far as a racing reader can tell. */
bool slab_equal(const uint8_t *chunk, const uint8_t *with, size_t bytes);

/* A direct receive into slab memory goes through this buffer where the kernel's writes would be
 * reported (ThreadSanitizer); elsewhere the kernel writes to the chunk itself. */
#if LARDER_TSAN || defined(LARDER_SCHEDULE)
#define SLAB_RECEIVES_DIRECTLY 0
#else
#define SLAB_RECEIVES_DIRECTLY 1
#endif

#endif
