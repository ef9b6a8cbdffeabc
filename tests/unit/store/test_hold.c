/* larder: tests of how much is done in a hold of the partition's lock, and how long it takes
 *
 * The linker puts this file between the store and its lock (--wrap). How many items a hold moves is
 * what is tested. Its time is printed, and tested only with LARDER_TEST_TIMES=1, as it tells of
 * the machine too: each hold is measured in processor time of the thread, the same seeded workload
 * runs several times, so that its n-th hold does the same each time, and it counts by its fastest
 * run, which leaves out interrupts and what others do to the caches. */
#include "tests/unit/store/fixture.h"

#include <stdlib.h>
#include <time.h>

#define RUNS_MIN 3u
#define RUNS_MAX 10u
#define HOLDS_MAX 2000000u
#define HOLD_NS_MAX 5000u
#define ITEMS_A_HOLD_MAX 8u

enum {
    OPERATIONS = 120000,
};

/* What is measured; one thread only. */
struct meter {
    uint32_t *fastest_ns; /* by hold */
    uint8_t *items;       /* that left or moved in it */
    uint32_t count;
    uint32_t run;
    uint64_t began_ns;
    uint64_t clock_ns; /* that reading the clock takes */
    uint32_t items_now;
};

static struct meter meter;

static bool time_is_tested(void) {
    return getenv("LARDER_TEST_TIMES") != NULL;
}

bool __real_lock_acquire(struct lock *lock, struct lock_hold *hold);
bool __real_lock_try(struct lock *lock, struct lock_hold *hold);
void __real_lock_release(struct lock *lock, struct lock_hold *hold);
uint64_t __real_index_remove(struct store *store, struct partition *p,
                             const struct cursor *cursor);
void __real_index_relocate(const struct cursor *cursor, uint64_t location, uint64_t clear_bits);
bool __wrap_lock_acquire(struct lock *lock, struct lock_hold *hold);
bool __wrap_lock_try(struct lock *lock, struct lock_hold *hold);
void __wrap_lock_release(struct lock *lock, struct lock_hold *hold);
uint64_t __wrap_index_remove(struct store *store, struct partition *p,
                             const struct cursor *cursor);
void __wrap_index_relocate(const struct cursor *cursor, uint64_t location, uint64_t clear_bits);

static uint64_t thread_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void hold_begin(void) {
    meter.items_now = 0;
    meter.began_ns = thread_ns();
}

static void hold_end(void) {
    uint64_t ns = thread_ns() - meter.began_ns;
    ns = ns > meter.clock_ns ? ns - meter.clock_ns : 0;
    if (meter.count < HOLDS_MAX) {
        uint32_t *fastest = &meter.fastest_ns[meter.count];
        uint32_t taken = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
        *fastest = meter.run == 0 || taken < *fastest ? taken : *fastest;
        meter.items[meter.count] = (uint8_t)(meter.items_now > 255 ? 255 : meter.items_now);
        meter.count++;
    }
}

bool __wrap_lock_acquire(struct lock *lock, struct lock_hold *hold) {
    bool waited = __real_lock_acquire(lock, hold);
    hold_begin();
    return waited;
}

bool __wrap_lock_try(struct lock *lock, struct lock_hold *hold) {
    bool taken = __real_lock_try(lock, hold);
    if (taken) {
        hold_begin();
    }
    return taken;
}

void __wrap_lock_release(struct lock *lock, struct lock_hold *hold) {
    hold_end();
    __real_lock_release(lock, hold);
}

uint64_t __wrap_index_remove(struct store *store, struct partition *p,
                             const struct cursor *cursor) {
    meter.items_now++;
    return __real_index_remove(store, p, cursor);
}

void __wrap_index_relocate(const struct cursor *cursor, uint64_t location, uint64_t clear_bits) {
    meter.items_now++;
    __real_index_relocate(cursor, location, clear_bits);
}

static void set_some(struct fixture *f, const char *key, uint64_t r) {
    struct store_write write = write_of(f, key);
    uint64_t bytes = (r >> 30) % 400;
    bytes = (r >> 50) % 16 == 0 ? (r >> 30) % 4000 : bytes;
    bytes = (r >> 50) % 512 == 1 ? (r >> 30) % (100 * KIB) : bytes;
    write.mode = (enum store_mode)((r >> 41) % 32 < 5 ? (r >> 41) % 32 : 0);
    write.client_flags = (uint32_t)(r >> 46 & 1);
    write.expiry = (r >> 47 & 3) == 0 ? f->now + 1 + (uint32_t)(r >> 20) % 40 : 0;
    (void)put_as(f, &write, f->pattern, bytes);
}

static void operate(struct fixture *f, uint64_t r) {
    char key[64];
    struct store_key store_key;
    uint64_t value;
    (void)snprintf(key, sizeof(key), "key-%u", (unsigned)(r % 60000));
    store_key = key_of(f, key);
    switch (r >> 56 & 15) {
    case 0:
        (void)store_delete(f->core, &store_key);
        break;
    case 1:
        (void)touch(f, key, (r >> 20 & 1) != 0 ? f->now + 30 : 0);
        break;
    case 2:
        (void)put_text(f, key, "99");
        (void)store_arith(f->core, &store_key, false, r >> 60, &value);
        break;
    case 3:
    case 4:
    case 5:
        (void)get(f, key);
        break;
    default:
        set_some(f, key, r);
        break;
    }
}

static void run_workload(struct fixture *f, uint64_t seed) {
    uint64_t random = seed;
    (void)pattern(f, 200 * KIB, 0);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        operate(f, random_next(&random));
        if (i % 64 == 0) {
            (void)store_housekeeping(f->store);
            (void)store_upkeep(f->core, 1000000000u);
            fixture_pass(f, i % 2048 == 0);
        }
        if (i % 50000 == 49999) {
            store_flush(f->core, 0);
        }
    }
}

static int by_value(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static void calibrate(void) {
    uint32_t taken[1001];
    for (unsigned i = 0; i < 1001; i++) {
        uint64_t before = thread_ns();
        taken[i] = (uint32_t)(thread_ns() - before);
    }
    qsort(taken, 1001, sizeof(taken[0]), by_value);
    meter.clock_ns = taken[500];
}

/* Holds longer than they may be, and how many may. */
static bool is_fast(void) {
    uint32_t slow = 0;
    for (uint32_t i = 0; i < meter.count; i++) {
        slow += meter.fastest_ns[i] > HOLD_NS_MAX;
    }
    return slow <= meter.count / 10000;
}

static void measure(struct store_config *config) {
    uint32_t runs = time_is_tested() ? RUNS_MAX : 1;
    for (meter.run = 0; meter.run < runs; meter.run++) {
        if (meter.run >= RUNS_MIN && is_fast()) {
            return;
        }
        uint32_t holds = meter.count;
        struct fixture f;
        meter.count = 0;
        fixture_open(&f, config);
        run_workload(&f, 20240229);
        fixture_close(&f);
        /* Else the n-th hold would not be the same. */
        assert_true(meter.run == 0 || meter.count == holds);
        assert_in_range(meter.count, OPERATIONS / 2, HOLDS_MAX - 1);
    }
}

static void check_holds(const char *name) {
    unsigned most = 0;
    for (uint32_t i = 0; i < meter.count; i++) {
        most = meter.items[i] > most ? meter.items[i] : most;
    }
    qsort(meter.fastest_ns, meter.count, sizeof(meter.fastest_ns[0]), by_value);
    uint32_t high = meter.fastest_ns[meter.count - 1 - meter.count / 10000];
    print_message("# %s: %u holds, %u ns in the middle, %u at 99.9 %%, %u at 99.99 %%, "
                  "%u at most; %u items\n",
                  name, meter.count, meter.fastest_ns[meter.count / 2],
                  meter.fastest_ns[meter.count - 1 - meter.count / 1000], high,
                  meter.fastest_ns[meter.count - 1], most);
    assert_true(most <= ITEMS_A_HOLD_MAX);
    assert_true(!time_is_tested() || is_fast());
}

static int meter_open(void **state) {
    (void)state;
    meter.fastest_ns = calloc(HOLDS_MAX, sizeof(*meter.fastest_ns));
    meter.items = calloc(HOLDS_MAX, sizeof(*meter.items));
    calibrate();
    return meter.fastest_ns == NULL || meter.items == NULL;
}

static int meter_close(void **state) {
    (void)state;
    free(meter.fastest_ns);
    free(meter.items);
    return 0;
}

static void a_hold_is_short_while_items_are_evicted(void **state) {
    (void)state;
    struct store_config config = fixture_config();
    config.memory_bytes = 8 * MIB;
    measure(&config);
    check_holds("evicting");
}

static void a_hold_is_short_while_the_index_grows_and_shrinks(void **state) {
    (void)state;
    struct store_config config = fixture_config();
    config.memory_bytes = 160 * MIB;
    measure(&config);
    check_holds("growing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hold_is_short_while_items_are_evicted, meter_open,
                                        meter_close),
        cmocka_unit_test_setup_teardown(a_hold_is_short_while_the_index_grows_and_shrinks,
                                        meter_open, meter_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
