/* larder: the readers of a stress run */
#include <stdlib.h>

#include "tests/stress/stress_internal.h"

enum { LEASES_MAX = 4, READS_A_TURN = 8, SPANS = 3 };

/* What a reader has seen of a stable or brief key. */
struct seen {
    uint64_t version;
    uint32_t sequence;
    bool known;
};

struct held {
    struct store_lease lease;
    struct stamp stamp;
    uint32_t key;
    bool open;
};

struct reader {
    struct store_sink sink; /* first: the store hands it back */
    struct stress_thread *thread;
    struct seen *seen;
    struct held held[LEASES_MAX];
    unsigned next_held;
    bool want_lease;
};

static uint8_t *reader_place(struct store_sink *sink, const struct store_head *head) {
    struct reader *reader = (struct reader *)(void *)sink;

    if (head->value_bytes > STRESS_VALUE_BYTES_MAX) {
        stress_fail(reader->thread, 0, "place() was asked for %llu bytes",
                    (unsigned long long)head->value_bytes);
        return NULL;
    }
    return sink->may_lend && reader->want_lease ? NULL : reader->thread->buffer;
}

/* Gathers a lent value, by spans or by copies, into the thread's buffer. */
static const char *reader_gather(struct reader *reader, const struct held *held) {
    struct stress_thread *thread = reader->thread;
    const struct store *store = thread->stress->store;
    uint64_t offset = 0, bytes = held->lease.value_bytes;

    if (stress_random(thread, 2)) {
        uint64_t half = bytes / 2;

        store_lease_copy(store, &held->lease, 0, thread->buffer, half);
        store_lease_copy(store, &held->lease, half, thread->buffer + half, bytes - half);
        return NULL;
    }
    while (offset < bytes) {
        struct iovec spans[SPANS];
        uint64_t at = offset;
        unsigned count = store_lease_spans(store, &held->lease, &offset, spans, SPANS);

        if (count == 0 || offset <= at || offset > bytes)
            return "spans of a lent value do not add up";
        for (unsigned i = 0; i < count; i++) {
            memcpy(thread->buffer + at, spans[i].iov_base, spans[i].iov_len);
            at += spans[i].iov_len;
        }
        if (at != offset)
            return "spans of a lent value do not add up";
    }
    return NULL;
}

static void reader_return(struct reader *reader, struct held *held) {
    struct stress_thread *thread = reader->thread;
    struct stamp stamp = {0, 0};

    if (!held->open)
        return;
    held->open = false;
    const char *wrong = reader_gather(reader, held);

    if (!wrong)
        wrong = stamp_check(thread->buffer, held->lease.value_bytes, &stamp);
    if (wrong)
        stress_fail(thread, held->key, "lent: %s", wrong);
    else if (stamp.key != held->key || (held->stamp.key == held->key &&
                                        stamp.sequence != held->stamp.sequence))
        stress_fail(thread, held->key, "a lent value has become key %u, sequence %u", stamp.key,
                    stamp.sequence);
    store_lease_return(thread->core, &held->lease);
}

/* The value's place in the order of the key's writes. */
static void reader_check_order(struct reader *reader, uint32_t number, uint32_t sequence,
                               uint64_t version, uint32_t finished) {
    struct stress *stress = reader->thread->stress;
    struct stress_key *key = stress_key_of(stress, number);
    struct seen *seen = &reader->seen[key - stress->keys];

    if (sequence < finished)
        stress_fail(reader->thread, number, "sequence %u was read after %u had been stored",
                    sequence, finished);
    if (sequence > atom_load_acquire(&key->begun))
        stress_fail(reader->thread, number, "sequence %u was read before it was stored", sequence);
    if (seen->known && (sequence < seen->sequence || version < seen->version))
        stress_fail(reader->thread, number, "went back from sequence %u to %u", seen->sequence,
                    sequence);
    if (seen->known && (sequence == seen->sequence) != (version == seen->version))
        stress_fail(reader->thread, number, "sequences %u and %u, but versions %llu and %llu",
                    seen->sequence, sequence, (unsigned long long)seen->version,
                    (unsigned long long)version);
    *seen = (struct seen){.version = version, .sequence = sequence, .known = true};
}

/* A copied value: its stamp, in thread->buffer. */
static bool reader_check_value(struct reader *reader, uint32_t number,
                               const struct store_head *head, struct stamp *stamp) {
    const char *wrong = stamp_check(reader->thread->buffer, head->value_bytes, stamp);

    if (wrong)
        stress_fail(reader->thread, number, "%s (%llu bytes)", wrong,
                    (unsigned long long)head->value_bytes);
    else if (stamp->key != number)
        stress_fail(reader->thread, number, "the value of key %u", stamp->key);
    else if (head->client_flags != stamp->sequence % 3)
        stress_fail(reader->thread, number, "client flags %u with sequence %u", head->client_flags,
                    stamp->sequence);
    else
        return true;
    return false;
}

static void reader_hold(struct reader *reader, uint32_t number, const struct store_lease *lease) {
    struct held *held = &reader->held[reader->next_held++ % LEASES_MAX];

    reader_return(reader, held);
    *held = (struct held){.lease = *lease, .key = number, .open = true};
    held->stamp.key = ~number;
    const char *wrong = reader_gather(reader, held);

    if (!wrong)
        wrong = stamp_check(reader->thread->buffer, lease->value_bytes, &held->stamp);
    if (wrong)
        stress_fail(reader->thread, number, "just lent: %s", wrong);
    atom_fetch_add(&reader->thread->stress->lends, 1);
}

static void reader_get(struct reader *reader, uint32_t number, bool stable) {
    struct stress_thread *thread = reader->thread;
    struct stress *stress = thread->stress;
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key key = stress_store_key(stress, number, text);
    struct store_head head = {0};
    struct store_lease lease = {0};
    struct stamp stamp;
    bool ordered = number < FILLER_FIRST, lend = stress->plan->lend;
    uint32_t finished = ordered ? atom_load_acquire(&stress_key_of(stress, number)->finished) : 0;

    reader->want_lease = lend && stress_random(thread, 2);
    reader->sink.access = stress_random(thread, 4) ? STORE_ACCESS_COUNTED : STORE_ACCESS_QUIET;
    enum store_read read =
        store_get(thread->core, &key, &reader->sink, &head, lend ? &lease : NULL);

    if (read == STORE_LENT) {
        reader_hold(reader, number, &lease);
        return;
    }
    if (read != STORE_HIT) {
        if (stable)
            stress_fail(thread, number, "a stable key was missed (%d)", (int)read);
        return;
    }
    atom_fetch_add(&stress->hits, 1);
    if (reader->want_lease && head.value_bytes >= store_lend_bytes_min())
        return; /* may_lend was refused: head alone */
    if (reader_check_value(reader, number, &head, &stamp) && ordered)
        reader_check_order(reader, number, stamp.sequence, head.version, finished);
}

static void reader_turn(struct reader *reader) {
    struct stress_thread *thread = reader->thread;
    const struct stress_plan *plan = thread->stress->plan;

    store_turn_begin(thread->core, atom_load_acquire(&thread->stress->now));
    for (unsigned i = 0; i < READS_A_TURN; i++) {
        unsigned dice = stress_random(thread, 8);

        if (dice < 5 && plan->stable_keys)
            reader_get(reader, stress_random(thread, plan->stable_keys), !plan->evict);
        else if (dice < 7 && plan->brief_keys)
            reader_get(reader, BRIEF_FIRST + stress_random(thread, plan->brief_keys), false);
        else if (plan->filler_keys)
            reader_get(reader, FILLER_FIRST + stress_random(thread, plan->filler_keys), false);
    }
    if (reader->held[0].open || reader->held[1].open) {
        if (stress_random(thread, 4) == 0)
            reader_return(reader, &reader->held[stress_random(thread, LEASES_MAX)]);
    }
    if (stress_random(thread, 16) == 0)
        store_upkeep(thread->core, 20000);
    atom_fetch_add(&thread->stress->reads, READS_A_TURN);
    store_turn_end(thread->core);
}

void *stress_reader(void *context) {
    struct stress_thread *thread = context;
    const struct stress_plan *plan = thread->stress->plan;
    struct reader reader = {.sink = {.place = reader_place}, .thread = thread};

    reader.seen = calloc(plan->stable_keys + plan->brief_keys + 1, sizeof *reader.seen);
    ASSERT(reader.seen);
    while (!atom_load_acquire(&thread->stress->stop))
        reader_turn(&reader);
    store_turn_begin(thread->core, atom_load_acquire(&thread->stress->now));
    for (unsigned i = 0; i < LEASES_MAX; i++)
        reader_return(&reader, &reader.held[i]);
    store_turn_end(thread->core);
    free(reader.seen);
    return NULL;
}
