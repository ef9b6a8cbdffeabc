/* larder: what the server without a store answers */
#include "bench/null.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 1 << 20,
    REPEATS_MAX = 4096,
    GET_FRAME = 3 + 2, /* "get" and the line's end; each key comes with its space */
};

static bool block_init(struct null_block *block, const char *text, size_t bytes) {
    size_t count = BLOCK_BYTES / bytes;
    if (count > REPEATS_MAX)
        count = REPEATS_MAX;
    if (count < 1)
        count = 1;
    block->bytes = malloc(count * bytes);
    block->each = bytes;
    block->count = count;
    for (size_t i = 0; block->bytes != NULL && i < count; i++)
        memcpy(block->bytes + i * bytes, text, bytes);
    return block->bytes != NULL;
}

bool null_replies_init(struct null_replies *replies, uint32_t key_bytes, uint32_t value_bytes) {
    replies->key_bytes = key_bytes;
    replies->value_bytes = value_bytes;
    char *text = malloc((size_t)key_bytes + value_bytes + 64);
    if (text == NULL)
        return false;
    size_t at = (size_t)sprintf(text, "VALUE ");
    memset(text + at, 'k', key_bytes);
    at += key_bytes;
    at += (size_t)sprintf(text + at, " 0 %u\r\n", value_bytes);
    memset(text + at, 'v', value_bytes);
    at += value_bytes;
    memcpy(text + at, "\r\nEND\r\n", 7);
    bool ok = block_init(&replies->hit, text, at + 7) &&
              block_init(&replies->value, text, at + 2) &&
              block_init(&replies->end, "END\r\n", 5) &&
              block_init(&replies->stored, "STORED\r\n", 8);
    free(text);
    return ok;
}

/* One more reply of a block: the last part grows as long as the block lasts. */
static bool add(struct null_conn *conn, const struct null_block *block) {
    if (conn->part_count > 0) {
        struct iovec *last = &conn->parts[conn->part_count - 1];
        const char *end = (const char *)last->iov_base + last->iov_len;
        const char *block_end = block->bytes + block->each * block->count;
        if (end > block->bytes && end < block_end) {
            last->iov_len += block->each;
            return true;
        }
    }
    if (conn->part_count == NULL_PARTS)
        return false;
    conn->parts[conn->part_count++] =
        (struct iovec){.iov_base = block->bytes, .iov_len = block->each};
    return true;
}

static bool answer_get(struct null_conn *conn, const struct null_replies *replies) {
    uint32_t keys = (conn->line_bytes - GET_FRAME) / (replies->key_bytes + 1);
    if (keys == 1)
        return add(conn, &replies->hit);
    for (uint32_t i = 0; i < keys; i++) {
        if (!add(conn, &replies->value))
            return false;
    }
    return add(conn, &replies->end);
}

bool null_feed(struct null_conn *conn, const struct null_replies *replies, const char *bytes,
               size_t count) {
    const char *end = bytes + count;
    while (bytes < end) {
        size_t left = (size_t)(end - bytes);
        if (conn->skip > 0) {
            size_t skipped = conn->skip < left ? (size_t)conn->skip : left;
            conn->skip -= skipped;
            bytes += skipped;
            if (conn->skip == 0 && !add(conn, &replies->stored))
                return false;
            continue;
        }
        if (conn->line_bytes == 0)
            conn->line_first = *bytes;
        const char *newline = memchr(bytes, '\n', left);
        const char *next = newline == NULL ? end : newline + 1;
        conn->line_bytes += (uint32_t)(next - bytes);
        bytes = next;
        if (newline == NULL)
            return true;
        if (conn->line_first == 's')
            conn->skip = (uint64_t)replies->value_bytes + 2;
        else if (!answer_get(conn, replies))
            return false;
        conn->line_bytes = 0;
    }
    return true;
}

void null_sent(struct null_conn *conn, size_t sent) {
    uint32_t at = 0;
    while (at < conn->part_count && sent >= conn->parts[at].iov_len)
        sent -= conn->parts[at++].iov_len;
    if (at < conn->part_count) {
        conn->parts[at].iov_base = (char *)conn->parts[at].iov_base + sent;
        conn->parts[at].iov_len -= sent;
    }
    conn->part_count -= at;
    memmove(conn->parts, conn->parts + at, conn->part_count * sizeof(conn->parts[0]));
}
