/* larder: larderctl's tables, and the reading of its options */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "src/base/number.h"
#include "src/client/ctl.h"

enum { SAMPLE_KEYS_MAX = 10000000 };

static const struct ctl_command commands[CTL_COMMAND_COUNT] = {
#define CTL_COMMAND(id, ...) [id] = {__VA_ARGS__},
#include "src/client/ctl_commands.def"
#undef CTL_COMMAND
};

static const char *read_list(struct server_list *list, struct span value, struct span *item) {
    struct server_list_fault fault;

    server_list_fini(list); /* the last of several counts */
    if (server_list_init(list, value, &fault)) {
        return NULL;
    }
    *item = fault.item;
    return fault.why;
}

static const char *read_servers(struct ctl_args *args, struct span value, struct span *item) {
    return read_list(&args->servers, value, item);
}

static const char *read_add(struct ctl_args *args, struct span value, struct span *item) {
    return read_list(&args->added, value, item);
}

static const char *read_remove(struct ctl_args *args, struct span value, struct span *item) {
    return read_list(&args->removed, value, item);
}

static const char *read_ring(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    if (!ring_mode_find(value, &args->mode)) {
        return "there is no such ring, see --help";
    }
    return larder_config_set(args->config, "ring", (const char *)value.data);
}

static const char *read_sample(struct ctl_args *args, struct span value, struct span *item) {
    uint32_t keys;
    (void)item;

    if (!number_parse_u32(value, &keys) || keys == 0 || keys > SAMPLE_KEYS_MAX) {
        return "it is a number from 1 to 10000000";
    }
    args->sample_keys = keys;
    return NULL;
}

/* Looked at when the servers are first needed. */
static const char *read_tier(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    args->tier = (const char *)value.data;
    return larder_config_set(args->config, "servers", args->tier);
}

static const char *read_ttl(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    args->has_ttl = true;
    return number_parse_u32(value, &args->ttl_s) ? NULL : "it is a number of seconds";
}

static const char *read_flags(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    return number_parse_u32(value, &args->flags) ? NULL : "it is a number from 0 to 4294967295";
}

static const char *read_mode(struct ctl_args *args, struct span value, struct span *item) {
    static const struct {
        const char *name;
        enum larder_verb verb;
    } modes[] = {{"set", LARDER_SET},
                 {"add", LARDER_ADD},
                 {"replace", LARDER_REPLACE},
                 {"append", LARDER_APPEND},
                 {"prepend", LARDER_PREPEND}};
    (void)item;

    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (span_is(value, modes[i].name)) {
            args->verb = modes[i].verb;
            return NULL;
        }
    }
    return "it is set, add, replace, append or prepend";
}

static const char *read_initial(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    args->has_initial = true;
    return number_parse_u64(value, &args->initial) ? NULL : "it is a number";
}

static const char *read_match(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    args->glob = (const char *)value.data;
    return NULL;
}

static const char *read_regex(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    args->regex = (const char *)value.data;
    return NULL;
}

static const char *read_items_rate(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    bool good = number_parse_u64(value, &args->items_rate) && args->items_rate > 0;

    return good ? NULL : "it is a number from 1 on";
}

static const char *read_bytes_rate(struct ctl_args *args, struct span value, struct span *item) {
    static const char units[] = "kmg";
    const char *unit = value.len == 0 ? NULL : strchr(units, value.data[value.len - 1]);
    unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);
    (void)item;

    value.len -= unit != NULL;
    if (!number_parse_u64(value, &args->bytes_rate) || args->bytes_rate == 0 ||
        args->bytes_rate > UINT32_MAX) {
        return "it is a number from 1 to 4294967295, and k, m or g";
    }
    args->bytes_rate <<= shift;
    return NULL;
}

static const char *read_client(struct ctl_args *args, struct span value, struct span *item) {
    char name[40];
    const uint8_t *equals = value.len == 0 ? NULL : memchr(value.data, '=', value.len);
    size_t bytes = equals == NULL ? 0 : (size_t)(equals - value.data);
    (void)item;

    if (equals == NULL || bytes >= sizeof name) {
        return "it is NAME=VALUE";
    }
    memcpy(name, value.data, bytes);
    name[bytes] = '\0';
    return larder_config_set(args->config, name, (const char *)equals + 1);
}

static const char *read_when(enum ctl_picture *when, struct span value) {
    static const char *const names[] = {[CTL_PICTURE_AUTO] = "auto",
                                        [CTL_PICTURE_ALWAYS] = "always",
                                        [CTL_PICTURE_NEVER] = "never"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_is(value, names[i])) {
            *when = (enum ctl_picture)i;
            return NULL;
        }
    }
    return "it is auto, always or never";
}

static const char *read_picture(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    return read_when(&args->picture, value);
}

static const char *read_progress(struct ctl_args *args, struct span value, struct span *item) {
    (void)item;
    return read_when(&args->progress, value);
}

static const char *read_help(struct ctl_args *args, struct span value, struct span *item) {
    (void)value;
    (void)item;
    args->help = true;
    return NULL;
}

static const struct ctl_option options[] = {
#define BIT(command) (1u << (command))
#define KEYED (BIT(CTL_GET) | BIT(CTL_SET) | BIT(CTL_DELETE) | BIT(CTL_INCR) | BIT(CTL_TOUCH))
#define CTL_OPTION(...) {__VA_ARGS__},
#include "src/client/ctl_options.def"
#undef CTL_OPTION
#undef KEYED
#undef BIT
};

enum { OPTION_COUNT = sizeof options / sizeof options[0] };
_Static_assert(sizeof options / sizeof options[0] < 32, "a bit an option");

const struct ctl_command *ctl_command_at(enum ctl_command_id id) {
    ASSERT(id < CTL_COMMAND_COUNT);
    return &commands[id];
}

const struct ctl_command *ctl_command_find(const char *name) {
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

const struct ctl_option *ctl_options(unsigned *count) {
    *count = OPTION_COUNT;
    return options;
}

bool ctl_option_is_of(const struct ctl_option *option, const struct ctl_command *command) {
    return option->of >> (command - commands) & 1;
}

enum ctl_exit ctl_fail(const struct ctl_command *command, enum ctl_exit code, const char *format,
                       ...) {
    va_list arguments;
    int error = errno;

    /* what was answered before stands before */
    (void)fflush(stdout);
    errno = error; /* for %m */
    (void)fprintf(stderr, "larderctl%s%s: ", command == NULL ? "" : " ",
                  command == NULL ? "" : command->name);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return code;
}

static bool option_read(struct ctl_args *args, const struct ctl_option *option,
                        const char *value) {
    struct span text = value == NULL ? span_of(NULL, 0) : span_from_text(value);
    struct span item = text;
    const char *why = option->read(args, text, &item);

    if (why != NULL) {
        int bytes = item.len > 100 ? 100 : (int)item.len;

        (void)ctl_fail(args->command, CTL_USAGE, "--%s: %s: \"%.*s\"", option->name, why, bytes,
                       bytes == 0 ? "" : (const char *)item.data);
    }
    return why == NULL;
}

static bool read_initials(struct ctl_args *args) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (options[i].initial != NULL && !option_read(args, &options[i], options[i].initial)) {
            return false;
        }
    }
    return true;
}

/* getopt's tables of a command: each option returns its place in our table, from 1 on. */
struct getopt_tables {
    struct option rows[OPTION_COUNT + 1];
    char letters[2 + 2 * OPTION_COUNT];
};

static void getopt_tables_init(struct getopt_tables *tables, const struct ctl_command *command) {
    unsigned rows = 0;
    unsigned letters = 0;

    memset(tables, 0, sizeof *tables);
    tables->letters[letters++] = ':'; /* a missing value is told from an unknown option */
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (!ctl_option_is_of(&options[i], command)) {
            continue;
        }
        bool takes = options[i].argument != NULL;

        tables->rows[rows++] =
            (struct option){options[i].name, takes ? required_argument : no_argument, NULL,
                            options[i].letter};
        tables->letters[letters++] = options[i].letter;
        if (takes) {
            tables->letters[letters++] = ':';
        }
    }
}

static const struct ctl_option *option_of_letter(const struct ctl_command *command, int letter) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (options[i].letter == letter && ctl_option_is_of(&options[i], command)) {
            return &options[i];
        }
    }
    return NULL;
}

/* Reads what getopt finds; *seen has a bit an option. */
static bool read_options(struct ctl_args *args, int argc, char **argv, unsigned *seen) {
    struct getopt_tables tables;

    getopt_tables_init(&tables, args->command);
    opterr = 0;
    for (;;) {
        int letter = getopt_long(argc, argv, tables.letters, tables.rows, NULL);

        if (letter == -1) {
            return true;
        }
        if (letter == '?' || letter == ':') {
            (void)ctl_fail(args->command, CTL_USAGE, "%s: %s (try larderctl %s --help)",
                           letter == ':' ? "a value is missing" : "there is no such option",
                           argv[optind - 1], args->command->name);
            return false;
        }
        const struct ctl_option *option = option_of_letter(args->command, letter);

        ASSERT(option != NULL);
        *seen |= 1u << (option - options);
        if (!option_read(args, option, optarg)) {
            return false;
        }
    }
}

static bool nothing_is_missing(const struct ctl_args *args, unsigned seen) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (options[i].required && ctl_option_is_of(&options[i], args->command) &&
            !(seen >> i & 1)) {
            (void)ctl_fail(args->command, CTL_USAGE, "--%s=%s is missing (try larderctl %s --help)",
                           options[i].name, options[i].argument, args->command->name);
            return false;
        }
    }
    if (args->word_count > 0 && !args->command->takes_words) {
        (void)ctl_fail(args->command, CTL_USAGE, "this is no option: %s", args->words[0]);
        return false;
    }
    return true;
}

bool ctl_args_init(struct ctl_args *args, const struct ctl_command *command, int argc,
                   char **argv) {
    unsigned seen = 0;

    *args = (struct ctl_args){.command = command, .config = larder_config_create()};
    if (args->config == NULL) {
        (void)ctl_fail(command, CTL_SYSTEM, "out of memory");
        return false;
    }
    const char *ms = command->request_ms;

    if (ms != NULL && larder_config_set(args->config, "request_ms", ms) != NULL) {
        (void)ctl_fail(command, CTL_SYSTEM, "request_ms=%s", ms);
    } else if (read_initials(args) && read_options(args, argc, argv, &seen)) {
        args->words = argv + optind;
        args->word_count = (unsigned)(argc - optind);
        if (args->help || nothing_is_missing(args, seen)) {
            return true;
        }
    }
    ctl_args_fini(args);
    return false;
}

struct ring *ctl_ring_create(const struct ctl_args *args) {
    const struct server_list *list = &args->servers;
    const char *why;
    struct ring *ring = ring_create(args->mode, list->servers, list->count, &why);

    if (ring == NULL) {
        (void)ctl_fail(args->command, CTL_SYSTEM, "%s", why);
        return NULL;
    }
    for (uint32_t i = 0; i < list->count && !ring_mode_about(args->mode)->weighs; i++) {
        if (list->servers[i].weight != 1) {
            (void)ctl_fail(args->command, CTL_DONE, "warning: %s does not look at weights",
                           ring_mode_about(args->mode)->name);
            break;
        }
    }
    return ring;
}

void ctl_args_fini(struct ctl_args *args) {
    server_list_fini(&args->servers);
    server_list_fini(&args->added);
    server_list_fini(&args->removed);
    larder_config_destroy(args->config);
}
