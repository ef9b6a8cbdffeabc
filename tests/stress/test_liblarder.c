/* larder: eight threads with liblarder: half of them with a handle of their own, half with a pool
 *
 *     test_liblarder                     starts the server $LARDER for itself, prints TAP
 *     test_liblarder OPTIONS SECONDS     prints how many operations were good, failed and wrong
 *
 * Each stores, gets, touches and deletes, and holds every value against its key. Ends with 1 when
 * any was wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/client/larder.h"

enum { THREADS = 8, KEYS = 64, MANY = 20, VALUE_BYTES_MAX = 3000 };

struct worker {
    pthread_t thread;
    const struct larder_config *config;
    struct larder_pool *pool; /* or NULL */
    double seconds;
    unsigned long good, failed, wrong;
    uint64_t random;
};

static unsigned pick(struct worker *worker, unsigned count) {
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return (unsigned)(worker->random % count);
}

static double now_s(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A value is its key, as often as it takes. */
static size_t make_value(char *value, unsigned key, unsigned bytes) {
    int one = snprintf(value, 20, "%03u,", key);

    for (size_t i = (size_t)one; i < bytes; i++) {
        value[i] = value[i % (size_t)one];
    }
    return bytes;
}

static void check_value(struct worker *worker, unsigned key, const struct larder_item *item) {
    char value[VALUE_BYTES_MAX];

    make_value(value, key, VALUE_BYTES_MAX);
    worker->wrong += item->value_bytes > VALUE_BYTES_MAX ||
                     memcmp(value, item->value, item->value_bytes) != 0;
}

static void get_many(struct worker *worker, struct larder *larder) {
    struct larder_key keys[MANY];
    struct larder_item items[MANY];
    char names[MANY][20];
    unsigned picked[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        picked[i] = pick(worker, KEYS);
        int bytes = snprintf(names[i], sizeof(names[i]), "key%u", picked[i]);

        keys[i] = (struct larder_key){.data = names[i], .bytes = (size_t)bytes};
    }
    larder_get_many(larder, keys, MANY, items);
    for (unsigned i = 0; i < MANY; i++) {
        if (items[i].result == LARDER_HIT) {
            check_value(worker, picked[i], &items[i]);
            worker->good++;
        } else {
            worker->failed += items[i].result >= LARDER_FAILED;
        }
    }
}

static void do_one(struct worker *worker, struct larder *larder) {
    char key[20], value[VALUE_BYTES_MAX];
    unsigned picked = pick(worker, KEYS);
    size_t bytes = (size_t)snprintf(key, sizeof(key), "key%u", picked);
    struct larder_value stored = {.data = value};
    struct larder_item item;
    enum larder_result result;

    switch (pick(worker, 8)) {
    case 0:
    case 1:
        stored.bytes = make_value(value, picked, 4 + pick(worker, VALUE_BYTES_MAX - 4));
        result = larder_set(larder, key, bytes, &stored);
        break;
    case 2: result = larder_delete(larder, key, bytes); break;
    case 3: result = larder_touch(larder, key, bytes, 100); break;
    default:
        result = larder_get(larder, key, bytes, &item);
        if (result == LARDER_HIT) {
            check_value(worker, picked, &item);
        }
    }
    worker->good += result < LARDER_NOT_NUMBER;
    worker->failed += result >= LARDER_NOT_NUMBER;
}

static void *work(void *context) {
    struct worker *worker = context;
    struct larder *own = worker->pool == NULL ? larder_create(worker->config, NULL) : NULL;
    double end = now_s() + worker->seconds;

    while (now_s() < end) {
        struct larder *larder = own != NULL ? own : larder_pool_take(worker->pool, 10000);

        if (larder == NULL) {
            worker->wrong++;
            break;
        }
        do_one(worker, larder);
        if (pick(worker, 10) == 0) {
            get_many(worker, larder);
        }
        if (own == NULL) {
            larder_pool_return(worker->pool, larder);
        }
    }
    larder_destroy(own);
    return NULL;
}

/* What all threads made of it; false: the options are refused. */
static bool run(const char *options, double seconds, struct worker *sum) {
    struct larder_config *config = larder_config_create();
    const char *why = larder_config_parse(config, options);
    struct larder_pool *pool = why == NULL ? larder_pool_create(config, 3, &why) : NULL;
    struct worker workers[THREADS];

    if (pool == NULL) {
        printf("# refused: %s\n", why);
        larder_config_destroy(config);
        return false;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.config = config, .pool = i % 2 == 0 ? pool : NULL,
                                     .seconds = seconds, .random = 88172645463325252ULL + i};
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        sum->good += workers[i].good;
        sum->failed += workers[i].failed;
        sum->wrong += workers[i].wrong;
    }
    larder_pool_destroy(pool);
    larder_config_destroy(config);
    return true;
}

/* The port that the server has written into its file; 0: none within 60 s. */
static unsigned await_port(const char *path) {
    const struct timespec pause = {.tv_nsec = 2000000};
    unsigned port = 0;

    for (unsigned i = 0; i < 30000 && port == 0; i++) {
        FILE *file = fopen(path, "r");

        if (file == NULL || fscanf(file, "TCP INET: %u", &port) != 1) {
            nanosleep(&pause, NULL);
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    return port;
}

static pid_t start_server(const char *port_file) {
    const char *larder = getenv("LARDER");
    pid_t pid = larder == NULL ? -1 : fork();

    if (pid == 0) {
        setenv("MEMCACHED_PORT_FILENAME", port_file, 1);
        execl(larder, larder, "-l", "127.0.0.1", "-p", "-1", "-t", "2",
              geteuid() == 0 ? "-u" : NULL, "root", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int run_test(void) {
    char place[] = "/tmp/larder-test-XXXXXX";
    char port_file[64], options[100];
    const char *limit = getenv("LARDER_TEST_SECONDS");
    struct worker sum = {.good = 0};

    if (mkdtemp(place) == NULL) {
        return 1;
    }
    snprintf(port_file, sizeof(port_file), "%s/port", place);
    pid_t server = start_server(port_file);
    unsigned port = server > 0 ? await_port(port_file) : 0;

    snprintf(options, sizeof(options), "servers=localhost:%u,127.0.0.1:%u request_ms=60000", port,
             port);
    bool good = port != 0 && run(options, limit == NULL ? 2 : strtod(limit, NULL), &sum);

    good = good && sum.good > 0 && sum.failed == 0 && sum.wrong == 0;
    printf("1..1\n%s 1 - eight threads, handles and a pool: nothing fails, no value is wrong\n",
           good ? "ok" : "not ok");
    printf("# good=%lu failed=%lu wrong=%lu\n", sum.good, sum.failed, sum.wrong);
    if (server > 0) {
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    unlink(port_file);
    rmdir(place);
    return good ? 0 : 1;
}

int main(int argc, char **argv) {
    struct worker sum = {.good = 0};

    if (argc < 3) {
        return run_test();
    }
    bool ran = run(argv[1], strtod(argv[2], NULL), &sum);

    printf("good=%lu failed=%lu wrong=%lu\n", sum.good, sum.failed, sum.wrong);
    return ran && sum.wrong == 0 ? 0 : 1;
}
