/* larder: reads the values of options */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "src/server/options.h"

static void *field_of(const struct options_run *run, size_t offset) {
    return (char *)run->settings + offset;
}

/* "-t" or "-o idle_timeout": how the operator calls the row. */
static const char *row_label(const struct option_row *row, char label[static 64]) {
    if (row->suboption) {
        (void)snprintf(label, 64, "-o %s", row->name);
    } else if (row->letter != 0) {
        (void)snprintf(label, 64, "-%c", row->letter);
    } else {
        (void)snprintf(label, 64, "--%s", row->name);
    }
    return label;
}

bool options_complain(struct options_run *run, int exit_code, const char *complaint,
                      const char *value) {
    const char *mark = strstr(complaint, "%s");
    if (mark == NULL) {
        (void)fprintf(stderr, "%s\n", complaint);
    } else {
        (void)fprintf(stderr, "%.*s%s%s\n", (int)(mark - complaint), complaint, value, mark + 2);
    }
    run->exit_code = exit_code;
    return false;
}

static bool complain_row(struct options_run *run, const struct option_row *row,
                         const char *complaint, const char *value) {
    int exit_code = row->exit_code == 0 ? EXIT_FAILURE : row->exit_code;
    if (complaint != NULL) {
        return options_complain(run, exit_code, complaint, value);
    }
    char label[64];
    (void)fprintf(stderr, "Invalid value \"%s\" for %s\n", value, row_label(row, label));
    run->exit_code = exit_code;
    return false;
}

static bool complain_unreadable(struct options_run *run, const struct option_row *row,
                                const char *text) {
    if (row->unreadable != NULL) {
        return complain_row(run, row, row->unreadable, text);
    }
    if (row->suboption && row->strict) {
        (void)fprintf(stderr, "could not parse argument to %s\n", row->name);
        run->exit_code = EXIT_FAILURE;
        return false;
    }
    return complain_row(run, row, NULL, text);
}

bool options_set_text(struct options_run *run, char **field, const char *text) {
    char *copy = strdup(text);
    if (copy == NULL) {
        return options_complain(run, EXIT_FAILURE, "Failed to allocate memory", "");
    }
    free(*field);
    *field = copy;
    return true;
}

/* memcached reads the number a text begins with and drops the rest. Text that begins with none
 * counts as 0 there; here only where 0 is refused anyway, so that the complaint is the same. */
static bool read_number(struct options_run *run, const struct option_row *row, const char *text,
                        int base, int64_t *value) {
    char *end = NULL;
    errno = 0;
    *value = strtoll(text, &end, base);
    bool none = end == text;
    if (none && (row->strict || row->least <= 0)) {
        return complain_unreadable(run, row, text);
    }
    if (*end != '\0' && row->strict) {
        return complain_unreadable(run, row, text);
    }
    if (*value < row->least) {
        return complain_row(run, row, row->too_low, text);
    }
    if (*value > row->most || errno == ERANGE) {
        return complain_row(run, row, row->too_high, text);
    }
    if (*end != '\0') {
        char label[64];
        (void)fprintf(stderr, "WARNING: %s: only the number in \"%s\" is used\n",
                      row_label(row, label), text);
    }
    return true;
}

static bool read_integer(struct options_run *run, const struct option_row *row, const char *text) {
    int64_t value = 0;
    if (row->automatic && strcmp(text, "auto") == 0) {
        *(uint32_t *)field_of(run, row->field) = 0;
        return true;
    }
    if (!read_number(run, row, text, row->kind == OPTION_OCTAL ? 8 : 10, &value)) {
        return false;
    }
    void *field = field_of(run, row->field);
    if (row->kind == OPTION_SIGNED) {
        *(int32_t *)field = (int32_t)value;
    } else if (row->kind == OPTION_SCALED) {
        *(uint64_t *)field = (uint64_t)value * row->scale;
    } else {
        *(uint32_t *)field = (uint32_t)value;
    }
    return true;
}

/* A number of bytes, with k, m or g of either case. The bounds are settings_check()'s. */
static bool read_size(struct options_run *run, const struct option_row *row, const char *text) {
    static const char suffixes[] = "kmgKMG";
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (number < 0 || end == text) {
        number = 0;
    }
    const char *suffix = *end == '\0' ? NULL : strchr(suffixes, *end);
    unsigned shift = suffix == NULL ? 0 : 10 * (1 + (unsigned)(suffix - suffixes) % 3);
    if (*end != '\0' && (suffix == NULL || end[1] != '\0')) {
        return complain_row(run, row, NULL, text);
    }
    if (errno == ERANGE || number > (1LL << 40)) {
        return complain_row(run, row, row->too_high, text);
    }
    *(uint64_t *)field_of(run, row->field) = (uint64_t)number << shift;
    return true;
}

static bool read_factor(struct options_run *run, const struct option_row *row, const char *text) {
    double value = strtod(text, NULL);
    /* written so that a value that is no number at all is refused as well */
    if (!(value > row->factor_least)) {
        return complain_row(run, row, row->too_low, text);
    }
    if (value > row->factor_most) {
        return complain_row(run, row, row->too_high, text);
    }
    *(double *)field_of(run, row->field) = value;
    return true;
}

/* Which of "a,b,c" `text` is; false: none. */
static bool find_choice(const char *choices, const char *text, uint32_t *index) {
    size_t length = strlen(text);
    uint32_t at = 0;
    for (const char *choice = choices; *choice != '\0'; at++) {
        size_t choice_length = strcspn(choice, ",");
        if (choice_length == length && memcmp(choice, text, length) == 0) {
            *index = at;
            return true;
        }
        choice += choice_length;
        choice += *choice == ',' ? 1 : 0;
    }
    return false;
}

static bool read_choice(struct options_run *run, const struct option_row *row, const char *text) {
    uint32_t index = 0;
    if (!find_choice(row->choices, text, &index)) {
        return complain_row(run, row, row->too_low, text);
    }
    if (row->kind == OPTION_CHOSEN_TEXT) {
        return options_set_text(run, field_of(run, row->field), text);
    }
    *(uint32_t *)field_of(run, row->field) = index;
    return true;
}

static bool read_letter(struct options_run *run, const struct option_row *row, const char *text) {
    if (text[0] == '\0') {
        return complain_row(run, row, row->too_low, text);
    }
    *(char *)field_of(run, row->field) = text[0];
    return true;
}

static bool read_with_text(struct options_run *run, const struct option_row *row,
                           const char *text) {
    switch (row->kind) {
    case OPTION_NUMBER:
    case OPTION_SIGNED:
    case OPTION_OCTAL:
    case OPTION_SCALED:
        return read_integer(run, row, text);
    case OPTION_SIZE:
        return read_size(run, row, text);
    case OPTION_FACTOR:
        return read_factor(run, row, text);
    case OPTION_TEXT:
        return options_set_text(run, field_of(run, row->field), text);
    case OPTION_CHOSEN_TEXT:
    case OPTION_CHOICE:
        return read_choice(run, row, text);
    case OPTION_LETTER:
        return read_letter(run, row, text);
    default:
        return true;
    }
}

bool options_read_value(struct options_run *run, const struct option_row *row, const char *text) {
    bool flag = true;
    switch (row->kind) {
    case OPTION_IGNORED:
    case OPTION_ACTION:
        return true;
    case OPTION_ON:
    case OPTION_OFF:
        flag = row->kind == OPTION_ON;
        *(bool *)field_of(run, row->field) = flag;
        break;
    case OPTION_COUNT:
        *(uint32_t *)field_of(run, row->field) += 1;
        break;
    default:
        text = text == NULL ? row->absent : text;
        if (text == NULL) {
            return complain_row(run, row, row->missing, "");
        }
        if (!read_with_text(run, row, text)) {
            return false;
        }
    }
    if (row->also != 0) {
        *(bool *)field_of(run, row->also) = flag;
    }
    return true;
}

bool options_were_given(const struct options_run *run, const char *name) {
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    unsigned i = 0;
    while (i < count && (row[i].name == NULL || strcmp(row[i].name, name) != 0)) {
        i++;
    }
    ASSERT(i < count);
    return run->given[i];
}

bool options_set_defaults(struct options_run *run) {
    unsigned count = 0;
    const struct option_row *row = options_rows(&count);
    for (unsigned i = 0; i < count; i++, row++) {
        if (row->initial == NULL) {
            continue;
        }
        if (row->kind == OPTION_ON || row->kind == OPTION_OFF) {
            bool on = strcmp(row->initial, "on") == 0;
            *(bool *)field_of(run, row->field) = on;
            if (row->also != 0) {
                *(bool *)field_of(run, row->also) = on;
            }
        } else if (!read_with_text(run, row, row->initial)) {
            return false;
        }
    }
    return true;
}
