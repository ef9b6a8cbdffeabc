/* larder: tests of pages given back by hand */
#include "tests/unit/store/fixture.h"

enum { KEYS = 20000, VALUE_BYTES = 100 };

static void put_number(struct fixture *f, unsigned number) {
    char key[KEY_TEXT_BYTES];
    key_number(key, "page", number);
    assert_int_equal(put(f, key, f->pattern, VALUE_BYTES), STORE_OK);
}

static void take_out(struct fixture *f, unsigned number) {
    char key[KEY_TEXT_BYTES];
    key_number(key, "page", number);
    assert_int_equal(delete_key(f, key), STORE_OK);
}

static uint64_t pages_of(const struct fixture *f, unsigned class_id) {
    struct store_class_totals totals;
    (void)store_class_totals(f->store, class_id, &totals);
    return totals.pages;
}

static void a_page_is_emptied_and_its_items_stay_while_there_is_room(void **state) {
    (void)state;
    struct fixture fixture;
    struct store_config config = fixture_config();
    fixture_open(&fixture, &config);
    for (unsigned i = 0; i < KEYS; i++) {
        put_number(&fixture, i);
    }
    unsigned class_id = store_class_stored(fixture.core);
    for (unsigned i = 0; i < KEYS; i += 2) {
        take_out(&fixture, i);
    }
    uint64_t pages = pages_of(&fixture, class_id);
    assert_int_equal(store_reassign(fixture.core, class_id, class_id), STORE_REASSIGN_STARTED);
    assert_true(store_reassign_running(fixture.store));
    assert_int_equal(store_reassign(fixture.core, class_id, class_id), STORE_REASSIGN_BUSY);
    fixture_upkeep(&fixture);
    assert_false(store_reassign_running(fixture.store));
    assert_int_equal(pages_of(&fixture, class_id), pages - 1);
    struct store_totals totals;
    store_totals(fixture.store, &totals);
    assert_int_equal(totals.items, KEYS / 2);
    assert_int_equal(totals.evictions, 0);
    assert_int_equal(totals.page_moves, 1);
    fixture_close(&fixture);
}

static void without_room_the_items_of_the_page_are_evicted(void **state) {
    (void)state;
    struct fixture fixture;
    struct store_config config = fixture_config();
    fixture_open(&fixture, &config);
    unsigned number = 0;
    while (number < KEYS) {
        put_number(&fixture, number++);
    }
    unsigned class_id = store_class_stored(fixture.core);
    struct store_class_totals class;
    for (;;) { /* until no chunk of the class is free */
        assert_true(store_class_totals(fixture.store, class_id, &class));
        if (class.chunks_free == 0) {
            break;
        }
        put_number(&fixture, number++);
    }
    uint64_t pages = class.pages;
    assert_int_equal(store_reassign(fixture.core, class_id, class_id), STORE_REASSIGN_STARTED);
    fixture_upkeep(&fixture);
    assert_int_equal(pages_of(&fixture, class_id), pages - 1);
    struct store_totals totals;
    store_totals(fixture.store, &totals);
    assert_int_equal(totals.items, number - class.chunks_per_page);
    assert_int_equal(totals.evictions, class.chunks_per_page);
    fixture_close(&fixture);
}

static void what_cannot_be_spared_is_not(void **state) {
    (void)state;
    struct fixture fixture;
    struct store_config config = fixture_config();
    config.evict = false;
    fixture_open(&fixture, &config);
    assert_int_equal(store_reassign(fixture.core, 1, 5), STORE_REASSIGN_NO_SPARE);
    for (unsigned i = 0; i < KEYS; i++) {
        put_number(&fixture, i);
    }
    unsigned class_id = store_class_stored(fixture.core);
    assert_int_equal(store_reassign(fixture.core, class_id, class_id), STORE_REASSIGN_NO_SPARE);
    assert_false(store_reassign_running(fixture.store));
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_emptied_and_its_items_stay_while_there_is_room),
        cmocka_unit_test(without_room_the_items_of_the_page_are_evicted),
        cmocka_unit_test(what_cannot_be_spared_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
