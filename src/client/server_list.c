/* larder: servers as users write them */
#include <stdio.h>
#include <stdlib.h>

#include "src/base/number.h"
#include "src/client/server_list.h"

/* The next item of a list with commas; false behind the last. An empty text is one empty item. */
static bool list_next(struct span *rest, struct span *item) {
    if (rest->data == NULL) {
        return false;
    }
    const uint8_t *comma = rest->len == 0 ? NULL : memchr(rest->data, ',', rest->len);

    if (comma == NULL) {
        *item = *rest;
        *rest = span_of(NULL, 0);
    } else {
        size_t bytes = (size_t)(comma - rest->data);

        *item = span_of(rest->data, bytes);
        *rest = span_of(comma + 1, rest->len - bytes - 1);
    }
    return true;
}

/* Cuts at the last `mark`: what stands behind it goes to *tail. */
static bool cut_last(struct span *text, uint8_t mark, struct span *tail) {
    const uint8_t *at = text->len == 0 ? NULL : memrchr(text->data, mark, text->len);

    if (at == NULL) {
        return false;
    }
    size_t head_bytes = (size_t)(at - text->data);

    *tail = span_of(at + 1, text->len - head_bytes - 1);
    text->len = head_bytes;
    return true;
}

static const char *read_weight(struct span text, uint32_t *weight) {
    return number_parse_u32(text, weight) && *weight > 0 ? NULL
                                                         : "a weight is a number from 1 on";
}

static const char *read_port(struct span text, uint16_t *port) {
    uint32_t value;

    if (!number_parse_u32(text, &value) || value == 0 || value > UINT16_MAX) {
        return "a port is a number from 1 to 65535";
    }
    *port = (uint16_t)value;
    return NULL;
}

static const char *check_host(struct span host) {
    if (host.len == 0) {
        return "there is no host";
    }
    if (host.len > RING_HOST_BYTES_MAX) {
        return "a host has at most 255 bytes";
    }
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] <= ' ' || host.data[i] == 0x7f) {
            return "a host holds no blanks and no control characters";
        }
    }
    return NULL;
}

/* PATH or PATH:/WEIGHT */
static const char *read_path(struct span item, struct span *host, uint32_t *weight) {
    struct span path = item;
    struct span tail;
    const char *why = NULL;

    if (cut_last(&path, '/', &tail) && path.len > 0 && path.data[path.len - 1] == ':') {
        path.len--;
        why = read_weight(tail, weight);
    } else {
        path = item;
    }
    *host = path;
    return why != NULL ? why : check_host(path);
}

/* "]" or "]:PORT" behind an address that opened with a bracket. */
static const char *read_bracketed(struct span item, struct span *host, uint16_t *port) {
    struct span tail;

    *host = span_of(item.data + 1, item.len - 1);
    if (!cut_last(host, ']', &tail) || memchr(host->data, '[', host->len) != NULL ||
        memchr(host->data, ':', host->len) == NULL) {
        return "brackets hold an IPv6 address";
    }
    if (tail.len == 0) {
        return NULL;
    }
    if (tail.data[0] != ':') {
        return "a colon and a port follow the bracket";
    }
    return read_port(span_of(tail.data + 1, tail.len - 1), port);
}

static const char *read_address(struct span item, struct span *host, struct ring_server *server) {
    struct span tail;
    const char *why = NULL;

    server->port = RING_PORT_DEFAULT;
    if (cut_last(&item, '/', &tail)) {
        why = read_weight(tail, &server->weight);
    }
    if (why == NULL && item.len > 0 && item.data[0] == '[') {
        why = read_bracketed(item, host, &server->port);
    } else if (why == NULL) {
        *host = item;
        why = cut_last(host, ':', &tail) ? read_port(tail, &server->port) : NULL;
        if (host->len > 0 && (memchr(host->data, ':', host->len) != NULL ||
                              memchr(host->data, '/', host->len) != NULL)) {
            why = "a server is HOST:PORT/WEIGHT, with an IPv6 address in brackets";
        }
    }
    return why != NULL ? why : check_host(*host);
}

/* Reads one item; its host goes to `text`, which it moves on. */
static const char *read_server(struct span item, struct ring_server *server, char **text) {
    struct span host = span_of(NULL, 0);
    const char *why;

    *server = (struct ring_server){.weight = 1};
    if (item.len > 0 && item.data[0] == '/') {
        why = read_path(item, &host, &server->weight);
    } else {
        why = read_address(item, &host, server);
    }
    if (why != NULL) {
        return why;
    }
    server->host = memcpy(*text, host.data, host.len);
    (*text)[host.len] = '\0';
    *text += host.len + 1;
    return NULL;
}

static uint32_t count_items(struct span text) {
    uint32_t count = 1;

    for (size_t i = 0; i < text.len && count <= RING_SERVERS_MAX; i++) {
        count += text.data[i] == ',';
    }
    return count;
}

bool server_list_init(struct server_list *list, struct span text,
                      struct server_list_fault *fault) {
    uint32_t count = count_items(text);

    *fault = (struct server_list_fault){.item = text};
    if (count > RING_SERVERS_MAX) {
        fault->item.len = 0;
        fault->why = "a ring has at most 4096 servers";
        return false;
    }
    /* a host is never longer than its item, whose comma pays for the end */
    *list = (struct server_list){.servers = calloc(count, sizeof(*list->servers)),
                                 .text = malloc(text.len + 1)};
    if (list->servers == NULL || list->text == NULL) {
        server_list_fini(list);
        fault->why = "out of memory";
        return false;
    }
    char *to = list->text;

    for (struct span rest = text; list_next(&rest, &fault->item);) {
        fault->why = read_server(fault->item, &list->servers[list->count], &to);
        if (fault->why != NULL) {
            server_list_fini(list);
            return false;
        }
        list->count++;
    }
    return true;
}

void server_list_fini(struct server_list *list) {
    free(list->text);
    free(list->servers);
    *list = (struct server_list){.count = 0};
}

const char *server_name_write(const struct ring_server *server, char to[SERVER_NAME_BYTES_MAX]) {
    if (server->port == 0) {
        (void)snprintf(to, SERVER_NAME_BYTES_MAX, "%s", server->host);
    } else if (strchr(server->host, ':') != NULL) {
        (void)snprintf(to, SERVER_NAME_BYTES_MAX, "[%s]:%u", server->host, server->port);
    } else {
        (void)snprintf(to, SERVER_NAME_BYTES_MAX, "%s:%u", server->host, server->port);
    }
    return to;
}
