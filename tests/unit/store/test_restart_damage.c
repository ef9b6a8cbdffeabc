/* larder: tests of restart files that are damaged, foreign or do not suit: a clean start each */
#include "tests/unit/store/restart_rig.h"

#include <stddef.h>

#include "src/base/hash.h"

#define FOREIGN "it is no memory file of larder, or cut off"
#define HEADER "its header is damaged"
#define TABLES "its tables are damaged"
#define ITEMS "its items or index are damaged"
#define CUT "it is cut off"
#define KILLED "the server that used it was not stopped gracefully"
#define LARGE_BYTES 40000u

/* A saved file and a copy of it. */
struct damage {
    struct rig rig;
    uint8_t *copy;
    uint64_t bytes;
    struct restart_header header;
};

static void damage_open_with(struct damage *damage, bool verify_values) {
    struct rig *rig = &damage->rig;
    rig_open(rig);
    rig->restart.verify_values = verify_values;
    assert_int_equal(put_text(&rig->f, "key", "value"), STORE_OK);
    assert_int_equal(put(&rig->f, "large", pattern(&rig->f, LARGE_BYTES, 1), LARGE_BYTES),
                     STORE_OK);
    rig_stop(rig);
    damage->bytes = rig_file_bytes(rig);
    damage->copy = malloc(damage->bytes);
    assert_non_null(damage->copy);
    rig_file_read(rig, 0, damage->copy, damage->bytes);
    memcpy(&damage->header, damage->copy, sizeof(damage->header));
}

static void damage_open(struct damage *damage) {
    damage_open_with(damage, false);
}

/* The file is as it was saved. Only what differs is written: that is little. */
static void damage_undo(struct damage *damage) {
    rig_file_cut(&damage->rig, 0);
    rig_file_cut(&damage->rig, damage->bytes);
    for (uint64_t at = 0; at < damage->bytes; at += 4096) {
        static const uint8_t zeros[4096];
        uint64_t bytes = damage->bytes - at < 4096 ? damage->bytes - at : 4096;
        if (memcmp(damage->copy + at, zeros, bytes) != 0) {
            rig_file_write(&damage->rig, at, damage->copy + at, bytes);
        }
    }
}

/* The store starts from the saved file, and all is there. */
static void damage_close(struct damage *damage) {
    damage_undo(damage);
    rig_start(&damage->rig);
    assert_true(damage->rig.restart.reused);
    assert_text(&damage->rig.f, "key", "value");
    rig_close(&damage->rig);
    free(damage->copy);
}

static void flip(struct damage *damage, uint64_t at, unsigned bit) {
    uint8_t byte = damage->copy[at] ^ (uint8_t)(1u << bit);
    rig_file_write(&damage->rig, at, &byte, 1);
}

static void assert_clean(struct damage *damage, const char *reason) {
    rig_start_clean(&damage->rig, reason);
    assert_int_equal(put_text(&damage->rig.f, "key", "works"), STORE_OK);
    rig_kill(&damage->rig);
}

/* Only whether the header would be accepted: a whole start for every bit takes too long. */
static void assert_refused(struct damage *damage, const char *reason) {
    struct rig *rig = &damage->rig;
    assert_true(restart_open(&rig->restart, rig->path));
    rig->restart.wall_s = rig->wall_s;
    assert_false(restart_accept(&rig->restart, &rig->config));
    assert_string_equal(rig->restart.reason, reason);
    restart_close(&rig->restart);
}

static void every_bit_of_the_header_counts(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    for (uint64_t at = 0; at < sizeof(struct restart_header); at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            flip(&damage, at, bit);
            assert_refused(&damage, at < sizeof(damage.header.magic) ? FOREIGN : HEADER);
            rig_file_write(&damage.rig, at, &damage.copy[at], 1);
        }
        if (at % 16 == 0) {
            flip(&damage, at, 0);
            assert_clean(&damage, at < sizeof(damage.header.magic) ? FOREIGN : HEADER);
            damage_undo(&damage);
        }
    }
    damage_close(&damage);
}

static void every_part_of_the_tail_counts(void **state) {
    (void)state;
    struct damage damage;
    uint64_t random = 3;
    damage_open(&damage);
    for (unsigned i = 0; i < 60; i++) {
        uint64_t at = damage.header.tail_offset + random_next(&random) % damage.header.tail_bytes;
        flip(&damage, i == 0 ? damage.bytes - 1 : at, i % 8);
        assert_clean(&damage, TABLES);
        damage_undo(&damage);
    }
    damage_close(&damage);
}

/* The tail sum would have told; made to fit, every field is still looked at before it is used. */
static void a_tail_of_nonsense_is_survived(void **state) {
    (void)state;
    struct damage damage;
    uint64_t random = 4;
    damage_open(&damage);
    for (unsigned i = 0; i < 100; i++) {
        struct restart_header header = damage.header;
        uint64_t at = random_next(&random) % header.tail_bytes & ~(uint64_t)3;
        uint64_t bytes = header.tail_bytes - at < 4 ? header.tail_bytes - at : 4;
        uint8_t *tail = malloc(header.tail_bytes);
        assert_non_null(tail);
        memcpy(tail, damage.copy + header.tail_offset, header.tail_bytes);
        memset(tail + at, i % 2 == 0 ? 0xff : 0x7f, bytes);
        header.tail_bytes -= i % 3 == 0 ? 8 : 0;
        header.tail_sum = hash_xxh3(tail, header.tail_bytes, 0);
        header.sum = hash_xxh3(&header, offsetof(struct restart_header, sum), 0);
        rig_file_write(&damage.rig, 0, &header, sizeof(header));
        rig_file_write(&damage.rig, header.tail_offset, tail, header.tail_bytes);
        free(tail);
        struct restart *restart = &damage.rig.restart;
        assert_true(restart_open(restart, damage.rig.path));
        restart->wall_s = damage.rig.wall_s;
        struct store *store = store_create(&damage.rig.config);
        assert_non_null(store);
        store_destroy(store);
        restart_close(restart);
        damage_undo(&damage);
    }
    damage_close(&damage);
}

static void a_file_that_was_cut_off_is_refused(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    uint64_t lengths[] = {1, 8, sizeof(struct restart_header) - 1, 4096, SLAB_FILE_OFFSET - 1};
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        rig_file_cut(&damage.rig, lengths[i]);
        assert_clean(&damage, FOREIGN);
        damage_undo(&damage);
    }
    for (uint64_t at = SLAB_FILE_OFFSET; at < damage.bytes; at += damage.bytes / 40) {
        rig_file_cut(&damage.rig, at);
        assert_clean(&damage, CUT);
        damage_undo(&damage);
    }
    rig_file_cut(&damage.rig, damage.bytes - 1);
    assert_clean(&damage, CUT);
    damage_close(&damage);
}

static void a_foreign_file_gives_way(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    uint8_t noise[10000];
    uint64_t random = 9;
    for (unsigned i = 0; i < sizeof(noise); i++) {
        noise[i] = (uint8_t)random_next(&random);
    }
    rig_file_cut(&damage.rig, 0);
    rig_file_write(&damage.rig, 0, noise, sizeof(noise));
    assert_clean(&damage, FOREIGN);
    rig_file_cut(&damage.rig, 0);
    assert_clean(&damage, "");
    damage_close(&damage);
}

static void what_was_killed_is_not_taken_over(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    rig_start(&damage.rig);
    assert_true(damage.rig.restart.reused);
    rig_kill(&damage.rig);
    assert_clean(&damage, KILLED);
    assert_clean(&damage, KILLED);
    damage_close(&damage);
}

/* Where the item lies in the file. */
static uint64_t place_of_key(struct damage *damage) {
    rig_start(&damage->rig);
    struct fixture *f = &damage->rig.f;
    struct store_key key = key_of(f, "key");
    struct cursor cursor;
    assert_true(index_find(f->store, partition_of(f->store, key.hash), &key, &cursor));
    uint64_t place = SLAB_FILE_OFFSET + (slot_location(cursor.slot) - 1) * 8;
    rig_kill(&damage->rig);
    damage_undo(damage);
    return place;
}

static void every_byte_of_an_item_s_header_and_key_counts(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    uint64_t place = place_of_key(&damage);
    for (unsigned i = 0; i < sizeof(struct item) + 3; i++) {
        flip(&damage, place + i, i % 8);
        assert_clean(&damage, ITEMS);
        damage_undo(&damage);
    }
    damage_close(&damage);
}

static void values_count_on_demand(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    uint64_t place = place_of_key(&damage) + sizeof(struct item) + 3;
    flip(&damage, place, 0);
    rig_start(&damage.rig);
    assert_true(damage.rig.restart.reused);
    assert_text(&damage.rig.f, "key", "walue"); /* known, and the price of a start in seconds */
    rig_kill(&damage.rig);
    damage_close(&damage);
    damage_open_with(&damage, true);
    place = place_of_key(&damage) + sizeof(struct item) + 3;
    flip(&damage, place, 0);
    assert_clean(&damage, ITEMS);
    damage_close(&damage);
}

static void values_that_were_not_summed_cannot_be_verified(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    damage.rig.restart.verify_values = true;
    assert_clean(&damage, "it was saved without -o restart_verify");
    damage.rig.restart.verify_values = false;
    damage_close(&damage);
}

/* Values, and what is free, may change unnoticed; nothing else may. */
static void damage_anywhere_is_noticed_or_does_no_harm(void **state) {
    (void)state;
    struct damage damage;
    uint64_t random = 8;
    damage_open(&damage);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t pages = damage.header.tail_offset - SLAB_FILE_OFFSET;
        uint64_t at = SLAB_FILE_OFFSET + random_next(&random) % (pages / 8) * 8;
        if (damage.copy[at] != 0) {
            flip(&damage, at, 1);
            rig_start(&damage.rig);
            fixture_check(&damage.rig.f);
            rig_kill(&damage.rig);
            damage_undo(&damage);
        }
    }
    damage_close(&damage);
}

static void another_shape_of_store_is_refused(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    struct store_config config = damage.rig.config;
    damage.rig.config.partition_count = 1;
    assert_clean(&damage, "-o partitions is not what it was made with");
    damage_undo(&damage);
    damage.rig.config = config;
    damage.rig.config.token_in_items = false;
    assert_clean(&damage, "-C is not what it was made with");
    damage_undo(&damage);
    damage.rig.config = config;
    damage.rig.config.memory_bytes = config.memory_bytes / 2 - MIB;
    assert_clean(&damage, "-m is less than half of what it was made for");
    damage_undo(&damage);
    damage.rig.config.memory_bytes = config.memory_bytes * 4 + MIB;
    assert_clean(&damage, "-m is more than four times what it was made for");
    damage_undo(&damage);
    damage.rig.config = config;
    damage.rig.config.partition_count = 0;
    damage.rig.config.item_bytes_max = MIB + 1;
    assert_clean(&damage, "-I is too large for the partitions it was made for");
    damage_undo(&damage);
    damage.rig.config.item_bytes_max = config.item_bytes_max - 1;
    assert_clean(&damage, "-I is less than what it was made for");
    damage.rig.config = config;
    damage_close(&damage);
}

static void a_clock_that_went_back_is_refused(void **state) {
    (void)state;
    struct damage damage;
    damage_open(&damage);
    damage.rig.wall_s--;
    assert_clean(&damage, "the clock has gone back since it was saved");
    damage_undo(&damage);
    damage.rig.wall_s += (int64_t)1 << 31;
    assert_clean(&damage, "it was saved too long ago");
    damage.rig.wall_s -= ((int64_t)1 << 31) - 1;
    damage_close(&damage);
}

static void only_a_regular_file_will_do(void **state) {
    (void)state;
    struct restart restart;
    assert_false(restart_open(&restart, "/"));
    assert_string_equal(restart.reason, "it cannot be opened: Is a directory");
    assert_false(restart_open(&restart, "/dev/null"));
    assert_string_equal(restart.reason, "it is not a regular file");
    assert_false(restart_open(&restart, "/nonexistent/file"));
    assert_string_equal(restart.reason, "it cannot be opened: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_of_the_header_counts),
        cmocka_unit_test(every_part_of_the_tail_counts),
        cmocka_unit_test(a_tail_of_nonsense_is_survived),
        cmocka_unit_test(a_file_that_was_cut_off_is_refused),
        cmocka_unit_test(a_foreign_file_gives_way),
        cmocka_unit_test(what_was_killed_is_not_taken_over),
        cmocka_unit_test(every_byte_of_an_item_s_header_and_key_counts),
        cmocka_unit_test(values_count_on_demand),
        cmocka_unit_test(values_that_were_not_summed_cannot_be_verified),
        cmocka_unit_test(damage_anywhere_is_noticed_or_does_no_harm),
        cmocka_unit_test(another_shape_of_store_is_refused),
        cmocka_unit_test(a_clock_that_went_back_is_refused),
        cmocka_unit_test(only_a_regular_file_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
