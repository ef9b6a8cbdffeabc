/* larder: memcached's classic text protocol, from the client's side.
 *
 * Purpose: the functions of the `ascii` row of codec_table (bench/codec.h says what each must do).
 * Owner, Threads, Memory, Errors: as in bench/codec.h.
 * Limits: `get` and `set` only; flags and expiry 0; the flags of a reply must be 0.
 */
#ifndef LARDER_BENCH_CODEC_ASCII_H
#define LARDER_BENCH_CODEC_ASCII_H

#include "bench/codec.h"

size_t ascii_get_bytes_max(const struct dataset *set, uint32_t keys);
size_t ascii_set_bytes_max(const struct dataset *set);
void ascii_get(struct outq *out, const struct dataset *set, const uint64_t *tokens, uint32_t keys);
void ascii_set(struct outq *out, const struct dataset *set, uint64_t token);
enum feed_result ascii_feed(struct reply *reply, const struct op *op, const uint64_t *tokens,
                            struct feed *in);

#endif
