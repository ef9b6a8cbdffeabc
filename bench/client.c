/* larder: liblarder against libmemcached: CPU of the client an operation
 *
 *     bench/client HOST:PORT[,HOST:PORT...] [ROUNDS [get|set|many]]
 *
 * Both libraries in turn, one thread, keys of 16 bytes and values of 100 on the ring that both know
 * (KETAMA_WEIGHTED): get, set, and gets of 100 keys. A figure is the CPU of this thread, the
 * kernel's part included; the ratio is the median over rounds of liblarder's to libmemcached's in
 * the same round. A wrong value ends it with 1. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "src/client/larder.h"

enum {
    KEYS = 10000,
    VALUE_BYTES = 100,
    SINGLE = 20000, /* operations a round */
    MANY = 400,     /* gets of KEYS_MANY a round */
    KEYS_MANY = 100,
    ROUNDS_MAX = 99,
};

struct bench {
    struct larder *larder;
    memcached_st *peer;
    char keys[KEYS][20];
    size_t key_bytes[KEYS];
    char value[VALUE_BYTES];
    unsigned next;
};

static void fail(const char *what) {
    (void)fprintf(stderr, "client: %s\n", what);
    exit(1);
}

static unsigned pick(struct bench *bench) {
    bench->next = (bench->next + 7919) % KEYS;
    return bench->next;
}

static void check(const struct bench *bench, const void *value, size_t bytes) {
    if (bytes != VALUE_BYTES || memcmp(value, bench->value, VALUE_BYTES) != 0) {
        fail("a wrong value");
    }
}

static void larder_gets(struct bench *bench) {
    for (unsigned i = 0; i < SINGLE; i++) {
        unsigned at = pick(bench);
        struct larder_item item;

        if (larder_get(bench->larder, bench->keys[at], bench->key_bytes[at], &item) !=
            LARDER_HIT) {
            fail(larder_why(bench->larder));
        }
        check(bench, item.value, item.value_bytes);
    }
}

static void peer_gets(struct bench *bench) {
    for (unsigned i = 0; i < SINGLE; i++) {
        unsigned at = pick(bench);
        size_t bytes = 0;
        uint32_t flags = 0;
        memcached_return_t result;
        char *value = memcached_get(bench->peer, bench->keys[at], bench->key_bytes[at], &bytes,
                                    &flags, &result);

        if (value == NULL) {
            fail(memcached_strerror(bench->peer, result));
        }
        check(bench, value, bytes);
        free(value);
    }
}

static void larder_sets(struct bench *bench) {
    struct larder_value value = {.data = bench->value, .bytes = VALUE_BYTES};

    for (unsigned i = 0; i < SINGLE; i++) {
        unsigned at = pick(bench);

        if (larder_set(bench->larder, bench->keys[at], bench->key_bytes[at], &value) !=
            LARDER_STORED) {
            fail(larder_why(bench->larder));
        }
    }
}

static void peer_sets(struct bench *bench) {
    for (unsigned i = 0; i < SINGLE; i++) {
        unsigned at = pick(bench);
        memcached_return_t result = memcached_set(bench->peer, bench->keys[at],
                                                  bench->key_bytes[at], bench->value, VALUE_BYTES,
                                                  0, 0);

        if (result != MEMCACHED_SUCCESS) {
            fail(memcached_strerror(bench->peer, result));
        }
    }
}

static void larder_many(struct bench *bench) {
    struct larder_key keys[KEYS_MANY];
    struct larder_item items[KEYS_MANY];

    for (unsigned i = 0; i < MANY; i++) {
        for (unsigned k = 0; k < KEYS_MANY; k++) {
            unsigned at = pick(bench);

            keys[k] = (struct larder_key){.data = bench->keys[at], .bytes = bench->key_bytes[at]};
        }
        if (larder_get_many(bench->larder, keys, KEYS_MANY, items) != KEYS_MANY) {
            fail(larder_why(bench->larder));
        }
        for (unsigned k = 0; k < KEYS_MANY; k++) {
            check(bench, items[k].value, items[k].value_bytes);
        }
    }
}

/* As its users do: the results are fetched one by one and not copied. */
static void peer_many(struct bench *bench) {
    const char *keys[KEYS_MANY];
    size_t bytes[KEYS_MANY];
    memcached_result_st result;

    memcached_result_create(bench->peer, &result);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned found = 0;
        memcached_return_t error;

        for (unsigned k = 0; k < KEYS_MANY; k++) {
            unsigned at = pick(bench);

            keys[k] = bench->keys[at];
            bytes[k] = bench->key_bytes[at];
        }
        if (memcached_mget(bench->peer, keys, bytes, KEYS_MANY) != MEMCACHED_SUCCESS) {
            fail("memcached_mget");
        }
        while (memcached_fetch_result(bench->peer, &result, &error) != NULL) {
            check(bench, memcached_result_value(&result), memcached_result_length(&result));
            found++;
        }
        if (found != KEYS_MANY) {
            fail("keys are missing");
        }
    }
    memcached_result_free(&result);
}

static double cpu_us(void) {
    struct rusage usage;

    (void)getrusage(RUSAGE_THREAD, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, unsigned count) {
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

static double run(struct bench *bench, void (*operations)(struct bench *), unsigned count) {
    double begun = cpu_us();

    operations(bench);
    return (cpu_us() - begun) / count;
}

static void compare(struct bench *bench, unsigned rounds, const char *wanted) {
    static const struct {
        const char *kind;
        const char *name;
        void (*larder)(struct bench *);
        void (*peer)(struct bench *);
        unsigned count;
    } kinds[] = {
        {"get", "get", larder_gets, peer_gets, SINGLE},
        {"set", "set", larder_sets, peer_sets, SINGLE},
        {"many", "get of 100 keys, a key", larder_many, peer_many, MANY * KEYS_MANY},
    };

    (void)printf("%-24s %14s %14s %7s\n", "CPU us an operation", "liblarder", "libmemcached",
                 "ratio");
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        double mine[ROUNDS_MAX], theirs[ROUNDS_MAX], ratios[ROUNDS_MAX];

        if (wanted != NULL && strcmp(wanted, kinds[k].kind) != 0) {
            continue;
        }
        for (unsigned i = 0; i < rounds; i++) {
            mine[i] = run(bench, kinds[k].larder, kinds[k].count);
            theirs[i] = run(bench, kinds[k].peer, kinds[k].count);
            ratios[i] = mine[i] / theirs[i];
        }
        (void)printf("%-24s %14.3f %14.3f %7.2f\n", kinds[k].name, median(mine, rounds),
                     median(theirs, rounds), median(ratios, rounds));
    }
}

static void open_both(struct bench *bench, const char *servers) {
    struct larder_config *config = larder_config_create();
    const char *why = larder_config_set(config, "servers", servers);

    bench->larder = why == NULL ? larder_create(config, &why) : NULL;
    larder_config_destroy(config);
    if (bench->larder == NULL) {
        fail(why);
    }
    memcached_server_st *list = memcached_servers_parse(servers);

    bench->peer = memcached_create(NULL);
    memcached_behavior_set(bench->peer, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    memcached_behavior_set(bench->peer, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    if (list == NULL || memcached_server_push(bench->peer, list) != MEMCACHED_SUCCESS) {
        fail("libmemcached does not take the servers");
    }
    memcached_server_list_free(list);
}

int main(int argc, char **argv) {
    static struct bench bench;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 15;

    if (argc < 2 || rounds == 0 || rounds > ROUNDS_MAX) {
        fail("bench/client HOST:PORT[,HOST:PORT...] [ROUNDS [get|set|many]]");
    }
    open_both(&bench, argv[1]);
    memset(bench.value, 'v', VALUE_BYTES);
    for (unsigned i = 0; i < KEYS; i++) {
        struct larder_value value = {.data = bench.value, .bytes = VALUE_BYTES};

        bench.key_bytes[i] =
            (size_t)snprintf(bench.keys[i], sizeof(bench.keys[i]), "key:%012u", i);
        if (larder_set(bench.larder, bench.keys[i], bench.key_bytes[i], &value) !=
            LARDER_STORED) {
            fail(larder_why(bench.larder));
        }
    }
    compare(&bench, rounds, argc > 3 ? argv[3] : NULL);
    memcached_free(bench.peer);
    larder_destroy(bench.larder);
    return 0;
}
