/* larder: a large value on its way in */
#include "src/engine/upload.h"

#include "src/engine/execute.h"
#include "src/engine/observe.h"

static void upload_free(struct session *session) {
    struct session_upload *upload = session->upload;

    session->upload = NULL;
    buffers_give(&session->core->buffers, upload, upload->memory_bytes);
}

/* Keeps of the flags what the answer needs, one of each: O, k, c, s. */
static void upload_keep_flags(struct session_upload *upload, struct span flags) {
    struct span tokens[META_TOKENS_MAX];
    unsigned count = request_tokens(flags, tokens, META_TOKENS_MAX);
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t len = tokens[i].data[0] == 'O' ? tokens[i].len : 1;

        if (memchr("Okcs", tokens[i].data[0], 4)) {
            ASSERT(bytes + 1 + len <= sizeof upload->flags_text);
            upload->flags_text[bytes] = ' ';
            memcpy(upload->flags_text + bytes + 1, tokens[i].data, len);
            bytes += 1 + len;
        }
    }
    upload->request.arguments = span_of(upload->flags_text, bytes);
}

/* The request outlives the input that it came in. */
static void upload_keep_request(struct session_upload *upload, const struct request *request) {
    upload->request = *request;
    memcpy(upload->key_text, request->key.data, request->key.len);
    upload->request.key = span_of(upload->key_text, request->key.len);
    if (request->protocol == REQUEST_META) {
        upload_keep_flags(upload, request->arguments);
    }
    upload->tail_wanted = (uint8_t)request_value_end_bytes(request);
}

static enum store_outcome upload_open(struct session *session, struct session_upload *upload,
                                      const struct engine_request *entry) {
    struct engine_core *core = session->core;
    struct store_write write;

    write_prepare(core, &entry->request, execute_key(entry), &write);
    enum store_outcome outcome = store_upload_begin(core->store_core, &upload->store, &write,
                                                    entry->request.value_bytes);

    write_forget(core, &entry->request, &write.key, outcome);
    if (outcome == STORE_OK) {
        upload_keep_request(upload, &entry->request);
        upload->received_bytes = 0;
        upload->direct_bytes = 0;
        upload->direct = false;
        upload->tail_bytes = 0;
        session->upload = upload;
        counter_add(&core->counters.uploads, 1);
    }
    return outcome;
}

void upload_begin(struct session *session, const struct engine_request *entry) {
    struct engine_core *core = session->core;
    enum store_outcome outcome = STORE_NO_MEMORY;
    size_t memory_bytes;
    struct session_upload *upload =
        buffers_take(&core->buffers, sizeof(struct session_upload), &memory_bytes);

    if (upload) {
        upload->memory_bytes = memory_bytes;
        outcome = upload_open(session, upload, entry);
    }
    if (outcome == STORE_OK) {
        return;
    }
    if (upload) {
        buffers_give(&core->buffers, upload, memory_bytes);
    }
    if (core->config->observer != NULL) {
        observe_stored(core, session, &entry->request, outcome);
    }
    parser_swallow(&session->parser, &entry->request,
                   entry->request.value_bytes + request_value_end_bytes(&entry->request),
                   write_refuse(core, outcome));
}

/* All bytes are there. */
static void upload_finish(struct session *session) {
    struct engine_core *core = session->core;
    struct session_upload *upload = session->upload;
    struct request *request = &upload->request;
    enum store_outcome outcome = upload->store.failed;
    struct response_result result = {.value_bytes = request->value_bytes};
    bool well_ended = memcmp(upload->tail, "\r\n", upload->tail_wanted) == 0;

    if (core->config->observer != NULL) {
        observe_upload(core, session, request);
    }
    if (outcome == STORE_OK && well_ended) {
        upload->store.write.value_bytes = &result.value_bytes;
        outcome = store_upload_commit(core->store_core, &upload->store, &result.cas);
        result.cas = outcome == STORE_OK ? result.cas : 0;
    } else {
        store_upload_abandon(core->store_core, &upload->store);
    }
    if (outcome == STORE_NO_MEMORY) {
        counter_add(&core->counters.store_no_memory, 1);
        execute_answer(core, session, request, OUTCOME_NO_MEMORY_READ);
    } else if (!well_ended) {
        write_count(core, store_class_for(core->store_core, &upload->store.write.key,
                                          request->client_flags, request->value_bytes));
        execute_answer(core, session, request, OUTCOME_BAD_DATA_CHUNK);
    } else {
        write_finish(core, session, request, outcome, &result);
    }
    upload_free(session);
}

static void upload_finish_whole(struct session *session) {
    const struct session_upload *upload = session->upload;

    if (upload->received_bytes == upload->request.value_bytes &&
        upload->tail_bytes == upload->tail_wanted) {
        upload_finish(session);
    }
}

static void upload_take_tail(struct session_upload *upload, const uint8_t *data, size_t bytes) {
    memcpy(upload->tail + upload->tail_bytes, data, bytes);
    upload->tail_bytes = (uint8_t)(upload->tail_bytes + bytes);
}

size_t upload_feed(struct session *session, const uint8_t *data, size_t bytes) {
    struct session_upload *upload = session->upload;
    uint64_t value_left = upload->request.value_bytes - upload->received_bytes;
    size_t value_bytes = bytes < value_left ? bytes : (size_t)value_left;

    ASSERT(!upload->direct);
    if (value_bytes > 0) {
        store_upload_append(session->core->store_core, &upload->store, data, value_bytes);
        upload->received_bytes += value_bytes;
    }
    size_t tail_left = (size_t)(upload->tail_wanted - upload->tail_bytes);
    size_t tail_bytes = bytes - value_bytes < tail_left ? bytes - value_bytes : tail_left;

    upload_take_tail(upload, data + value_bytes, tail_bytes);
    upload_finish_whole(session);
    return value_bytes + tail_bytes;
}

void upload_abandon(struct session *session) {
    if (session->upload) {
        store_upload_abandon(session->core->store_core, &session->upload->store);
        upload_free(session);
    }
}

bool upload_wants_direct(const struct session *session) {
    const struct session_upload *upload = session->upload;

    return upload && !upload->direct && upload->store.failed == STORE_OK &&
           upload->request.value_bytes - upload->received_bytes >= SESSION_DIRECT_BYTES_MIN;
}

unsigned session_direct_space(struct session *session, struct iovec *iovecs, unsigned count) {
    struct session_upload *upload = session->upload;

    ASSERT(count >= 2 && !session->data);
    if (!upload_wants_direct(session) || session->close_reason != SESSION_OPEN ||
        session->buffer_start != session->buffer_end) {
        return 0;
    }
    uint64_t left = upload->request.value_bytes - upload->received_bytes;
    size_t bytes_max = left < SESSION_DIRECT_BYTES_MAX ? (size_t)left : SESSION_DIRECT_BYTES_MAX;

    count = count < SESSION_DIRECT_SPANS_MAX ? count : SESSION_DIRECT_SPANS_MAX;
    unsigned used = store_upload_space(session->core->store_core, &upload->store, iovecs,
                                       count - 1, bytes_max);

    upload->direct_bytes = 0;
    for (unsigned i = 0; i < used; i++) {
        upload->direct_bytes += iovecs[i].iov_len;
    }
    upload->direct = used > 0;
    if (used > 0 && upload->direct_bytes == left && upload->tail_wanted > 0) {
        iovecs[used++] =
            (struct iovec){.iov_base = upload->tail, .iov_len = upload->tail_wanted};
    }
    return used;
}

void session_received_direct(struct session *session, size_t bytes) {
    struct session_upload *upload = session->upload;

    ASSERT(upload && upload->direct && bytes <= upload->direct_bytes + upload->tail_wanted);
    size_t value_bytes = bytes < upload->direct_bytes ? bytes : upload->direct_bytes;

    store_upload_advance(session->core->store_core, &upload->store, value_bytes);
    upload->direct = false;
    upload->received_bytes += value_bytes;
    upload->tail_bytes = (uint8_t)(bytes - value_bytes);
    session_touch(session);
    upload_finish_whole(session);
}
