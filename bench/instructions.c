/* larder: keys of one kind of request through a session over the store, to count instructions
 *
 * Usage: instructions KIND ROUNDS. A round is one receive of about PIPELINE keys, one turn of a
 * core; prints the keys of a round. Two runs under valgrind that differ in ROUNDS give the
 * instructions of a key without start and end: bench/count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/engine/engine.h"
#include "src/engine/session.h"

enum {
    PIPELINE = 96,
    KEYS = 1000,
    VALUE_BYTES = 100,
    KEYS_A_LINE = 24,
    REQUEST_BYTES_MAX = 1024,
    INPUT_BYTES_MAX = PIPELINE * REQUEST_BYTES_MAX,
    IOVECS = 64,
};

struct bench {
    struct engine_config config;
    struct store *store;
    struct store_core *store_core;
    struct engine_core *core;
    struct session session;
    uint8_t input[INPUT_BYTES_MAX];
    size_t input_bytes;
    uint64_t output_bytes;
};

static void bench_open(struct bench *bench) {
    const struct store_config store = {.memory_bytes = 64u << 20,
                                       .item_bytes_max = 1 << 20,
                                       .core_count = 1,
                                       .hash_seed = 1,
                                       .evict = true,
                                       .token_in_items = true};

    bench->config = (struct engine_config){
        .protocol = PARSER_AUTO, .epoch = 1800000000, .version = "1.6.45", .flush_enabled = true};
    bench->store = store_create(&store);
    ASSERT(bench->store);
    bench->store_core = store_core_create(bench->store, 0);
    bench->core = aligned_alloc(CACHE_LINE_BYTES, sizeof *bench->core);
    ASSERT(bench->store_core && bench->core);
    engine_init(bench->core, &bench->config, bench->store, bench->store_core);
    session_init(&bench->session, bench->core, bench);
}

static void bench_close(struct bench *bench) {
    session_fini(&bench->session);
    engine_fini(bench->core);
    free(bench->core);
    store_core_destroy(bench->store_core);
    store_destroy(bench->store);
}

/* What a core does in a turn, without the socket. */
static void bench_turn(struct bench *bench) {
    struct iovec iovecs[IOVECS];
    struct session *session;

    engine_turn_begin(bench->core, 2);
    session_feed(&bench->session, bench->input, bench->input_bytes);
    engine_flush(bench->core);
    while ((session = engine_session_next(bench->core)) != NULL) {
        unsigned count = session_output(session, iovecs, IOVECS);
        uint64_t bytes = 0;

        for (unsigned i = 0; i < count; i++) {
            bytes += iovecs[i].iov_len;
        }
        if (bytes > 0) {
            session_sent(session, bytes);
        }
        bench->output_bytes += bytes;
        engine_flush(bench->core);
    }
    engine_turn_end(bench->core);
}

static void bench_add(struct bench *bench, const void *bytes, size_t count) {
    ASSERT(count <= INPUT_BYTES_MAX - bench->input_bytes);
    memcpy(bench->input + bench->input_bytes, bytes, count);
    bench->input_bytes += count;
}

static void bench_add_key(struct bench *bench, const char *before, unsigned key) {
    char text[64];
    int bytes = snprintf(text, sizeof text, "%skey:%08u", before, key % KEYS);

    bench_add(bench, text, (size_t)bytes);
}

static void add_get(struct bench *bench, unsigned key) {
    bench_add_key(bench, "get ", key);
    bench_add(bench, "\r\n", 2);
}

static void add_multiget(struct bench *bench, unsigned key) {
    bench_add(bench, "get", 3);
    for (unsigned i = 0; i < KEYS_A_LINE; i++) {
        bench_add_key(bench, " ", key + i);
    }
    bench_add(bench, "\r\n", 2);
}

static void add_set(struct bench *bench, unsigned key) {
    uint8_t value[VALUE_BYTES];

    memset(value, 'a' + (int)(key % 26), sizeof value);
    bench_add_key(bench, "set ", key);
    bench_add(bench, " 0 0 100\r\n", 10);
    bench_add(bench, value, sizeof value);
    bench_add(bench, "\r\n", 2);
}

static void add_mg(struct bench *bench, unsigned key) {
    bench_add_key(bench, "mg ", key);
    bench_add(bench, " v\r\n", 4);
}

static void add_getq(struct bench *bench, unsigned key) {
    static const uint8_t header[24] = {0x80, 0x09, 0, 12, 0, 0, 0, 0, 0, 0, 0, 12};

    bench_add(bench, header, sizeof header);
    bench_add_key(bench, "", key);
}

static const struct kind {
    const char *name;
    void (*add)(struct bench *bench, unsigned key);
    unsigned keys;
} kinds[] = {
    {"get", add_get, 1},
    {"multiget", add_multiget, KEYS_A_LINE},
    {"set", add_set, 1},
    {"mg", add_mg, 1},
    {"getq", add_getq, 1},
};

static void bench_fill(struct bench *bench, const struct kind *kind, unsigned first) {
    bench->input_bytes = 0;
    for (unsigned i = 0; i < PIPELINE; i += kind->keys) {
        kind->add(bench, first + i);
    }
}

static const struct kind *kind_find(const char *name) {
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    static struct bench bench;
    const struct kind *kind = argc == 3 ? kind_find(argv[1]) : NULL;

    if (!kind) {
        fprintf(stderr, "usage: instructions get|multiget|set|mg|getq ROUNDS\n");
        return 64;
    }
    unsigned long rounds = strtoul(argv[2], NULL, 10);

    bench_open(&bench);
    for (unsigned first = 0; first < KEYS; first += PIPELINE) {
        bench_fill(&bench, kind_find("set"), first);
        bench_turn(&bench);
    }
    for (unsigned i = 0; i < 2; i++) { /* what hits leave behind is there already */
        bench_fill(&bench, kind_find("get"), 0);
        bench_turn(&bench);
    }
    if (kind->add == add_getq) {
        session_fini(&bench.session);
        session_init(&bench.session, bench.core, &bench);
    }
    bench_fill(&bench, kind, 0);
    bench.output_bytes = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        bench_turn(&bench);
    }
    ASSERT(bench.output_bytes >= rounds * PIPELINE * 2);
    printf("%d\n", PIPELINE);
    bench_close(&bench);
    return 0;
}
