/* larder: larderctl's commands and what its command line says
 *
 * Purpose: the tables ctl_commands.def, ctl_options.def and ctl_exits.def as data, and what main
 *   and the commands share. A command is a row, a function and its file; an option is a row and a
 *   reader in ctl_args.c.
 * Owner: main; it inits and finis the arguments.   Threads: one.
 * Memory: the arguments own their lists and borrow argv.
 * Limits: those of server_list.h; keys of CTL_KEY_BYTES_MAX bytes.
 * Errors: an exit code of ctl_exits.def, after one line on stderr that opens with the command. */
#ifndef LARDER_CLIENT_CTL_H
#define LARDER_CLIENT_CTL_H

#include <stdio.h>

#include "src/client/larder.h"
#include "src/client/ring.h"
#include "src/client/server_list.h"

enum { CTL_KEY_BYTES_MAX = 250 };

enum ctl_exit {
#define CTL_EXIT(id, code, when) id = code,
#include "src/client/ctl_exits.def"
#undef CTL_EXIT
};

enum ctl_command_id {
#define CTL_COMMAND(id, ...) id,
#include "src/client/ctl_commands.def"
#undef CTL_COMMAND
    CTL_COMMAND_COUNT,
};

enum ctl_picture { CTL_PICTURE_AUTO, CTL_PICTURE_ALWAYS, CTL_PICTURE_NEVER };

struct ctl_args {
    const struct ctl_command *command;
    struct server_list servers;
    struct server_list added;
    struct server_list removed;
    char *const *words; /* what is no option */
    unsigned word_count;
    unsigned sample_keys;
    enum ring_mode mode;
    enum ctl_picture picture;
    bool help;
    /* of commands that talk to servers */
    struct larder_config *config;
    const char *tier;      /* servers with replicas */
    enum larder_verb verb; /* that stores */
    uint32_t ttl_s;
    uint32_t flags;
    uint64_t initial;
    const char *glob;  /* or NULL */
    const char *regex; /* or NULL */
    uint64_t items_rate; /* a second; 0: as fast as it goes */
    uint64_t bytes_rate;
    enum ctl_picture progress;
    bool has_ttl;
    bool has_initial;
};

struct ctl_command {
    const char *name;
    const char *words; /* as help names them */
    const char *summary;
    const char *doc;
    const char *example;
    enum ctl_exit (*run)(const struct ctl_args *args);
    bool takes_words;
    const char *request_ms; /* NULL: as the library has it */
};

struct ctl_option {
    const char *name;
    const char *argument; /* NULL: it takes none */
    const char *initial;  /* read before the command line */
    const char *doc;
    /* Reads a value; gives what is wrong, and may narrow *item to the part that is. */
    const char *(*read)(struct ctl_args *args, struct span value, struct span *item);
    unsigned of; /* a bit a command */
    char letter;
    bool required;
};

const struct ctl_command *ctl_command_at(enum ctl_command_id id);
const struct ctl_command *ctl_command_find(const char *name);
const struct ctl_option *ctl_options(unsigned *count);
bool ctl_option_is_of(const struct ctl_option *option, const struct ctl_command *command);

/* Reads the options behind the command's name, argv[0]. False: what is wrong has been said. With
 * --help nothing is required. On true, fini. */
MUST_CHECK bool ctl_args_init(struct ctl_args *args, const struct ctl_command *command, int argc,
                              char **argv);
void ctl_args_fini(struct ctl_args *args);

/* The ring of the servers; warns of weights without effect. NULL: why has been said, CTL_SYSTEM. */
struct ring *ctl_ring_create(const struct ctl_args *args);

/* Help of the program (command NULL) or of a command; the manual page; the version. */
void ctl_print_help(FILE *out, const struct ctl_command *command);
void ctl_print_man(FILE *out);
void ctl_print_version(FILE *out);

/* Says what is wrong, as "larderctl COMMAND: ...", and returns the code. */
__attribute__((format(printf, 3, 4))) enum ctl_exit
ctl_fail(const struct ctl_command *command, enum ctl_exit code, const char *format, ...);

/* The commands. */
enum ctl_exit ctl_map(const struct ctl_args *args);
enum ctl_exit ctl_ring(const struct ctl_args *args);
enum ctl_exit ctl_get(const struct ctl_args *args);
enum ctl_exit ctl_set(const struct ctl_args *args);
enum ctl_exit ctl_delete(const struct ctl_args *args);
enum ctl_exit ctl_incr(const struct ctl_args *args);
enum ctl_exit ctl_touch(const struct ctl_args *args);
enum ctl_exit ctl_stats(const struct ctl_args *args);
enum ctl_exit ctl_ping(const struct ctl_args *args);
enum ctl_exit ctl_dump(const struct ctl_args *args);
enum ctl_exit ctl_load(const struct ctl_args *args);

#endif
