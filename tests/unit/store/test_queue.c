/* larder: tests of the small queue and the ghosts */
#include "tests/unit/store/fixture.h"

/* A hash whose fragment is the number. */
static uint64_t hash_with(uint32_t number) {
    return (uint64_t)(number >> 24) << 32 | (number & 0xffffffu);
}

static void push(struct fixture *f, uint32_t number) {
    while (!small_queue_push(f->store, f->p, hash_with(number))) {
        assert_true(space_make_table_page(f->core, f->p));
    }
}

static void fragments_leave_in_order_over_page_borders(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    uint32_t a_page = slab_page_bytes(&f.store->pool) / 4;
    uint64_t random = 3;
    uint32_t in = 0;
    uint32_t out = 0;
    while (out < a_page * 20) {
        unsigned pushes = (unsigned)(random_next(&random) % (a_page * 2));
        unsigned pops = (unsigned)(random_next(&random) % (a_page * 2));
        for (unsigned i = 0; i < pushes && in - out < a_page * 6; i++) {
            push(&f, in++);
        }
        for (unsigned i = 0; i < pops; i++) {
            uint32_t fragment;
            uint32_t ahead;
            bool any = small_queue_peek(f.store, f.p, 1, &ahead);
            assert_true(!any || ahead == out + 1);
            if (!small_queue_pop(f.store, f.p, &fragment)) {
                assert_int_equal(in, out);
                break;
            }
            assert_int_equal(fragment, out);
            out++;
        }
        assert_int_equal(f.p->small.entries, in - out);
        assert_true(f.p->small.pages <= (in - out) / a_page + 2);
    }
    uint32_t fragment;
    while (small_queue_pop(f.store, f.p, &fragment)) {
        assert_int_equal(fragment, out++);
    }
    assert_int_equal(out, in);
    assert_int_equal(f.p->small.pages, 1);
    assert_false(small_queue_peek(f.store, f.p, 0, &fragment));
    fixture_close(&f);
}

static void a_fragment_holds_bucket_bits_and_tag(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    assert_int_equal(f.p->fragment_bits, 24);
    push(&f, 0xabcdef12u);
    uint32_t fragment;
    assert_true(small_queue_pop(f.store, f.p, &fragment));
    assert_int_equal(fragment, 0xabcdef12u);
    fixture_close(&f);
}

static void a_ghost_is_known_once(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    uint64_t hash = 0x0000abcd00000011u;
    assert_false(ghost_take(f.store, f.p, hash));
    ghost_add(f.store, f.p, hash);
    assert_true(ghost_take(f.store, f.p, hash));
    assert_false(ghost_take(f.store, f.p, hash));
    /* A tag of 0 is not taken for an empty place. */
    assert_false(ghost_take(f.store, f.p, 0x11));
    ghost_add(f.store, f.p, 0x11);
    assert_true(ghost_take(f.store, f.p, 0x11));
    fixture_close(&f);
}

static void ghosts_of_a_line_are_known_by_age_and_the_oldest_forgotten(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    fixture_open(&f, &config);
    for (uint64_t i = 1; i <= 40; i++) {
        ghost_add(f.store, f.p, i << 32 | 0x10);
    }
    for (uint64_t i = 1; i <= 8; i++) {
        assert_false(ghost_take(f.store, f.p, i << 32 | 0x10));
    }
    for (uint64_t i = 9; i <= 40; i++) {
        assert_int_equal(ghost_take(f.store, f.p, i << 32 | 0x10), (40 - i) / 4 + 1);
    }
    /* Another line knows nothing of it. */
    ghost_add(f.store, f.p, (uint64_t)7 << 32 | 0x10);
    assert_false(ghost_take(f.store, f.p, (uint64_t)7 << 32 | 0x18));
    fixture_close(&f);
}

static void items_of_one_tag_and_bucket_keep_their_own_entries(void **state) {
    (void)state;
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = 32 * MIB;
    fixture_open(&f, &config);
    /* Far more items than buckets times low tags: many answer to each other's fragment until the
     * index has grown. The checker finds a small item without an entry. */
    char key[64];
    for (unsigned i = 0; i < 60000; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(put_text(&f, key, ""), STORE_OK);
        if (i % 2999 == 0) {
            fixture_check(&f);
        }
    }
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_leave_in_order_over_page_borders),
        cmocka_unit_test(a_fragment_holds_bucket_bits_and_tag),
        cmocka_unit_test(a_ghost_is_known_once),
        cmocka_unit_test(ghosts_of_a_line_are_known_by_age_and_the_oldest_forgotten),
        cmocka_unit_test(items_of_one_tag_and_bucket_keep_their_own_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
