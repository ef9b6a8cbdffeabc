/* larder: commands that need more than the store, executed by the server
 *
 * Purpose: the engine parses and orders them; the server's functions answer, by verb. Also the
 *   writer of `stats` answers, in the request's protocol.
 * Owner: the server fills one `struct admin_hooks`; immutable while cores run.
 * Threads: a function runs on the core of the session that asked; what it reads of other cores it
 *   reads relaxed.
 * Memory: the call and its tokens are borrowed for the call.
 * Limits: ADMIN_TOKENS_MAX tokens; an answer is bounded by the core's connection memory (longer
 *   ones are produced in portions: reply_park with `produce`).
 * Errors: an outcome, or the answer breaks off with OUTCOME_NO_MEMORY_STATS. */
#ifndef LARDER_ENGINE_ADMIN_H
#define LARDER_ENGINE_ADMIN_H

#include "src/engine/reply.h"
#include "src/proto/request.h"

struct engine_core;
struct session;

enum { ADMIN_TOKENS_MAX = REQUEST_TOKENS_MAX };

struct admin_call {
    struct engine_core *core;
    struct session *session;
    struct reply *reply; /* where the answer goes */
    const struct request *request; /* NULL when a parked slot goes on: ASCII then */
    const struct span *tokens; /* behind the command word; a final noreply is not among them */
    unsigned token_count;
    void *context; /* of the hooks */
};

/* Answers a command. Returns the outcome to be written (dropped with noreply), or OUTCOME_NONE when
 * it has written its answer itself or parked a slot. */
typedef enum outcome admin_function(struct admin_call *call);

/* A verb without a function answers ERROR. */
struct admin_hooks {
    void *context;
    admin_function *functions[VERB_COUNT]; /* by enum verb; those with admin_run in commands.def */
};

/* STAT name value. Do nothing once the answer has run out of memory. */
void admin_stat_text(struct admin_call *call, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void admin_stat_u64(struct admin_call *call, const char *name, uint64_t value);
void admin_stat_span(struct admin_call *call, struct span name, struct span value);
/* Ends the answer (END). */
void admin_stat_end(struct admin_call *call);

/* Plain lines: printf into the reply, no line end added. At most 4096 bytes a call. */
void admin_printf(struct admin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
