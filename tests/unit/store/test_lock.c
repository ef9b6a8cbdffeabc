/* larder: tests of the partition's lock */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "src/store/lock.h"

#define THREADS 4u
#define ROUNDS 20000u

struct shared {
    struct lock lock;
    uint64_t sum, inverse;    /* under the lock, both always agree */
    unsigned order[THREADS];  /* in which waiters came in */
    unsigned entered;
    _Atomic uint32_t waiting; /* who have announced themselves */
};

struct worker {
    struct shared *shared;
    pthread_t thread;
    unsigned number;
    unsigned wrong;
};

static void *add_up(void *argument) {
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct lock_hold hold;
        if (i % 7 != 0) {
            (void)lock_acquire(&shared->lock, &hold);
        } else if (!lock_try(&shared->lock, &hold)) {
            i--;
            sched_yield();
            continue;
        }
        worker->wrong += shared->sum != ~shared->inverse;
        shared->sum++;
        if (i % 1000 == 0) {
            sched_yield(); /* a holder that is off the processor */
        }
        shared->inverse--;
        lock_release(&shared->lock, &hold);
    }
    return NULL;
}

static void one_holds_it_at_a_time(void **state) {
    (void)state;
    struct shared shared = {.inverse = UINT64_MAX};
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.shared = &shared, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, add_up, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    assert_int_equal(shared.sum, THREADS * ROUNDS);
    assert_int_equal(atom_load_relaxed(&shared.lock.tail), 0);
}

static void *come_in(void *argument) {
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    struct lock_hold hold;
    bool waited = lock_acquire(&shared->lock, &hold);
    worker->wrong = !waited;
    shared->order[shared->entered++] = worker->number;
    lock_release(&shared->lock, &hold);
    return NULL;
}

/* Waits until the lock's queue has another last one. */
static void await_other_tail(struct shared *shared, uint64_t tail) {
    while (atom_load_acquire(&shared->lock.tail) == tail) {
        sched_yield();
    }
}

/* The last in the queue has stopped spinning: its state is no longer "waiting". */
static void await_parked(struct shared *shared) {
    const struct lock_hold *last =
        (const struct lock_hold *)(uintptr_t)atom_load_acquire(&shared->lock.tail);
    while (atom_load_acquire(&last->state) == 0) {
        sched_yield();
    }
}

/* They queue one after the other; if `parked`, all of them sleep before the lock is free. */
static void queue_up(bool parked) {
    struct shared shared = {0};
    struct worker workers[THREADS];
    struct lock_hold hold;
    assert_false(lock_acquire(&shared.lock, &hold));
    for (unsigned i = 0; i < THREADS; i++) {
        uint64_t tail = atom_load_acquire(&shared.lock.tail);
        workers[i] = (struct worker){.shared = &shared, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, come_in, &workers[i]), 0);
        await_other_tail(&shared, tail);
        if (parked) {
            await_parked(&shared);
        }
    }
    lock_release(&shared.lock, &hold);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
        assert_int_equal(shared.order[i], i);
    }
}

static void who_came_first_goes_first(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        queue_up(false);
    }
}

static void who_waited_long_sleeps_and_is_woken(void **state) {
    (void)state;
    queue_up(true);
}

static void trying_takes_a_free_lock_only(void **state) {
    (void)state;
    struct lock lock = {0};
    struct lock_hold hold;
    struct lock_hold other;
    assert_true(lock_try(&lock, &hold));
    assert_false(lock_try(&lock, &other));
    lock_release(&lock, &hold);
    assert_true(lock_try(&lock, &other));
    lock_release(&lock, &other);
    assert_false(lock_acquire(&lock, &hold));
    lock_release(&lock, &hold);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holds_it_at_a_time),
        cmocka_unit_test(who_came_first_goes_first),
        cmocka_unit_test(who_waited_long_sleeps_and_is_woken),
        cmocka_unit_test(trying_takes_a_free_lock_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
