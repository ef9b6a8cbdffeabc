/* larder: model sessions - uploads in pieces and leases that are held across other operations */
#include <stdlib.h>
#include <string.h>

#include "tests/model/session.h"

enum { SPANS = 3 };

/* -- leases ------------------------------------------------------------------------------------ */

void session_lease_return(struct session *session, struct session_lease *held) {
    uint64_t bytes = held->lease.value_bytes, offset = 0;

    if (!held->open)
        return;
    while (offset < bytes) {
        struct iovec spans[SPANS];
        uint64_t at = offset;
        unsigned count = store_lease_spans(session->store, &held->lease, &offset, spans, SPANS);

        if (count == 0)
            session_fail(session, "no spans at %llu of a lent value", (unsigned long long)at);
        for (unsigned i = 0; i < count; at += spans[i].iov_len, i++)
            if (at + spans[i].iov_len > bytes ||
                memcmp(held->value + at, spans[i].iov_base, spans[i].iov_len) != 0)
                session_fail(session, "a lent value has changed at %llu", (unsigned long long)at);
        if (at != offset)
            session_fail(session, "spans of a lent value do not add up");
    }
    store_lease_copy(session->store, &held->lease, bytes / 3, session->got, bytes - bytes / 3);
    if (memcmp(held->value + bytes / 3, session->got, bytes - bytes / 3) != 0)
        session_fail(session, "the copy of a lent value differs");
    store_lease_return(session->core, &held->lease);
    if (held->lease.location != 0)
        session_fail(session, "a returned lease is not empty");
    free(held->value);
    *held = (struct session_lease){0};
}

/* -- uploads ----------------------------------------------------------------------------------- */

/* Too large or out of memory, said at once. */
static void upload_refused(struct session *session, struct session_upload *place,
                           const struct store_write *write, enum store_outcome outcome) {
    bool joins = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;

    if (outcome == STORE_NOT_STORED && joins)
        outcome = STORE_TOO_LARGE; /* memcached's answer to it */
    if (outcome != STORE_TOO_LARGE && outcome != STORE_NO_MEMORY)
        session_fail(session, "an upload began with outcome %d", (int)outcome);
    session_written(session, &place->write, write, outcome, 0);
    store_upload_abandon(session->core, &place->upload);
}

void session_upload_begin(struct session *session, const struct operation *operation) {
    struct session_upload *place = &session->uploads[operation->place];

    if (place->open)
        return;
    struct store_write write =
        session_write(session, operation, place->key, &place->write);
    enum store_outcome outcome =
        store_upload_begin(session->core, &place->upload, &write, operation->bytes);

    if (outcome != STORE_OK) {
        upload_refused(session, place, &write, outcome);
        return;
    }
    place->open = true;
    place->begun = *operation;
    place->value = malloc(operation->bytes + 1);
    ASSERT(place->value);
    operation_value(operation, place->value, operation->bytes);
    place->write.value = place->value;
}

static void upload_feed(struct session *session, struct session_upload *place, uint64_t bytes,
                        bool direct) {
    struct store_upload *upload = &place->upload;
    uint64_t at = upload->filled_bytes;

    if (bytes > place->begun.bytes - at)
        bytes = place->begun.bytes - at;
    if (!direct || upload->failed != STORE_OK) {
        store_upload_append(session->core, upload, place->value + at, bytes);
        return;
    }
    struct iovec space[SPANS];
    unsigned count = store_upload_space(session->core, upload, space, SPANS, bytes);
    uint64_t filled = 0;

    if (count > SPANS)
        session_fail(session, "%u spans of space, asked for %d", count, SPANS);
    for (unsigned i = 0; i < count && filled < bytes; i++) {
        uint64_t part = space[i].iov_len < bytes - filled ? space[i].iov_len : bytes - filled;

        memcpy(space[i].iov_base, place->value + at + filled, part);
        filled += part;
    }
    if (count > 0 && filled == 0 && bytes > 0)
        session_fail(session, "space without bytes");
    if (count > 0)
        store_upload_advance(session->core, upload, filled);
}

void session_upload_feed(struct session *session, const struct operation *operation) {
    struct session_upload *place = &session->uploads[operation->place];

    if (place->open)
        upload_feed(session, place, operation->bytes + 1, operation->direct);
}

static void upload_close(struct session_upload *place) {
    free(place->value);
    place->value = NULL;
    place->open = false;
}

void session_upload_commit(struct session *session, const struct operation *operation) {
    struct session_upload *place = &session->uploads[operation->place];
    struct store_upload *upload = &place->upload;
    uint64_t token = 0;

    if (!place->open)
        return;
    while (upload->failed == STORE_OK && upload->filled_bytes < place->begun.bytes) {
        uint64_t before = upload->filled_bytes;

        upload_feed(session, place, place->begun.bytes, operation->direct);
        if (upload->failed == STORE_OK && upload->filled_bytes == before)
            session_fail(session, "an upload does not go on at %llu", (unsigned long long)before);
    }
    enum store_outcome outcome = store_upload_commit(session->core, upload, &token);

    session_written(session, &place->write, &upload->write, outcome, token);
    upload_close(place);
}

void session_upload_abandon(struct session *session, const struct operation *operation) {
    struct session_upload *place = &session->uploads[operation->place];
    store_upload_abandon(session->core, &place->upload);
    if (place->open)
        upload_close(place);
}
