/* larder: servers as users write them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "src/client/server_list.h"

struct written {
    const char *text;
    const char *host;
    uint16_t port;
    uint32_t weight;
    const char *name;
};

static void a_server_is_read_and_written(void **state) {
    static const struct written cases[] = {
        {"cache1:11212", "cache1", 11212, 1, "cache1:11212"},
        {"cache1", "cache1", 11211, 1, "cache1:11211"},
        {"10.0.0.1:1/3", "10.0.0.1", 1, 3, "10.0.0.1:1"},
        {"10.0.0.1/3", "10.0.0.1", 11211, 3, "10.0.0.1:11211"},
        {"h:65535/4294967295", "h", 65535, UINT32_MAX, "h:65535"},
        {"[2001:db8::5]:11213/2", "2001:db8::5", 11213, 2, "[2001:db8::5]:11213"},
        {"[::1]", "::1", 11211, 1, "[::1]:11211"},
        {"[::1]/7", "::1", 11211, 7, "[::1]:11211"},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", 1, 1, "[fe80::1%eth0]:1"},
        {"/run/a.sock", "/run/a.sock", 0, 1, "/run/a.sock"},
        {"/run/a.sock:/5", "/run/a.sock", 0, 5, "/run/a.sock"},
        {"/run/11211", "/run/11211", 0, 1, "/run/11211"},
        {"/run/a:b", "/run/a:b", 0, 1, "/run/a:b"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_list list;
        struct server_list_fault fault;
        char name[SERVER_NAME_BYTES_MAX];

        assert_true(server_list_init(&list, span_from_text(cases[i].text), &fault));
        assert_int_equal(list.count, 1);
        assert_string_equal(list.servers[0].host, cases[i].host);
        assert_int_equal(list.servers[0].port, cases[i].port);
        assert_int_equal(list.servers[0].weight, cases[i].weight);
        assert_string_equal(server_name_write(&list.servers[0], name), cases[i].name);
        server_list_fini(&list);
    }
}

static void a_list_keeps_its_order(void **state) {
    struct server_list list;
    struct server_list_fault fault;
    (void)state;

    assert_true(server_list_init(&list, span_from_text("b:1,/s,[::2]:3/4,b:1"), &fault));
    assert_int_equal(list.count, 4);
    assert_string_equal(list.servers[0].host, "b");
    assert_string_equal(list.servers[1].host, "/s");
    assert_string_equal(list.servers[2].host, "::2");
    assert_int_equal(list.servers[2].weight, 4);
    assert_string_equal(list.servers[3].host, "b");
    server_list_fini(&list);
}

static void a_mistake_is_named_with_its_item(void **state) {
    static const struct {
        const char *text;
        const char *item;
        const char *why;
    } cases[] = {
        {"", "", "there is no host"},
        {"a,", "", "there is no host"},
        {",a", "", "there is no host"},
        {"a,:1,b", ":1", "there is no host"},
        {"a:0", "a:0", "a port is a number from 1 to 65535"},
        {"a:65536", "a:65536", "a port is a number from 1 to 65535"},
        {"a:", "a:", "a port is a number from 1 to 65535"},
        {"a:1x", "a:1x", "a port is a number from 1 to 65535"},
        {"a:-1", "a:-1", "a port is a number from 1 to 65535"},
        {"a:1/0", "a:1/0", "a weight is a number from 1 on"},
        {"a:1/", "a:1/", "a weight is a number from 1 on"},
        {"a:1/4294967296", "a:1/4294967296", "a weight is a number from 1 on"},
        {"a:1/1.5", "a:1/1.5", "a weight is a number from 1 on"},
        {"/s:/0", "/s:/0", "a weight is a number from 1 on"},
        {"a b:1", "a b:1", "a host holds no blanks and no control characters"},
        {"::1", "::1", "a server is HOST:PORT/WEIGHT, with an IPv6 address in brackets"},
        {"a/b/1", "a/b/1", "a server is HOST:PORT/WEIGHT, with an IPv6 address in brackets"},
        {"[::1", "[::1", "brackets hold an IPv6 address"},
        {"[]:1", "[]:1", "brackets hold an IPv6 address"},
        {"[a]:1", "[a]:1", "brackets hold an IPv6 address"},
        {"[::1]1", "[::1]1", "a colon and a port follow the bracket"},
        {"[::1]:", "[::1]:", "a port is a number from 1 to 65535"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_list list;
        struct server_list_fault fault;

        assert_false(server_list_init(&list, span_from_text(cases[i].text), &fault));
        assert_string_equal(fault.why, cases[i].why);
        assert_true(span_is(fault.item, cases[i].item));
    }
}

static void the_longest_host_is_read_and_a_longer_one_refused(void **state) {
    char text[RING_HOST_BYTES_MAX + 3];
    struct server_list list;
    struct server_list_fault fault;
    (void)state;

    memset(text, 'h', sizeof text);
    assert_true(server_list_init(&list, span_of(text, RING_HOST_BYTES_MAX), &fault));
    assert_int_equal(strlen(list.servers[0].host), RING_HOST_BYTES_MAX);
    server_list_fini(&list);
    assert_false(server_list_init(&list, span_of(text, RING_HOST_BYTES_MAX + 1), &fault));
    assert_string_equal(fault.why, "a host has at most 255 bytes");
}

static void a_list_is_as_long_as_a_ring_can_be(void **state) {
    size_t bytes = 2 * RING_SERVERS_MAX;
    char *text = malloc(bytes + 1);
    struct server_list list;
    struct server_list_fault fault;
    (void)state;

    assert_non_null(text);
    for (size_t i = 0; i <= bytes; i++) {
        text[i] = i % 2 == 0 ? 'h' : ',';
    }
    assert_true(server_list_init(&list, span_of(text, bytes - 1), &fault));
    assert_int_equal(list.count, RING_SERVERS_MAX);
    server_list_fini(&list);
    assert_false(server_list_init(&list, span_of(text, bytes + 1), &fault));
    assert_string_equal(fault.why, "a ring has at most 4096 servers");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_read_and_written),
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(a_mistake_is_named_with_its_item),
        cmocka_unit_test(the_longest_host_is_read_and_a_longer_one_refused),
        cmocka_unit_test(a_list_is_as_long_as_a_ring_can_be),
    };

    return cmocka_run_group_tests_name("server_list", tests, NULL, NULL);
}
