/* larder: a queue of bytes that grows */
#include <stdlib.h>

#include "src/client/bytes.h"

enum { BYTES_ROOM_MIN = 1024 };

void bytes_fini(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){.room = 0};
}

void bytes_clear(struct bytes *bytes, size_t kept) {
    if (bytes->room > kept) {
        bytes_fini(bytes);
    }
    bytes->begin = 0;
    bytes->end = 0;
}

bool bytes_grow(struct bytes *bytes, size_t wanted) {
    size_t count = bytes_count(bytes);

    if (wanted > SIZE_MAX / 4 - count) {
        return false;
    }
    if (count + wanted <= bytes->room && bytes->begin >= count) {
        memcpy(bytes->data, bytes->data + bytes->begin, count);
        bytes->begin = 0;
        bytes->end = count;
        return true;
    }
    size_t room = bytes->room < BYTES_ROOM_MIN ? BYTES_ROOM_MIN : bytes->room;

    while (room < count + wanted) {
        room *= 2;
    }
    uint8_t *data = malloc(room);

    if (data == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(data, bytes->data + bytes->begin, count);
    }
    free(bytes->data);
    *bytes = (struct bytes){.data = data, .end = count, .room = room};
    return true;
}

bool bytes_append(struct bytes *bytes, struct span more) {
    uint8_t *to = bytes_reserve(bytes, more.len);

    if (to == NULL) {
        return false;
    }
    if (more.len > 0) {
        memcpy(to, more.data, more.len);
    }
    bytes->end += more.len;
    return true;
}
