/* larder: what `stats detail` counts: by the part of a key before the first delimiter */
#include "src/server/prefixes.h"

#include <stdlib.h>

#include "src/base/hash.h"

void prefixes_init(struct prefixes *prefixes) {
    *prefixes = (struct prefixes){0};
    pthread_mutex_init(&prefixes->lock, NULL);
}

static void prefixes_empty(struct prefixes *prefixes) {
    for (uint32_t i = 0; prefixes->slots != NULL && i < PREFIXES_SLOTS; i++) {
        free(prefixes->slots[i]);
    }
    free(prefixes->slots);
    prefixes->slots = NULL;
    prefixes->count = 0;
}

void prefixes_fini(struct prefixes *prefixes) {
    prefixes_empty(prefixes);
    pthread_mutex_destroy(&prefixes->lock);
}

void prefixes_clear(struct prefixes *prefixes) {
    pthread_mutex_lock(&prefixes->lock);
    prefixes_empty(prefixes);
    pthread_mutex_unlock(&prefixes->lock);
}

static struct prefix *prefix_create(struct prefixes *prefixes, struct span text) {
    if (prefixes->count == PREFIXES_MAX) {
        return NULL;
    }
    struct prefix *prefix = calloc(1, sizeof(*prefix) + text.len);
    if (prefix != NULL) {
        prefix->len = (uint32_t)text.len;
        if (text.len > 0) {
            memcpy(prefix->text, text.data, text.len);
        }
        prefixes->count++;
    }
    return prefix;
}

/* The prefix, made if it is not there; NULL: no room. The table is never over half full. */
static struct prefix *prefixes_find(struct prefixes *prefixes, struct span text) {
    if (prefixes->slots == NULL) {
        prefixes->slots = calloc(PREFIXES_SLOTS, sizeof(prefixes->slots[0]));
    }
    if (prefixes->slots == NULL) {
        return NULL;
    }
    uint32_t at = (uint32_t)hash_xxh3(text.data, text.len, (uintptr_t)prefixes) % PREFIXES_SLOTS;
    for (; prefixes->slots[at] != NULL; at = (at + 1) % PREFIXES_SLOTS) {
        struct prefix *prefix = prefixes->slots[at];
        if (span_equal(span_of(prefix->text, prefix->len), text)) {
            return prefix;
        }
    }
    prefixes->slots[at] = prefix_create(prefixes, text);
    return prefixes->slots[at];
}

void prefixes_count(struct prefixes *prefixes, struct span key, uint8_t delimiter,
                    enum prefix_count what) {
    const uint8_t *end = memchr(key.data, delimiter, key.len);
    if (end == NULL) {
        return;
    }
    pthread_mutex_lock(&prefixes->lock);
    struct prefix *prefix = prefixes_find(prefixes, span_of(key.data, (size_t)(end - key.data)));
    if (prefix != NULL) {
        prefix->counts[what]++;
    }
    pthread_mutex_unlock(&prefixes->lock);
}

void prefixes_add(struct prefixes *sum, struct prefixes *from) {
    pthread_mutex_lock(&from->lock);
    for (uint32_t i = 0; from->slots != NULL && i < PREFIXES_SLOTS; i++) {
        const struct prefix *prefix = from->slots[i];
        struct prefix *total =
            prefix == NULL ? NULL : prefixes_find(sum, span_of(prefix->text, prefix->len));
        for (unsigned what = 0; total != NULL && what < PREFIX_COUNTS; what++) {
            total->counts[what] += prefix->counts[what];
        }
    }
    pthread_mutex_unlock(&from->lock);
}
