/* larder: larderctl's help and its manual page, from its tables */
#include "config.h"
#include "src/base/text.h"
#include "src/client/ctl.h"

enum { NAME_COLUMN = 2, TEXT_COLUMN = 22, LINE_BYTES_MAX = 512 };

static const char servers_doc[] =
    "A LIST of servers is HOST:PORT/WEIGHT,... where the port may be left out (11211) and the "
    "weight too (1). An IPv6 address stands in brackets. A unix socket is its path, and its "
    "weight stands behind a colon: /run/larder.sock:/2. A host counts as it is written: names are "
    "not resolved, and localhost and 127.0.0.1 are two places.";

static const char one_line[] =
    "ask, watch, dump and load larder servers, and look at rings of them";

void ctl_print_version(FILE *out) {
    (void)fputs("larderctl " PACKAGE_VERSION "\n", out);
}

/* A name in its column and text beside it. */
static void print_beside(FILE *out, const char *name, const char *text) {
    int used = fprintf(out, "%*s%s", NAME_COLUMN, "", name);

    if (used + 1 >= TEXT_COLUMN) {
        (void)fputc('\n', out);
        used = 0;
    }
    (void)fprintf(out, "%*s", TEXT_COLUMN - (used < 0 ? 0 : used), "");
    text_write_wrapped(out, TEXT_COLUMN, TEXT_COLUMN, text);
}

/* "doc (default: x)" */
static void option_text(const struct ctl_option *option, char text[LINE_BYTES_MAX]) {
    if (option->initial == NULL) {
        (void)snprintf(text, LINE_BYTES_MAX, "%s", option->doc);
    } else {
        (void)snprintf(text, LINE_BYTES_MAX, "%s (default: %s)", option->doc, option->initial);
    }
}

/* " --servers=LIST [KEY...]": what has to be given, and the words. */
static void print_call(FILE *out, const struct ctl_command *command) {
    unsigned count = 0;
    const struct ctl_option *options = ctl_options(&count);

    (void)fprintf(out, "larderctl %s", command->name);
    for (unsigned i = 0; i < count; i++) {
        if (options[i].required && ctl_option_is_of(&options[i], command)) {
            (void)fprintf(out, " --%s=%s", options[i].name, options[i].argument);
        }
    }
    (void)fprintf(out, " [OPTION...]%s%s", command->words[0] == '\0' ? "" : " ", command->words);
}

static void print_options(FILE *out, const struct ctl_command *command) {
    unsigned count = 0;
    const struct ctl_option *options = ctl_options(&count);

    for (unsigned i = 0; i < count; i++) {
        if (!ctl_option_is_of(&options[i], command)) {
            continue;
        }
        char name[64];
        char text[LINE_BYTES_MAX];
        const char *argument = options[i].argument == NULL ? "" : options[i].argument;

        (void)snprintf(name, sizeof name, "-%c, --%s%s%s", options[i].letter, options[i].name,
                       argument[0] == '\0' ? "" : "=", argument);
        option_text(&options[i], text);
        print_beside(out, name, text);
    }
}

static bool has_ring(const struct ctl_command *command) {
    unsigned count = 0;
    const struct ctl_option *options = ctl_options(&count);

    for (unsigned i = 0; i < count; i++) {
        if (options[i].letter == 'r' && ctl_option_is_of(&options[i], command)) {
            return true;
        }
    }
    return false;
}

static void print_command_help(FILE *out, const struct ctl_command *command) {
    (void)fputs("Usage: ", out);
    print_call(out, command);
    (void)fputs("\n\n", out);
    text_write_wrapped(out, 0, 0, command->doc);
    (void)fputs("\nOptions:\n", out);
    print_options(out, command);
    if (has_ring(command)) {
        (void)fputs("\nRings:\n", out);
        for (unsigned i = 0; i < RING_MODE_COUNT; i++) {
            const struct ring_mode_about *about = ring_mode_about((enum ring_mode)i);

            print_beside(out, about->name, about->doc);
        }
    }
    (void)fputc('\n', out);
    text_write_wrapped(out, 0, 0, servers_doc);
    (void)fprintf(out, "\nExample:\n  %s\n", command->example);
}

void ctl_print_help(FILE *out, const struct ctl_command *command) {
    if (command != NULL) {
        print_command_help(out, command);
        return;
    }
    ctl_print_version(out);
    (void)fputs("Usage: larderctl COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n", out);
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        const struct ctl_command *each = ctl_command_at((enum ctl_command_id)i);

        print_beside(out, each->name, each->summary);
    }
    (void)fputs("\n\"larderctl COMMAND --help\" says more, \"man larderctl\" all of it.\n", out);
}

/* .TP, a name in bold and its text */
static void print_man_item(FILE *out, const char *name, const char *text) {
    (void)fputs(".TP\n.B ", out);
    text_write_roff(out, name);
    (void)fputc('\n', out);
    text_write_roff(out, text);
    (void)fputc('\n', out);
}

static void print_man_options(FILE *out, const struct ctl_command *command) {
    unsigned count = 0;
    const struct ctl_option *options = ctl_options(&count);

    for (unsigned i = 0; i < count; i++) {
        if (!ctl_option_is_of(&options[i], command)) {
            continue;
        }
        char text[LINE_BYTES_MAX];

        option_text(&options[i], text);
        (void)fprintf(out, ".TP\n.BR \\-%c \", \" \\-\\-", options[i].letter);
        text_write_roff(out, options[i].name);
        if (options[i].argument != NULL) {
            (void)fprintf(out, " =\\fI%s\\fP", options[i].argument);
        }
        (void)fputc('\n', out);
        text_write_roff(out, text);
        (void)fputc('\n', out);
    }
}

static void print_man_commands(FILE *out) {
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        const struct ctl_command *command = ctl_command_at((enum ctl_command_id)i);

        (void)fprintf(out, ".SS %s \\- ", command->name);
        text_write_roff(out, command->summary);
        (void)fputc('\n', out);
        text_write_roff(out, command->doc);
        (void)fputc('\n', out);
        print_man_options(out, command);
        (void)fputs(".PP\nFor example:\n.PP\n.RS\n.nf\n", out);
        text_write_roff(out, command->example);
        (void)fputs("\n.fi\n.RE\n", out);
    }
}

static void print_man_exits(FILE *out) {
    static const struct {
        const char *code;
        const char *when;
    } exits[] = {
#define CTL_EXIT(id, code, when) {#code, when},
#include "src/client/ctl_exits.def"
#undef CTL_EXIT
    };

    for (unsigned i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        print_man_item(out, exits[i].code, exits[i].when);
    }
}

void ctl_print_man(FILE *out) {
    (void)fputs(".TH LARDERCTL 1 \"\" \"larder " PACKAGE_VERSION "\" \"User commands\"\n"
                ".SH NAME\nlarderctl \\- ",
                out);
    text_write_roff(out, one_line);
    (void)fputs("\n.SH SYNOPSIS\n.nf\n", out);
    for (unsigned i = 0; i < CTL_COMMAND_COUNT; i++) {
        print_call(out, ctl_command_at((enum ctl_command_id)i));
        (void)fputc('\n', out);
    }
    (void)fputs("larderctl help\\fR [\\fPCOMMAND\\fR]\\fP\nlarderctl \\-\\-version\n.fi\n"
                ".SH DESCRIPTION\n"
                "larderctl says where keys live on a fleet of larder or memcached servers, gets\n"
                "and stores items, tells how servers are, and copies what they hold.\n"
                ".SH COMMANDS\n",
                out);
    print_man_commands(out);
    (void)fputs(".SH SERVERS\n", out);
    text_write_roff(out, servers_doc);
    (void)fputs("\n.SH RINGS\nWith one server every ring gives it every key.\n", out);
    for (unsigned i = 0; i < RING_MODE_COUNT; i++) {
        const struct ring_mode_about *about = ring_mode_about((enum ring_mode)i);

        print_man_item(out, about->name, about->doc);
    }
    (void)fputs(".SH EXIT STATUS\n", out);
    print_man_exits(out);
    (void)fputs(".SH ENVIRONMENT\n", out);
    print_man_item(out, "NO_COLOR", "When it is set, nothing is drawn or coloured unless "
                                    "--picture=always.");
    (void)fputs(".SH SEE ALSO\n.BR larder (1)\n", out);
}
