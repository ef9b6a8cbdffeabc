/* larder: tests that memory follows the sizes - from any distribution to any other
 *
 * Two stores get the same writes, which nobody reads: one that was full of other sizes, one that is
 * fresh. No write is refused, each evicts a bounded number of items, and after the new sizes were
 * written about twice as often as the store holds them they have most of what they have in the
 * fresh store. */
#include "tests/unit/store/fixture.h"

#include <math.h>

#define STORE_BYTES (8 * MIB)
#define VALUE_BYTES_MAX (100 * KIB)
/* For each page that a write needs: 64 by the order, then a page by force, of 512 items. */
#define EVICTED_A_PAGE_MAX (64u + 512u)
#define PAGE_BYTES 16384u
/* Tables of many tiny items keep a part: those of ghosts and overflow are never given back. */
#define KEPT_PERCENT_MIN 72u
/* Room for a large value is made chunk by chunk, often by evicting another large one. */
#define KEPT_PERCENT_MIN_LARGE 30u

enum sizes { SIZE_10, SIZE_1000, SIZE_4000, SIZE_100K, SIZE_LOG_NORMAL, SIZE_KINDS };

static const char *const NAMES[] = {"10 B", "1000 B", "4000 B", "100 KiB", "log-normal"};

static uint64_t draw(enum sizes sizes, uint64_t *random) {
    static const uint64_t FIXED[] = {10, 1000, 4000, VALUE_BYTES_MAX};
    if (sizes != SIZE_LOG_NORMAL) {
        return FIXED[sizes];
    }
    /* Box and Muller's transform: median 230, sigma 1.2. */
    double first = (double)(random_next(random) >> 11) * 0x1p-53;
    double second = (double)(random_next(random) >> 11) * 0x1p-53;
    double normal = sqrt(-2.0 * log(1.0 - first)) * cos(6.283185307179586 * second);
    double bytes = 230.0 * exp(1.2 * normal);
    return bytes < 10.0 ? 10 : bytes > (double)VALUE_BYTES_MAX ? VALUE_BYTES_MAX : (uint64_t)bytes;
}

/* Writes values of the distribution, `bytes` of them in sum. Returns the most that one evicted. */
static uint64_t write_sizes(struct fixture *f, enum sizes sizes, uint64_t bytes, unsigned round) {
    uint64_t random = 7 + round;
    uint64_t most = 0;
    uint64_t evicted = totals_of(f).evictions;
    unsigned number = 0;
    for (uint64_t written = 0; written < bytes;) {
        char key[64];
        (void)snprintf(key, sizeof(key), "%u-%u", round, number++);
        uint64_t value_bytes = draw(sizes, &random);
        assert_int_equal(put(f, key, f->pattern, value_bytes), STORE_OK);
        written += value_bytes + 60;
        uint64_t now = totals_of(f).evictions;
        most = now - evicted > most ? now - evicted : most;
        evicted = now;
        if (number % 64 == 0) {
            (void)store_upkeep(f->core, UINT64_MAX / 2);
            fixture_pass(f, 0);
        }
    }
    return most;
}

/* Bytes of live items of a round: what is left of older ones does not count. */
static uint64_t bytes_of_round(struct fixture *f, enum sizes sizes, unsigned round) {
    uint64_t random = 7 + round;
    uint64_t bytes = 0;
    unsigned missing = 0;
    uint64_t held = totals_of(f).items;
    for (unsigned number = 0; missing < held * 100 + 100000; number++) {
        char key[64];
        (void)snprintf(key, sizeof(key), "%u-%u", round, number);
        uint64_t value_bytes = draw(sizes, &random);
        bool there = has(f, key);
        bytes += there ? value_bytes + 60 : 0;
        missing = there ? 0 : missing + 1;
        if (number > STORE_BYTES * 3 / 60) {
            break;
        }
    }
    return bytes;
}

static uint64_t fresh_bytes(enum sizes sizes, unsigned round) {
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = STORE_BYTES;
    fixture_open(&f, &config);
    (void)write_sizes(&f, sizes, STORE_BYTES * 3, round);
    uint64_t bytes = bytes_of_round(&f, sizes, round);
    fixture_close(&f);
    return bytes;
}

static unsigned percent_min(enum sizes from, enum sizes to) {
    return from == SIZE_10 && to == SIZE_100K ? KEPT_PERCENT_MIN_LARGE : KEPT_PERCENT_MIN;
}

static void shift(enum sizes from, enum sizes to, uint64_t fresh) {
    struct fixture f;
    struct store_config config = fixture_config();
    config.memory_bytes = STORE_BYTES;
    fixture_open(&f, &config);
    (void)write_sizes(&f, from, STORE_BYTES * 3 / 2, 0);
    uint64_t most = write_sizes(&f, to, STORE_BYTES * 3, 1);
    uint64_t bytes = bytes_of_round(&f, to, 1);
    print_message("%s to %s: %lu %% of a fresh store's, at most %lu evictions a write\n",
                  NAMES[from], NAMES[to], bytes * 100 / fresh, most);
    assert_true(bytes * 100 >= fresh * percent_min(from, to));
    uint64_t pages = VALUE_BYTES_MAX / PAGE_BYTES + 2;
    assert_true(most <= EVICTED_A_PAGE_MAX * pages);
    assert_int_equal(totals_of(&f).no_memory, 0);
    fixture_close(&f);
}

static void memory_follows_the_sizes_from_any_distribution_to_any_other(void **state) {
    (void)state;
    uint64_t fresh[SIZE_KINDS];
    for (unsigned to = 0; to < SIZE_KINDS; to++) {
        fresh[to] = fresh_bytes(to, 1);
    }
    for (unsigned from = 0; from < SIZE_KINDS; from++) {
        for (unsigned to = 0; to < SIZE_KINDS; to++) {
            shift(from, to, fresh[to]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_follows_the_sizes_from_any_distribution_to_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
