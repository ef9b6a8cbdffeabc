/* larder: rings, lines and prefixes: what watch and stats detail stand on */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "src/server/connection.h"
#include "src/server/prefixes.h"
#include "src/server/uri.h"
#include "src/server/watch_record.h"
#include "src/server/watch_ring.h"

/* -- rings ------------------------------------------------------------------------------------- */

static void a_ring_takes_whole_writes_only(void **state) {
    (void)state;
    struct watch_ring *ring = watch_ring_create(1);
    uint8_t block[1000];
    assert_non_null(ring);
    assert_int_equal(ring->bytes, 4096);
    memset(block, 'x', sizeof(block));
    for (unsigned i = 0; i < 4; i++) {
        assert_true(watch_ring_write(ring, block, sizeof(block)));
    }
    assert_false(watch_ring_write(ring, block, 97));
    assert_true(watch_ring_write(ring, block, 96));
    assert_int_equal(watch_ring_used(ring), 4096);
    assert_int_equal(atom_load_relaxed(&ring->refused), 1);
    assert_int_equal(atom_load_relaxed(&ring->writes), 5);
    watch_ring_take(ring, 97);
    assert_true(watch_ring_write(ring, block, 97));
    watch_ring_destroy(ring);
}

enum { PASSED_NUMBERS = 200000 };

static void *write_numbers(void *context) {
    struct watch_ring *ring = context;
    for (uint64_t i = 0; i < PASSED_NUMBERS;) {
        uint64_t twice[3] = {i, i + 1, i + 2};
        size_t bytes = (1 + i % 3) * sizeof(twice[0]);
        if (watch_ring_write(ring, twice, bytes)) {
            i += 1 + i % 3;
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void a_ring_passes_bytes_in_order_from_thread_to_thread(void **state) {
    (void)state;
    struct watch_ring *ring = watch_ring_create(4096);
    pthread_t writer;
    assert_non_null(ring);
    assert_int_equal(pthread_create(&writer, NULL, write_numbers, ring), 0);
    for (uint64_t i = 0; i < PASSED_NUMBERS;) {
        uint64_t number;
        if (watch_ring_used(ring) == 0) {
            sched_yield();
            continue;
        }
        watch_ring_peek(ring, 0, &number, sizeof(number));
        assert_int_equal(number, i);
        watch_ring_take(ring, sizeof(number));
        i++;
    }
    pthread_join(writer, NULL);
    watch_ring_destroy(ring);
}

/* -- lines ------------------------------------------------------------------------------------- */

static struct watch_record record_of(enum watch_kind kind, const char *key) {
    struct watch_record record = {
        .time_us = 1700000000000123,
        .kind = (uint8_t)kind,
        .class_number = 7,
        .fd = 12,
        .value_bytes = 5,
        .key_bytes = (uint16_t)strlen(key),
    };
    memcpy(record.key, key, strlen(key));
    return record;
}

static void expect_line(const struct watch_record *record, const char *expected) {
    char line[WATCH_LINE_BYTES_MAX + 1];
    line[watch_line(line, record, 9)] = '\0';
    assert_string_equal(line, expected);
}

static void lines_of_items_have_memcacheds_form(void **state) {
    (void)state;
    struct watch_record record = record_of(WATCH_ITEM_GET, "a b");
    record.status = STORE_FLUSHED;
    expect_line(&record, "ts=1700000000.123 gid=9 type=item_get key=a%20b status=flushed clsid=7 "
                         "cfd=12 size=5\n");
    record = record_of(WATCH_ITEM_STORE, "k");
    record.status = STORE_NO_MEMORY;
    record.verb = VERB_PREPEND;
    record.ttl = 60;
    expect_line(&record, "ts=1700000000.123 gid=9 type=item_store key=k status=no_memory "
                         "cmd=prepend ttl=60 clsid=7 cfd=12 size=5\n");
    record.status = STORE_NOT_FOUND;
    expect_line(&record, "ts=1700000000.123 gid=9 type=item_store key=k status=not_stored "
                         "cmd=prepend ttl=60 clsid=7 cfd=12 size=5\n");
    record = record_of(WATCH_ITEM_DELETED, "k");
    record.protocol = REQUEST_META;
    expect_line(&record, "ts=1700000000.123 gid=9 type=deleted key=k cmd=md clsid=7 size=5\n");
    record = record_of(WATCH_ITEM_EVICTED, "k");
    record.ttl = -1;
    record.fetched = 1;
    record.accessed_ago_s = 3;
    expect_line(&record, "ts=1700000000.123 gid=9 type=eviction key=k fetch=yes ttl=-1 la=3 "
                         "clsid=7 size=5\n");
}

static void lines_of_connections_have_memcacheds_form(void **state) {
    (void)state;
    struct watch_record record = record_of(WATCH_CONN_NEW, "");
    record.family = AF_INET6;
    record.port = 65535;
    inet_pton(AF_INET6, "::1", record.address);
    expect_line(&record, "ts=1700000000.123 gid=9 type=conn_new rip=::1 rport=65535 "
                         "transport=tcp cfd=12\n");
    record = record_of(WATCH_CONN_CLOSE, "");
    record.family = AF_UNIX;
    record.status = CONNECTION_REASON_IDLE;
    expect_line(&record, "ts=1700000000.123 gid=9 type=conn_close rip=unix rport=0 "
                         "transport=local reason=idle_timeout cfd=12\n");
    record.status = CONNECTION_REASON_RECEIVE;
    expect_line(&record, "ts=1700000000.123 gid=9 type=conn_close rip=unix rport=0 "
                         "transport=local reason=error cfd=12\n");
}

static void the_longest_key_makes_a_line(void **state) {
    (void)state;
    struct watch_record record = record_of(WATCH_ITEM_STORE, "");
    char line[WATCH_LINE_BYTES_MAX];
    memset(record.key, 0xff, STORE_KEY_BYTES_MAX);
    record.key_bytes = STORE_KEY_BYTES_MAX;
    record.time_us = UINT64_MAX;
    record.value_bytes = UINT64_MAX;
    record.ttl = -1;
    record.class_number = UINT16_MAX;
    record.fd = INT32_MIN;
    size_t bytes = watch_line(line, &record, UINT64_MAX);
    assert_true(bytes < sizeof(line) && line[bytes - 1] == '\n');
}

static void keys_are_percent_encoded(void **state) {
    (void)state;
    char text[URI_KEY_BYTES_MAX];
    const uint8_t key[] = "aZ09-._~ %/\xc3\n";
    size_t bytes = uri_encode(text, key, sizeof(key) - 1);
    text[bytes] = '\0';
    assert_string_equal(text, "aZ09-._~%20%25%2F%C3%0A");
}

/* -- prefixes ---------------------------------------------------------------------------------- */

static uint64_t count_of(const struct prefixes *prefixes, const char *text,
                         enum prefix_count what) {
    for (unsigned i = 0; prefixes->slots != NULL && i < PREFIXES_SLOTS; i++) {
        const struct prefix *prefix = prefixes->slots[i];
        if (prefix != NULL && span_is(span_of(prefix->text, prefix->len), text)) {
            return prefix->counts[what];
        }
    }
    return 0;
}

static void prefixes_count_up_to_the_delimiter(void **state) {
    (void)state;
    struct prefixes one;
    struct prefixes other;
    struct prefixes sum;
    prefixes_init(&one);
    prefixes_init(&other);
    prefixes_init(&sum);
    prefixes_count(&one, span_from_text("foo:a"), ':', PREFIX_GETS);
    prefixes_count(&one, span_from_text("foo:b:c"), ':', PREFIX_GETS);
    prefixes_count(&one, span_from_text("foo"), ':', PREFIX_GETS);
    prefixes_count(&one, span_from_text(":x"), ':', PREFIX_SETS);
    prefixes_count(&other, span_from_text("foo:b"), ':', PREFIX_GETS);
    prefixes_add(&sum, &one);
    prefixes_add(&sum, &other);
    assert_int_equal(sum.count, 2);
    assert_int_equal(count_of(&sum, "foo", PREFIX_GETS), 3);
    assert_int_equal(count_of(&sum, "", PREFIX_SETS), 1);
    prefixes_clear(&one);
    assert_int_equal(one.count, 0);
    prefixes_fini(&sum);
    prefixes_fini(&other);
    prefixes_fini(&one);
}

static void prefixes_are_bounded(void **state) {
    (void)state;
    struct prefixes prefixes;
    prefixes_init(&prefixes);
    for (unsigned i = 0; i < PREFIXES_MAX + 100; i++) {
        char key[32];
        int bytes = snprintf(key, sizeof(key), "%u:x", i);
        prefixes_count(&prefixes, span_of(key, (size_t)bytes), ':', PREFIX_SETS);
        prefixes_count(&prefixes, span_from_text("0:y"), ':', PREFIX_DELETES);
    }
    assert_int_equal(prefixes.count, PREFIXES_MAX);
    assert_int_equal(count_of(&prefixes, "0", PREFIX_DELETES), PREFIXES_MAX + 100);
    prefixes_fini(&prefixes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_takes_whole_writes_only),
        cmocka_unit_test(a_ring_passes_bytes_in_order_from_thread_to_thread),
        cmocka_unit_test(lines_of_items_have_memcacheds_form),
        cmocka_unit_test(lines_of_connections_have_memcacheds_form),
        cmocka_unit_test(the_longest_key_makes_a_line),
        cmocka_unit_test(keys_are_percent_encoded),
        cmocka_unit_test(prefixes_count_up_to_the_delimiter),
        cmocka_unit_test(prefixes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
