/* larder: what larder_get_or_compute() stores behind a value */
#include "src/client/record.h"

#include <math.h>

enum { KIND_VALUE = 1, KIND_FAILURE = 2, DUE_AT = 0, COST_AT = 8, KIND_AT = 12, MARK_AT = 16 };

static const uint8_t mark[8] = {'l', 'a', 'r', 'd', 'e', 'r', 0x1a, 0};

static uint64_t read_number(const uint8_t *from, unsigned bytes) {
    uint64_t number = 0;

    for (unsigned i = bytes; i > 0; i--) {
        number = number << 8 | from[i - 1];
    }
    return number;
}

static void write_number(uint8_t *to, unsigned bytes, uint64_t number) {
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(number >> (8 * i));
    }
}

struct record record_read(struct span stored) {
    struct record record = {.value = stored};

    if (stored.len < RECORD_TRAILER_BYTES) {
        return record;
    }
    const uint8_t *trailer = stored.data + stored.len - RECORD_TRAILER_BYTES;
    uint64_t kind = read_number(trailer + KIND_AT, 4);

    if (memcmp(trailer + MARK_AT, mark, sizeof(mark)) != 0 ||
        (kind != KIND_VALUE && kind != KIND_FAILURE)) {
        return record;
    }
    record.value.len -= RECORD_TRAILER_BYTES;
    record.due_ms = read_number(trailer + DUE_AT, 8);
    record.cost_us = (uint32_t)read_number(trailer + COST_AT, 4);
    record.is_failure = kind == KIND_FAILURE;
    return record;
}

void record_write_trailer(const struct record *record, uint8_t to[RECORD_TRAILER_BYTES]) {
    write_number(to + DUE_AT, 8, record->due_ms);
    write_number(to + COST_AT, 4, record->cost_us);
    write_number(to + KIND_AT, 4, record->is_failure ? KIND_FAILURE : KIND_VALUE);
    memcpy(to + MARK_AT, mark, sizeof(mark));
}

bool record_is_early(const struct record *record, uint64_t remaining_ms, uint32_t early_percent,
                     uint64_t random) {
    /* in (0, 1] */
    double drawn = ((double)(random >> 11) + 1.0) * 0x1p-53;
    double ahead_ms = (double)record->cost_us / 1e3 * ((double)early_percent / 100.0) * -log(drawn);

    return ahead_ms > 0 && ahead_ms >= (double)remaining_ms;
}
