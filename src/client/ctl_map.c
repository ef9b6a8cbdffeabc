/* larder: larderctl map: which server each key lives on */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/client/ctl.h"

enum { INPUT_BYTES = 65536 };

/* The ring, and how its servers are written. */
struct map {
    const struct ctl_args *args;
    struct ring *ring;
    uint64_t line; /* of standard input; 0: keys are arguments */
};

/* Lines of standard input: complete ones are served from the buffer, the beginning of one is kept.
 *
 *     [ served | lines to serve | beginning of a line | free ] */
struct input {
    char bytes[INPUT_BYTES];
    size_t from;
    size_t to;
};

static enum ctl_exit key_fail(const struct map *map, const char *what) {
    if (map->line == 0) {
        return ctl_fail(map->args->command, CTL_DATA, "%s", what);
    }
    return ctl_fail(map->args->command, CTL_DATA, "line %llu: %s", (unsigned long long)map->line,
                    what);
}

static enum ctl_exit map_key(const struct map *map, const char *key, size_t bytes) {
    char name[SERVER_NAME_BYTES_MAX];

    if (bytes > CTL_KEY_BYTES_MAX) {
        _Static_assert(CTL_KEY_BYTES_MAX == 250, "the text below");
        return key_fail(map, "a key has at most 250 bytes");
    }
    uint32_t index = ring_pick(map->ring, key, bytes);

    (void)fwrite(key, 1, bytes, stdout);
    (void)printf("\t%u\t%s\n", index, server_name_write(ring_server_at(map->ring, index), name));
    return CTL_DONE;
}

static enum ctl_exit map_words(const struct map *map) {
    enum ctl_exit code = CTL_DONE;

    for (unsigned i = 0; i < map->args->word_count && code == CTL_DONE; i++) {
        const char *key = map->args->words[i];

        code = key[0] == '\0' ? key_fail(map, "a key has at least one byte")
                              : map_key(map, key, strlen(key));
    }
    return code;
}

/* A line without its end; LF and CR LF end a line. */
static enum ctl_exit map_line(struct map *map, const char *line, size_t bytes) {
    map->line++;
    if (bytes > 0 && line[bytes - 1] == '\r') {
        bytes--;
    }
    return bytes == 0 ? CTL_DONE : map_key(map, line, bytes);
}

static enum ctl_exit map_lines(struct map *map, struct input *input) {
    enum ctl_exit code = CTL_DONE;

    while (code == CTL_DONE) {
        const char *line = input->bytes + input->from;
        const char *end = memchr(line, '\n', input->to - input->from);

        if (end == NULL) {
            break;
        }
        input->from += (size_t)(end - line) + 1;
        code = map_line(map, line, (size_t)(end - line));
    }
    /* what is longer than a key can be is refused before it fills the buffer */
    if (code == CTL_DONE && input->to - input->from > CTL_KEY_BYTES_MAX + 1) {
        code = map_line(map, input->bytes + input->from, input->to - input->from);
    }
    return code;
}

/* Reads more; *bytes 0 at the end. Whoever wrote the keys may wait for their answers. */
static enum ctl_exit input_fill(const struct map *map, struct input *input, size_t *bytes) {
    memmove(input->bytes, input->bytes + input->from, input->to - input->from);
    input->to -= input->from;
    input->from = 0;
    if (fflush(stdout) != 0) {
        return ctl_fail(map->args->command, CTL_INPUT, "standard output could not be written: %m");
    }
    ssize_t got;

    do {
        got = read(STDIN_FILENO, input->bytes + input->to, sizeof input->bytes - input->to);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return ctl_fail(map->args->command, CTL_INPUT, "standard input could not be read: %m");
    }
    *bytes = (size_t)got;
    input->to += *bytes;
    return CTL_DONE;
}

static enum ctl_exit map_input(struct map *map) {
    struct input *input = calloc(1, sizeof *input);
    enum ctl_exit code = CTL_DONE;
    size_t bytes = 1;

    if (input == NULL) {
        return ctl_fail(map->args->command, CTL_SYSTEM, "out of memory");
    }
    while (code == CTL_DONE && bytes > 0) {
        code = input_fill(map, input, &bytes);
        if (code == CTL_DONE) {
            code = map_lines(map, input);
        }
    }
    if (code == CTL_DONE && input->to > input->from) {
        code = map_line(map, input->bytes + input->from, input->to - input->from);
    }
    free(input);
    return code;
}

enum ctl_exit ctl_map(const struct ctl_args *args) {
    struct map map = {.args = args};

    map.ring = ctl_ring_create(args);
    if (map.ring == NULL) {
        return CTL_SYSTEM;
    }
    enum ctl_exit code = args->word_count > 0 ? map_words(&map) : map_input(&map);

    ring_destroy(map.ring);
    return code;
}
