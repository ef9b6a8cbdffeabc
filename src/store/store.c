/* larder: the store as a whole - life, turns, keys, flush_all */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/hash.h"
#include "src/store/plan.h"
#include "src/store/restart_file.h"
#include "src/store/sizes.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define SHARED_ALIGN_BYTES 4096u
/* Four partitions a core if each has this much. */
#define ROOMY_PARTITION_BYTES (128 * MIB)

static uint64_t at_most(uint64_t value, uint64_t bound) {
    return value < bound ? value : bound;
}

uint64_t store_hash(const struct store *store, const uint8_t *data, size_t len) {
    return hash_xxh3(data, len, store->config.hash_seed);
}

/* As many as four a core, if each has 128 MiB: from there on pages are large and a class strands
 * little. With less memory two a core, if each has 16 MiB. Large items need large partitions. */
unsigned store_partition_count(uint64_t memory_bytes, uint64_t item_bytes_max,
                               unsigned core_count) {
    uint64_t roomy = at_most(memory_bytes / ROOMY_PARTITION_BYTES, (uint64_t)core_count * 4);
    uint64_t tight = at_most(memory_bytes / (16 * MIB), (uint64_t)core_count * 2);
    uint64_t count = roomy > tight ? roomy : tight;
    count = at_most(count, memory_bytes / (item_bytes_max * 16));
    uint64_t needed = (memory_bytes + 32 * GIB - 1) / (32 * GIB);
    count = needed > count ? needed : count;
    return (unsigned)at_most(count == 0 ? 1 : count, STORE_PARTITIONS_MAX);
}

uint64_t store_item_bytes(const struct store *store, uint32_t key_bytes, uint32_t client_flags,
                          uint64_t value_bytes) {
    return 48 + (store->config.token_in_items ? 8u : 0u) + (client_flags != 0 ? 4u : 0u) +
           key_bytes + 1 + value_bytes + 2;
}

bool store_item_fits(const struct store *store, uint32_t key_bytes, uint32_t client_flags,
                     uint64_t value_bytes) {
    return value_bytes <= store->config.item_bytes_max &&
           store_item_bytes(store, key_bytes, client_flags, value_bytes) <=
               store->config.item_bytes_max;
}

_Static_assert(STORE_CLASSES_MAX == SLAB_CLASSES_MAX, "what store.h says");

/* -- life -------------------------------------------------------------------------------------- */

/* Zeroed memory in whole pages of its own: what all cores share is not mixed with what one owns,
 * and a test can take the right to write away. */
static void *shared_alloc(size_t bytes) {
    size_t whole = (bytes + SHARED_ALIGN_BYTES - 1) & ~(size_t)(SHARED_ALIGN_BYTES - 1);
    void *memory = aligned_alloc(SHARED_ALIGN_BYTES, whole);
    if (memory != NULL) {
        memset(memory, 0, whole);
    }
    return memory;
}

/* Bucket bits of a fragment: enough for the most buckets that the partition's share can hold. */
static unsigned fragment_bits(const struct store *store) {
    uint64_t items = store->pool.reserved_bytes / store->partition_count / SLAB_CHUNK_BYTES_MIN;
    unsigned bits = 24;
    while (bits < 28 && ((uint64_t)1 << bits) * BUCKET_SLOTS < items) {
        bits++;
    }
    return bits;
}

static bool partition_init(struct store *store, uint32_t number) {
    struct partition *p = &store->partitions[number];
    p->number = number;
    unsigned cores = store->config.core_count;
    const int *nodes = store->config.core_nodes;
    p->node = nodes == NULL ? 0 : slab_pool_node(&store->pool, nodes[number % cores]);
    p->fragment_bits = fragment_bits(store);
    small_queue_init(&p->small);
    p->balance = &store->balances[number];
    balance_init(p->balance);
    fit_init(store, p);
    for (unsigned i = 0; i <= SLAB_CLASSES_MAX; i++) {
        slab_bin_init(&p->classes[i].bin, i);
    }
    return sizes_init(store, p) && index_init(store, p);
}

/* The first page of each table, and one to spare. */
static bool partition_start(struct store_core *core, struct partition *p) {
    struct store *store = core->store;
    return space_make_table_page(core, p) && index_start(store, p) &&
           space_make_table_page(core, p) && index_start(store, p) &&
           space_make_table_page(core, p);
}

/* Pages and classes by what a partition gets; of a store that is taken over they are what they
 * were. */
static bool pool_init(struct store *store, const struct restart_header *saved) {
    const struct store_config *config = &store->config;
    uint64_t reserved = config->memory_bytes_max > config->memory_bytes
                            ? config->memory_bytes_max
                            : config->memory_bytes;
    if (saved != NULL && reserved < saved->tail_offset) {
        reserved = saved->tail_offset;
    }
    store->partition_bytes = saved != NULL ? saved->partition_bytes
                                           : config->memory_bytes / store->partition_count;
    uint32_t page_bytes = saved != NULL ? saved->page_bytes
                                        : store_page_bytes(store->partition_bytes);
    struct slab_pool_config pool = {
        .limit_bytes = config->memory_bytes,
        .reserved_bytes = reserved,
        .partition_bytes = store->partition_bytes,
        .page_bytes = page_bytes,
        .huge_pages = config->huge_pages,
        .nodes = config->core_nodes,
        .nodes_given = config->core_count,
        .in_file = config->restart != NULL,
        .fd = config->restart != NULL ? config->restart->fd : -1,
    };
    return slab_pool_init(&store->pool, &pool);
}

/* An extent a node to begin with. */
static bool store_start(struct store *store) {
    struct store_core starter = {.store = store, .now = 2};
    bool ok = slab_pool_populate(&store->pool);
    for (unsigned i = 1; ok && i < store->pool.node_count; i++) {
        (void)slab_pool_populate(&store->pool);
    }
    for (uint32_t i = 0; ok && i < store->partition_count; i++) {
        ok = partition_start(&starter, &store->partitions[i]);
    }
    return ok;
}

/* The longest value that needs no look at its size with the longest key and all fields. */
static uint32_t small_value_bytes(const struct store *store) {
    uint64_t most = store_item_bytes(store, STORE_KEY_BYTES_MAX, 1, 0);
    uint64_t value = store->config.item_bytes_max > most ? store->config.item_bytes_max - most : 0;
    uint32_t fields = ITEM_HAS_EXPIRY | ITEM_HAS_FLAGS | ITEM_HAS_TOKEN;
    uint32_t room = slab_chunk_bytes_max(&store->pool.classes) - item_key_offset(fields) -
                    STORE_KEY_BYTES_MAX;
    return value < room ? (uint32_t)value : room;
}

/* What lies outside of the pool. */
static bool store_alloc(struct store *store, unsigned core_count) {
    store->cores = calloc(core_count, sizeof(*store->cores));
    store->sweeps = calloc(core_count, sizeof(*store->sweeps));
    store->partitions = shared_alloc(store->partition_count * sizeof(struct partition));
    store->balances = calloc(store->partition_count, sizeof(*store->balances));
    return store->cores != NULL && store->sweeps != NULL && store->partitions != NULL &&
           store->balances != NULL;
}

static void store_free(struct store *store) {
    free(store->balances);
    free(store->cores);
    free(store->sweeps);
    free(store->partitions);
    pthread_mutex_destroy(&store->flush_mutex);
    free(store);
}

static void partition_count_set(struct store *store, const struct restart_header *saved) {
    const struct store_config *config = &store->config;
    store->partition_count = config->partition_count;
    if (saved != NULL) {
        store->partition_count = saved->partition_count;
        store->config.hash_seed = saved->hash_seed;
    } else if (config->partition_count == 0) {
        store->partition_count = store_partition_count(
            config->memory_bytes, config->item_bytes_max, config->core_count);
    }
}

/* A new store, or with `saved` the one that the restart file holds. All memory at once where the
 * operator wants it for good (-L). */
static struct store *store_build(const struct store_config *config,
                                 const struct restart_header *saved) {
    struct store *store = shared_alloc(sizeof(*store));
    if (store == NULL) {
        return NULL;
    }
    store->config = *config;
    atom_store_relaxed(&store->temporary_ttl, config->temporary_ttl);
    partition_count_set(store, saved);
    atom_store_relaxed(&store->epoch, 1u);
    pthread_mutex_init(&store->flush_mutex, NULL);
    if (!store_alloc(store, config->core_count) || !pool_init(store, saved)) {
        store_free(store);
        return NULL;
    }
    store->page_rows_shift = store->pool.page_shift - 6;
    store->small_value_bytes = small_value_bytes(store);
    bool ok = true;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        ok = partition_init(store, i) && ok;
        store->partitions[i].fragment_bits =
            saved != NULL ? saved->fragment_bits : store->partitions[i].fragment_bits;
    }
    store->config.core_nodes = NULL; /* the caller's */
    ok = ok && (saved != NULL ? restart_take_over(store, config->restart) : store_start(store));
    while (ok && config->huge_pages && slab_pool_populate(&store->pool)) {
    }
    if (!ok) {
        store_destroy(store);
        return NULL;
    }
    return store;
}

struct store *store_create(const struct store_config *config) {
    struct restart *restart = config->restart;
    struct store *store = NULL;
    if (restart != NULL && restart_accept(restart, config)) {
        store = store_build(config, restart->header);
    }
    if (store == NULL && restart != NULL && !restart_clear(restart)) {
        return NULL;
    }
    store = store != NULL ? store : store_build(config, NULL);
    if (store == NULL) {
        errno = ENOMEM;
    }
    return store;
}

void store_destroy(struct store *store) {
    for (uint32_t i = 0; i < store->partition_count; i++) {
        index_fini(store, &store->partitions[i]);
        sizes_fini(&store->partitions[i]);
    }
    slab_pool_fini(&store->pool);
    store_free(store);
}

struct store_core *store_core_create(struct store *store, unsigned index) {
    ASSERT(index < store->config.core_count);
    struct store_core *core = aligned_alloc(CACHE_LINE_BYTES, sizeof(*core));
    if (core == NULL) {
        return NULL;
    }
    memset(core, 0, sizeof(*core));
    core->scratch = malloc((size_t)slab_chunk_bytes_max(&store->pool.classes) * 4);
    if (core->scratch == NULL) {
        free(core);
        return NULL;
    }
    core->store = store;
    core->index = index;
    core->now = 2;
    core->expiry_page = UINT32_MAX;
    core->expiry_dead_mille = 10;
    core->expiry_looks = 1;
    atom_store_relaxed(&core->epoch_seen, UINT64_MAX);
    atom_store_release(&store->cores[index], core);
    return core;
}

void store_core_destroy(struct store_core *core) {
    struct store *store = core->store;
    atom_store_release(&store->cores[core->index], (struct store_core *)NULL);
    free(core->scratch);
    free(core);
}

/* -- turns ------------------------------------------------------------------------------------- */

void store_turn_begin(struct store_core *core, uint32_t now) {
    struct store *store = core->store;
    /* Who retires a page raises the epoch, then looks for cores in an older one: it sees this one,
     * or this one sees what it did before. */
    atom_store_seq_cst(&core->epoch_seen, atom_load_acquire(&store->epoch));
    atom_fence_seq_cst();
    core->now = now;
    uint32_t flush_at = atom_load_relaxed(&store->flush_at);
    if (flush_at != 0 && flush_at <= now) {
        flush_apply(core);
    }
}

void store_turn_end(struct store_core *core) {
    atom_store_release(&core->epoch_seen, UINT64_MAX);
}

uint64_t store_epoch_oldest(const struct store *store) {
    uint64_t oldest = UINT64_MAX;
    atom_fence_seq_cst();
    for (unsigned i = 0; i < store->config.core_count; i++) {
        struct store_core *core = atom_load_acquire(&store->cores[i]);
        uint64_t seen = core == NULL ? UINT64_MAX : atom_load_seq_cst(&core->epoch_seen);
        oldest = seen < oldest ? seen : oldest;
    }
    return oldest;
}

/* -- flush_all --------------------------------------------------------------------------------- */

/* Raises every partition's clock above the largest of all, so that one number flushes them. */
static void flush_now(struct store_core *core) {
    struct store *store = core->store;
    uint64_t highest = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        struct partition *p = &store->partitions[i];
        partition_lock(core, p);
        highest = p->clock > highest ? p->clock : highest;
        partition_unlock(core, p);
    }
    for (uint32_t i = 0; i < store->partition_count; i++) {
        struct partition *p = &store->partitions[i];
        partition_lock(core, p);
        p->clock = (p->clock > highest ? p->clock : highest) + 1;
        atom_store_release(&p->flush_version, p->clock << 9);
        atom_own_add(&p->flush_count, 1u);
        partition_unlock(core, p);
    }
}

void flush_apply(struct store_core *core) {
    struct store *store = core->store;
    pthread_mutex_lock(&store->flush_mutex);
    uint32_t flush_at = atom_load_relaxed(&store->flush_at);
    if (flush_at != 0 && flush_at <= core->now) {
        flush_now(core);
        atom_store_relaxed(&store->flush_at, 0u);
    }
    pthread_mutex_unlock(&store->flush_mutex);
}

void store_flush(struct store_core *core, uint32_t when) {
    struct store *store = core->store;
    pthread_mutex_lock(&store->flush_mutex);
    if (when <= core->now) {
        flush_now(core);
        atom_store_relaxed(&store->flush_at, 0u);
    } else {
        atom_store_relaxed(&store->flush_at, when);
    }
    pthread_mutex_unlock(&store->flush_mutex);
}

void store_temporary_ttl_set(struct store *store, uint32_t ttl_s) {
    atom_store_relaxed(&store->temporary_ttl, ttl_s);
}

void store_evictions_watch(struct store *store, bool on) {
    atom_store_relaxed(&store->evictions_watched, on && store->config.evicted != NULL ? 1u : 0u);
}
