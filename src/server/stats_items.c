/* larder: `stats items`, `stats slabs`, `stats sizes`
 *
 * larder may have more size classes than memcached's 63, which monitoring programs take for the
 * most there can be: neighbouring classes are added up then, and shown as the largest of them. */
#include <stdio.h>
#include <string.h>

#include "src/server/server.h"
#include "src/server/stats.h"

enum {
    STATS_NAME_BYTES = 64,
};

static void stats_class_add(struct store_class_totals *sum,
                            const struct store_class_totals *other) {
    sum->chunk_bytes = other->chunk_bytes;
    sum->chunks_per_page = other->chunks_per_page;
    sum->pages += other->pages;
    sum->chunks_used += other->chunks_used;
    sum->chunks_free += other->chunks_free;
    sum->items += other->items;
    sum->bytes += other->bytes;
    sum->items_small += other->items_small;
    sum->evicted += other->evicted;
    sum->evicted_nonzero += other->evicted_nonzero;
    sum->evicted_unfetched += other->evicted_unfetched;
    sum->evicted_age_last = other->evicted_age_last;
    sum->expired_unfetched += other->expired_unfetched;
    sum->reclaimed += other->reclaimed;
    sum->expired_upkeep += other->expired_upkeep;
    sum->checked_upkeep += other->checked_upkeep;
    sum->evicted_active += other->evicted_active;
    sum->promotions += other->promotions;
    sum->no_memory += other->no_memory;
    if (other->age_oldest > sum->age_oldest) {
        sum->age_oldest = other->age_oldest;
    }
}

/* So many classes are shown as one: mostly 1. */
static unsigned stats_classes_folded(unsigned classes) {
    return (classes + STATS_CLASSES_SHOWN_MAX - 1) / STATS_CLASSES_SHOWN_MAX;
}

unsigned stats_class_number(const struct server *server, unsigned class_id) {
    unsigned folded = stats_classes_folded(store_class_count(server->store));
    return class_id == 0 ? 0 : (class_id - 1) / folded + 1;
}

void stats_class_range(const struct server *server, unsigned shown, unsigned *first,
                       unsigned *last) {
    unsigned classes = store_class_count(server->store);
    unsigned folded = stats_classes_folded(classes);
    *first = (shown - 1) * folded + 1;
    *last = shown * folded < classes ? shown * folded : classes;
}

/* The classes shown as number `shown` (1..STATS_CLASSES_SHOWN_MAX). False: none of them is used. */
static bool stats_class_shown(const struct store *store, unsigned classes, unsigned shown,
                              struct store_class_totals *sum) {
    unsigned folded = stats_classes_folded(classes);
    bool any = false;
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < folded; i++) {
        struct store_class_totals one;
        unsigned class_id = (shown - 1) * folded + i + 1;
        if (class_id <= classes) {
            any = store_class_totals(store, class_id, &one) || any;
            stats_class_add(sum, &one);
        }
    }
    return any;
}

/* What was counted in them. */
static struct stats_class_sums stats_class_counted(struct server *server, unsigned shown) {
    struct stats_class_sums sums = {0};
    unsigned first;
    unsigned last;
    stats_class_range(server, shown, &first, &last);
    for (unsigned i = first; i <= last; i++) {
        stats_class_add_since_reset(server, i, &sums);
    }
    return sums;
}

struct stats_row {
    const char *name;
    uint64_t value;
};

/* prefix is "items:" or "". */
static void stats_rows(struct admin_call *call, const char *prefix, unsigned class_id,
                       const struct stats_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char name[STATS_NAME_BYTES];
        snprintf(name, sizeof(name), "%s%u:%s", prefix, class_id, rows[i].name);
        admin_stat_u64(call, name, rows[i].value);
    }
}

/* The small queue is what memcached calls hot: items that have yet to prove themselves. */
static void stats_items_class(struct admin_call *call, unsigned class_id,
                              const struct store_class_totals *sum) {
    const struct stats_row rows[] = {
        {"number", sum->items},
        {"number_hot", sum->items_small},
        {"number_warm", sum->items - sum->items_small},
        {"number_cold", 0},
        {"age_hot", 0},
        {"age_warm", 0},
        {"age", sum->age_oldest},
        {"mem_requested", sum->bytes},
        {"evicted", sum->evicted},
        {"evicted_nonzero", sum->evicted_nonzero},
        {"evicted_time", sum->evicted_age_last},
        {"outofmemory", sum->no_memory},
        {"tailrepairs", 0},
        {"reclaimed", sum->reclaimed},
        {"expired_unfetched", sum->expired_unfetched},
        {"evicted_unfetched", sum->evicted_unfetched},
        {"evicted_active", sum->evicted_active},
        {"crawler_reclaimed", sum->expired_upkeep},
        {"crawler_items_checked", sum->checked_upkeep},
        {"lrutail_reflocked", 0},
        {"moves_to_cold", 0},
        {"moves_to_warm", sum->promotions},
        {"moves_within_lru", 0},
        {"direct_reclaims", 0},
        {"hits_to_hot", 0},
        {"hits_to_warm", 0},
        {"hits_to_cold", 0},
        {"hits_to_temp", 0},
    };
    stats_rows(call, "items:", class_id, rows, sizeof(rows) / sizeof(rows[0]));
}

enum outcome stats_items(struct admin_call *call) {
    struct server *server = call->context;
    struct store_totals totals;
    store_totals(server->store, &totals);
    for (unsigned shown = 1; shown <= STATS_CLASSES_SHOWN_MAX; shown++) {
        struct store_class_totals sum;
        if (stats_class_shown(server->store, totals.classes, shown, &sum) && sum.items != 0) {
            stats_items_class(call, shown, &sum);
        }
    }
    admin_stat_end(call);
    return OUTCOME_NONE;
}

static void stats_slabs_class(struct admin_call *call, unsigned class_id,
                              const struct store_class_totals *sum,
                              const struct stats_class_sums *counted) {
    const struct stats_row rows[] = {
        {"chunk_size", sum->chunk_bytes},
        {"chunks_per_page", sum->chunks_per_page},
        {"total_pages", sum->pages},
        {"total_chunks", sum->chunks_used + sum->chunks_free},
        {"used_chunks", sum->chunks_used},
        {"free_chunks", sum->chunks_free},
        {"free_chunks_end", 0},
#define COUNTER(name, doc) {#name, counted->name},
#include "src/engine/class_counters.def"
#undef COUNTER
    };
    stats_rows(call, "", class_id, rows, sizeof(rows) / sizeof(rows[0]));
}

enum outcome stats_slabs(struct admin_call *call) {
    static const struct stats_class_sums nothing;
    struct server *server = call->context;
    struct store_totals totals;
    uint64_t active = 0;
    store_totals(server->store, &totals);
    for (unsigned shown = 1; shown <= STATS_CLASSES_SHOWN_MAX; shown++) {
        struct store_class_totals sum;
        struct stats_class_sums counted = stats_class_counted(server, shown);
        bool used = stats_class_shown(server->store, totals.classes, shown, &sum);
        /* The pages of a class may have gone, what was done with its items has not. */
        if (used || memcmp(&counted, &nothing, sizeof(counted)) != 0) {
            stats_slabs_class(call, shown, &sum, &counted);
            active++;
        }
    }
    admin_stat_u64(call, "active_slabs", active);
    admin_stat_u64(call, "total_malloced", totals.memory_used_bytes);
    admin_stat_end(call);
    return OUTCOME_NONE;
}

/* With -o track_sizes. */
enum outcome stats_sizes(struct admin_call *call) {
    struct server *server = call->context;
    uint32_t end = store_sizes_end(server->store);
    if (!server->settings->track_sizes) {
        admin_stat_text(call, "sizes_status", "disabled");
    }
    for (uint32_t step = 0; step < end; step++) {
        uint64_t items = store_sizes_count(server->store, step);
        if (items != 0) {
            char name[STATS_NAME_BYTES];
            snprintf(name, sizeof(name), "%llu", (unsigned long long)step * STORE_SIZE_STEP);
            admin_stat_u64(call, name, items);
        }
    }
    admin_stat_end(call);
    return OUTCOME_NONE;
}
