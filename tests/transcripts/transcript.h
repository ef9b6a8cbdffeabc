/* larder: transcripts as data (the format stands in README.md)
 *
 * Purpose: reads a transcript file into cases and steps for the in-process runner.
 * Owner: the runner.   Threads: one.   Memory: malloc; freed by transcript_free.
 * Limits: TRANSCRIPT_*_MAX.   Errors: a text with file and line on stderr, then exit 1. */
#ifndef LARDER_TESTS_TRANSCRIPTS_TRANSCRIPT_H
#define LARDER_TESTS_TRANSCRIPTS_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRANSCRIPT_CASES_MAX = 200,
    TRANSCRIPT_STEPS_MAX = 200,
    TRANSCRIPT_ITEMS_MAX = 400,
    TRANSCRIPT_NAME_BYTES_MAX = 16,
    TRANSCRIPT_CONNS_MAX = 9,
};

enum item_kind {
    ITEM_LITERAL,
    ITEM_NUMBER,
    ITEM_CAPTURE,
    ITEM_VALUE,
    ITEM_REST,
    ITEM_NOW,
    ITEM_ANY, /* len bytes, whatever they are */
};

struct item {
    enum item_kind kind;
    uint8_t *bytes; /* literal */
    size_t len;
    size_t room;
    long offset;                          /* now */
    char name[TRANSCRIPT_NAME_BYTES_MAX]; /* capture, value */
};

enum step_kind { STEP_SEND, STEP_EXPECT, STEP_CLOSE, STEP_EOF, STEP_HANGUP, STEP_SLEEP };

struct step {
    enum step_kind kind;
    unsigned conn; /* 0..8 */
    unsigned line_number;
    double seconds;
    struct item *items;
    size_t item_count;
};

struct transcript_case {
    char *name;
    char *options; /* "" when none */
    bool no_cut;
    struct step *steps;
    size_t step_count;
};

struct transcript {
    struct transcript_case *cases;
    size_t case_count;
};

void transcript_read(struct transcript *transcript, const char *path);
void transcript_free(struct transcript *transcript);

#endif
