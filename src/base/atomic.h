/* larder: the atomic accesses of the whole project, in one vocabulary
 *
 * Purpose: every shared word is read and written through these macros, so that
 *   - the memory order stands at each access and can be grepped for;
 *   - the schedule-test build (LARDER_SCHEDULE) can make every access a yield point and give every
 *     fiber a store buffer, in which stores linger as they do in hardware (tests/schedules).
 * Owner: none (no state).   Threads: any.   Memory: none.
 * Limits: objects of 1, 2, 4 and 8 bytes.   Errors: none.
 *
 * Orders: relaxed, acquire, release, seq_cst as in C11 (ISO/IEC 9899:2018, 7.17.3).
 * Read-modify-write operations here are always acquire-release at least. */
#ifndef LARDER_BASE_ATOMIC_H
#define LARDER_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef LARDER_SCHEDULE

/* The simulated machine of the schedule tests; see tests/schedules/machine.h. */
uint64_t schedule_load(const volatile void *object, unsigned bytes, int order);
void schedule_store(volatile void *object, uint64_t value, unsigned bytes, int order);
uint64_t schedule_exchange(volatile void *object, uint64_t value, unsigned bytes);
bool schedule_compare_exchange(volatile void *object, uint64_t *expected, uint64_t value,
                               unsigned bytes);
uint64_t schedule_fetch_add(volatile void *object, uint64_t value, unsigned bytes);
void schedule_fence(int order);
void schedule_pause(void);

/* `value` in the type of *p, without its qualifiers. */
#define ATOM_AS(p, value)                                                                          \
    _Generic(*(p),                                                                                 \
        bool: (bool)(value),                                                                       \
        uint8_t: (uint8_t)(value),                                                                 \
        uint16_t: (uint16_t)(value),                                                               \
        default: (__typeof__(*(p) + 0))(value))
#define atom_load_relaxed(p) ATOM_AS(p, schedule_load((p), sizeof(*(p)), 0))
#define atom_load_acquire(p) ATOM_AS(p, schedule_load((p), sizeof(*(p)), 1))
#define atom_load_seq_cst(p) ATOM_AS(p, schedule_load((p), sizeof(*(p)), 3))
#define atom_store_relaxed(p, v) schedule_store((p), (uint64_t)(v), sizeof(*(p)), 0)
#define atom_store_release(p, v) schedule_store((p), (uint64_t)(v), sizeof(*(p)), 2)
#define atom_store_seq_cst(p, v) schedule_store((p), (uint64_t)(v), sizeof(*(p)), 3)
#define atom_exchange(p, v)                                                                        \
    ({ ATOM_AS(p, schedule_exchange((p), (uint64_t)(v), sizeof(*(p)))); })
#define atom_compare_exchange(p, expected, v)                                                      \
    ({                                                                                             \
        uint64_t atom_seen_ = (uint64_t) * (expected);                                             \
        bool atom_done_ =                                                                          \
            schedule_compare_exchange((p), &atom_seen_, (uint64_t)(v), sizeof(*(p)));              \
        *(expected) = (__typeof__(*(expected)))atom_seen_;                                         \
        atom_done_;                                                                                \
    })
#define atom_fetch_add(p, v)                                                                       \
    ({ ATOM_AS(p, schedule_fetch_add((p), (uint64_t)(v), sizeof(*(p)))); })
#define atom_fetch_sub(p, v)                                                                       \
    ({ ATOM_AS(p, schedule_fetch_add((p), (uint64_t)0 - (uint64_t)(v), sizeof(*(p)))); })
#define atom_fence_acquire() schedule_fence(1)
#define atom_fence_release() schedule_fence(2)
#define atom_fence_seq_cst() schedule_fence(3)
#define cpu_pause() schedule_pause()

#else

#define atom_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define atom_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define atom_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define atom_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define atom_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define atom_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define atom_exchange(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define atom_compare_exchange(p, expected, v)                                                      \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel,            \
                                            memory_order_acquire)
#define atom_fetch_add(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define atom_fetch_sub(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)

/* gcc 12 does not model fences under ThreadSanitizer and warns; all data they order is atomic in
 * that build (see slab/slab_copy.h), so that nothing is reported wrongly. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wtsan"
#endif
#define atom_fence_acquire() atomic_thread_fence(memory_order_acquire)
#define atom_fence_release() atomic_thread_fence(memory_order_release)
#define atom_fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)

#if defined(__x86_64__) || defined(__i386__)
#define cpu_pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define cpu_pause() __asm__ volatile("isb" ::: "memory")
#else
#define cpu_pause() atomic_signal_fence(memory_order_seq_cst)
#endif

#endif

/* A counter that one thread raises and any thread reads: no locked instruction. */
#define atom_own_add(p, v) atom_store_relaxed((p), atom_load_relaxed(p) + (v))

#define CACHE_LINE_BYTES 64
#define CACHE_ALIGNED _Alignas(CACHE_LINE_BYTES)

#endif
