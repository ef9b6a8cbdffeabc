/* larder: runs operations on a store and on the dictionary and compares the answers
 *
 * Purpose: one session is one store, its handles, the dictionary, the open uploads and leases.
 * Owner: the model test.   Threads: one (which plays all cores in turn).
 * Memory: freed by session_close; a failing session is left to the end of its process.
 * Limits: PLACES uploads and leases.
 * Errors: a disagreement is printed if `loud`, then the process exits with SESSION_FAILED. */
#ifndef LARDER_TESTS_MODEL_SESSION_H
#define LARDER_TESTS_MODEL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "src/store/restart.h"
#include "tests/model/model.h"
#include "tests/model/operation.h"

enum { SESSION_CORES_MAX = 4, SESSION_FAILED = 41 };

struct session_upload {
    struct store_upload upload;
    struct operation begun; /* the operation that began it */
    struct model_write write;
    uint8_t key[STORE_KEY_BYTES_MAX];
    uint8_t *value;
    bool open;
};

struct session_lease {
    struct store_lease lease;
    uint8_t *value; /* a copy of what was lent */
    bool open;
};

struct session {
    const struct profile *profile;
    struct store *store;
    struct store_core *cores[SESSION_CORES_MAX];
    struct store_core *core; /* of the current operation */
    struct model model;
    struct session_upload uploads[PLACES];
    struct session_lease leases[PLACES];
    uint64_t *version_last; /* per key: version seen last */
    bool *changed;          /* per key: stored since */
    uint8_t *value, *got;   /* scratch */
    uint64_t seed, number;  /* of the operation */
    uint64_t evictions_noticed;
    uint64_t evictions_before; /* the last restart */
    struct restart restart;
    int64_t wall_s;
    char path[64]; /* of the store's file; empty: none */
    const struct operation *operation;
    bool loud;
};

void session_open(struct session *session, const struct profile *profile, uint64_t seed, bool loud);
void session_run(struct session *session, uint64_t number, const struct operation *operation);
/* Returns all leases, abandons all uploads, checks, destroys. */
void session_close(struct session *session);

/* session.c, for lease and upload operations */
__attribute__((noreturn, cold, format(printf, 2, 3))) void session_fail(struct session *session,
                                                                       const char *format, ...);
struct store_key session_key(struct session *session, uint32_t number, uint8_t *text);
/* Fills in what both sides need to know of a write; the token is resolved now. */
struct store_write session_write(struct session *session, const struct operation *operation,
                                 uint8_t *key_text, struct model_write *write);
/* Compares and carries out the answer to a write. */
void session_written(struct session *session, const struct model_write *write,
                     const struct store_write *asked, enum store_outcome outcome, uint64_t token);
/* Reads the key and compares; a lease goes to *lease (NULL: none wanted). */
void session_read(struct session *session, uint32_t key, bool quiet, struct session_lease *lease);
/* The key turned out not to be live: fine under pressure. */
void session_evicted(struct session *session, uint32_t key, const char *what);

void session_check(struct session *session);

/* marks.c */
void session_look_up(struct session *session, const struct operation *operation);
void session_count(struct session *session, const struct operation *operation);
void session_remove(struct session *session, const struct operation *operation);

/* restarts.c */
void session_store_open(struct session *session);
void session_cores_open(struct session *session);
void session_places_close(struct session *session);
void session_restart(struct session *session, const struct operation *operation);

/* places.c */
void session_lease_return(struct session *session, struct session_lease *lease);
void session_upload_begin(struct session *session, const struct operation *operation);
void session_upload_feed(struct session *session, const struct operation *operation);
void session_upload_commit(struct session *session, const struct operation *operation);
void session_upload_abandon(struct session *session, const struct operation *operation);

#endif
