/* larder: the table of options, and how their values are read
 *
 * Purpose  The rows of settings.def as data, for the parser, --help, the manual page, `stats
 *          settings` and the tests. Private to the settings; the server uses settings.h.
 * Owner    none: the tables are constant.
 * Threads  any, for the tables; a run belongs to one thread.
 * Memory   A run writes into the settings it was given; texts in them are copies that they own.
 * Limits   OPTIONS_COUNT_MAX rows.
 * Errors   The operator's mistakes are printed on stderr; run->exit_code says how to end.
 */
#ifndef LARDER_SERVER_OPTIONS_H
#define LARDER_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/base/assert.h"
#include "src/server/settings.h"

#define OPTIONS_COUNT_MAX 160u

/* How an option's text becomes a value; the comment names the field's type. */
enum option_kind {
    OPTION_IGNORED,
    OPTION_ON,          /* bool: true */
    OPTION_OFF,         /* bool: false */
    OPTION_COUNT,       /* uint32_t: one more */
    OPTION_NUMBER,      /* uint32_t */
    OPTION_SIGNED,      /* int32_t */
    OPTION_OCTAL,       /* uint32_t */
    OPTION_SCALED,      /* uint64_t: a number times .scale */
    OPTION_SIZE,        /* uint64_t: a number with k, m or g */
    OPTION_FACTOR,      /* double: above .least, up to .most */
    OPTION_TEXT,        /* char * */
    OPTION_CHOSEN_TEXT, /* char *: one of .choices */
    OPTION_CHOICE,      /* an enum: which of .choices */
    OPTION_LETTER,      /* char */
    OPTION_ACTION,      /* done by name */
};

enum option_action {
    ACTION_NONE,
    ACTION_HELP,
    ACTION_LICENSE,
    ACTION_VERSION,
    ACTION_MAN,
    ACTION_LISTEN,
    ACTION_SUBOPTIONS,
    ACTION_TOPOLOGY,
    ACTION_MEMORY_PLAN,
    ACTION_NO_CHUNKED,
    ACTION_NO_AUTOMOVE,
    ACTION_NO_MODERN,
    ACTION_DROP_PRIVILEGES,
    ACTION_DEPRECATED,
};

enum option_support { WORKS, NO_EFFECT, REFUSED };

struct option_row {
    char letter;             /* 0: none */
    const char *name;        /* NULL: none */
    const char *argument;    /* what stands for it in --help; NULL: takes none; "" or "[x]": may */
    enum option_kind kind;
    enum option_action action;
    enum option_support support;
    bool suboption;          /* a word of the -o list */
    bool own;                /* larder's: must be spelled in full, so that no abbreviation of
                                memcached's becomes ambiguous */
    bool hidden;             /* accepted, and left out of --help */
    bool strict;             /* refuse text after a number; else it is dropped with a warning */
    bool automatic;          /* the word auto is the number 0 */
    int exit_code;           /* for a bad value; 0 means 1 */
    size_t field;            /* where the value goes */
    size_t also;             /* a bool to set with it; 0: none */
    int64_t least, most;     /* range of a number, before scaling */
    uint64_t scale;
    double factor_least, factor_most;
    const char *choices;     /* "a,b,c" */
    const char *initial;     /* the default, as text; NULL: zero */
    const char *absent;      /* what a suboption without a value means */
    const char *missing;     /* complaint when the value is missing */
    const char *too_low;     /* complaints; %s is the value */
    const char *too_high;
    const char *unreadable;
    const char *why;         /* why it is refused or without effect */
    const char *doc;
};

/* One parse of a command line. */
struct options_run {
    struct settings *settings;
    const char *program;              /* argv[0], for messages */
    int exit_code;                    /* valid once a function returned false */
    bool given[OPTIONS_COUNT_MAX];    /* by row */
};

/* How a line of `stats settings` is made from a field. */
enum stat_kind {
    STAT_FIXED,
    STAT_UNSIGNED,
    STAT_INTEGER,
    STAT_BYTES,
    STAT_BITS,
    STAT_YES,
    STAT_SWITCH,
    STAT_HUNDREDTHS,
    STAT_TEXT,
    STAT_TEXT_OR_NO,   /* or "no" */
    STAT_TEXT_OR_NONE, /* or "(null)" */
    STAT_LISTED,       /* which of a list */
    STAT_BYTE,
    STAT_PROTOCOL,
};

struct stat_row {
    const char *key;
    enum stat_kind kind;
    size_t field;
    const char *text; /* of STAT_FIXED; of STAT_LISTED "a,b,c" */
};

/* The rows of settings.def; *count is how many. Options come before suboptions. */
const struct option_row *options_rows(unsigned *count);
const struct stat_row *options_stat_rows(unsigned *count);

/* Reads `text` (NULL: none given) into the row's field. False: complained, run->exit_code set. */
bool options_read_value(struct options_run *run, const struct option_row *row, const char *text)
    MUST_CHECK;

/* Whether the option of this name, which must be in the table, has been met so far. */
bool options_were_given(const struct options_run *run, const char *name);

/* Sets every field to its row's default. False: memory is out. */
bool options_set_defaults(struct options_run *run) MUST_CHECK;

/* Replaces an owned text. False: memory is out (complained). */
bool options_set_text(struct options_run *run, char **field, const char *text) MUST_CHECK;

/* Prints a complaint, one line, in which %s is `value`; sets the exit code; returns false. */
bool options_complain(struct options_run *run, int exit_code, const char *complaint,
                      const char *value);

/* Checks what only the whole shows, in memcached's order; fills in what follows from the rest. */
bool settings_check(struct options_run *run) MUST_CHECK;

/* Builds settings->listen from listen_text and tcp_port. */
bool settings_listen_build(struct options_run *run) MUST_CHECK;

/* Texts for people, from the same table. `program` is argv[0]: called by a name that begins with
 * "memcached", help and version begin as memcached's do. */
void usage_print_version(const char *program, FILE *out);
void usage_print_help(const char *program, FILE *out);
void usage_print_license(const char *program, FILE *out);
void usage_print_man(FILE *out);

#endif
