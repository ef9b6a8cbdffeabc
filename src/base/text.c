/* larder: text for people: lines that break at words, and for the manual */
#include <stdbool.h>
#include <string.h>

#include "src/base/text.h"

void text_write_wrapped(FILE *out, unsigned column, unsigned indent, const char *text) {
    bool first = true;
    while (*text != '\0') {
        unsigned length = (unsigned)strcspn(text, " ");
        if (!first && column + 1 + length > TEXT_COLUMNS) {
            (void)fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fprintf(out, "%.*s", (int)length, text);
        column += length;
        text += length;
        text += *text == ' ' ? 1 : 0;
        first = false;
    }
    (void)fputc('\n', out);
}

void text_write_roff(FILE *out, const char *text) {
    if (*text == '.' || *text == '\'') {
        (void)fputs("\\&", out);
    }
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text == '\\' ? 'e' : *text, out);
    }
}
