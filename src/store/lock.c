/* larder: the partition's lock - queued, spins a little, then sleeps
 *
 * Edges: acquire's exchange of `tail` synchronises with the previous release's compare-exchange; a
 * granted waiter's acquire load of `state` with the releaser's exchange of it. */
#include "src/store/lock.h"

#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HOLD_WAITING, HOLD_PARKED, HOLD_GRANTED };

/* About 20 us of pauses; a pause takes 10 to 45 ns. */
#define SPINS_MAX 700u

static void give_way(void) {
#ifdef LARDER_SCHEDULE
    cpu_pause();
#else
    sched_yield();
#endif
}

static void park(struct lock_hold *hold) {
#ifdef LARDER_SCHEDULE
    while (atom_load_acquire(&hold->state) != HOLD_GRANTED) {
        cpu_pause();
    }
#else
    uint32_t waiting = HOLD_WAITING;
    (void)atom_compare_exchange(&hold->state, &waiting, (uint32_t)HOLD_PARKED);
    while (atom_load_acquire(&hold->state) != HOLD_GRANTED) {
        (void)syscall(SYS_futex, &hold->state, FUTEX_WAIT_PRIVATE, HOLD_PARKED, NULL, NULL, 0);
    }
#endif
}

static void unpark(struct lock_hold *hold) {
#ifndef LARDER_SCHEDULE
    (void)syscall(SYS_futex, &hold->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
#else
    (void)hold;
#endif
}

static void await_grant(struct lock_hold *hold) {
    for (unsigned i = 0; i < SPINS_MAX; i++) {
        if (atom_load_acquire(&hold->state) == HOLD_GRANTED) {
            return;
        }
        cpu_pause();
    }
    park(hold);
}

bool lock_acquire(struct lock *lock, struct lock_hold *hold) {
    if (lock_try(lock, hold)) {
        return false;
    }
    atom_store_relaxed(&hold->next, 0u);
    atom_store_relaxed(&hold->state, (uint32_t)HOLD_WAITING);
    uint64_t before = atom_exchange(&lock->tail, (uint64_t)(uintptr_t)hold);
    if (before == 0) {
        return false;
    }
    struct lock_hold *ahead = (struct lock_hold *)(uintptr_t)before;
    atom_store_release(&ahead->next, (uint64_t)(uintptr_t)hold);
    await_grant(hold);
    return true;
}

bool lock_try(struct lock *lock, struct lock_hold *hold) {
    if (atom_load_relaxed(&lock->tail) != 0) {
        return false;
    }
    uint64_t none = 0;
    atom_store_relaxed(&hold->next, 0u);
    return atom_compare_exchange(&lock->tail, &none, (uint64_t)(uintptr_t)hold);
}

/* Somebody is between taking the tail and telling us; it may be off its processor, or want ours. */
static uint64_t await_behind(struct lock_hold *hold) {
    uint64_t behind = 0;
    for (unsigned i = 0; behind == 0; i++) {
        if (i < SPINS_MAX) {
            cpu_pause();
        } else {
            give_way();
        }
        behind = atom_load_acquire(&hold->next);
    }
    return behind;
}

void lock_release(struct lock *lock, struct lock_hold *hold) {
    uint64_t behind = atom_load_acquire(&hold->next);
    if (behind == 0) {
        uint64_t last = (uint64_t)(uintptr_t)hold;
        if (atom_compare_exchange(&lock->tail, &last, 0u)) {
            return;
        }
        behind = await_behind(hold);
    }
    struct lock_hold *waiter = (struct lock_hold *)(uintptr_t)behind;
    if (atom_exchange(&waiter->state, (uint32_t)HOLD_GRANTED) == HOLD_PARKED) {
        unpark(waiter);
    }
}
