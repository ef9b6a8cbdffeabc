/* larder: larderctl get, set, delete, incr and touch */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/number.h"
#include "src/client/bytes.h"
#include "src/client/ctl_client.h"

enum { READ_BYTES = 1 << 16 };
static const size_t value_bytes_max = (size_t)1 << 30;

/* Carries out a request about one key. */
static enum ctl_exit ask(const struct ctl_args *args, struct larder *larder,
                         struct larder_request *request, const char *key) {
    struct larder_item item;

    request->key = key;
    request->key_bytes = strlen(key);
    enum larder_result result = larder_do(larder, request, &item);
    enum ctl_exit code = ctl_judge(args, result, key, item.why);

    if (request->verb == LARDER_GET && code == CTL_DONE) {
        (void)fwrite(item.value, 1, item.value_bytes, stdout);
    } else if (result == LARDER_STORED &&
               (request->verb == LARDER_INCR || request->verb == LARDER_DECR)) {
        (void)printf("%llu\n", (unsigned long long)item.number);
    }
    return code;
}

/* The same for each word; a failure ends it. */
static enum ctl_exit ask_each(const struct ctl_args *args, struct larder_request *request,
                              unsigned count) {
    struct larder *larder = ctl_open(args);
    enum ctl_exit code = CTL_DONE;

    if (larder == NULL) {
        return CTL_USAGE;
    }
    for (unsigned i = 0; i < count && code <= CTL_MISS; i++) {
        enum ctl_exit each = ask(args, larder, request, args->words[i]);

        code = each > code ? each : code;
    }
    larder_destroy(larder);
    return code;
}

enum ctl_exit ctl_get(const struct ctl_args *args) {
    struct larder_request request = {.verb = LARDER_GET, .ttl_s = args->ttl_s,
                                     .ask = args->has_ttl ? LARDER_TOUCH_TOO : 0};

    return ctl_takes(args, 1, 1) ? ask_each(args, &request, 1) : CTL_USAGE;
}

static enum ctl_exit read_value(const struct ctl_args *args, struct bytes *value) {
    for (;;) {
        uint8_t *room = bytes_reserve(value, READ_BYTES);

        if (room == NULL || bytes_count(value) > value_bytes_max) {
            return ctl_fail(args->command, CTL_SYSTEM, "the value is too large");
        }
        ssize_t got = read(STDIN_FILENO, room, READ_BYTES);

        if (got == 0) {
            return CTL_DONE;
        }
        if (got < 0 && errno != EINTR) {
            return ctl_fail(args->command, CTL_INPUT, "standard input could not be read: %m");
        }
        bytes_commit(value, got < 0 ? 0 : (size_t)got);
    }
}

enum ctl_exit ctl_set(const struct ctl_args *args) {
    struct larder_request request = {.verb = args->verb, .ttl_s = args->ttl_s,
                                     .flags = args->flags};
    struct bytes value = {.room = 0};
    enum ctl_exit code = CTL_DONE;

    if (!ctl_takes(args, 1, 2)) {
        return CTL_USAGE;
    }
    if (args->word_count == 2) {
        request.value = args->words[1];
        request.value_bytes = strlen(args->words[1]);
    } else {
        code = read_value(args, &value);
        request.value = bytes_span(&value).data;
        request.value_bytes = bytes_count(&value);
    }
    code = code == CTL_DONE ? ask_each(args, &request, 1) : code;
    bytes_fini(&value);
    return code;
}

enum ctl_exit ctl_delete(const struct ctl_args *args) {
    struct larder_request request = {.verb = LARDER_DELETE};

    return ctl_takes(args, 1, UINT_MAX) ? ask_each(args, &request, args->word_count) : CTL_USAGE;
}

enum ctl_exit ctl_touch(const struct ctl_args *args) {
    struct larder_request request = {.verb = LARDER_TOUCH, .ttl_s = args->ttl_s};

    return ctl_takes(args, 1, UINT_MAX) ? ask_each(args, &request, args->word_count) : CTL_USAGE;
}

enum ctl_exit ctl_incr(const struct ctl_args *args) {
    struct larder_request request = {.verb = LARDER_INCR, .delta = 1, .initial = args->initial,
                                     .ttl_s = args->ttl_s,
                                     .ask = args->has_initial ? LARDER_INITIAL : 0};

    if (!ctl_takes(args, 1, 2)) {
        return CTL_USAGE;
    }
    const char *delta = args->word_count == 2 ? args->words[1] : "1";

    if (delta[0] == '-') {
        request.verb = LARDER_DECR;
        delta++;
    }
    if (!number_parse_u64(span_from_text(delta), &request.delta)) {
        return ctl_fail(args->command, CTL_USAGE, "DELTA is a number: \"%s\"", delta);
    }
    return ask_each(args, &request, 1);
}
