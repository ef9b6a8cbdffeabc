/* larder: tests of the near cache */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/client/near.h"

#define MS UINT64_C(1000000)

static struct near *near_of(uint64_t bytes, uint32_t ms, uint32_t seen) {
    struct near_options options = {.bytes = bytes, .ms = ms, .seen = seen};
    struct near *near = near_create(&options);

    assert_non_null(near);
    return near;
}

/* The value, or NULL and a ticket. */
static const char *get(struct near *near, const char *key, uint64_t now_ns, uint64_t *ticket) {
    static char text[100];
    struct bytes value = {.room = 0};
    struct near_about about = {.cas = 0};
    bool good = near_get(near, span_from_text(key), now_ns, &value, &about);

    *ticket = about.ticket;
    if (good) {
        assert_int_equal(about.cas, 9);
        assert_int_equal(about.flags, 4);
        (void)snprintf(text, sizeof(text), "%.*s", (int)bytes_count(&value),
                       bytes_count(&value) == 0 ? "" : (const char *)bytes_span(&value).data);
    }
    bytes_fini(&value);
    return good ? text : NULL;
}

static void offer(struct near *near, const char *key, const char *value, uint64_t ticket,
                  uint64_t ttl_ms) {
    struct near_offered offered = {.value = span_from_text(value), .ttl_ms = ttl_ms,
                                   .about = {.cas = 9, .flags = 4, .ticket = ticket}};

    near_offer(near, span_from_text(key), 0, &offered);
}

/* Reads until the key is hot. */
static uint64_t heat(struct near *near, const char *key) {
    uint64_t ticket = 0;

    for (unsigned i = 0; i < 1000 && ticket == 0; i++) {
        assert_null(get(near, key, 0, &ticket));
    }
    assert_int_not_equal(ticket, 0);
    return ticket;
}

static void only_keys_seen_often_are_admitted(void **state) {
    struct near *near = near_of(1 << 20, 1000, 5);
    uint64_t ticket;
    (void)state;

    for (unsigned i = 0; i < 4; i++) {
        assert_null(get(near, "k", 0, &ticket));
        assert_int_equal(ticket, 0);
        offer(near, "k", "v", ticket, UINT64_MAX);
    }
    assert_null(get(near, "k", 0, &ticket));
    assert_int_not_equal(ticket, 0);
    offer(near, "k", "v", ticket, UINT64_MAX);
    assert_string_equal(get(near, "k", 0, &ticket), "v");
    assert_null(get(near, "other", 0, &ticket));
    near_destroy(near);
}

static void keys_that_were_hot_once_cool(void **state) {
    struct near *near = near_of(1 << 20, 1000, 5);
    uint64_t ticket;
    (void)state;

    (void)heat(near, "k");
    assert_null(get(near, "k", 10000 * MS, &ticket));
    assert_int_equal(ticket, 0);
    near_destroy(near);
}

static void values_stay_for_their_time(void **state) {
    struct near *near = near_of(1 << 20, 1000, 1);
    uint64_t ticket;
    (void)state;

    offer(near, "k", "v", heat(near, "k"), UINT64_MAX);
    offer(near, "short", "", heat(near, "short"), 300);
    assert_non_null(get(near, "k", 999 * MS, &ticket));
    assert_null(get(near, "k", 1000 * MS, &ticket));
    assert_string_equal(get(near, "short", 299 * MS, &ticket), "");
    assert_null(get(near, "short", 300 * MS, &ticket));
    offer(near, "gone", "v", heat(near, "gone"), 0);
    assert_null(get(near, "gone", 0, &ticket));
    near_destroy(near);
}

static void a_write_makes_reads_from_before_it_void(void **state) {
    struct near *near = near_of(1 << 20, 1000, 1);
    uint64_t ticket = heat(near, "k");
    uint64_t later;
    (void)state;

    offer(near, "k", "old", ticket, UINT64_MAX);
    near_forget(near, span_from_text("k"));
    assert_null(get(near, "k", 0, &later));
    offer(near, "k", "old", ticket, UINT64_MAX);
    assert_null(get(near, "k", 0, &later));
    offer(near, "k", "new", later, UINT64_MAX);
    assert_string_equal(get(near, "k", 0, &later), "new");
    offer(near, "k", "newer", ticket + 1, UINT64_MAX);
    assert_string_equal(get(near, "k", 0, &later), "newer");
    near_destroy(near);
}

static void bytes_are_bounded(void **state) {
    enum { KEYS = 2000 };
    struct near *near = near_of(64 << 10, 1000, 1);
    char key[20];
    char value[200];
    unsigned found = 0;
    uint64_t ticket;
    (void)state;

    memset(value, 'v', sizeof(value));
    value[99] = '\0';
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        offer(near, key, value, heat(near, key), UINT64_MAX);
    }
    assert_non_null(get(near, key, 0, &ticket)); /* the last */
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        found += get(near, key, 0, &ticket) != NULL;
    }
    assert_in_range(found, 100, (64 << 10) / 100);

    char *large = calloc(1, 2000);

    memset(large, 'v', 1999);
    offer(near, "large", large, heat(near, "large"), UINT64_MAX);
    assert_null(get(near, "large", 0, &ticket));
    free(large);
    near_destroy(near);
}

static void *read_and_write(void *argument) {
    struct near *near = argument;
    char key[20];

    for (unsigned i = 0; i < 20000; i++) {
        struct bytes value = {.room = 0};
        struct near_about about;

        (void)snprintf(key, sizeof(key), "%u", i % 37);
        if (near_get(near, span_from_text(key), 0, &value, &about)) {
            if (!span_is(bytes_span(&value), key)) {
                abort();
            }
        } else {
            offer(near, key, key, about.ticket, UINT64_MAX);
        }
        if (i % 11 == 0) {
            near_forget(near, span_from_text(key));
        }
        bytes_fini(&value);
    }
    return NULL;
}

static void threads_share_it(void **state) {
    struct near *near = near_of(64 << 10, 1000, 1);
    pthread_t threads[4];
    (void)state;

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_write, near), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    near_destroy(near);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_keys_seen_often_are_admitted),
        cmocka_unit_test(keys_that_were_hot_once_cool),
        cmocka_unit_test(values_stay_for_their_time),
        cmocka_unit_test(a_write_makes_reads_from_before_it_void),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
