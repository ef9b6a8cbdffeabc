/* larder: tests of the size classes */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slab/classes.h"

#define MIB ((uint64_t)1 << 20)

static const uint32_t page_sizes[] = {16384, 65536};
static const uint64_t partition_sizes[] = {1,        MIB,       4 * MIB,   12 * MIB,  16 * MIB,
                                           32 * MIB, 100 * MIB, 128 * MIB, 512 * MIB, 32768 * MIB};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Calls check for every table that can be. */
static void each_table(void (*check)(const struct slab_classes *classes, uint64_t partition)) {
    for (unsigned i = 0; i < COUNT_OF(page_sizes); i++) {
        for (unsigned j = 0; j < COUNT_OF(partition_sizes); j++) {
            struct slab_classes classes;
            slab_classes_init(&classes, page_sizes[i], partition_sizes[j]);
            check(&classes, partition_sizes[j]);
        }
    }
}

static void check_order(const struct slab_classes *classes, uint64_t partition) {
    (void)partition;
    assert_in_range(classes->count, 10, SLAB_CLASSES_MAX);
    assert_int_equal(classes->chunk_bytes[1], SLAB_CHUNK_BYTES_MIN);
    assert_int_equal(slab_chunk_bytes_max(classes), classes->page_bytes / SLAB_LARGEST_PER_PAGE);
    for (unsigned i = 1; i <= classes->count; i++) {
        assert_int_equal(classes->chunk_bytes[i] % 8, 0);
        assert_true(i == 1 || classes->chunk_bytes[i] > classes->chunk_bytes[i - 1]);
        uint32_t room = classes->page_bytes - classes->lead_bytes[i];
        assert_int_equal(classes->per_page[i], room / classes->chunk_bytes[i]);
        bool long_bitmap = classes->page_bytes / classes->chunk_bytes[i] > SLAB_META_CHUNKS_MAX;
        assert_true(long_bitmap ? classes->lead_bytes[i] * 8 >= classes->per_page[i]
                                : classes->lead_bytes[i] == 0);
    }
}

static void sizes_rise_in_multiples_of_eight_to_a_quarter_page(void **state) {
    (void)state;
    each_table(check_order);
}

static void check_smallest(const struct slab_classes *classes, uint64_t partition) {
    (void)partition;
    uint32_t largest = slab_chunk_bytes_max(classes);
    for (uint32_t bytes = 1; bytes <= largest; bytes++) {
        unsigned id = slab_class_of(classes, bytes);
        assert_in_range(id, 1, classes->count);
        assert_true(classes->chunk_bytes[id] >= bytes);
        assert_true(id == 1 || classes->chunk_bytes[id - 1] < bytes);
    }
    assert_int_equal(slab_class_of(classes, 0), 1);
    assert_int_equal(slab_class_of(classes, largest + 1), 0);
    assert_int_equal(slab_class_of(classes, UINT64_MAX), 0);
}

static void every_size_finds_the_smallest_class_that_holds_it(void **state) {
    (void)state;
    each_table(check_smallest);
}

static void check_law(const struct slab_classes *classes, uint64_t partition) {
    uint64_t needed = (uint64_t)16 * classes->base_count * classes->page_bytes;
    struct slab_classes coarsest;
    slab_classes_init(&coarsest, classes->page_bytes, 1);
    assert_true(needed <= partition || classes->base_count == coarsest.base_count);
}

static void small_partitions_take_fewer_base_classes(void **state) {
    (void)state;
    each_table(check_law);
}

static void check_base(const struct slab_classes *classes, uint64_t partition) {
    (void)partition;
    uint32_t found = 0;
    for (unsigned i = 1; i <= classes->count; i++) {
        unsigned base = classes->base[i];
        assert_in_range(base, i, classes->count);
        assert_int_equal(classes->base[base], base);
        found += base == i;
    }
    assert_int_equal(found, classes->base_count);
    assert_int_equal(classes->base[classes->count], classes->count);
}

static void every_class_has_a_base_class_that_serves_it(void **state) {
    (void)state;
    each_table(check_base);
}

static bool has_class(const struct slab_classes *classes, uint32_t bytes) {
    unsigned id = slab_class_of(classes, bytes);
    return id != 0 && classes->chunk_bytes[id] == bytes;
}

static void above_512_bytes_every_page_by_n_is_a_class(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(page_sizes); i++) {
        struct slab_classes classes;
        slab_classes_init(&classes, page_sizes[i], (uint64_t)1 << 40);
        for (uint32_t n = SLAB_LARGEST_PER_PAGE; n <= page_sizes[i] / 512; n++) {
            assert_true(has_class(&classes, page_sizes[i] / n & ~7u));
        }
    }
}

static void steps_are_8_bytes_to_256_and_16_to_512(void **state) {
    (void)state;
    struct slab_classes classes;
    slab_classes_init(&classes, 65536, (uint64_t)1 << 40);
    for (uint32_t bytes = SLAB_CHUNK_BYTES_MIN; bytes <= 256; bytes += 8) {
        assert_true(has_class(&classes, bytes));
    }
    for (uint32_t bytes = 256; bytes <= 512; bytes += 16) {
        assert_true(has_class(&classes, bytes));
    }
}

static void dense_base_classes_waste_little_of_a_large_item(void **state) {
    (void)state;
    struct slab_classes classes;
    slab_classes_init(&classes, 65536, (uint64_t)1 << 40);
    uint32_t before = SLAB_CHUNK_BYTES_MIN;
    for (unsigned i = 1; i <= classes.count; i++) {
        uint32_t bytes = classes.chunk_bytes[i];
        if (classes.base[i] == i) {
            bool few = classes.per_page[i] <= 16;
            assert_true(bytes <= 512 || few || (uint64_t)(bytes - before) * 100 <= bytes * 11ul);
            before = bytes;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_rise_in_multiples_of_eight_to_a_quarter_page),
        cmocka_unit_test(every_size_finds_the_smallest_class_that_holds_it),
        cmocka_unit_test(small_partitions_take_fewer_base_classes),
        cmocka_unit_test(every_class_has_a_base_class_that_serves_it),
        cmocka_unit_test(above_512_bytes_every_page_by_n_is_a_class),
        cmocka_unit_test(steps_are_8_bytes_to_256_and_16_to_512),
        cmocka_unit_test(dense_base_classes_waste_little_of_a_large_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
