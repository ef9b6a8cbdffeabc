/* larder: a store in a file that is stopped and started again */
#include "tests/unit/store/restart_rig.h"

#include <sys/mman.h>
#include <unistd.h>

void rig_open(struct rig *rig) {
    memset(rig, 0, sizeof(*rig));
    rig->fd = memfd_create("larder", MFD_CLOEXEC);
    assert_true(rig->fd >= 0);
    (void)snprintf(rig->path, sizeof(rig->path), "/proc/self/fd/%d", rig->fd);
    rig->config = fixture_config();
    rig->config.partition_count = 2;
    rig->config.restart = &rig->restart;
    rig->wall_s = 1000000;
    rig_start(rig);
    assert_false(rig->restart.reused);
    assert_string_equal(rig->restart.reason, "");
}

void rig_close(struct rig *rig) {
    rig_kill(rig);
    (void)close(rig->fd);
}

static void rig_end(struct rig *rig, bool save) {
    struct fixture *f = &rig->f;
    store_turn_end(f->core);
    fixture_check(f);
    store_core_destroy(f->core);
    if (save && !store_save(f->store, f->now, rig->wall_s)) {
        fail_msg("not saved: %s", rig->restart.reason);
    }
    store_destroy(f->store);
    restart_close(&rig->restart);
    free(f->out);
    free(f->pattern);
}

void rig_stop(struct rig *rig) {
    rig_end(rig, true);
}

void rig_kill(struct rig *rig) {
    rig_end(rig, false);
}

void rig_start(struct rig *rig) {
    bool verify_values = rig->restart.verify_values;
    if (!restart_open(&rig->restart, rig->path)) {
        fail_msg("%s", rig->restart.reason);
    }
    rig->restart.verify_values = verify_values;
    rig->restart.wall_s = rig->wall_s;
    fixture_open(&rig->f, &rig->config);
    if (rig->restart.reused) {
        store_turn_end(rig->f.core);
        rig->f.now = rig->restart.now;
        store_turn_begin(rig->f.core, rig->f.now);
    }
    fixture_check(&rig->f);
}

void rig_restart(struct rig *rig, uint32_t seconds) {
    rig_stop(rig);
    rig->wall_s += seconds;
    rig_start(rig);
    assert_string_equal(rig->restart.reason, "");
    assert_true(rig->restart.reused);
}

void rig_start_clean(struct rig *rig, const char *reason) {
    rig_start(rig);
    assert_string_equal(rig->restart.reason, reason);
    assert_false(rig->restart.reused);
    assert_int_equal(totals_of(&rig->f).items, 0);
}

uint64_t rig_file_bytes(const struct rig *rig) {
    off_t end = lseek(rig->fd, 0, SEEK_END);
    assert_true(end >= 0);
    return (uint64_t)end;
}

void rig_file_read(const struct rig *rig, uint64_t offset, void *data, uint64_t bytes) {
    assert_int_equal(pread(rig->fd, data, bytes, (off_t)offset), bytes);
}

void rig_file_write(const struct rig *rig, uint64_t offset, const void *data, uint64_t bytes) {
    assert_int_equal(pwrite(rig->fd, data, bytes, (off_t)offset), bytes);
}

void rig_file_cut(const struct rig *rig, uint64_t bytes) {
    assert_int_equal(ftruncate(rig->fd, (off_t)bytes), 0);
}
