/* larder: larderctl load: stores the items of a dump */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/number.h"
#include "src/client/ctl_client.h"
#include "src/client/wire.h"

enum {
    BATCH_ITEMS = 64,
    BATCH_BYTES = 8 << 20, /* a batch with more goes early */
    HEAD_BYTES_MAX = 128,
};
static const uint64_t value_bytes_max = (uint64_t)1 << 30;

struct load {
    const struct ctl_args *args;
    struct larder *larder;
    struct ctl_filter filter;
    struct ctl_progress progress;
    struct larder_request requests[BATCH_ITEMS];
    struct larder_item items[BATCH_ITEMS];
    size_t count;
    size_t bytes; /* of keys and values of the batch */
    uint64_t read_items;
    uint64_t refused;
};

/* What a line of the dump says. */
struct head {
    uint64_t key_bytes;
    uint64_t value_bytes;
    uint32_t flags;
    uint64_t expires;
};

static enum ctl_exit no_dump(const struct load *load, const char *what) {
    return ctl_fail(load->args->command, CTL_DATA, "behind %llu items: %s",
                    (unsigned long long)load->read_items, what);
}

/* ---- Storing ------------------------------------------------------------------------------- */

static void clear(struct load *load) {
    for (size_t i = 0; i < load->count; i++) {
        free((void *)(uintptr_t)load->requests[i].key);
    }
    load->count = 0;
    load->bytes = 0;
}

static enum ctl_exit judge_items(struct load *load) {
    for (size_t i = 0; i < load->count; i++) {
        const struct larder_item *item = &load->items[i];
        const struct larder_request *request = &load->requests[i];
        char key[CTL_KEY_BYTES_MAX + 1] = "";

        memcpy(key, request->key, request->key_bytes);
        enum ctl_exit code = ctl_judge(load->args, item->result, key, item->why);

        if (code == CTL_FAILED && item->result != LARDER_TOO_LARGE) {
            return code; /* that server will not take the rest either */
        }
        load->refused += code > CTL_MISS;
    }
    return CTL_DONE;
}

static enum ctl_exit store(struct load *load) {
    (void)larder_do_many(load->larder, load->requests, load->count, load->items);
    enum ctl_exit code = judge_items(load);

    ctl_progress_add(&load->progress, load->count, load->bytes);
    clear(load);
    return code;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* "item 3 5 0 0": four numbers. */
static bool parse_head(struct span text, struct head *head) {
    uint64_t numbers[4] = {0};

    for (unsigned i = 0; i < 4; i++) {
        if (!number_parse_u64(wire_word(&text), &numbers[i])) {
            return false;
        }
    }
    *head = (struct head){numbers[0], numbers[1], (uint32_t)numbers[2], numbers[3]};
    return text.len == 0 && numbers[0] > 0 && numbers[0] <= CTL_KEY_BYTES_MAX &&
           numbers[1] <= value_bytes_max && numbers[2] <= UINT32_MAX;
}

/* Whether the item is one to store; *ttl_s then. */
static bool is_wanted(const struct load *load, const struct head *head, const char *key,
                      uint32_t *ttl_s) {
    uint64_t now = (uint64_t)time(NULL);

    *ttl_s = 0;
    if (head->expires != 0) {
        if (head->expires <= now) {
            return false;
        }
        *ttl_s = head->expires - now < UINT32_MAX ? (uint32_t)(head->expires - now) : 0;
    }
    return ctl_filter_wants(&load->filter, span_of(key, (size_t)head->key_bytes));
}

/* Reads key, value and line feed. */
static enum ctl_exit take_item(struct load *load, const struct head *head) {
    size_t key_bytes = (size_t)head->key_bytes;
    size_t bytes = key_bytes + (size_t)head->value_bytes;
    char *data = malloc(bytes + 1);
    uint32_t ttl_s;

    if (data == NULL) {
        return ctl_fail(load->args->command, CTL_SYSTEM, "out of memory");
    }
    if (fread(data, 1, bytes + 1, stdin) != bytes + 1 || data[bytes] != '\n') {
        free(data);
        return no_dump(load, "an item breaks off");
    }
    load->read_items++;
    load->progress.done += bytes + 1;
    if (!is_wanted(load, head, data, &ttl_s)) {
        free(data);
        return CTL_DONE;
    }
    load->requests[load->count++] = (struct larder_request){
        .verb = load->args->verb, .key = data, .key_bytes = key_bytes, .value = data + key_bytes,
        .value_bytes = bytes - key_bytes, .flags = head->flags, .ttl_s = ttl_s};
    load->bytes += bytes;
    return load->count == BATCH_ITEMS || load->bytes >= BATCH_BYTES ? store(load) : CTL_DONE;
}

/* A line without its end; empty: there is none. */
static struct span read_line(struct load *load, char line[HEAD_BYTES_MAX]) {
    if (fgets(line, HEAD_BYTES_MAX, stdin) == NULL) {
        return span_of(NULL, 0);
    }
    size_t bytes = strlen(line);

    load->progress.done += bytes;
    return span_of(line, bytes > 0 && line[bytes - 1] == '\n' ? bytes - 1 : 0);
}

static enum ctl_exit finish(struct load *load, struct span count) {
    uint64_t items = 0;
    enum ctl_exit code = store(load);

    if (code != CTL_DONE) {
        return code;
    }
    if (!number_parse_u64(count, &items) || items != load->read_items) {
        return no_dump(load, "the dump counts others");
    }
    return load->refused == 0 ? CTL_DONE : CTL_FAILED;
}

static enum ctl_exit load_items(struct load *load) {
    char line[HEAD_BYTES_MAX];
    struct head head;

    if (!span_is(read_line(load, line), "larder-dump 1")) {
        return ctl_fail(load->args->command, CTL_DATA, "this is no dump of larderctl's");
    }
    for (;;) {
        struct span text = read_line(load, line);
        struct span word = wire_word(&text);
        enum ctl_exit code;

        if (span_is(word, "end")) {
            return finish(load, wire_word(&text));
        }
        if (!span_is(word, "item") || !parse_head(text, &head)) {
            code = store(load);
            return code != CTL_DONE ? code : no_dump(load, "the dump breaks off");
        }
        code = take_item(load, &head);
        if (code == CTL_DATA && load->count > 0) {
            enum ctl_exit rest = store(load);

            code = rest != CTL_DONE ? rest : code;
        }
        if (code != CTL_DONE) {
            return code;
        }
    }
}

enum ctl_exit ctl_load(const struct ctl_args *args) {
    struct load *load = calloc(1, sizeof *load);
    struct stat input;
    enum ctl_exit code = CTL_USAGE;

    if (load == NULL) {
        return ctl_fail(args->command, CTL_SYSTEM, "out of memory");
    }
    load->args = args;
    if (args->verb == LARDER_APPEND || args->verb == LARDER_PREPEND) {
        (void)ctl_fail(args->command, CTL_USAGE, "--mode: it is set, add or replace");
    } else if (ctl_filter_init(&load->filter, args)) {
        load->larder = ctl_open(args);
    }
    if (load->larder != NULL) {
        bool sized = fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode);

        ctl_progress_init(&load->progress, args, sized ? (uint64_t)input.st_size : 0);
        code = load_items(load);
        ctl_progress_end(&load->progress);
    }
    clear(load);
    ctl_filter_fini(&load->filter);
    larder_destroy(load->larder);
    free(load);
    return code;
}
