/* larder: the options of a handle, read from text */
#include <stdlib.h>

#include "src/base/number.h"
#include "src/client/options.h"

enum config_kind { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_CHOICE };

enum { CONFIG_VALUE_BYTES_MAX = 1 << 20 };

struct config_row {
    struct larder_option about;
    const char *choices;
    size_t offset;
    uint32_t least;
    uint32_t most;
    enum config_kind kind;
};

#define ROW(field, initial_text, text, ...)                                                        \
    {.about = {.name = #field, .initial = initial_text, .doc = text},                              \
     .offset = offsetof(struct larder_config, field), __VA_ARGS__},
static const struct config_row rows[] = {
#define OPTION_TEXT(name, initial, doc) ROW(name, initial, doc, .kind = CONFIG_TEXT)
#define OPTION_NUMBER(name, initial, low, high, doc)                                               \
    ROW(name, initial, doc, .kind = CONFIG_NUMBER, .least = low, .most = high)
#define OPTION_CHOICE(name, initial, words, doc)                                                   \
    ROW(name, initial, doc, .kind = CONFIG_CHOICE, .choices = words)
#include "src/client/client_options.def"
#undef OPTION_TEXT
#undef OPTION_NUMBER
#undef OPTION_CHOICE
};
#undef ROW

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static void *field_of(struct larder_config *config, const struct config_row *row) {
    return (char *)config + row->offset;
}

static const char *set_text(char **field, struct span value) {
    char *copy = malloc(value.len + 1);

    if (copy == NULL) {
        return "out of memory";
    }
    memcpy(copy, value.data, value.len);
    copy[value.len] = '\0';
    free(*field);
    *field = copy;
    return NULL;
}

static const char *set_number(uint32_t *field, const struct config_row *row, struct span value) {
    uint32_t number;

    if (!number_parse_u32(value, &number)) {
        return "the option wants a number";
    }
    if (number < row->least || number > row->most) {
        return "the number is out of the option's range";
    }
    *field = number;
    return NULL;
}

static const char *set_choice(uint32_t *field, const char *choices, struct span value) {
    uint32_t index = 0;

    for (const char *at = choices; *at != '\0'; index++) {
        const char *end = strchrnul(at, '|');

        if (span_equal(value, span_of(at, (size_t)(end - at)))) {
            *field = index;
            return NULL;
        }
        at = *end == '|' ? end + 1 : end;
    }
    return "the option has no such choice";
}

/* Texts with a grammar are read once to find what is wrong. */
static const char *check_text(const struct config_row *row, const char *text) {
    enum ring_mode mode;

    if (row->offset == offsetof(struct larder_config, servers)) {
        struct config_servers servers;
        const char *why = config_servers_init(&servers, text);

        if (why == NULL) {
            config_servers_fini(&servers);
        }
        return why;
    }
    if (row->offset == offsetof(struct larder_config, ring) &&
        !ring_mode_find(span_from_text(text), &mode)) {
        return "there is no such ring";
    }
    return NULL;
}

static const char *set_row(struct larder_config *config, const struct config_row *row,
                           struct span value) {
    void *field = field_of(config, row);
    char *text = NULL;

    if (row->kind == CONFIG_NUMBER) {
        return set_number(field, row, value);
    }
    if (row->kind == CONFIG_CHOICE) {
        return set_choice(field, row->choices, value);
    }
    const char *why = set_text(&text, value);

    if (why == NULL) {
        why = check_text(row, text);
    }
    if (why != NULL) {
        free(text);
        return why;
    }
    char **kept = field;

    free(*kept);
    *kept = text;
    return NULL;
}

static const char *set_option(struct larder_config *config, struct span name, struct span value) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (span_is(name, rows[i].about.name)) {
            return set_row(config, &rows[i], value);
        }
    }
    return "there is no such option";
}

struct larder_config *larder_config_create(void) {
    struct larder_config *config = calloc(1, sizeof(*config));

    for (size_t i = 0; config != NULL && i < ROW_COUNT; i++) {
        if (set_row(config, &rows[i], span_from_text(rows[i].about.initial)) != NULL) {
            larder_config_destroy(config);
            return NULL;
        }
    }
    return config;
}

void larder_config_destroy(struct larder_config *config) {
    for (size_t i = 0; config != NULL && i < ROW_COUNT; i++) {
        if (rows[i].kind == CONFIG_TEXT) {
            char **field = field_of(config, &rows[i]);

            free(*field);
        }
    }
    free(config);
}

struct larder_config *config_copy(const struct larder_config *config) {
    struct larder_config *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        return NULL;
    }
    *copy = *config;
    bool whole = true;

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].kind == CONFIG_TEXT) {
            char **field = field_of(copy, &rows[i]);

            *field = strdup(*field);
            whole = whole && *field != NULL;
        }
    }
    if (!whole) {
        larder_config_destroy(copy);
        return NULL;
    }
    return copy;
}

const char *larder_config_set(struct larder_config *config, const char *name, const char *value) {
    struct span text = span_from_text(value);

    if (text.len > CONFIG_VALUE_BYTES_MAX) {
        return "the value is too long";
    }
    return set_option(config, span_from_text(name), text);
}

const char *larder_config_parse(struct larder_config *config, const char *text) {
    const char *why = NULL;

    while (why == NULL && *(text += strspn(text, " \t\n")) != '\0') {
        size_t bytes = strcspn(text, " \t\n");
        const char *equals = memchr(text, '=', bytes);

        if (equals == NULL) {
            return "an option is NAME=VALUE";
        }
        size_t name_bytes = (size_t)(equals - text);

        why = set_option(config, span_of(text, name_bytes),
                         span_of(equals + 1, bytes - name_bytes - 1));
        text += bytes;
    }
    return why;
}

bool larder_option_at(unsigned index, struct larder_option *option) {
    if (index >= ROW_COUNT) {
        return false;
    }
    *option = rows[index].about;
    return true;
}

/* Reads the replica of one item, which stands behind its plus; cuts it off the item. */
static const char *read_replica(char *item, struct server_list *list) {
    struct server_list_fault fault;
    char *plus = strchr(item, '+');

    if (plus == NULL) {
        return NULL;
    }
    *plus = '\0';
    if (!server_list_init(list, span_from_text(plus + 1), &fault)) {
        return fault.why;
    }
    return NULL;
}

/* Leaves "cache1,cache2/3" of "cache1+cache9,cache2/3"; fills replicas. */
static const char *split_pairs(struct config_servers *servers, char *text, char *primaries) {
    const char *why = NULL;
    size_t index = 0;
    char *to = primaries;

    for (char *item = text; item != NULL && why == NULL; index++) {
        char *comma = strchr(item, ',');

        if (comma != NULL) {
            *comma = '\0';
        }
        why = read_replica(item, &servers->replicas[index]);
        to = stpcpy(to, item);
        if (comma != NULL) {
            to = stpcpy(to, ",");
        }
        item = comma == NULL ? NULL : comma + 1;
    }
    return why;
}

const char *config_servers_init(struct config_servers *servers, const char *text) {
    size_t count = 1;

    for (const char *at = text; *at != '\0'; at++) {
        count += *at == ',';
    }
    *servers = (struct config_servers){.replicas = calloc(count, sizeof(struct server_list))};
    char *copy = strdup(text);
    char *primaries = calloc(1, strlen(text) + 1);
    const char *why = "out of memory";

    if (servers->replicas != NULL && copy != NULL && primaries != NULL) {
        struct server_list_fault fault;

        /* so that fini knows how many lists there are */
        servers->primaries.count = (uint32_t)count;
        why = split_pairs(servers, copy, primaries);
        if (why == NULL && !server_list_init(&servers->primaries, span_from_text(primaries),
                                             &fault)) {
            servers->primaries = (struct server_list){.count = (uint32_t)count};
            why = fault.why;
        }
    }
    free(copy);
    free(primaries);
    if (why != NULL) {
        config_servers_fini(servers);
    }
    return why;
}

void config_servers_fini(struct config_servers *servers) {
    for (uint32_t i = 0; servers->replicas != NULL && i < servers->primaries.count; i++) {
        server_list_fini(&servers->replicas[i]);
    }
    free(servers->replicas);
    server_list_fini(&servers->primaries);
    *servers = (struct config_servers){.replicas = NULL};
}
