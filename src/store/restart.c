/* larder: a store that outlives its process - the file, saving it, taking it over */
#include "src/store/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "src/base/hash.h"
#include "src/store/restart_file.h"

#define GIB ((uint64_t)1 << 30)
#define PARTITION_BYTES_MAX (32 * GIB)
/* Another -m is taken over from half of what the file's pages and classes were laid out for to four
 * times as much. */
#define SHRINK_MOST 2u
#define GROWTH_MOST 4u
/* Largest items that a partition must have room for. */
#define ITEMS_LEAST 8u

/* Names of file systems that live in memory (statfs(2)). */
#define TMPFS 0x01021994
#define RAMFS 0x858458f6u
#define HUGETLBFS 0x958458f6u

#define LOCK_TRIES_MAX 30u
#define LOCK_PAUSE_NS 100000000

static const uint8_t magic[8] = {'l', 'a', 'r', 'd', 'e', 'r', '\r', '\n'};

/* -- the file ---------------------------------------------------------------------------------- */

static bool fail(struct restart *restart, const char *what, int error) {
    (void)snprintf(restart->reason, sizeof(restart->reason), "%s%s%s", what,
                   error == 0 ? "" : ": ", error == 0 ? "" : strerror(error));
    errno = error;
    return false;
}

/* The server before this one may be on its way out. */
static bool file_lock(int fd) {
    for (unsigned i = 0; i < LOCK_TRIES_MAX; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        if (errno != EWOULDBLOCK) {
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return false;
}

static bool file_prepare(struct restart *restart) {
    struct stat status;
    struct statfs system;
    if (fstat(restart->fd, &status) != 0 || fstatfs(restart->fd, &system) != 0) {
        return fail(restart, "it cannot be looked at", errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(restart, "it is not a regular file", 0);
    }
    if (!file_lock(restart->fd)) {
        return errno == EWOULDBLOCK ? fail(restart, "another process uses it", 0)
                                    : fail(restart, "it cannot be locked", errno);
    }
    uint32_t type = (uint32_t)system.f_type;
    restart->in_memory = type == TMPFS || type == RAMFS || type == HUGETLBFS;
    /* Of a whole extent, as huge pages want it; only the first page is ever touched. */
    void *header = mmap(NULL, SLAB_FILE_OFFSET, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        restart->fd, 0);
    restart->header = header == MAP_FAILED ? NULL : header;
    return restart->header != NULL || fail(restart, "it cannot be mapped", errno);
}

bool restart_open(struct restart *restart, const char *path) {
    memset(restart, 0, sizeof(*restart));
    restart->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
    if (restart->fd < 0) {
        return fail(restart, "it cannot be opened", errno);
    }
    if (!file_prepare(restart)) {
        (void)close(restart->fd);
        restart->fd = -1;
        return false;
    }
    return true;
}

void restart_close(struct restart *restart) {
    if (restart->fd >= 0) {
        (void)munmap(restart->header, SLAB_FILE_OFFSET);
        (void)close(restart->fd);
        restart->fd = -1;
    }
}

static uint64_t file_bytes(const struct restart *restart) {
    struct stat status;
    return fstat(restart->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

uint64_t restart_room_bytes(const struct restart *restart) {
    struct stat status;
    struct statfs system;
    if (fstat(restart->fd, &status) != 0 || fstatfs(restart->fd, &system) != 0) {
        return 0;
    }
    if (system.f_blocks == 0) {
        return UINT64_MAX; /* a tmpfs without a limit */
    }
    return (uint64_t)system.f_bavail * (uint64_t)system.f_bsize + (uint64_t)status.st_blocks * 512;
}

/* What memory has, the disk has too. */
static bool header_sync(struct restart *restart) {
    struct restart_header *header = restart->header;
    header->sum = hash_xxh3(header, offsetof(struct restart_header, sum), 0);
    return restart->in_memory || msync(header, RESTART_HEADER_BYTES, MS_SYNC) == 0;
}

bool restart_clear(struct restart *restart) {
    if (ftruncate(restart->fd, 0) != 0) {
        return false;
    }
    int error = posix_fallocate(restart->fd, 0, RESTART_HEADER_BYTES);
    if (error == 0 && ftruncate(restart->fd, SLAB_FILE_OFFSET) != 0) {
        error = errno;
    }
    if (error != 0) {
        errno = error;
        return false;
    }
    memcpy(restart->header->magic, magic, sizeof(magic));
    restart->header->format = RESTART_FORMAT;
    restart->header->state = RESTART_IN_USE;
    return header_sync(restart);
}

/* -- whether it can be taken over -------------------------------------------------------------- */

uint64_t restart_layout(const struct store *store) {
    const struct slab_classes *classes = &store->pool.classes;
    const uint64_t sizes[] = {
        RESTART_FORMAT,          sizeof(struct slab_page),       sizeof(struct slab_bin),
        sizeof(struct bucket),   sizeof(struct small_queue),     sizeof(struct fit),
        sizeof(struct item),     sizeof(struct continuation),    sizeof(struct item_chain),
        BUCKET_GROUP,            ITEM_CONTINUATION,              SLOT_MATCH_SHIFT,
        store->page_rows_shift,  classes->page_bytes,            classes->count,
        store->partition_count,  store->pool.pages_per_extent,   sizeof(struct balance),
    };
    uint64_t layout = hash_xxh3(sizes, sizeof(sizes), 0);
    layout = hash_xxh3(classes->chunk_bytes, sizeof(classes->chunk_bytes), layout);
    layout = hash_xxh3(classes->per_page, sizeof(classes->per_page), layout);
    layout = hash_xxh3(classes->lead_bytes, sizeof(classes->lead_bytes), layout);
    return hash_xxh3(classes->base, sizeof(classes->base), layout);
}

static const char *file_wrong(const struct restart_header *header, uint64_t bytes) {
    if (bytes < SLAB_FILE_OFFSET || memcmp(header->magic, magic, sizeof(magic)) != 0) {
        return "it is no memory file of larder, or cut off";
    }
    if (header->sum != hash_xxh3(header, offsetof(struct restart_header, sum), 0)) {
        return "its header is damaged";
    }
    if (header->format != RESTART_FORMAT) {
        return "another version of larder wrote it";
    }
    if (header->state != RESTART_SAVED) {
        return "the server that used it was not stopped gracefully";
    }
    if (header->tail_offset < SLAB_FILE_OFFSET || header->tail_offset % SLAB_EXTENT_BYTES != 0 ||
        header->tail_offset > bytes || header->tail_bytes > bytes - header->tail_offset) {
        return "it is cut off";
    }
    return NULL;
}

/* Partitions, pages and classes are those that the file was laid out for: that has to suit what is
 * wanted now. */
static const char *memory_wrong(const struct restart_header *header,
                                const struct store_config *config) {
    uint64_t count = header->partition_count;
    if (count == 0 || count > STORE_PARTITIONS_MAX ||
        (header->page_bytes != 16384 && header->page_bytes != 65536) ||
        header->fragment_bits < 24 || header->fragment_bits > 28) {
        return "its header makes no sense";
    }
    uint64_t share = config->memory_bytes / count;
    if (share < header->partition_bytes / SHRINK_MOST) {
        return "-m is less than half of what it was made for";
    }
    if (share > header->partition_bytes * GROWTH_MOST || share > PARTITION_BYTES_MAX) {
        return "-m is more than four times what it was made for";
    }
    if (config->item_bytes_max < header->item_bytes_max) {
        return "-I is less than what it was made for";
    }
    if (count > 1 && config->partition_count == 0 && share < config->item_bytes_max * ITEMS_LEAST) {
        return "-I is too large for the partitions it was made for";
    }
    return NULL;
}

static const char *config_wrong(const struct restart *restart, const struct store_config *config) {
    const struct restart_header *header = restart->header;
    bool tokens = (header->marks & RESTART_TOKENS) != 0;
    if (config->partition_count != 0 && config->partition_count != header->partition_count) {
        return "-o partitions is not what it was made with";
    }
    if (tokens != config->token_in_items) {
        return "-C is not what it was made with";
    }
    if (restart->verify_values && (header->marks & RESTART_VALUES) == 0) {
        return "it was saved without -o restart_verify";
    }
    if (restart->wall_s < header->wall_s) {
        return "the clock has gone back since it was saved";
    }
    if (restart->wall_s - header->wall_s > (int64_t)(UINT32_MAX / 2 - header->now)) {
        return "it was saved too long ago";
    }
    return memory_wrong(header, config);
}

bool restart_accept(struct restart *restart, const struct store_config *config) {
    uint64_t bytes = file_bytes(restart);
    restart->reason[0] = '\0';
    restart->reused = false;
    if (bytes == 0) {
        return false;
    }
    const char *wrong = file_wrong(restart->header, bytes);
    if (wrong == NULL) {
        wrong = config_wrong(restart, config);
    }
    if (wrong != NULL) {
        return fail(restart, wrong, 0);
    }
    (void)fail(restart, "its memory cannot be mapped", 0); /* until it is taken over */
    return true;
}

/* -- the tail ---------------------------------------------------------------------------------- */

/* A mapping of the tail, or of where it shall be. */
static uint8_t *tail_map(const struct restart *restart, uint64_t offset, uint64_t bytes) {
    void *tail = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, restart->fd, (off_t)offset);
    return tail == MAP_FAILED ? NULL : tail;
}

static void tail_write(struct store *store, const struct restart_sums *sums, struct pack *pack) {
    slab_pool_save(&store->pool, pack);
    pack_put(pack, sums->heads, sums->pages * sizeof(uint64_t));
    if (sums->values != NULL) {
        pack_put(pack, sums->values, sums->pages * sizeof(uint64_t));
    }
    for (uint32_t i = 0; i < store->partition_count; i++) {
        partition_save(store, &store->partitions[i], pack);
    }
}

static uint32_t pages_live(const struct store *store) {
    return atom_load_relaxed(&store->pool.extents_live) * store->pool.pages_per_extent;
}

/* Room for the sums of all pages; both halves in one block. */
static bool sums_init(struct restart_sums *sums, struct store *store, bool values) {
    uint64_t bytes = (uint64_t)pages_live(store) * sizeof(uint64_t);
    *sums = (struct restart_sums){.store = store, .pages = pages_live(store)};
    sums->heads = mmap(NULL, bytes * 2, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sums->heads == MAP_FAILED) {
        return false;
    }
    sums->values = values ? sums->heads + sums->pages : NULL;
    return true;
}

static void sums_fini(struct restart_sums *sums) {
    (void)munmap(sums->heads, (uint64_t)sums->pages * sizeof(uint64_t) * 2);
}

/* -- taking over ------------------------------------------------------------------------------- */

static const char *parts_restore(struct store *store, const struct restart *restart,
                                 struct unpack *unpack) {
    struct restart_sums sums;
    if (!slab_pool_restore(&store->pool, unpack) ||
        !sums_init(&sums, store, (restart->header->marks & RESTART_VALUES) != 0)) {
        return "its pages cannot be had";
    }
    unpack_get(unpack, sums.heads, sums.pages * sizeof(uint64_t));
    if (sums.values != NULL) {
        unpack_get(unpack, sums.values, sums.pages * sizeof(uint64_t));
    }
    sums.values = restart->verify_values ? sums.values : NULL;
    sums.compare = true;
    sums.fault_in = true;
    bool same = !unpack->failed && restart_sums_run(&sums);
    sums_fini(&sums);
    if (!same) {
        return "its items or index are damaged";
    }
    bool good = true;
    for (uint32_t i = 0; good && i < store->partition_count; i++) {
        good = partition_restore(store, &store->partitions[i], unpack);
    }
    if (!good || unpack->bytes != 0) {
        return "its tables do not fit together";
    }
    sizes_restore(store);
    bool shrinks = store->config.memory_bytes < restart->header->memory_bytes;
    return shrinks && memory_bytes_min(store) > store->config.memory_bytes
               ? "-m is too small for its index"
               : NULL;
}

static const char *tail_restore(struct store *store, const struct restart *restart) {
    const struct restart_header *header = restart->header;
    uint8_t *tail = tail_map(restart, header->tail_offset, header->tail_bytes);
    if (tail == NULL) {
        return "its tail cannot be mapped";
    }
    const char *wrong = "its tables are damaged";
    if (hash_xxh3(tail, header->tail_bytes, 0) == header->tail_sum) {
        struct unpack unpack = {.from = tail, .bytes = header->tail_bytes};
        wrong = parts_restore(store, restart, &unpack);
    }
    (void)munmap(tail, header->tail_bytes);
    return wrong;
}

bool restart_take_over(struct store *store, struct restart *restart) {
    struct restart_header *header = restart->header;
    const char *wrong = "its pages are laid out otherwise";
    if (header->layout == restart_layout(store)) {
        wrong = tail_restore(store, restart);
    }
    if (wrong != NULL) {
        return fail(restart, wrong, 0);
    }
    restart->now = header->now + (uint32_t)(restart->wall_s - header->wall_s);
    atom_store_relaxed(&store->flush_at, header->flush_at);
    /* From here on a crash must not find what this store is about to change. */
    header->state = RESTART_IN_USE;
    if (!header_sync(restart) || ftruncate(restart->fd, (off_t)header->tail_offset) != 0) {
        return fail(restart, "it cannot be written", errno);
    }
    restart->reused = true;
    restart->reason[0] = '\0';
    return true;
}

/* -- saving ------------------------------------------------------------------------------------ */

static void header_fill(const struct store *store, struct restart_header *header) {
    uint64_t highest = 0;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        uint64_t version = store->partitions[i].clock << 9 | i;
        highest = version > highest ? version : highest;
    }
    header->layout = restart_layout(store);
    header->hash_seed = store->config.hash_seed;
    header->memory_bytes = atom_load_relaxed(&store->pool.pages_limit) << store->pool.page_shift;
    header->item_bytes_max = store->config.item_bytes_max;
    header->partition_bytes = store->partition_bytes;
    header->partition_count = store->partition_count;
    header->page_bytes = slab_page_bytes(&store->pool);
    header->fragment_bits = store->partitions[0].fragment_bits;
    header->version_highest = highest;
    header->flush_at = atom_load_relaxed(&store->flush_at);
}

/* Writes the tail behind the last extent. */
static bool tail_save(struct store *store, struct restart *restart,
                      const struct restart_sums *sums) {
    struct restart_header *header = restart->header;
    struct pack counted = {.to = NULL};
    tail_write(store, sums, &counted);
    header->tail_offset = SLAB_FILE_OFFSET +
                          (uint64_t)atom_load_relaxed(&store->pool.extents_live) *
                              SLAB_EXTENT_BYTES;
    header->tail_bytes = counted.bytes;
    int error = posix_fallocate(restart->fd, (off_t)header->tail_offset, (off_t)counted.bytes);
    if (error != 0) {
        return fail(restart, "there is no room behind it", error);
    }
    struct pack pack = {.to = tail_map(restart, header->tail_offset, counted.bytes)};
    if (pack.to == NULL) {
        return fail(restart, "its tail cannot be mapped", errno);
    }
    uint8_t *tail = pack.to;
    tail_write(store, sums, &pack);
    header->tail_sum = hash_xxh3(tail, counted.bytes, 0);
    (void)munmap(tail, counted.bytes);
    return restart->in_memory || fsync(restart->fd) == 0 ||
           fail(restart, "it cannot be written", errno);
}

bool store_save(struct store *store, uint32_t now, int64_t wall_s) {
    struct restart *restart = store->config.restart;
    struct restart_sums sums;
    bool settled = true;
    for (uint32_t i = 0; i < store->partition_count; i++) {
        settled = partition_settle(store, &store->partitions[i]) && settled;
    }
    if (!settled) {
        return fail(restart, "a value is still on loan", 0);
    }
    if (!sums_init(&sums, store, restart->verify_values)) {
        return fail(restart, "no memory for its sums", errno);
    }
    struct restart_header *header = restart->header;
    header_fill(store, header);
    header->marks = (store->config.token_in_items ? (uint32_t)RESTART_TOKENS : 0) |
                    (restart->verify_values ? (uint32_t)RESTART_VALUES : 0);
    header->now = now;
    header->wall_s = wall_s;
    bool summed = restart_sums_run(&sums);
    ASSERT(summed);
    bool saved = tail_save(store, restart, &sums);
    sums_fini(&sums);
    if (!saved) {
        return false;
    }
    header->state = RESTART_SAVED;
    return header_sync(restart) || fail(restart, "it cannot be written", errno);
}
