/* larder: where a core receives bytes that live for one turn */
#include "io/arena.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "src/base/atomic.h"

int arena_init(struct arena *arena, uint32_t buffer_bytes, uint32_t buffers) {
    arena->buffer_bytes = buffer_bytes;
    arena->size_bytes = (size_t)buffer_bytes * buffers;
    arena->used_bytes = 0;
    arena->bytes = mmap(NULL, arena->size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena->bytes == MAP_FAILED) {
        arena->bytes = NULL;
        return errno;
    }
    return 0;
}

void arena_fini(struct arena *arena) {
    if (arena->bytes != NULL) {
        (void)munmap(arena->bytes, arena->size_bytes);
        arena->bytes = NULL;
    }
}

void arena_trim(struct arena *arena) {
    arena->used_bytes = 0;
    (void)madvise(arena->bytes, arena->size_bytes, MADV_DONTNEED);
}

int arena_receive(struct arena *arena, int fd, const uint8_t **data, size_t *length) {
    uint8_t *at = arena->bytes + arena->used_bytes;
    size_t left = arena->size_bytes - arena->used_bytes;
    size_t taken;
    ssize_t got;

    ASSERT(arena_has_room(arena));
    got = recv(fd, at, arena->buffer_bytes, MSG_DONTWAIT);
    if (got < 0) {
        return errno;
    }
    /* each receive begins on a line of its own, as a parser likes it */
    taken = ((size_t)got + CACHE_LINE_BYTES - 1) & ~(size_t)(CACHE_LINE_BYTES - 1);
    arena->used_bytes += taken < left ? taken : left;
    *data = at;
    *length = (size_t)got;
    return 0;
}
