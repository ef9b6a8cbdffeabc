/* larder: values that tell whose they are
 *
 * Purpose: a value that carries its key's number, a sequence number and a checksum over all of its
 *   bytes, so that a torn, foreign or shortened value is recognised by itself. Used by the stress
 *   and the schedule tests.
 * Owner: none (pure functions).   Threads: any.   Memory: the caller's.
 * Limits: values of at least STAMP_BYTES_MIN bytes.   Errors: stamp_check answers NULL or a text.
 *
 *   +0 key u32 | +4 sequence u32 | +8 mix(key, sequence, length) u64 | +16.. bytes from that mix */
#ifndef LARDER_TESTS_STRESS_STAMP_H
#define LARDER_TESTS_STRESS_STAMP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { STAMP_BYTES_MIN = 16, STAMP_KEY_BYTES_MAX = 48 };

struct stamp {
    uint32_t key;
    uint32_t sequence;
};

/* splitmix64's finaliser */
static inline uint64_t stamp_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t stamp_seal(struct stamp stamp, size_t bytes) {
    return stamp_mix(((uint64_t)stamp.key << 32 | stamp.sequence) ^
                     (uint64_t)bytes * 0x9e3779b97f4a7c15u);
}

/* The 8 bytes at 16 + 8 x `word`. */
static inline uint64_t stamp_word(uint64_t seal, size_t word) {
    return (seal + word) * 0x9e3779b97f4a7c15u;
}

static inline void stamp_fill(uint8_t *value, size_t bytes, struct stamp stamp) {
    uint64_t seal = stamp_seal(stamp, bytes);

    memcpy(value, &stamp, 8);
    memcpy(value + 8, &seal, 8);
    for (size_t at = 16, word = 0; at < bytes; at += 8, word++) {
        uint64_t part = stamp_word(seal, word);

        memcpy(value + at, &part, bytes - at < 8 ? bytes - at : 8);
    }
}

/* NULL and *stamp when the value is whole, else what is wrong with it. */
static inline const char *stamp_check(const uint8_t *value, size_t bytes, struct stamp *stamp) {
    uint64_t seal;

    if (bytes < STAMP_BYTES_MIN)
        return "a value shorter than any that was stored";
    memcpy(stamp, value, 8);
    memcpy(&seal, value + 8, 8);
    if (seal != stamp_seal(*stamp, bytes))
        return "a value whose seal is wrong";
    for (size_t at = 16, word = 0; at < bytes; at += 8, word++) {
        uint64_t part = stamp_word(seal, word);

        if (memcmp(value + at, &part, bytes - at < 8 ? bytes - at : 8) != 0)
            return "a torn value";
    }
    return NULL;
}

/* The text of key `number`, 8 to 40 bytes by number; returns its length. */
static inline uint32_t stamp_key(char text[STAMP_KEY_BYTES_MAX], uint32_t number) {
    int len = snprintf(text, STAMP_KEY_BYTES_MAX, "key-%08x-%.*s", number, (int)(number % 24),
                       "abcdefghijklmnopqrstuvwxyz");

    return (uint32_t)len;
}

#endif
