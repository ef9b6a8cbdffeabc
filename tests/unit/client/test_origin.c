/* larder: tests of who computes in a process */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/client/origin.h"

static struct larder_origin *origin_of(const char *options) {
    struct larder_config *config = larder_config_create();

    assert_null(larder_config_parse(config, options));
    struct larder_origin *origin = larder_origin_create(config);

    larder_config_destroy(config);
    assert_non_null(origin);
    return origin;
}

static struct span key_of(const char *text) {
    return span_from_text(text);
}

static struct flight *begin(struct larder_origin *origin, const char *key,
                            enum origin_role expected) {
    enum origin_role role;
    struct flight *flight = origin_begin(origin, key_of(key), 0, &role);

    assert_int_equal(role, expected);
    return flight;
}

static void end_with(struct larder_origin *origin, struct flight *flight, const char *text) {
    struct bytes value = {.room = 0};

    assert_true(bytes_append(&value, key_of(text)));
    origin_end(origin, flight, &value, 5);
    origin_leave(origin, flight);
}

static void one_leads_and_others_follow(void **state) {
    struct larder_origin *origin = origin_of("origin_computes=2");
    struct flight *first = begin(origin, "a", ORIGIN_LEADS);
    struct flight *second = begin(origin, "a", ORIGIN_FOLLOWS);
    struct flight *third = origin_join(origin, key_of("a"));
    struct span value;
    uint32_t flags;
    (void)state;

    assert_ptr_equal(first, second);
    assert_ptr_equal(first, third);
    assert_null(origin_join(origin, key_of("b")));
    assert_false(origin_wait(origin, second, 0));
    end_with(origin, first, "value");
    assert_true(origin_wait(origin, second, 0));
    assert_true(flight_value(second, &value, &flags));
    assert_true(span_is(value, "value"));
    assert_int_equal(flags, 5);
    origin_leave(origin, second);
    origin_leave(origin, third);
    end_with(origin, begin(origin, "a", ORIGIN_LEADS), "again");
    larder_origin_destroy(origin);
}

static void there_is_room_for_so_many(void **state) {
    struct larder_origin *origin = origin_of("origin_computes=2");
    struct flight *first = begin(origin, "a", ORIGIN_LEADS);
    struct flight *second = begin(origin, "b", ORIGIN_LEADS);
    (void)state;

    assert_null(begin(origin, "c", ORIGIN_FULL));
    end_with(origin, first, "v");
    struct flight *third = begin(origin, "c", ORIGIN_LEADS);

    assert_null(begin(origin, "a", ORIGIN_FULL));
    end_with(origin, second, "v");
    end_with(origin, third, "v");
    larder_origin_destroy(origin);
}

static void a_failure_is_left_alone_for_its_backoff(void **state) {
    struct larder_origin *origin = origin_of("origin_backoff_ms=600000");
    struct flight *flight = begin(origin, "a", ORIGIN_LEADS);
    struct flight *follower = begin(origin, "a", ORIGIN_FOLLOWS);
    struct span value;
    uint32_t flags;
    (void)state;

    origin_end_failed(origin, flight, true);
    origin_leave(origin, flight);
    assert_true(origin_wait(origin, follower, 0));
    assert_false(flight_value(follower, &value, &flags));
    origin_leave(origin, follower);
    assert_null(begin(origin, "a", ORIGIN_FAILED));
    assert_null(origin_join(origin, key_of("a")));
    assert_false(origin_takes_up(origin, key_of("a"))); /* not yet */
    end_with(origin, begin(origin, "b", ORIGIN_LEADS), "v");
    larder_origin_destroy(origin);
}

static void what_was_won_is_taken_up_once_after_the_backoff(void **state) {
    struct larder_origin *origin = origin_of("origin_backoff_ms=1");
    struct flight *flight = begin(origin, "a", ORIGIN_LEADS);
    bool takes = false;
    (void)state;

    origin_end_failed(origin, flight, true);
    origin_leave(origin, flight);
    for (uint64_t until = origin_now_ns() + 60000000000u; !takes && origin_now_ns() < until;) {
        takes = origin_takes_up(origin, key_of("a"));
    }
    assert_true(takes);
    assert_false(origin_takes_up(origin, key_of("a")));
    larder_origin_destroy(origin);
}

static void without_backoff_nothing_is_remembered(void **state) {
    struct larder_origin *origin = origin_of("origin_backoff_ms=0");
    struct flight *flight = begin(origin, "a", ORIGIN_LEADS);
    (void)state;

    origin_end_failed(origin, flight, false);
    origin_leave(origin, flight);
    end_with(origin, begin(origin, "a", ORIGIN_LEADS), "v");
    larder_origin_destroy(origin);
}

enum { THREADS = 8, ROUNDS = 2000 };

struct crowd {
    struct larder_origin *origin;
    atomic_uint at_once[3];
    atomic_uint led;
    atomic_uint shared;
};

static void visit(struct crowd *crowd, unsigned index) {
    static const char *const keys[] = {"x", "y", "z"};
    enum origin_role role;
    struct flight *flight = origin_begin(crowd->origin, key_of(keys[index]),
                                         origin_now_ns() + 60000000000u, &role);

    if (role == ORIGIN_LEADS) {
        if (atomic_fetch_add(&crowd->at_once[index], 1) != 0) {
            abort();
        }
        atomic_fetch_add(&crowd->led, 1);
        atomic_fetch_sub(&crowd->at_once[index], 1);
        end_with(crowd->origin, flight, keys[index]);
    } else if (role == ORIGIN_FOLLOWS) {
        struct span value;
        uint32_t flags;

        if (!origin_wait(crowd->origin, flight, origin_now_ns() + 60000000000u) ||
            !flight_value(flight, &value, &flags) || !span_is(value, keys[index])) {
            abort();
        }
        atomic_fetch_add(&crowd->shared, 1);
        origin_leave(crowd->origin, flight);
    } else {
        abort();
    }
}

static void *run(void *argument) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        visit(argument, i % 3);
    }
    return NULL;
}

static void many_threads_share(void **state) {
    struct crowd crowd = {.origin = origin_of("origin_computes=2")};
    pthread_t threads[THREADS];
    (void)state;

    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, &crowd), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(crowd.led + crowd.shared, THREADS * ROUNDS);
    larder_origin_destroy(crowd.origin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_leads_and_others_follow),
        cmocka_unit_test(there_is_room_for_so_many),
        cmocka_unit_test(a_failure_is_left_alone_for_its_backoff),
        cmocka_unit_test(what_was_won_is_taken_up_once_after_the_backoff),
        cmocka_unit_test(without_backoff_nothing_is_remembered),
        cmocka_unit_test(many_threads_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
