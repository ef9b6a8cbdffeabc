/* larder: rings: evenness, weights, what moves, what they refuse */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/client/ring.h"

enum { KEYS = 60000, SERVERS_MAX = 64, TEXT_MAX = 32, SETS = 3 };

/* A fleet of `count` servers with addresses of its own for each `set`. */
struct fleet {
    struct ring_server servers[SERVERS_MAX];
    char hosts[SERVERS_MAX][TEXT_MAX];
    uint32_t count;
};

static void fleet_init(struct fleet *fleet, uint32_t count, unsigned set) {
    fleet->count = count;
    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        (void)snprintf(fleet->hosts[i], TEXT_MAX, "10.%u.7.%u", set, i + 1);
        fleet->servers[i] =
            (struct ring_server){.host = fleet->hosts[i], .port = 11211, .weight = 1};
    }
}

static void fleet_remove(struct fleet *fleet, uint32_t index) {
    fleet->count--;
    memmove(&fleet->servers[index], &fleet->servers[index + 1],
            (fleet->count - index) * sizeof(fleet->servers[0]));
}

static struct ring *ring_of(enum ring_mode mode, const struct fleet *fleet) {
    const char *why = NULL;
    struct ring *ring = ring_create(mode, fleet->servers, fleet->count, &why);

    assert_non_null(ring);
    assert_null(why);
    return ring;
}

static uint32_t pick(const struct ring *ring, unsigned key) {
    char text[TEXT_MAX];
    int bytes = snprintf(text, sizeof text, "key:%u", key);

    return ring_pick(ring, text, (size_t)bytes);
}

static const char *pick_host(const struct ring *ring, unsigned key) {
    return ring_server_at(ring, pick(ring, key))->host;
}

/* Deviation of the servers' keys, as a part of their mean (equal weights). */
static double variation(const struct ring *ring) {
    unsigned counts[SERVERS_MAX] = {0};
    uint32_t servers = ring_server_count(ring);
    double squares = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        counts[pick(ring, i)]++;
    }
    for (uint32_t i = 0; i < servers; i++) {
        double off = (double)counts[i] * servers / KEYS - 1;

        squares += off * off;
    }
    return sqrt(squares / servers);
}

static double variation_of_sets(enum ring_mode mode, uint32_t servers) {
    double sum = 0;

    for (unsigned set = 0; set < SETS; set++) {
        struct fleet fleet;

        fleet_init(&fleet, servers, set);
        struct ring *ring = ring_of(mode, &fleet);

        sum += variation(ring);
        ring_destroy(ring);
    }
    return sum / SETS;
}

/* The part of the keys that are with another host in the second ring. */
static double moved(const struct ring *from, const struct ring *to) {
    unsigned count = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        count += strcmp(pick_host(from, i), pick_host(to, i)) != 0;
    }
    return (double)count / KEYS;
}

static double moved_by_adding(enum ring_mode mode, uint32_t servers) {
    double sum = 0;

    for (unsigned set = 0; set < SETS; set++) {
        struct fleet fleet;

        fleet_init(&fleet, servers, set);
        struct ring *from = ring_of(mode, &fleet);

        fleet.count++;
        struct ring *to = ring_of(mode, &fleet);

        sum += moved(from, to);
        ring_destroy(from);
        ring_destroy(to);
    }
    return sum / SETS;
}

/* Removes each server in turn; gives the mean. */
static double moved_by_removing(enum ring_mode mode, uint32_t servers) {
    double sum = 0;
    struct fleet fleet;

    fleet_init(&fleet, servers, 0);
    struct ring *from = ring_of(mode, &fleet);

    for (uint32_t i = 0; i < servers; i++) {
        struct fleet rest;

        fleet_init(&rest, servers, 0);
        fleet_remove(&rest, i);
        struct ring *to = ring_of(mode, &rest);

        sum += moved(from, to);
        ring_destroy(to);
    }
    ring_destroy(from);
    return sum / servers;
}

struct bounds {
    enum ring_mode mode;
    double five;
    double ten;
    double twenty;
};

static void keys_spread_evenly(void **state) {
    static const struct bounds bounds[] = {
        {RING_KETAMA_WEIGHTED, .09, .10, .10}, {RING_KETAMA_SPY, .09, .10, .10},
        {RING_KETAMA, .13, .14, .14},          {RING_KETAMA_MD5, .13, .14, .14},
        {RING_RENDEZVOUS, .02, .02, .03},      {RING_JUMP, .015, .02, .03},
        {RING_MODULA, .015, .02, .03},         {RING_MODULA_MD5, .015, .02, .03},
        {RING_MODULA_CRC, .015, .02, .03},
    };
    (void)state;

    assert_int_equal(sizeof bounds / sizeof bounds[0], RING_MODE_COUNT);
    for (size_t i = 0; i < RING_MODE_COUNT; i++) {
        double five = variation_of_sets(bounds[i].mode, 5);
        double ten = variation_of_sets(bounds[i].mode, 10);
        double twenty = variation_of_sets(bounds[i].mode, 20);

        print_message("# %s: %.1f %% of 5, %.1f of 10, %.1f of 20\n",
                      ring_mode_about(bounds[i].mode)->name, 100 * five, 100 * ten, 100 * twenty);
        assert_true(five < bounds[i].five && ten < bounds[i].ten && twenty < bounds[i].twenty);
    }
}

static void adding_one_of_n_moves_about_one_nth(void **state) {
    static const enum ring_mode modes[] = {RING_KETAMA_WEIGHTED, RING_KETAMA, RING_KETAMA_MD5,
                                           RING_KETAMA_SPY,      RING_RENDEZVOUS, RING_JUMP};
    (void)state;

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        double part = moved_by_adding(modes[i], 10);

        print_message("# %s: adding one to 10 moves %.1f %%\n", ring_mode_about(modes[i])->name,
                      100 * part);
        assert_true(part > 1.0 / 11 - .015 && part < 1.0 / 11 + .015);
    }
    assert_true(moved_by_adding(RING_MODULA, 10) > .85);
}

static void removing_one_of_n_moves_about_one_nth(void **state) {
    static const enum ring_mode modes[] = {RING_KETAMA_WEIGHTED, RING_KETAMA, RING_KETAMA_MD5,
                                           RING_KETAMA_SPY, RING_RENDEZVOUS};
    (void)state;

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        double part = moved_by_removing(modes[i], 10);

        print_message("# %s: removing one of 10 moves %.1f %%\n", ring_mode_about(modes[i])->name,
                      100 * part);
        assert_true(part > .095 && part < .105);
    }
}

static void jump_moves_keys_to_the_last_server_only(void **state) {
    struct fleet fleet;
    (void)state;

    for (uint32_t servers = 1; servers < 30; servers++) {
        fleet_init(&fleet, servers, 0);
        struct ring *from = ring_of(RING_JUMP, &fleet);

        fleet.count++;
        struct ring *to = ring_of(RING_JUMP, &fleet);

        for (unsigned i = 0; i < 2000; i++) {
            assert_true(pick(to, i) == pick(from, i) || pick(to, i) == servers);
        }
        ring_destroy(from);
        ring_destroy(to);
    }
}

static void rendezvous_moves_only_the_keys_of_the_server_that_goes(void **state) {
    struct fleet fleet;
    (void)state;

    fleet_init(&fleet, 8, 0);
    for (uint32_t i = 0; i < fleet.count; i++) {
        fleet.servers[i].weight = 1 + i % 3;
    }
    struct ring *from = ring_of(RING_RENDEZVOUS, &fleet);
    struct fleet rest = fleet;

    fleet_remove(&rest, 3);
    struct ring *to = ring_of(RING_RENDEZVOUS, &rest);

    for (unsigned i = 0; i < KEYS; i++) {
        uint32_t was = pick(from, i);

        assert_true(was == 3 || strcmp(pick_host(from, i), pick_host(to, i)) == 0);
    }
    ring_destroy(from);
    ring_destroy(to);
}

static void rendezvous_does_not_care_for_the_order_of_the_list(void **state) {
    struct fleet fleet;
    (void)state;

    fleet_init(&fleet, 9, 1);
    struct ring *ring = ring_of(RING_RENDEZVOUS, &fleet);
    struct fleet turned = fleet;

    for (uint32_t i = 0; i < fleet.count; i++) {
        turned.servers[i] = fleet.servers[fleet.count - 1 - i];
    }
    struct ring *other = ring_of(RING_RENDEZVOUS, &turned);

    assert_true(moved(ring, other) == 0);
    ring_destroy(ring);
    ring_destroy(other);
}

static void a_heavier_server_takes_keys_and_none_move_between_the_others(void **state) {
    struct fleet fleet;
    (void)state;

    fleet_init(&fleet, 6, 2);
    struct ring *from = ring_of(RING_RENDEZVOUS, &fleet);

    fleet.servers[2].weight = 4;
    struct ring *to = ring_of(RING_RENDEZVOUS, &fleet);

    for (unsigned i = 0; i < KEYS; i++) {
        assert_true(pick(to, i) == 2 || pick(to, i) == pick(from, i));
    }
    ring_destroy(from);
    ring_destroy(to);
}

static void weights_are_shares(void **state) {
    static const struct {
        enum ring_mode mode;
        double off;
    } cases[] = {{RING_RENDEZVOUS, .05}, {RING_JUMP, .05}, {RING_KETAMA_WEIGHTED, .25},
                 {RING_KETAMA, .25},     {RING_KETAMA_MD5, .25}, {RING_KETAMA_SPY, .25}};
    static const uint32_t weights[] = {1, 2, 3, 10, 4};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet fleet;
        unsigned counts[5] = {0};

        fleet_init(&fleet, 5, 0);
        for (uint32_t s = 0; s < 5; s++) {
            fleet.servers[s].weight = weights[s];
        }
        struct ring *ring = ring_of(cases[i].mode, &fleet);

        for (unsigned k = 0; k < KEYS; k++) {
            counts[pick(ring, k)]++;
        }
        for (uint32_t s = 0; s < 5; s++) {
            double relative = counts[s] / (ring_share_due(ring, s) * KEYS);

            assert_true(fabs(ring_share_due(ring, s) - weights[s] / 20.0) < 1e-12);
            assert_true(relative > 1 - cases[i].off && relative < 1 + cases[i].off);
        }
        ring_destroy(ring);
    }
}

static void shares_say_where_keys_go(void **state) {
    (void)state;

    for (unsigned mode = 0; mode < RING_MODE_COUNT; mode++) {
        struct fleet fleet;
        unsigned counts[7] = {0};
        double shares[7];
        double sum = 0;

        fleet_init(&fleet, 7, 1);
        fleet.servers[3].weight = 5;
        struct ring *ring = ring_of((enum ring_mode)mode, &fleet);

        for (unsigned k = 0; k < KEYS; k++) {
            counts[pick(ring, k)]++;
        }
        ring_shares(ring, shares);
        for (unsigned i = 0; i < 7; i++) {
            sum += shares[i];
            assert_true(fabs((double)counts[i] / KEYS - shares[i]) < .01);
        }
        assert_true(fabs(sum - 1) < 1e-9);
        ring_destroy(ring);
    }
}

/* libmemcached counts in 32-bit floats: 156 points each for some numbers of equal servers. */
static void points_are_counted_in_small_floats(void **state) {
    static const struct {
        uint32_t servers;
        uint32_t points;
    } cases[] = {{2, 160}, {3, 160},  {7, 160},  {24, 160}, {25, 156}, {26, 160},
                 {47, 156}, {50, 156}, {55, 156}, {61, 156}, {64, 160}};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet fleet;

        fleet_init(&fleet, cases[i].servers, 0);
        struct ring *ring = ring_of(RING_KETAMA_WEIGHTED, &fleet);

        assert_int_equal(ring_point_count(ring), cases[i].servers * cases[i].points);
        ring_destroy(ring);
    }
}

static void a_weight_switches_plain_ketama_to_weighted_points(void **state) {
    struct fleet fleet;
    (void)state;

    fleet_init(&fleet, 4, 0);
    struct ring *plain = ring_of(RING_KETAMA, &fleet);

    fleet.servers[1].weight = 2;
    struct ring *weighted = ring_of(RING_KETAMA, &fleet);

    assert_int_equal(ring_point_count(plain), 400);
    assert_int_equal(ring_point_count(weighted), 128 * 3 + 256);
    ring_destroy(plain);
    ring_destroy(weighted);
}

static void one_server_has_every_key(void **state) {
    (void)state;

    for (unsigned mode = 0; mode < RING_MODE_COUNT; mode++) {
        struct fleet fleet;
        double share = 0;

        fleet_init(&fleet, 1, 0);
        struct ring *ring = ring_of((enum ring_mode)mode, &fleet);

        assert_int_equal(pick(ring, 7), 0);
        assert_int_equal(ring_pick(ring, "", 0), 0);
        ring_shares(ring, &share);
        assert_true(share == 1);
        assert_int_equal(ring_point_count(ring), 0);
        ring_destroy(ring);
    }
}

static void the_ring_keeps_its_own_copy_of_the_list(void **state) {
    struct fleet fleet;
    (void)state;

    fleet_init(&fleet, 3, 0);
    struct ring *ring = ring_of(RING_RENDEZVOUS, &fleet);
    uint32_t before = pick(ring, 1);

    memset(&fleet, 0, sizeof fleet);
    assert_int_equal(pick(ring, 1), before);
    assert_string_equal(ring_server_at(ring, 2)->host, "10.0.7.3");
    ring_destroy(ring);
}

static void what_makes_no_ring_is_refused_with_a_reason(void **state) {
    char longest[RING_HOST_BYTES_MAX + 2] = "";
    struct ring_server server = {.host = "h", .port = 1, .weight = 1};
    const char *why = NULL;
    (void)state;

    assert_null(ring_create(RING_JUMP, &server, 0, &why));
    assert_string_equal(why, "a ring needs a server");
    assert_null(ring_create(RING_JUMP, &server, RING_SERVERS_MAX + 1, &why));
    assert_string_equal(why, "a ring has at most 4096 servers");
    server.weight = 0;
    assert_null(ring_create(RING_JUMP, &server, 1, &why));
    assert_string_equal(why, "a server's weight is at least 1");
    server.weight = 1;
    server.host = longest;
    assert_null(ring_create(RING_JUMP, &server, 1, &why));
    memset(longest, 'h', RING_HOST_BYTES_MAX + 1);
    assert_null(ring_create(RING_JUMP, &server, 1, &why));
    assert_string_equal(why, "a server's host has 1 to 255 bytes");
    longest[RING_HOST_BYTES_MAX] = '\0';
    struct ring *ring = ring_create(RING_JUMP, &server, 1, &why);

    assert_non_null(ring);
    ring_destroy(ring);
    ring_destroy(NULL);
}

static void the_largest_fleet_and_weights_are_a_ring(void **state) {
    struct ring_server *servers = calloc(RING_SERVERS_MAX, sizeof *servers);
    char(*hosts)[TEXT_MAX] = calloc(RING_SERVERS_MAX, sizeof *hosts);
    (void)state;

    assert_non_null(servers);
    assert_non_null(hosts);
    for (unsigned i = 0; i < RING_SERVERS_MAX; i++) {
        (void)snprintf(hosts[i], TEXT_MAX, "cache%u.example.net", i);
        servers[i] = (struct ring_server){
            .host = hosts[i], .port = 65535, .weight = i % 2 == 0 ? UINT32_MAX : 1};
    }
    for (unsigned mode = 0; mode < RING_MODE_COUNT; mode++) {
        const char *why;
        struct ring *ring =
            ring_create((enum ring_mode)mode, servers, RING_SERVERS_MAX, &why);

        assert_non_null(ring);
        for (unsigned i = 0; i < 100; i++) {
            uint32_t index = pick(ring, i);

            assert_true(index < RING_SERVERS_MAX);
            assert_true(!ring_mode_about((enum ring_mode)mode)->weighs || index % 2 == 0);
        }
        ring_destroy(ring);
    }
    free(hosts);
    free(servers);
}

static void the_circle_is_owned_as_keys_are_picked(void **state) {
    struct fleet fleet;
    double shares[5];
    unsigned counts[5] = {0};
    uint32_t index = 0;
    (void)state;

    fleet_init(&fleet, 5, 0);
    struct ring *ring = ring_of(RING_KETAMA_WEIGHTED, &fleet);

    ring_shares(ring, shares);
    for (uint32_t i = 0; i < 1u << 16; i++) {
        assert_true(ring_owner_at(ring, i << 16, &index));
        counts[index]++;
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_true(fabs(counts[i] / 65536.0 - shares[i]) < .005);
    }
    /* above the last point the first one's owner follows */
    uint32_t first = 0;

    assert_true(ring_owner_at(ring, 0, &first));
    assert_true(ring_owner_at(ring, UINT32_MAX, &index));
    assert_int_equal(index, first);
    ring_destroy(ring);
    ring = ring_of(RING_JUMP, &fleet);
    assert_false(ring_owner_at(ring, 0, &index));
    ring_destroy(ring);
}

static void modes_are_found_by_name(void **state) {
    enum ring_mode mode = RING_JUMP;
    (void)state;

    for (unsigned i = 0; i < RING_MODE_COUNT; i++) {
        assert_true(ring_mode_find(span_from_text(ring_mode_about((enum ring_mode)i)->name),
                                   &mode));
        assert_int_equal(mode, i);
    }
    assert_false(ring_mode_find(span_from_text("ketama-"), &mode));
    assert_false(ring_mode_find(span_from_text(""), &mode));
    assert_int_equal(RING_KETAMA_WEIGHTED, 0);
}

static void *pick_many(void *argument) {
    const struct ring *ring = argument;
    uintptr_t sum = 0;

    for (unsigned i = 0; i < KEYS / 4; i++) {
        sum = sum * 31 + pick(ring, i);
    }
    return (void *)sum;
}

static void threads_read_one_ring(void **state) {
    (void)state;

    for (unsigned mode = 0; mode < RING_MODE_COUNT; mode++) {
        struct fleet fleet;
        pthread_t threads[4];

        fleet_init(&fleet, 5, 0);
        fleet.servers[0].weight = 2;
        struct ring *ring = ring_of((enum ring_mode)mode, &fleet);
        void *expected = pick_many(ring);

        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, pick_many, ring), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            void *sum = NULL;

            assert_int_equal(pthread_join(threads[i], &sum), 0);
            assert_ptr_equal(sum, expected);
        }
        ring_destroy(ring);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_spread_evenly),
        cmocka_unit_test(adding_one_of_n_moves_about_one_nth),
        cmocka_unit_test(removing_one_of_n_moves_about_one_nth),
        cmocka_unit_test(jump_moves_keys_to_the_last_server_only),
        cmocka_unit_test(rendezvous_moves_only_the_keys_of_the_server_that_goes),
        cmocka_unit_test(rendezvous_does_not_care_for_the_order_of_the_list),
        cmocka_unit_test(a_heavier_server_takes_keys_and_none_move_between_the_others),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(shares_say_where_keys_go),
        cmocka_unit_test(points_are_counted_in_small_floats),
        cmocka_unit_test(a_weight_switches_plain_ketama_to_weighted_points),
        cmocka_unit_test(one_server_has_every_key),
        cmocka_unit_test(the_ring_keeps_its_own_copy_of_the_list),
        cmocka_unit_test(what_makes_no_ring_is_refused_with_a_reason),
        cmocka_unit_test(the_largest_fleet_and_weights_are_a_ring),
        cmocka_unit_test(the_circle_is_owned_as_keys_are_picked),
        cmocka_unit_test(modes_are_found_by_name),
        cmocka_unit_test(threads_read_one_ring),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
