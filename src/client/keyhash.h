/* larder: the hashes by which memcached clients place keys
 *
 * Purpose: each function gives what the clients named beside it compute, bit for bit, on every
 *   machine. None of them is for secrets: MD5 here spreads points, it authenticates nothing.
 * Owner: none.   Threads: any.   Memory: none.   Limits: none.   Errors: none.
 *
 * MD5 is libmd's (Debian: libmd-dev): libcrypto would bring megabytes and its start-up to a program
 * that only maps keys, and a build without TLS must place keys as well; libmd does just this, is on
 * every Debian because dpkg needs it, and takes one call a block. This file's source is the only
 * one that names it.
 *
 * Sources: RFC 1321 (MD5); B. Jenkins, "Hash functions", Dr. Dobb's Journal, 1997 (one-at-a-time);
 * A. Appleby, MurmurHash3_x86_32, 2011; ISO 3309 (CRC-32). */
#ifndef LARDER_CLIENT_KEYHASH_H
#define LARDER_CLIENT_KEYHASH_H

#include "src/base/span.h"

enum { KEYHASH_MD5_WORDS = 4 };

/* The digest's four words, little-endian each: four points of a ketama ring. */
void keyhash_md5_words(struct span text, uint32_t words[KEYHASH_MD5_WORDS]);

/* The first of them: the hash of a key on an MD5 ring. */
uint32_t keyhash_md5(struct span key);

/* Jenkins's one-at-a-time as libmemcached has it: bytes above 127 are added as negative numbers,
 * whatever the machine's char is. */
uint32_t keyhash_one_at_a_time(struct span key);

/* Bits 16 to 30 of the CRC-32: libmemcached's HASH_CRC, Cache::Memcached, python-memcache. */
uint32_t keyhash_crc(struct span key);

/* MurmurHash3 (x86, 32 bits, seed 0) of a text that is known in two parts: the first is taken once,
 * the second for each key. pymemcache's hash. */
struct keyhash_murmur3 {
    uint32_t state;
    uint32_t carry;      /* the bytes behind the last whole word, little-endian */
    uint32_t carry_bits; /* 0, 8, 16 or 24 */
    uint32_t bytes;
};

struct keyhash_murmur3 keyhash_murmur3_begin(struct span head);
uint32_t keyhash_murmur3_end(struct keyhash_murmur3 head, struct span tail);

#endif
