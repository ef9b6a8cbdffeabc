/* larder: reads the -l list into addresses
 *
 * An element is  [notls:|btls:|mtls:][proto[NAME]:][tag[NAME]: or tag_NAME_:] then one of
 *   host   host:port   [v6]:port   [v6]   v6   *   *:port
 * A bare IPv6 address has more than one colon, so it carries no port.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "src/server/options.h"

#define TAG_LENGTH_MAX 8u

/* The element under the knife, and where it goes. */
struct listen_cut {
    struct options_run *run;
    struct settings_listen *listen;
    char *at;
};

static bool fail(struct listen_cut *cut, const char *complaint, const char *value) {
    (void)options_complain(cut->run, EX_OSERR, complaint, value);
    return options_complain(cut->run, EX_OSERR, "failed to listen on one of interface(s) %s",
                            cut->run->settings->listen_text);
}

static bool cut_tls(struct listen_cut *cut) {
    static const struct {
        const char *name;
        enum tls_mode mode;
    } prefixes[] = {
        {"notls", TLS_MODE_OFF},
        {"btls", TLS_MODE_NO_PEER},
        {"mtls", TLS_MODE_PEER},
    };
    bool enabled = cut->run->settings->tls_enabled;
    cut->listen->tls = enabled ? TLS_MODE_DEFAULT : TLS_MODE_OFF;
    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t length = strlen(prefixes[i].name);
        if (strncmp(cut->at, prefixes[i].name, length) != 0 || cut->at[length] != ':') {
            continue;
        }
        if (!enabled) {
            return fail(cut, "'%s' option is valid only when SSL is enabled", prefixes[i].name);
        }
        cut->listen->tls = prefixes[i].mode;
        cut->at += length + 1;
        break;
    }
    return true;
}

/* Cuts "[NAME]" and the colon behind it; *name stays in place. */
static bool cut_bracket(struct listen_cut *cut, char close, char **name) {
    *name = cut->at + 1;
    char *end = strchr(*name, close);
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    cut->at = end[1] == ':' ? end + 2 : end + 1;
    return true;
}

static bool cut_protocol(struct listen_cut *cut) {
    static const struct {
        const char *name;
        enum settings_protocol protocol;
    } protocols[] = {
        {"ascii", SETTINGS_PROTOCOL_ASCII},
        {"binary", SETTINGS_PROTOCOL_BINARY},
        {"negotiating", SETTINGS_PROTOCOL_AUTO},
    };
    if (strncmp(cut->at, "proto[", 6) != 0) {
        return true;
    }
    cut->at += 5;
    char *name = NULL;
    if (!cut_bracket(cut, ']', &name)) {
        return fail(cut, "Invalid protocol spec: \"%s\"", cut->at);
    }
    if (strcmp(name, "proxy") == 0) {
        return fail(cut, "Server not built with proxy: \"%s\"", name);
    }
    if (cut->run->settings->auth_path != NULL && strcmp(name, "binary") == 0) {
        return fail(cut, "Cannot use binary protocol when ascii authentication enabled", "");
    }
    if (cut->run->settings->auth_path != NULL && strcmp(name, "negotiating") == 0) {
        (void)fprintf(stderr, "WARNING: negotiating ports are ascii only when ascii "
                              "authentication enabled\n");
        return true;
    }
    for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        if (strcmp(name, protocols[i].name) == 0) {
            cut->listen->protocol = protocols[i].protocol;
            return true;
        }
    }
    return fail(cut, "Invalid protocol spec: \"%s\"", name);
}

static bool cut_tag(struct listen_cut *cut) {
    bool bracket = strncmp(cut->at, "tag[", 4) == 0;
    if (!bracket && strncmp(cut->at, "tag_", 4) != 0) {
        return true;
    }
    cut->at += 3;
    char *name = NULL;
    if (!cut_bracket(cut, bracket ? ']' : '_', &name)) {
        return fail(cut, "Invalid tag in socket config: \"%s\"", cut->at);
    }
    size_t length = strlen(name);
    if (length < 1 || length > TAG_LENGTH_MAX) {
        return fail(cut, "Listener tags must be between 1 and 8 characters: \"%s\"", name);
    }
    return options_set_text(cut->run, &cut->listen->tag, name);
}

static bool cut_port(struct listen_cut *cut, const char *text) {
    char *end = NULL;
    errno = 0;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || port < -1 || port > UINT16_MAX) {
        return fail(cut, "Invalid port number: \"%s\"", text);
    }
    cut->listen->port = port < 0 ? 0 : (uint16_t)port;
    return true;
}

static bool cut_address(struct listen_cut *cut) {
    char *host = cut->at;
    bool bracket = *host == '[';
    if (bracket && !cut_bracket(cut, ']', &host)) {
        return fail(cut, "Invalid IPV6 address: \"%s\"", cut->at);
    }
    /* cut_bracket took the colon behind the bracket */
    char *port = bracket ? (*cut->at == '\0' ? NULL : cut->at) : strchr(host, ':');
    if (!bracket && port != NULL) {
        bool bare_v6 = strchr(port + 1, ':') != NULL;
        if (bare_v6) {
            port = NULL;
        } else {
            *port++ = '\0';
        }
    }
    if (port != NULL && !cut_port(cut, port)) {
        return false;
    }
    if (strcmp(host, "*") == 0 || *host == '\0') {
        return true;
    }
    return options_set_text(cut->run, &cut->listen->host, host);
}

static bool add_element(struct options_run *run, char *element, uint16_t port) {
    struct settings *settings = run->settings;
    struct listen_cut cut = {run, &settings->listen[settings->listen_count], element};
    *cut.listen = (struct settings_listen){.port = port, .protocol = settings->protocol};
    settings->listen_count++;
    return cut_tls(&cut) && cut_protocol(&cut) && cut_tag(&cut) && cut_address(&cut);
}

static bool add_list(struct options_run *run, char *list, uint16_t port) {
    char *rest = NULL;
    for (char *element = strtok_r(list, ";,", &rest); element != NULL;
         element = strtok_r(NULL, ";,", &rest)) {
        if (run->settings->listen_count == SETTINGS_LISTEN_MAX) {
            return options_complain(run, EX_OSERR, "too many addresses to listen on", "");
        }
        if (!add_element(run, element, port)) {
            return false;
        }
    }
    return true;
}

bool settings_listen_build(struct options_run *run) {
    struct settings *settings = run->settings;
    for (uint32_t i = 0; i < settings->listen_count; i++) {
        free(settings->listen[i].host);
        free(settings->listen[i].tag);
    }
    free(settings->listen);
    settings->listen = NULL;
    settings->listen_count = 0;
    if (settings->tcp_port == 0 || settings->unix_path != NULL) {
        return true;
    }
    uint16_t port = settings->tcp_port < 0 ? 0 : (uint16_t)settings->tcp_port;
    settings->listen = calloc(SETTINGS_LISTEN_MAX, sizeof(*settings->listen));
    char *list = strdup(settings->listen_text == NULL ? "*" : settings->listen_text);
    bool good = settings->listen != NULL && list != NULL;
    if (!good) {
        (void)options_complain(run, EXIT_FAILURE, "Failed to allocate memory", "");
    }
    good = good && add_list(run, list, port);
    free(list);
    if (good && settings->listen_count == 0) {
        return options_complain(run, EX_OSERR, "no address to listen on in \"%s\"",
                                settings->listen_text);
    }
    return good;
}
