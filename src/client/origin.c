/* larder: computations under way in this process */
#include "src/client/origin.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "src/client/options.h"

enum { BUCKETS = 256, NS_PER_S = 1000000000 };

struct flight {
    struct flight *next; /* in its bucket, while it is in the table */
    pthread_cond_t ended_cond;
    uint64_t failed_until_ns;
    struct bytes value;
    uint32_t flags;
    unsigned refs; /* the table's is one */
    bool ended;
    bool failed;
    bool has_won;
    size_t key_bytes;
    uint8_t key[ORIGIN_KEY_BYTES_MAX];
};

struct larder_origin {
    struct origin_options options;
    pthread_mutex_t mutex; /* over what follows and all flights */
    pthread_cond_t room;
    struct flight *buckets[BUCKETS];
    unsigned running;
    unsigned failures;
};

/* ---- Made and unmade ----------------------------------------------------------------------- */

static void init_cond(pthread_cond_t *cond) {
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct larder_origin *larder_origin_create(const struct larder_config *config) {
    struct larder_origin *origin = calloc(1, sizeof(*origin));

    if (origin == NULL) {
        return NULL;
    }
    origin->options = (struct origin_options){
        .computes = config->origin_computes,
        .wait_ms = config->origin_wait_ms,
        .lock_s = config->origin_lock_s,
        .stale_s = config->origin_stale_s,
        .backoff_ms = config->origin_backoff_ms,
        .jitter_percent = config->origin_jitter,
        .early_percent = config->origin_early,
        .computes_late = config->origin_late != 0,
        .waits_for_fresh = config->origin_stale != 0,
    };
    (void)pthread_mutex_init(&origin->mutex, NULL);
    init_cond(&origin->room);
    return origin;
}

static void flight_free(struct flight *flight) {
    (void)pthread_cond_destroy(&flight->ended_cond);
    bytes_fini(&flight->value);
    free(flight);
}

void larder_origin_destroy(struct larder_origin *origin) {
    if (origin == NULL) {
        return;
    }
    ASSERT(origin->running == 0);
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (origin->buckets[i] != NULL) {
            struct flight *flight = origin->buckets[i];

            origin->buckets[i] = flight->next;
            flight_free(flight);
        }
    }
    (void)pthread_cond_destroy(&origin->room);
    (void)pthread_mutex_destroy(&origin->mutex);
    free(origin);
}

const struct origin_options *origin_options(const struct larder_origin *origin) {
    return &origin->options;
}

/* ---- The table; under the mutex ------------------------------------------------------------ */

uint64_t origin_now_ns(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* FNV-1a: keys of one process's computations are few. */
static struct flight **bucket_of(struct larder_origin *origin, struct span key) {
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ key.data[i]) * 16777619u;
    }
    return &origin->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static void drop(struct flight *flight) {
    if (--flight->refs == 0) {
        flight_free(flight);
    }
}

static void unlink_from(struct larder_origin *origin, struct flight **link) {
    struct flight *flight = *link;

    *link = flight->next;
    flight->next = NULL;
    origin->failures -= flight->failed;
    drop(flight);
}

/* Of failures whose time has passed only those are kept that somebody may take up. */
static struct flight *find(struct larder_origin *origin, struct span key) {
    struct flight **link = bucket_of(origin, key);
    struct flight *found = NULL;
    uint64_t now_ns = origin_now_ns();
    uint64_t kept_ns = (uint64_t)origin->options.stale_s * NS_PER_S;

    while (*link != NULL) {
        struct flight *flight = *link;
        bool is_it = span_equal(span_of(flight->key, flight->key_bytes), key);
        uint64_t more_ns = flight->has_won ? kept_ns : 0;

        if (flight->failed && now_ns >= flight->failed_until_ns + more_ns) {
            unlink_from(origin, link);
            continue;
        }
        found = is_it ? flight : found;
        link = &flight->next;
    }
    return found;
}

static void remove_flight(struct larder_origin *origin, struct flight *flight) {
    struct flight **link = bucket_of(origin, span_of(flight->key, flight->key_bytes));

    while (*link != flight) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    unlink_from(origin, link);
}

/* ---- Flights ------------------------------------------------------------------------------- */

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

static struct flight *create(struct larder_origin *origin, struct span key) {
    struct flight *flight = calloc(1, sizeof(*flight));
    struct flight **bucket = bucket_of(origin, key);

    ASSERT(key.len <= sizeof(flight->key));
    if (flight == NULL) {
        return NULL;
    }
    init_cond(&flight->ended_cond);
    memcpy(flight->key, key.data, key.len);
    flight->key_bytes = key.len;
    flight->refs = 2; /* the table and the leader */
    flight->next = *bucket;
    *bucket = flight;
    origin->running++;
    return flight;
}

/* What there is of the key, if it decides already. */
static struct flight *join(struct larder_origin *origin, struct span key, enum origin_role *role,
                           bool *decided) {
    struct flight *flight = find(origin, key);

    *decided = true;
    if (flight != NULL && !flight->failed) {
        flight->refs++;
        *role = ORIGIN_FOLLOWS;
        return flight;
    }
    if (flight != NULL && origin_now_ns() < flight->failed_until_ns) {
        *role = ORIGIN_FAILED;
        return NULL;
    }
    if (flight != NULL) {
        remove_flight(origin, flight);
    }
    *decided = false;
    return NULL;
}

struct flight *origin_begin(struct larder_origin *origin, struct span key, uint64_t until_ns,
                            enum origin_role *role) {
    struct timespec until = timespec_of(until_ns);
    bool decided = false;
    bool late = false;

    (void)pthread_mutex_lock(&origin->mutex);
    struct flight *flight = join(origin, key, role, &decided);

    while (!decided && !late && origin->running >= origin->options.computes) {
        late = pthread_cond_timedwait(&origin->room, &origin->mutex, &until) == ETIMEDOUT;
        flight = join(origin, key, role, &decided);
    }
    if (!decided) {
        bool room = origin->running < origin->options.computes;

        flight = room ? create(origin, key) : NULL;
        *role = flight != NULL ? ORIGIN_LEADS : ORIGIN_FULL;
    }
    (void)pthread_mutex_unlock(&origin->mutex);
    return flight;
}

struct flight *origin_join(struct larder_origin *origin, struct span key) {
    (void)pthread_mutex_lock(&origin->mutex);
    struct flight *flight = find(origin, key);

    if (flight != NULL && flight->failed) {
        flight = NULL;
    }
    if (flight != NULL) {
        flight->refs++;
    }
    (void)pthread_mutex_unlock(&origin->mutex);
    return flight;
}

static void end(struct larder_origin *origin, struct flight *flight) {
    ASSERT(!flight->ended && origin->running > 0);
    flight->ended = true;
    origin->running--;
    (void)pthread_cond_broadcast(&flight->ended_cond);
    (void)pthread_cond_signal(&origin->room);
}

void origin_end(struct larder_origin *origin, struct flight *flight, struct bytes *value,
                uint32_t flags) {
    (void)pthread_mutex_lock(&origin->mutex);
    flight->value = *value;
    flight->flags = flags;
    *value = (struct bytes){.room = 0};
    end(origin, flight);
    remove_flight(origin, flight);
    (void)pthread_mutex_unlock(&origin->mutex);
}

void origin_end_failed(struct larder_origin *origin, struct flight *flight, bool has_won) {
    (void)pthread_mutex_lock(&origin->mutex);
    end(origin, flight);
    if (origin->failures < FAILURES_MAX && origin->options.backoff_ms > 0) {
        flight->failed_until_ns =
            origin_now_ns() + (uint64_t)origin->options.backoff_ms * (NS_PER_S / 1000);
        flight->has_won = has_won;
        flight->failed = true;
        origin->failures++;
    } else {
        remove_flight(origin, flight);
        flight->failed = true;
    }
    (void)pthread_mutex_unlock(&origin->mutex);
}

bool origin_takes_up(struct larder_origin *origin, struct span key) {
    (void)pthread_mutex_lock(&origin->mutex);
    struct flight *flight = find(origin, key);
    bool takes = flight != NULL && flight->failed && flight->has_won &&
                 origin_now_ns() >= flight->failed_until_ns;

    if (takes) {
        remove_flight(origin, flight);
    }
    (void)pthread_mutex_unlock(&origin->mutex);
    return takes;
}

bool origin_wait(struct larder_origin *origin, struct flight *flight, uint64_t until_ns) {
    struct timespec until = timespec_of(until_ns);

    (void)pthread_mutex_lock(&origin->mutex);
    while (!flight->ended &&
           pthread_cond_timedwait(&flight->ended_cond, &origin->mutex, &until) != ETIMEDOUT) {
    }
    bool ended = flight->ended;

    (void)pthread_mutex_unlock(&origin->mutex);
    return ended;
}

bool flight_value(const struct flight *flight, struct span *value, uint32_t *flags) {
    *value = bytes_span(&flight->value);
    *flags = flight->flags;
    return !flight->failed;
}

void origin_leave(struct larder_origin *origin, struct flight *flight) {
    (void)pthread_mutex_lock(&origin->mutex);
    drop(flight);
    (void)pthread_mutex_unlock(&origin->mutex);
}
