/* larder: transcripts as data */
#include "tests/transcripts/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct transcript *transcript;
    struct transcript_case *at; /* NULL before the first case */
    const char *path;
    unsigned line_number;
    char *options; /* of the file */
    bool skipping; /* lines that only memcached says */
};

static void reader_fail(const struct reader *reader, const char *why) {
    fprintf(stderr, "%s:%u: %s\n", reader->path, reader->line_number, why);
    exit(1);
}

static void *reader_take(const struct reader *reader, size_t bytes) {
    void *memory = calloc(1, bytes ? bytes : 1);

    if (!memory) {
        reader_fail(reader, "out of memory");
    }
    return memory;
}

static char *reader_text(const struct reader *reader, const char *text) {
    char *copy = reader_take(reader, strlen(text) + 1);

    strcpy(copy, text);
    return copy;
}

/* -- items ------------------------------------------------------------------------------------- */

static struct item *reader_item(const struct reader *reader, struct step *step,
                                enum item_kind kind) {
    if (step->item_count == TRANSCRIPT_ITEMS_MAX) {
        reader_fail(reader, "too many items");
    }
    struct item *item = &step->items[step->item_count++];

    item->kind = kind;
    return item;
}

/* Adds to a literal at the end of the step. */
static void reader_literal(const struct reader *reader, struct step *step, const uint8_t *bytes,
                           size_t len) {
    struct item *item = step->item_count > 0 ? &step->items[step->item_count - 1] : NULL;

    if (!item || item->kind != ITEM_LITERAL) {
        item = reader_item(reader, step, ITEM_LITERAL);
    }
    if (item->len + len > item->room) {
        item->room = 2 * (item->len + len);
        item->bytes = realloc(item->bytes, item->room);
        if (!item->bytes) {
            reader_fail(reader, "out of memory");
            return;
        }
    }
    memcpy(item->bytes + item->len, bytes, len);
    item->len += len;
}

/* The byte of the escape at text[0] (behind the backslash); *used characters. */
static uint8_t reader_escape(const struct reader *reader, const char *text, size_t *used) {
    static const char names[] = "rnt0\\{s\"";
    static const char bytes[] = "\r\n\t\0\\{ \"";
    const char *found = *text ? strchr(names, *text) : NULL;

    *used = 1;
    if (found) {
        return (uint8_t)bytes[found - names];
    }
    if (*text == 'x' && text[1] && text[2]) {
        char digits[3] = {text[1], text[2], 0};

        *used = 3;
        return (uint8_t)strtoul(digits, NULL, 16);
    }
    reader_fail(reader, "unknown escape");
    return 0;
}

/* The text behind the quote at text[0], up to the next; `\#` is `index`. Returns its end. */
static size_t reader_quoted(const struct reader *reader, struct step *step, const char *text,
                            size_t len, size_t index) {
    uint8_t *bytes = reader_take(reader, len + 24);
    size_t count = 0;
    size_t at = 1;

    while (at < len && text[at] != '"') {
        size_t used = 0;

        if (text[at] == '\\' && text[at + 1] == '#') {
            count += (size_t)sprintf((char *)bytes + count, "%zu", index);
            used = 1;
        } else if (text[at] == '\\') {
            bytes[count++] = reader_escape(reader, text + at + 1, &used);
        } else {
            bytes[count++] = (uint8_t)text[at];
        }
        at += 1 + used;
    }
    reader_literal(reader, step, bytes, count);
    free(bytes);
    return at;
}

/* {"TEXT"*N} without its braces. */
static void reader_repeat(const struct reader *reader, struct step *step, const char *text,
                          size_t len) {
    size_t end = reader_quoted(reader, step, text, len, 0);
    size_t times = end + 1 < len && text[end + 1] == '*' ? strtoul(text + end + 2, NULL, 10) : 1;

    for (size_t i = 1; i < times; i++) {
        reader_quoted(reader, step, text, len, i);
    }
}

static void reader_brace(const struct reader *reader, struct step *step, const char *text,
                         size_t len) {
    struct item *item;
    const char *name = NULL;

    if (text[0] == '"') {
        reader_repeat(reader, step, text, len);
        return;
    }
    if (strncmp(text, "now", 3) == 0) {
        item = reader_item(reader, step, ITEM_NOW);
        item->offset = len > 3 ? strtol(text + 3, NULL, 10) : 0;
    } else if (strncmp(text, "num:", 4) == 0) {
        item = reader_item(reader, step, ITEM_CAPTURE);
        name = text + 4;
    } else if (text[0] == '=') {
        item = reader_item(reader, step, ITEM_VALUE);
        name = text + 1;
    } else if (len == 3 && strncmp(text, "num", 3) == 0) {
        reader_item(reader, step, ITEM_NUMBER);
    } else if (len == 4 && strncmp(text, "rest", 4) == 0) {
        reader_item(reader, step, ITEM_REST);
    } else if (strncmp(text, "any*", 4) == 0) {
        item = reader_item(reader, step, ITEM_ANY);
        item->len = strtoul(text + 4, NULL, 10);
    } else {
        reader_fail(reader, "unknown item");
    }
    if (name) {
        size_t bytes = len - (size_t)(name - text);

        if (bytes == 0 || bytes >= TRANSCRIPT_NAME_BYTES_MAX) {
            reader_fail(reader, "bad name");
        }
        memcpy(item->name, name, bytes);
    }
}

static void reader_line_items(const struct reader *reader, struct step *step, const char *text) {
    while (*text) {
        if (strcmp(text, "\\c") == 0) {
            return;
        }
        if (*text == '\\') {
            size_t used;
            uint8_t byte = reader_escape(reader, text + 1, &used);

            reader_literal(reader, step, &byte, 1);
            text += 1 + used;
        } else if (*text == '{') {
            const char *end = strchr(text, '}');

            if (!end) {
                reader_fail(reader, "{ without }");
                return;
            }
            reader_brace(reader, step, text + 1, (size_t)(end - text) - 1);
            text = end + 1;
        } else {
            reader_literal(reader, step, (const uint8_t *)text, 1);
            text++;
        }
    }
    reader_literal(reader, step, (const uint8_t *)"\r\n", 2);
}

/* -- steps ------------------------------------------------------------------------------------- */

static struct step *reader_step(struct reader *reader, enum step_kind kind, unsigned conn,
                                bool join) {
    struct transcript_case *at = reader->at;

    if (!at) {
        reader_fail(reader, "a line before the first @case");
        return NULL;
    }
    struct step *last = at->step_count > 0 ? &at->steps[at->step_count - 1] : NULL;

    if (join && last && last->kind == kind && last->conn == conn) {
        return last;
    }
    if (at->step_count == TRANSCRIPT_STEPS_MAX || conn >= TRANSCRIPT_CONNS_MAX) {
        reader_fail(reader, "too many steps or connections");
    }
    last = &at->steps[at->step_count++];
    last->kind = kind;
    last->conn = conn;
    last->line_number = reader->line_number;
    last->items = reader_take(reader, TRANSCRIPT_ITEMS_MAX * sizeof *last->items);
    return last;
}

static void reader_case(struct reader *reader, const char *name) {
    struct transcript *transcript = reader->transcript;

    if (transcript->case_count == TRANSCRIPT_CASES_MAX) {
        reader_fail(reader, "too many cases");
    }
    reader->at = &transcript->cases[transcript->case_count++];
    reader->at->name = reader_text(reader, name);
    reader->at->options = reader_text(reader, reader->options);
    reader->at->steps = reader_take(reader, TRANSCRIPT_STEPS_MAX * sizeof *reader->at->steps);
}

static void reader_options(struct reader *reader, const char *words) {
    char **options = reader->at ? &reader->at->options : &reader->options;

    free(*options);
    *options = reader_text(reader, words);
}

static unsigned reader_conn(const char *rest) {
    return rest[0] == 'c' && rest[1] >= '1' && rest[1] <= '9' ? (unsigned)(rest[1] - '1') : 0;
}

static void reader_directive(struct reader *reader, const char *text) {
    static const char *const kinds[] = {"close", "eof", "hangup"};
    const char *space = strchr(text, ' ');
    size_t bytes = space ? (size_t)(space - text) : strlen(text);
    const char *rest = space ? space + 1 : "";

    if (strncmp(text, "case", bytes) == 0) {
        reader_case(reader, rest);
    } else if (strncmp(text, "options", bytes) == 0) {
        reader_options(reader, rest);
    } else if (strncmp(text, "nocut", bytes) == 0) {
        reader->at->no_cut = true;
    } else if (strncmp(text, "sleep", bytes) == 0) {
        reader_step(reader, STEP_SLEEP, 0, false)->seconds = strtod(rest, NULL);
    } else if (strncmp(text, "fresh", bytes) != 0 && strncmp(text, "differs", bytes) != 0) {
        for (unsigned i = 0; i < 3; i++) {
            if (bytes == strlen(kinds[i]) && strncmp(text, kinds[i], bytes) == 0) {
                reader_step(reader, (enum step_kind)(STEP_CLOSE + i), reader_conn(rest), false);
                return;
            }
        }
        reader_fail(reader, "unknown directive");
    }
}

static void reader_line(struct reader *reader, const char *text) {
    unsigned conn = 0;

    if (text[0] == '#' || text[0] == '\0') {
        return;
    }
    if (text[0] == '@') {
        reader_directive(reader, text + 1);
        return;
    }
    if (text[0] == 'c' && text[1] >= '1' && text[1] <= '9') {
        conn = reader_conn(text);
        text += 2;
    }
    char mark = text[0];

    if (mark != '>' && mark != '<' && mark != '!' && mark != '~') {
        reader_fail(reader, "unknown line");
    }
    /* `~` looks for a line among others: only the server's statistics are read so */
    if (mark == '>' || mark == '<') {
        text += text[1] == ' ' ? 2 : 1;
        reader_line_items(
            reader, reader_step(reader, mark == '>' ? STEP_SEND : STEP_EXPECT, conn, true), text);
    }
}

void transcript_read(struct transcript *transcript, const char *path) {
    struct reader reader = {.transcript = transcript, .path = path};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t line_bytes = 0;
    ssize_t len;

    if (!file) {
        reader_fail(&reader, "cannot be read");
        return;
    }
    transcript->cases = reader_take(&reader, TRANSCRIPT_CASES_MAX * sizeof *transcript->cases);
    transcript->case_count = 0;
    reader.options = reader_text(&reader, "");
    while ((len = getline(&line, &line_bytes, file)) >= 0) {
        reader.line_number++;
        if (len > 0 && line[len - 1] == '\n') {
            line[len - 1] = '\0';
        }
        reader_line(&reader, line);
    }
    free(line);
    free(reader.options);
    fclose(file);
}

void transcript_free(struct transcript *transcript) {
    for (size_t i = 0; i < transcript->case_count; i++) {
        struct transcript_case *at = &transcript->cases[i];

        for (size_t j = 0; j < at->step_count; j++) {
            for (size_t k = 0; k < at->steps[j].item_count; k++) {
                free(at->steps[j].items[k].bytes);
            }
            free(at->steps[j].items);
        }
        free(at->steps);
        free(at->name);
        free(at->options);
    }
    free(transcript->cases);
}
