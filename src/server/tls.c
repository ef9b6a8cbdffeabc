/* larder: TLS between a socket and a session: the one file that names OpenSSL
 *
 * OpenSSL reads and writes through a BIO of our own, whose source is the input that was fed (no
 * copy is kept; an unfinished record waits in OpenSSL's own buffer) and whose sink is a list of
 * blocks of the core's connection memory:
 *
 *     first -> [ sent | unsent ......... ] -> [ unsent .... | free ] <- last
 *
 * Records are cut so that one and its frame fit into a block. */
#include "src/server/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/engine/buffers.h"
#include "src/server/settings.h"

enum {
    RECORD_PLAIN_BYTES_MAX = 15616,
    RECORD_FRAME_BYTES_MAX = 640, /* header, vector, tag or digest, padding */
    SESSIONS_MAX = 8192,            /* kept for resumption */
};

static const char session_scope[] = "larder";

struct tls_context {
    const struct settings *settings;
    BIO_METHOD *method;
    pthread_mutex_t lock; /* guards `current` for the time of an exchange or of SSL_new */
    SSL_CTX *current;     /* replaced as a whole; connections keep the one they began with */
};

struct tls_block {
    struct tls_block *next;
    size_t block_bytes;
    uint8_t *from; /* unsent: from..to */
    uint8_t *to;
    uint8_t data[];
};

struct tls {
    SSL *ssl;
    struct buffers *buffers;
    const uint8_t *input; /* fed and not read */
    size_t input_bytes;
    uint8_t *held;
    size_t held_bytes;
    size_t held_bytes_max;
    struct tls_block *first;
    struct tls_block *last;
    size_t output_bytes;
    uint32_t created_at; /* store seconds */
    uint8_t blocks;
    bool ready; /* the handshake is done */
    bool broken;
    bool ended; /* tls_end was called */
    char failure[256];
};

bool tls_is_built_in(void) {
    return true;
}

/* -- the BIO ----------------------------------------------------------------------------------- */

/* One more block; false: none, which breaks the stream only if something was to be written. */
static bool tls_output_grow(struct tls *tls) {
    size_t bytes = 0;
    struct tls_block *block = tls->blocks < TLS_OUTPUT_BLOCKS_MAX
                                  ? buffers_take(tls->buffers, BUFFERS_BLOCK_BYTES, &bytes)
                                  : NULL;
    if (block == NULL) {
        return false;
    }
    *block = (struct tls_block){.block_bytes = bytes, .from = block->data, .to = block->data};
    *(tls->last == NULL ? &tls->first : &tls->last->next) = block;
    tls->last = block;
    tls->blocks++;
    return true;
}

static size_t tls_block_room(const struct tls_block *block) {
    return (size_t)((const uint8_t *)block + block->block_bytes - block->to);
}

static int tls_bio_write(BIO *bio, const char *data, size_t bytes, size_t *written) {
    struct tls *tls = BIO_get_data(bio);
    *written = 0;
    BIO_clear_retry_flags(bio);
    while (*written < bytes) {
        if ((tls->last == NULL || tls_block_room(tls->last) == 0) && !tls_output_grow(tls)) {
            tls->broken = true;
            return 0;
        }
        size_t room = tls_block_room(tls->last);
        size_t more = bytes - *written < room ? bytes - *written : room;
        memcpy(tls->last->to, data + *written, more);
        tls->last->to += more;
        tls->output_bytes += more;
        *written += more;
    }
    return 1;
}

static int tls_bio_read(BIO *bio, char *to, size_t bytes, size_t *got) {
    struct tls *tls = BIO_get_data(bio);
    *got = bytes < tls->input_bytes ? bytes : tls->input_bytes;
    BIO_clear_retry_flags(bio);
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, tls->input, *got);
    tls->input += *got;
    tls->input_bytes -= *got;
    return 1;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *tls_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "larder");
    if (method != NULL && (BIO_meth_set_write_ex(method, tls_bio_write) == 0 ||
                           BIO_meth_set_read_ex(method, tls_bio_read) == 0 ||
                           BIO_meth_set_ctrl(method, tls_bio_control) == 0)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* -- contexts ---------------------------------------------------------------------------------- */

/* Takes OpenSSL's first complaint and forgets the others. */
static const char *tls_complaint(char text[static 256]) {
    unsigned long error = ERR_get_error();
    if (error == 0) {
        return "no reason given";
    }
    ERR_error_string_n(error, text, 256);
    ERR_clear_error();
    return text;
}

static bool tls_refuse(char *reason, const char *what, const char *path) {
    char complaint[256];
    (void)snprintf(reason, TLS_REASON_BYTES_MAX, "%s%s%s: %s", what, path == NULL ? "" : " ",
                   path == NULL ? "" : path, tls_complaint(complaint));
    return false;
}

static bool tls_load_files(SSL_CTX *ssl, const struct settings *settings, char *reason) {
    const char *chain = settings->tls_chain_path;
    const char *key = settings->tls_key_path != NULL ? settings->tls_key_path : chain;
    const char *ca = settings->tls_ca_path;
    if (chain == NULL) {
        (void)snprintf(reason, TLS_REASON_BYTES_MAX,
                       "Error loading the certificate chain: no ssl_chain_cert was given");
        return false;
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, chain) != 1) {
        return tls_refuse(reason, "Error loading the certificate chain:", chain);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key, (int)settings->tls_key_format) != 1) {
        return tls_refuse(reason, "Error loading the key:", key);
    }
    if (SSL_CTX_check_private_key(ssl) != 1) {
        return tls_refuse(reason, "Error validating the certificate", NULL);
    }
    if (ca == NULL) {
        return true;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);
    if (names == NULL || SSL_CTX_load_verify_locations(ssl, ca, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return tls_refuse(reason, "Error loading the CA certificate:", ca);
    }
    SSL_CTX_set_client_CA_list(ssl, names);
    return true;
}

/* SSL_is_init_finished() forgets it when a later record fails. */
static void tls_on_state(const SSL *ssl, int where, int result) {
    (void)result;
    if ((where & SSL_CB_HANDSHAKE_DONE) != 0) {
        struct tls *tls = SSL_get_app_data(ssl);
        tls->ready = true;
    }
}

static bool tls_set_rules(SSL_CTX *ssl, const struct settings *settings, char *reason) {
    static const int verify[] = {
        SSL_VERIFY_NONE,
        SSL_VERIFY_PEER,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE,
    };
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    SSL_CTX_set_verify(ssl, verify[settings->tls_verify_mode], NULL);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(ssl, versions[settings->tls_version_min]) != 1) {
        return tls_refuse(reason, "Error setting the least version", NULL);
    }
    if (settings->tls_ciphers != NULL && SSL_CTX_set_cipher_list(ssl, settings->tls_ciphers) != 1) {
        return tls_refuse(reason, "Error setting the provided cipher(s):", settings->tls_ciphers);
    }
    /* always: without a scope a resumed client that shows a certificate is an error to OpenSSL */
    if (SSL_CTX_set_session_id_context(ssl, (const unsigned char *)session_scope,
                                       sizeof session_scope - 1) != 1) {
        return tls_refuse(reason, "Error setting the sessions' scope", NULL);
    }
    if (settings->tls_session_cache) {
        (void)SSL_CTX_sess_set_cache_size(ssl, SESSIONS_MAX);
        (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_SERVER);
    } else {
        (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    }
    return true;
}

static SSL_CTX *tls_make(struct tls_context *context, char *reason) {
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    if (ssl == NULL) {
        (void)tls_refuse(reason, "Error setting up TLS", NULL);
        return NULL;
    }
    SSL_CTX_set_info_callback(ssl, tls_on_state);
    if (!tls_set_rules(ssl, context->settings, reason) ||
        !tls_load_files(ssl, context->settings, reason)) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    ERR_clear_error();
    return ssl;
}

struct tls_context *tls_context_create(const struct settings *settings,
                                       char reason[static TLS_REASON_BYTES_MAX]) {
    struct tls_context *context = calloc(1, sizeof(*context));
    if (context == NULL) {
        (void)snprintf(reason, TLS_REASON_BYTES_MAX, "Error setting up TLS: no memory");
        return NULL;
    }
    pthread_mutex_init(&context->lock, NULL);
    context->settings = settings;
    context->method = tls_bio_method();
    if (context->method != NULL) {
        context->current = tls_make(context, reason);
    } else {
        (void)tls_refuse(reason, "Error setting up TLS", NULL);
    }
    if (context->current == NULL) {
        tls_context_destroy(context);
        return NULL;
    }
    return context;
}

void tls_context_destroy(struct tls_context *context) {
    if (context == NULL) {
        return;
    }
    SSL_CTX_free(context->current);
    BIO_meth_free(context->method);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

bool tls_context_reload(struct tls_context *context, char reason[static TLS_REASON_BYTES_MAX]) {
    SSL_CTX *fresh = tls_make(context, reason);
    if (fresh == NULL) {
        return false;
    }
    pthread_mutex_lock(&context->lock);
    SSL_CTX *before = context->current;
    context->current = fresh;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(before);
    return true;
}

/* -- connections ------------------------------------------------------------------------------- */

static SSL *tls_ssl_new(struct tls_context *context, enum tls_mode mode) {
    pthread_mutex_lock(&context->lock);
    SSL *ssl = SSL_new(context->current);
    pthread_mutex_unlock(&context->lock);
    if (ssl == NULL) {
        return NULL;
    }
    if (mode == TLS_MODE_NO_PEER) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    } else if (mode == TLS_MODE_PEER) {
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

struct tls *tls_create(struct tls_context *context, enum tls_mode mode, struct buffers *buffers,
                       uint32_t now) {
    struct tls *tls = calloc(1, sizeof(*tls));
    BIO *bio = BIO_new(context->method);
    SSL *ssl = tls_ssl_new(context, mode);
    if (tls == NULL || bio == NULL || ssl == NULL) {
        ERR_clear_error();
        SSL_free(ssl);
        BIO_free(bio);
        free(tls);
        return NULL;
    }
    tls->ssl = ssl;
    tls->buffers = buffers;
    tls->created_at = now;
    SSL_set_app_data(ssl, tls);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return tls;
}

static void tls_block_drop(struct tls *tls) {
    struct tls_block *block = tls->first;
    tls->first = block->next;
    if (tls->first == NULL) {
        tls->last = NULL;
    }
    tls->blocks--;
    buffers_give(tls->buffers, block, block->block_bytes);
}

void tls_destroy(struct tls *tls) {
    if (tls == NULL) {
        return;
    }
    SSL_free(tls->ssl);
    while (tls->first != NULL) {
        tls_block_drop(tls);
    }
    tls_held_drop(tls);
    free(tls);
}

bool tls_is_ready(const struct tls *tls) {
    return tls->ready;
}

bool tls_was_resumed(const struct tls *tls) {
    return SSL_session_reused(tls->ssl) == 1;
}

bool tls_handshake_is_overdue(const struct tls *tls, uint32_t now) {
    return !tls_is_ready(tls) && now - tls->created_at > TLS_HANDSHAKE_S_MAX;
}

bool tls_is_broken(const struct tls *tls) {
    return tls->broken;
}

/* -- input ------------------------------------------------------------------------------------- */

void tls_feed(struct tls *tls, const uint8_t *data, size_t bytes) {
    tls->input = data;
    tls->input_bytes = bytes;
}

static enum tls_progress tls_failed(struct tls *tls) {
    (void)tls_complaint(tls->failure);
    tls->input_bytes = 0;
    return TLS_FAILED;
}

enum tls_progress tls_read(struct tls *tls, uint8_t *to, size_t room, size_t *got) {
    *got = 0;
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, to, room, got) == 1) {
        return TLS_GOT;
    }
    *got = 0;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        ASSERT(tls->input_bytes == 0);
        return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        tls->input_bytes = 0;
        return TLS_ENDED;
    default:
        return tls_failed(tls);
    }
}

const char *tls_failure(const struct tls *tls) {
    return tls->failure;
}

bool tls_hold(struct tls *tls, const uint8_t *data, size_t bytes) {
    if (bytes > TLS_HELD_BYTES_MAX - tls->held_bytes) {
        return false;
    }
    if (bytes > tls->held_bytes_max - tls->held_bytes) {
        size_t most = 0;
        size_t wanted = tls->held_bytes + bytes;
        uint8_t *larger = buffers_take(
            tls->buffers, tls->held_bytes == 0 ? wanted : 2 * wanted, &most);
        if (larger == NULL) {
            return false;
        }
        size_t held = tls->held_bytes;
        if (held > 0) {
            memcpy(larger, tls->held, held);
        }
        tls_held_drop(tls);
        tls->held = larger;
        tls->held_bytes = held;
        tls->held_bytes_max = most;
    }
    memcpy(tls->held + tls->held_bytes, data, bytes);
    tls->held_bytes += bytes;
    return true;
}

size_t tls_held_bytes(const struct tls *tls) {
    return tls->held_bytes;
}

void tls_feed_held(struct tls *tls) {
    tls_feed(tls, tls->held, tls->held_bytes);
}

void tls_held_drop(struct tls *tls) {
    if (tls->held != NULL) {
        buffers_give(tls->buffers, tls->held, tls->held_bytes_max);
    }
    tls->held = NULL;
    tls->held_bytes = 0;
    tls->held_bytes_max = 0;
}

/* -- output ------------------------------------------------------------------------------------ */

/* One record; 0: none, and the stream is broken. */
static size_t tls_write_record(struct tls *tls, const void *data, size_t bytes) {
    size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, data, bytes, &written) != 1 || tls->broken) {
        ERR_clear_error();
        tls->broken = true;
        return 0;
    }
    return written;
}

/* Room for a record, so that OpenSSL never finds none half way. */
static bool tls_output_room(struct tls *tls, size_t plain_bytes) {
    size_t wanted = plain_bytes + RECORD_FRAME_BYTES_MAX;
    if (tls->last != NULL && tls_block_room(tls->last) >= wanted) {
        return true;
    }
    if (tls_output_grow(tls)) {
        return true;
    }
    tls->broken = tls->output_bytes == 0; /* else there will be room once that is sent */
    return false;
}

size_t tls_write(struct tls *tls, const struct iovec *iovecs, unsigned count,
                 size_t output_bytes_max) {
    size_t taken = 0;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *at = iovecs[i].iov_base;
        size_t left = iovecs[i].iov_len;
        while (left > 0) {
            size_t bytes = left < RECORD_PLAIN_BYTES_MAX ? left : RECORD_PLAIN_BYTES_MAX;
            if (tls->output_bytes >= output_bytes_max || tls->broken ||
                !tls_output_room(tls, bytes) || tls_write_record(tls, at, bytes) != bytes) {
                return taken;
            }
            at += bytes;
            left -= bytes;
            taken += bytes;
        }
    }
    return taken;
}

void tls_end(struct tls *tls) {
    if (!tls->ended && tls_is_ready(tls)) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
    tls->ended = true;
}

size_t tls_output_bytes(const struct tls *tls) {
    return tls->output_bytes;
}

unsigned tls_output(const struct tls *tls, struct iovec *iovecs, unsigned count) {
    unsigned used = 0;
    for (struct tls_block *block = tls->first; block != NULL && used < count;
         block = block->next) {
        size_t bytes = (size_t)(block->to - block->from);
        iovecs[used] = (struct iovec){.iov_base = block->from, .iov_len = bytes};
        used += bytes > 0;
    }
    return used;
}

void tls_sent(struct tls *tls, size_t bytes) {
    ASSERT(bytes <= tls->output_bytes);
    tls->output_bytes -= bytes;
    while (tls->first != NULL) {
        struct tls_block *block = tls->first;
        size_t here = (size_t)(block->to - block->from);
        size_t taken = bytes < here ? bytes : here;
        block->from += taken;
        bytes -= taken;
        if (block->from != block->to) {
            break;
        }
        tls_block_drop(tls);
    }
    ASSERT(bytes == 0);
}
