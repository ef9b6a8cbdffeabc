/* larder: how much of the memory the small queue may have
 *
 * A tenth, as long as main is worth more than what leaves the small queue. When the keys that are
 * asked for have been replaced by others, main is dead weight that leaves only as fast as new items
 * are promoted: then the small queue's share grows, and main gives the victims.
 * When nothing is read at all, as in a bulk load, the partition is idle: new items enter main at
 * once, and the hand takes those that were never read, so that the new replace the old; whatever
 * has been read stays.
 *
 * Both are measured over about the same time, in which a tenth of the items is evicted: which part
 * of main was read, and how many ghosts of that age came back for each victim. Main is measured by
 * probes: a line of the index is remembered with its counters (of which 2 becomes 1, so that a read
 * shows) and looked at again later. Readers do nothing for it. Ghosts lie in order of age, so that
 * the first quarter of a line are about the victims of the same time. */
#include "src/store/partition.h"

/* Counts are halved at this many, so that the ratio follows. */
#define SEEN_MAX 512u
/* The share goes from its least to its most in the time that a probe takes. */
#define SHARE_STEP (BALANCE_UNIT / BALANCE_PROBES)
#define SHARE_MIN (BALANCE_UNIT / 10)
#define SHARE_MAX (BALANCE_UNIT * 8 / 10)
/* Nobody reads: at most one in so many probed items was read, and came back of the victims (whose
 * fingerprint may be another's), since probes began. */
#define IDLE_ONE_IN 256u
#define IDLE_PROBES_MIN (2 * BALANCE_PROBES)
/* Probes ended and begun at once, when large items leave. */
#define STEPS_MAX 4u
/* Evictions between the beginning of a probe and its end: this part of the bytes. */
#define PROBE_PART 10u
/* Of GHOST_AGES; ghosts remember two thirds of the items. */
#define RETURN_AGES 2u
/* Fewer are chance: one new key in 8192 has the fingerprint of such a ghost. Where nothing is read
 * at all, one return would let the queue grow, at 4 bytes an item. */
#define RETURNS_MIN 4u
#define NOT_COUNTED 3u
#define NOTHING_COUNTED UINT16_MAX

void balance_init(struct balance *balance) {
    *balance = (struct balance){.share = SHARE_MIN};
    for (unsigned i = 0; i < BALANCE_PROBES; i++) {
        balance->probes[i].freqs = NOTHING_COUNTED;
    }
}

static void ratio_halve(struct balance_ratio *ratio) {
    ratio->seen /= 2;
    ratio->read /= 2;
}

static void ratio_note(struct balance_ratio *ratio, uint32_t seen, uint32_t read) {
    ratio->seen += seen;
    ratio->read += read;
    if (ratio->seen >= SEEN_MAX) {
        ratio_halve(ratio);
    }
}

/* Readers may raise the counter meanwhile: then it is left. */
static void freq_set(_Atomic uint64_t *word, uint64_t slot, unsigned freq) {
    (void)atom_compare_exchange(word, &slot, slot_with_freq(slot, freq));
}

static void probe_begin(struct store *store, struct partition *p, struct balance_probe *probe) {
    uint32_t buckets = geometry_buckets(atom_load_relaxed(&p->geometry));
    uint32_t spread = ++p->balance->begun * 0x9e3779b1u; /* Knuth's multiplicative hashing */
    probe->bucket = (uint32_t)((uint64_t)spread * buckets >> 32);
    probe->freqs = NOTHING_COUNTED;
    struct bucket *line = index_bucket(store, p, probe->bucket);
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        unsigned freq = slot_freq(slot);
        if ((slot & SLOT_MAIN) == 0) {
            continue;
        }
        probe->freqs = (uint16_t)(probe->freqs ^ (NOT_COUNTED ^ freq) << 2 * i);
        if (freq == SLOT_FREQ_MAX) {
            freq_set(&line->slots[i], slot, SLOT_FREQ_MAX - 1);
        }
    }
}

static void probe_end(struct store *store, struct partition *p,
                      const struct balance_probe *probe) {
    if (probe->bucket >= geometry_buckets(atom_load_relaxed(&p->geometry))) {
        return; /* merged away */
    }
    struct bucket *line = index_bucket(store, p, probe->bucket);
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        unsigned before = (unsigned)probe->freqs >> 2 * i & 3u;
        uint64_t slot = atom_load_relaxed(&line->slots[i]);
        if (before == NOT_COUNTED || (slot & SLOT_MAIN) == 0) {
            continue;
        }
        unsigned left_at = before == SLOT_FREQ_MAX ? SLOT_FREQ_MAX - 1 : before;
        ratio_note(&p->balance->main, 1, slot_freq(slot) > left_at ? 1 : 0);
        if (left_at != before && slot_freq(slot) == left_at) {
            freq_set(&line->slots[i], slot, before);
        }
    }
}

/* By the bytes that an item takes on either side: what counts is reads for the same memory. */
static void share_adjust(struct partition *p) {
    struct balance *balance = p->balance;
    const struct balance_ratio *small = &balance->small;
    const struct balance_ratio *main = &balance->main;
    uint64_t items = atom_load_relaxed(&p->counters.items);
    uint64_t main_items = items > p->small.entries ? items - p->small.entries : 1;
    uint64_t main_bytes = (p->chunk_bytes - p->small_bytes) / main_items + 1;
    uint64_t small_bytes = p->small_bytes / (p->small.entries + 1) + 1;
    uint64_t main_worth = (uint64_t)main->read * (small->seen + 1) * small_bytes;
    uint64_t small_worth = (uint64_t)small->read * (main->seen + 1) * main_bytes;
    balance->idle = balance->begun >= IDLE_PROBES_MIN && main->read <= main->seen / IDLE_ONE_IN &&
                    small->read <= small->seen / IDLE_ONE_IN;
    if (small->read >= RETURNS_MIN && main_worth < small_worth) {
        uint32_t more = balance->share + SHARE_STEP;
        balance->share = more < SHARE_MAX ? more : SHARE_MAX;
    } else {
        uint32_t less = balance->share - SHARE_STEP;
        balance->share = less > SHARE_MIN ? less : SHARE_MIN;
    }
}

void balance_note_return(struct partition *p, unsigned age) {
    p->balance->small.read += age <= RETURN_AGES ? 1 : 0;
}

void balance_note_victim(struct partition *p, uint64_t bytes) {
    p->balance->victims++;
    p->balance->victim_bytes += bytes;
}

void balance_step(struct store *store, struct partition *p) {
    struct balance *balance = p->balance;
    uint64_t due = p->chunk_bytes / (BALANCE_PROBES * PROBE_PART) + 1;
    for (unsigned i = 0; i < STEPS_MAX && balance->victim_bytes >= due; i++) {
        ratio_note(&balance->small, balance->victims, 0);
        balance->victims = 0;
        balance->victim_bytes -= due;
        struct balance_probe *probe = &balance->probes[balance->begun % BALANCE_PROBES];
        probe_end(store, p, probe);
        probe_begin(store, p, probe);
        if (balance->begun % BALANCE_PROBES == 0) {
            ratio_halve(&balance->main);
        }
        share_adjust(p);
    }
}
