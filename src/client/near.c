/* larder: a near cache: values of hot keys, kept in the process for a moment */
#include "src/client/near.h"

#include <pthread.h>
#include <stdlib.h>

#include "src/base/hash.h"
#include "src/client/hot.h"

enum { BUCKETS = 256, TICKETS = 1024, LARGEST_PART = 8 };

struct entry {
    struct entry *next; /* in its bucket */
    struct entry *newer;
    struct entry *older;
    uint64_t hash;
    uint64_t expires_ns;
    struct near_about about;
    size_t key_bytes;
    size_t value_bytes;
    uint8_t data[]; /* key, value */
};

struct shard {
    pthread_mutex_t mutex;
    struct hot hot;
    struct entry *buckets[BUCKETS];
    struct entry *newest; /* by last use */
    struct entry *oldest;
    uint64_t bytes;
    uint64_t forgotten[TICKETS]; /* how often keys of a hash have been forgotten */
};

struct near {
    struct near_options options;
    struct shard shards[NEAR_SHARDS];
};

struct near *near_create(const struct near_options *options) {
    struct near *near = calloc(1, sizeof(*near));

    if (near == NULL) {
        return NULL;
    }
    near->options = *options;
    near->options.bytes /= NEAR_SHARDS;
    for (unsigned i = 0; i < NEAR_SHARDS; i++) {
        (void)pthread_mutex_init(&near->shards[i].mutex, NULL);
    }
    return near;
}

void near_destroy(struct near *near) {
    for (unsigned i = 0; near != NULL && i < NEAR_SHARDS; i++) {
        struct shard *shard = &near->shards[i];

        while (shard->newest != NULL) {
            struct entry *entry = shard->newest;

            shard->newest = entry->older;
            free(entry);
        }
        (void)pthread_mutex_destroy(&shard->mutex);
    }
    free(near);
}

/* ---- A shard, under its mutex -------------------------------------------------------------- */

static struct entry **bucket_of(struct shard *shard, uint64_t hash) {
    return &shard->buckets[(hash >> 8) % BUCKETS];
}

static uint64_t *forgotten_of(struct shard *shard, uint64_t hash) {
    return &shard->forgotten[(hash >> 20) % TICKETS];
}

static uint64_t size_of(const struct entry *entry) {
    return sizeof(*entry) + entry->key_bytes + entry->value_bytes;
}

static void leave_order(struct shard *shard, struct entry *entry) {
    *(entry->newer == NULL ? &shard->newest : &entry->newer->older) = entry->older;
    *(entry->older == NULL ? &shard->oldest : &entry->older->newer) = entry->newer;
}

static void become_newest(struct shard *shard, struct entry *entry) {
    entry->newer = NULL;
    entry->older = shard->newest;
    *(entry->older == NULL ? &shard->oldest : &entry->older->newer) = entry;
    shard->newest = entry;
}

static void drop(struct shard *shard, struct entry *entry) {
    struct entry **link = bucket_of(shard, entry->hash);

    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    leave_order(shard, entry);
    shard->bytes -= size_of(entry);
    free(entry);
}

static struct entry *find(struct shard *shard, uint64_t hash, struct span key) {
    struct entry *entry = *bucket_of(shard, hash);

    while (entry != NULL &&
           (entry->hash != hash || !span_equal(span_of(entry->data, entry->key_bytes), key))) {
        entry = entry->next;
    }
    return entry;
}

static uint64_t hash_of(struct span key) {
    return hash_xxh3(key.data, key.len, 0);
}

static struct shard *lock_shard(struct near *near, uint64_t hash) {
    struct shard *shard = &near->shards[hash % NEAR_SHARDS];

    (void)pthread_mutex_lock(&shard->mutex);
    return shard;
}

static void unlock(struct shard *shard) {
    (void)pthread_mutex_unlock(&shard->mutex);
}

/* ---- What others call ---------------------------------------------------------------------- */

bool near_get(struct near *near, struct span key, uint64_t now_ns, struct bytes *value,
              struct near_about *about) {
    uint64_t hash = hash_of(key);
    struct shard *shard = lock_shard(near, hash);
    unsigned seen = hot_count(&shard->hot, key, now_ns);
    struct entry *entry = find(shard, hash, key);
    bool good = false;

    about->ticket = seen >= near->options.seen ? *forgotten_of(shard, hash) + 1 : 0;
    if (entry != NULL && entry->expires_ns <= now_ns) {
        drop(shard, entry);
        entry = NULL;
    }
    if (entry != NULL) {
        struct span kept = span_of(entry->data + entry->key_bytes, entry->value_bytes);

        bytes_clear(value, SIZE_MAX);
        good = kept.len == 0 || bytes_append(value, kept);
        *about = entry->about;
        leave_order(shard, entry);
        become_newest(shard, entry);
    }
    unlock(shard);
    return good;
}

static struct entry *entry_of(struct span key, uint64_t hash, const struct near_offered *offered) {
    struct entry *entry = malloc(sizeof(*entry) + key.len + offered->value.len);

    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct entry){.hash = hash, .about = offered->about, .key_bytes = key.len,
                            .value_bytes = offered->value.len};
    memcpy(entry->data, key.data, key.len);
    if (offered->value.len > 0) {
        memcpy(entry->data + key.len, offered->value.data, offered->value.len);
    }
    return entry;
}

static void insert(struct near *near, struct shard *shard, struct entry *entry) {
    struct entry **bucket = bucket_of(shard, entry->hash);
    struct entry *old = find(shard, entry->hash, span_of(entry->data, entry->key_bytes));

    if (old != NULL) {
        drop(shard, old);
    }
    while (shard->oldest != NULL && shard->bytes + size_of(entry) > near->options.bytes) {
        drop(shard, shard->oldest);
    }
    entry->next = *bucket;
    *bucket = entry;
    become_newest(shard, entry);
    shard->bytes += size_of(entry);
}

void near_offer(struct near *near, struct span key, uint64_t now_ns,
                const struct near_offered *offered) {
    uint64_t hash = hash_of(key);
    uint64_t ms = offered->ttl_ms < near->options.ms ? offered->ttl_ms : near->options.ms;
    uint64_t bytes = sizeof(struct entry) + key.len + offered->value.len;

    if (offered->about.ticket == 0 || ms == 0 || bytes > near->options.bytes / LARGEST_PART) {
        return;
    }
    struct entry *entry = entry_of(key, hash, offered);

    if (entry == NULL) {
        return;
    }
    entry->expires_ns = now_ns + ms * 1000000;
    struct shard *shard = lock_shard(near, hash);
    bool fresh = *forgotten_of(shard, hash) + 1 == offered->about.ticket;

    if (fresh) {
        insert(near, shard, entry);
    }
    unlock(shard);
    if (!fresh) {
        free(entry);
    }
}

void near_forget(struct near *near, struct span key) {
    uint64_t hash = hash_of(key);
    struct shard *shard = lock_shard(near, hash);
    struct entry *entry = find(shard, hash, key);

    ++*forgotten_of(shard, hash);
    if (entry != NULL) {
        drop(shard, entry);
    }
    unlock(shard);
}
