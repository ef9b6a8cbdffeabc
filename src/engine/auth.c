/* larder: who may use the server */
#include "src/engine/auth.h"

#include <stdlib.h>

/* Padded with zeros to a fixed size, so that comparing takes the same time for all. */
struct auth_field {
    uint64_t bytes;
    uint8_t text[AUTH_FIELD_BYTES];
};

struct auth_user {
    struct auth_field name;
    struct auth_field password;
};

struct auth_users {
    size_t count;
    struct auth_user list[];
};

void auth_init(struct auth *auth, enum auth_kind kind) {
    *auth = (struct auth){.kind = kind};
    pthread_mutex_init(&auth->lock, NULL);
}

static size_t auth_users_bytes(size_t count) {
    return sizeof(struct auth_users) + count * sizeof(struct auth_user);
}

static void auth_users_free(struct auth_users *users) {
    if (users) {
        explicit_bzero(users, auth_users_bytes(users->count));
        free(users);
    }
}

void auth_fini(struct auth *auth) {
    auth_users_free(auth->users);
    auth->users = NULL;
    pthread_mutex_destroy(&auth->lock);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void auth_field_set(struct auth_field *field, struct span text) {
    size_t bytes = text.len < AUTH_FIELD_BYTES ? text.len : AUTH_FIELD_BYTES;

    memset(field->text, 0, sizeof field->text);
    if (bytes > 0) {
        memcpy(field->text, text.data, bytes);
    }
    field->bytes = text.len;
}

/* Cuts the next line off `text`, without its end. */
static struct span auth_line(struct span *text) {
    const uint8_t *feed = memchr(text->data, '\n', text->len);
    size_t bytes = feed ? (size_t)(feed - text->data) : text->len;
    struct span line = span_of(text->data, bytes);
    size_t taken = bytes + (feed != NULL);

    *text = span_of(text->data + taken, text->len - taken);
    line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
    return line;
}

static bool auth_line_read(enum auth_kind kind, struct span line, struct auth_user *user) {
    const uint8_t *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;

    if (!colon || line.len > AUTH_LINE_BYTES_MAX) {
        return false;
    }
    struct span password = span_of(colon + 1, (size_t)(line.data + line.len - colon - 1));
    const uint8_t *end = kind == AUTH_SASL ? memchr(password.data, ':', password.len) : NULL;

    if (end) {
        password.len = (size_t)(end - password.data);
    }
    auth_field_set(&user->name, span_of(line.data, (size_t)(colon - line.data)));
    auth_field_set(&user->password, password);
    return true;
}

static size_t auth_lines(struct span text, size_t most) {
    size_t lines = 0;

    while (text.len > 0 && lines < most) {
        (void)auth_line(&text);
        lines++;
    }
    return lines;
}

enum auth_read auth_read_users(struct auth *auth, struct span text) {
    size_t most = auth->kind == AUTH_ASCII ? AUTH_USERS_MAX : AUTH_USERS_SASL_MAX;
    size_t count = auth_lines(text, most);
    struct auth_users *users = calloc(1, auth_users_bytes(count));

    if (!users) {
        return AUTH_READ_NO_MEMORY;
    }
    users->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!auth_line_read(auth->kind, auth_line(&text), &users->list[i])) {
            auth_users_free(users);
            return AUTH_READ_MALFORMED;
        }
    }
    pthread_mutex_lock(&auth->lock);
    struct auth_users *before = auth->users;

    auth->users = users;
    pthread_mutex_unlock(&auth->lock);
    auth_users_free(before);
    return text.len > 0 ? AUTH_READ_CUT : AUTH_READ_GOOD;
}

/* -- checking ---------------------------------------------------------------------------------- */

/* 0 when both are the same; never stops early. */
static uint64_t auth_field_difference(const struct auth_field *a, const struct auth_field *b) {
    uint64_t difference = a->bytes ^ b->bytes;

    for (size_t i = 0; i < AUTH_FIELD_BYTES; i++) {
        difference |= (uint64_t)(a->text[i] ^ b->text[i]);
    }
    return difference;
}

bool auth_check(struct auth *auth, struct span user, struct span password) {
    struct auth_user tried;
    volatile uint32_t matches = 0; /* no shortcut for the compiler either */

    auth_field_set(&tried.name, user);
    auth_field_set(&tried.password, password);
    pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; auth->users && i < auth->users->count; i++) {
        const struct auth_user *known = &auth->users->list[i];
        uint64_t difference = auth_field_difference(&tried.name, &known->name) |
                              auth_field_difference(&tried.password, &known->password);

        matches = matches + (difference == 0);
    }
    pthread_mutex_unlock(&auth->lock);
    explicit_bzero(&tried, sizeof tried);
    return matches > 0;
}
