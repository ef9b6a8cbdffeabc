/* larder: the table of ASCII commands as data
 *
 * Purpose: words, shapes and documentation of commands.def, for the parser and for help output.
 * Owner: none (constants).   Threads: any.   Memory: static.   Limits: none.   Errors: none. */
#ifndef LARDER_PROTO_COMMANDS_H
#define LARDER_PROTO_COMMANDS_H

#include "src/proto/request.h"

enum command_shape {
    COMMAND_KEYS,      /* word key+                              get gets; `noreply` is a key */
    COMMAND_TIME_KEYS, /* word exptime key+                      gat gats; the same */
    COMMAND_STORAGE,   /* word key flags exptime bytes [cas] [noreply] \r\n data \r\n */
    COMMAND_META,      /* word key [bytes] flag* [\r\n data] \r\n   see src/proto/meta.h */
    COMMAND_KEY,       /* word key [argument] [noreply] */
    COMMAND_ARGUMENTS, /* word anything [noreply] */
    COMMAND_PLAIN,     /* word anything; `noreply` means nothing */
};

struct command {
    const char *word;
    const char *doc;
    uint8_t word_bytes;
    uint8_t verb;  /* enum verb */
    uint8_t shape; /* enum command_shape */
    uint8_t tokens_min;
};

/* The command of a word, or NULL. */
const struct command *command_find(struct span word);
/* Its row by verb (not VERB_SASL_LIST and those after it). */
const struct command *command_of_verb(enum verb verb);

#endif
