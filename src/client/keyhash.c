/* larder: the hashes by which memcached clients place keys */
#include "src/client/keyhash.h"

#include <md5.h>

static uint32_t load_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t rotate_left(uint32_t value, unsigned bits) {
    return value << bits | value >> (32 - bits);
}

void keyhash_md5_words(struct span text, uint32_t words[KEYHASH_MD5_WORDS]) {
    uint8_t digest[MD5_DIGEST_LENGTH];
    MD5_CTX context;

    MD5Init(&context);
    MD5Update(&context, text.data, text.len);
    MD5Final(digest, &context);
    for (unsigned i = 0; i < KEYHASH_MD5_WORDS; i++) {
        words[i] = load_u32(digest + 4 * i);
    }
}

uint32_t keyhash_md5(struct span key) {
    uint32_t words[KEYHASH_MD5_WORDS];

    keyhash_md5_words(key, words);
    return words[0];
}

uint32_t keyhash_one_at_a_time(struct span key) {
    uint32_t hash = 0;

    for (size_t i = 0; i < key.len; i++) {
        hash += ((uint32_t)key.data[i] ^ 0x80) - 0x80; /* the byte with its sign */
        hash += hash << 10;
        hash ^= hash >> 6;
    }
    hash += hash << 3;
    hash ^= hash >> 11;
    return hash + (hash << 15);
}

/* What each value of four bits adds: the remainder of its polynomial, reflected (0xedb88320). */
static const uint32_t crc_nibbles[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t keyhash_crc(struct span key) {
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < key.len; i++) {
        crc ^= key.data[i];
        crc = crc >> 4 ^ crc_nibbles[crc & 15];
        crc = crc >> 4 ^ crc_nibbles[crc & 15];
    }
    return ~crc >> 16 & 0x7fff;
}

static uint32_t murmur3_scramble(uint32_t word) {
    return rotate_left(word * 0xcc9e2d51u, 15) * 0x1b873593u;
}

static uint32_t murmur3_add(uint32_t state, uint32_t word) {
    return rotate_left(state ^ murmur3_scramble(word), 13) * 5 + 0xe6546b64u;
}

/* Takes the text; what makes no whole word stays in the carry. */
static void murmur3_take(struct keyhash_murmur3 *hash, struct span text) {
    uint64_t pending = hash->carry;
    size_t at = 0;

    for (; text.len - at >= 4; at += 4) {
        pending |= (uint64_t)load_u32(text.data + at) << hash->carry_bits;
        hash->state = murmur3_add(hash->state, (uint32_t)pending);
        pending >>= 32;
    }
    for (; at < text.len; at++) {
        pending |= (uint64_t)text.data[at] << hash->carry_bits;
        hash->carry_bits += 8;
    }
    if (hash->carry_bits >= 32) {
        hash->state = murmur3_add(hash->state, (uint32_t)pending);
        pending >>= 32;
        hash->carry_bits -= 32;
    }
    hash->carry = (uint32_t)pending;
    hash->bytes += (uint32_t)text.len;
}

struct keyhash_murmur3 keyhash_murmur3_begin(struct span head) {
    struct keyhash_murmur3 hash = {.state = 0};

    murmur3_take(&hash, head);
    return hash;
}

uint32_t keyhash_murmur3_end(struct keyhash_murmur3 head, struct span tail) {
    murmur3_take(&head, tail);
    if (head.carry_bits > 0) {
        head.state ^= murmur3_scramble(head.carry);
    }
    uint32_t hash = head.state ^ head.bytes;

    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}
