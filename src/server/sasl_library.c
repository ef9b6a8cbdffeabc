/* larder: SASL mechanisms of the system's library (libsasl2) */
#include "src/server/sasl_library.h"

#include <pthread.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BYTES_MAX = 1025, MECHANISM_BYTES_MAX = 64 };

/* memcached's name, so that its configuration serves both. */
static const char service[] = "memcached";

struct library {
    pthread_mutex_t lock;
    uint32_t verbosity;
    char host[HOST_BYTES_MAX];
    sasl_callback_t callbacks[3];
};

bool sasl_library_is_built_in(void) {
    return true;
}

/* -- what the library calls -------------------------------------------------------------------- */

/* Folders in which memcached.conf is looked for. */
static int library_folder(void *context, const char **path) {
    static const char *const folders[] = {"/etc/sasl", "/etc/sasl2"};
    static const char *const files[] = {"/etc/sasl/memcached.conf", "/etc/sasl2/memcached.conf"};
    static const char *const in_folders[] = {"/etc/sasl/memcached.conf/memcached.conf",
                                             "/etc/sasl2/memcached.conf/memcached.conf"};
    (void)context;
    *path = getenv("SASL_CONF_PATH");
    for (size_t i = 0; *path == NULL && i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (access(in_folders[i], F_OK) == 0) {
            *path = files[i];
        } else if (access(files[i], F_OK) == 0) {
            *path = folders[i];
        }
    }
    return *path != NULL ? SASL_OK : SASL_FAIL;
}

static int library_log(void *context, int level, const char *message) {
    const struct library *library = context;
    uint32_t verbosity_min = level == SASL_LOG_ERR                               ? 0
                             : level == SASL_LOG_FAIL || level == SASL_LOG_WARN ? 1
                                                                                 : 2;
    if (level != SASL_LOG_NONE && library->verbosity >= verbosity_min) {
        (void)fprintf(stderr, "SASL (severity %d): %s\n", level, message);
    }
    return SASL_OK;
}

/* -- the back end ------------------------------------------------------------------------------ */

static sasl_conn_t *library_conversation(struct library *library, void **conversation) {
    sasl_conn_t *made = *conversation;
    if (made == NULL && sasl_server_new(service, NULL, library->host[0] == '\0' ? NULL
                                                                                 : library->host,
                                        NULL, NULL, NULL, 0, &made) != SASL_OK) {
        made = NULL;
    }
    *conversation = made;
    return made;
}

static struct span library_mechanisms(void *context, void **conversation) {
    struct library *library = context;
    const char *names = NULL;
    unsigned bytes = 0;
    pthread_mutex_lock(&library->lock);
    sasl_conn_t *made = library_conversation(library, conversation);
    if (made == NULL ||
        sasl_listmech(made, NULL, "", " ", "", &names, &bytes, NULL) != SASL_OK) {
        names = NULL;
        bytes = 0;
    }
    pthread_mutex_unlock(&library->lock);
    return span_of(names, bytes);
}

static enum auth_step library_result(int result, const char *out, unsigned bytes,
                                     struct span *challenge) {
    *challenge = span_of(out, out == NULL ? 0 : bytes);
    return result == SASL_OK         ? AUTH_STEP_GOOD
           : result == SASL_CONTINUE ? AUTH_STEP_CONTINUE
                                     : AUTH_STEP_BAD;
}

static enum auth_step library_start(void *context, void **conversation, struct span mechanism,
                                    struct span data, struct span *challenge) {
    struct library *library = context;
    char name[MECHANISM_BYTES_MAX];
    const char *out = NULL;
    unsigned bytes = 0;
    int result = SASL_FAIL;
    if (mechanism.len >= sizeof(name)) {
        return AUTH_STEP_BAD;
    }
    memcpy(name, mechanism.data, mechanism.len);
    name[mechanism.len] = '\0';
    pthread_mutex_lock(&library->lock);
    sasl_conn_t *made = library_conversation(library, conversation);
    if (made != NULL) {
        result = sasl_server_start(made, name, data.len == 0 ? NULL : (const char *)data.data,
                                   (unsigned)data.len, &out, &bytes);
    }
    pthread_mutex_unlock(&library->lock);
    return library_result(result, out, bytes, challenge);
}

static enum auth_step library_step(void *context, void **conversation, struct span data,
                                   struct span *challenge) {
    struct library *library = context;
    const char *out = NULL;
    unsigned bytes = 0;
    pthread_mutex_lock(&library->lock);
    int result = sasl_server_step(*conversation, data.len == 0 ? NULL : (const char *)data.data,
                                  (unsigned)data.len, &out, &bytes);
    pthread_mutex_unlock(&library->lock);
    return library_result(result, out, bytes, challenge);
}

static void library_end(void *context, void *conversation) {
    struct library *library = context;
    sasl_conn_t *made = conversation;
    pthread_mutex_lock(&library->lock);
    sasl_dispose(&made);
    pthread_mutex_unlock(&library->lock);
}

/* -- life -------------------------------------------------------------------------------------- */

/* The library keeps callbacks of all kinds under one type and knows by their numbers. */
#define LIBRARY_CALLBACK(function) ((int (*)(void))(void (*)(void))(function))

bool sasl_library_open(struct auth_backend *backend, uint32_t verbosity) {
    struct library *library = calloc(1, sizeof(*library));
    if (library == NULL) {
        (void)fprintf(stderr, "Error initializing sasl.\n");
        return false;
    }
    pthread_mutex_init(&library->lock, NULL);
    library->verbosity = verbosity;
    if (gethostname(library->host, sizeof(library->host) - 1) != 0) {
        library->host[0] = '\0';
    }
    library->callbacks[0] = (sasl_callback_t){SASL_CB_LOG, LIBRARY_CALLBACK(library_log),
                                              library};
    library->callbacks[1] = (sasl_callback_t){SASL_CB_GETCONFPATH,
                                              LIBRARY_CALLBACK(library_folder), NULL};
    library->callbacks[2] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    if (sasl_server_init(library->callbacks, service) != SASL_OK) {
        (void)fprintf(stderr, "Error initializing sasl.\n");
        pthread_mutex_destroy(&library->lock);
        free(library);
        return false;
    }
    *backend = (struct auth_backend){.context = library,
                                     .mechanisms = library_mechanisms,
                                     .start = library_start,
                                     .step = library_step,
                                     .end = library_end};
    return true;
}

void sasl_library_close(struct auth_backend *backend) {
    struct library *library = backend->context;
    sasl_done();
    pthread_mutex_destroy(&library->lock);
    free(library);
}
