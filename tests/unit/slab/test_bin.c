/* larder: tests of the chunks of one class */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "slab/bin.h"

#define MIB ((uint64_t)1 << 20)
#define PAGES 6u

struct fixture {
    struct slab_pool *pool;
    struct slab_bin bin;
    unsigned per_page;
};

static void fixture_open(struct fixture *f, unsigned class_id, unsigned pages) {
    f->pool = aligned_alloc(CACHE_LINE_BYTES, sizeof(*f->pool));
    assert_non_null(f->pool);
    struct slab_pool_config config = {
        .limit_bytes = 16 * MIB,
        .reserved_bytes = 16 * MIB,
        .partition_bytes = 16 * MIB,
        .page_bytes = 65536,
    };
    assert_true(slab_pool_init(f->pool, &config));
    assert_true(slab_pool_populate(f->pool));
    slab_bin_init(&f->bin, class_id);
    f->per_page = f->pool->classes.per_page[class_id];
    for (unsigned i = 0; i < pages; i++) {
        slab_bin_add_page(f->pool, &f->bin, slab_pool_take(f->pool, 0), 3);
    }
}

static void fixture_close(struct fixture *f) {
    slab_pool_fini(f->pool);
    free(f->pool);
}

static struct slab_page *page_of(struct fixture *f, uint64_t location) {
    return slab_page_of(f->pool, slab_location_page(f->pool, location));
}

static void every_chunk_is_taken_once_and_lies_in_its_page(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 1, 0);
    unsigned classes = f.pool->classes.count;
    fixture_close(&f);
    for (unsigned id = 1; id <= classes; id++) {
        fixture_open(&f, id, 2);
        uint32_t bytes = f.pool->classes.chunk_bytes[id];
        unsigned count = f.per_page * 2;
        uint64_t *taken = calloc(count, sizeof(*taken));
        assert_non_null(taken);
        for (unsigned i = 0; i < count; i++) {
            taken[i] = slab_bin_take(f.pool, &f.bin);
            assert_int_not_equal(taken[i], 0);
            assert_true(slab_bytes_to_page_end(f.pool, taken[i]) >= bytes);
            memset(slab_at(f.pool, taken[i]), (int)i & 0xff, bytes);
        }
        assert_int_equal(slab_bin_take(f.pool, &f.bin), 0);
        assert_int_equal(f.bin.chunks_free, 0);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(*slab_at(f.pool, taken[i]), i & 0xff);
            assert_int_equal(slab_at(f.pool, taken[i])[bytes - 1], i & 0xff);
            uint32_t page = slab_location_page(f.pool, taken[i]);
            unsigned index = slab_chunk_index(f.pool, taken[i]);
            assert_int_equal(slab_chunk_location(f.pool, page, index), taken[i]);
        }
        free(taken);
        fixture_close(&f);
    }
}

static void chunks_come_from_the_fullest_page_that_has_one(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 20, 3);
    uint64_t *taken = calloc(f.per_page * 3, sizeof(*taken));
    assert_non_null(taken);
    for (unsigned i = 0; i < f.per_page * 3; i++) {
        taken[i] = slab_bin_take(f.pool, &f.bin);
    }
    /* One page of three quarters, one of a quarter. */
    uint32_t full = slab_location_page(f.pool, taken[0]);
    uint32_t fuller = SLAB_NO_PAGE;
    unsigned given = 0;
    for (unsigned i = 0; i < f.per_page * 3; i++) {
        uint32_t page = slab_location_page(f.pool, taken[i]);
        fuller = fuller == SLAB_NO_PAGE && page != full ? page : fuller;
        if (page == fuller && given < f.per_page / 4) {
            given++;
            assert_int_equal(slab_bin_give(f.pool, &f.bin, taken[i]), SLAB_NO_PAGE);
        } else if (page != full && page != fuller && i % 4 != 0) {
            (void)slab_bin_give(f.pool, &f.bin, taken[i]);
        }
    }
    for (unsigned i = 0; i < given; i++) {
        assert_int_equal(slab_location_page(f.pool, slab_bin_take(f.pool, &f.bin)), fuller);
    }
    uint32_t emptiest = slab_bin_emptiest(f.pool, &f.bin, 0);
    assert_int_not_equal(emptiest, full);
    assert_int_not_equal(emptiest, fuller);
    /* Elsewhere than there nothing is free. */
    assert_int_equal(slab_bin_take_elsewhere(f.pool, &f.bin, emptiest), 0);
    assert_int_not_equal(slab_bin_take_elsewhere(f.pool, &f.bin, full), 0);
    free(taken);
    fixture_close(&f);
}

static void an_emptied_page_leaves_the_bin(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 30, 1);
    uint64_t first = slab_bin_take(f.pool, &f.bin);
    uint64_t second = slab_bin_take(f.pool, &f.bin);
    assert_int_equal(slab_bin_give(f.pool, &f.bin, first), SLAB_NO_PAGE);
    uint32_t page = slab_bin_give(f.pool, &f.bin, second);
    assert_int_equal(page, slab_location_page(f.pool, second));
    assert_int_equal(atom_load_relaxed(&f.bin.pages), 0);
    assert_int_equal(f.bin.chunks_free, 0);
    assert_int_equal(slab_bin_take(f.pool, &f.bin), 0);
    assert_int_equal(slab_bin_emptiest(f.pool, &f.bin, 0), SLAB_NO_PAGE);
    slab_bin_add_page(f.pool, &f.bin, page, 3);
    assert_int_not_equal(slab_bin_take(f.pool, &f.bin), 0);
    fixture_close(&f);
}

static void skipping_names_each_page_once(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 40, PAGES);
    uint64_t *taken = calloc(f.per_page * PAGES, sizeof(*taken));
    assert_non_null(taken);
    for (unsigned i = 0; i < f.per_page * PAGES; i++) {
        taken[i] = slab_bin_take(f.pool, &f.bin);
    }
    for (unsigned i = 0; i < f.per_page * PAGES; i += 3) {
        (void)slab_bin_give(f.pool, &f.bin, taken[i]);
    }
    bool seen[512] = {false};
    for (unsigned skip = 1; skip <= PAGES; skip++) {
        uint32_t page = slab_bin_emptiest(f.pool, &f.bin, skip);
        assert_int_not_equal(page, SLAB_NO_PAGE);
        assert_false(seen[page]);
        seen[page] = true;
    }
    assert_int_equal(slab_bin_emptiest(f.pool, &f.bin, PAGES + 1), SLAB_NO_PAGE);
    free(taken);
    fixture_close(&f);
}

static void used_chunks_are_found_in_order(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 1, 1);
    for (unsigned i = 0; i < f.per_page; i++) {
        (void)slab_bin_take(f.pool, &f.bin);
    }
    uint32_t page = slab_bin_emptiest(f.pool, &f.bin, 0);
    for (unsigned i = 0; i < f.per_page; i++) {
        if (i % 97 != 5) {
            (void)slab_bin_give(f.pool, &f.bin, slab_chunk_location(f.pool, page, i));
        }
    }
    unsigned index = 0;
    for (unsigned want = 5; want < f.per_page; want += 97) {
        index = slab_page_next_used(f.pool, page, index);
        assert_int_equal(index, want);
        index++;
    }
    assert_int_equal(slab_page_next_used(f.pool, page, index), f.per_page);
    fixture_close(&f);
}

static void lists_and_counts_hold_through_chance(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 25, PAGES);
    unsigned most = f.per_page * PAGES;
    uint64_t *taken = calloc(most, sizeof(*taken));
    assert_non_null(taken);
    unsigned count = 0;
    uint64_t random = 88172645463325252u;
    for (unsigned i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if ((random >> 5 & 1) != 0 && f.bin.chunks_free != 0) {
            taken[count++] = slab_bin_take(f.pool, &f.bin);
        } else if (count > 0) {
            unsigned which = (unsigned)(random >> 8) % count;
            uint64_t location = taken[which];
            taken[which] = taken[--count];
            assert_int_equal(atom_load_relaxed(&page_of(&f, location)->owner), 3);
            uint32_t page = slab_bin_give(f.pool, &f.bin, location);
            if (page != SLAB_NO_PAGE) {
                slab_bin_add_page(f.pool, &f.bin, page, 3);
            }
        }
        assert_int_equal(atom_load_relaxed(&f.bin.chunks_used), count);
        assert_int_equal(f.bin.chunks_free, most - count);
    }
    free(taken);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_is_taken_once_and_lies_in_its_page),
        cmocka_unit_test(chunks_come_from_the_fullest_page_that_has_one),
        cmocka_unit_test(an_emptied_page_leaves_the_bin),
        cmocka_unit_test(skipping_names_each_page_once),
        cmocka_unit_test(used_chunks_are_found_in_order),
        cmocka_unit_test(lists_and_counts_hold_through_chance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
