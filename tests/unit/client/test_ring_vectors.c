/* larder: every key of the vectors lands where the other client's library puts it
 *
 * ketama-vectors.tsv: answers of libmemcached 1.1.4 for 2159 keys in 57 configurations.
 * ring-vectors.tsv: fewer keys in others: many servers, sockets, IPv6, skewed weights, pymemcache.
 * A file is "# config NAME mode=MODE servers=LIST" lines, a head line, and a line a key with the
 * index of each configuration, in the same order; "-" where there is no answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/number.h"
#include "src/client/server_list.h"

enum { CONFIGS_MAX = 64, FIELDS_MAX = CONFIGS_MAX + 1 };

struct config {
    char name[64];
    char mode[32];
    struct ring *ring;
    unsigned asked;
    unsigned wrong;
};

struct vectors {
    struct config configs[CONFIGS_MAX];
    unsigned config_count;
    unsigned key_count;
};

static const struct {
    const char *text;
    enum ring_mode mode;
} mode_texts[] = {
    {"KETAMA_WEIGHTED", RING_KETAMA_WEIGHTED},
    {"KETAMA", RING_KETAMA},
    {"KETAMA_MD5", RING_KETAMA_MD5},
    {"KETAMA_SPY", RING_KETAMA_SPY},
    {"RENDEZVOUS", RING_RENDEZVOUS},
    {"JUMP", RING_JUMP},
    {"MODULA", RING_MODULA},
    {"MODULA_MD5", RING_MODULA_MD5},
    {"MODULA_CRC", RING_MODULA_CRC},
};

static enum ring_mode mode_of(const char *text) {
    for (size_t i = 0; i < sizeof mode_texts / sizeof mode_texts[0]; i++) {
        if (strcmp(mode_texts[i].text, text) == 0) {
            return mode_texts[i].mode;
        }
    }
    fail_msg("no mode %s", text);
    return RING_MODE_COUNT;
}

static void config_read(struct config *config, const char *line) {
    char servers[8192];
    struct server_list list = {0};
    struct server_list_fault fault;
    const char *why;

    assert_int_equal(sscanf(line, "# config %63s mode=%31s servers=%8191s", config->name,
                            config->mode, servers),
                     3);
    assert_true(server_list_init(&list, span_from_text(servers), &fault));
    config->ring = ring_create(mode_of(config->mode), list.servers, list.count, &why);
    assert_non_null(config->ring);
    server_list_fini(&list);
}

/* Cuts the line at its tabs. */
static unsigned fields_of(char *line, char *fields[FIELDS_MAX]) {
    unsigned count = 0;

    line[strcspn(line, "\n")] = '\0';
    for (char *at = line; at != NULL && count < FIELDS_MAX; count++) {
        fields[count] = at;
        at = strchr(at, '\t');
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return count;
}

static void key_check(struct vectors *vectors, char *fields[FIELDS_MAX]) {
    for (unsigned i = 0; i < vectors->config_count; i++) {
        struct config *config = &vectors->configs[i];
        uint32_t expected;

        if (strcmp(fields[i + 1], "-") == 0) {
            continue;
        }
        assert_true(number_parse_u32(span_from_text(fields[i + 1]), &expected));
        config->asked++;
        config->wrong += ring_pick(config->ring, fields[0], strlen(fields[0])) != expected;
    }
    vectors->key_count++;
}

static FILE *vectors_open(const char *name) {
    const char *top = getenv("TOP_SRCDIR");
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/tests/unit/client/%s", top == NULL ? "." : top, name);
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    return file;
}

static void vectors_check(struct vectors *vectors, const char *name) {
    FILE *file = vectors_open(name);
    char *line = NULL;
    size_t capacity = 0;
    bool headed = false;

    while (getline(&line, &capacity, file) > 0) {
        char *fields[FIELDS_MAX];

        if (!headed && strncmp(line, "# config ", 9) == 0) {
            assert_true(vectors->config_count < CONFIGS_MAX);
            config_read(&vectors->configs[vectors->config_count++], line);
        } else if (headed || line[0] != '#') {
            assert_int_equal(fields_of(line, fields), vectors->config_count + 1);
            if (headed) {
                key_check(vectors, fields);
            }
            headed = true;
        }
    }
    free(line);
    assert_int_equal(fclose(file), 0);
}

static void vectors_fini(struct vectors *vectors) {
    for (unsigned i = 0; i < vectors->config_count; i++) {
        ring_destroy(vectors->configs[i].ring);
    }
}

static unsigned wrong_answers(const struct vectors *vectors) {
    unsigned wrong = 0;

    for (unsigned i = 0; i < vectors->config_count; i++) {
        const struct config *config = &vectors->configs[i];

        if (config->wrong > 0) {
            print_message("# %s: %u of %u keys elsewhere\n", config->name, config->wrong,
                          config->asked);
        }
        assert_true(config->asked > 0);
        wrong += config->wrong;
    }
    return wrong;
}

static unsigned configs_of_mode(const struct vectors *vectors, const char *mode) {
    unsigned count = 0;

    for (unsigned i = 0; i < vectors->config_count; i++) {
        count += strcmp(vectors->configs[i].mode, mode) == 0;
    }
    return count;
}

static void each_key_lands_where_libmemcached_puts_it(void **state) {
    static const char *const ketama[] = {"KETAMA", "KETAMA_MD5", "KETAMA_WEIGHTED", "KETAMA_SPY"};
    static const char *const modula[] = {"MODULA", "MODULA_MD5", "MODULA_CRC"};
    struct vectors vectors = {.config_count = 0};
    (void)state;

    vectors_check(&vectors, "ketama-vectors.tsv");
    assert_int_equal(wrong_answers(&vectors), 0);
    assert_int_equal(vectors.key_count, 2159);
    assert_int_equal(vectors.config_count, 57);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(configs_of_mode(&vectors, ketama[i]), 12);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(configs_of_mode(&vectors, modula[i]), 3);
    }
    vectors_fini(&vectors);
}

static void many_servers_sockets_ipv6_and_skewed_weights_agree_as_well(void **state) {
    struct vectors vectors = {.config_count = 0};
    (void)state;

    vectors_check(&vectors, "ring-vectors.tsv");
    assert_int_equal(wrong_answers(&vectors), 0);
    assert_true(configs_of_mode(&vectors, "RENDEZVOUS") > 0);
    assert_true(configs_of_mode(&vectors, "JUMP") > 0);
    assert_true(vectors.key_count > 400);
    vectors_fini(&vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_lands_where_libmemcached_puts_it),
        cmocka_unit_test(many_servers_sockets_ipv6_and_skewed_weights_agree_as_well),
    };

    return cmocka_run_group_tests_name("ring_vectors", tests, NULL, NULL);
}
