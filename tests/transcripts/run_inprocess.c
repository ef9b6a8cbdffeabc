/* larder: runs transcripts in process: whole, cut at every byte, byte by byte, received in place
 *
 * Usage: run_inprocess [FILE...]; without files those of TOP_SRCDIR/tests/transcripts. Cases that
 * need the server (statistics, its own commands, most options) are skipped; tests/system runs
 * all. */
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/transcripts/transcript.h"
#include "tests/unit/engine/wire.h"

enum {
    WHY_BYTES_MAX = 600,
    CUTS_ALL_MAX = 3000, /* longer cases are cut near both ends and at some places between */
    CUTS_EDGE_MAX = 300,
    CUTS_BYTES_MAX = 2 << 20, /* all runs of such a case together, about */
    SINGLES_BYTES_MAX = 400,
    CAPTURES_MAX = 16,
};

struct run {
    struct wire wire;
    const struct transcript_case *test;
    size_t cut;     /* place in all bytes sent; 0: none */
    bool singles;   /* byte by byte */
    bool direct;
    size_t sent_bytes;
    char names[CAPTURES_MAX][TRANSCRIPT_NAME_BYTES_MAX];
    uint64_t values[CAPTURES_MAX];
    unsigned captures;
    bool failed;
    char why[WHY_BYTES_MAX];
};

__attribute__((format(printf, 2, 3))) static void run_fail(struct run *run, const char *format,
                                                           ...) {
    va_list arguments;

    if (!run->failed) {
        va_start(arguments, format);
        vsnprintf(run->why, sizeof run->why, format, arguments);
        va_end(arguments);
    }
    run->failed = true;
}

/* -- sending ----------------------------------------------------------------------------------- */

static uint64_t run_value(struct run *run, const char *name) {
    for (unsigned i = 0; i < run->captures; i++) {
        if (strcmp(run->names[i], name) == 0) {
            return run->values[i];
        }
    }
    run_fail(run, "nothing was captured as %s", name);
    return 0;
}

static void run_capture(struct run *run, const char *name, uint64_t value) {
    unsigned at = 0;

    while (at < run->captures && strcmp(run->names[at], name) != 0) {
        at++;
    }
    ASSERT(at < CAPTURES_MAX);
    strcpy(run->names[at], name);
    run->values[at] = value;
    run->captures += at == run->captures;
}

/* The bytes of items that are known beforehand. */
static uint8_t *run_render(struct run *run, const struct step *step, size_t *bytes) {
    size_t total = 0;

    for (size_t i = 0; i < step->item_count; i++) {
        total += step->items[i].len + 24;
    }
    uint8_t *text = malloc(total + 1);

    ASSERT(text);
    *bytes = 0;
    for (size_t i = 0; i < step->item_count; i++) {
        const struct item *item = &step->items[i];

        if (item->kind == ITEM_LITERAL) {
            memcpy(text + *bytes, item->bytes, item->len);
            *bytes += item->len;
        } else if (item->kind == ITEM_VALUE) {
            *bytes += (size_t)sprintf((char *)text + *bytes, "%llu",
                                      (unsigned long long)run_value(run, item->name));
        } else {
            long now = (long)WIRE_EPOCH + (long)run->wire.now + item->offset;

            *bytes += (size_t)sprintf((char *)text + *bytes, "%ld", now);
        }
    }
    return text;
}

static void run_send(struct run *run, const struct step *step) {
    size_t bytes;
    uint8_t *text = run_render(run, step, &bytes);
    size_t cut = run->cut > run->sent_bytes ? run->cut - run->sent_bytes : 0;

    wire_conn(&run->wire, step->conn)->direct = run->direct;
    if (run->singles) {
        for (size_t i = 0; i < bytes; i++) {
            wire_send(&run->wire, step->conn, text + i, 1);
        }
    } else if (cut > 0 && cut < bytes) {
        wire_send(&run->wire, step->conn, text, cut);
        wire_send(&run->wire, step->conn, text + cut, bytes - cut);
    } else {
        wire_send(&run->wire, step->conn, text, bytes);
    }
    run->sent_bytes += bytes;
    free(text);
}

/* -- expecting --------------------------------------------------------------------------------- */

static size_t match_digits(const uint8_t *at, size_t left, uint64_t *value) {
    size_t count = 0;

    *value = 0;
    while (count < left && at[count] >= '0' && at[count] <= '9') {
        *value = *value * 10 + (at[count++] - '0');
    }
    return count;
}

static size_t match_rest(const uint8_t *at, size_t left) {
    const uint8_t *feed = memchr(at, '\n', left);
    size_t count = feed ? (size_t)(feed - at) : left;

    return count > 0 && at[count - 1] == '\r' ? count - 1 : count;
}

/* How many bytes the item matches; SIZE_MAX: it does not. */
static size_t match_item(struct run *run, const struct item *item, const uint8_t *at,
                         size_t left) {
    uint64_t value;
    size_t count;
    char text[24];

    switch (item->kind) {
    case ITEM_LITERAL:
        return left >= item->len && memcmp(at, item->bytes, item->len) == 0 ? item->len : SIZE_MAX;
    case ITEM_REST:
        return match_rest(at, left);
    case ITEM_ANY:
        return left >= item->len ? item->len : SIZE_MAX;
    case ITEM_VALUE:
        count = (size_t)sprintf(text, "%llu", (unsigned long long)run_value(run, item->name));
        return left >= count && memcmp(at, text, count) == 0 ? count : SIZE_MAX;
    default:
        count = match_digits(at, left, &value);
        if (item->kind == ITEM_CAPTURE) {
            run_capture(run, item->name, value);
        }
        return count > 0 ? count : SIZE_MAX;
    }
}

static void run_expect(struct run *run, const struct step *step) {
    struct wire_conn *conn = wire_conn(&run->wire, step->conn);
    size_t at = 0;

    for (size_t i = 0; i < step->item_count; i++) {
        size_t left = conn->output_bytes - at;
        static const uint8_t nothing[1];
        const uint8_t *from = conn->output ? conn->output + at : nothing;
        size_t count = match_item(run, &step->items[i], from, left);

        if (count == SIZE_MAX) {
            const struct item *item = &step->items[i];
            size_t same = 0;

            while (item->kind == ITEM_LITERAL && same < left && same < item->len &&
                   from[same] == item->bytes[same]) {
                same++;
            }
            run_fail(run, "line %u: got \"%.*s\", wanted \"%.*s\" (after %zu bytes)",
                     step->line_number, (int)(left - same < 200 ? left - same : 200), from + same,
                     item->kind == ITEM_LITERAL ? (int)(item->len - same) : 5,
                     item->kind == ITEM_LITERAL ? (const char *)item->bytes + same : "{...}",
                     at + same);
            return;
        }
        at += count;
    }
    wire_take(conn, at);
}

static void run_expect_close(struct run *run, const struct step *step) {
    struct wire_conn *conn = wire_conn(&run->wire, step->conn);

    if (conn->output_bytes > 0) {
        run_fail(run, "line %u: got \"%.*s\" before the close", step->line_number,
                 (int)conn->output_bytes, conn->output);
    } else if (!conn->closed) {
        run_fail(run, "line %u: the connection is open", step->line_number);
    }
}

/* Between two commands: version, and nothing else, is answered. */
static void run_check_idle(struct run *run, unsigned index) {
    static const char answer[] = "VERSION 1.6.45\r\n";
    struct wire_conn *conn = &run->wire.conns[index];

    if (!conn->open) {
        return;
    }
    wire_send(&run->wire, index, "version\r\n", 9);
    if (conn->output_bytes != sizeof answer - 1 ||
        memcmp(conn->output, answer, sizeof answer - 1) != 0) {
        run_fail(run, "at the end: got \"%.*s\"", (int)conn->output_bytes,
                 conn->output ? conn->output : (const uint8_t *)"");
    } else if (!session_is_idle(&conn->session)) {
        run_fail(run, "at the end: the session is not idle");
    }
}

/* -- cases ------------------------------------------------------------------------------------- */

static void run_step(struct run *run, const struct step *step) {
    switch (step->kind) {
    case STEP_SEND:
        run_send(run, step);
        break;
    case STEP_EXPECT:
        run_expect(run, step);
        break;
    case STEP_CLOSE:
        run_expect_close(run, step);
        break;
    case STEP_EOF:
        wire_end_input(&run->wire, step->conn);
        break;
    case STEP_HANGUP:
        wire_hangup(&run->wire, step->conn);
        break;
    case STEP_SLEEP:
        run->wire.now += (uint32_t)(step->seconds + 0.5);
        break;
    }
}

/* One run; returns the bytes sent. */
static size_t run_once(struct run *run) {
    struct wire_options options = {.words = run->test->options};

    if (!wire_open(&run->wire, &options)) {
        abort();
    }
    run->sent_bytes = 0;
    run->captures = 0;
    for (size_t i = 0; i < run->test->step_count && !run->failed; i++) {
        run_step(run, &run->test->steps[i]);
    }
    for (unsigned i = 0; i < WIRE_CONNS_MAX && !run->failed; i++) {
        run_check_idle(run, i);
    }
    wire_close(&run->wire);
    return run->sent_bytes;
}

static void run_cuts(struct run *run, size_t total) {
    size_t runs = CUTS_BYTES_MAX / (total + 1) + 12;
    size_t edge = runs / 3 < CUTS_EDGE_MAX ? runs / 3 : CUTS_EDGE_MAX;
    size_t step = total / (runs / 3) + 1;

    for (size_t cut = 1; cut < total && !run->failed; cut++) {
        if (total > CUTS_ALL_MAX && cut > edge && cut + edge < total && cut % step) {
            continue;
        }
        run->cut = cut;
        run_once(run);
        if (run->failed) {
            fprintf(stderr, "# cut at %zu\n", cut);
        }
    }
    run->cut = 0;
}

static bool item_needs_server(const struct item *item) {
    static const char *const words[] = {"stats",  "verbosity",     "cache_memlimit", "shutdown",
                                        "lru",    "slabs",         "watch",          "mg ",
                                        "ms ",    "refresh_certs", "me ",            "mn\r"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (item->len > 0 && memmem(item->bytes, item->len, words[i], strlen(words[i]))) {
            return true;
        }
    }
    return false;
}

static bool case_needs_server(const struct transcript_case *test) {
    for (size_t i = 0; i < test->step_count; i++) {
        const struct step *step = &test->steps[i];

        for (size_t j = 0; step->kind == STEP_SEND && j < step->item_count; j++) {
            if (item_needs_server(&step->items[j])) {
                return true;
            }
        }
    }
    return false;
}

#ifdef TRANSCRIPTS_WITHOUT_META
/* Whether the case sends a meta command or a binary packet. */
static bool case_is_meta(const struct transcript_case *test) {
    for (size_t i = 0; i < test->step_count; i++) {
        const struct step *step = &test->steps[i];
        const struct item *item = step->item_count > 0 ? &step->items[0] : NULL;

        if (step->kind == STEP_SEND && item && item->len > 1 &&
            (item->bytes[0] == 0x80 ||
             (item->bytes[0] == 'm' && memchr("gsdae", item->bytes[1], 5)))) {
            return true;
        }
    }
    return false;
}
#endif

/* Returns NULL, or why the case is skipped. */
static const char *run_case(struct run *run, const struct transcript_case *test) {
    struct wire_options options = {.words = test->options};
    struct wire probe;

    memset(run, 0, sizeof *run);
    run->test = test;
#ifdef TRANSCRIPTS_WITHOUT_META
    if (case_is_meta(test)) {
        return "the dictionary knows no meta commands";
    }
#endif
    if (case_needs_server(test)) {
        return "the server's own command";
    }
    if (!wire_open(&probe, &options)) {
        return "the server's option";
    }
    wire_close(&probe);

    size_t total = run_once(run);

    run->direct = true;
    run_once(run);
    run->direct = false;
    if (!test->no_cut && !run->failed) {
        run_cuts(run, total);
    }
    run->singles = true;
    if (!test->no_cut && total <= SINGLES_BYTES_MAX && !run->failed) {
        run_once(run);
    }
    return NULL;
}

static unsigned run_file(const char *path, unsigned *number) {
    static struct run run;
    struct transcript transcript;
    unsigned failures = 0;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

    transcript_read(&transcript, path);
    for (size_t i = 0; i < transcript.case_count; i++) {
        const struct transcript_case *test = &transcript.cases[i];
        const char *skipped = run_case(&run, test);

        printf("%sok %u - %s: %s%s%s\n", run.failed ? "not " : "", ++*number, name, test->name,
               skipped ? " # SKIP " : "", skipped ? skipped : "");
        if (run.failed) {
            printf("# %s\n", run.why);
            failures++;
        }
    }
    transcript_free(&transcript);
    return failures;
}

int main(int argc, char **argv) {
    char pattern[4096];
    glob_t files = {0};
    unsigned number = 0;
    unsigned failures = 0;
    const char *top = getenv("TOP_SRCDIR");

    setvbuf(stdout, NULL, _IOLBF, 0);

    snprintf(pattern, sizeof pattern, "%s/tests/transcripts/*.txt", top ? top : ".");
    if (argc < 2 && glob(pattern, 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc; i++) {
            failures += run_file(files.gl_pathv[i], &number);
        }
        globfree(&files);
    }
    for (int i = 1; i < argc; i++) {
        failures += run_file(argv[i], &number);
    }
    printf("1..%u\n", number);
    return failures > 0 || number == 0;
}
