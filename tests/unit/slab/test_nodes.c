/* larder: tests of where the pool's pages belong on machines with several NUMA nodes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slab/pool.h"

enum { EXTENTS = 8 };

static void pool_of_size(struct slab_pool *pool, uint64_t bytes, const int *nodes,
                         unsigned count) {
    struct slab_pool_config config = {
        .limit_bytes = bytes,
        .reserved_bytes = bytes,
        .partition_bytes = bytes,
        .page_bytes = 16384,
        .nodes = nodes,
        .nodes_given = count,
    };
    assert_true(slab_pool_init(pool, &config));
}

static void pool_of(struct slab_pool *pool, const int *nodes, unsigned count) {
    pool_of_size(pool, (uint64_t)EXTENTS * SLAB_EXTENT_BYTES, nodes, count);
}

static void nodes_are_known_once_whatever_their_numbers(void **state) {
    static const int nodes[] = {2, 700, 2, 3, 700};
    struct slab_pool pool;

    (void)state;
    pool_of(&pool, nodes, 5);
    assert_int_equal(pool.node_count, 3);
    assert_int_equal(slab_pool_node(&pool, 2), 0);
    assert_int_equal(slab_pool_node(&pool, 700), 1);
    assert_int_equal(slab_pool_node(&pool, 3), 2);
    assert_int_equal(slab_pool_node(&pool, 1), 0);
    slab_pool_fini(&pool);
}

static void numbers_that_no_node_has_are_left_out(void **state) {
    static const int nodes[] = {-1, 100000, 1};
    struct slab_pool pool;

    (void)state;
    pool_of(&pool, nodes, 3);
    assert_int_equal(pool.node_count, 1);
    assert_int_equal(pool.nodes[0].number, 1);
    slab_pool_fini(&pool);
}

static void without_nodes_there_is_one_and_no_preference(void **state) {
    struct slab_pool pool;

    (void)state;
    pool_of(&pool, NULL, 4);
    assert_int_equal(pool.node_count, 1);
    assert_false(pool.nodes_known);
    assert_int_equal(slab_pool_node(&pool, 3), 0);
    assert_true(slab_pool_populate(&pool));
    assert_int_not_equal(slab_pool_take(&pool, 0), SLAB_NO_PAGE);
    slab_pool_fini(&pool);
}

static void a_page_goes_back_to_its_own_node(void **state) {
    static const int nodes[] = {4, 6};
    struct slab_pool pool;
    uint32_t page;

    (void)state;
    pool_of(&pool, nodes, 2);
    assert_true(slab_pool_populate(&pool));
    page = slab_pool_take(&pool, 1); /* it has none of its own */
    assert_int_not_equal(page, SLAB_NO_PAGE);
    slab_pool_give(&pool, page);
    assert_int_equal(pool.nodes[0].free_count, pool.pages_per_extent);
    assert_int_equal(pool.nodes[1].free_count, 0);
    slab_pool_fini(&pool);
}

static void nodes_get_even_shares(void **state) {
    static const int nodes[] = {1, 3, 5, 7};
    struct slab_pool pool;

    (void)state;
    pool_of(&pool, nodes, 4);
    for (unsigned i = 0; i < EXTENTS; i++) {
        assert_true(slab_pool_populate(&pool));
    }
    assert_false(slab_pool_populate(&pool));
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pool.nodes[i].free_count, 2 * pool.pages_per_extent);
    }
    slab_pool_fini(&pool);
}

/* Each change of the node begins a mapping; the system grants 65,530 of them. */
static void a_terabyte_on_eight_nodes_takes_few_mappings_and_is_shared_evenly(void **state) {
    static const int nodes[] = {0, 1, 2, 3, 4, 5, 6, 7};
    uint32_t shares[8] = {0};
    uint32_t changes = 0;
    struct slab_pool pool;

    (void)state;
    pool_of_size(&pool, (uint64_t)1 << 40, nodes, 8);
    uint32_t extents = pool.pages_reserved / pool.pages_per_extent;
    for (uint32_t i = 0; i < extents; i++) {
        unsigned node = slab_pool_extent_node(&pool, i);
        changes += i == 0 || node != slab_pool_extent_node(&pool, i - 1) ? 1 : 0;
        shares[node]++;
    }
    assert_true(changes < 16384);
    for (unsigned i = 0; i < 8; i++) {
        assert_in_range(shares[i], extents / 8 - extents / 100, extents / 8 + extents / 100);
    }
    slab_pool_fini(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_known_once_whatever_their_numbers),
        cmocka_unit_test(numbers_that_no_node_has_are_left_out),
        cmocka_unit_test(without_nodes_there_is_one_and_no_preference),
        cmocka_unit_test(a_page_goes_back_to_its_own_node),
        cmocka_unit_test(nodes_get_even_shares),
        cmocka_unit_test(a_terabyte_on_eight_nodes_takes_few_mappings_and_is_shared_evenly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
