/* larder: tests of copying into and out of slab memory */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "slab/slab_copy.h"

#define BYTES 700u
#define GUARD 16u

static void fill_with(uint8_t *memory, size_t bytes, unsigned seed) {
    for (size_t i = 0; i < bytes; i++) {
        memory[i] = (uint8_t)(i * 31 + seed);
    }
}

static void all_of(const uint8_t *memory, size_t bytes, uint8_t value) {
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(memory[i], value);
    }
}

static void bytes_arrive_as_they_were_at_any_offset_and_length(void **state) {
    (void)state;
    _Alignas(64) uint8_t chunk[BYTES + 2 * GUARD];
    _Alignas(64) uint8_t other[BYTES + 2 * GUARD];
    uint8_t from[BYTES + GUARD];
    uint8_t to[BYTES + 2 * GUARD];
    fill_with(from, sizeof(from), 3);
    for (size_t offset = 0; offset < GUARD; offset++) {
        for (size_t bytes = 0; bytes < BYTES; bytes += bytes < 80 ? 1 : 31) {
            memset(chunk, 0xee, sizeof(chunk));
            memset(other, 0xdd, sizeof(other));
            memset(to, 0xcc, sizeof(to));
            slab_fill(chunk + offset, from + offset % 5, bytes);
            all_of(chunk, offset, 0xee);
            all_of(chunk + offset + bytes, GUARD, 0xee);
            slab_move(other + 3, chunk + offset, bytes);
            all_of(other, 3, 0xdd);
            all_of(other + 3 + bytes, GUARD, 0xdd);
            slab_copy_out(to + 1, other + 3, bytes);
            all_of(to, 1, 0xcc);
            all_of(to + 1 + bytes, GUARD, 0xcc);
            assert_true(bytes == 0 || memcmp(to + 1, from + offset % 5, bytes) == 0);
            assert_true(slab_equal(chunk + offset, from + offset % 5, bytes));
        }
    }
}

static void one_other_byte_makes_a_difference(void **state) {
    (void)state;
    _Alignas(64) uint8_t chunk[BYTES];
    uint8_t with[BYTES];
    fill_with(chunk, sizeof(chunk), 9);
    for (size_t bytes = 1; bytes < 100; bytes++) {
        for (size_t at = 0; at < bytes; at++) {
            memcpy(with, chunk + 5, bytes);
            with[at] ^= 1;
            assert_false(slab_equal(chunk + 5, with, bytes));
        }
    }
    assert_true(slab_equal(chunk, with, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_as_they_were_at_any_offset_and_length),
        cmocka_unit_test(one_other_byte_makes_a_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
