/* larder: a pool of handles, for any thread */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "src/client/client.h"

struct larder_pool {
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t returned;
    struct larder_config *config;
    struct larder **idle; /* the last returned is lent first: its connections are warm */
    unsigned idle_count;
    unsigned made;
    unsigned handles_max;
    struct near *near; /* that all share, or NULL */
};

static void init_locks(struct larder_pool *pool) {
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->returned, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct larder_pool *larder_pool_create(const struct larder_config *config, unsigned handles_max,
                                       const char **why) {
    struct larder_pool *pool = calloc(1, sizeof(*pool));
    const char *wrong = "out of memory";
    struct near *near = handle_create_near(config, &wrong);
    /* so that what is wrong shows now */
    struct larder *first = handle_create(config, near, &wrong);

    if (pool != NULL && first != NULL && handles_max > 0) {
        init_locks(pool);
        pool->config = config_copy(config);
        pool->idle = calloc(handles_max, sizeof(struct larder *));
        pool->handles_max = handles_max;
        pool->near = near;
    }
    if (pool == NULL || pool->config == NULL || pool->idle == NULL) {
        if (why != NULL) {
            *why = wrong != NULL ? wrong : "a pool has at least one handle, and memory";
        }
        larder_destroy(first);
        near_destroy(near);
        if (pool != NULL) {
            larder_config_destroy(pool->config);
            free(pool->idle);
        }
        free(pool);
        return NULL;
    }
    pool->idle[pool->idle_count++] = first;
    pool->made = 1;
    return pool;
}

void larder_pool_destroy(struct larder_pool *pool) {
    if (pool == NULL) {
        return;
    }
    ASSERT(pool->idle_count == pool->made);
    for (unsigned i = 0; i < pool->idle_count; i++) {
        larder_destroy(pool->idle[i]);
    }
    (void)pthread_cond_destroy(&pool->returned);
    (void)pthread_mutex_destroy(&pool->mutex);
    larder_config_destroy(pool->config);
    near_destroy(pool->near);
    free(pool->idle);
    free(pool);
}

static struct timespec time_in(unsigned ms) {
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * (long)MS_NS;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

/* Waits until there is an idle handle or one may be made. */
static bool wait_for_room(struct larder_pool *pool, unsigned wait_ms) {
    struct timespec until = time_in(wait_ms);

    while (pool->idle_count == 0 && pool->made == pool->handles_max) {
        if (pthread_cond_timedwait(&pool->returned, &pool->mutex, &until) == ETIMEDOUT) {
            return pool->idle_count > 0 || pool->made < pool->handles_max;
        }
    }
    return true;
}

struct larder *larder_pool_take(struct larder_pool *pool, unsigned wait_ms) {
    struct larder *larder = NULL;
    bool make = false;

    (void)pthread_mutex_lock(&pool->mutex);
    if (wait_for_room(pool, wait_ms)) {
        make = pool->idle_count == 0;
        pool->made += make;
        larder = make ? NULL : pool->idle[--pool->idle_count];
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    if (!make) {
        return larder;
    }
    larder = handle_create(pool->config, pool->near, NULL);
    if (larder == NULL) {
        (void)pthread_mutex_lock(&pool->mutex);
        pool->made--;
        (void)pthread_cond_signal(&pool->returned);
        (void)pthread_mutex_unlock(&pool->mutex);
    }
    return larder;
}

void larder_pool_return(struct larder_pool *pool, struct larder *larder) {
    (void)pthread_mutex_lock(&pool->mutex);
    ASSERT(pool->idle_count < pool->made);
    pool->idle[pool->idle_count++] = larder;
    (void)pthread_cond_signal(&pool->returned);
    (void)pthread_mutex_unlock(&pool->mutex);
}
