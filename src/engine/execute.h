/* larder: one function a verb
 *
 * Purpose: the executor: request -> store -> reply. The prefix of a function names its file.
 * Owner: the engine_core.   Threads: its core's.   Memory: none kept.
 * Limits: see reply.h.   Errors: answered; where nothing can be written the reply is broken. */
#ifndef LARDER_ENGINE_EXECUTE_H
#define LARDER_ENGINE_EXECUTE_H

#include "src/engine/engine.h"
#include "src/engine/session.h"

typedef void execute_function(struct engine_core *core, struct engine_request *entry);

execute_function get_execute;
execute_function write_execute;
execute_function item_delete;
execute_function item_count;
execute_function item_touch;
execute_function admin_version;
execute_function admin_quit;
execute_function admin_flush_all;
execute_function admin_run;

static inline struct store_key execute_key(const struct engine_request *entry) {
    return (struct store_key){.data = entry->request.key.data,
                              .len = (uint32_t)entry->request.key.len,
                              .hash = entry->hash};
}

/* Answers with one fixed line, unless the client wants none. */
void execute_answer(struct engine_core *core, struct session *session,
                    const struct request *request, enum outcome outcome);

/* The same for a new number. */
void execute_answer_number(struct engine_core *core, struct session *session,
                           const struct request *request, uint64_t number);

/* What a request to store means to the store. `key` is borrowed. */
void write_prepare(const struct engine_core *core, const struct request *request,
                   struct store_key key, struct store_write *write);
/* Counts and answers the end of an attempt to store. */
void write_finish(struct engine_core *core, struct session *session,
                  const struct request *request, enum store_outcome outcome);
/* Counts a value that was refused before it was read (TOO_LARGE, NO_MEMORY); returns the answer. */
enum outcome write_refuse(struct engine_core *core, enum store_outcome outcome);

/* -vv; called only when config->log is set */
void execute_log_line(const struct engine_core *core, const struct session *session,
                      struct span input);
void execute_log_reply(const struct engine_core *core, const struct session *session,
                       struct span text);

#endif
