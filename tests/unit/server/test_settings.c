/* larder: settings, their lines in `stats settings`, and addresses to listen on */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/server/settings.h"
#include "tests/unit/server/command_line.h"

/* What memcached 1.6.45 answers, built with extstore and TLS. */
static const char default_lines[] =
    "maxbytes 67108864\nmaxconns 1024\ntcpport 11211\nudpport 0\ninter NULL\nverbosity 0\n"
    "oldest 0\nevictions on\ndomain_socket NULL\numask 700\nshutdown_command no\n"
    "growth_factor 1.25\nchunk_size 48\nnum_threads 4\nnum_threads_per_udp 4\n"
    "stat_key_prefix :\ndetail_enabled no\nreqs_per_event 20\ncas_enabled yes\n"
    "tcp_backlog 1024\nbinding_protocol auto-negotiate\nauth_enabled_sasl no\n"
    "auth_enabled_ascii no\nitem_size_max 1048576\nmaxconns_fast yes\nhashpower_init 0\n"
    "slab_reassign yes\nslab_automove 1\nslab_automove_ratio 0.80\nslab_automove_window 10\n"
    "slab_chunk_max 524288\nlru_crawler yes\nlru_crawler_sleep 100\nlru_crawler_tocrawl 0\n"
    "tail_repair_time 0\nflush_enabled yes\ndump_enabled yes\nhash_algorithm murmur3\n"
    "lru_maintainer_thread yes\nlru_segmented yes\nhot_lru_pct 20\nwarm_lru_pct 40\n"
    "hot_max_factor 0.20\nwarm_max_factor 2.00\ntemp_lru no\ntemporary_ttl 61\n"
    "idle_timeout 0\nwatcher_logbuf_size 262144\nworker_logbuf_size 65536\n"
    "read_buf_mem_limit 0\ntrack_sizes no\ninline_ascii_response no\next_item_size 512\n"
    "ext_item_age 4294967295\next_low_ttl 0\next_recache_rate 2000\next_wbuf_size 4194304\n"
    "ext_compact_under 0\next_drop_under 0\next_max_sleep 1000000\next_max_frag 0.80\n"
    "slab_automove_freeratio 0.010\next_drop_unread no\nssl_enabled no\n"
    "ssl_chain_cert (null)\nssl_key (null)\nssl_verify_mode 0\nssl_keyformat 1\n"
    "ssl_ciphers NULL\nssl_ca_cert NULL\nssl_wbuf_size 16384\nssl_session_cache no\n"
    "ssl_kernel_tls no\nssl_min_version tlsv1.2\nnum_napi_ids 0\nmemory_file (null)\n"
    "client_flags_size 4\n";

struct lines {
    char text[8192];
    size_t length;
    unsigned count;
};

static void add_line(void *context, const char *key, const char *value) {
    struct lines *lines = context;
    int added = snprintf(lines->text + lines->length, sizeof(lines->text) - lines->length,
                         "%s %s\n", key, value);
    assert_true(added > 0 && (size_t)added < sizeof(lines->text) - lines->length);
    lines->length += (size_t)added;
    lines->count++;
}

static void the_defaults_are_memcacheds_line_by_line(void **state) {
    (void)state;
    struct settings *settings = settings_create_default();
    assert_non_null(settings);
    struct lines lines = {.length = 0};
    settings_each(settings, add_line, &lines);
    assert_string_equal(lines.text, default_lines);
    assert_int_equal(lines.count, 77);
    settings_destroy(settings);
}

static void expect_line(const char *command, const char *expected) {
    struct command_line line = command_line_parse(command);
    assert_true(line.runs);
    struct lines lines = {.length = 1, .text = "\n"};
    settings_each(line.settings, add_line, &lines);
    char bounded[256];
    (void)snprintf(bounded, sizeof(bounded), "\n%s\n", expected);
    if (strstr(lines.text, bounded) == NULL) {
        print_message("# %s: no line \"%s\"\n", command, expected);
    }
    assert_non_null(strstr(lines.text, bounded));
    command_line_free(&line);
}

static void each_option_shows_in_its_line(void **state) {
    (void)state;
    expect_line("larder -m 1024", "maxbytes 1073741824");
    expect_line("larder -p -1", "tcpport -1");
    expect_line("larder -l a -l b:7,c", "inter a,b:7,c");
    expect_line("larder -s /tmp/x -a 0777", "domain_socket /tmp/x");
    expect_line("larder -s /tmp/x -a 0777", "umask 777");
    expect_line("larder -M", "evictions off");
    expect_line("larder -A", "shutdown_command yes");
    expect_line("larder -f 1.07", "growth_factor 1.07");
    expect_line("larder -D |", "stat_key_prefix |");
    expect_line("larder -D |", "detail_enabled yes");
    expect_line("larder -C", "cas_enabled no");
    expect_line("larder -B ascii", "binding_protocol ascii");
    expect_line("larder -F -X", "flush_enabled no");
    expect_line("larder -F -X", "dump_enabled no");
    expect_line("larder -o temporary_ttl=30", "temp_lru yes");
    expect_line("larder -o temporary_ttl=30", "temporary_ttl 30");
    expect_line("larder -o idle_timeout=5,track_sizes", "idle_timeout 5");
    expect_line("larder -o idle_timeout=5,track_sizes", "track_sizes yes");
    expect_line("larder -o hashpower=20", "hashpower_init 20");
    expect_line("larder -o slab_automove=0", "slab_automove 0");
    expect_line("larder -o no_slab_automove,slab_automove", "slab_automove 1");
    expect_line("larder -o watcher_logbuf_size=8", "watcher_logbuf_size 8192");
    expect_line("larder -o read_buf_mem_limit=2", "read_buf_mem_limit 2097152");
    expect_line("larder -o no_chunked_items", "slab_chunk_max 1048576");
    expect_line("larder -o hash_algorithm=xxh3", "hash_algorithm xxh3");
    expect_line("larder -N 2", "num_napi_ids 2");
}

static void no_modern_brings_the_old_defaults(void **state) {
    (void)state;
    expect_line("larder -o no_modern", "slab_chunk_max 1048576");
    expect_line("larder -o no_modern", "maxconns_fast no");
    expect_line("larder -o no_modern", "slab_reassign no");
    expect_line("larder -o no_modern", "slab_automove 0");
    expect_line("larder -o no_modern", "lru_crawler no");
    expect_line("larder -o no_modern", "lru_maintainer_thread no");
    expect_line("larder -o no_modern", "lru_segmented no");
    expect_line("larder -o no_modern", "hash_algorithm jenkins");
    expect_line("larder -o slab_chunk_max=16,no_modern", "slab_chunk_max 16384");
    expect_line("larder -o no_modern -I 2m", "slab_chunk_max 524288");
    expect_line("larder -o no_modern,lru_maintainer", "lru_segmented yes");
}

static struct command_line parse_listen(const char *text, unsigned count) {
    struct command_line line = command_line_parse(text);
    assert_string_equal(line.err, "");
    assert_true(line.runs);
    assert_int_equal(line.settings->listen_count, count);
    return line;
}

static void expect_address(const struct settings_listen *listen, const char *host, unsigned port) {
    if (host == NULL) {
        assert_null(listen->host);
    } else {
        assert_non_null(listen->host);
        assert_string_equal(listen->host, host);
    }
    assert_int_equal(listen->port, port);
}

static void addresses_come_in_lists_with_and_without_ports(void **state) {
    (void)state;
    struct command_line line = parse_listen(
        "larder -p 7 -l 127.0.0.1;[::1]:8,::1,[::2] -l *,*:9,host.example:-1 -l localhost", 8);
    const struct settings_listen *listen = line.settings->listen;
    expect_address(&listen[0], "127.0.0.1", 7);
    expect_address(&listen[1], "::1", 8);
    expect_address(&listen[2], "::1", 7);
    expect_address(&listen[3], "::2", 7);
    expect_address(&listen[4], NULL, 7);
    expect_address(&listen[5], NULL, 9);
    expect_address(&listen[6], "host.example", 0);
    expect_address(&listen[7], "localhost", 7);
    command_line_free(&line);
}

static void without_addresses_every_interface_is_listened_on(void **state) {
    (void)state;
    struct command_line line = parse_listen("larder", 1);
    expect_address(&line.settings->listen[0], NULL, 11211);
    command_line_free(&line);
    line = parse_listen("larder -p -1", 1);
    expect_address(&line.settings->listen[0], NULL, 0);
    command_line_free(&line);
}

static void a_unix_socket_or_port_0_means_no_tcp(void **state) {
    (void)state;
    struct command_line line = parse_listen("larder -s /tmp/x -p 5 -l 127.0.0.1", 0);
    command_line_free(&line);
    line = parse_listen("larder -p 0 -l 127.0.0.1:5", 0);
    command_line_free(&line);
}

static void an_address_carries_protocol_and_tag(void **state) {
    (void)state;
    struct command_line line = parse_listen(
        "larder -l proto[ascii]:tag[web]:127.0.0.1:5,tag_jobs_:[::1]:6,proto[negotiating]:*", 3);
    const struct settings_listen *listen = line.settings->listen;
    expect_address(&listen[0], "127.0.0.1", 5);
    assert_int_equal(listen[0].protocol, SETTINGS_PROTOCOL_ASCII);
    assert_string_equal(listen[0].tag, "web");
    expect_address(&listen[1], "::1", 6);
    assert_int_equal(listen[1].protocol, SETTINGS_PROTOCOL_AUTO);
    assert_string_equal(listen[1].tag, "jobs");
    expect_address(&listen[2], NULL, 11211);
    assert_null(listen[2].tag);
    command_line_free(&line);
}

static void an_address_said_twice_counts_once(void **state) {
    (void)state;
    struct command_line line = parse_listen("larder -l 127.0.0.1,::1 -l ::1 -l 127.0.0.1", 2);
    assert_string_equal(line.settings->listen_text, "127.0.0.1,::1");
    command_line_free(&line);
}

static void an_address_that_is_part_of_another_is_kept(void **state) {
    (void)state;
    struct command_line line = parse_listen("larder -l 127.0.0.11 -l 127.0.0.1", 2);
    expect_address(&line.settings->listen[1], "127.0.0.1", 11211);
    command_line_free(&line);
}

static void a_bad_address_ends_with_71(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *first;
    } refusals[] = {
        {"larder -l 127.0.0.1:abc", "Invalid port number: \"abc\"\n"},
        {"larder -l 127.0.0.1:65536", "Invalid port number: \"65536\"\n"},
        {"larder -l [::1", "Invalid IPV6 address: \"[::1\"\n"},
        {"larder -l notls:127.0.0.1", "'notls' option is valid only when SSL is enabled\n"},
        {"larder -l proto[foo:127.0.0.1", "Invalid protocol spec: \"[foo:127.0.0.1\"\n"},
        {"larder -l proto[foo]:127.0.0.1", "Invalid protocol spec: \"foo\"\n"},
        {"larder -l proto[proxy]:127.0.0.1", "Server not built with proxy: \"proxy\"\n"},
        {"larder -l tag[]:127.0.0.1",
         "Listener tags must be between 1 and 8 characters: \"\"\n"},
        {"larder -l tag_123456789_:h",
         "Listener tags must be between 1 and 8 characters: \"123456789\"\n"},
        {"larder -l tag[a:127.0.0.1", "Invalid tag in socket config: \"[a:127.0.0.1\"\n"},
        {"larder -l ,", "no address to listen on in \",\"\n"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct command_line line = command_line_parse(refusals[i].line);
        assert_false(line.runs);
        assert_int_equal(line.exit_code, 71);
        size_t length = strlen(refusals[i].first);
        char first[256];
        (void)snprintf(first, sizeof(first), "%.*s", (int)length, line.err);
        assert_string_equal(first, refusals[i].first);
        command_line_free(&line);
    }
}

static void more_addresses_than_there_is_room_for_are_refused(void **state) {
    (void)state;
    char text[4096] = "larder -l h";
    size_t length = strlen(text);
    for (unsigned i = 0; i < SETTINGS_LISTEN_MAX; i++) {
        memcpy(text + length, ",h", 3);
        length += 2;
    }
    struct command_line line = command_line_parse(text);
    assert_false(line.runs);
    assert_int_equal(line.exit_code, 71);
    assert_string_equal(line.err, "too many addresses to listen on\n");
    command_line_free(&line);
}

static void a_unix_path_that_does_not_fit_is_refused(void **state) {
    (void)state;
    char text[256] = "larder -s /";
    memset(text + strlen(text), 'x', 120);
    struct command_line line = command_line_parse(text);
    assert_false(line.runs);
    assert_int_equal(line.exit_code, 71);
    assert_non_null(strstr(line.err, "File name too long\n"));
    command_line_free(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_memcacheds_line_by_line),
        cmocka_unit_test(each_option_shows_in_its_line),
        cmocka_unit_test(no_modern_brings_the_old_defaults),
        cmocka_unit_test(addresses_come_in_lists_with_and_without_ports),
        cmocka_unit_test(without_addresses_every_interface_is_listened_on),
        cmocka_unit_test(a_unix_socket_or_port_0_means_no_tcp),
        cmocka_unit_test(an_address_carries_protocol_and_tag),
        cmocka_unit_test(an_address_said_twice_counts_once),
        cmocka_unit_test(an_address_that_is_part_of_another_is_kept),
        cmocka_unit_test(a_bad_address_ends_with_71),
        cmocka_unit_test(more_addresses_than_there_is_room_for_are_refused),
        cmocka_unit_test(a_unix_path_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
