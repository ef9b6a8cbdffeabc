/* larder: --help, --version, --license and the manual page, from the table of options */
#include <ctype.h>
#include <string.h>

#include "config.h"
#include "src/base/text.h"
#include "src/server/options.h"

#define MEMCACHED_VERSION "1.6.45"
#define TEXT_COLUMN 26u

/* The path's last part. */
static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

void usage_print_version(const char *program, FILE *out) {
    bool memcached = strncmp(base_name(program), "memcached", 9) == 0;
    (void)fputs(memcached ? "memcached " MEMCACHED_VERSION "\n"
                          : PACKAGE_NAME " " PACKAGE_VERSION "\n",
                out);
}

void usage_print_license(const char *program, FILE *out) {
    usage_print_version(program, out);
    (void)fputs("\n"
                "This is " PACKAGE_NAME " " PACKAGE_VERSION ", a server that speaks memcached's "
                "protocols.\n"
                "It contains no code of memcached. The libraries it links (liburing, hwloc,\n"
                "jemalloc, xxHash) come with the system, each under its own license.\n",
                out);
}

/* "doc (default: x)", or with the reason why it does nothing. */
static void full_text(const struct option_row *row, char *text, size_t capacity) {
    if (row->support == REFUSED) {
        (void)snprintf(text, capacity, "Refused: %s.", row->why);
    } else if (row->support == NO_EFFECT) {
        (void)snprintf(text, capacity, "%s (accepted, no effect: %s)", row->doc, row->why);
    } else if (row->initial != NULL && row->kind != OPTION_OFF) {
        (void)snprintf(text, capacity, "%s (default: %s)", row->doc, row->initial);
    } else {
        (void)snprintf(text, capacity, "%s", row->doc);
    }
}

/* Writes text into its column, behind a head of `used` characters. */
static void print_beside(FILE *out, int used, const char *text) {
    int column = used < 0 ? 0 : used;
    if (column >= (int)TEXT_COLUMN) {
        (void)fputc('\n', out);
        column = 0;
    }
    (void)fprintf(out, "%*s", (int)TEXT_COLUMN - column, "");
    text_write_wrapped(out, TEXT_COLUMN, TEXT_COLUMN, text);
}

static void print_option(FILE *out, const struct option_row *row) {
    char text[512];
    full_text(row, text, sizeof(text));
    int used = row->letter == 0 ? 0 : fprintf(out, "-%c", row->letter);
    if (row->name != NULL) {
        used += fprintf(out, "%s--%s", row->letter == 0 ? "" : ", ", row->name);
    }
    const char *argument = row->argument == NULL ? "" : row->argument;
    if (argument[0] == '[') {
        used += fprintf(out, "[=<%.*s>]", (int)strlen(argument) - 2, argument + 1);
    } else if (argument[0] != '\0') {
        used += fprintf(out, "%c<%s>", row->name == NULL ? ' ' : '=', argument);
    }
    print_beside(out, used, text);
}

static void print_suboption(FILE *out, const struct option_row *row) {
    char text[512];
    full_text(row, text, sizeof(text));
    int used = fprintf(out, "   - %s:", row->name);
    print_beside(out, used, text);
}

static bool is_shown(const struct option_row *row) {
    return row->support != REFUSED && !row->hidden;
}

static void print_suboptions(FILE *out) {
    unsigned count = 0;
    const struct option_row *rows = options_rows(&count);
    char without_effect[2048] = "";
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];
        if (!row->suboption || !is_shown(row)) {
            continue;
        }
        if (row->support == WORKS) {
            print_suboption(out, row);
        } else if (length < sizeof(without_effect)) {
            length += (size_t)snprintf(without_effect + length, sizeof(without_effect) - length,
                                       "%s%s", length == 0 ? "" : ", ", row->name);
        }
    }
    (void)fprintf(out, "   accepted, without effect (the manual says why):\n     ");
    text_write_wrapped(out, 5, 5, without_effect);
}

void usage_print_help(const char *program, FILE *out) {
    usage_print_version(program, out);
    unsigned count = 0;
    const struct option_row *rows = options_rows(&count);
    for (unsigned i = 0; i < count; i++) {
        if (rows[i].suboption || !is_shown(&rows[i])) {
            continue;
        }
        print_option(out, &rows[i]);
        if (rows[i].action == ACTION_SUBOPTIONS) {
            print_suboptions(out);
        }
    }
}

static void print_man_head(FILE *out, const struct option_row *row) {
    (void)fputs(".TP\n.B ", out);
    if (row->letter != 0) {
        (void)fprintf(out, "\\-%c%s", row->letter, row->name == NULL ? "" : ", ");
    }
    if (row->name != NULL) {
        (void)fputs(row->suboption ? "" : "\\-\\-", out);
        text_write_roff(out, row->name);
    }
    if (row->argument != NULL && row->argument[0] != '\0') {
        bool optional = row->argument[0] == '[';
        (void)fprintf(out, "%s\\fI", optional ? "[=" : row->name == NULL ? " " : "=");
        if (optional) {
            (void)fprintf(out, "%.*s", (int)strlen(row->argument) - 2, row->argument + 1);
        } else {
            text_write_roff(out, row->argument);
        }
        (void)fprintf(out, "\\fP%s", optional ? "]" : "");
    }
    (void)fputc('\n', out);
}

static void print_man_rows(FILE *out, bool suboptions, enum option_support support) {
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        if (row->suboption != suboptions || row->support != support) {
            continue;
        }
        char text[512];
        full_text(row, text, sizeof(text));
        print_man_head(out, row);
        text_write_roff(out, text);
        (void)fputc('\n', out);
    }
}

static const char man_head[] =
    ".TH LARDER 1 \"\" \"larder " PACKAGE_VERSION "\" \"User commands\"\n"
    ".SH NAME\nlarder \\- a memcached for hosts with many cores\n"
    ".SH SYNOPSIS\n.B larder\n[\\fIoptions\\fP]\n"
    ".SH DESCRIPTION\n"
    "larder keeps keys and values in memory and serves them over memcached's protocols.\n"
    "It takes memcached's options, so that it can stand in its place; called by the name\n"
    "memcached it also answers \\-V as memcached does.\n"
    ".PP\n"
    "Of an option that is given several times the last counts. Short options without a value\n"
    "can be put together, long ones can be shortened as far as they stay unambiguous.\n"
    ".SH OPTIONS\n";

static const char man_tail[] =
    ".SH ENVIRONMENT\n.TP\n.B MEMCACHED_PORT_FILENAME\n"
    "File to which the ports are written once they are open, one a line, as\n"
    "\\(lqTCP INET: 11211\\(rq.\n"
    ".SH SIGNALS\n"
    "SIGTERM and SIGINT stop the server, SIGUSR1 stops it gracefully; SIGPIPE is ignored.\n"
    ".SH EXIT STATUS\n"
    "0 after a stop by a signal; 1 for most mistakes in options; 64 where a value can not work\n"
    "or root does not say whom to become; 67 for an unknown user; 71 where the system refuses,\n"
    "for one a port that is taken.\n"
    ".SH SEE ALSO\n.BR memcached (1)\n";

void usage_print_man(FILE *out) {
    (void)fputs(man_head, out);
    print_man_rows(out, false, WORKS);
    print_man_rows(out, false, NO_EFFECT);
    (void)fputs(".SH EXTENDED OPTIONS\nWords of the list of\n.BR \\-o :\n", out);
    print_man_rows(out, true, WORKS);
    (void)fputs(".SH EXTENDED OPTIONS WITHOUT EFFECT\n"
                "memcached's, about its own machinery; accepted, and shown by \\(lqstats "
                "settings\\(rq.\n",
                out);
    print_man_rows(out, true, NO_EFFECT);
    (void)fputs(".SH OPTIONS OF MEMCACHED THAT ARE REFUSED\n"
                "larder does not start with these, rather than ignore them.\n",
                out);
    print_man_rows(out, false, REFUSED);
    print_man_rows(out, true, REFUSED);
    (void)fputs(man_tail, out);
}
