/* larder: tests of the simulated machine on litmus tests and toy protocols: it shows what it
 * should and nothing that is forbidden */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/base/atomic.h"
#include "tests/schedules/machine.h"

enum { ROUNDS = 20000 };

static struct machine *the_machine;

/* What the bodies share; set to 0 before each run. */
struct toy {
    CACHE_ALIGNED uint64_t x;
    CACHE_ALIGNED uint64_t y;
    CACHE_ALIGNED uint32_t version;
    CACHE_ALIGNED uint32_t count;
    CACHE_ALIGNED uint64_t data[4];
    uint64_t plain;
    uint64_t r[4];
    bool seen; /* the outcome that is being looked for */
    unsigned variant;
};

typedef void (*toy_body)(void *toy);

struct toy_case {
    toy_body bodies[3];
    bool (*outcome)(const struct toy *toy); /* NULL: the bodies set toy->seen */
    unsigned variant;
};

static uint64_t toy_run(const struct toy_case *test, uint64_t seed, enum machine_memory memory,
                        struct toy *toy) {
    struct machine_config config;

    machine_config_draw(&config, seed, memory);
    config.steps_guess = 16;
    *toy = (struct toy){.variant = test->variant};
    machine_begin(the_machine, &config);
    for (unsigned i = 0; i < 3 && test->bodies[i]; i++)
        machine_add(the_machine, test->bodies[i], toy);
    return machine_run(the_machine);
}

/* How many of ROUNDS runs show the outcome. */
static unsigned toy_count(const struct toy_case *test, enum machine_memory memory) {
    unsigned found = 0;
    struct toy toy;

    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        toy_run(test, seed, memory, &toy);
        found += test->outcome ? test->outcome(&toy) : toy.seen;
    }
    return found;
}

#define SHOWS(test, memory) assert_true(toy_count((test), (memory)) > 0)
#define NEVER_SHOWS(test, memory) assert_int_equal(toy_count((test), (memory)), 0)

/* -- store buffering --------------------------------------------------------------------------- */

enum { PLAIN, RELEASE_ACQUIRE, FENCED, SEQUENTIAL, ONE_FENCE };

static void buffering_one(uint64_t *mine, uint64_t *other, uint64_t *result, unsigned variant) {
    if (variant == SEQUENTIAL) {
        atom_store_seq_cst(mine, 1);
        *result = atom_load_seq_cst(other);
        return;
    }
    if (variant == RELEASE_ACQUIRE)
        atom_store_release(mine, 1);
    else
        atom_store_relaxed(mine, 1);
    if (variant == FENCED || (variant == ONE_FENCE && result[0] == 7))
        atom_fence_seq_cst();
    *result = variant == RELEASE_ACQUIRE ? atom_load_acquire(other) : atom_load_relaxed(other);
}

static void buffering_left(void *context) {
    struct toy *toy = context;

    toy->r[0] = 7;
    buffering_one(&toy->x, &toy->y, &toy->r[0], toy->variant);
}

static void buffering_right(void *context) {
    struct toy *toy = context;

    buffering_one(&toy->y, &toy->x, &toy->r[1], toy->variant);
}

static bool both_zero(const struct toy *toy) {
    return toy->r[0] == 0 && toy->r[1] == 0;
}

static struct toy_case buffering(unsigned variant) {
    return (struct toy_case){{buffering_left, buffering_right}, both_zero, variant};
}

static void store_buffering_is_shown_without_a_fence(void **state) {
    struct toy_case plain = buffering(PLAIN), ordered = buffering(RELEASE_ACQUIRE);
    struct toy_case one_fence = buffering(ONE_FENCE);

    (void)state;
    NEVER_SHOWS(&plain, MACHINE_SC);
    SHOWS(&plain, MACHINE_TSO);
    SHOWS(&plain, MACHINE_WEAK);
    SHOWS(&ordered, MACHINE_TSO);
    SHOWS(&ordered, MACHINE_WEAK);
    SHOWS(&one_fence, MACHINE_TSO);
}

static void store_buffering_is_never_shown_with_fences(void **state) {
    struct toy_case fenced = buffering(FENCED), sequential = buffering(SEQUENTIAL);

    (void)state;
    NEVER_SHOWS(&fenced, MACHINE_TSO);
    NEVER_SHOWS(&fenced, MACHINE_WEAK);
    NEVER_SHOWS(&sequential, MACHINE_TSO);
    NEVER_SHOWS(&sequential, MACHINE_WEAK);
}

/* -- message passing --------------------------------------------------------------------------- */

enum { ORDERED, NO_RELEASE, NO_ACQUIRE, FENCES, NO_RELEASE_FENCE, NO_ACQUIRE_FENCE };

static void message_send(void *context) {
    struct toy *toy = context;
    bool fence = toy->variant == FENCES || toy->variant == NO_ACQUIRE_FENCE;

    atom_store_relaxed(&toy->x, 1);
    if (fence)
        atom_fence_release();
    if (toy->variant == ORDERED || toy->variant == NO_ACQUIRE)
        atom_store_release(&toy->y, 1);
    else
        atom_store_relaxed(&toy->y, 1);
}

static void message_take(void *context) {
    struct toy *toy = context;
    bool acquire = toy->variant == ORDERED || toy->variant == NO_RELEASE;

    toy->r[0] = acquire ? atom_load_acquire(&toy->y) : atom_load_relaxed(&toy->y);
    if (toy->variant == FENCES || toy->variant == NO_RELEASE_FENCE)
        atom_fence_acquire();
    toy->r[1] = atom_load_relaxed(&toy->x);
}

static bool message_lost(const struct toy *toy) {
    return toy->r[0] == 1 && toy->r[1] == 0;
}

static struct toy_case message(unsigned variant) {
    return (struct toy_case){{message_send, message_take}, message_lost, variant};
}

static void a_message_is_lost_without_release_or_acquire(void **state) {
    static const unsigned broken[] = {NO_RELEASE, NO_ACQUIRE, NO_RELEASE_FENCE, NO_ACQUIRE_FENCE};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct toy_case test = message(broken[i]);

        SHOWS(&test, MACHINE_WEAK);
        NEVER_SHOWS(&test, MACHINE_TSO);
    }
}

static void a_message_arrives_with_release_and_acquire(void **state) {
    struct toy_case ordered = message(ORDERED), fences = message(FENCES);

    (void)state;
    NEVER_SHOWS(&ordered, MACHINE_WEAK);
    NEVER_SHOWS(&fences, MACHINE_WEAK);
}

/* -- coherence --------------------------------------------------------------------------------- */

static void coherence_write(void *context) {
    struct toy *toy = context;

    for (uint64_t i = 1; i <= 3; i++)
        atom_store_relaxed(&toy->x, i);
}

static void coherence_read(void *context) {
    struct toy *toy = context;
    uint64_t last = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t value = atom_load_relaxed(&toy->x);

        if (value < last)
            toy->seen = true;
        last = value;
    }
}

static void a_word_never_goes_back(void **state) {
    struct toy_case test = {{coherence_write, coherence_read, coherence_read}, NULL, 0};

    (void)state;
    NEVER_SHOWS(&test, MACHINE_TSO);
    NEVER_SHOWS(&test, MACHINE_WEAK);
}

static void narrow_write(void *context) {
    struct toy *toy = context;
    uint8_t *bytes = (uint8_t *)&toy->x;

    atom_store_relaxed(&bytes[0], 1);
    atom_store_relaxed(&bytes[1], 2);
    atom_store_relaxed((uint16_t *)(void *)&bytes[2], 0x0403);
    if (atom_load_relaxed((uint32_t *)(void *)bytes) != 0x04030201)
        toy->seen = true;
    if (atom_load_relaxed(&bytes[1]) != 2)
        toy->seen = true;
}

static bool narrow_is_wrong(const struct toy *toy) {
    return toy->seen || toy->x != 0x04030201;
}

static void a_fiber_sees_its_own_narrow_stores_in_wider_loads(void **state) {
    struct toy_case test = {{narrow_write, coherence_read}, narrow_is_wrong, 0};

    (void)state;
    NEVER_SHOWS(&test, MACHINE_TSO);
    NEVER_SHOWS(&test, MACHINE_WEAK);
}

/* -- locks ------------------------------------------------------------------------------------- */

static void counter_raise(void *context) {
    struct toy *toy = context;

    for (unsigned i = 0; i < 2; i++) {
        while (atom_exchange(&toy->count, 1) != 0)
            cpu_pause();
        atom_store_relaxed(&toy->x, atom_load_relaxed(&toy->x) + 1);
        if (toy->variant == NO_RELEASE)
            atom_store_relaxed(&toy->count, 0);
        else
            atom_store_release(&toy->count, 0);
    }
}

static bool counter_is_short(const struct toy *toy) {
    return toy->x != 6;
}

static void a_spin_lock_excludes_and_its_release_matters(void **state) {
    struct toy_case good = {
        {counter_raise, counter_raise, counter_raise}, counter_is_short, ORDERED};
    struct toy_case bad = good;

    (void)state;
    bad.variant = NO_RELEASE;
    NEVER_SHOWS(&good, MACHINE_SC);
    NEVER_SHOWS(&good, MACHINE_TSO);
    NEVER_SHOWS(&good, MACHINE_WEAK);
    NEVER_SHOWS(&bad, MACHINE_TSO);
    SHOWS(&bad, MACHINE_WEAK);
}

static void dekker_enter(struct toy *toy, uint64_t *mine, uint64_t *other) {
    atom_store_relaxed(mine, 1);
    if (toy->variant == FENCED)
        atom_fence_seq_cst();
    if (atom_load_relaxed(other) != 0)
        return;
    if (toy->plain)
        toy->seen = true;
    toy->plain = 1;
    machine_yield();
    toy->plain = 0;
    atom_store_release(mine, 0);
}

static void dekker_left(void *context) {
    struct toy *toy = context;

    dekker_enter(toy, &toy->x, &toy->y);
}

static void dekker_right(void *context) {
    struct toy *toy = context;

    dekker_enter(toy, &toy->y, &toy->x);
}

static void dekkers_flags_need_the_fence(void **state) {
    struct toy_case good = {{dekker_left, dekker_right}, NULL, FENCED};
    struct toy_case bad = {{dekker_left, dekker_right}, NULL, PLAIN};

    (void)state;
    SHOWS(&bad, MACHINE_TSO);
    SHOWS(&bad, MACHINE_WEAK);
    NEVER_SHOWS(&bad, MACHINE_SC);
    NEVER_SHOWS(&good, MACHINE_TSO);
    NEVER_SHOWS(&good, MACHINE_WEAK);
}

/* -- seqlock ----------------------------------------------------------------------------------- */

enum { SEQLOCK_RIGHT, SEQLOCK_UNCHECKED, SEQLOCK_NO_READ_FENCE, SEQLOCK_NO_WRITE_FENCE };

static void seqlock_write(void *context) {
    struct toy *toy = context;

    for (uint64_t i = 1; i <= 2; i++) {
        atom_store_relaxed(&toy->version, atom_load_relaxed(&toy->version) + 1);
        if (toy->variant != SEQLOCK_NO_WRITE_FENCE)
            atom_fence_release();
        for (unsigned word = 0; word < 3; word++)
            atom_store_relaxed(&toy->data[word], i);
        atom_store_release(&toy->version, atom_load_relaxed(&toy->version) + 1);
    }
}

static void seqlock_read(void *context) {
    struct toy *toy = context;
    uint32_t version = atom_load_acquire(&toy->version);
    uint64_t copy[3];

    if (version & 1)
        return;
    for (unsigned word = 0; word < 3; word++)
        copy[word] = atom_load_relaxed(&toy->data[word]);
    if (toy->variant != SEQLOCK_NO_READ_FENCE)
        atom_fence_acquire();
    if (toy->variant != SEQLOCK_UNCHECKED && atom_load_relaxed(&toy->version) != version)
        return;
    if (copy[0] != copy[1] || copy[1] != copy[2])
        toy->seen = true;
}

static struct toy_case seqlock(unsigned variant) {
    return (struct toy_case){{seqlock_write, seqlock_read, seqlock_read}, NULL, variant};
}

static void a_seqlock_without_its_check_tears(void **state) {
    struct toy_case test = seqlock(SEQLOCK_UNCHECKED);

    (void)state;
    SHOWS(&test, MACHINE_SC);
    SHOWS(&test, MACHINE_TSO);
    SHOWS(&test, MACHINE_WEAK);
}

static void a_seqlock_without_one_of_its_fences_tears_on_weak_memory(void **state) {
    struct toy_case read = seqlock(SEQLOCK_NO_READ_FENCE), write = seqlock(SEQLOCK_NO_WRITE_FENCE);

    (void)state;
    SHOWS(&read, MACHINE_WEAK);
    SHOWS(&write, MACHINE_WEAK);
    NEVER_SHOWS(&read, MACHINE_TSO);
    NEVER_SHOWS(&write, MACHINE_TSO);
}

static void a_whole_seqlock_never_tears(void **state) {
    struct toy_case test = seqlock(SEQLOCK_RIGHT);

    (void)state;
    NEVER_SHOWS(&test, MACHINE_SC);
    NEVER_SHOWS(&test, MACHINE_TSO);
    NEVER_SHOWS(&test, MACHINE_WEAK);
}

/* -- lending (design section 2): increment, then check; unlink, fence, then count -------------- */

enum { LEND_RIGHT, LEND_NO_FENCE, LEND_UNCHECKED, LEND_ACQUIRE_CHECK };

static void lend_borrow(void *context) {
    struct toy *toy = context;
    uint32_t version = atom_load_acquire(&toy->version), again;

    if (version != 0)
        return; /* unlinked */
    atom_fetch_add(&toy->count, 1);
    if (toy->variant == LEND_ACQUIRE_CHECK)
        again = atom_load_acquire(&toy->version);
    else
        again = atom_load_seq_cst(&toy->version);
    if (again == version || toy->variant == LEND_UNCHECKED) {
        for (unsigned i = 0; i < 2; i++)
            if (atom_load_relaxed(&toy->data[i]) != 0)
                toy->seen = true;
    }
    atom_fetch_sub(&toy->count, 1);
}

static void lend_unlink(void *context) {
    struct toy *toy = context;

    atom_store_relaxed(&toy->version, 1);
    atom_fence_release();
    atom_store_release(&toy->version, 2);
    if (toy->variant != LEND_NO_FENCE)
        atom_fence_seq_cst();
    if (atom_load_acquire(&toy->count) != 0)
        return; /* limbo */
    for (unsigned i = 0; i < 2; i++)
        atom_store_relaxed(&toy->data[i], 1);
}

static struct toy_case lend(unsigned variant) {
    return (struct toy_case){{lend_borrow, lend_unlink, lend_borrow}, NULL, variant};
}

static void lending_without_the_fence_frees_a_lent_chunk(void **state) {
    struct toy_case test = lend(LEND_NO_FENCE);

    (void)state;
    NEVER_SHOWS(&test, MACHINE_SC);
    SHOWS(&test, MACHINE_TSO);
    SHOWS(&test, MACHINE_WEAK);
}

static void lending_without_the_check_after_it_reads_what_was_freed(void **state) {
    struct toy_case test = lend(LEND_UNCHECKED);

    (void)state;
    SHOWS(&test, MACHINE_SC);
    SHOWS(&test, MACHINE_TSO);
}

/* On x86 the increment is a full fence; C11 lets an acquire load pass in front of its store. */
static void lending_with_an_acquire_check_is_wrong_on_weak_memory_only(void **state) {
    struct toy_case test = lend(LEND_ACQUIRE_CHECK);

    (void)state;
    NEVER_SHOWS(&test, MACHINE_TSO);
    SHOWS(&test, MACHINE_WEAK);
}

static void whole_lending_never_frees_a_lent_chunk(void **state) {
    struct toy_case test = lend(LEND_RIGHT);

    (void)state;
    NEVER_SHOWS(&test, MACHINE_SC);
    NEVER_SHOWS(&test, MACHINE_TSO);
    NEVER_SHOWS(&test, MACHINE_WEAK);
}

/* -- the machine itself ------------------------------------------------------------------------ */

static void a_run_is_a_function_of_its_seed(void **state) {
    struct toy_case test = lend(LEND_NO_FENCE);
    struct toy first, second;

    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        uint64_t steps = toy_run(&test, seed, MACHINE_WEAK, &first);

        assert_int_equal(toy_run(&test, seed, MACHINE_WEAK, &second), steps);
        assert_int_equal(first.seen, second.seen);
    }
}

static void turns_take(void *context) {
    struct toy *toy = context;

    while (atom_load_relaxed(&toy->x) < 3)
        cpu_pause();
}

static void turns_give(void *context) {
    struct toy *toy = context;

    for (unsigned i = 0; i < 3; i++)
        atom_store_relaxed(&toy->x, atom_load_relaxed(&toy->x) + 1);
}

static bool turns_missing(const struct toy *toy) {
    return toy->x != 3;
}

static void a_waiting_fiber_lets_the_others_run(void **state) {
    struct toy_case test = {{turns_take, turns_give, turns_take}, turns_missing, 0};

    (void)state;
    NEVER_SHOWS(&test, MACHINE_SC);
    NEVER_SHOWS(&test, MACHINE_TSO);
    NEVER_SHOWS(&test, MACHINE_WEAK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_buffering_is_shown_without_a_fence),
        cmocka_unit_test(store_buffering_is_never_shown_with_fences),
        cmocka_unit_test(a_message_is_lost_without_release_or_acquire),
        cmocka_unit_test(a_message_arrives_with_release_and_acquire),
        cmocka_unit_test(a_word_never_goes_back),
        cmocka_unit_test(a_fiber_sees_its_own_narrow_stores_in_wider_loads),
        cmocka_unit_test(a_spin_lock_excludes_and_its_release_matters),
        cmocka_unit_test(dekkers_flags_need_the_fence),
        cmocka_unit_test(a_seqlock_without_its_check_tears),
        cmocka_unit_test(a_seqlock_without_one_of_its_fences_tears_on_weak_memory),
        cmocka_unit_test(a_whole_seqlock_never_tears),
        cmocka_unit_test(lending_without_the_fence_frees_a_lent_chunk),
        cmocka_unit_test(lending_without_the_check_after_it_reads_what_was_freed),
        cmocka_unit_test(lending_with_an_acquire_check_is_wrong_on_weak_memory_only),
        cmocka_unit_test(whole_lending_never_frees_a_lent_chunk),
        cmocka_unit_test(a_run_is_a_function_of_its_seed),
        cmocka_unit_test(a_waiting_fiber_lets_the_others_run),
    };

    the_machine = machine_create();
    if (!the_machine)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    machine_destroy(the_machine);
    return failed;
}
