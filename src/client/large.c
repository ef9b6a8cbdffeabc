/* larder: values above what servers take, in pieces
 *
 * Under the key stands a manifest of 28 bytes, numbers little-endian:
 *
 *      mark             generation       bytes of the     bytes of a
 *                                        value            piece (the last has the rest)
 *     +----------------+----------------+----------------+--------+
 *     | larder 0x1a 1  | 8              | 8              | 4      |
 *     +----------------+----------------+----------------+--------+
 *
 * and piece i under KEY#GENERATION.i, the generation in 16 hexadecimal digits. A generation is
 * drawn at random for each write and its pieces are never changed, so who reads a manifest gets the
 * pieces it was written with, or a miss. */
#include <stdio.h>
#include <stdlib.h>

#include "src/client/calls.h"

enum {
    MANIFEST_BYTES = 28,
    SUFFIX_BYTES_MAX = 1 + 16 + 1 + 10, /* #GENERATION.i */
    KEY_BYTES_MAX = LARDER_KEY_BYTES_MAX - SUFFIX_BYTES_MAX,
    READS_MAX = 3,       /* of a manifest that changes while its pieces are read */
    TTL_MORE_S = 60,     /* pieces outlive their manifest */
};

static const uint8_t mark[8] = {'l', 'a', 'r', 'd', 'e', 'r', 0x1a, 1};

struct manifest {
    uint64_t generation;
    uint64_t bytes;
    uint32_t piece_bytes;
};

static void put(uint8_t *to, unsigned bytes, uint64_t number) {
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t take(const uint8_t *from, unsigned bytes) {
    uint64_t number = 0;

    for (unsigned i = bytes; i > 0; i--) {
        number = number << 8 | from[i - 1];
    }
    return number;
}

static void manifest_write(const struct manifest *manifest, uint8_t to[MANIFEST_BYTES]) {
    memcpy(to, mark, sizeof(mark));
    put(to + 8, 8, manifest->generation);
    put(to + 16, 8, manifest->bytes);
    put(to + 24, 4, manifest->piece_bytes);
}

/* False: it is a value as it is. */
static bool manifest_read(const void *value, size_t bytes, struct manifest *manifest) {
    const uint8_t *from = value;

    if (bytes != MANIFEST_BYTES || memcmp(from, mark, sizeof(mark)) != 0) {
        return false;
    }
    manifest->generation = take(from + 8, 8);
    manifest->bytes = take(from + 16, 8);
    manifest->piece_bytes = (uint32_t)take(from + 24, 4);
    return true;
}

/* ---- Pieces -------------------------------------------------------------------------------- */

struct pieces {
    struct larder_request *requests;
    struct larder_item *items;
    char *names;
    size_t count;
};

static void pieces_fini(struct pieces *pieces) {
    free(pieces->requests);
    free(pieces->items);
    free(pieces->names);
}

/* Requests for all pieces. False: no memory; fini all the same. */
static bool pieces_init(struct pieces *pieces, const struct larder_key *key,
                        const struct manifest *manifest, enum larder_verb verb) {
    size_t name_room = key->bytes + SUFFIX_BYTES_MAX + 1;
    uint64_t count = manifest->bytes / manifest->piece_bytes +
                     (manifest->bytes % manifest->piece_bytes != 0);

    pieces->count = (size_t)count;
    pieces->requests = calloc(pieces->count + 1, sizeof(*pieces->requests));
    pieces->items = calloc(pieces->count + 1, sizeof(*pieces->items));
    pieces->names = calloc(pieces->count + 1, name_room);
    if (pieces->requests == NULL || pieces->items == NULL || pieces->names == NULL) {
        return false;
    }
    for (size_t i = 0; i < pieces->count; i++) {
        char *name = pieces->names + i * name_room;
        int more;

        memcpy(name, key->data, key->bytes);
        more = snprintf(name + key->bytes, SUFFIX_BYTES_MAX + 1, "#%016llx.%zu",
                        (unsigned long long)manifest->generation, i);
        pieces->requests[i] = (struct larder_request){.verb = verb, .key = name,
                                                      .key_bytes = key->bytes + (size_t)more};
    }
    return true;
}

static size_t bytes_of_piece(const struct manifest *manifest, size_t i) {
    uint64_t from = (uint64_t)i * manifest->piece_bytes;
    uint64_t rest = manifest->bytes - from;

    return rest < manifest->piece_bytes ? (size_t)rest : manifest->piece_bytes;
}

/* As far as it goes: what stays is never read again. */
static void delete_pieces(struct larder *larder, const struct larder_key *key,
                          const struct manifest *manifest) {
    struct pieces pieces = {.count = 0};

    if (pieces_init(&pieces, key, manifest, LARDER_DELETE)) {
        (void)larder_do_many(larder, pieces.requests, pieces.count, NULL);
    }
    pieces_fini(&pieces);
}

static enum larder_result store_pieces(struct larder *larder, const struct larder_key *key,
                                       const struct manifest *manifest,
                                       const struct larder_value *value) {
    struct pieces pieces = {.count = 0};
    enum larder_result result = LARDER_STORED;

    if (!pieces_init(&pieces, key, manifest, LARDER_SET)) {
        pieces_fini(&pieces);
        return LARDER_NO_MEMORY;
    }
    for (size_t i = 0; i < pieces.count; i++) {
        struct larder_request *request = &pieces.requests[i];

        request->value = (const uint8_t *)value->data + i * manifest->piece_bytes;
        request->value_bytes = bytes_of_piece(manifest, i);
        request->ttl_s = value->ttl_s == 0                        ? 0
                         : value->ttl_s < UINT32_MAX - TTL_MORE_S ? value->ttl_s + TTL_MORE_S
                                                                  : UINT32_MAX;
    }
    (void)larder_do_many(larder, pieces.requests, pieces.count, pieces.items);
    for (size_t i = 0; i < pieces.count && result == LARDER_STORED; i++) {
        result = pieces.items[i].result;
    }
    pieces_fini(&pieces);
    return result;
}

/* ---- The calls ----------------------------------------------------------------------------- */

static enum larder_result refuse(struct larder *larder, const struct larder_key *key) {
    if (key->bytes > KEY_BYTES_MAX) {
        (void)snprintf(larder->why, sizeof(larder->why), "the key has more than %d bytes",
                       KEY_BYTES_MAX);
        return LARDER_BAD_ARGUMENT;
    }
    return LARDER_DONE;
}

/* What stands there now, for its pieces to be deleted. */
static enum larder_result find_manifest(struct larder *larder, const struct larder_key *key,
                                        struct manifest *manifest) {
    struct larder_request request = {.verb = LARDER_GET, .ask = LARDER_NO_BUMP, .key = key->data,
                                     .key_bytes = key->bytes};
    struct larder_item item;
    enum larder_result result = larder_do(larder, &request, &item);

    if ((result != LARDER_HIT && result != LARDER_STALE) ||
        !manifest_read(item.value, item.value_bytes, manifest) || manifest->piece_bytes == 0 ||
        manifest->bytes > larder->config->value_bytes_max) {
        manifest->bytes = 0;
    }
    return result;
}

enum larder_result larder_large_set(struct larder *larder, const struct larder_key *key,
                                    const struct larder_value *value) {
    struct manifest manifest = {.bytes = value->bytes,
                                .piece_bytes = larder->config->large_piece_bytes};
    struct manifest old = {.bytes = 0};
    uint8_t text[MANIFEST_BYTES];
    struct larder_value stored = *value;
    enum larder_result result = refuse(larder, key);

    if (result != LARDER_DONE) {
        return result;
    }
    result = find_manifest(larder, key, &old);
    if (result == LARDER_FAILED || result == LARDER_TIMED_OUT || result == LARDER_BAD_ARGUMENT) {
        return result;
    }
    bool had = old.bytes > 0;
    bool split = value->bytes > manifest.piece_bytes ||
                 manifest_read(value->data, value->bytes, &manifest);

    if (split) {
        manifest = (struct manifest){.generation = client_random(larder), .bytes = value->bytes,
                                     .piece_bytes = larder->config->large_piece_bytes};
        result = store_pieces(larder, key, &manifest, value);
        manifest_write(&manifest, text);
        stored.data = text;
        stored.bytes = sizeof(text);
    }
    if (!split || result == LARDER_STORED) {
        result = larder_set(larder, key->data, key->bytes, &stored);
    }
    if (result == LARDER_STORED && had) {
        delete_pieces(larder, key, &old);
    } else if (split && result != LARDER_STORED && result != LARDER_TIMED_OUT) {
        /* after a silence the manifest may be there */
        delete_pieces(larder, key, &manifest);
    }
    return result;
}

enum larder_result larder_large_delete(struct larder *larder, const struct larder_key *key) {
    struct manifest old = {.bytes = 0};
    enum larder_result result = refuse(larder, key);

    if (result != LARDER_DONE) {
        return result;
    }
    (void)find_manifest(larder, key, &old);
    result = larder_delete(larder, key->data, key->bytes);
    if (old.bytes > 0) {
        delete_pieces(larder, key, &old);
    }
    return result;
}

/* All pieces into larder->kept: hit; one is lost: miss; or what else became of one. */
static enum larder_result join(struct larder *larder, const struct larder_key *key,
                               const struct manifest *manifest) {
    struct pieces pieces = {.count = 0};
    enum larder_result result = LARDER_HIT;

    bytes_clear(&larder->kept, OP_VALUE_KEPT_BYTES);
    if (!pieces_init(&pieces, key, manifest, LARDER_GET)) {
        pieces_fini(&pieces);
        return LARDER_NO_MEMORY;
    }
    (void)larder_do_many(larder, pieces.requests, pieces.count, pieces.items);
    for (size_t i = 0; i < pieces.count && result == LARDER_HIT; i++) {
        const struct larder_item *item = &pieces.items[i];

        result = item->result;
        if (result == LARDER_HIT && item->value_bytes != bytes_of_piece(manifest, i)) {
            result = LARDER_MISS;
        } else if (result == LARDER_HIT &&
                   !bytes_append(&larder->kept, span_of(item->value, item->value_bytes))) {
            result = LARDER_NO_MEMORY;
        }
    }
    pieces_fini(&pieces);
    return result;
}

enum larder_result larder_large_get(struct larder *larder, const struct larder_key *key,
                                    struct larder_item *item) {
    enum larder_result result = refuse(larder, key);
    uint64_t generation = 0;

    *item = (struct larder_item){.result = result, .value = "", .ttl_s = LARDER_UNKNOWN,
                                 .idle_s = LARDER_UNKNOWN, .why = larder->why};
    for (unsigned i = 0; i < READS_MAX && result != LARDER_BAD_ARGUMENT; i++) {
        struct manifest manifest;
        struct larder_request request = {.verb = LARDER_GET, .key = key->data,
                                         .key_bytes = key->bytes,
                                         .ask = i == 0 ? 0 : LARDER_NO_BUMP};
        enum larder_result found = larder_do(larder, &request, item);

        if ((found != LARDER_HIT && found != LARDER_STALE) ||
            !manifest_read(item->value, item->value_bytes, &manifest)) {
            return found;
        }
        if (manifest.piece_bytes == 0 || manifest.bytes > larder->config->value_bytes_max ||
            (i > 0 && manifest.generation == generation)) {
            result = LARDER_MISS; /* nobody has written it anew: a piece is lost */
            break;
        }
        generation = manifest.generation;
        result = join(larder, key, &manifest);
        if (result == LARDER_HIT) {
            result = found;
        }
        if (result != LARDER_MISS) {
            break;
        }
    }
    bool whole = result == LARDER_HIT || result == LARDER_STALE;
    struct span kept = bytes_span(&larder->kept);

    item->result = result;
    item->value = whole && kept.len > 0 ? (const void *)kept.data : "";
    item->value_bytes = whole ? kept.len : 0;
    item->why = larder->why;
    return result;
}
