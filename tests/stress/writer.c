/* larder: the writers of a stress run */
#include "tests/stress/stress_internal.h"

enum { WRITES_A_TURN = 4, PIECES_MAX = 5, LEFT_OVER = 7 };

struct writer {
    struct stress_thread *thread;
    uint32_t filler_at; /* of this writer's share */
    uint32_t wave;      /* odd waves delete what even ones stored */
};

static uint32_t writer_bytes(struct stress_thread *thread, struct stress_sizes sizes) {
    return sizes.bytes_min + stress_random(thread, sizes.bytes_max - sizes.bytes_min + 1);
}

/* Key `i` of this writer: the writers share the keys out by remainder. */
static uint32_t writer_key(const struct stress_thread *thread, uint32_t i, uint32_t keys) {
    uint32_t writers = thread->stress->plan->writers;
    uint32_t number = i / writers * writers + thread->number;

    return number < keys ? number : thread->number;
}

/* Stores thread->buffer in pieces. */
static enum store_outcome writer_upload(struct stress_thread *thread,
                                        const struct store_write *write, uint32_t bytes) {
    struct store_upload upload;
    enum store_outcome outcome = store_upload_begin(thread->core, &upload, write, bytes);
    uint32_t at = 0;

    if (outcome != STORE_OK)
        return outcome;
    while (at < bytes) {
        uint32_t piece = 1 + stress_random(thread, bytes - at);

        store_upload_append(thread->core, &upload, thread->buffer + at, piece);
        at += piece;
        if (stress_random(thread, PIECES_MAX) == 0) {
            store_turn_end(thread->core);
            store_turn_begin(thread->core, atom_load_acquire(&thread->stress->now));
        }
    }
    if (stress_random(thread, 8) == 0) {
        store_upload_abandon(thread->core, &upload);
        return store_upload_begin(thread->core, &upload, write, bytes) == STORE_OK
                   ? (store_upload_append(thread->core, &upload, thread->buffer, bytes),
                      store_upload_commit(thread->core, &upload, NULL))
                   : STORE_NO_MEMORY;
    }
    return store_upload_commit(thread->core, &upload, NULL);
}

static enum store_outcome writer_store(struct stress_thread *thread, uint32_t number,
                                       uint32_t sequence, uint32_t bytes, uint32_t expiry) {
    char text[STAMP_KEY_BYTES_MAX];
    struct store_write write = {.key = stress_store_key(thread->stress, number, text),
                                .mode = STORE_SET,
                                .client_flags = sequence % 3,
                                .expiry = expiry};
    struct iovec value = {.iov_base = thread->buffer, .iov_len = bytes};

    stamp_fill(thread->buffer, bytes, (struct stamp){.key = number, .sequence = sequence});
    atom_fetch_add(&thread->stress->writes, 1);
    if (stress_random(thread, 4) == 0)
        return writer_upload(thread, &write, bytes);
    return store_put(thread->core, &write, &value, NULL);
}

static void writer_overwrite(struct stress_thread *thread, uint32_t number,
                             struct stress_sizes sizes, uint32_t expiry) {
    struct stress_key *key = stress_key_of(thread->stress, number);
    uint32_t sequence = atom_load_relaxed(&key->begun) + 1;

    atom_store_release(&key->begun, sequence);
    enum store_outcome outcome =
        writer_store(thread, number, sequence, writer_bytes(thread, sizes), expiry);

    if (outcome == STORE_OK)
        atom_store_release(&key->finished, sequence);
    else if (number < BRIEF_FIRST && !thread->stress->plan->evict)
        stress_fail(thread, number, "a stable key was refused (%d)", (int)outcome);
    else
        atom_fetch_add(&thread->stress->refusals, 1);
}

static void writer_brief(struct stress_thread *thread) {
    const struct stress_plan *plan = thread->stress->plan;
    uint32_t i = writer_key(thread, stress_random(thread, plan->brief_keys), plan->brief_keys);
    uint32_t number = BRIEF_FIRST + i;
    char text[STAMP_KEY_BYTES_MAX];
    struct store_key key = stress_store_key(thread->stress, number, text);
    uint32_t now = atom_load_acquire(&thread->stress->now);

    switch (stress_random(thread, 5)) {
    case 0:
    case 1:
        store_delete(thread->core, &key);
        break;
    case 2:
        store_touch(thread->core, &key, now + stress_random(thread, 3));
        break;
    case 3:
        writer_overwrite(thread, number, plan->brief, now + 1);
        break;
    default:
        writer_overwrite(thread, number, plan->brief, STORE_EXPIRY_NEVER);
    }
}

/* The next filler of the wave: even waves store them all, odd ones delete all but a few. */
static void writer_filler(struct writer *writer) {
    struct stress_thread *thread = writer->thread;
    const struct stress_plan *plan = thread->stress->plan;
    uint32_t share = plan->filler_keys / plan->writers;
    uint32_t number = FILLER_FIRST + writer->filler_at * plan->writers + thread->number;

    if (writer->wave % 2 == 0) {
        struct stress_sizes sizes = plan->filler[writer->wave / 2 % 2];

        if (writer_store(thread, number, writer->wave, writer_bytes(thread, sizes),
                         STORE_EXPIRY_NEVER) != STORE_OK)
            atom_fetch_add(&thread->stress->refusals, 1);
    } else if ((number + writer->wave) % LEFT_OVER != 0) {
        char text[STAMP_KEY_BYTES_MAX];
        struct store_key key = stress_store_key(thread->stress, number, text);

        store_delete(thread->core, &key);
    }
    if (++writer->filler_at >= share) {
        writer->filler_at = 0;
        writer->wave++;
    }
}

static void writer_turn(struct writer *writer) {
    struct stress_thread *thread = writer->thread;
    const struct stress_plan *plan = thread->stress->plan;

    store_turn_begin(thread->core, atom_load_acquire(&thread->stress->now));
    for (unsigned i = 0; i < WRITES_A_TURN; i++) {
        unsigned dice = stress_random(thread, 8);

        if (dice < 3 && plan->stable_keys)
            writer_overwrite(
                thread,
                writer_key(thread, stress_random(thread, plan->stable_keys), plan->stable_keys),
                plan->stable, STORE_EXPIRY_NEVER);
        else if (dice < 5 && plan->brief_keys)
            writer_brief(thread);
        else if (plan->filler_keys)
            writer_filler(writer);
    }
    if (stress_random(thread, 4) == 0)
        store_upkeep(thread->core, 20000);
    store_turn_end(thread->core);
}

void stress_writer_prepare(struct stress_thread *thread) {
    const struct stress_plan *plan = thread->stress->plan;

    store_turn_begin(thread->core, atom_load_acquire(&thread->stress->now));
    for (uint32_t i = thread->number; i < plan->stable_keys; i += plan->writers)
        writer_overwrite(thread, i, plan->stable, STORE_EXPIRY_NEVER);
    store_turn_end(thread->core);
}

void *stress_writer(void *context) {
    struct writer writer = {.thread = context};

    while (!atom_load_acquire(&writer.thread->stress->stop))
        writer_turn(&writer);
    return NULL;
}
