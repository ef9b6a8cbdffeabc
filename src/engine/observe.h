/* larder: what commands do to keys, told to whoever watches
 *
 * Purpose: `watch` and `stats detail` see every command with a key: what was under the key before,
 *   what became of a store, what a delete took away. Costs one predictable branch a request while
 *   config->observer is NULL, and further reads of the store while it is not.
 * Owner: the server fills a struct engine_observer.   Threads: the core's.
 * Memory: what an observation points to lives for the call.   Limits: none.   Errors: none. */
#ifndef LARDER_ENGINE_OBSERVE_H
#define LARDER_ENGINE_OBSERVE_H

#include "src/engine/engine.h"
#include "src/engine/execute.h"

struct engine_observation {
    const struct session *session;
    const struct request *request;
    struct span key;           /* as the store knows it */
    enum store_read read;      /* looked_up: what was under the key */
    struct store_head head;    /* of what is under the key; zeros where nothing is */
    enum store_outcome outcome; /* stored */
    uint32_t expiry;           /* stored: store seconds */
};

struct engine_observer {
    void *context;
    /* Before a command with a key; of uploads, once all bytes are there. */
    void (*looked_up)(void *context, const struct engine_observation *seen);
    /* After an attempt to store. */
    void (*stored)(void *context, const struct engine_observation *seen);
    /* After a delete that took an item away; `head` is what it was. */
    void (*deleted)(void *context, const struct engine_observation *seen);
};

/* Executes the entry, whose request has a key, and tells. */
void observe_execute(struct engine_core *core, struct engine_request *entry,
                     execute_function *function);
/* For what does not come through the window: an upload that is complete, before it is stored. */
void observe_upload(struct engine_core *core, struct session *session,
                    const struct request *request);
void observe_stored(struct engine_core *core, struct session *session,
                    const struct request *request, enum store_outcome outcome);

#endif
