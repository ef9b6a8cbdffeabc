/* larder: the command line of larder-load */
#include "bench/load_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole decimal number in [low, high], with an optional suffix: k and m are 1,000 and 1,000,000,
 * as one counts keys; K and M are 1,024 and 1,048,576, as one measures values. */
static bool read_number(const char *text, uint64_t low, uint64_t high, uint64_t *number) {
    static const struct {
        char letter;
        uint64_t times;
    } SUFFIXES[] = {{'k', 1000}, {'m', 1000000}, {'K', 1024}, {'M', 1048576}, {'\0', 1}};

    if (*text < '0' || *text > '9')
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++) {
        if (*end != SUFFIXES[i].letter)
            continue;
        if ((*end != '\0' && end[1] != '\0') || value > UINT64_MAX / SUFFIXES[i].times)
            return false;
        *number = value * SUFFIXES[i].times;
        return *number >= low && *number <= high;
    }
    return false;
}

static bool read_u32(const char *text, uint32_t low, uint32_t high, uint32_t *number) {
    uint64_t wide = 0;
    if (!read_number(text, low, high, &wide))
        return false;
    *number = (uint32_t)wide;
    return true;
}

static bool read_real(const char *text, double low, double high, double *number) {
    char *end = NULL;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number >= low && *number <= high;
}

/* "A<separator>B", both numbers; or A alone, then `second` stays as it was. */
struct pair {
    uint64_t first;
    uint64_t second;
};

static bool read_pair(const char *text, char separator, struct pair *pair) {
    char first[32];
    const char *cut = strchr(text, separator);
    size_t bytes = cut == NULL ? strlen(text) : (size_t)(cut - text);
    if (bytes >= sizeof(first))
        return false;
    memcpy(first, text, bytes);
    first[bytes] = '\0';
    if (!read_number(first, 0, UINT64_MAX, &pair->first))
        return false;
    if (cut != NULL)
        return read_number(cut + 1, 0, UINT64_MAX, &pair->second);
    return true;
}

static bool set_host(struct load_options *o, const char *text) {
    o->host = text;
    return true;
}

static bool set_port(struct load_options *o, const char *text) {
    uint32_t port = 0;
    o->port = text;
    return read_u32(text, 1, 65535, &port);
}

static bool set_socket(struct load_options *o, const char *text) {
    o->socket = text;
    return true;
}

static bool set_protocol(struct load_options *o, const char *text) {
    o->codec = codec_find(text);
    return o->codec != NULL;
}

static bool set_check(struct load_options *o, const char *text) {
    o->check = strcmp(text, "shape") == 0 ? CHECK_SHAPE : CHECK_EXACT;
    return strcmp(text, "shape") == 0 || strcmp(text, "exact") == 0;
}

static bool set_keys(struct load_options *o, const char *text) {
    return read_number(text, 1, DATASET_KEYS_MAX, &o->set.keys);
}

static bool set_key_bytes(struct load_options *o, const char *text) {
    return read_u32(text, DATASET_KEY_MIN, DATASET_KEY_MAX, &o->set.key_bytes);
}

static bool set_value_bytes(struct load_options *o, const char *text) {
    struct pair pair = {0, 0};
    if (!read_pair(text, '-', &pair))
        return false;
    if (strchr(text, '-') == NULL)
        pair.second = pair.first;
    if (pair.first < 1 || pair.first > pair.second || pair.second > DATASET_SIZE_MAX)
        return false;
    o->set.size_min = (uint32_t)pair.first;
    o->set.size_max = (uint32_t)pair.second;
    return true;
}

static bool set_distribution(struct load_options *o, const char *text) {
    struct pair pair = {0, 100};
    if (strcmp(text, "uniform") == 0) {
        o->plan.kind = PLAN_UNIFORM;
        return true;
    }
    if (strncmp(text, "zipf:", 5) == 0) {
        o->plan.kind = PLAN_ZIPF;
        return read_real(text + 5, 0.0, 8.0, &o->skew);
    }
    if (strncmp(text, "hot:", 4) != 0 || !read_pair(text + 4, ':', &pair))
        return false;
    o->plan.kind = PLAN_HOT;
    o->plan.hot_keys = pair.first;
    o->plan.hot_percent = (uint32_t)pair.second;
    return pair.first >= 1 && pair.second <= 100;
}

static bool set_ratio(struct load_options *o, const char *text) {
    struct pair pair = {0, 0};
    if (!read_pair(text, ':', &pair) || pair.first > 1000000 || pair.second > 1000000)
        return false;
    o->plan.get_parts = (uint32_t)pair.first;
    o->plan.set_parts = (uint32_t)pair.second;
    return pair.first + pair.second > 0;
}

static bool set_multi_get(struct load_options *o, const char *text) {
    return read_u32(text, 1, 10000, &o->plan.keys_per_get);
}

static bool set_connections(struct load_options *o, const char *text) {
    return read_u32(text, 1, 100000, &o->connections);
}

static bool set_pipeline(struct load_options *o, const char *text) {
    return read_u32(text, 1, 10000, &o->pipeline);
}

static bool set_threads(struct load_options *o, const char *text) {
    return read_u32(text, 1, LOAD_CPUS_MAX, &o->threads);
}

static bool set_window(struct load_options *o, const char *text) {
    o->slide = strcmp(text, "slide") == 0;
    return o->slide || strcmp(text, "batch") == 0;
}

static bool set_rate(struct load_options *o, const char *text) {
    return read_real(text, 1.0, 1e9, &o->rate);
}

static bool set_poisson(struct load_options *o, const char *text) {
    (void)text;
    o->poisson = true;
    return true;
}

static bool set_seconds(struct load_options *o, const char *text) {
    return read_real(text, 0.0, 86400.0, &o->seconds);
}

static bool set_warm_seconds(struct load_options *o, const char *text) {
    return read_real(text, 0.0, 3600.0, &o->warm_seconds);
}

static bool set_operations(struct load_options *o, const char *text) {
    return read_number(text, 1, UINT64_MAX, &o->ops_max);
}

static bool set_stall(struct load_options *o, const char *text) {
    return read_real(text, 0.1, 3600.0, &o->stall_seconds);
}

static bool set_preload(struct load_options *o, const char *text) {
    (void)text;
    o->preload = true;
    return true;
}

static bool set_preload_only(struct load_options *o, const char *text) {
    (void)text;
    o->preload = true;
    o->preload_only = true;
    return true;
}

/* "0,2-5" */
static bool set_cpus(struct load_options *o, const char *text) {
    o->cpu_count = 0;
    while (*text != '\0') {
        char *end = NULL;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = first;
        if (end == text)
            return false;
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
        }
        if (end == text || last < first || last >= 1024 ||
            o->cpu_count + (last - first) >= LOAD_CPUS_MAX)
            return false;
        for (unsigned long cpu = first; cpu <= last; cpu++)
            o->cpus[o->cpu_count++] = (int)cpu;
        if (*end != ',' && *end != '\0')
            return false;
        text = *end == ',' ? end + 1 : end;
    }
    return o->cpu_count > 0;
}

static bool set_server_pid(struct load_options *o, const char *text) {
    uint32_t pid = 0;
    if (!read_u32(text, 1, INT32_MAX, &pid))
        return false;
    o->server_pid = (int)pid;
    return true;
}

static bool set_line(struct load_options *o, const char *text) {
    (void)text;
    o->line_only = true;
    return true;
}

static bool set_seed(struct load_options *o, const char *text) {
    return read_number(text, 0, UINT64_MAX, &o->seed);
}

struct option_row {
    const char *name;
    char letter; /* 0 if it has only a name */
    const char *argument;
    bool (*set)(struct load_options *options, const char *text);
    const char *help;
};

static const struct option_row ROWS[] = {
    {"host", 'H', "NAME", set_host, "server's address (127.0.0.1)"},
    {"port", 'p', "N", set_port, "server's TCP port (11211)"},
    {"socket", 's', "PATH", set_socket, "connect to a unix socket instead"},
    {"protocol", 0, "NAME", set_protocol, "ascii (ascii)"},
    {"check", 0, "HOW", set_check, "exact: every byte; shape: framing, for bench/null (exact)"},
    {"keys", 'k', "N", set_keys, "different keys (1m)"},
    {"key-bytes", 0, "N", set_key_bytes, "length of a key, 16..250 (16)"},
    {"value-bytes", 'v', "N[-M]", set_value_bytes,
     "of a value; of a range each key has its own (100)"},
    {"distribution", 'd', "D", set_distribution,
     "uniform, zipf:SKEW or hot:KEYS[:PERCENT] (uniform)"},
    {"ratio", 'r', "G:S", set_ratio, "parts of GETs and SETs (1:0)"},
    {"multi-get", 'm', "N", set_multi_get, "keys in a GET (1)"},
    {"connections", 'c', "N", set_connections, "in all threads together (50)"},
    {"pipeline", 'P', "N", set_pipeline, "requests in flight on a connection (1)"},
    {"window", 0, "HOW", set_window,
     "batch: send when all replies are here; slide: as they come (batch)"},
    {"threads", 't', "N", set_threads, "of the generator (1)"},
    {"cpus", 0, "LIST", set_cpus, "run the threads on these CPUs, as in 1,3-5"},
    {"rate", 0, "N", set_rate, "open loop: requests a second; latency counts from the due time"},
    {"poisson", 0, NULL, set_poisson, "open loop with random instead of even gaps"},
    {"duration", 'D', "S", set_seconds, "seconds to measure (10)"},
    {"warm-up", 'w', "S", set_warm_seconds, "seconds to run before (1)"},
    {"operations", 'n', "N", set_operations, "end after so many measured requests"},
    {"preload", 0, NULL, set_preload, "store every key first"},
    {"preload-only", 0, NULL, set_preload_only, "store every key, then end"},
    {"server-pid", 0, "PID", set_server_pid, "report this process's CPU time too"},
    {"stall", 0, "S", set_stall, "give up after so long without a reply (10)"},
    {"line", 0, NULL, set_line, "print only the machine-readable line"},
    {"seed", 0, "N", set_seed, "of the random numbers (1)"},
};

enum {
    ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]),
    LETTERLESS = 256,
    HELP_CODE = LETTERLESS + ROW_COUNT,
};

static void show_help(void) {
    puts("larder-load: load generator for memcached's protocols; checks every reply\n"
         "\n"
         "A number may end in k or m (thousands, millions) or K or M (powers of 1024).\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char name[40];
        char letter[8] = "    ";
        if (ROWS[i].letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", ROWS[i].letter);
        snprintf(name, sizeof(name), "%s--%s %s", letter, ROWS[i].name,
                 ROWS[i].argument == NULL ? "" : ROWS[i].argument);
        printf("  %-28s %s\n", name, ROWS[i].help);
    }
    puts("\nExit code: 0 all well; 1 wrong replies; 2 bad options; 3 no or a lost connection, a\n"
         "broken or absent reply; 4 right replies, but some were server errors.");
}

static void set_defaults(struct load_options *options) {
    *options = (struct load_options){
        .host = "127.0.0.1",
        .port = "11211",
        .codec = &codec_table[0],
        .check = CHECK_EXACT,
        .set = {.keys = 1000000, .key_bytes = 16, .size_min = 100, .size_max = 100},
        .plan = {.kind = PLAN_UNIFORM, .get_parts = 1, .keys_per_get = 1},
        .connections = 50,
        .pipeline = 1,
        .threads = 1,
        .seconds = 10.0,
        .warm_seconds = 1.0,
        .stall_seconds = 10.0,
        .seed = 1,
    };
}

/* What only the whole command line shows. */
static const char *conflict(const struct load_options *options) {
    if (options->connections < options->threads)
        return "fewer connections than threads";
    if (options->plan.kind == PLAN_HOT && options->plan.hot_keys > options->set.keys)
        return "more hot keys than keys";
    if (options->seconds <= 0.0 && options->ops_max == 0 && !options->preload_only)
        return "neither a duration nor a number of operations";
    if (options->poisson && options->rate <= 0.0)
        return "--poisson needs --rate";
    return NULL;
}

static void fill_long_options(struct option *longs, char *letters) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        longs[i] = (struct option){
            .name = ROWS[i].name,
            .has_arg = ROWS[i].argument == NULL ? no_argument : required_argument,
            .val = LETTERLESS + (int)i,
        };
        if (ROWS[i].letter != 0) {
            *letters++ = ROWS[i].letter;
            *letters++ = ':';
        }
    }
    longs[ROW_COUNT] = (struct option){.name = "help", .val = HELP_CODE};
    memcpy(letters, "h", 2);
}

static const struct option_row *find_row(int code) {
    if (code >= LETTERLESS && code < HELP_CODE)
        return &ROWS[code - LETTERLESS];
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].letter != 0 && ROWS[i].letter == code)
            return &ROWS[i];
    }
    return NULL;
}

enum load_options_result load_options_parse(struct load_options *options, int argc, char **argv) {
    struct option longs[ROW_COUNT + 2] = {0};
    char letters[2 * ROW_COUNT + 2] = {0};
    fill_long_options(longs, letters);
    set_defaults(options);
    for (;;) {
        int code = getopt_long(argc, argv, letters, longs, NULL);
        if (code == -1)
            break;
        if (code == HELP_CODE || code == 'h') {
            show_help();
            return LOAD_OPTIONS_HELP;
        }
        const struct option_row *row = find_row(code);
        if (row == NULL)
            return LOAD_OPTIONS_BAD;
        if (!row->set(options, optarg)) {
            fprintf(stderr, "larder-load: --%s: can't use \"%s\"\n", row->name, optarg);
            return LOAD_OPTIONS_BAD;
        }
    }
    const char *why = optind < argc ? "an argument without an option" : conflict(options);
    if (why == NULL)
        return LOAD_OPTIONS_RUN;
    fprintf(stderr, "larder-load: %s\n", why);
    return LOAD_OPTIONS_BAD;
}
