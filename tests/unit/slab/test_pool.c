/* larder: tests of the page pool */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "slab/pool.h"

#define MIB ((uint64_t)1 << 20)

static struct slab_pool *pool_open(uint64_t limit_bytes, uint64_t reserved_bytes,
                                   unsigned nodes) {
    struct slab_pool *pool = aligned_alloc(CACHE_LINE_BYTES, sizeof(*pool));
    assert_non_null(pool);
    struct slab_pool_config config = {
        .limit_bytes = limit_bytes,
        .reserved_bytes = reserved_bytes,
        .partition_bytes = limit_bytes,
        .page_bytes = 16384,
        .nodes = (const int[]){0, 1},
        .nodes_given = nodes,
    };
    assert_true(slab_pool_init(pool, &config));
    return pool;
}

static void pool_close(struct slab_pool *pool) {
    slab_pool_fini(pool);
    free(pool);
}

static void populate_all(struct slab_pool *pool) {
    while (slab_pool_populate(pool)) {
    }
}

static uint64_t resident(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->pages_resident);
}

static uint64_t used(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->pages_used);
}

static void nothing_is_handed_out_before_it_is_populated(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, 8 * MIB, 1);
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    assert_true(slab_pool_can_populate(pool));
    assert_true(slab_pool_is_low(pool));
    assert_false(slab_pool_can_take(pool));
    assert_true(slab_pool_populate(pool));
    assert_int_equal(resident(pool), pool->pages_per_extent);
    assert_true(slab_pool_can_take(pool));
    assert_int_not_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    pool_close(pool);
}

static void no_page_is_handed_out_twice_and_none_above_the_limit(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(5 * MIB, 5 * MIB, 1);
    populate_all(pool);
    uint8_t *seen = calloc(pool->pages_reserved, 1);
    assert_non_null(seen);
    uint64_t count = 0;
    for (;;) {
        uint32_t page = slab_pool_take(pool, 0);
        if (page == SLAB_NO_PAGE) {
            break;
        }
        assert_true(page < pool->pages_reserved);
        assert_int_equal(seen[page], 0);
        seen[page] = 1;
        memset(slab_page_memory(pool, page), 0xa5, slab_page_bytes(pool));
        count++;
    }
    assert_int_equal(count, 5 * MIB / 16384);
    assert_int_equal(used(pool), count);
    assert_false(slab_pool_can_populate(pool));
    assert_false(slab_pool_populate(pool));
    free(seen);
    pool_close(pool);
}

static void a_page_given_back_can_be_had_again(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(2 * MIB, 2 * MIB, 1);
    populate_all(pool);
    uint32_t pages[128];
    for (unsigned i = 0; i < 128; i++) {
        pages[i] = slab_pool_take(pool, 0);
    }
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    for (unsigned i = 0; i < 128; i += 2) {
        slab_pool_give(pool, pages[i]);
    }
    assert_int_equal(used(pool), 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_not_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    }
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    pool_close(pool);
}

static void a_node_without_pages_takes_anothers(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(4 * MIB, 4 * MIB, 2);
    assert_true(slab_pool_populate(pool));
    assert_int_equal(pool->nodes[0].free_count, 128);
    assert_int_equal(pool->nodes[1].free_count, 0);
    uint32_t page = slab_pool_take(pool, 1);
    assert_int_not_equal(page, SLAB_NO_PAGE);
    slab_pool_give(pool, page);
    /* back to where its memory is */
    assert_int_equal(pool->nodes[0].free_count, 128);
    assert_int_equal(pool->nodes[1].free_count, 0);
    pool_close(pool);
}

static void a_lowered_limit_lets_memory_go_and_a_raised_one_brings_it_back(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(16 * MIB, 16 * MIB, 1);
    populate_all(pool);
    assert_int_equal(resident(pool), 1024);
    uint32_t first = slab_pool_take(pool, 0);
    memset(slab_page_memory(pool, first), 1, slab_page_bytes(pool));
    slab_pool_give(pool, first);
    slab_pool_limit_set(pool, 4 * MIB);
    while (slab_pool_release(pool, true)) {
    }
    /* The rest of one extent may stay. */
    assert_true(resident(pool) <= 256 + pool->pages_per_extent);
    assert_int_equal(slab_pool_excess_used(pool), 0);
    slab_pool_limit_set(pool, 12 * MIB);
    populate_all(pool);
    assert_true(resident(pool) >= 768);
    for (unsigned i = 0; i < 768; i++) {
        uint32_t page = slab_pool_take(pool, 0);
        assert_int_not_equal(page, SLAB_NO_PAGE);
        memset(slab_page_memory(pool, page), 2, slab_page_bytes(pool));
    }
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    pool_close(pool);
}

static void released_memory_is_out_of_ram_and_reads_as_zeros(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, 8 * MIB, 1);
    populate_all(pool);
    memset(pool->base, 7, 8 * MIB);
    slab_pool_limit_set(pool, 2 * MIB);
    while (slab_pool_release(pool, true)) {
    }
    unsigned char in_ram[8 * MIB / 4096];
    assert_int_equal(mincore(pool->base, 8 * MIB, in_ram), 0);
    unsigned pages = 0;
    uint64_t sum = 0;
    for (unsigned i = 0; i < sizeof(in_ram); i++) {
        pages += in_ram[i] & 1u;
    }
    assert_true(pages <= 4 * MIB / 4096);
    for (uint64_t i = 0; i < 8 * MIB; i += 4096) {
        sum += pool->base[i];
    }
    assert_int_equal(sum, (uint64_t)pages * 7);
    pool_close(pool);
}

/* Extents of the arena that are in memory as a whole, and those in part. */
static void count_extents(const struct slab_pool *pool, unsigned *whole, unsigned *part) {
    static unsigned char in_ram[SLAB_EXTENT_BYTES / 4096];
    *whole = 0;
    *part = 0;
    for (uint64_t at = 0; at < pool->reserved_bytes; at += SLAB_EXTENT_BYTES) {
        unsigned pages = 0;
        assert_int_equal(mincore(pool->base + at, SLAB_EXTENT_BYTES, in_ram), 0);
        for (unsigned i = 0; i < sizeof(in_ram); i++) {
            pages += in_ram[i] & 1u;
        }
        *whole += pages == sizeof(in_ram) ? 1 : 0;
        *part += pages != 0 && pages != sizeof(in_ram) ? 1 : 0;
    }
}

static void memory_goes_back_in_whole_extents(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(16 * MIB, 16 * MIB, 1);
    populate_all(pool);
    uint32_t pages[1024];
    for (unsigned i = 0; i < 1024; i++) {
        pages[i] = slab_pool_take(pool, 0);
        memset(slab_page_memory(pool, pages[i]), 1, slab_page_bytes(pool));
        atom_store_relaxed(&slab_page_of(pool, pages[i])->kind, (uint8_t)SLAB_PAGE_CHUNKS);
    }
    /* Every other page is free: no extent is. */
    for (unsigned i = 0; i < 1024; i += 2) {
        slab_pool_give(pool, pages[i]);
    }
    slab_pool_limit_set(pool, 8 * MIB);
    while (slab_pool_release(pool, true)) {
    }
    assert_int_equal(resident(pool), 1024);
    assert_true(atom_load_relaxed(&pool->leaving_extents) != 0);
    /* The owners empty what is to leave. */
    uint32_t at = 0;
    uint32_t page;
    while ((page = slab_pool_leaving(pool, &at)) != SLAB_NO_PAGE) {
        slab_pool_give(pool, page);
        uint32_t other = slab_pool_take(pool, 0);
        assert_int_not_equal(other, SLAB_NO_PAGE);
        assert_int_equal(
            atom_load_relaxed(&pool->extents[other / pool->pages_per_extent].leaving), 0);
    }
    while (slab_pool_release(pool, true)) {
    }
    assert_true(resident(pool) <= 512 + pool->pages_per_extent);
    unsigned whole;
    unsigned part;
    count_extents(pool, &whole, &part);
    assert_true(whole <= 5);
    assert_int_equal(part, 0);
    assert_int_equal(atom_load_relaxed(&pool->leaving_extents), 0);
    /* And they come back whole. */
    slab_pool_limit_set(pool, 16 * MIB);
    populate_all(pool);
    assert_int_equal(resident(pool), 1024);
    count_extents(pool, &whole, &part);
    assert_int_equal(whole, 8);
    pool_close(pool);
}

static void tables_stay_together_and_go_back_page_by_page(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(16 * MIB, 16 * MIB, 1);
    populate_all(pool);
    uint32_t tables[64];
    for (unsigned i = 0; i < 64; i++) {
        tables[i] = slab_pool_take_table(pool, 0);
        assert_int_equal(tables[i] / pool->pages_per_extent, tables[0] / pool->pages_per_extent);
        uint32_t page = slab_pool_take(pool, 0);
        assert_int_not_equal(page / pool->pages_per_extent, tables[0] / pool->pages_per_extent);
        atom_store_relaxed(&slab_page_of(pool, page)->kind, (uint8_t)SLAB_PAGE_CHUNKS);
    }
    /* What is kept for tables serves others when there is nothing else. */
    for (unsigned i = 128; i < 1024; i++) {
        assert_int_not_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    }
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    for (unsigned i = 0; i < 64; i++) {
        slab_pool_give(pool, tables[i]);
    }
    slab_pool_limit_set(pool, 15 * MIB - SLAB_EXTENT_BYTES);
    while (slab_pool_release(pool, false)) {
    }
    assert_int_equal(resident(pool), 15 * MIB / 16384);
    slab_pool_limit_set(pool, 16 * MIB);
    populate_all(pool);
    assert_int_equal(resident(pool), 1024);
    pool_close(pool);
}

static void a_limit_raised_again_keeps_what_was_to_leave(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, 8 * MIB, 1);
    populate_all(pool);
    uint32_t page = slab_pool_take(pool, 0);
    slab_pool_limit_set(pool, 2 * MIB);
    assert_true(slab_pool_release(pool, true));
    slab_pool_limit_set(pool, 8 * MIB);
    assert_int_equal(atom_load_relaxed(&pool->leaving_extents), 0);
    populate_all(pool);
    slab_pool_give(pool, page);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_not_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    }
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    pool_close(pool);
}

static void while_too_much_is_out_a_page_is_swapped_for_a_page(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(4 * MIB, 4 * MIB, 1);
    populate_all(pool);
    uint32_t pages[256];
    for (unsigned i = 0; i < 256; i++) {
        pages[i] = slab_pool_take(pool, 0);
    }
    slab_pool_limit_set(pool, 2 * MIB);
    assert_int_equal(slab_pool_excess_used(pool), 128);
    assert_false(slab_pool_can_take(pool));
    slab_pool_give(pool, pages[0]);
    slab_pool_give(pool, pages[1]);
    /* Two were given, one can be taken: what is out sinks. */
    assert_int_not_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    slab_pool_give(pool, pages[2]);
    slab_pool_excess_drop(pool);
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    for (unsigned i = 3; i < 200; i++) {
        slab_pool_give(pool, pages[i]);
    }
    assert_int_equal(slab_pool_excess_used(pool), 0);
    uint64_t before = used(pool);
    for (uint64_t i = before; i < 128; i++) {
        assert_int_not_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    }
    assert_int_equal(slab_pool_take(pool, 0), SLAB_NO_PAGE);
    pool_close(pool);
}

static void locations_name_every_granule_of_live_memory_alone(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(4 * MIB, 8 * MIB, 1);
    assert_false(slab_location_valid(pool, 1));
    assert_true(slab_pool_populate(pool));
    assert_false(slab_location_valid(pool, 0));
    assert_true(slab_location_valid(pool, 1));
    assert_true(slab_location_valid(pool, 2 * MIB / 8));
    assert_false(slab_location_valid(pool, 2 * MIB / 8 + 1));
    for (uint32_t page = 0; page < 128; page += 127) {
        uint8_t *memory = slab_page_memory(pool, page);
        uint64_t location = slab_location(pool, memory + 64);
        assert_ptr_equal(slab_at(pool, location), memory + 64);
        assert_int_equal(slab_location_page(pool, location), page);
        assert_int_equal(slab_bytes_to_page_end(pool, location), 16384 - 64);
        location = slab_location(pool, memory + 16384 - 8);
        assert_int_equal(slab_location_page(pool, location), page);
        assert_int_equal(slab_bytes_to_page_end(pool, location), 8);
    }
    pool_close(pool);
}

static void address_space_that_cannot_be_had_is_an_answer(void **state) {
    (void)state;
    struct slab_pool *pool = aligned_alloc(CACHE_LINE_BYTES, sizeof(*pool));
    assert_non_null(pool);
    struct slab_pool_config config = {
        .limit_bytes = 4 * MIB,
        .reserved_bytes = (uint64_t)1 << 50,
        .partition_bytes = 4 * MIB,
        .page_bytes = 65536,
    };
    assert_false(slab_pool_init(pool, &config));
    free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_handed_out_before_it_is_populated),
        cmocka_unit_test(no_page_is_handed_out_twice_and_none_above_the_limit),
        cmocka_unit_test(a_page_given_back_can_be_had_again),
        cmocka_unit_test(a_node_without_pages_takes_anothers),
        cmocka_unit_test(a_lowered_limit_lets_memory_go_and_a_raised_one_brings_it_back),
        cmocka_unit_test(released_memory_is_out_of_ram_and_reads_as_zeros),
        cmocka_unit_test(memory_goes_back_in_whole_extents),
        cmocka_unit_test(tables_stay_together_and_go_back_page_by_page),
        cmocka_unit_test(a_limit_raised_again_keeps_what_was_to_leave),
        cmocka_unit_test(while_too_much_is_out_a_page_is_swapped_for_a_page),
        cmocka_unit_test(locations_name_every_granule_of_live_memory_alone),
        cmocka_unit_test(address_space_that_cannot_be_had_is_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
