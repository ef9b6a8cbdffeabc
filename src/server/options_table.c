/* larder: the rows of settings.def as constant tables */
#include "src/server/options.h"

/* A field's place, and a compile error when its type is not what the row's kind writes. */
#define AT(field_name, type)                                                                       \
    _Generic(((struct settings *)0)->field_name, type : offsetof(struct settings, field_name))
#define BOOL_AT(name) AT(name, bool)

#define ACTION(name) .kind = OPTION_ACTION, .action = (name)
#define IGNORED .kind = OPTION_IGNORED
#define ON(name) .kind = OPTION_ON, .field = AT(name, bool)
#define OFF(name) .kind = OPTION_OFF, .field = AT(name, bool)
#define COUNT(name) .kind = OPTION_COUNT, .field = AT(name, uint32_t)
#define NUMBER(name, low, high)                                                                    \
    .kind = OPTION_NUMBER, .field = AT(name, uint32_t), .least = (low), .most = (high)
#define SIGNED(name, low, high)                                                                    \
    .kind = OPTION_SIGNED, .field = AT(name, int32_t), .least = (low), .most = (high)
#define OCTAL(name, high) .kind = OPTION_OCTAL, .field = AT(name, uint32_t), .most = (high)
#define SCALED(name, low, high, by)                                                                \
    .kind = OPTION_SCALED, .field = AT(name, uint64_t), .least = (low), .most = (high),            \
    .scale = (by)
#define KILOBYTES(name, low, high) SCALED(name, low, high, 1024)
#define MEGABYTES(name, low, high) SCALED(name, low, high, 1024 * 1024)
#define SIZE(name) .kind = OPTION_SIZE, .field = AT(name, uint64_t)
#define FACTOR(name, low, high)                                                                    \
    .kind = OPTION_FACTOR, .field = AT(name, double), .factor_least = (low), .factor_most = (high)
#define TEXT(name) .kind = OPTION_TEXT, .field = AT(name, char *)
#define CHOSEN_TEXT(name, list)                                                                    \
    .kind = OPTION_CHOSEN_TEXT, .field = AT(name, char *), .choices = (list)
#define CHOICE(name, list) .kind = OPTION_CHOICE, .field = AT(name, uint32_t), .choices = (list)
#define LETTER(name) .kind = OPTION_LETTER, .field = AT(name, char)

#define FIXED(value) .kind = STAT_FIXED, .text = (value)
#define UNSIGNED(name) .kind = STAT_UNSIGNED, .field = AT(name, uint32_t)
#define INTEGER(name) .kind = STAT_INTEGER, .field = AT(name, int32_t)
#define BYTES(name) .kind = STAT_BYTES, .field = AT(name, uint64_t)
#define BITS(name) .kind = STAT_BITS, .field = AT(name, uint32_t)
#define YES(name) .kind = STAT_YES, .field = AT(name, bool)
#define SWITCH(name) .kind = STAT_SWITCH, .field = AT(name, bool)
#define HUNDREDTHS(name) .kind = STAT_HUNDREDTHS, .field = AT(name, double)
#define NULL_TEXT(name) .kind = STAT_TEXT, .field = AT(name, char *)
#define TEXT_OR_NO(name) .kind = STAT_TEXT_OR_NO, .field = AT(name, char *)
#define TEXT_OR_NONE(name) .kind = STAT_TEXT_OR_NONE, .field = AT(name, char *)
#define LISTED(name, list) .kind = STAT_LISTED, .field = AT(name, uint32_t), .text = (list)
#define BYTE(name) .kind = STAT_BYTE, .field = AT(name, char)
#define PROTOCOL(name) .kind = STAT_PROTOCOL, .field = AT(name, uint32_t)

/* Reasons and complaints that several rows share. */
#define ITEM_TOO_LARGE "Cannot set item size limit higher than a gigabyte."
#define TEXT_OF_(value) #value
#define TEXT_OF(value) TEXT_OF_(value)
#define THREADS_MAX_TEXT TEXT_OF(SETTINGS_THREADS_MAX)
#define PAGES_MOVE "pages move between classes by themselves, as memory needs them"
#define EXPIRY_STEPS "each thread reclaims expired items in small steps; there is no crawler"
#define ONE_ORDER "larder evicts by S3-FIFO, one order over all sizes, with no lists to balance"
#define NO_UDP "larder does not serve UDP, which memcached has off by default"
#define NO_TLS "this server is not built with TLS support"
#if LARDER_TLS
#define TLS_OPTION .support = WORKS
#define TLS_OPTION_IDLE(reason) .support = NO_EFFECT, .why = (reason)
#else
#define TLS_OPTION .support = REFUSED, .why = NO_TLS
#define TLS_OPTION_IDLE(reason) TLS_OPTION
#endif
#define NO_FLASH "there is no storage outside memory (extstore)"
#define NO_PROXY "there is no built-in proxy"

static const struct option_row rows[] = {
#define OPTION(...) {__VA_ARGS__},
#define SUBOPTION(...) {.suboption = true, __VA_ARGS__},
#include "src/server/settings.def"
};

static const struct stat_row stat_rows[] = {
#define STAT(stat_key, ...) {.key = (stat_key), __VA_ARGS__},
#include "src/server/settings.def"
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTIONS_COUNT_MAX, "raise OPTIONS_COUNT_MAX");

const struct option_row *options_rows(unsigned *count) {
    *count = (unsigned)(sizeof(rows) / sizeof(rows[0]));
    return rows;
}

const struct stat_row *options_stat_rows(unsigned *count) {
    *count = (unsigned)(sizeof(stat_rows) / sizeof(stat_rows[0]));
    return stat_rows;
}
