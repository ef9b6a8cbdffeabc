/* larder: the keys and values of a benchmark, made from numbers.
 *
 * Purpose: key number i has one text and one value, both computable from i, so that every reply can
 *     be checked byte by byte without keeping a copy of what was stored, and a value of another
 *     key, of another length, cut, shifted or torn is seen.
 * Owner: the program; one struct for the run, read-only once made.
 * Threads: any number read it.
 * Memory: one block of noise of size_max + 32 KiB bytes, freed by dataset_fini().
 * Limits: key texts of 16 to 250 bytes; values of 1 byte to 64 MiB; up to 2^32 keys.
 * Errors: dataset_init() returns false when there is no memory or a limit is broken.
 *
 * A key's token is a bijection of its number, so tokens never collide; all else follows from it.
 *
 *     key    16 hexadecimal digits of the token, then `key_bytes - 16` times 'k'
 *     size   size_min + token-chosen part of (size_max - size_min)
 *
 *     value  0        8                            n - 8      n
 *            +--------+-----------------------------+---------+
 *            | stamp  | noise[at, at + n - 16)      | stamp'  |     n >= 16
 *            +--------+-----------------------------+---------+
 *            stamp = mix(token, n), stamp' = its complement, at = token mod 32768
 *            8 <= n < 16: stamp, then noise; n < 8: the first n bytes of the stamp
 *
 * The noise is binary and holds CR, LF and NUL like any client's data may.
 */
#ifndef LARDER_BENCH_DATASET_H
#define LARDER_BENCH_DATASET_H

#include "bench/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    DATASET_KEY_MIN = 16,
    DATASET_KEY_MAX = 250,
    DATASET_STAMP = 8,
    DATASET_SHIFTS = 32768,
};

#define DATASET_SIZE_MAX (UINT32_C(64) << 20)
#define DATASET_KEYS_MAX (UINT64_C(1) << 32)

struct dataset {
    uint64_t keys;
    uint32_t key_bytes;
    uint32_t size_min;
    uint32_t size_max;
    char *noise;
};

/* The three parts of a value; head and tail are by value, the middle points into the noise. */
struct dataset_value {
    uint32_t size;
    uint32_t head_bytes;
    uint32_t tail_bytes;
    uint32_t body_bytes;
    uint64_t head;
    uint64_t tail;
    const char *body;
};

/* Fills in the noise; the caller has set the four numbers. */
bool dataset_init(struct dataset *set) __attribute__((warn_unused_result));
void dataset_fini(struct dataset *set);

static inline uint64_t dataset_token(uint64_t number) {
    return rng_mix(number + RNG_STEP);
}

static inline uint32_t dataset_size(const struct dataset *set, uint64_t token) {
    uint64_t span = (uint64_t)set->size_max - set->size_min + 1;
    return set->size_min + (uint32_t)(((token & UINT32_MAX) * span) >> 32);
}

/* Eight hexadecimal digits of `word`, most significant first, as the bytes of a little-endian word:
 * the nibbles are spread to one a byte, then 6 is added to find those above 9. */
static inline uint64_t dataset_hex(uint32_t word) {
    uint64_t x = __builtin_bswap32(word);
    x = (x | (x << 16)) & UINT64_C(0x0000FFFF0000FFFF);
    x = (x | (x << 8)) & UINT64_C(0x00FF00FF00FF00FF);
    x = ((x >> 4) & UINT64_C(0x000F000F000F000F)) | ((x & UINT64_C(0x000F000F000F000F)) << 8);
    uint64_t above_nine = ((x + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    return x + UINT64_C(0x3030303030303030) + above_nine * 39;
}

/* Writes the key's text, `key_bytes` long, and returns its end. */
static inline char *dataset_key(const struct dataset *set, uint64_t token, char *out) {
    uint64_t high = dataset_hex((uint32_t)(token >> 32));
    uint64_t low = dataset_hex((uint32_t)token);
    memcpy(out, &high, 8);
    memcpy(out + 8, &low, 8);
    if (set->key_bytes > DATASET_KEY_MIN)
        memset(out + DATASET_KEY_MIN, 'k', set->key_bytes - DATASET_KEY_MIN);
    return out + set->key_bytes;
}

/* The value that belongs to a token when it is `size` bytes long. */
static inline struct dataset_value dataset_value(const struct dataset *set, uint64_t token,
                                                 uint32_t size) {
    struct dataset_value value;
    value.size = size;
    value.head = rng_mix(token ^ ((uint64_t)size << 32));
    value.tail = ~value.head;
    value.head_bytes = size < DATASET_STAMP ? size : DATASET_STAMP;
    value.tail_bytes = size < 2 * DATASET_STAMP ? 0 : DATASET_STAMP;
    value.body_bytes = size - value.head_bytes - value.tail_bytes;
    value.body = set->noise + token % DATASET_SHIFTS;
    return value;
}

/* Copies the whole value to `out`, returns its end. */
static inline char *dataset_write(const struct dataset_value *value, char *out) {
    memcpy(out, &value->head, value->head_bytes);
    out += value->head_bytes;
    memcpy(out, value->body, value->body_bytes);
    out += value->body_bytes;
    memcpy(out, &value->tail, value->tail_bytes);
    return out + value->tail_bytes;
}

/* Whether `bytes` are the value's bytes [at, at + count), at + count <= size: values may be checked
 * in pieces as they arrive. */
bool dataset_check(const struct dataset_value *value, uint32_t at, const char *bytes,
                   uint32_t count) __attribute__((warn_unused_result));

#endif
