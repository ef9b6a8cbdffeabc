/* larder: liblarder behind a pipe, for tests: one command a line, one line a result
 *
 *     liblarder_driver "servers=127.0.0.1:11211 request_ms=500"
 *     set KEY VALUE [TTL_S]        ->  stored 0ms
 *     get KEY                      ->  hit 0ms value=VALUE cas=7 flags=0 ttl=-1 marks=0
 *
 * A value is a word; `*N` stands for N bytes of a pattern, and is shown so; `x*N` for N times x.
 * Times are those of the call. Errors in the line itself end the program with 2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/client/larder.h"

enum { LINE_BYTES_MAX = 1 << 16, WORDS_MAX = 1 << 10 };

struct line {
    char *words[WORDS_MAX];
    unsigned count;
};

static unsigned long long now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

static char pattern_at(size_t i) {
    return (char)('a' + (i * 7 + i / 251) % 26);
}

static void *value_of(const char *word, size_t *bytes) {
    if (word[0] != '*') {
        *bytes = strlen(word);
        return strdup(word);
    }
    *bytes = strtoul(word + 1, NULL, 10);
    char *value = malloc(*bytes + 1);

    for (size_t i = 0; value != NULL && i < *bytes; i++) {
        value[i] = pattern_at(i);
    }
    return value;
}

static void print_value(const struct larder_item *item) {
    const char *value = item->value;
    size_t same = 0;

    if (item->value_bytes <= 200) {
        printf(" value=%.*s", (int)item->value_bytes, value);
        return;
    }
    while (same < item->value_bytes && value[same] == value[0]) {
        same++;
    }
    if (same == item->value_bytes) {
        printf(" value=%c*%zu", value[0], same);
        return;
    }
    same = 0;
    while (same < item->value_bytes && value[same] == pattern_at(same)) {
        same++;
    }
    printf(" value=%s%zu", same == item->value_bytes ? "*" : "wrong:", item->value_bytes);
}

static void print_item(const struct larder_item *item, unsigned long long ms) {
    printf("%s %llums", larder_result_text(item->result), ms);
    if (item->result == LARDER_HIT || item->result == LARDER_STALE) {
        print_value(item);
        printf(" cas=%llu flags=%u ttl=%lld", (unsigned long long)item->cas, item->flags,
               (long long)item->ttl_s);
    }
    printf(" marks=%u number=%llu", item->marks, (unsigned long long)item->number);
    if (item->why[0] != '\0') {
        printf(" why=%s", item->why);
    }
    printf("\n");
}

static const char *const verbs[] = {
    [LARDER_GET] = "get",       [LARDER_SET] = "set",         [LARDER_ADD] = "add",
    [LARDER_REPLACE] = "replace", [LARDER_APPEND] = "append", [LARDER_PREPEND] = "prepend",
    [LARDER_CAS] = "cas",       [LARDER_INCR] = "incr",       [LARDER_DECR] = "decr",
    [LARDER_TOUCH] = "touch",   [LARDER_DELETE] = "delete",   [LARDER_NOOP] = "noop",
};

/* "ttl=5" and the like behind a request's words. */
static void read_extra(struct larder_request *request, const char *word) {
    static const struct {
        const char *name;
        unsigned ask;
    } asks[] = {
        {"history", LARDER_WANT_HISTORY}, {"invalidate", LARDER_INVALIDATE},
        {"novalue", LARDER_NO_VALUE},     {"nobump", LARDER_NO_BUMP},
    };
    const char *equals = strchr(word, '=');
    unsigned long long number = equals == NULL ? 0 : strtoull(equals + 1, NULL, 10);

    for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        request->ask |= strcmp(word, asks[i].name) == 0 ? asks[i].ask : 0;
    }
    if (strncmp(word, "ttl=", 4) == 0) {
        request->ttl_s = (uint32_t)number;
    } else if (strncmp(word, "flags=", 6) == 0) {
        request->flags = (uint32_t)number;
    } else if (strncmp(word, "cas=", 4) == 0) {
        request->cas = number;
    } else if (strncmp(word, "since=", 6) == 0) {
        request->ask |= LARDER_NOT_OLDER;
        request->cas = number;
    } else if (strncmp(word, "touch=", 6) == 0) {
        request->ask |= LARDER_TOUCH_TOO;
        request->ttl_s = (uint32_t)number;
    } else if (strncmp(word, "vivify=", 7) == 0) {
        request->ask |= LARDER_VIVIFY;
        request->vivify_s = (uint32_t)number;
    } else if (strncmp(word, "recache=", 8) == 0) {
        request->ask |= LARDER_RECACHE;
        request->recache_s = (uint32_t)number;
    } else if (strncmp(word, "initial=", 8) == 0) {
        request->ask |= LARDER_INITIAL;
        request->initial = number;
    }
}

static int run_request(struct larder *larder, const struct line *line, enum larder_verb verb) {
    struct larder_request request = {.verb = verb};
    struct larder_item item;
    unsigned at = 2;
    void *value = NULL;

    if (line->count < 2) {
        return 2;
    }
    request.key = line->words[1];
    request.key_bytes = strlen(line->words[1]);
    if (verb >= LARDER_SET && verb <= LARDER_CAS && line->count > 2) {
        value = value_of(line->words[at++], &request.value_bytes);
        request.value = value;
    } else if ((verb == LARDER_INCR || verb == LARDER_DECR) && line->count > 2) {
        request.delta = strtoull(line->words[at++], NULL, 10);
    }
    while (at < line->count) {
        read_extra(&request, line->words[at++]);
    }
    unsigned long long begun = now_ms();

    larder_do(larder, &request, &item);
    print_item(&item, now_ms() - begun);
    free(value);
    return 0;
}

/* mget FROM COUNT: keys FROM0, FROM1, ...; prints how many were hits, misses, or neither, and how
 * many hits had another value than "v" and their key. */
static int run_many(struct larder *larder, const struct line *line) {
    size_t count = line->count > 2 ? strtoul(line->words[2], NULL, 10) : 0;
    struct larder_key *keys = calloc(count, sizeof(*keys));
    struct larder_item *items = calloc(count, sizeof(*items));
    char *texts = calloc(count, 300);
    size_t misses = 0, wrong = 0;

    for (size_t i = 0; i < count; i++) {
        char *text = texts + i * 300;

        snprintf(text + 1, 299, "%s%zu", line->words[1], i);
        text[0] = 'v';
        keys[i] = (struct larder_key){.data = text + 1, .bytes = strlen(text + 1)};
    }
    unsigned long long begun = now_ms();
    size_t hits = larder_get_many(larder, keys, count, items);
    unsigned long long took = now_ms() - begun;

    for (size_t i = 0; i < count; i++) {
        const struct larder_item *item = &items[i];

        misses += item->result == LARDER_MISS;
        wrong += item->result == LARDER_HIT &&
                 (item->value_bytes != keys[i].bytes + 1 ||
                  memcmp(item->value, texts + i * 300, item->value_bytes) != 0);
    }
    printf("many %llums hits=%zu misses=%zu failed=%zu wrong=%zu why=%s\n", took, hits, misses,
           count - hits - misses, wrong, larder_why(larder));
    free(texts);
    free(keys);
    free(items);
    return 0;
}

/* mset FROM COUNT: stores them, by the lower layer. */
static int run_submits(struct larder *larder, const struct line *line) {
    size_t count = line->count > 2 ? strtoul(line->words[2], NULL, 10) : 0;
    char (*texts)[300] = calloc(count, sizeof(*texts));
    size_t good = 0;

    for (size_t i = 0; texts != NULL && i < count; i++) {
        int bytes = snprintf(texts[i], sizeof(texts[i]), "v%s%zu", line->words[1], i);
        struct larder_request request = {
            .verb = LARDER_SET, .key = texts[i] + 1, .key_bytes = (size_t)bytes - 1,
            .value = texts[i], .value_bytes = (size_t)bytes, .tag = texts[i]};

        if (!larder_submit(larder, &request)) {
            break;
        }
    }
    while (larder_pending(larder) > 0) {
        struct larder_item item;
        void *tag;

        if (larder_next(larder, 100, &tag, &item)) {
            good += item.result == LARDER_STORED;
        }
    }
    printf("many 0ms stored=%zu\n", good);
    free(texts);
    return 0;
}

/* copies_set KEY COPIES VALUE, copies_get KEY COPIES, copies_delete KEY COPIES, large_set KEY
 * VALUE, large_get KEY, large_delete KEY */
static int run_parts(struct larder *larder, const struct line *line) {
    const char *verb = line->words[0];
    bool copies = verb[0] == 'c';
    const char *what = strchr(verb, '_') + 1;
    struct larder_item item = {.value = "", .why = ""};
    struct larder_value value = {.bytes = 0};
    void *data = NULL;

    if (line->count < (copies ? 3u : 2u)) {
        return 2;
    }
    struct larder_key key = {.data = line->words[1], .bytes = strlen(line->words[1])};
    unsigned count = copies ? (unsigned)strtoul(line->words[2], NULL, 10) : 0;

    if (what[0] == 's') {
        data = value_of(line->words[copies ? 3 : 2], &value.bytes);
        value.data = data;
        item.result = copies ? larder_copies_set(larder, &key, count, &value)
                             : larder_large_set(larder, &key, &value);
    } else if (what[0] == 'g') {
        item.result = copies ? larder_copies_get(larder, &key, count, &item)
                             : larder_large_get(larder, &key, &item);
    } else {
        item.result = copies ? larder_copies_delete(larder, &key, count)
                             : larder_large_delete(larder, &key);
    }
    item.why = larder_why(larder);
    print_item(&item, 0);
    free(data);
    return 0;
}

static void print_line(void *context, const char *line, size_t bytes) {
    (void)context;
    printf("+%.*s\n", (int)bytes, line);
}

static int run_command(struct larder *larder, const struct line *line) {
    char command[200] = "";

    for (unsigned i = 1; i < line->count; i++) {
        size_t used = strlen(command);

        snprintf(command + used, sizeof(command) - used, "%s%s", i > 1 ? " " : "", line->words[i]);
    }
    enum larder_result result = larder_command(larder, 0, command, print_line, NULL);

    printf("%s 0ms why=%s\n", larder_result_text(result), larder_why(larder));
    return 0;
}

/* states: of all primaries and replicas, in order. */
static int run_states(struct larder *larder) {
    static const char *const names[] = {"untried", "up", "down", "trying", "warming"};

    printf("states");
    for (uint32_t i = 0; i < larder_server_count(larder); i++) {
        for (unsigned replica = 0; replica < 2; replica++) {
            struct larder_server server;

            if (larder_server_at(larder, i, replica != 0, &server)) {
                printf(" %s:%s%s:%llu", names[server.state], server.meta ? "meta" : "classic",
                       server.connected ? ":connected" : "",
                       (unsigned long long)server.connections);
            }
        }
    }
    printf("\n");
    return 0;
}

static int run_line(struct larder *larder, const struct line *line) {
    const char *verb = line->words[0];

    for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verb, verbs[i]) == 0) {
            return run_request(larder, line, (enum larder_verb)i);
        }
    }
    if (strcmp(verb, "mget") == 0) {
        return run_many(larder, line);
    }
    if (strcmp(verb, "mset") == 0) {
        return run_submits(larder, line);
    }
    if (strncmp(verb, "copies_", 7) == 0 || strncmp(verb, "large_", 6) == 0) {
        return run_parts(larder, line);
    }
    if (strcmp(verb, "command") == 0) {
        return run_command(larder, line);
    }
    return strcmp(verb, "states") == 0 ? run_states(larder) : 2;
}

static struct larder *open_handle(const char *options) {
    struct larder_config *config = larder_config_create();
    const char *why = larder_config_parse(config, options);
    struct larder *larder = why == NULL ? larder_create(config, &why) : NULL;

    larder_config_destroy(config);
    if (larder == NULL) {
        printf("refused: %s\n", why);
    }
    return larder;
}

int main(int argc, char **argv) {
    static char text[LINE_BYTES_MAX];
    static struct line line;
    struct larder *larder = open_handle(argc > 1 ? argv[1] : "");
    int code = 0;

    if (larder == NULL) {
        return 1;
    }
    while (code == 0 && fgets(text, sizeof(text), stdin) != NULL) {
        char *rest = text;

        line.count = 0;
        for (char *word; line.count < WORDS_MAX && (word = strtok_r(rest, " \n", &rest)) != NULL;) {
            line.words[line.count++] = word;
        }
        if (line.count > 0) {
            code = run_line(larder, &line);
            fflush(stdout);
        }
    }
    larder_destroy(larder);
    return code;
}
