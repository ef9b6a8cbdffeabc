/* larder: text for people: lines that break at words, and for the manual
 *
 * Purpose: what every program needs to print its help and its manual page from its tables.
 * Owner: none.   Threads: one a stream.   Memory: none.   Limits: none.
 * Errors: those of the stream, which the caller asks for at the end (ferror, fflush). */
#ifndef LARDER_BASE_TEXT_H
#define LARDER_BASE_TEXT_H

#include <stdio.h>

enum { TEXT_COLUMNS = 80 };

/* Writes words from `column` on, breaks lines so that none passes TEXT_COLUMNS, begins them at
 * `indent`, and ends the last. */
void text_write_wrapped(FILE *out, unsigned column, unsigned indent, const char *text);

/* Writes text so that roff takes it for text: no soft hyphens, no requests. */
void text_write_roff(FILE *out, const char *text);

#endif
