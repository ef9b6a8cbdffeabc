/* larder: the protocols that the load generator speaks */
#include "bench/codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/codec_ascii.h"

const struct codec codec_table[] = {
    {
        .name = "ascii",
        .get_bytes_max = ascii_get_bytes_max,
        .set_bytes_max = ascii_set_bytes_max,
        .get = ascii_get,
        .set = ascii_set,
        .feed = ascii_feed,
    },
    {.name = NULL},
};

const struct codec *codec_find(const char *name) {
    for (const struct codec *row = codec_table; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

void tally_bad(struct tally *tally, const char *format, ...) {
    tally->bad++;
    if (tally->first_bad[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tally->first_bad, sizeof(tally->first_bad), format, arguments);
    va_end(arguments);
}

void tally_error(struct tally *tally, const char *text, size_t bytes) {
    tally->errors++;
    if (tally->first_error[0] != '\0')
        return;
    if (bytes > sizeof(tally->first_error) - 1)
        bytes = sizeof(tally->first_error) - 1;
    memcpy(tally->first_error, text, bytes);
    tally->first_error[bytes] = '\0';
}

void tally_merge(struct tally *into, const struct tally *from) {
    into->ops += from->ops;
    into->keys += from->keys;
    into->hits += from->hits;
    into->misses += from->misses;
    into->stored += from->stored;
    into->errors += from->errors;
    into->bad += from->bad;
    if (into->first_error[0] == '\0')
        memcpy(into->first_error, from->first_error, sizeof(into->first_error));
    if (into->first_bad[0] == '\0')
        memcpy(into->first_bad, from->first_bad, sizeof(into->first_bad));
}
