/* larder: checks that need the whole command line, in memcached's order and words */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#include "src/server/options.h"

#define ITEM_BYTES_LEAST 1024u
#define ITEM_BYTES_MOST (1024u * 1024 * 1024)
#define PAGE_BYTES (1024u * 1024) /* memcached's, which slab_chunk_max has to divide */
#define SLAB_SIZES_MAX 62u
#define SLAB_SIZE_STEP 8u

static bool refuse(struct options_run *run, const char *complaint) {
    return options_complain(run, EX_USAGE, complaint, "");
}

static bool check_item_bounds(struct options_run *run) {
    const struct settings *settings = run->settings;
    if (settings->item_bytes_max < ITEM_BYTES_LEAST) {
        return refuse(run, "Item max size cannot be less than 1024 bytes.");
    }
    if (settings->item_bytes_max > settings->memory_bytes / 2) {
        return refuse(run, "Cannot set item size limit higher than 1/2 of memory max.");
    }
    if (settings->item_bytes_max > ITEM_BYTES_MOST) {
        return refuse(run, "Cannot set item size limit higher than a gigabyte.");
    }
    return true;
}

static bool check_chunks(struct options_run *run) {
    struct settings *settings = run->settings;
    if (settings->item_bytes_max > PAGE_BYTES && !options_were_given(run, "slab_chunk_max")) {
        settings->chunk_bytes_max = PAGE_BYTES / 2;
    }
    uint64_t item = settings->item_bytes_max;
    uint64_t chunk = settings->chunk_bytes_max;
    if (chunk > item) {
        (void)fprintf(stderr,
                      "slab_chunk_max (bytes: %" PRIu64 ") cannot be larger than -I "
                      "(item_size_max %" PRIu64 ")\n",
                      chunk, item);
    } else if (item % chunk != 0) {
        (void)fprintf(stderr,
                      "-I (item_size_max: %" PRIu64 ") must be evenly divisible by "
                      "slab_chunk_max (bytes: %" PRIu64 ")\n",
                      item, chunk);
    } else if (PAGE_BYTES % chunk != 0) {
        (void)fprintf(stderr,
                      "slab_chunk_max (bytes: %" PRIu64 ") must divide evenly into %u "
                      "(slab_page_size)\n",
                      chunk, PAGE_BYTES);
    } else {
        return true;
    }
    run->exit_code = EX_USAGE;
    return false;
}

/* One size of the slab_sizes list, after `last`. False: complained. */
static bool check_slab_size(struct options_run *run, const char *text, uint64_t *last) {
    const struct settings *settings = run->settings;
    char *end = NULL;
    uint64_t size = strtoull(text, &end, 10);
    bool number = end != text && (*end == '\0' || *end == '-');
    if (!number || size < settings->chunk_bytes_min || size > settings->chunk_bytes_max) {
        (void)fprintf(stderr, "slab size %" PRIu64 " is out of valid range\n", size);
    } else if (size <= *last) {
        (void)fprintf(stderr,
                      "slab size %" PRIu64 " cannot be lower than or equal to a previous class "
                      "size\n",
                      size);
    } else if (size <= *last + SLAB_SIZE_STEP) {
        (void)fprintf(stderr,
                      "slab size %" PRIu64 " must be at least %u bytes larger than previous "
                      "class\n",
                      size, SLAB_SIZE_STEP);
    } else {
        *last = size;
        return true;
    }
    run->exit_code = EX_USAGE;
    return false;
}

static bool check_slab_sizes(struct options_run *run) {
    const char *at = run->settings->slab_sizes;
    uint64_t last = 0;
    if (at == NULL) {
        return true;
    }
    if (*at == '\0') {
        return refuse(run, "slab_sizes is empty");
    }
    for (unsigned count = 0; at != NULL; count++) {
        if (count == SLAB_SIZES_MAX) {
            return refuse(run, "too many slab classes specified");
        }
        if (!check_slab_size(run, at, &last)) {
            return false;
        }
        at = strchr(at, '-');
        at = at == NULL ? NULL : at + 1;
    }
    return true;
}

static bool check_lists(struct options_run *run) {
    const struct settings *settings = run->settings;
    if (settings->hot_lru_percent + settings->warm_lru_percent > 80) {
        return refuse(run, "hot_lru_pct + warm_lru_pct cannot be more than 80% combined");
    }
    if (settings->temporary_ttl_enabled && !settings->lru_maintainer) {
        return refuse(run, "temporary_ttl requires lru_maintainer to be enabled");
    }
    return true;
}

static bool check_threads(struct options_run *run) {
    const struct settings *settings = run->settings;
    if (settings->threads != 0 && settings->napi_ids > settings->threads) {
        (void)fprintf(stderr,
                      "Number of napi_ids(%" PRIu32 ") cannot be greater than number of "
                      "threads(%" PRIu32 ")\n",
                      settings->napi_ids, settings->threads);
        run->exit_code = EX_USAGE;
        return false;
    }
    return true;
}

/* Said always, not only with -v: a client would wait for ever for an answer. As in memcached the
 * port is TCP's as well where that was not given. */
static void refuse_udp(struct options_run *run) {
    struct settings *settings = run->settings;
    if (settings->udp_port == 0) {
        return;
    }
    (void)fprintf(stderr, "WARNING: UDP is not served: nothing listens on UDP port %" PRId32 "\n",
                  settings->udp_port);
    if (!options_were_given(run, "port")) {
        settings->tcp_port = settings->udp_port;
    }
    settings->udp_port = 0;
}

/* SASL is a language of the binary protocol only. */
static bool check_sasl(struct options_run *run) {
    struct settings *settings = run->settings;
    if (!settings->sasl_enabled) {
        return true;
    }
    if (!options_were_given(run, "protocol")) {
        settings->protocol = SETTINGS_PROTOCOL_BINARY;
    }
    if (settings->protocol != SETTINGS_PROTOCOL_BINARY) {
        return refuse(run, "ERROR: You cannot allow the ASCII protocol while using SASL.");
    }
    return settings->udp_port == 0 ||
           refuse(run, "ERROR: Cannot enable UDP while using binary SASL authentication.");
}

/* Logging in by -Y is one of the ASCII protocol only; so both together are refused. */
static bool check_auth(struct options_run *run) {
    struct settings *settings = run->settings;
    if (!check_sasl(run)) {
        return false;
    }
    if (settings->auth_path == NULL) {
        return true;
    }
    if (settings->udp_port != 0) {
        return refuse(run, "Cannot use UDP with ascii authentication enabled (-U 0 to disable)");
    }
    if (!options_were_given(run, "protocol") && !settings->sasl_enabled) {
        settings->protocol = SETTINGS_PROTOCOL_ASCII;
    }
    return settings->protocol == SETTINGS_PROTOCOL_ASCII ||
           refuse(run, "ERROR: You cannot allow the BINARY protocol while using ascii "
                       "authentication tokens.");
}

static bool check_tls(struct options_run *run) {
    const struct settings *settings = run->settings;
    return !settings->tls_enabled || settings->tcp_port != 0 ||
           refuse(run, "ERROR: You cannot enable SSL without a TCP port.");
}

static bool check_unix_path(struct options_run *run) {
    const char *path = run->settings->unix_path;
    if (path != NULL && strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return options_complain(run, EX_OSERR,
                                "failed to listen on UNIX socket: %s: File name too long", path);
    }
    return true;
}

bool settings_check(struct options_run *run) {
    if (!check_auth(run)) {
        return false;
    }
    refuse_udp(run);
    return check_threads(run) && check_tls(run) && check_item_bounds(run) &&
           check_chunks(run) && check_slab_sizes(run) && check_lists(run) && check_unix_path(run) &&
           settings_listen_build(run);
}
