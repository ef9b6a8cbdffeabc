/* larder: the settings' life, and their lines in `stats settings` */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/server/options.h"

struct settings *settings_create_default(void) {
    struct options_run run = {.settings = calloc(1, sizeof(struct settings))};
    if (run.settings == NULL) {
        return NULL;
    }
    if (!options_set_defaults(&run) || !settings_listen_build(&run)) {
        settings_destroy(run.settings);
        return NULL;
    }
    return run.settings;
}

void settings_destroy(struct settings *settings) {
    if (settings == NULL) {
        return;
    }
    for (uint32_t i = 0; i < settings->listen_count; i++) {
        free(settings->listen[i].host);
        free(settings->listen[i].tag);
    }
    free(settings->listen);
    free(settings->listen_text);
    free(settings->unix_path);
    free(settings->auth_path);
    free(settings->tls_chain_path);
    free(settings->tls_key_path);
    free(settings->tls_ca_path);
    free(settings->tls_ciphers);
    free(settings->user);
    free(settings->pid_path);
    free(settings->topology_source);
    free(settings->memory_plan_sizes);
    free(settings->slab_sizes);
    free(settings->hash_algorithm);
    free(settings->memory_path);
    free(settings);
}

static const char *protocol_name(uint32_t protocol) {
    static const char *const names[] = {
        [SETTINGS_PROTOCOL_AUTO] = "auto-negotiate",
        [SETTINGS_PROTOCOL_ASCII] = "ascii",
        [SETTINGS_PROTOCOL_BINARY] = "binary",
    };
    return names[protocol];
}

/* Number `index` of "a,b,c". */
static const char *listed(const char *list, uint32_t index, char *buffer, size_t capacity) {
    for (; index > 0; index--) {
        list = strchr(list, ',') + 1;
    }
    (void)snprintf(buffer, capacity, "%.*s", (int)strcspn(list, ","), list);
    return buffer;
}

/* The row's value as text: either a text that lives elsewhere, or written into `buffer`. */
static const char *stat_value(const struct settings *settings, const struct stat_row *row,
                              char *buffer, size_t capacity) {
    const void *field = (const char *)settings + row->field;
    const char *text = NULL;
    switch (row->kind) {
    case STAT_FIXED:
        return row->text;
    case STAT_UNSIGNED:
        (void)snprintf(buffer, capacity, "%" PRIu32, *(const uint32_t *)field);
        return buffer;
    case STAT_INTEGER:
        (void)snprintf(buffer, capacity, "%" PRId32, *(const int32_t *)field);
        return buffer;
    case STAT_BYTES:
        (void)snprintf(buffer, capacity, "%" PRIu64, *(const uint64_t *)field);
        return buffer;
    case STAT_BITS:
        (void)snprintf(buffer, capacity, "%" PRIo32, *(const uint32_t *)field);
        return buffer;
    case STAT_YES:
        return *(const bool *)field ? "yes" : "no";
    case STAT_SWITCH:
        return *(const bool *)field ? "on" : "off";
    case STAT_HUNDREDTHS:
        (void)snprintf(buffer, capacity, "%.2f", *(const double *)field);
        return buffer;
    case STAT_TEXT:
        text = *(char *const *)field;
        return text == NULL ? "NULL" : text;
    case STAT_TEXT_OR_NO:
        text = *(char *const *)field;
        return text == NULL ? "no" : text;
    case STAT_TEXT_OR_NONE:
        text = *(char *const *)field;
        return text == NULL ? "(null)" : text;
    case STAT_LISTED:
        return listed(row->text, *(const uint32_t *)field, buffer, capacity);
    case STAT_BYTE:
        (void)snprintf(buffer, capacity, "%c", *(const char *)field);
        return buffer;
    case STAT_PROTOCOL:
        return protocol_name(*(const uint32_t *)field);
    }
    return "";
}

void settings_each(const struct settings *settings, settings_visit *visit, void *context) {
    unsigned count = 0;
    const struct stat_row *row = options_stat_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        char buffer[32];
        visit(context, row->key, stat_value(settings, row, buffer, sizeof(buffer)));
    }
}
