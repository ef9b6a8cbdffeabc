/* larder: the keys and values of a benchmark, made from numbers */
#include "bench/dataset.h"

#include <stdlib.h>

static bool limits_hold(const struct dataset *set) {
    return set->keys >= 1 && set->keys <= DATASET_KEYS_MAX && set->key_bytes >= DATASET_KEY_MIN &&
           set->key_bytes <= DATASET_KEY_MAX && set->size_min >= 1 &&
           set->size_min <= set->size_max && set->size_max <= DATASET_SIZE_MAX;
}

bool dataset_init(struct dataset *set) {
    set->noise = NULL;
    if (!limits_hold(set))
        return false;
    size_t words = ((size_t)set->size_max + DATASET_SHIFTS + 7) / 8;
    uint64_t *noise = malloc(words * 8);
    if (noise == NULL)
        return false;
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < words; i++)
        noise[i] = rng_next(&rng);
    set->noise = (char *)noise;
    return true;
}

void dataset_fini(struct dataset *set) {
    free(set->noise);
    set->noise = NULL;
}

/* Compares the overlap of the piece [at, at + count) with one part [from, from + part_bytes). */
struct piece {
    uint32_t at;
    uint32_t count;
    const char *bytes;
};

static bool part_agrees(const struct piece *piece, uint32_t from, const void *part,
                        uint32_t part_bytes) {
    uint32_t begin = piece->at > from ? piece->at : from;
    uint32_t piece_end = piece->at + piece->count;
    uint32_t part_end = from + part_bytes;
    uint32_t end = piece_end < part_end ? piece_end : part_end;
    if (begin >= end)
        return true;
    return memcmp(piece->bytes + (begin - piece->at), (const char *)part + (begin - from),
                  end - begin) == 0;
}

bool dataset_check(const struct dataset_value *value, uint32_t at, const char *bytes,
                   uint32_t count) {
    const struct piece piece = {.at = at, .count = count, .bytes = bytes};
    uint32_t body_at = value->head_bytes;
    uint32_t tail_at = body_at + value->body_bytes;
    return part_agrees(&piece, 0, &value->head, value->head_bytes) &&
           part_agrees(&piece, body_at, value->body, value->body_bytes) &&
           part_agrees(&piece, tail_at, &value->tail, value->tail_bytes);
}
