/* larder: parses a command line in a test and keeps what it printed
 *
 * Purpose  Tests write a command line as one text and look at settings, exit code and messages.
 * Owner    The test; free with command_line_free().
 * Threads  One: standard streams are redirected for the time of the call.
 * Memory   The texts and the settings.
 * Limits   COMMAND_LINE_WORDS words; COMMAND_LINE_BYTES of each stream are kept.
 * Errors   Fails the test when the streams cannot be redirected.
 */
#ifndef LARDER_TESTS_UNIT_SERVER_COMMAND_LINE_H
#define LARDER_TESTS_UNIT_SERVER_COMMAND_LINE_H

#include <stdbool.h>

#include "src/server/settings.h"

#define COMMAND_LINE_WORDS 64
#define COMMAND_LINE_BYTES 65536

struct command_line {
    bool runs; /* would go on to serve */
    int exit_code;
    struct settings *settings;
    char *out;
    char *err;
};

/* Words are separated by single spaces; two spaces make an empty word. */
struct command_line command_line_parse(const char *text);
void command_line_free(struct command_line *line);

#endif
