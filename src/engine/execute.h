/* larder: one function a verb
 *
 * Purpose: the executor: request -> store -> reply. The prefix of a function names its file.
 * Owner: the engine_core.   Threads: its core's.   Memory: none kept.
 * Limits: see reply.h.   Errors: answered; where nothing can be written the reply is broken. */
#ifndef LARDER_ENGINE_EXECUTE_H
#define LARDER_ENGINE_EXECUTE_H

#include "src/engine/engine.h"
#include "src/engine/session.h"
#include "src/proto/response.h"

typedef void execute_function(struct engine_core *core, struct engine_request *entry);

execute_function get_execute;
execute_function meta_get;
execute_function meta_debug;
execute_function meta_end;
execute_function write_execute;
execute_function item_delete;
execute_function item_count;
execute_function item_touch;
execute_function sasl_execute;
execute_function admin_version;
execute_function admin_quit;
execute_function admin_flush_all;
execute_function admin_run;

/* The key as the store knows it. At most one decoded key is alive at a time. */
static inline struct span execute_key_bytes(struct engine_core *core,
                                            const struct request *request) {
    return __builtin_expect(request_key_is_base64(request), 0)
               ? meta_key_decode(request, core->decoded_key)
               : request->key;
}

/* The same of a request that is no meta command. */
static inline struct store_key execute_key_plain(const struct engine_request *entry) {
    return (struct store_key){.data = entry->request.key.data,
                              .len = (uint32_t)entry->request.key.len,
                              .hash = entry->hash};
}

static inline struct store_key execute_key(const struct engine_request *entry) {
    struct span key = execute_key_bytes(entry->session->core, &entry->request);

    return (struct store_key){
        .data = key.data, .len = (uint32_t)key.len, .hash = entry->hash};
}

/* The request's exptime as store seconds. Binary ones have no sign. */
static inline uint32_t execute_expiry(const struct engine_core *core,
                                      const struct request *request, int32_t exptime) {
    return engine_expiry(core, request->protocol == REQUEST_BINARY ? (int64_t)(uint32_t)exptime
                                                                   : exptime);
}

/* Answers with one fixed line, unless the client wants none. */
void execute_answer(struct engine_core *core, struct session *session,
                    const struct request *request, enum outcome outcome);

/* The same for meta and binary requests, with what else they tell; NULL: nothing. */
void execute_answer_result(struct engine_core *core, struct session *session,
                           const struct request *request, enum outcome outcome,
                           const struct response_result *result);

/* The same for a new number. */
void execute_answer_number(struct engine_core *core, struct session *session,
                           const struct request *request, uint64_t number);

/* What a request to store means to the store. `key` is borrowed. */
void write_prepare(const struct engine_core *core, const struct request *request,
                   struct store_key key, struct store_write *write);
/* Counts an attempt to store in a size class. */
void write_count(struct engine_core *core, unsigned class_id);
/* Counts and answers the end of an attempt to store. `result` is for meta and binary. */
void write_finish(struct engine_core *core, struct session *session,
                  const struct request *request, enum store_outcome outcome,
                  const struct response_result *result);
/* What memcached's ms does to the old item, whatever its mode, when the new one gets no memory. */
void write_forget(struct engine_core *core, const struct request *request,
                  const struct store_key *key, enum store_outcome outcome);
/* Which of two meta flags stands last decides: the expiry of an item that N creates. */
uint32_t meta_created_expiry(const struct engine_core *core, const struct request *request);
/* Counts a value that was refused before it was read (TOO_LARGE, NO_MEMORY); returns the answer. */
enum outcome write_refuse(struct engine_core *core, enum store_outcome outcome);

/* -vv (log.c); called only when config->log is set. `input` begins with the request. */
void execute_log_request(const struct engine_core *core, const struct session *session,
                         const struct request *request, struct span input);
void execute_log_reply(const struct engine_core *core, const struct session *session,
                       struct span text);
/* The header of a binary answer. */
void execute_log_packet(const struct engine_core *core, const struct session *session,
                        const uint8_t *header);
/* An outcome; of a binary request `packet` is what was written. */
void execute_log_answer(const struct engine_core *core, const struct session *session,
                        const struct request *request, enum outcome outcome,
                        const uint8_t *packet);

#endif
