/* larder: TLS of a client, as a transformer of bytes; names OpenSSL */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "src/client/options.h"
#include "src/client/secure.h"

enum { SECURE_READ_BYTES = 16384 }; /* a record's plain text */

struct secure_context {
    SSL_CTX *ssl;
};

struct secure {
    SSL *ssl;
    BIO *records_in;  /* these two belong to ssl */
    BIO *records_out;
    const char *why;
};

static const char *load_files(SSL_CTX *ssl, const struct larder_config *config) {
    const char *key = config->tls_key[0] != '\0' ? config->tls_key : config->tls_certificate;

    if (config->tls_ca[0] == '\0' ? SSL_CTX_set_default_verify_paths(ssl) != 1
                                  : SSL_CTX_load_verify_file(ssl, config->tls_ca) != 1) {
        return "tls_ca cannot be read";
    }
    if (config->tls_certificate[0] == '\0') {
        return NULL;
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, config->tls_certificate) != 1) {
        return "tls_certificate cannot be read";
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1) {
        return "tls_key cannot be read, or is not that of tls_certificate";
    }
    return NULL;
}

struct secure_context *secure_context_create(const struct larder_config *config,
                                             const char **why) {
    struct secure_context *context = calloc(1, sizeof(*context));
    bool verifies = config->tls_verify != CONFIG_VERIFY_NONE;

    *why = "out of memory";
    if (context == NULL) {
        return NULL;
    }
    context->ssl = SSL_CTX_new(TLS_client_method());
    if (context->ssl != NULL) {
        (void)SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION);
        (void)SSL_CTX_set_mode(context->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                                 SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_verify(context->ssl, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
        *why = load_files(context->ssl, config);
    }
    ERR_clear_error();
    if (*why != NULL) {
        secure_context_destroy(context);
        return NULL;
    }
    return context;
}

void secure_context_destroy(struct secure_context *context) {
    if (context != NULL) {
        SSL_CTX_free(context->ssl);
        free(context);
    }
}

/* What the certificate must be for. */
static bool expect_name(SSL *ssl, const char *name) {
    uint8_t address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    }
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct secure *secure_create(struct secure_context *context, const char *name) {
    struct secure *secure = calloc(1, sizeof(*secure));

    if (secure == NULL) {
        return NULL;
    }
    secure->why = "";
    secure->ssl = SSL_new(context->ssl);
    secure->records_in = BIO_new(BIO_s_mem());
    secure->records_out = BIO_new(BIO_s_mem());
    if (secure->ssl == NULL || secure->records_in == NULL || secure->records_out == NULL) {
        BIO_free(secure->records_in);
        BIO_free(secure->records_out);
        SSL_free(secure->ssl);
        free(secure);
        return NULL;
    }
    SSL_set_bio(secure->ssl, secure->records_in, secure->records_out);
    SSL_set_connect_state(secure->ssl);
    if (name != NULL && !expect_name(secure->ssl, name)) {
        secure_destroy(secure);
        return NULL;
    }
    return secure;
}

void secure_destroy(struct secure *secure) {
    SSL_free(secure->ssl);
    free(secure);
}

/* What a call that did not go through means. */
static bool is_waiting(struct secure *secure, int result) {
    int error = SSL_get_error(secure->ssl, result);
    long verdict = SSL_get_verify_result(secure->ssl);

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return true;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        secure->why = "the server closed the connection";
    } else if (verdict != X509_V_OK && !SSL_is_init_finished(secure->ssl)) {
        secure->why = X509_verify_cert_error_string(verdict);
    } else {
        secure->why = SSL_is_init_finished(secure->ssl) ? "TLS failed"
                                                        : "TLS could not be agreed on";
    }
    return false;
}

static bool take_records(struct secure *secure, struct bytes *records) {
    size_t pending = BIO_ctrl_pending(secure->records_out);

    if (pending == 0) {
        return true;
    }
    uint8_t *to = bytes_reserve(records, pending);
    int got = to == NULL || pending > INT32_MAX
                  ? -1
                  : BIO_read(secure->records_out, to, (int)pending);

    if (got < 0 || (size_t)got != pending) {
        secure->why = "out of memory";
        return false;
    }
    bytes_commit(records, pending);
    return true;
}

bool secure_write(struct secure *secure, struct span plain, size_t *taken,
                  struct bytes *records) {
    bool good = true;

    *taken = 0;
    ERR_clear_error();
    if (!SSL_is_init_finished(secure->ssl)) {
        int result = SSL_do_handshake(secure->ssl);

        good = result == 1 || is_waiting(secure, result);
    }
    if (good && SSL_is_init_finished(secure->ssl) && plain.len > 0) {
        int result = SSL_write_ex(secure->ssl, plain.data, plain.len, taken);

        good = result == 1 || is_waiting(secure, result);
    }
    return take_records(secure, records) && good;
}

bool secure_read(struct secure *secure, struct span records, struct bytes *plain) {
    size_t written = 0;

    ERR_clear_error();
    if (records.len > 0 && (BIO_write_ex(secure->records_in, records.data, records.len,
                                         &written) != 1 || written != records.len)) {
        secure->why = "out of memory";
        return false;
    }
    for (;;) {
        uint8_t *to = bytes_reserve(plain, SECURE_READ_BYTES);
        size_t got = 0;

        if (to == NULL) {
            secure->why = "out of memory";
            return false;
        }
        int result = SSL_read_ex(secure->ssl, to, SECURE_READ_BYTES, &got);

        if (result != 1) {
            return is_waiting(secure, result);
        }
        bytes_commit(plain, got);
    }
}

const char *secure_why(const struct secure *secure) {
    return secure->why;
}
