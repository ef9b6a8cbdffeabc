/* larder: tests of stats and of the admin commands */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/server/rig.h"

enum { ANSWER_BYTES = 512 * 1024, CROWD = 300, KEYS_WITHOUT_CRAWLER_AND_MAINTAINER = 84 };

/* memcached 1.6.45 in its default configuration. */
static const char *const memcached_keys[] = {
    "pid", "uptime", "time", "version", "libevent", "pointer_size", "rusage_user",
    "rusage_system", "max_connections", "curr_connections", "total_connections",
    "rejected_connections", "connection_structures", "response_obj_oom", "response_obj_count",
    "response_obj_bytes", "read_buf_count", "read_buf_bytes", "read_buf_bytes_free",
    "read_buf_oom", "reserved_fds", "cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "cmd_meta",
    "get_hits", "get_misses", "get_expired", "get_flushed", "delete_misses", "delete_hits",
    "incr_misses", "incr_hits", "decr_misses", "decr_hits", "cas_misses", "cas_hits",
    "cas_badval", "touch_hits", "touch_misses", "store_too_large", "store_no_memory",
    "auth_cmds", "auth_errors", "bytes_read", "bytes_written", "limit_maxbytes",
    "accepting_conns", "listen_disabled_num", "time_in_listen_disabled_us", "threads",
    "conn_yields", "hash_power_level", "hash_bytes", "hash_is_expanding",
    "slab_reassign_rescues", "slab_reassign_chunk_rescues", "slab_reassign_inline_reclaim",
    "slab_reassign_busy_items", "slab_reassign_busy_deletes", "slab_reassign_busy_nomem",
    "slab_reassign_last_busy_status", "slab_reassign_running", "slabs_moved",
    "lru_crawler_running", "lru_crawler_starts", "lru_maintainer_juggles", "malloc_fails",
    "log_worker_dropped", "log_worker_written", "log_watcher_skipped", "log_watcher_sent",
    "log_watchers", "unexpected_napi_ids", "round_robin_fallback", "bytes", "curr_items",
    "total_items", "slab_global_page_pool", "expired_unfetched", "evicted_unfetched",
    "evicted_active", "evictions", "reclaimed", "crawler_reclaimed", "crawler_items_checked",
    "lrutail_reflocked", "moves_to_cold", "moves_to_warm", "moves_within_lru",
    "direct_reclaims", "lru_bumps_dropped",
};

struct fixture {
    struct rig rig;
    int fd;
    char *text;
};

static void begin(struct fixture *fixture, unsigned cores, void (*tune)(struct settings *)) {
    rig_start(&fixture->rig, IO_BACKEND_EPOLL, cores, tune);
    fixture->fd = rig_connect(&fixture->rig);
    fixture->text = malloc(ANSWER_BYTES);
    assert_non_null(fixture->text);
}

static void end(struct fixture *fixture) {
    close(fixture->fd);
    rig_await_no_connections(&fixture->rig);
    rig_end(&fixture->rig);
    free(fixture->text);
}

static void ask(struct fixture *fixture, const char *command) {
    (void)rig_stats(&fixture->rig, fixture->fd, command, fixture->text, ANSWER_BYTES);
}

/* The value of a line; UINT64_MAX: there is none. */
static uint64_t value_of(const struct fixture *fixture, const char *key) {
    char line[96];
    snprintf(line, sizeof(line), "STAT %s ", key);
    const char *at = strstr(fixture->text, line);
    return at == NULL ? UINT64_MAX : strtoull(at + strlen(line), NULL, 10);
}

static unsigned lines_of(const char *text) {
    unsigned count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++) {
        count++;
    }
    return count;
}

static void stats_have_the_keys_of_memcached_in_their_order(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 2, NULL);
    ask(&fixture, "stats\r\n");
    const char *at = fixture.text;
    for (size_t i = 0; i < sizeof(memcached_keys) / sizeof(memcached_keys[0]); i++) {
        char line[96];
        int length = snprintf(line, sizeof(line), "STAT %s ", memcached_keys[i]);
        assert_memory_equal(at, line, (size_t)length);
        at = strchr(at, '\n') + 1;
    }
    assert_string_equal(at, "END\r\n");
    end(&fixture);
}

static void tune_like_the_suite(struct settings *settings) {
    settings->lru_crawler = false;
    settings->lru_maintainer = false;
}

static void without_crawler_and_maintainer_there_are_84_keys(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, tune_like_the_suite);
    ask(&fixture, "stats\r\n");
    assert_int_equal(lines_of(fixture.text), KEYS_WITHOUT_CRAWLER_AND_MAINTAINER + 1);
    end(&fixture);
}

static void counters_of_all_cores_are_added_up_and_reset_from_a_baseline(void **state) {
    (void)state;
    struct fixture fixture;
    int others[4];
    begin(&fixture, 4, NULL);
    for (unsigned i = 0; i < 4; i++) {
        others[i] = rig_connect(&fixture.rig);
        rig_send_text(&fixture.rig, others[i], "set a 0 0 1\r\nx\r\nget a b\r\n");
        rig_expect_text(&fixture.rig, others[i], "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    }
    ask(&fixture, "stats\r\n");
    assert_int_equal(value_of(&fixture, "cmd_get"), 8);
    assert_int_equal(value_of(&fixture, "cmd_set"), 4);
    assert_int_equal(value_of(&fixture, "get_hits"), 4);
    assert_int_equal(value_of(&fixture, "get_misses"), 4);
    assert_int_equal(value_of(&fixture, "curr_connections"), 5);
    rig_send_text(&fixture.rig, fixture.fd, "stats reset\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "RESET\r\n");
    rig_send_text(&fixture.rig, others[0], "get a\r\n");
    rig_expect_text(&fixture.rig, others[0], "VALUE a 0 1\r\nx\r\nEND\r\n");
    ask(&fixture, "stats\r\n");
    assert_int_equal(value_of(&fixture, "cmd_get"), 1);
    assert_int_equal(value_of(&fixture, "cmd_set"), 0);
    assert_int_equal(value_of(&fixture, "curr_connections"), 5);
    for (unsigned i = 0; i < 4; i++) {
        close(others[i]);
    }
    end(&fixture);
}

static void stats_settings_follow_what_commands_changed(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 3, NULL);
    rig_send_text(&fixture.rig, fixture.fd, "verbosity 1\r\ncache_memlimit 128\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "OK\r\nOK\r\n");
    ask(&fixture, "stats settings\r\n");
    assert_int_equal(value_of(&fixture, "verbosity"), 1);
    assert_int_equal(value_of(&fixture, "num_threads"), 3);
    assert_int_equal(value_of(&fixture, "maxbytes"), 128 << 20);
    ask(&fixture, "stats\r\n");
    assert_int_equal(value_of(&fixture, "limit_maxbytes"), 128 << 20);
    end(&fixture);
}

static void the_memory_limit_has_its_bounds(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, NULL);
    rig_send_text(&fixture.rig, fixture.fd,
                  "cache_memlimit\r\ncache_memlimit x\r\ncache_memlimit 7\r\n"
                  "cache_memlimit 1000000001\r\n");
    rig_expect_text(&fixture.rig, fixture.fd,
                    "ERROR\r\nERROR\r\n"
                    "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
                    "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n");
    end(&fixture);
}

/* Written in portions: more than fits into one, and more than one core. */
static void stats_conns_show_every_connection_of_every_core(void **state) {
    (void)state;
    struct fixture fixture;
    int crowd[CROWD];
    begin(&fixture, 3, NULL);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = rig_connect(&fixture.rig);
    }
    rig_step(&fixture.rig);
    rig_step(&fixture.rig);
    ask(&fixture, "stats conns\r\n");
    /* four lines a connection, three the listener, END */
    assert_int_equal(lines_of(fixture.text), 4 * (CROWD + 1) + 3 + 1);
    for (unsigned i = 0; i < CROWD; i++) {
        close(crowd[i]);
    }
    end(&fixture);
}

static void a_client_that_leaves_inside_stats_conns_leaves_nothing(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, NULL);
    int fd = rig_connect(&fixture.rig);
    for (unsigned i = 0; i < 50; i++) {
        rig_send_text(&fixture.rig, fd, "stats conns\r\n");
    }
    rig_step(&fixture.rig);
    close(fd);
    end(&fixture);
}

static void shutdown_needs_the_option(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, NULL);
    rig_send_text(&fixture.rig, fixture.fd, "shutdown\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "SERVER_ERROR: shutdown not enabled\r\n");
    assert_int_equal(atom_load_relaxed(&fixture.rig.server.stop), SERVER_RUNS);
    end(&fixture);
}

static void tune_shutdown(struct settings *settings) {
    settings->shutdown_enabled = true;
}

static void shutdown_stops_the_server(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 2, tune_shutdown);
    rig_send_text(&fixture.rig, fixture.fd, "shutdown nicely\r\nshutdown graceful\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "CLIENT_ERROR invalid shutdown mode\r\n");
    rig_expect_end(&fixture.rig, fixture.fd);
    assert_int_equal(atom_load_relaxed(&fixture.rig.server.stop), SERVER_STOPS_GRACEFULLY);
    end(&fixture);
}

static void tune_debug_time(struct settings *settings) {
    settings->debug_time = true;
}

static void debugtime_moves_the_clock(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, tune_debug_time);
    rig_send_text(&fixture.rig, fixture.fd, "set a 0 100 1\r\nx\r\ndebugtime p\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "STORED\r\nOK\r\n");
    rig_send_text(&fixture.rig, fixture.fd, "debugtime 99\r\nget a\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "OK\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    rig_send_text(&fixture.rig, fixture.fd, "debugtime 2\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "OK\r\n");
    rig_send_text(&fixture.rig, fixture.fd, "get a\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "END\r\n");
    end(&fixture);
}

static void tune_sizes(struct settings *settings) {
    settings->track_sizes = true;
}

static void stats_sizes_are_shown_when_asked_for(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, tune_sizes);
    ask(&fixture, "stats sizes\r\n");
    assert_string_equal(fixture.text, "END\r\n");
    rig_send_text(&fixture.rig, fixture.fd, "set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "STORED\r\nSTORED\r\n");
    ask(&fixture, "stats sizes\r\n");
    assert_string_equal(fixture.text, "STAT 64 2\r\nEND\r\n");
    rig_send_text(&fixture.rig, fixture.fd, "append a 0 0 5\r\nyyyyy\r\ndelete b\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "STORED\r\nDELETED\r\n");
    ask(&fixture, "stats sizes\r\n");
    assert_string_equal(fixture.text, "STAT 96 1\r\nEND\r\n");
    end(&fixture);
}

static void unknown_statistics_are_an_error(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, NULL);
    rig_send_text(&fixture.rig, fixture.fd, "stats nonsense\r\ndebugtime 1\r\n");
    rig_expect_text(&fixture.rig, fixture.fd, "ERROR\r\nERROR\r\n");
    end(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stats_have_the_keys_of_memcached_in_their_order),
        cmocka_unit_test(without_crawler_and_maintainer_there_are_84_keys),
        cmocka_unit_test(counters_of_all_cores_are_added_up_and_reset_from_a_baseline),
        cmocka_unit_test(stats_settings_follow_what_commands_changed),
        cmocka_unit_test(the_memory_limit_has_its_bounds),
        cmocka_unit_test(stats_conns_show_every_connection_of_every_core),
        cmocka_unit_test(a_client_that_leaves_inside_stats_conns_leaves_nothing),
        cmocka_unit_test(shutdown_needs_the_option),
        cmocka_unit_test(shutdown_stops_the_server),
        cmocka_unit_test(debugtime_moves_the_clock),
        cmocka_unit_test(stats_sizes_are_shown_when_asked_for),
        cmocka_unit_test(unknown_statistics_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
