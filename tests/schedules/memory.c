/* larder: the simulated machine - store buffers, old values, the hooks of src/base/atomic.h
 *
 * Real memory holds what has been drained. Each 8 aligned bytes that were stored to in this run
 * have a struct word with their last values and when they were drained; memory that differs from
 * the newest of them was written plainly, which starts the history anew. */
#include <string.h>

#include "src/base/atomic.h"
#include "tests/schedules/machine_internal.h"

static inline struct machine_fiber *fiber_now(struct machine *machine) {
    return &machine->fibers[machine->current];
}

static inline uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static inline uint64_t bytes_mask(unsigned bytes) {
    return bytes == 8 ? ~(uint64_t)0 : ((uint64_t)1 << (bytes * 8)) - 1;
}

static uint64_t memory_read(uintptr_t address, unsigned bytes) {
    uint64_t value = 0;

    memcpy(&value, (const void *)address, bytes);
    return value;
}

static void memory_write(uintptr_t address, uint64_t value, unsigned bytes) {
    memcpy((void *)address, &value, bytes);
}

/* The part of a word (little-endian) that `bytes` at `address` take. */
static inline uint64_t word_part(uint64_t word, uintptr_t address, unsigned bytes) {
    return (word >> ((address & 7) * 8)) & bytes_mask(bytes);
}

static inline uint64_t word_overlay(uint64_t word, uintptr_t address, unsigned bytes,
                                    uint64_t value) {
    unsigned shift = (unsigned)(address & 7) * 8;
    uint64_t mask = bytes_mask(bytes) << shift;

    return (word & ~mask) | ((value << shift) & mask);
}

void memory_begin(struct machine *machine) {
    machine->run++;
    machine->time = 1;
    machine->sequential = 0;
    machine->buffered = 0;
    machine->words_used = 0;
}

/* -- history ----------------------------------------------------------------------------------- */

static struct word *word_find(struct machine *machine, uintptr_t address) {
    size_t at = (size_t)((address >> 3) * 0x9e3779b97f4a7c15u >> 40) & (WORD_TABLE - 1);

    while (machine->words[at].run == machine->run) {
        if (machine->words[at].address == address)
            return &machine->words[at];
        at = (at + 1) & (WORD_TABLE - 1);
    }
    return machine->words_used < WORDS_MAX ? &machine->words[at] : NULL;
}

static void word_restart(struct word *word, uint64_t value, uint32_t time) {
    word->count = 1;
    word->value[0] = value;
    word->time[0] = time;
    word->by[0] = NOBODY;
}

/* The history of a word that may not have one yet; NULL when the table is full. */
static struct word *word_open(struct machine *machine, uintptr_t address, uint64_t value) {
    struct word *word = word_find(machine, address);

    if (!word)
        return NULL;
    if (word->run != machine->run) {
        machine->words_used++;
        word->run = machine->run;
        word->address = address;
        memset(word->seen, 0, sizeof word->seen);
        word_restart(word, value, 0);
    } else if (word->value[word->count - 1] != value) {
        word_restart(word, value, machine->time);
    }
    return word;
}

static void word_push(struct word *word, uint64_t value, uint32_t time, unsigned fiber) {
    if (word->count == MACHINE_HISTORY) {
        memmove(word->value, word->value + 1, sizeof word->value - sizeof word->value[0]);
        memmove(word->time, word->time + 1, sizeof word->time - sizeof word->time[0]);
        memmove(word->by, word->by + 1, sizeof word->by - sizeof word->by[0]);
        word->count--;
    }
    word->value[word->count] = value;
    word->by[word->count] = (uint8_t)fiber;
    word->time[word->count++] = time;
}

/* Makes a store visible to all. */
static void memory_commit(struct machine *machine, unsigned fiber, uintptr_t address,
                          unsigned bytes, uint64_t value) {
    uintptr_t base = address & ~(uintptr_t)7;

    machine->time++;
    if (machine->config.memory == MACHINE_WEAK) {
        uint64_t before = memory_read(base, 8);
        struct word *word = word_open(machine, base, before);

        if (word) {
            word_push(word, word_overlay(before, address, bytes, value), machine->time, fiber);
            word->seen[fiber] = machine->time;
        }
    }
    memory_write(address, value, bytes);
}

/* -- store buffers ----------------------------------------------------------------------------- */

static bool pending_may_go(const struct machine_fiber *fiber, unsigned at) {
    const struct pending *store = &fiber->pending[at];

    if (store->release && at > 0)
        return false;
    for (unsigned i = 0; i < at; i++) {
        if (fiber->pending[i].fences != store->fences ||
            (fiber->pending[i].address ^ store->address) < 8)
            return false;
    }
    return true;
}

static void pending_drain(struct machine *machine, struct machine_fiber *fiber, unsigned at) {
    struct pending store = fiber->pending[at];

    fiber->pending_count--;
    machine->buffered--;
    memmove(&fiber->pending[at], &fiber->pending[at + 1],
            (fiber->pending_count - at) * sizeof store);
    memory_commit(machine, (unsigned)(fiber - machine->fibers), store.address, store.bytes,
                  store.value);
    report_event(machine, (struct event){.kind = EVENT_DRAIN,
                                         .address = store.address,
                                         .value = store.value,
                                         .bytes = store.bytes,
                                         .order = (uint8_t)(fiber - machine->fibers)});
}

void memory_drain_one(struct machine *machine, struct machine_fiber *fiber) {
    unsigned at = 0;

    if (fiber->pending_count == 0)
        return;
    if (machine->config.memory == MACHINE_WEAK)
        at = machine_below(machine, fiber->pending_count);
    while (at > 0 && !pending_may_go(fiber, at))
        at--;
    pending_drain(machine, fiber, at);
}

void memory_drain_all(struct machine *machine, struct machine_fiber *fiber) {
    while (fiber->pending_count > 0)
        pending_drain(machine, fiber, 0);
}

/* What the fiber's own buffer makes of a word. *covered is set when it decides all of the bytes
 * asked. */
static uint64_t pending_overlay(const struct machine_fiber *fiber, uintptr_t address,
                                unsigned bytes, uint64_t word, bool *covered) {
    uint64_t wanted = word_overlay(0, address, bytes, ~(uint64_t)0), found = 0;

    for (unsigned i = 0; i < fiber->pending_count; i++) {
        const struct pending *store = &fiber->pending[i];

        if ((store->address ^ address) >= 8)
            continue;
        word = word_overlay(word, store->address, store->bytes, store->value);
        found = word_overlay(found, store->address, store->bytes, ~(uint64_t)0);
    }
    *covered = (wanted & ~found) == 0;
    return word;
}

/* -- loads ------------------------------------------------------------------------------------- */

/* The place in the history that a load returns: the newest, or an older one that is in reach. */
static unsigned word_choose(struct machine *machine, const struct word *word, uint64_t horizon) {
    unsigned stale_one_in = machine->fair ? 0 : machine->config.stale_one_in;
    unsigned at = word->count - 1;
    uint32_t seen = word->seen[machine->current];

    if (!stale_one_in || at == 0 || word->time[at] <= horizon || word->time[at - 1] < seen ||
        machine_below(machine, stale_one_in) != 0)
        return at;
    do
        at--;
    while (at > 0 && word->time[at] > horizon && word->time[at - 1] >= seen &&
           machine_below(machine, 2) == 0);
    return at;
}

/* A fiber has returned the value at place `at`. Answers when it was drained, or 0 if it is the
 * fiber's own: that teaches nothing about other fibers. */
static uint32_t word_saw(struct machine *machine, struct word *word, unsigned at) {
    uint32_t time = word->time[at];

    if (word->seen[machine->current] < time)
        word->seen[machine->current] = time;
    return word->by[at] == machine->current ? 0 : time;
}

/* Loads from real memory or history, without the buffer. Sets *time as word_saw() answers. */
static uint64_t word_load(struct machine *machine, uintptr_t base, uint64_t horizon,
                          uint32_t *time) {
    uint64_t memory = memory_read(base, 8);
    struct word *word;

    *time = 0;
    if (machine->config.memory != MACHINE_WEAK)
        return memory;
    word = word_find(machine, base);
    if (!word || word->run != machine->run)
        return memory;
    if (word->value[word->count - 1] != memory)
        word_restart(word, memory, machine->time);
    unsigned at = word_choose(machine, word, horizon);

    *time = word_saw(machine, word, at);
    return word->value[at];
}

uint64_t schedule_load(const volatile void *object, unsigned bytes, int order) {
    struct machine *machine = machine_now;
    uintptr_t address = (uintptr_t)object, base = address & ~(uintptr_t)7;

    if (!machine || !machine->running)
        return memory_read(address, bytes);
    machine_step(machine);
    struct machine_fiber *fiber = fiber_now(machine);
    bool covered = false;
    uint32_t time = 0;
    uint64_t word = 0, value;

    if (fiber->pending_count > 0)
        word = pending_overlay(fiber, address, bytes, 0, &covered);
    if (!covered) {
        uint64_t horizon =
            order == ORDER_SEQ_CST ? later(fiber->horizon, machine->sequential) : fiber->horizon;

        word = word_load(machine, base, horizon, &time);
        word = pending_overlay(fiber, address, bytes, word, &covered);
        fiber->latest = (uint32_t)later(fiber->latest, time);
        if (order != ORDER_RELAXED)
            fiber->horizon = (uint32_t)later(fiber->horizon, time);
    }
    value = word_part(word, address, bytes);
    report_event(machine,
                 (struct event){.kind = value == memory_read(address, bytes) || covered
                                            ? EVENT_LOAD
                                            : EVENT_STALE,
                                .address = address,
                                .value = value,
                                .caller = __builtin_return_address(0),
                                .order = (uint8_t)order,
                                .bytes = (uint8_t)bytes});
    return value;
}

/* -- stores ------------------------------------------------------------------------------------ */

static void store_now(struct machine *machine, uintptr_t address, uint64_t value, unsigned bytes,
                      int order) {
    struct machine_fiber *fiber = fiber_now(machine);
    bool linger = machine->config.memory != MACHINE_SC && order != ORDER_SEQ_CST && !machine->fair;

    /* A frame is used anew by plain stores, which a lingering one must not overtake. */
    if (!linger || fiber_holds(fiber->fiber, address)) {
        memory_drain_all(machine, fiber);
        memory_commit(machine, machine->current, address, bytes, value);
        if (order == ORDER_SEQ_CST)
            machine->sequential = machine->time;
        return;
    }
    while (fiber->pending_count >= machine->config.buffer_stores)
        memory_drain_one(machine, fiber);
    fiber->pending[fiber->pending_count++] = (struct pending){
        .address = address,
        .value = value,
        .fences = fiber->fences,
        .bytes = (uint8_t)bytes,
        .release = order == ORDER_RELEASE || machine->config.memory == MACHINE_TSO,
    };
    machine->buffered++;
}

void schedule_store(volatile void *object, uint64_t value, unsigned bytes, int order) {
    struct machine *machine = machine_now;

    if (!machine || !machine->running) {
        memory_write((uintptr_t)object, value, bytes);
        return;
    }
    machine_step(machine);
    report_event(machine, (struct event){.kind = EVENT_STORE,
                                         .address = (uintptr_t)object,
                                         .value = value,
                                         .caller = __builtin_return_address(0),
                                         .order = (uint8_t)order,
                                         .bytes = (uint8_t)bytes});
    store_now(machine, (uintptr_t)object, value, bytes, order);
}

/* -- read-modify-writes ------------------------------------------------------------------------ */

/* The newest value, acquired; the fiber's buffer must be empty or be looked into by the caller. */
static uint64_t newest_acquire(struct machine *machine, uintptr_t address, unsigned bytes) {
    struct machine_fiber *fiber = fiber_now(machine);
    uintptr_t base = address & ~(uintptr_t)7;
    uint64_t memory = memory_read(base, 8);
    uint32_t time = 0;

    if (machine->config.memory == MACHINE_WEAK) {
        struct word *word = word_find(machine, base);

        if (word && word->run == machine->run) {
            if (word->value[word->count - 1] != memory)
                word_restart(word, memory, machine->time);
            time = word_saw(machine, word, word->count - 1u);
        }
    }
    fiber->latest = (uint32_t)later(fiber->latest, time);
    fiber->horizon = (uint32_t)later(fiber->horizon, time);
    return word_part(memory, address, bytes);
}

static uint64_t modify(struct machine *machine, struct event event, uint64_t added,
                       bool replace) {
    memory_drain_all(machine, fiber_now(machine));
    uint64_t before = newest_acquire(machine, event.address, event.bytes);
    uint64_t after = (replace ? added : before + added) & bytes_mask(event.bytes);

    event.value = after;
    report_event(machine, event);
    memory_commit(machine, machine->current, event.address, event.bytes, after);
    return before;
}

uint64_t schedule_exchange(volatile void *object, uint64_t value, unsigned bytes) {
    struct machine *machine = machine_now;
    uintptr_t address = (uintptr_t)object;

    if (!machine || !machine->running) {
        uint64_t before = memory_read(address, bytes);

        memory_write(address, value, bytes);
        return before;
    }
    machine_step(machine);
    return modify(machine,
                  (struct event){.kind = EVENT_EXCHANGE,
                                 .address = address,
                                 .caller = __builtin_return_address(0),
                                 .bytes = (uint8_t)bytes},
                  value, true);
}

uint64_t schedule_fetch_add(volatile void *object, uint64_t value, unsigned bytes) {
    struct machine *machine = machine_now;
    uintptr_t address = (uintptr_t)object;

    if (!machine || !machine->running) {
        uint64_t before = memory_read(address, bytes);

        memory_write(address, before + value, bytes);
        return before;
    }
    machine_step(machine);
    uint64_t before = modify(machine,
                             (struct event){.kind = EVENT_ADD,
                                            .address = address,
                                            .caller = __builtin_return_address(0),
                                            .bytes = (uint8_t)bytes},
                             value, false);

    machine->sequential = machine->time;
    return before;
}

/* A failed one is an acquire load of the newest value: it drains nothing, except on TSO. */
bool schedule_compare_exchange(volatile void *object, uint64_t *expected, uint64_t value,
                               unsigned bytes) {
    struct machine *machine = machine_now;
    uintptr_t address = (uintptr_t)object;
    bool covered, same;
    uint64_t before;

    if (!machine || !machine->running) {
        before = memory_read(address, bytes);
        same = before == (*expected & bytes_mask(bytes));
        if (same)
            memory_write(address, value, bytes);
        *expected = before;
        return same;
    }
    machine_step(machine);
    struct machine_fiber *fiber = fiber_now(machine);

    if (machine->config.memory != MACHINE_WEAK)
        memory_drain_all(machine, fiber);
    before = newest_acquire(machine, address, bytes);
    before = pending_overlay(fiber, address, bytes, word_overlay(0, address, bytes, before),
                             &covered);
    before = word_part(before, address, bytes);
    same = before == (*expected & bytes_mask(bytes));
    *expected = before;
    struct event event = {.kind = EVENT_COMPARE,
                          .address = address,
                          .value = before,
                          .caller = __builtin_return_address(0),
                          .order = same,
                          .bytes = (uint8_t)bytes};

    if (same)
        modify(machine, event, value, true);
    else
        report_event(machine, event);
    return same;
}

/* -- fences ------------------------------------------------------------------------------------ */

void schedule_fence(int order) {
    struct machine *machine = machine_now;

    if (!machine || !machine->running)
        return;
    machine_step(machine);
    struct machine_fiber *fiber = fiber_now(machine);

    if (order == ORDER_RELEASE)
        fiber->fences++;
    if (order == ORDER_ACQUIRE || order == ORDER_SEQ_CST)
        fiber->horizon = (uint32_t)later(fiber->horizon, fiber->latest);
    if (order == ORDER_SEQ_CST) {
        memory_drain_all(machine, fiber);
        fiber->horizon = (uint32_t)later(fiber->horizon, machine->sequential);
        machine->sequential = machine->time;
    }
    report_event(machine, (struct event){.kind = EVENT_FENCE,
                                         .caller = __builtin_return_address(0),
                                         .order = (uint8_t)order});
}

/* A spinning fiber waits for others: they run, and now and then a store of theirs is drained. */
void schedule_pause(void) {
    struct machine *machine = machine_now;

    if (!machine || !machine->running)
        return;
    machine->steps++;
    for (unsigned i = 0; i < machine->count && machine_below(machine, 4) == 0; i++)
        memory_drain_one(machine, &machine->fibers[i]);
    report_event(machine, (struct event){.kind = EVENT_PAUSE,
                                         .caller = __builtin_return_address(0)});
    machine_give_way(machine);
}
