/* larder: the kinds of store and traffic that the model test runs */
#include "tests/model/profiles.h"

#define STORE_CONFIG(memory, item_max, partition_count_, cores)                                    \
    .memory_bytes = (memory), .item_bytes_max = (item_max), .partition_count = (partition_count_), \
    .core_count = (cores), .token_in_items = true

#define MIXED                                                                                      \
    [OP_PUT] = 300, [OP_GAT] = 40, [OP_DELETE] = 60, [OP_TOUCH] = 30, [OP_ARITH] = 60,             \
    [OP_LEASE] = 30, [OP_LEASE_RETURN] = 30, [OP_UPLOAD_BEGIN] = 60, [OP_UPLOAD_FEED] = 60,        \
    [OP_UPLOAD_COMMIT] = 50, [OP_UPLOAD_ABANDON] = 8, [OP_TIME] = 20, [OP_LOOK_UP] = 30,           \
    [OP_COUNT] = 30, [OP_REMOVE] = 30

#define MIB ((uint64_t)1 << 20)

static const struct profile profiles[] = {
    {
        .name = "small values",
        .config = {STORE_CONFIG(16 * MIB, MIB, 1, 3)},
        .key_count = 300,
        .operations = 20000,
        .check_every = 500,
        .bytes_max = 2000,
        .weight = {MIXED, [OP_FLUSH] = 2, [OP_UPKEEP] = 60, [OP_HOUSEKEEP] = 20},
        .expire_one_in = 4,
    },
    {
        .name = "large values",
        .config = {STORE_CONFIG(256 * MIB, 2 * MIB, 2, 2)},
        .key_count = 40,
        .operations = 3000,
        .check_every = 200,
        .bytes_max = 5 * MIB / 4,
        .weight = {MIXED, [OP_FLUSH] = 2, [OP_UPKEEP] = 60, [OP_HOUSEKEEP] = 30},
        .expire_one_in = 8,
    },
    {
        .name = "large values that grow",
        .config = {STORE_CONFIG(64 * MIB, 2 * MIB, 2, 2)},
        .key_count = 5,
        .operations = 6000,
        .check_every = 100,
        .bytes_max = 40000,
        .weight = {[OP_PUT] = 500, [OP_GAT] = 10, [OP_DELETE] = 2, [OP_TOUCH] = 20,
                   [OP_LEASE] = 60, [OP_LEASE_RETURN] = 60, [OP_UPLOAD_BEGIN] = 80,
                   [OP_UPLOAD_FEED] = 80, [OP_UPLOAD_COMMIT] = 80, [OP_UPLOAD_ABANDON] = 4,
                   [OP_TIME] = 5, [OP_UPKEEP] = 40, [OP_HOUSEKEEP] = 10, [OP_RESTART] = 1},
        .grows = true,
        .may_refuse = true,
    },
    {
        .name = "large values that grow under eviction",
        .config = {STORE_CONFIG(8 * MIB, MIB, 2, 2), .evict = true},
        .key_count = 30,
        .operations = 6000,
        .check_every = 100,
        .bytes_max = 40000,
        .weight = {[OP_PUT] = 500, [OP_GAT] = 10, [OP_DELETE] = 2, [OP_LEASE] = 60,
                   [OP_LEASE_RETURN] = 60, [OP_UPLOAD_BEGIN] = 80, [OP_UPLOAD_FEED] = 80,
                   [OP_UPLOAD_COMMIT] = 80, [OP_UPLOAD_ABANDON] = 4, [OP_TIME] = 5,
                   [OP_UPKEEP] = 40, [OP_HOUSEKEEP] = 10},
        .grows = true,
        .may_miss = true,
        .may_refuse = true,
        .expire_one_in = 50,
    },
    {
        .name = "growth",
        .config = {STORE_CONFIG(64 * MIB, MIB, 4, 2)},
        .key_count = 20000,
        .operations = 60000,
        .check_every = 10000,
        .bytes_max = 60,
        .weight = {[OP_PUT] = 700, [OP_DELETE] = 60, [OP_UPKEEP] = 30, [OP_HOUSEKEEP] = 20,
                   [OP_TIME] = 1, [OP_FLUSH] = 0},
    },
    {
        .name = "shrinking by flush and expiry",
        .config = {STORE_CONFIG(64 * MIB, MIB, 1, 2)},
        .key_count = 6000,
        .operations = 40000,
        .check_every = 5000,
        .bytes_max = 200,
        .weight = {[OP_PUT] = 600, [OP_DELETE] = 40, [OP_UPKEEP] = 100, [OP_HOUSEKEEP] = 20,
                   [OP_TIME] = 4, [OP_FLUSH] = 1},
        .expire_one_in = 2,
    },
    {
        .name = "eviction",
        .config = {STORE_CONFIG(4 * MIB, MIB / 4, 1, 3), .evict = true, .temporary_ttl = 5},
        .key_count = 5000,
        .operations = 20000,
        .check_every = 1000,
        .bytes_max = 4000,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 30, [OP_HOUSEKEEP] = 20},
        .may_miss = true,
        .may_refuse = true,
        .expire_one_in = 5,
    },
    {
        .name = "eviction without upkeep or housekeeping",
        .config = {STORE_CONFIG(8 * MIB, MIB / 4, 2, 2), .evict = true},
        .key_count = 8000,
        .operations = 30000,
        .check_every = 1000,
        .bytes_max = 3000,
        .weight = {MIXED},
        .may_miss = true,
        .may_refuse = true,
        .expire_one_in = 20,
    },
    {
        .name = "no evictions (-M)",
        .config = {STORE_CONFIG(4 * MIB, MIB / 4, 1, 2)},
        .key_count = 3000,
        .operations = 20000,
        .check_every = 1000,
        .bytes_max = 6000,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 30, [OP_HOUSEKEEP] = 20},
        .may_refuse = true,
        .expire_one_in = 5,
    },
    {
        .name = "tiny budget",
        .config = {STORE_CONFIG(2 * MIB, MIB / 2, 0, 2), .evict = true},
        .key_count = 100,
        .operations = 5000,
        .check_every = 200,
        .bytes_max = MIB / 2,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 30, [OP_HOUSEKEEP] = 20},
        .may_miss = true,
        .may_refuse = true,
        .expire_one_in = 5,
    },
    {
        .name = "changing limit",
        .config = {STORE_CONFIG(16 * MIB, MIB / 4, 2, 3), .memory_bytes_max = 32 * MIB,
                   .evict = true},
        .key_count = 6000,
        .operations = 20000,
        .check_every = 1000,
        .bytes_max = 9000,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 60, [OP_HOUSEKEEP] = 60, [OP_LIMIT] = 2},
        .may_miss = true,
        .may_refuse = true,
    },
    {
        .name = "no tokens (-C), many partitions",
        .config = {.memory_bytes = 64 * MIB, .item_bytes_max = MIB, .partition_count = 16,
                   .core_count = 4},
        .key_count = 1000,
        .operations = 20000,
        .check_every = 1000,
        .bytes_max = 3000,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 60, [OP_HOUSEKEEP] = 20},
        .expire_one_in = 5,
    },
    {
        .name = "restarts",
        .config = {STORE_CONFIG(32 * MIB, MIB, 2, 3)},
        .key_count = 2000,
        .operations = 20000,
        .check_every = 1000,
        .bytes_max = 20000,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 60, [OP_HOUSEKEEP] = 20,
                   [OP_RESTART] = 2},
        .expire_one_in = 4,
    },
    {
        .name = "restarts under eviction and changing limits",
        .config = {STORE_CONFIG(8 * MIB, MIB / 4, 2, 2), .memory_bytes_max = 16 * MIB,
                   .evict = true},
        .key_count = 6000,
        .operations = 20000,
        .check_every = 1000,
        .bytes_max = 4000,
        .weight = {MIXED, [OP_FLUSH] = 1, [OP_UPKEEP] = 60, [OP_HOUSEKEEP] = 60, [OP_LIMIT] = 2,
                   [OP_RESTART] = 2},
        .may_miss = true,
        .may_refuse = true,
        .expire_one_in = 5,
    },
};

unsigned profile_count(void) {
    return sizeof profiles / sizeof profiles[0];
}

const struct profile *profile_at(unsigned index) {
    return &profiles[index];
}
