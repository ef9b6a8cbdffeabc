/* larder: a hot key's value under several keys, which the ring puts on several servers */
#include <stdio.h>

#include "src/client/calls.h"

enum { SUFFIX_BYTES = 3, NAME_BYTES_MAX = LARDER_KEY_BYTES_MAX + SUFFIX_BYTES + 1 };
_Static_assert(LARDER_COPIES_MAX <= 100, "two digits");

struct copies {
    char names[LARDER_COPIES_MAX][NAME_BYTES_MAX];
    struct larder_request requests[LARDER_COPIES_MAX];
    struct larder_item items[LARDER_COPIES_MAX];
};

/* KEY#0 and so on; 0: it is no key, or there are not so many copies. */
static size_t name_copy(char *name, const struct larder_key *key, unsigned i) {
    if (key->bytes == 0 || key->bytes > LARDER_KEY_BYTES_MAX - SUFFIX_BYTES) {
        return 0;
    }
    memcpy(name, key->data, key->bytes);
    return key->bytes + (size_t)snprintf(name + key->bytes, SUFFIX_BYTES + 1, "#%u", i);
}

static enum larder_result refuse(struct larder *larder) {
    (void)snprintf(larder->why, sizeof(larder->why), "a key of 1 to %d bytes, 1 to %d copies",
                   LARDER_KEY_BYTES_MAX - SUFFIX_BYTES, LARDER_COPIES_MAX);
    return LARDER_BAD_ARGUMENT;
}

/* The same with all copies: good, or what became of the first for which it was not. */
static enum larder_result do_all(struct larder *larder, const struct larder_key *key,
                                 unsigned copies, const struct larder_request *like) {
    struct copies all;
    enum larder_result result = LARDER_DONE;

    for (unsigned i = 0; i < copies && copies <= LARDER_COPIES_MAX; i++) {
        all.requests[i] = *like;
        all.requests[i].key = all.names[i];
        all.requests[i].key_bytes = name_copy(all.names[i], key, i);
    }
    if (copies == 0 || copies > LARDER_COPIES_MAX || all.requests[0].key_bytes == 0) {
        return refuse(larder);
    }
    (void)larder_do_many(larder, all.requests, copies, all.items);
    for (unsigned i = 0; i < copies && larder_is_good(result); i++) {
        result = all.items[i].result;
    }
    return result;
}

enum larder_result larder_copies_set(struct larder *larder, const struct larder_key *key,
                                     unsigned copies, const struct larder_value *value) {
    struct larder_request like = {.verb = LARDER_SET, .value = value->data,
                                  .value_bytes = value->bytes, .flags = value->flags,
                                  .ttl_s = value->ttl_s};

    return do_all(larder, key, copies, &like);
}

enum larder_result larder_copies_delete(struct larder *larder, const struct larder_key *key,
                                        unsigned copies) {
    struct larder_request like = {.verb = LARDER_DELETE};

    return do_all(larder, key, copies, &like);
}

enum larder_result larder_copies_get(struct larder *larder, const struct larder_key *key,
                                     unsigned copies, struct larder_item *item) {
    char name[NAME_BYTES_MAX];
    bool good = copies > 0 && copies <= LARDER_COPIES_MAX;
    unsigned i = good ? (unsigned)((client_random(larder) >> 32) % copies) : 0;
    size_t bytes = name_copy(name, key, i);

    if (!good || bytes == 0) {
        *item = (struct larder_item){.result = LARDER_BAD_ARGUMENT, .value = "",
                                     .why = larder->why};
        return refuse(larder);
    }
    return larder_get(larder, name, bytes, item);
}
