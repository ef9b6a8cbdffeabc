/* larder: the table of ASCII commands as data */
#include "src/proto/commands.h"

static const struct command commands[] = {
#define COMMAND(VERB, text, line_shape, tokens, execute, doc_text)                                 \
    {.word = text,                                                                                 \
     .doc = doc_text,                                                                              \
     .word_bytes = sizeof(text) - 1,                                                               \
     .verb = VERB_##VERB,                                                                          \
     .shape = COMMAND_##line_shape,                                                                \
     .tokens_min = tokens},
#include "src/proto/commands.def"
#undef COMMAND
};

const struct command *command_find(struct span word) {
    for (size_t i = 0; i < VERB_SASL_LIST; i++) {
        if (commands[i].word_bytes == word.len && commands[i].word[0] == (char)word.data[0] &&
            memcmp(commands[i].word, word.data, word.len) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

const struct command *command_of_verb(enum verb verb) {
    return &commands[verb];
}
