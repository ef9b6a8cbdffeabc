/* larder: bytes on their way to a server */
#include "bench/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/assert.h"

bool outq_init(struct outq *queue, size_t capacity) {
    memset(queue, 0, sizeof(*queue));
    queue->bytes = malloc(capacity);
    queue->parts = calloc(OUTQ_PARTS, sizeof(*queue->parts));
    queue->capacity = capacity;
    if (queue->bytes != NULL && queue->parts != NULL)
        return true;
    outq_fini(queue);
    return false;
}

void outq_fini(struct outq *queue) {
    free(queue->bytes);
    free(queue->parts);
    memset(queue, 0, sizeof(*queue));
}

char *outq_reserve(struct outq *queue, size_t count) {
    ASSERT(queue->capacity - queue->used >= count);
    return queue->bytes + queue->used;
}

void outq_commit(struct outq *queue, const char *end) {
    char *begin = queue->bytes + queue->used;
    size_t count = (size_t)(end - begin);
    if (queue->part_count > 0) {
        struct iovec *last = &queue->parts[queue->part_count - 1];
        if ((char *)last->iov_base + last->iov_len == begin) {
            last->iov_len += count;
            queue->used += count;
            return;
        }
    }
    ASSERT(queue->part_count < OUTQ_PARTS);
    queue->parts[queue->part_count++] = (struct iovec){.iov_base = begin, .iov_len = count};
    queue->used += count;
}

void outq_refer(struct outq *queue, const char *bytes, size_t count) {
    ASSERT(queue->part_count < OUTQ_PARTS);
    /* sendmsg() takes a pointer to non-const and only reads */
    union {
        const char *from;
        char *to;
    } address = {.from = bytes};
    queue->parts[queue->part_count++] =
        (struct iovec){.iov_base = address.to, .iov_len = count};
}

static void drop_sent(struct outq *queue, size_t sent) {
    while (sent > 0) {
        struct iovec *part = &queue->parts[queue->part_at];
        if (sent < part->iov_len) {
            part->iov_base = (char *)part->iov_base + sent;
            part->iov_len -= sent;
            return;
        }
        sent -= part->iov_len;
        queue->part_at++;
    }
}

static ssize_t send_parts(struct outq *queue, int fd) {
    struct iovec *parts = &queue->parts[queue->part_at];
    size_t count = queue->part_count - queue->part_at;
    if (count == 1)
        return send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

enum outq_result outq_send(struct outq *queue, int fd) {
    while (!outq_is_empty(queue)) {
        ssize_t sent = send_parts(queue, fd);
        if (sent >= 0) {
            drop_sent(queue, (size_t)sent);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return OUTQ_BLOCKED;
        if (errno != EINTR)
            return OUTQ_BROKEN;
    }
    queue->used = 0;
    queue->part_count = 0;
    queue->part_at = 0;
    return OUTQ_EMPTY;
}

void outq_move(struct outq *into, struct outq *from) {
    ASSERT(outq_is_empty(into) && into->capacity >= from->used);
    into->used = 0;
    into->part_count = 0;
    into->part_at = 0;
    for (size_t i = from->part_at; i < from->part_count; i++) {
        struct iovec part = from->parts[i];
        const char *base = part.iov_base;
        if (base >= from->bytes && base < from->bytes + from->used) {
            char *room = outq_reserve(into, part.iov_len);
            memcpy(room, base, part.iov_len);
            outq_commit(into, room + part.iov_len);
        } else {
            outq_refer(into, base, part.iov_len);
        }
    }
    from->used = 0;
    from->part_count = 0;
    from->part_at = 0;
}
