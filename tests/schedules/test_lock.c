/* larder: schedule tests of the partition's lock: it excludes, and what was written under it is
 * seen */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/store/lock.h"
#include "tests/schedules/machine.h"

enum { ROUNDS = 20000, TURNS = 3, FIBERS = 3 };

struct shared {
    struct lock lock;
    _Atomic uint64_t relaxed;
    uint64_t plain;
    unsigned inside, tries_failed;
};

static struct machine *the_machine;

static void hold_once(struct shared *shared) {
    if (shared->inside++ != 0)
        machine_fail("two fibers hold the lock");
    uint64_t before = atom_load_relaxed(&shared->relaxed);

    if (before != shared->plain)
        machine_fail("the last holder's store is not seen");
    machine_yield();
    shared->plain++;
    atom_store_relaxed(&shared->relaxed, before + 1);
    shared->inside--;
}

static void take_turns(void *context) {
    struct shared *shared = context;

    for (unsigned i = 0; i < TURNS; i++) {
        struct lock_hold hold;

        lock_acquire(&shared->lock, &hold);
        hold_once(shared);
        lock_release(&shared->lock, &hold);
    }
}

static void try_turns(void *context) {
    struct shared *shared = context;

    for (unsigned i = 0; i < TURNS; i++) {
        struct lock_hold hold;

        if (!lock_try(&shared->lock, &hold)) {
            shared->tries_failed++;
            continue;
        }
        hold_once(shared);
        lock_release(&shared->lock, &hold);
    }
}

static void run(enum machine_memory memory) {
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct machine_config config;
        struct shared shared = {.plain = 0};

        machine_config_draw(&config, seed, memory);
        config.steps_guess = 80;
        machine_begin(the_machine, &config);
        machine_add(the_machine, take_turns, &shared);
        machine_add(the_machine, take_turns, &shared);
        machine_add(the_machine, try_turns, &shared);
        machine_run(the_machine);
        assert_int_equal(shared.plain + shared.tries_failed, FIBERS * TURNS);
        assert_int_equal(shared.relaxed, shared.plain);
        assert_int_equal(shared.lock.tail, 0);
    }
}

static void the_lock_excludes_on_tso(void **state) {
    (void)state;
    run(MACHINE_TSO);
}

static void the_lock_excludes_on_weak_memory(void **state) {
    (void)state;
    run(MACHINE_WEAK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lock_excludes_on_tso),
        cmocka_unit_test(the_lock_excludes_on_weak_memory),
    };

    the_machine = machine_create();
    if (!the_machine)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    machine_destroy(the_machine);
    return failed;
}
