/* larder: the reference policies - exact LRU, and S3-FIFO as published
 *
 * Keys are small numbers, so that everything known of one lies in arrays by key. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/cache.h"

#define KEY_BYTES 16u
#define NONE UINT32_MAX

static void *zeroed(uint64_t count, size_t bytes) {
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        fputs("hit-ratio: no memory for a reference\n", stderr);
        exit(1);
    }
    return memory;
}

/* A doubly linked list by key; a key is in one list at most. */
struct list {
    uint32_t head, tail; /* newest, oldest */
    uint64_t used;       /* objects, or bytes */
};

struct links {
    uint32_t newer, older;
    uint32_t weight;
    uint8_t where; /* number of its list, 0: in none */
    uint8_t freq;
};

static void list_push(struct links *links, struct list *list, uint32_t key) {
    links[key].newer = NONE;
    links[key].older = list->head;
    *(list->head == NONE ? &list->tail : &links[list->head].newer) = key;
    list->head = key;
    list->used += links[key].weight;
}

static void list_remove(struct links *links, struct list *list, uint32_t key) {
    const struct links *link = &links[key];
    *(link->newer == NONE ? &list->head : &links[link->newer].older) = link->older;
    *(link->older == NONE ? &list->tail : &links[link->older].newer) = link->newer;
    list->used -= link->weight;
}

enum where { NOWHERE, SMALL, MAIN, GHOST, LISTS };

struct reference {
    struct cache cache;
    struct links *links; /* by key */
    struct list lists[LISTS];
    uint64_t limit;
    uint64_t objects;
    bool by_bytes;
};

static struct reference *reference_create(const struct cache_limit *limit) {
    struct reference *r = zeroed(1, sizeof(*r));
    r->links = zeroed(limit->keys_end, sizeof(*r->links));
    r->by_bytes = limit->bytes != 0;
    r->limit = r->by_bytes ? limit->bytes : limit->objects;
    for (unsigned i = 0; i < LISTS; i++) {
        r->lists[i] = (struct list){.head = NONE, .tail = NONE};
    }
    return r;
}

static void reference_destroy(struct cache *cache) {
    struct reference *r = (struct reference *)cache;
    free(r->links);
    free(r);
}

static uint64_t reference_objects(struct cache *cache) {
    return ((struct reference *)cache)->objects;
}

static void reference_weigh(struct reference *r, const struct request *request) {
    r->links[request->key].weight =
        r->by_bytes ? KEY_BYTES + request->value_bytes + CACHE_ITEM_BYTES : 1;
}

static void reference_move(struct reference *r, uint32_t key, enum where to) {
    struct links *link = &r->links[key];
    if (link->where != NOWHERE) {
        list_remove(r->links, &r->lists[link->where], key);
    }
    r->objects -= link->where == SMALL || link->where == MAIN;
    r->objects += to == SMALL || to == MAIN;
    link->where = (uint8_t)to;
    if (to != NOWHERE) {
        list_push(r->links, &r->lists[to], key);
    }
}

/* -- LRU --------------------------------------------------------------------------------------- */

static bool lru_request(struct reference *r, const struct request *request) {
    bool hit = r->links[request->key].where == MAIN;
    if (!hit) {
        reference_weigh(r, request);
        while (r->lists[MAIN].used + r->links[request->key].weight > r->limit) {
            reference_move(r, r->lists[MAIN].tail, NOWHERE);
        }
    }
    reference_move(r, request->key, MAIN);
    return hit;
}

static uint32_t lru_replay(struct cache *cache, const struct request *requests, unsigned count) {
    uint32_t hits = 0;
    for (unsigned i = 0; i < count; i++) {
        hits |= (uint32_t)lru_request((struct reference *)cache, &requests[i]) << i;
    }
    return hits;
}

struct cache *cache_lru_create(const struct cache_limit *limit) {
    struct reference *r = reference_create(limit);
    r->cache = (struct cache){lru_replay, reference_objects, reference_destroy};
    return &r->cache;
}

/* -- S3-FIFO ----------------------------------------------------------------------------------- */

#define S3_SMALL_SHARE 10u
#define S3_FREQ_MAX 3u
#define S3_PROMOTED_ABOVE 1u

static void s3_evict_small(struct reference *r) {
    uint32_t key = r->lists[SMALL].tail;
    if (r->links[key].freq > S3_PROMOTED_ABOVE) {
        r->links[key].freq = 0;
        reference_move(r, key, MAIN);
        return;
    }
    reference_move(r, key, GHOST);
    while (r->lists[GHOST].used > r->limit - r->limit / S3_SMALL_SHARE) {
        reference_move(r, r->lists[GHOST].tail, NOWHERE);
    }
}

static void s3_evict_main(struct reference *r) {
    uint32_t key = r->lists[MAIN].tail;
    if (r->links[key].freq > 0) {
        r->links[key].freq--;
        reference_move(r, key, MAIN);
    } else {
        reference_move(r, key, NOWHERE);
    }
}

static bool s3_request(struct reference *r, const struct request *request) {
    struct links *link = &r->links[request->key];
    if (link->where == SMALL || link->where == MAIN) {
        link->freq = (uint8_t)(link->freq + (link->freq < S3_FREQ_MAX));
        return true;
    }
    bool ghost = link->where == GHOST;
    reference_move(r, request->key, NOWHERE);
    reference_weigh(r, request);
    link->freq = 0;
    while (r->lists[SMALL].used + r->lists[MAIN].used + link->weight > r->limit) {
        bool small = r->lists[SMALL].used >= r->limit / S3_SMALL_SHARE ||
                     r->lists[MAIN].tail == NONE;
        (small && r->lists[SMALL].tail != NONE ? s3_evict_small : s3_evict_main)(r);
    }
    reference_move(r, request->key, ghost ? MAIN : SMALL);
    return false;
}

static uint32_t s3_replay(struct cache *cache, const struct request *requests, unsigned count) {
    uint32_t hits = 0;
    for (unsigned i = 0; i < count; i++) {
        hits |= (uint32_t)s3_request((struct reference *)cache, &requests[i]) << i;
    }
    return hits;
}

struct cache *cache_s3fifo_create(const struct cache_limit *limit) {
    struct reference *r = reference_create(limit);
    r->cache = (struct cache){s3_replay, reference_objects, reference_destroy};
    return &r->cache;
}
