/* larder: tests of the bytes of items, slots and buckets */
#include "tests/unit/store/fixture.h"

/* All shapes that a store writes: marks, key lengths at the ends, a value of one byte. */
static void each_shape(void (*check)(uint32_t shape)) {
    static const uint32_t marks[] = {ITEM_HAS_EXPIRY, ITEM_HAS_FLAGS, ITEM_HAS_TOKEN, ITEM_CHAINED,
                                     ITEM_STALE,      ITEM_WIN_SENT,  ITEM_KEY_BINARY};
    for (unsigned bits = 0; bits < 128; bits++) {
        uint32_t shape = 0;
        for (unsigned i = 0; i < 7; i++) {
            shape |= (bits >> i & 1) != 0 ? marks[i] : 0;
        }
        if ((shape & ITEM_CHAINED) != 0) {
            shape |= ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS;
        }
        check(shape | 1);
        check(shape | 250 | 1u << ITEM_VALUE_SHIFT);
        check(shape | 16 | ITEM_VALUE_MASK << ITEM_VALUE_SHIFT);
    }
}

static void check_fields(uint32_t shape) {
    uint32_t at = 16;
    assert_true((shape & ITEM_HAS_TOKEN) == 0 || item_token_offset() == at);
    at += (shape & ITEM_HAS_TOKEN) != 0 ? 8 : 0;
    assert_int_equal(item_chain_offset(shape), at);
    at += (shape & ITEM_CHAINED) != 0 ? 24 : 0;
    assert_int_equal(item_expiry_offset(shape), at);
    at += (shape & ITEM_HAS_EXPIRY) != 0 ? 4 : 0;
    assert_int_equal(item_flags_offset(shape), at);
    at += (shape & ITEM_HAS_FLAGS) != 0 ? 4 : 0;
    assert_int_equal(item_key_offset(shape), at);
    assert_int_equal(item_value_offset(shape), at + ITEM_KEY_BYTES(shape));
    assert_int_equal(item_total_bytes(shape), at + ITEM_KEY_BYTES(shape) + ITEM_VALUE_BYTES(shape));
}

static void fields_follow_each_other_without_gaps(void **state) {
    (void)state;
    each_shape(check_fields);
}

static void check_alignment(uint32_t shape) {
    assert_int_equal(item_chain_offset(shape) % 8, 0);
    assert_int_equal(item_expiry_offset(shape) % 4, 0);
    assert_int_equal(item_flags_offset(shape) % 4, 0);
}

static void words_are_aligned(void **state) {
    (void)state;
    each_shape(check_alignment);
    assert_int_equal(sizeof(struct item), 16);
    assert_int_equal(sizeof(struct continuation), 24);
    assert_int_equal(offsetof(struct item, shape), offsetof(struct continuation, shape));
}

static void check_lengths(uint32_t shape) {
    uint32_t marks = shape & ~(ITEM_VALUE_MASK << ITEM_VALUE_SHIFT) & ~0xffu;
    uint32_t again = marks | ITEM_KEY_BYTES(shape) | ITEM_VALUE_BYTES(shape) << ITEM_VALUE_SHIFT;
    assert_int_equal(again, shape);
    assert_int_equal(shape & ITEM_CONTINUATION, 0);
}

static void marks_and_lengths_do_not_overlap(void **state) {
    (void)state;
    each_shape(check_lengths);
}

static void the_parts_of_a_slot_do_not_overlap(void **state) {
    (void)state;
    uint64_t location = SLOT_LOCATION_MASK;
    uint64_t hash = UINT64_MAX;
    uint64_t match = slot_match_of(hash, 3);
    uint64_t slot = match << SLOT_MATCH_SHIFT | location;
    assert_int_equal(slot & (SLOT_MAIN | SLOT_FETCHED | SLOT_FREQ_MASK), 0);
    assert_int_equal(SLOT_MAIN | SLOT_FETCHED | SLOT_FREQ_MASK | slot, UINT64_MAX);
    for (unsigned freq = 0; freq <= 3; freq++) {
        uint64_t with = slot_with_freq(slot | SLOT_FETCHED, freq);
        assert_int_equal(slot_freq(with), freq);
        assert_int_equal(slot_location(with), location);
        assert_int_equal(slot_match(with), match);
        assert_int_equal(with & SLOT_MAIN, 0);
    }
    uint64_t moved = slot_with_location(slot | SLOT_MAIN, 5);
    assert_int_equal(slot_location(moved), 5);
    assert_int_equal(slot_match(moved), match);
    assert_int_equal(moved & SLOT_MAIN, SLOT_MAIN);
}

static void hash_bits_are_used_once(void **state) {
    (void)state;
    uint64_t hash = 0x123456789abcdef0u;
    assert_int_equal(hash_bucket_bits(hash), 0x9abcdef0u);
    assert_int_equal(hash_tag(hash), 0x5678);
    assert_int_equal(hash_partition(hash, 1), 0);
    assert_int_equal(hash_partition(0, 512), 0);
    assert_int_equal(hash_partition(UINT64_MAX, 512), 511);
    assert_int_equal(hash_partition(UINT64_MAX, 3), 2);
    assert_int_equal(hash_partition(0xffffffffffffu, 512), 0);
    unsigned seen[7] = {0};
    for (uint64_t i = 0; i < 65536; i++) {
        seen[hash_partition(i << 48, 7)]++;
    }
    for (unsigned i = 0; i < 7; i++) {
        assert_in_range(seen[i], 65536 / 7, 65536 / 7 + 1);
    }
}

static void a_bucket_is_a_line_and_odd_while_it_changes(void **state) {
    (void)state;
    assert_int_equal(sizeof(struct bucket), 64);
    struct bucket bucket = {0};
    atom_store_relaxed(&bucket.version, UINT32_MAX - 1);
    bucket_change_begin(&bucket);
    assert_int_equal(atom_load_relaxed(&bucket.version) & 1, 1);
    bucket_change_end(&bucket);
    assert_int_equal(atom_load_relaxed(&bucket.version), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_follow_each_other_without_gaps),
        cmocka_unit_test(words_are_aligned),
        cmocka_unit_test(marks_and_lengths_do_not_overlap),
        cmocka_unit_test(the_parts_of_a_slot_do_not_overlap),
        cmocka_unit_test(hash_bits_are_used_once),
        cmocka_unit_test(a_bucket_is_a_line_and_odd_while_it_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
