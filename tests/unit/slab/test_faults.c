/* larder: tests of the pool when the system refuses
 *
 * The linker puts this file between the pool and the system (--wrap). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "slab/pool.h"

#define MIB ((uint64_t)1 << 20)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* What the system is to refuse: the errno, 0 = nothing. */
struct faults {
    int huge;             /* mmap of reserved huge pages */
    bool huge_granted;    /* they are there: played by usual ones */
    int protect;          /* mprotect */
    int populate;         /* MADV_POPULATE_WRITE */
    int drop;             /* MADV_DONTNEED */
    int node;             /* mbind */
    unsigned huge_asked, unlocked;
};

static struct faults faults;

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *at, size_t bytes, int protection);
int __real_madvise(void *at, size_t bytes, int advice);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, ...);
int __wrap_mprotect(void *at, size_t bytes, int protection);
int __wrap_madvise(void *at, size_t bytes, int advice);
int __wrap_munlock(const void *at, size_t bytes);
long __wrap_syscall(long number, ...);

static int refuse(int error) {
    errno = error;
    return -1;
}

/* The pool maps no file: descriptor and offset are always the same. */
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, ...) {
    if ((flags & MAP_HUGETLB) != 0) {
        faults.huge_asked++;
        if (!faults.huge_granted) {
            assert_int_equal(munmap(at, bytes), 0); /* as Linux does */
            errno = faults.huge;
            return MAP_FAILED;
        }
        flags &= ~(MAP_HUGETLB | (int)(63u << MAP_HUGE_SHIFT));
    }
    return __real_mmap(at, bytes, protection, flags, -1, 0);
}

int __wrap_mprotect(void *at, size_t bytes, int protection) {
    return faults.protect != 0 ? refuse(faults.protect) : __real_mprotect(at, bytes, protection);
}

int __wrap_madvise(void *at, size_t bytes, int advice) {
    if (advice == MADV_POPULATE_WRITE && faults.populate != 0) {
        return refuse(faults.populate);
    }
    if ((advice == MADV_DONTNEED || advice == 24) && faults.drop != 0) {
        return refuse(faults.drop);
    }
    return __real_madvise(at, bytes, advice);
}

int __wrap_munlock(const void *at, size_t bytes) {
    (void)at;
    (void)bytes;
    faults.unlocked++;
    faults.drop = 0;
    return 0;
}

/* The pool makes one: mbind. */
long __wrap_syscall(long number, ...) {
    (void)number;
    return faults.node != 0 ? refuse(faults.node) : 0;
}

static struct slab_pool *pool_open(uint64_t limit_bytes, bool huge) {
    struct slab_pool *pool = aligned_alloc(CACHE_LINE_BYTES, sizeof(*pool));
    assert_non_null(pool);
    struct slab_pool_config config = {
        .limit_bytes = limit_bytes,
        .reserved_bytes = limit_bytes,
        .partition_bytes = limit_bytes,
        .page_bytes = 65536,
        .huge_pages = huge,
        .nodes = (const int[]){0, 1},
        .nodes_given = 2,
    };
    faults = (struct faults){0};
    assert_true(slab_pool_init(pool, &config));
    return pool;
}

static void pool_close(struct slab_pool *pool) {
    faults = (struct faults){0};
    slab_pool_fini(pool);
    free(pool);
}

static uint64_t resident(const struct slab_pool *pool) {
    return atom_load_relaxed(&pool->pages_resident);
}

static void populate_all(struct slab_pool *pool) {
    while (slab_pool_populate(pool)) {
    }
}

static void write_all(struct slab_pool *pool) {
    memset(pool->base, 1, atom_load_relaxed(&pool->extents_live) * (uint64_t)SLAB_EXTENT_BYTES);
}

static void without_reserved_huge_pages_advised_ones_are_taken(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, true);
    faults.huge = ENOMEM;
    populate_all(pool);
    write_all(pool);
    assert_int_equal(resident(pool), 128);
    assert_int_equal(faults.huge_asked, 1); /* and not again */
    assert_int_equal(atom_load_relaxed(&pool->refusals.huge), ENOMEM);
    assert_int_equal(atom_load_relaxed(&pool->huge_extents), 0);
    pool_close(pool);
}

static void reserved_huge_pages_are_taken_and_given_back_whole(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, true);
    faults.huge_granted = true;
    populate_all(pool);
    write_all(pool);
    assert_int_equal(atom_load_relaxed(&pool->huge_extents), 4);
    assert_int_equal(atom_load_relaxed(&pool->refusals.huge), 0);
    uint32_t table = slab_pool_take_table(pool, 0);
    slab_pool_limit_set(pool, 2 * MIB);
    while (slab_pool_release(pool, true)) {
    }
    assert_int_equal(resident(pool) % pool->pages_per_extent, 0);
    assert_true(resident(pool) <= 2 * pool->pages_per_extent);
    slab_pool_give(pool, table);
    slab_pool_limit_set(pool, 8 * MIB);
    populate_all(pool);
    assert_int_equal(resident(pool), 128);
    pool_close(pool);
}

static void memory_that_is_refused_is_asked_for_again_only_after_a_while(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, false);
    assert_true(slab_pool_populate(pool));
    faults.protect = ENOMEM;
    assert_false(slab_pool_populate(pool));
    assert_int_equal(atom_load_relaxed(&pool->refusals.memory), ENOMEM);
    assert_int_equal(resident(pool), 32);
    faults.protect = 0;
    assert_false(slab_pool_can_populate(pool));
    assert_false(slab_pool_populate(pool));
    slab_pool_retry(pool);
    populate_all(pool);
    assert_int_equal(resident(pool), 128);
    write_all(pool);
    pool_close(pool);
}

static void a_machine_without_memory_is_not_forced(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, false);
    assert_true(slab_pool_populate(pool));
    faults.populate = ENOMEM;
    assert_false(slab_pool_populate(pool));
    unsigned char in_ram[SLAB_EXTENT_BYTES / 4096];
    memset(in_ram, 0, sizeof(in_ram));
    assert_int_equal(mincore(pool->base + SLAB_EXTENT_BYTES, SLAB_EXTENT_BYTES, in_ram), 0);
    for (unsigned i = 0; i < sizeof(in_ram); i++) {
        assert_int_equal(in_ram[i] & 1, 0);
    }
    /* Neither is one that has been given back: it stays where it can be found. */
    slab_pool_retry(pool);
    faults.populate = 0;
    populate_all(pool);
    slab_pool_limit_set(pool, 2 * MIB);
    while (slab_pool_release(pool, true)) {
    }
    uint64_t before = resident(pool);
    slab_pool_limit_set(pool, 8 * MIB);
    faults.populate = ENOMEM;
    assert_false(slab_pool_populate(pool));
    assert_int_equal(resident(pool), before);
    faults.populate = 0;
    slab_pool_retry(pool);
    populate_all(pool);
    assert_int_equal(resident(pool), 128);
    write_all(pool);
    pool_close(pool);
}

static void a_system_that_cannot_populate_is_touched_by_hand(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(4 * MIB, false);
    faults.populate = EINVAL;
    populate_all(pool);
    assert_int_equal(resident(pool), 64);
    unsigned char in_ram[4 * MIB / 4096];
    assert_int_equal(mincore(pool->base, 4 * MIB, in_ram), 0);
    for (unsigned i = 0; i < sizeof(in_ram); i++) {
        assert_int_equal(in_ram[i] & 1, 1);
    }
    pool_close(pool);
}

static void a_node_that_is_refused_costs_nothing_but_a_note(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(4 * MIB, false);
    faults.node = EPERM;
    populate_all(pool);
    assert_int_equal(resident(pool), 64);
    assert_int_equal(atom_load_relaxed(&pool->refusals.node), EPERM);
    write_all(pool);
    pool_close(pool);
}

static void locked_memory_is_let_go_of(void **state) {
    (void)state;
    struct slab_pool *pool = pool_open(8 * MIB, false);
    populate_all(pool);
    write_all(pool);
    faults.drop = EINVAL;
    slab_pool_limit_set(pool, 4 * MIB);
    while (slab_pool_release(pool, true)) {
        faults.drop = EINVAL;
    }
    assert_true(faults.unlocked != 0);
    assert_true(resident(pool) <= 96);
    pool_close(pool);
}

/* Bytes of private mappings that may be written: what strict overcommit counts. */
static uint64_t charged_bytes(void) {
    FILE *file = fopen("/proc/self/maps", "re");
    char line[512];
    uint64_t sum = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long from;
        unsigned long to;
        char perms[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) == 3 && perms[1] == 'w' &&
            perms[3] == 'p') {
            sum += to - from;
        }
    }
    (void)fclose(file);
    return sum;
}

static void address_space_is_charged_only_once_it_is_used(void **state) {
    (void)state;
    struct slab_pool *pool = aligned_alloc(CACHE_LINE_BYTES, sizeof(*pool));
    assert_non_null(pool);
    struct slab_pool_config config = {
        .limit_bytes = 64 * MIB,
        .reserved_bytes = 64 * 1024 * MIB,
        .partition_bytes = 64 * MIB,
        .page_bytes = 16384,
    };
    uint64_t before = charged_bytes();
    assert_true(slab_pool_init(pool, &config));
    assert_true(charged_bytes() - before <= 2 * MIB);
    populate_all(pool);
    uint64_t charged = charged_bytes() - before;
    assert_true(charged >= 64 * MIB);
    assert_true(charged <= 64 * MIB * 103 / 100 + 2 * MIB);
    pool_close(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_reserved_huge_pages_advised_ones_are_taken),
        cmocka_unit_test(reserved_huge_pages_are_taken_and_given_back_whole),
        cmocka_unit_test(memory_that_is_refused_is_asked_for_again_only_after_a_while),
        cmocka_unit_test(a_machine_without_memory_is_not_forced),
        cmocka_unit_test(a_system_that_cannot_populate_is_touched_by_hand),
        cmocka_unit_test(a_node_that_is_refused_costs_nothing_but_a_note),
        cmocka_unit_test(locked_memory_is_let_go_of),
        cmocka_unit_test(address_space_is_charged_only_once_it_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
