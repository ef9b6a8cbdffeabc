/* larder: larderctl, the tool for rings and servers */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/client/ctl.h"

/* Whether everything written has arrived. */
static enum ctl_exit finish(const struct ctl_command *command, enum ctl_exit code) {
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return ctl_fail(command, CTL_INPUT, "standard output could not be written: %m");
    }
    return code;
}

static enum ctl_exit run_command(const struct ctl_command *command, int argc, char **argv) {
    struct ctl_args args;

    if (!ctl_args_init(&args, command, argc, argv)) {
        return CTL_USAGE;
    }
    enum ctl_exit code = CTL_DONE;

    if (args.help) {
        ctl_print_help(stdout, command);
    } else {
        code = command->run(&args);
    }
    ctl_args_fini(&args);
    return code == CTL_DONE ? finish(command, code) : code;
}

static enum ctl_exit unknown_command(const char *word) {
    return ctl_fail(NULL, CTL_USAGE, "there is no command \"%s\" (try larderctl --help)", word);
}

/* larderctl help [COMMAND] */
static enum ctl_exit run_help(int argc, char **argv) {
    const struct ctl_command *command = argc > 2 ? ctl_command_find(argv[2]) : NULL;

    if (argc > 2 && command == NULL) {
        return unknown_command(argv[2]);
    }
    ctl_print_help(stdout, command);
    return finish(NULL, CTL_DONE);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        ctl_print_help(stderr, NULL);
        return CTL_USAGE;
    }
    const char *word = argv[1];
    const struct ctl_command *command = ctl_command_find(word);

    if (command != NULL) {
        return (int)run_command(command, argc - 1, argv + 1);
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return (int)run_help(argc, argv);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        ctl_print_version(stdout);
        return (int)finish(NULL, CTL_DONE);
    }
    if (strcmp(word, "--help-man") == 0) {
        ctl_print_man(stdout);
        return (int)finish(NULL, CTL_DONE);
    }
    return (int)unknown_command(word);
}
