/* larder: the calls that wait for one operation */
#include <stdio.h>
#include <stdlib.h>

#include "src/client/calls.h"

void calls_begin(struct larder *larder) {
    while (larder->lent.first != NULL) {
        struct op *op = larder->lent.first;

        op_list_remove(&larder->lent, op);
        op_recycle(larder, op);
    }
    larder->why[0] = '\0';
    loop_look_at_clock(larder);
}

void calls_lend(struct larder *larder, struct op *op) {
    if (op->why[0] != '\0') {
        memcpy(larder->why, op->why, sizeof(op->why));
    }
    op_list_remove(&larder->ended, op);
    op_list_push(&larder->lent, op);
}

bool calls_may_wait(struct larder *larder) {
    if (larder->pending == 0) {
        return true;
    }
    (void)snprintf(larder->why, sizeof(larder->why), "submitted operations are under way");
    return false;
}

const char *larder_why(const struct larder *larder) {
    return larder->why;
}

static enum larder_result refuse(struct larder *larder, struct larder_item *item,
                                 enum larder_result result) {
    if (item != NULL) {
        *item = (struct larder_item){.result = result, .value = "", .why = larder->why,
                                     .ttl_s = LARDER_UNKNOWN, .idle_s = LARDER_UNKNOWN};
    }
    return result;
}

/* Waits for the operation's end. */
static enum larder_result finish(struct larder *larder, struct op *op, struct larder_item *item) {
    if (op == NULL) {
        return refuse(larder, item, LARDER_NO_MEMORY);
    }
    /* its own deadline is among the timers */
    while (!op->ended) {
        loop_turn(larder, NEVER_NS);
    }
    calls_lend(larder, op);
    if (item != NULL) {
        *item = op->item;
    }
    return op->item.result;
}

enum larder_result larder_do(struct larder *larder, const struct larder_request *request,
                             struct larder_item *item) {
    calls_begin(larder);
    if (!calls_may_wait(larder)) {
        return refuse(larder, item, LARDER_BAD_ARGUMENT);
    }
    return finish(larder, op_begin(larder, request), item);
}

enum larder_result larder_get(struct larder *larder, const void *key, size_t key_bytes,
                              struct larder_item *item) {
    struct larder_request request = {.verb = LARDER_GET, .key = key, .key_bytes = key_bytes};

    return larder_do(larder, &request, item);
}

enum larder_result larder_get_since(struct larder *larder, const void *key, size_t key_bytes,
                                    uint64_t cas, struct larder_item *item) {
    struct larder_request request = {.verb = LARDER_GET, .ask = LARDER_NOT_OLDER, .key = key,
                                     .key_bytes = key_bytes, .cas = cas};

    return larder_do(larder, &request, item);
}

enum larder_result larder_gat(struct larder *larder, const void *key, size_t key_bytes,
                              uint32_t ttl_s, struct larder_item *item) {
    struct larder_request request = {.verb = LARDER_GET, .ask = LARDER_TOUCH_TOO, .key = key,
                                     .key_bytes = key_bytes, .ttl_s = ttl_s};

    return larder_do(larder, &request, item);
}

enum larder_result larder_touch(struct larder *larder, const void *key, size_t key_bytes,
                                uint32_t ttl_s) {
    struct larder_request request = {.verb = LARDER_TOUCH, .key = key, .key_bytes = key_bytes,
                                     .ttl_s = ttl_s};

    return larder_do(larder, &request, NULL);
}

enum larder_result larder_delete(struct larder *larder, const void *key, size_t key_bytes) {
    struct larder_request request = {.verb = LARDER_DELETE, .key = key, .key_bytes = key_bytes};

    return larder_do(larder, &request, NULL);
}

static struct larder_request storing(enum larder_verb verb, const void *key, size_t key_bytes,
                                     const struct larder_value *value) {
    return (struct larder_request){.verb = verb, .key = key, .key_bytes = key_bytes,
                                   .value = value->data, .value_bytes = value->bytes,
                                   .flags = value->flags, .ttl_s = value->ttl_s};
}

static enum larder_result store(struct larder *larder, enum larder_verb verb, const void *key,
                                size_t key_bytes, const struct larder_value *value) {
    struct larder_request request = storing(verb, key, key_bytes, value);

    return larder_do(larder, &request, NULL);
}

enum larder_result larder_set(struct larder *larder, const void *key, size_t key_bytes,
                              const struct larder_value *value) {
    return store(larder, LARDER_SET, key, key_bytes, value);
}

enum larder_result larder_add(struct larder *larder, const void *key, size_t key_bytes,
                              const struct larder_value *value) {
    return store(larder, LARDER_ADD, key, key_bytes, value);
}

enum larder_result larder_replace(struct larder *larder, const void *key, size_t key_bytes,
                                  const struct larder_value *value) {
    return store(larder, LARDER_REPLACE, key, key_bytes, value);
}

enum larder_result larder_append(struct larder *larder, const void *key, size_t key_bytes,
                                 const struct larder_value *value) {
    return store(larder, LARDER_APPEND, key, key_bytes, value);
}

enum larder_result larder_prepend(struct larder *larder, const void *key, size_t key_bytes,
                                  const struct larder_value *value) {
    return store(larder, LARDER_PREPEND, key, key_bytes, value);
}

enum larder_result larder_cas(struct larder *larder, const void *key, size_t key_bytes,
                              const struct larder_value *value, uint64_t cas) {
    struct larder_request request = storing(LARDER_CAS, key, key_bytes, value);

    request.cas = cas;
    return larder_do(larder, &request, NULL);
}

static enum larder_result count(struct larder *larder, struct larder_request request,
                                uint64_t *number) {
    struct larder_item item;
    enum larder_result result = larder_do(larder, &request, &item);

    if (number != NULL && result == LARDER_STORED) {
        *number = item.number;
    }
    return result;
}

enum larder_result larder_incr(struct larder *larder, const void *key, size_t key_bytes,
                               uint64_t delta, uint64_t *number) {
    return count(larder, (struct larder_request){.verb = LARDER_INCR, .key = key,
                                                 .key_bytes = key_bytes, .delta = delta}, number);
}

enum larder_result larder_decr(struct larder *larder, const void *key, size_t key_bytes,
                               uint64_t delta, uint64_t *number) {
    return count(larder, (struct larder_request){.verb = LARDER_DECR, .key = key,
                                                 .key_bytes = key_bytes, .delta = delta}, number);
}

struct line_reader {
    larder_line_function *each;
    void *context;
};

static void give_line(void *context, struct span line) {
    struct line_reader *reader = context;

    reader->each(reader->context, (const char *)line.data, line.len);
}

enum larder_result larder_command(struct larder *larder, uint32_t position, const char *command,
                                  larder_line_function *each, void *context) {
    struct line_reader reader = {.each = each, .context = context};
    struct op_lines lines = {.each = give_line, .context = &reader};
    struct larder_request request = {.verb = LARDER_GET, .value = command,
                                     .value_bytes = strlen(command)};

    calls_begin(larder);
    if (!calls_may_wait(larder) || position >= larder->servers.primaries.count ||
        strpbrk(command, "\r\n") != NULL) {
        return LARDER_BAD_ARGUMENT;
    }
    return finish(larder, op_begin_at(larder->positions[position].primary, &request, &lines),
                  NULL);
}
