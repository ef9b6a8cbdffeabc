/* larder: the command line says what memcached's would say */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/server/options.h"
#include "tests/unit/server/command_line.h"

/* A command line that ends the run, with its exit code and all it says on stderr. */
struct refusal {
    const char *line;
    int exit_code;
    const char *err;
};

static void expect_refusals(const struct refusal *refusals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct command_line line = command_line_parse(refusals[i].line);
        if (line.runs || line.exit_code != refusals[i].exit_code ||
            strcmp(line.err, refusals[i].err) != 0) {
            print_message("# %s\n", refusals[i].line);
        }
        assert_string_equal(line.err, refusals[i].err);
        assert_false(line.runs);
        assert_null(line.settings);
        assert_int_equal(line.exit_code, refusals[i].exit_code);
        command_line_free(&line);
    }
}

#define EXPECT_REFUSALS(...)                                                                       \
    do {                                                                                           \
        static const struct refusal refusals[] = {__VA_ARGS__};                                    \
        expect_refusals(refusals, sizeof(refusals) / sizeof(refusals[0]));                         \
    } while (0)

/* Parses a line that is fine and of which nothing is said. */
static struct command_line parse_well(const char *text) {
    struct command_line line = command_line_parse(text);
    assert_string_equal(line.err, "");
    assert_true(line.runs);
    assert_non_null(line.settings);
    return line;
}

static void an_option_that_is_unknown_is_an_illegal_argument(void **state) {
    (void)state;
    EXPECT_REFUSALS(
        {"larder -x", 1, "larder: invalid option -- 'x'\nIllegal argument \"?\"\n"},
        {"larder --foo", 1, "larder: unrecognized option '--foo'\nIllegal argument \"?\"\n"},
        {"larder -t", 1, "larder: option requires an argument -- 't'\nIllegal argument \"?\"\n"},
        {"larder --daemon=1", 1,
         "larder: option '--daemon' doesn't allow an argument\nIllegal argument \"?\"\n"},
        {"larder --list x", 1,
         "larder: option '--list' is ambiguous; possibilities: '--listen' "
         "'--listen-backlog'\nIllegal argument \"?\"\n"},
        {"larder -o foo", 1, "Illegal suboption \"foo\"\n"},
        {"larder -o modern,foo=1", 1, "Illegal suboption \"foo=1\"\n"},
        {"larder -o maxconns_fast,,idle_timeout=0", 1, "Illegal suboption \"\"\n"});
}

static void a_value_out_of_range_is_refused_in_memcacheds_words(void **state) {
    (void)state;
    EXPECT_REFUSALS(
        {"larder -c 0", 1, "Maximum connections must be greater than 0\n"},
        {"larder -c -1", 1, "Maximum connections must be greater than 0\n"},
        {"larder -R 0", 1, "Number of requests per event must be greater than 0\n"},
        {"larder -t 0", 1, "Number of threads must be greater than 0\n"},
        {"larder -t abc", 1, "Number of threads must be greater than 0\n"},
        {"larder -t 513", 1, "Number of threads must not be greater than 512\n"},
        {"larder -p 65536", 64, "ERROR: Invalid port number 65536.\n"},
        {"larder -p -2", 64, "ERROR: Invalid port number -2.\n"},
        {"larder -m -5", 64, "Invalid memory limit \"-5\"\n"},
        {"larder -a 8", 64, "Invalid value \"8\" for -a\n"},
        {"larder -a 10000", 64, "Invalid mask \"10000\" for the UNIX socket\n"},
        {"larder -D ", 1, "No delimiter specified\n"},
        {"larder -B foo", 64,
         "Invalid value for binding protocol: foo\n"
         " -- should be one of auto, binary, or ascii\n"},
        {"larder -o io=fast", 1, "Unknown io option (auto, uring, epoll)\n"},
        {"larder -o pin", 1, "Missing pin argument\n"},
        {"larder -o partitions=513", 1, "partitions must be between 0 and 512\n"},
        {"larder -o partitions=4x", 1, "could not parse argument to partitions\n"},
        {"larder -o idle_timeout", 1, "Missing numeric argument for idle_timeout\n"},
        {"larder -o idle_timeout=-1", 1, "Invalid value \"-1\" for -o idle_timeout\n"},
        {"larder -o temporary_ttl", 1, "Missing temporary_ttl argument\n"},
        {"larder -o hashpower", 1, "Missing numeric argument for hashpower\n"},
        {"larder -o hashpower=11", 1, "Initial hashtable multiplier of 11 is too low\n"},
        {"larder -o hashpower=33", 1,
         "Initial hashtable multiplier of 33 is too high\n"
         "Choose a value based on \"STAT hash_power_level\" from a running instance\n"},
        {"larder -o read_buf_mem_limit=abc", 1,
         "could not parse argument to read_buf_mem_limit\n"});
}

static void what_has_no_effect_is_still_checked(void **state) {
    (void)state;
    EXPECT_REFUSALS(
        {"larder -f 1", 1, "Factor must be greater than 1\n"},
        {"larder -f abc", 1, "Factor must be greater than 1\n"},
        {"larder -n 0", 1, "Chunk size must be greater than 0\n"},
        {"larder -N 0", 1, "Maximum number of NAPI IDs must be greater than 0\n"},
        {"larder -N 5 -t 4", 64,
         "Number of napi_ids(5) cannot be greater than number of threads(4)\n"},
        {"larder -o slab_automove=3", 1, "slab_automove must be between 0 and 2\n"},
        {"larder -o slab_automove_ratio=0", 1, "slab_automove_ratio must be > 0 and < 1\n"},
        {"larder -o slab_automove_window=2", 1, "slab_automove_window must be > 2 and < 1800\n"},
        {"larder -o tail_repair_time=9", 1,
         "Cannot set tail_repair_time to less than 10 seconds\n"},
        {"larder -o hash_algorithm=foo", 1,
         "Unknown hash_algorithm option (jenkins, murmur3, xxh3)\n"},
        {"larder -o lru_crawler_sleep=1000001", 1,
         "LRU crawler sleep must be between 0 and 1 second\n"},
        {"larder -o lru_crawler_tocrawl=abc", 1,
         "lru_crawler_tocrawl takes a numeric 32bit value\n"},
        {"larder -o hot_lru_pct=80", 1, "hot_lru_pct must be > 1 and < 80\n"},
        {"larder -o warm_lru_pct=0", 1, "warm_lru_pct must be > 1 and < 80\n"},
        {"larder -o hot_lru_pct=50,warm_lru_pct=40", 64,
         "hot_lru_pct + warm_lru_pct cannot be more than 80% combined\n"},
        {"larder -o hot_max_factor=0", 1, "hot_max_factor must be > 0\n"},
        {"larder -o warm_max_factor=-1", 1, "warm_max_factor must be > 0\n"},
        {"larder -o temporary_ttl=61,no_lru_maintainer", 64,
         "temporary_ttl requires lru_maintainer to be enabled\n"},
        {"larder -o watcher_logbuf_size", 1, "Missing watcher_logbuf_size argument\n"},
        {"larder -o worker_logbuf_size=1x", 1,
         "could not parse argument to worker_logbuf_size\n"},
        {"larder -o slab_sizes=1-2", 64, "slab size 1 is out of valid range\n"},
        {"larder -o slab_sizes=100-100", 64,
         "slab size 100 cannot be lower than or equal to a previous class size\n"},
        {"larder -o slab_sizes=100-104", 64,
         "slab size 104 must be at least 8 bytes larger than previous class\n"});
}

static void an_item_size_has_bounds(void **state) {
    (void)state;
    EXPECT_REFUSALS(
        {"larder -I 1000", 64, "Item max size cannot be less than 1024 bytes.\n"},
        {"larder -I 256m", 64, "Cannot set item size limit higher than 1/2 of memory max.\n"},
        {"larder -m 0", 64, "Cannot set item size limit higher than 1/2 of memory max.\n"},
        {"larder -m 4096 -I 2000m", 64,
         "Cannot set item size limit higher than a gigabyte.\n"},
        {"larder -I 99999999999999999999", 64,
         "Cannot set item size limit higher than a gigabyte.\n"},
        {"larder -I abc", 64, "Invalid value \"abc\" for -I\n"},
        {"larder -I 1x", 64, "Invalid value \"1x\" for -I\n"},
        {"larder -I 1025", 64,
         "slab_chunk_max (bytes: 524288) cannot be larger than -I (item_size_max 1025)\n"},
        {"larder -I 1000k", 64,
         "-I (item_size_max: 1024000) must be evenly divisible by slab_chunk_max (bytes: "
         "524288)\n"},
        {"larder -o slab_chunk_max=300 -I 600k", 64,
         "slab_chunk_max (bytes: 307200) must divide evenly into 1048576 (slab_page_size)\n"},
        {"larder -o slab_chunk_max=0", 1, "slab_chunk_max must be >= 0\n"},
        {"larder -o slab_chunk_max=2048", 1,
         "slab_chunk_max must be specified in kilobytes.\n"},
        {"larder -o no_modern -I 512k", 64,
         "slab_chunk_max (bytes: 1048576) cannot be larger than -I (item_size_max 524288)\n"});
}

static void an_item_size_has_suffixes(void **state) {
    (void)state;
    static const struct {
        const char *line;
        uint64_t bytes;
    } sizes[] = {
        {"larder", 1048576},
        {"larder -I 2097152", 2097152},
        {"larder -I 512k -o slab_chunk_max=16", 524288},
        {"larder -m 256 -I 32m", 33554432},
        {"larder -m 256 -I 32M", 33554432},
        {"larder -I 1024 -o slab_chunk_max=1", 1024},
        {"larder -m 4096 -I 1g", 1073741824},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct command_line line = parse_well(sizes[i].line);
        assert_int_equal(line.settings->item_bytes_max, sizes[i].bytes);
        command_line_free(&line);
    }
}

static void what_larder_lacks_is_refused(void **state) {
    (void)state;
    EXPECT_REFUSALS(
        {"larder -U -2", 64, "ERROR: Invalid UDP port number -2.\n"},
        {"larder -o ext_path=/x:64m", 1,
         "Illegal suboption \"ext_path=/x:64m\": there is no storage outside memory "
         "(extstore)\n"},
        {"larder -o proxy_config=f", 1,
         "Illegal suboption \"proxy_config=f\": there is no built-in proxy\n"},
        {"larder -o sock_cookie_id=1", 1,
         "Illegal suboption \"sock_cookie_id=1\": sockets are not marked\n"});
}

#if LARDER_TLS
static void tls_has_its_options(void **state) {
    (void)state;
    struct command_line line = parse_well(
        "larder -Z -o ssl_chain_cert=c,ssl_key=k,ssl_ca_cert=a,ssl_verify_mode=2,ssl_keyformat=2,"
        "ssl_ciphers=HIGH,ssl_wbuf_size=64,ssl_session_cache,ssl_min_version=3 "
        "-l a,notls:b,btls:proto[ascii]:c:1,mtls:tag[x]:d:2");
    const struct settings *settings = line.settings;
    assert_true(settings->tls_enabled && settings->tls_session_cache);
    assert_string_equal(settings->tls_chain_path, "c");
    assert_string_equal(settings->tls_key_path, "k");
    assert_string_equal(settings->tls_ca_path, "a");
    assert_string_equal(settings->tls_ciphers, "HIGH");
    assert_int_equal(settings->tls_verify_mode, 2);
    assert_int_equal(settings->tls_key_format, 2);
    assert_int_equal(settings->tls_version_min, 3);
    assert_int_equal(settings->tls_write_bytes, 64 * 1024);
    assert_int_equal(settings->listen[0].tls, TLS_MODE_DEFAULT);
    assert_int_equal(settings->listen[1].tls, TLS_MODE_OFF);
    assert_int_equal(settings->listen[2].tls, TLS_MODE_NO_PEER);
    assert_int_equal(settings->listen[2].protocol, SETTINGS_PROTOCOL_ASCII);
    assert_int_equal(settings->listen[3].tls, TLS_MODE_PEER);
    assert_string_equal(settings->listen[3].tag, "x");
    command_line_free(&line);
    line = parse_well("larder");
    assert_int_equal(line.settings->listen[0].tls, TLS_MODE_OFF);
    assert_int_equal(line.settings->tls_version_min, 2);
    command_line_free(&line);
    EXPECT_REFUSALS({"larder -Z -p 0", 64, "ERROR: You cannot enable SSL without a TCP port.\n"},
                    {"larder -o ssl_key", 1, "Missing ssl_key argument\n"},
                    {"larder -o ssl_verify_mode=4", 1,
                     "Invalid ssl_verify_mode. Use help to see valid options.\n"},
                    {"larder -o ssl_verify_mode=x", 1,
                     "could not parse argument to ssl_verify_mode\n"},
                    {"larder -l btls:a", 71,
                     "'btls' option is valid only when SSL is enabled\n"
                     "failed to listen on one of interface(s) btls:a\n"});
}
#else
static void tls_has_its_options(void **state) {
    (void)state;
    EXPECT_REFUSALS({"larder -Z", 64, "This server is not built with TLS support.\n"},
                    {"larder -o ssl_key=f", 1,
                     "Illegal suboption \"ssl_key=f\": this server is not built with TLS "
                     "support\n"});
}
#endif

static void sasl_asks_for_the_binary_protocol(void **state) {
    (void)state;
    static const char complaint[] =
        "ERROR: You cannot allow the ASCII protocol while using SASL.\n";
    struct command_line line = parse_well("larder -S");
    assert_true(line.settings->sasl_enabled);
    assert_int_equal(line.settings->protocol, SETTINGS_PROTOCOL_BINARY);
    assert_int_equal(line.settings->listen[0].protocol, SETTINGS_PROTOCOL_BINARY);
    command_line_free(&line);
    line = parse_well("larder -S -B binary");
    assert_int_equal(line.settings->protocol, SETTINGS_PROTOCOL_BINARY);
    command_line_free(&line);
    EXPECT_REFUSALS({"larder -S -B auto", 64, complaint}, {"larder -S -B ascii", 64, complaint},
                    {"larder -S -B binary -B ascii", 64, complaint},
                    {"larder -S -U 1", 64,
                     "ERROR: Cannot enable UDP while using binary SASL authentication.\n"},
                    {"larder -S -Y f", 64,
                     "ERROR: You cannot allow the BINARY protocol while using ascii "
                     "authentication tokens.\n"});
}

static void a_file_of_users_asks_for_the_ascii_protocol(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder -Y f -l proto[negotiating]:localhost");
    assert_true(line.runs);
    assert_int_equal(line.settings->protocol, SETTINGS_PROTOCOL_ASCII);
    assert_int_equal(line.settings->listen[0].protocol, SETTINGS_PROTOCOL_ASCII);
    assert_string_equal(line.settings->auth_path, "f");
    command_line_free(&line);
    line = parse_well("larder -Y f -B ascii");
    assert_int_equal(line.settings->protocol, SETTINGS_PROTOCOL_ASCII);
    command_line_free(&line);
    EXPECT_REFUSALS({"larder -Y f -U 11211", 64,
                     "Cannot use UDP with ascii authentication enabled (-U 0 to disable)\n"},
                    {"larder -Y f -B binary", 64,
                     "ERROR: You cannot allow the BINARY protocol while using ascii "
                     "authentication tokens.\n"},
                    {"larder -B auto -Y f", 64,
                     "ERROR: You cannot allow the BINARY protocol while using ascii "
                     "authentication tokens.\n"},
                    {"larder -Y f -l proto[binary]:localhost", 71,
                     "Cannot use binary protocol when ascii authentication enabled\n"
                     "failed to listen on one of interface(s) proto[binary]:localhost\n"});
}

static void a_number_that_is_none_is_refused(void **state) {
    (void)state;
    EXPECT_REFUSALS({"larder -p abc", 64, "Invalid value \"abc\" for -p\n"},
                    {"larder -b abc", 1, "Invalid value \"abc\" for -b\n"},
                    {"larder -m abc", 64, "Invalid value \"abc\" for -m\n"});
}

static void text_after_a_number_is_warned_of(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder -m 128m");
    assert_true(line.runs);
    assert_int_equal(line.settings->memory_bytes, 128 << 20);
    assert_string_equal(line.err, "WARNING: -m: only the number in \"128m\" is used\n");
    command_line_free(&line);
}

static void words_that_are_no_options_are_warned_of(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder stray -t 7");
    assert_true(line.runs);
    assert_int_equal(line.settings->threads, 7);
    assert_string_equal(line.err, "WARNING: \"stray\" is not an option and is not used\n");
    command_line_free(&line);
}

static void a_value_for_a_word_without_one_is_warned_of(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder -o lru_crawler=no");
    assert_true(line.runs);
    assert_true(line.settings->lru_crawler);
    assert_string_equal(line.err, "WARNING: -o lru_crawler takes no value; \"no\" is not used\n");
    command_line_free(&line);
}

static void drop_privileges_warns_that_it_does_nothing(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder -o drop_privileges");
    assert_true(line.runs);
    assert_non_null(strstr(line.err, "WARNING: drop_privileges has no effect"));
    command_line_free(&line);
}

static void a_udp_port_is_taken_and_warned_of(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder -U 11211");
    assert_true(line.runs);
    assert_non_null(
        strstr(line.err, "WARNING: UDP is not served: nothing listens on UDP port 11211\n"));
    assert_int_equal(line.settings->udp_port, 0);
    assert_int_equal(line.settings->tcp_port, 11211);
    command_line_free(&line);
    line = command_line_parse("larder -U 11222");
    assert_int_equal(line.settings->tcp_port, 11222);
    command_line_free(&line);
    line = command_line_parse("larder -p 11232 -U -1");
    assert_int_equal(line.settings->tcp_port, 11232);
    command_line_free(&line);
}

static void verbose_names_what_has_no_effect(void **state) {
    (void)state;
    struct command_line line = command_line_parse("larder -v -f 1.1 -o no_lru_crawler");
    assert_true(line.runs);
    assert_non_null(strstr(line.err, "note: --slab-growth-factor has no effect: "));
    assert_non_null(strstr(line.err, "note: -o no_lru_crawler has no effect: "));
    command_line_free(&line);
}

static void the_later_of_two_options_wins(void **state) {
    (void)state;
    struct command_line line =
        parse_well("larder -t 2 --threads=3 -t 5 -p 1 -p 2 -o no_maxconns_fast,maxconns_fast");
    assert_int_equal(line.settings->threads, 5);
    assert_int_equal(line.settings->tcp_port, 2);
    assert_true(line.settings->connections_refuse_fast);
    command_line_free(&line);
}

static void short_options_cluster_and_long_ones_are_abbreviated(void **state) {
    (void)state;
    struct command_line line = parse_well("larder -vvMCt3 --po 7 --t 6 --verb --disable-w --co 9");
    assert_int_equal(line.settings->verbosity, 3);
    assert_false(line.settings->evictions_enabled);
    assert_false(line.settings->cas_enabled);
    assert_false(line.settings->watch_enabled);
    assert_int_equal(line.settings->tcp_port, 7);
    assert_int_equal(line.settings->threads, 6);
    assert_int_equal(line.settings->connections_max, 9);
    command_line_free(&line);
}

static void larders_own_options_do_not_make_others_ambiguous(void **state) {
    (void)state;
    struct command_line line = parse_well("larder --t 6 --topology=synthetic:pu:2");
    assert_int_equal(line.settings->threads, 6);
    assert_true(line.settings->topology_print);
    assert_string_equal(line.settings->topology_source, "synthetic:pu:2");
    command_line_free(&line);
    line = command_line_parse("memcached --hel");
    assert_false(line.runs);
    assert_int_equal(line.exit_code, 0);
    command_line_free(&line);
}

static void debians_unit_file_parses(void **state) {
    (void)state;
    struct command_line line =
        parse_well("/usr/bin/memcached -d -m 64 -p 11211 -u memcache -l 127.0.0.1 "
                   "-P /var/run/memcached/memcached.pid");
    const struct settings *settings = line.settings;
    assert_true(settings->daemonize);
    assert_int_equal(settings->memory_bytes, 64 << 20);
    assert_string_equal(settings->user, "memcache");
    assert_string_equal(settings->pid_path, "/var/run/memcached/memcached.pid");
    assert_int_equal(settings->listen_count, 1);
    assert_string_equal(settings->listen[0].host, "127.0.0.1");
    assert_int_equal(settings->listen[0].port, 11211);
    command_line_free(&line);
}

static void the_words_of_memcacheds_tests_are_accepted(void **state) {
    (void)state;
    static const char *const lines[] = {
        "memcached-debug -u root -o relaxed_privileges -s /tmp/memcachetest.1.0",
        "memcached-debug -m 60 -o slab_reassign,slab_automove,lru_crawler,slab_automove_window=3",
        "memcached-debug -m 32 -o no_modern,lru_crawler",
        "memcached-debug -o read_buf_mem_limit=1 -t 32 -R 500",
        "memcached-debug -m 3 -o modern,slab_automove_window=3",
        "memcached-debug -o no_modern,slab_chunk_max=4",
        "memcached-debug -m 60 -o watcher_logbuf_size=8",
        "memcached-debug -o idle_timeout=3 -l 127.0.0.1 -U 0",
        "memcached-debug -I 1024 -o slab_chunk_max=1,no_lru_crawler,no_lru_maintainer",
        "memcached-debug -o debugtime -o no_drop_privileges",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct command_line line = parse_well(lines[i]);
        command_line_free(&line);
    }
}

static void auto_is_a_number_of_threads(void **state) {
    (void)state;
    struct command_line line = parse_well("larder -t auto");
    assert_int_equal(line.settings->threads, 0);
    command_line_free(&line);
}

static void many_threads_are_not_warned_of(void **state) {
    (void)state;
    struct command_line line = parse_well("larder -t 128");
    assert_int_equal(line.settings->threads, 128);
    command_line_free(&line);
}

static void help_and_version_begin_as_the_name_says(void **state) {
    (void)state;
    static const char *const flags[] = {"-h", "-V", "-i", "--help", "--version", "--license"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "/opt/bin/memcached %s", flags[i]);
        struct command_line line = command_line_parse(text);
        assert_false(line.runs);
        assert_int_equal(line.exit_code, 0);
        assert_int_equal(strncmp(line.out, "memcached 1.6.45\n", 17), 0);
        command_line_free(&line);
        (void)snprintf(text, sizeof(text), "/opt/memcached/larder %s", flags[i]);
        line = command_line_parse(text);
        assert_int_equal(strncmp(line.out, "larder ", 7), 0);
        command_line_free(&line);
    }
}

/* Tools ask the help which features there are. */
static void help_names_what_works_and_nothing_else(void **state) {
    (void)state;
    static const char *const absent[] = {"ext_path", "proxy_config", "no_drop_privileges",
                                         "Danga",    "debugtime",    "stopped_clock"};
    struct command_line line = command_line_parse("larder -h");
    assert_non_null(strstr(line.out, "--unix-socket=<file>"));
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        assert_null(strstr(line.out, absent[i]));
    }
    for (const char *at = line.out; *at != '\0'; at += strcspn(at, "\n") + 1) {
        assert_true(strcspn(at, "\n") <= 80);
    }
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        bool shown = row->support != REFUSED && !row->hidden && row->name != NULL;
        assert_true(!shown || strstr(line.out, row->name) != NULL);
    }
    command_line_free(&line);
}

static void every_row_says_what_it_is(void **state) {
    (void)state;
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        assert_true(row->name != NULL || row->letter != 0);
        assert_true(row->support == REFUSED || row->doc != NULL);
        assert_true(row->support == WORKS || row->why != NULL);
        assert_true(row->support != REFUSED || row->suboption || row->too_low != NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_that_is_unknown_is_an_illegal_argument),
        cmocka_unit_test(a_value_out_of_range_is_refused_in_memcacheds_words),
        cmocka_unit_test(what_has_no_effect_is_still_checked),
        cmocka_unit_test(an_item_size_has_bounds),
        cmocka_unit_test(an_item_size_has_suffixes),
        cmocka_unit_test(what_larder_lacks_is_refused),
        cmocka_unit_test(tls_has_its_options),
        cmocka_unit_test(sasl_asks_for_the_binary_protocol),
        cmocka_unit_test(a_file_of_users_asks_for_the_ascii_protocol),
        cmocka_unit_test(a_number_that_is_none_is_refused),
        cmocka_unit_test(text_after_a_number_is_warned_of),
        cmocka_unit_test(words_that_are_no_options_are_warned_of),
        cmocka_unit_test(a_value_for_a_word_without_one_is_warned_of),
        cmocka_unit_test(drop_privileges_warns_that_it_does_nothing),
        cmocka_unit_test(a_udp_port_is_taken_and_warned_of),
        cmocka_unit_test(verbose_names_what_has_no_effect),
        cmocka_unit_test(the_later_of_two_options_wins),
        cmocka_unit_test(short_options_cluster_and_long_ones_are_abbreviated),
        cmocka_unit_test(larders_own_options_do_not_make_others_ambiguous),
        cmocka_unit_test(debians_unit_file_parses),
        cmocka_unit_test(the_words_of_memcacheds_tests_are_accepted),
        cmocka_unit_test(auto_is_a_number_of_threads),
        cmocka_unit_test(many_threads_are_not_warned_of),
        cmocka_unit_test(help_and_version_begin_as_the_name_says),
        cmocka_unit_test(help_names_what_works_and_nothing_else),
        cmocka_unit_test(every_row_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
