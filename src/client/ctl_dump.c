/* larder: larderctl dump: a server's items as a stream
 *
 * Keys are listed by `lru_crawler metadump` into a file without a name, so that neither the
 * server's walk nor memory waits for whoever reads the dump; then values are got by the batch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/number.h"
#include "src/client/ctl_client.h"

enum {
    BATCH_ITEMS = 64,
    BUSY_TRIES = 300, /* of BUSY_MS each */
    BUSY_MS = 100,
};

/* A key in the file: this, then its bytes. */
struct listed {
    int64_t expires; /* seconds since 1970; -1: never; by the list, for servers that tell no TTL */
    uint32_t key_bytes;
};

struct dump {
    const struct ctl_args *args;
    struct ctl_filter filter;
    struct ctl_progress progress;
    FILE *keys;
    uint64_t listed;
    uint64_t written;
    bool full; /* the file of keys could not be written */
};

struct batch {
    struct listed rows[BATCH_ITEMS];
    char keys[BATCH_ITEMS][CTL_KEY_BYTES_MAX];
    struct larder_request requests[BATCH_ITEMS];
    struct larder_item items[BATCH_ITEMS];
    size_t count;
};

/* ---- Keys ---------------------------------------------------------------------------------- */

static int hex_of(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* "a%20b"; 0: it is no key. */
static size_t decode(struct span text, char key[CTL_KEY_BYTES_MAX]) {
    size_t bytes = 0;

    for (size_t i = 0; i < text.len; i++) {
        int byte = text.data[i];

        if (byte == '%') {
            int high = i + 2 < text.len ? hex_of((char)text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_of((char)text.data[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return 0;
            }
            byte = high * 16 + low;
            i += 2;
        }
        if (bytes == CTL_KEY_BYTES_MAX) {
            return 0;
        }
        key[bytes++] = (char)byte;
    }
    return bytes;
}

/* The text behind "NAME=" in a line of words; empty: there is none. */
static struct span word_of(struct span line, const char *name) {
    size_t name_bytes = strlen(name);

    while (line.len > 0) {
        const uint8_t *blank = memchr(line.data, ' ', line.len);
        size_t bytes = blank == NULL ? line.len : (size_t)(blank - line.data);

        if (bytes > name_bytes && memcmp(line.data, name, name_bytes) == 0) {
            return span_of(line.data + name_bytes, bytes - name_bytes);
        }
        bytes += blank != NULL;
        line = span_of(line.data + bytes, line.len - bytes);
    }
    return span_of(NULL, 0);
}

/* key=a%20b exp=1790000000 la=... cas=... fetch=yes cls=1 size=63 flags=0 */
static void take_line(void *context, const char *text, size_t bytes) {
    struct dump *dump = context;
    struct span line = span_of(text, bytes);
    struct listed row = {.expires = -1};
    char key[CTL_KEY_BYTES_MAX];

    row.key_bytes = (uint32_t)decode(word_of(line, "key="), key);
    if (row.key_bytes == 0 || !number_parse_i64(word_of(line, "exp="), &row.expires) ||
        !ctl_filter_wants(&dump->filter, span_of(key, row.key_bytes))) {
        return;
    }
    dump->full |= fwrite(&row, sizeof row, 1, dump->keys) != 1 ||
                  fwrite(key, row.key_bytes, 1, dump->keys) != 1;
    dump->listed++;
}

/* The list takes as long as it takes. */
static enum ctl_exit list_keys(struct dump *dump) {
    static const struct timespec pause = {.tv_nsec = BUSY_MS * 1000000L};
    const struct ctl_args *args = dump->args;
    enum larder_result result = LARDER_FAILED;

    if (larder_config_set(args->config, "request_ms", "3600000") != NULL) {
        return CTL_SYSTEM;
    }
    struct larder *larder = ctl_open(args);

    if (larder == NULL) {
        return CTL_USAGE;
    }
    for (unsigned i = 0; i < BUSY_TRIES && result != LARDER_DONE; i++) {
        result = larder_command(larder, 0, "lru_crawler metadump all", take_line, dump);
        if (result == LARDER_DONE || strstr(larder_why(larder), "BUSY") == NULL) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    enum ctl_exit code = ctl_judge(args, result, args->tier, larder_why(larder));

    larder_destroy(larder);
    if (code == CTL_DONE && (dump->full || fflush(dump->keys) != 0)) {
        return ctl_fail(args->command, CTL_INPUT, "the keys could not be kept: %m");
    }
    return code;
}

/* ---- Values -------------------------------------------------------------------------------- */

static void read_batch(struct dump *dump, struct batch *batch) {
    for (batch->count = 0; batch->count < BATCH_ITEMS; batch->count++) {
        struct listed *row = &batch->rows[batch->count];
        char *key = batch->keys[batch->count];

        if (fread(row, sizeof *row, 1, dump->keys) != 1 ||
            fread(key, row->key_bytes, 1, dump->keys) != 1) {
            return;
        }
        batch->requests[batch->count] = (struct larder_request){
            .verb = LARDER_GET, .ask = LARDER_NO_BUMP, .key = key, .key_bytes = row->key_bytes};
    }
}

/* Seconds since 1970, 0: never. */
static uint64_t expiry_of(const struct larder_item *item, const struct listed *row) {
    if (item->ttl_s >= 0) {
        return (uint64_t)time(NULL) + (uint64_t)item->ttl_s;
    }
    return item->ttl_s == LARDER_NEVER || row->expires <= 0 ? 0 : (uint64_t)row->expires;
}

static void write_item(struct dump *dump, const struct batch *batch, size_t i) {
    const struct larder_item *item = &batch->items[i];
    const struct listed *row = &batch->rows[i];

    (void)printf("item %u %zu %u %llu\n", row->key_bytes, item->value_bytes, item->flags,
                 (unsigned long long)expiry_of(item, row));
    (void)fwrite(batch->keys[i], row->key_bytes, 1, stdout);
    (void)fwrite(item->value, 1, item->value_bytes, stdout);
    (void)putchar('\n');
    dump->written++;
    ctl_progress_add(&dump->progress, 1, row->key_bytes + item->value_bytes);
}

static enum ctl_exit write_batch(struct dump *dump, const struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        const struct larder_item *item = &batch->items[i];
        /* what is being computed has no value yet */
        bool empty = item->value_bytes == 0 && (item->marks & LARDER_MARK_SENT) != 0;

        dump->progress.done++;
        if (item->result == LARDER_HIT || item->result == LARDER_STALE) {
            if (!empty) {
                write_item(dump, batch, i);
            }
            continue;
        }
        enum ctl_exit code = ctl_judge(dump->args, item->result, dump->args->tier, item->why);

        if (code > CTL_MISS) {
            return code;
        }
    }
    if (ferror(stdout)) {
        return ctl_fail(dump->args->command, CTL_INPUT, "standard output could not be written: %m");
    }
    return CTL_DONE;
}

static enum ctl_exit write_items(struct dump *dump, struct larder *larder) {
    struct batch *batch = calloc(1, sizeof *batch);
    enum ctl_exit code = CTL_DONE;

    if (batch == NULL) {
        return ctl_fail(dump->args->command, CTL_SYSTEM, "out of memory");
    }
    rewind(dump->keys);
    ctl_progress_init(&dump->progress, dump->args, dump->listed);
    (void)fputs("larder-dump 1\n", stdout);
    do {
        read_batch(dump, batch);
        (void)larder_do_many(larder, batch->requests, batch->count, batch->items);
        code = write_batch(dump, batch);
    } while (code == CTL_DONE && batch->count == BATCH_ITEMS);
    free(batch);
    ctl_progress_end(&dump->progress);
    if (code == CTL_DONE) {
        (void)printf("end %llu\n", (unsigned long long)dump->written);
    }
    return code;
}

enum ctl_exit ctl_dump(const struct ctl_args *args) {
    struct dump dump = {.args = args};
    enum ctl_exit code;
    struct larder *larder = ctl_open(args);

    if (larder == NULL || !ctl_filter_init(&dump.filter, args)) {
        larder_destroy(larder);
        return CTL_USAGE;
    }
    dump.keys = tmpfile();
    if (larder_server_count(larder) != 1) {
        code = ctl_fail(args->command, CTL_USAGE, "--server: it is one server: \"%s\"", args->tier);
    } else if (dump.keys == NULL) {
        code = ctl_fail(args->command, CTL_SYSTEM, "no temporary file: %m");
    } else {
        code = list_keys(&dump);
    }
    if (code == CTL_DONE) {
        code = write_items(&dump, larder);
    }
    if (dump.keys != NULL) {
        (void)fclose(dump.keys);
    }
    ctl_filter_fini(&dump.filter);
    larder_destroy(larder);
    return code;
}
