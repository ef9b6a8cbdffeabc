/* larder: tests of liblarder's options, of latencies and of hot keys */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/client/hot.h"
#include "src/client/latency.h"
#include "src/client/options.h"

#define SECOND_NS UINT64_C(1000000000)

static void options_are_read_and_bounded(void **state) {
    struct larder_config *config = larder_config_create();

    (void)state;
    assert_non_null(config);
    assert_int_equal(config->request_ms, 1000);
    assert_int_equal(config->failover_ms, 200);
    assert_null(larder_config_parse(config, " request_ms=50  ring=jump\nwrite=both "));
    assert_int_equal(config->request_ms, 50);
    assert_int_equal(config->write, 1);
    assert_string_equal(config->ring, "jump");
    assert_non_null(larder_config_set(config, "request_ms", "0"));
    assert_non_null(larder_config_set(config, "request_ms", "-1"));
    assert_non_null(larder_config_set(config, "request_ms", "4000000"));
    assert_non_null(larder_config_set(config, "request_ms", "1s"));
    assert_non_null(larder_config_set(config, "write", "bot"));
    assert_non_null(larder_config_set(config, "ring", "circle"));
    assert_non_null(larder_config_set(config, "wrong", "1"));
    assert_non_null(larder_config_set(config, "servers", "a,,b"));
    assert_non_null(larder_config_set(config, "servers", "a+"));
    assert_non_null(larder_config_parse(config, "request_ms"));
    assert_int_equal(config->request_ms, 50);
    assert_string_equal(config->servers, "127.0.0.1:11211");
    struct larder_config *copy = config_copy(config);

    larder_config_destroy(config);
    assert_string_equal(copy->ring, "jump");
    larder_config_destroy(copy);
}

static void every_option_has_a_text(void **state) {
    struct larder_option option;
    unsigned count = 0;

    (void)state;
    while (larder_option_at(count, &option)) {
        assert_true(strlen(option.name) > 0 && strlen(option.doc) > 0);
        count++;
    }
    assert_true(count > 15);
}

static void pairs_are_read(void **state) {
    struct config_servers servers;

    (void)state;
    assert_null(config_servers_init(&servers, "a/2+b:1,c,/run/s+[::1]:5"));
    assert_int_equal(servers.primaries.count, 3);
    assert_int_equal(servers.primaries.servers[0].weight, 2);
    assert_string_equal(servers.primaries.servers[2].host, "/run/s");
    assert_int_equal(servers.replicas[0].count, 1);
    assert_string_equal(servers.replicas[0].servers[0].host, "b");
    assert_int_equal(servers.replicas[1].count, 0);
    assert_string_equal(servers.replicas[2].servers[0].host, "::1");
    config_servers_fini(&servers);
    assert_non_null(config_servers_init(&servers, "a+b,c+:x"));
}

static void the_slow_twentieth_is_told(void **state) {
    struct latency latency = {.sum = 0};

    (void)state;
    assert_int_equal(latency_p95_ns(&latency), 0);
    for (unsigned i = 0; i < 1000; i++) {
        latency_add(&latency, i % 100 < 94 ? 100000 : 50000000);
    }
    assert_true(latency_p95_ns(&latency) >= 50000000);
    assert_true(latency_p95_ns(&latency) <= 64000000);
    for (unsigned i = 0; i < 100000; i++) {
        latency_add(&latency, 3000);
    }
    assert_in_range(latency_p95_ns(&latency), 3000, 4000);
    latency_add(&latency, UINT64_MAX);
}

static void often_is_within_seconds(void **state) {
    struct hot hot = {.halved_ns = 0};
    struct span key = span_from_text("hot");
    uint64_t now = 1000 * SECOND_NS;

    (void)state;
    for (unsigned i = 1; i < HOT_SEEN_MIN; i++) {
        assert_false(hot_seen(&hot, key, now));
    }
    assert_true(hot_seen(&hot, key, now));
    assert_false(hot_seen(&hot, span_from_text("cold"), now));
    assert_false(hot_seen(&hot, key, now + 2 * SECOND_NS));
    for (unsigned s = 3; s < 100; s++) {
        assert_false(hot_seen(&hot, key, now + s * SECOND_NS));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_and_bounded),
        cmocka_unit_test(every_option_has_a_text),
        cmocka_unit_test(pairs_are_read),
        cmocka_unit_test(the_slow_twentieth_is_told),
        cmocka_unit_test(often_is_within_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
