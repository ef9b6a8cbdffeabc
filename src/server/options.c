/* larder: walks the command line */
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "src/server/options.h"

enum {
    CHUNK_BYTES_WHOLE = 1024 * 1024, /* a page of memcached's: nothing is chunked */
    LONG_CODE_BASE = 256,            /* getopt codes of options without a letter */
};

/* What getopt needs, built from the table. */
struct getopt_tables {
    char letters[2 * OPTIONS_COUNT_MAX + 1];
    struct option longs[OPTIONS_COUNT_MAX + 1];
};

static bool takes_optional(const struct option_row *row) {
    return row->argument != NULL && (row->argument[0] == '\0' || row->argument[0] == '[');
}

static int has_argument(const struct option_row *row) {
    if (row->argument == NULL) {
        return no_argument;
    }
    return takes_optional(row) ? optional_argument : required_argument;
}

static void build_getopt_tables(struct getopt_tables *tables) {
    memset(tables, 0, sizeof(*tables));
    char *letter = tables->letters;
    struct option *entry = tables->longs;
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        if (row->suboption || row->own) {
            continue;
        }
        *letter++ = row->letter;
        if (has_argument(row) == required_argument) {
            *letter++ = ':';
        }
        if (row->name != NULL) {
            *entry++ = (struct option){row->name, has_argument(row), NULL, row->letter};
        }
    }
}

static const struct option_row *find_row(bool suboption, int letter, const char *name,
                                         size_t length) {
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        if (row->suboption != suboption) {
            continue;
        }
        if (name == NULL && row->letter == letter) {
            return row;
        }
        if (name != NULL && row->name != NULL && strlen(row->name) == length &&
            memcmp(row->name, name, length) == 0) {
            return row;
        }
    }
    return NULL;
}

static void note_given(struct options_run *run, const struct option_row *row) {
    unsigned count = 0;
    run->given[row - options_rows(&count)] = true;
}

/* -l may come several times; the list grows, and an address said twice counts once. */
static bool add_listen(struct options_run *run, const char *text) {
    char **list = &run->settings->listen_text;
    if (*list == NULL) {
        return options_set_text(run, list, text);
    }
    size_t length = strlen(text);
    for (const char *at = strstr(*list, text); at != NULL; at = strstr(at + 1, text)) {
        bool starts = at == *list || at[-1] == ',' || at[-1] == ';';
        bool ends = at[length] == '\0' || at[length] == ',' || at[length] == ';';
        if (starts && ends) {
            return true;
        }
    }
    char *joined = NULL;
    if (asprintf(&joined, "%s,%s", *list, text) < 0) {
        return options_complain(run, EXIT_FAILURE, "Failed to allocate memory", "");
    }
    free(*list);
    *list = joined;
    return true;
}

/* The defaults of memcached 1.4. */
static bool set_no_modern(struct options_run *run) {
    struct settings *settings = run->settings;
    if (!options_were_given(run, "slab_chunk_max")) {
        settings->chunk_bytes_max = CHUNK_BYTES_WHOLE;
    }
    settings->slab_reassign = false;
    settings->slab_automove = 0;
    settings->connections_refuse_fast = false;
    settings->lru_segmented = false;
    settings->lru_crawler = false;
    settings->lru_maintainer = false;
    return options_set_text(run, &settings->hash_algorithm, "jenkins");
}

/* Prints something instead of serving: always false, with exit code 0. */
static bool print_and_end(struct options_run *run, enum option_action action) {
    run->exit_code = EXIT_SUCCESS;
    switch (action) {
    case ACTION_HELP:
        usage_print_help(run->program, stdout);
        break;
    case ACTION_LICENSE:
        usage_print_license(run->program, stdout);
        break;
    case ACTION_MAN:
        usage_print_man(stdout);
        break;
    default:
        usage_print_version(run->program, stdout);
    }
    if (fflush(stdout) != 0) {
        run->exit_code = EXIT_FAILURE;
    }
    return false;
}

static bool read_suboptions(struct options_run *run, const char *list);

static bool do_action(struct options_run *run, const struct option_row *row, const char *text) {
    struct settings *settings = run->settings;
    switch (row->action) {
    case ACTION_LISTEN:
        return add_listen(run, text);
    case ACTION_SUBOPTIONS:
        return read_suboptions(run, text);
    case ACTION_TOPOLOGY:
        settings->topology_print = true;
        return text == NULL || options_set_text(run, &settings->topology_source, text);
    case ACTION_MEMORY_PLAN:
        settings->memory_plan_print = true;
        return text == NULL || options_set_text(run, &settings->memory_plan_sizes, text);
    case ACTION_NO_CHUNKED:
        settings->chunk_bytes_max = CHUNK_BYTES_WHOLE;
        return true;
    case ACTION_NO_AUTOMOVE:
        settings->slab_automove = 0;
        return true;
    case ACTION_NO_MODERN:
        return set_no_modern(run);
    case ACTION_DROP_PRIVILEGES:
        settings->drop_privileges = true;
        (void)fprintf(stderr, "WARNING: drop_privileges has no effect: %s\n", row->why);
        return true;
    case ACTION_DEPRECATED:
        (void)fprintf(stderr, "DEPRECATED: %s no longer used. See read_buf_mem_limit,\n",
                      row->name);
        return true;
    default:
        return print_and_end(run, row->action);
    }
}

static bool apply_row(struct options_run *run, const struct option_row *row, const char *text) {
    note_given(run, row);
    if (row->support == REFUSED) {
        return options_complain(run, row->exit_code, row->too_low, "");
    }
    if (row->kind == OPTION_ACTION) {
        return do_action(run, row, text);
    }
    return options_read_value(run, row, text);
}

/* One word of the -o list: "name" or "name=value", cut out of the list. */
static bool read_suboption(struct options_run *run, char *word) {
    char *value = strchr(word, '=');
    size_t length = value == NULL ? strlen(word) : (size_t)(value - word);
    const struct option_row *row = find_row(true, 0, word, length);
    if (row == NULL) {
        return options_complain(run, EXIT_FAILURE, "Illegal suboption \"%s\"", word);
    }
    if (row->support == REFUSED) {
        (void)fprintf(stderr, "Illegal suboption \"%s\": %s\n", word, row->why);
        run->exit_code = EXIT_FAILURE;
        return false;
    }
    value = value == NULL ? NULL : value + 1;
    if (value != NULL && row->argument == NULL) {
        (void)fprintf(stderr, "WARNING: -o %s takes no value; \"%s\" is not used\n", row->name,
                      value);
    }
    return apply_row(run, row, value);
}

static bool read_suboptions(struct options_run *run, const char *list) {
    char *copy = strdup(list);
    if (copy == NULL) {
        return options_complain(run, EXIT_FAILURE, "Failed to allocate memory", "");
    }
    bool good = true;
    for (char *word = copy; good && *word != '\0';) {
        char *end = word + strcspn(word, ",");
        char *next = *end == '\0' ? end : end + 1;
        *end = '\0';
        good = read_suboption(run, word);
        word = next;
    }
    free(copy);
    return good;
}

/* Options of larder's own are spelled in full: "--name" or "--name=value". NULL: not one. */
static const struct option_row *find_own(const char *word, const char **value) {
    if (word == NULL || strncmp(word, "--", 2) != 0) {
        return NULL;
    }
    size_t length = strcspn(word + 2, "=");
    const struct option_row *row = find_row(false, 0, word + 2, length);
    *value = word[2 + length] == '=' ? word + 3 + length : NULL;
    return row != NULL && row->own ? row : NULL;
}

/* Spaces before a value are dropped, as a wrapper that splits its file badly leaves them. */
static const char *skip_spaces(const char *text) {
    while (text != NULL && isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

static bool walk(struct options_run *run, int argc, char **argv) {
    struct getopt_tables tables;
    build_getopt_tables(&tables);
    optind = 0;
    for (;;) {
        const char *value = NULL;
        int at = optind == 0 ? 1 : optind;
        const struct option_row *row = at < argc ? find_own(argv[at], &value) : NULL;
        if (row != NULL) {
            optind = at + 1;
        } else {
            int code = getopt_long(argc, argv, tables.letters, tables.longs, NULL);
            if (code == -1) {
                break;
            }
            row = code == '?' ? NULL : find_row(false, code, NULL, 0);
            value = optarg;
        }
        if (row == NULL) {
            return options_complain(run, EXIT_FAILURE, "Illegal argument \"?\"", "");
        }
        if (!apply_row(run, row, skip_spaces(value))) {
            return false;
        }
    }
    for (int i = optind; i < argc; i++) {
        (void)fprintf(stderr, "WARNING: \"%s\" is not an option and is not used\n", argv[i]);
    }
    return true;
}

/* With -v the operator hears which options do nothing here. */
static void note_without_effect(const struct options_run *run) {
    if (run->settings->verbosity == 0) {
        return;
    }
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        if (!run->given[i] || row->support != NO_EFFECT || row->hidden) {
            continue;
        }
        (void)fprintf(stderr, "note: %s%s has no effect: %s\n", row->suboption ? "-o " : "--",
                      row->name, row->why);
    }
}

/* getopt reorders its argv; the caller's stays as it is. */
static bool walk_copy(struct options_run *run, int argc, char *const argv[]) {
    char **copy = calloc((size_t)argc + 1, sizeof(*copy));
    if (copy == NULL) {
        return options_complain(run, EXIT_FAILURE, "Failed to allocate memory", "");
    }
    memcpy(copy, argv, (size_t)argc * sizeof(*copy));
    bool good = walk(run, argc, copy);
    free(copy);
    return good;
}

bool settings_create_from_args(int argc, char *const argv[], struct settings **out,
                               int *exit_code) {
    struct options_run run = {.settings = settings_create_default()};
    *out = NULL;
    *exit_code = EXIT_FAILURE;
    if (run.settings == NULL) {
        (void)fprintf(stderr, "Failed to allocate memory\n");
        return false;
    }
    run.program = argc > 0 && argv[0] != NULL ? argv[0] : "larder";
    if (!walk_copy(&run, argc, argv) || !settings_check(&run)) {
        settings_destroy(run.settings);
        *exit_code = run.exit_code;
        return false;
    }
    note_without_effect(&run);
    *out = run.settings;
    return true;
}
