/* larder: the key's hash modulo the number of servers, which is what old clients do by default */
#include "src/client/ring_kind.h"

uint32_t ring_modula_pick(const struct ring *ring, struct span key) {
    return ring->kind->key_hash(key) % ring->server_count;
}

void ring_modula_share(const struct ring *ring, double *shares) {
    uint64_t hashes = (uint64_t)1 << ring->kind->key_hash_bits;

    for (uint32_t i = 0; i < ring->server_count; i++) {
        uint64_t mine = hashes / ring->server_count + (i < hashes % ring->server_count);

        shares[i] = (double)mine / (double)hashes;
    }
}
