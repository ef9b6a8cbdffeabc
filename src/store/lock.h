/* larder: the partition's lock - queued, spins a little, then sleeps
 *
 * Purpose: short holds by any core. Waiters queue and each watches its own line, so that the lock's
 *   line does not bounce; who waited about 20 us sleeps on a futex, because the holder may be off
 *   CPU.
 * Owner: the partition.   Threads: any; a holder's `lock_hold` must live until release.
 * Memory: 8 bytes a lock, 16 a hold.
 * Limits: a thread holds one partition's lock at a time.   Errors: none.
 * Source: J. Mellor-Crummey and M. Scott, "Algorithms for scalable synchronization on shared-memory
 *   multiprocessors", ACM TOCS 9(1), 1991; U. Drepper, "Futexes are tricky", 2011. */
#ifndef LARDER_STORE_LOCK_H
#define LARDER_STORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/atomic.h"

struct lock_hold {
    _Atomic uint64_t next;  /* the waiter behind us, an address */
    _Atomic uint32_t state; /* waiting, parked or granted */
};

struct lock {
    _Atomic uint64_t tail; /* address of the last in the queue, 0 = free */
};

/* Takes the lock. Returns true when it had to wait (for the counters). */
bool lock_acquire(struct lock *lock, struct lock_hold *hold);
/* Takes the lock if it is free. */
bool lock_try(struct lock *lock, struct lock_hold *hold);
void lock_release(struct lock *lock, struct lock_hold *hold);

#endif
