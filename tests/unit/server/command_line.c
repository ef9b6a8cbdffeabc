/* larder: parses a command line in a test and keeps what it printed */
#include "tests/unit/server/command_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/assert.h"

/* Lets `stream` go to a file without a name; returns what it was. */
static int redirect(FILE *stream, int target) {
    (void)fflush(stream);
    int saved = dup(fileno(stream));
    ASSERT(saved >= 0 && dup2(target, fileno(stream)) >= 0);
    return saved;
}

static void restore(FILE *stream, int saved) {
    (void)fflush(stream);
    ASSERT(dup2(saved, fileno(stream)) >= 0);
    (void)close(saved);
}

static char *read_all(int file) {
    char *text = calloc(1, COMMAND_LINE_BYTES);
    ASSERT(text != NULL);
    ASSERT(pread(file, text, COMMAND_LINE_BYTES - 1, 0) >= 0);
    (void)close(file);
    return text;
}

struct command_line command_line_parse(const char *text) {
    char *words[COMMAND_LINE_WORDS + 1] = {NULL};
    int count = 0;
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    for (char *rest = copy; rest != NULL && count < COMMAND_LINE_WORDS;) {
        words[count++] = strsep(&rest, " ");
    }
    struct command_line line = {0};
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    ASSERT(out >= 0 && err >= 0);
    int saved_out = redirect(stdout, out);
    int saved_err = redirect(stderr, err);
    line.runs = settings_create_from_args(count, words, &line.settings, &line.exit_code);
    restore(stdout, saved_out);
    restore(stderr, saved_err);
    line.out = read_all(out);
    line.err = read_all(err);
    free(copy);
    return line;
}

void command_line_free(struct command_line *line) {
    settings_destroy(line->settings);
    free(line->out);
    free(line->err);
}
