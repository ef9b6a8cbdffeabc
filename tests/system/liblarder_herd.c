/* larder: many callers of larder_get_or_compute() at once, for tests
 *
 *     liblarder_herd OPTIONS KEY LOG [threads=8] [rounds=1] [ttl=100] [cost_ms=0] [keys=1] [fail]
 *
 * Threads, each with a handle, share one larder_origin. Says "ready", and begins when a line comes.
 * Each computation writes a byte to the file LOG, takes cost_ms and gives "value of KEY" (with
 * keys=N thread i asks for KEY0...), or fails. Prints how often each result came, how many values
 * were wrong, the longest call and the most computations at a time; then again, for each line. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/client/larder.h"

struct herd {
    const char *key;
    unsigned threads, rounds, ttl_s, cost_ms, keys;
    bool fails;
    int log_fd;
    struct larder_config *config;
    struct larder_origin *origin;
    pthread_barrier_t barrier;
    atomic_uint running, running_max, wrong, computed;
    atomic_uint results[LARDER_NO_MEMORY + 1];
    atomic_ullong ms_max;
    atomic_bool over;
};

struct member {
    struct herd *herd;
    unsigned index;
    pthread_t thread;
};

static unsigned long long now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

static bool compute(void *context, const struct larder_key *key, struct larder_output *output) {
    struct herd *herd = context;
    struct timespec cost = {.tv_sec = herd->cost_ms / 1000,
                            .tv_nsec = (long)(herd->cost_ms % 1000) * 1000000};
    unsigned running = atomic_fetch_add(&herd->running, 1) + 1;
    unsigned most = atomic_load(&herd->running_max);

    while (running > most && !atomic_compare_exchange_weak(&herd->running_max, &most, running)) {
    }
    if (write(herd->log_fd, "c", 1) != 1) {
        abort();
    }
    nanosleep(&cost, NULL);
    atomic_fetch_sub(&herd->running, 1);
    output->flags = 77;
    return !herd->fails && larder_output_write(output, "value of ", 9) &&
           larder_output_write(output, key->data, key->bytes);
}

static void ask(struct herd *herd, struct larder *larder, unsigned index) {
    char text[300] = "value of ";
    struct larder_compute how = {.function = compute, .context = herd, .ttl_s = herd->ttl_s};
    struct larder_item item;

    if (herd->keys > 1) {
        snprintf(text + 9, sizeof(text) - 9, "%s%u", herd->key, index % herd->keys);
    } else {
        snprintf(text + 9, sizeof(text) - 9, "%s", herd->key);
    }
    struct larder_key key = {.data = text + 9, .bytes = strlen(text + 9)};
    unsigned long long begun = now_ms();
    enum larder_result result = larder_get_or_compute(larder, herd->origin, &key, &how, &item);
    unsigned long long ms = now_ms() - begun;
    unsigned long long most = atomic_load(&herd->ms_max);

    while (ms > most && !atomic_compare_exchange_weak(&herd->ms_max, &most, ms)) {
    }
    atomic_fetch_add(&herd->results[result], 1);
    if (result == LARDER_HIT || result == LARDER_STALE) {
        bool right = item.value_bytes == strlen(text) && item.flags == 77 &&
                     memcmp(item.value, text, item.value_bytes) == 0;

        atomic_fetch_add(&herd->wrong, !right);
        atomic_fetch_add(&herd->computed, (item.marks & LARDER_MARK_COMPUTED) != 0);
    }
}

static void *run(void *argument) {
    struct member *member = argument;
    struct herd *herd = member->herd;
    struct larder *larder = larder_create(herd->config, NULL);

    for (;;) {
        pthread_barrier_wait(&herd->barrier);
        if (atomic_load(&herd->over)) {
            break;
        }
        for (unsigned i = 0; i < herd->rounds; i++) {
            ask(herd, larder, member->index);
        }
        pthread_barrier_wait(&herd->barrier);
    }
    larder_destroy(larder);
    return NULL;
}

static void report(struct herd *herd) {
    for (unsigned i = 0; i <= LARDER_NO_MEMORY; i++) {
        unsigned count = atomic_exchange(&herd->results[i], 0);

        if (count > 0) {
            char text[40];

            snprintf(text, sizeof(text), "%s", larder_result_text((enum larder_result)i));
            for (char *at = text; *at != '\0'; at++) {
                *at = *at == ' ' ? '_' : *at;
            }
            printf("%s=%u ", text, count);
        }
    }
    printf("wrong=%u computed=%u ms_max=%llu at_once=%u\n", atomic_load(&herd->wrong),
           atomic_exchange(&herd->computed, 0), atomic_exchange(&herd->ms_max, 0),
           atomic_load(&herd->running_max));
    fflush(stdout);
}

static void read_word(struct herd *herd, const char *word) {
    const char *equals = strchr(word, '=');
    unsigned number = equals == NULL ? 0 : (unsigned)strtoul(equals + 1, NULL, 10);
    const struct {
        const char *name;
        unsigned *where;
    } numbers[] = {{"threads=", &herd->threads}, {"rounds=", &herd->rounds},
                   {"ttl=", &herd->ttl_s},       {"cost_ms=", &herd->cost_ms},
                   {"keys=", &herd->keys}};

    herd->fails |= strcmp(word, "fail") == 0;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strncmp(word, numbers[i].name, strlen(numbers[i].name)) == 0) {
            *numbers[i].where = number;
        }
    }
}

static void serve(struct herd *herd) {
    char line[100];

    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        pthread_barrier_wait(&herd->barrier);
        pthread_barrier_wait(&herd->barrier);
        report(herd);
    }
    atomic_store(&herd->over, true);
    pthread_barrier_wait(&herd->barrier);
}

int main(int argc, char **argv) {
    static struct herd herd = {.threads = 8, .rounds = 1, .ttl_s = 100, .keys = 1};

    for (int i = 4; i < argc; i++) {
        read_word(&herd, argv[i]);
    }
    herd.config = larder_config_create();
    const char *why = argc < 4 ? "OPTIONS KEY LOG" : larder_config_parse(herd.config, argv[1]);

    if (why != NULL) {
        fprintf(stderr, "liblarder_herd: %s\n", why);
        return 2;
    }
    herd.key = argv[2];
    herd.log_fd = open(argv[3], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    herd.origin = larder_origin_create(herd.config);
    struct member *members = calloc(herd.threads, sizeof(*members));

    pthread_barrier_init(&herd.barrier, NULL, herd.threads + 1);
    for (unsigned i = 0; i < herd.threads; i++) {
        members[i].herd = &herd;
        members[i].index = i;
        if (pthread_create(&members[i].thread, NULL, run, &members[i]) != 0) {
            abort();
        }
    }
    serve(&herd);
    for (unsigned i = 0; i < herd.threads; i++) {
        pthread_join(members[i].thread, NULL);
    }
    free(members);
    larder_origin_destroy(herd.origin);
    larder_config_destroy(herd.config);
    close(herd.log_fd);
    return 0;
}
