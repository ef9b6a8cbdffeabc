/* larder: a client of the simulated network that checks every reply */
#include "tests/sim/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CLIENT_KEY_BYTES = 32,
    CLIENT_LINE_BYTES = 512,
    CLIENT_INPUT_BYTES = 4 * 1024 * 1024,
    CLIENT_VALUE_BYTES_MIN = 48,
    CLIENT_READ_BYTES = 16 * 1024,
    CLIENT_OUTPUT_BYTES = 4 * 1024 * 1024,
};

#define CLIENT_STALL_NS_MAX 3000000000u

enum client_kind {
    CLIENT_SET,
    CLIENT_GET,
    CLIENT_GET_TWO,
    CLIENT_DELETE,
    CLIENT_JUNK,
    CLIENT_KINDS,
};

/* A request in flight and what its reply may be. */
struct client_request {
    enum client_kind kind;
    bool shared;
    unsigned key;
    uint32_t number;        /* own keys: of the value then; 0: none */
    unsigned second_key;    /* CLIENT_GET_TWO: an own one */
    uint32_t second_number;
};

struct client {
    struct client_config config;
    struct sim_client *net;
    uint64_t random;
    unsigned asked;
    unsigned answered;
    bool gone;
    uint32_t written;                     /* numbers of values given so far */
    uint32_t own[CLIENT_KEYS_OWN];        /* number of the value each own key holds; 0: none */
    struct client_request requests[CLIENT_PIPELINE_MAX];
    uint8_t *output;
    size_t output_start;
    size_t output_end;
    uint8_t *input;
    size_t input_bytes;
};

#define CHECK(client, condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            client_fail(client, #condition, __LINE__);                                             \
        }                                                                                          \
    } while (0)

static void client_fail(const struct client *client, const char *what, int line) {
    size_t bytes = client->input_bytes < 200 ? client->input_bytes : 200;
    print_error("seed %llu, client %u, reply %u (line %d): %s\ninput: %.*s\n",
                (unsigned long long)client->config.seed, client->config.number, client->answered,
                line, what, (int)bytes, (const char *)client->input);
    fail();
}

/* splitmix64, by S. Vigna */
static uint64_t client_mix(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t client_random(struct client *client, uint64_t bound) {
    return client_mix(&client->random) % bound;
}

static int client_key_text(const struct client *client, bool shared, unsigned key, char *text) {
    return shared ? snprintf(text, CLIENT_KEY_BYTES, "all_%u", key)
                  : snprintf(text, CLIENT_KEY_BYTES, "own_%u_%u", client->config.number, key);
}

/* "key number bytes " and then bytes that follow from these. */
static void client_value(const char *key, uint32_t number, uint8_t *value, size_t bytes) {
    char head[CLIENT_VALUE_BYTES_MIN];
    int length = snprintf(head, sizeof(head), "%s %u %zu ", key, number, bytes);
    uint64_t state = number;
    for (size_t i = 0; i < bytes; i++) {
        state = i % 8 == 0 ? client_mix(&state) : state >> 8;
        value[i] = i < (size_t)length ? (uint8_t)head[i] : (uint8_t)('a' + state % 26);
    }
}

static size_t client_value_bytes(const struct client *client, uint32_t number) {
    uint64_t state = client->config.seed * 1000003 + client->config.number * 7919u + number;
    uint64_t shape = client_mix(&state) % (client->config.may_miss ? 1 : 8);
    uint64_t most = shape == 0 ? client->config.value_bytes_max : 2000;
    most = most < client->config.value_bytes_max ? most : client->config.value_bytes_max;
    return CLIENT_VALUE_BYTES_MIN + client_mix(&state) % (most - CLIENT_VALUE_BYTES_MIN + 1);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void client_output(struct client *client, const void *data, size_t bytes) {
    CHECK(client, client->output_end + bytes <= CLIENT_OUTPUT_BYTES);
    memcpy(client->output + client->output_end, data, bytes);
    client->output_end += bytes;
}

static void client_ask_set(struct client *client, struct client_request *request) {
    char key[CLIENT_KEY_BYTES];
    char line[CLIENT_LINE_BYTES];
    client_key_text(client, request->shared, request->key, key);
    uint32_t number = ++client->written;
    size_t bytes = client_value_bytes(client, number);
    int length = snprintf(line, sizeof(line), "set %s 0 0 %zu\r\n", key, bytes);
    client_output(client, line, (size_t)length);
    CHECK(client, client->output_end + bytes + 2 <= CLIENT_OUTPUT_BYTES);
    client_value(key, number, client->output + client->output_end, bytes);
    client->output_end += bytes;
    client_output(client, "\r\n", 2);
    if (!request->shared) {
        client->own[request->key] = number;
    }
}

static void client_ask(struct client *client) {
    struct client_request *request = &client->requests[client->asked % CLIENT_PIPELINE_MAX];
    char key[CLIENT_KEY_BYTES];
    char second[CLIENT_KEY_BYTES];
    char line[CLIENT_LINE_BYTES];
    *request = (struct client_request){
        .kind = (enum client_kind)client_random(client, CLIENT_KINDS),
        .shared = client_random(client, 2) == 0,
    };
    request->key = (unsigned)client_random(client, request->shared ? CLIENT_KEYS_SHARED
                                                                   : CLIENT_KEYS_OWN);
    request->number = request->shared ? 0 : client->own[request->key];
    request->second_key = (unsigned)client_random(client, CLIENT_KEYS_OWN);
    request->second_number = client->own[request->second_key];
    client_key_text(client, request->shared, request->key, key);
    client_key_text(client, false, request->second_key, second);
    int length = 0;
    switch (request->kind) {
    case CLIENT_SET:
        client_ask_set(client, request);
        break;
    case CLIENT_GET:
        length = snprintf(line, sizeof(line), "get %s\r\n", key);
        break;
    case CLIENT_GET_TWO:
        length = snprintf(line, sizeof(line), "get %s %s\r\n", key, second);
        break;
    case CLIENT_DELETE:
        length = snprintf(line, sizeof(line), "delete %s\r\n", key);
        if (!request->shared) {
            client->own[request->key] = 0;
        }
        break;
    default:
        length = snprintf(line, sizeof(line), "nonsense %s\r\n", key);
    }
    client_output(client, line, (size_t)length);
    client->asked++;
}

/* -- checking ---------------------------------------------------------------------------------- */

/* One of the texts must stand there. 0: not all of it yet. */
static size_t client_check_line(const struct client *client, const char *one, const char *other) {
    const uint8_t *end = memchr(client->input, '\n', client->input_bytes);
    if (end == NULL) {
        return 0;
    }
    size_t bytes = (size_t)(end - client->input) + 1;
    bool is_one = bytes == strlen(one) && memcmp(client->input, one, bytes) == 0;
    bool is_other = bytes == strlen(other) && memcmp(client->input, other, bytes) == 0;
    CHECK(client, is_one || is_other);
    return bytes;
}

/* The value that follows from its own first words. */
static void client_check_value(const struct client *client, const char *key, const uint8_t *value,
                               size_t bytes, uint32_t number) {
    char head[CLIENT_VALUE_BYTES_MIN + 1];
    char named[CLIENT_KEY_BYTES];
    uint32_t found = 0;
    size_t length = 0;
    CHECK(client, bytes >= CLIENT_VALUE_BYTES_MIN);
    memcpy(head, value, CLIENT_VALUE_BYTES_MIN);
    head[CLIENT_VALUE_BYTES_MIN] = '\0';
    CHECK(client, sscanf(head, "%31s %u %zu ", named, &found, &length) == 3);
    CHECK(client, strcmp(named, key) == 0);
    CHECK(client, length == bytes);
    CHECK(client, number == 0 || number == found);
    uint8_t *wanted = malloc(bytes);
    assert_non_null(wanted);
    client_value(key, found, wanted, bytes);
    bool same = memcmp(wanted, value, bytes) == 0;
    free(wanted);
    CHECK(client, same);
}

/* A VALUE for `key` at `at`, if there is one. Returns the bytes it takes, or SIZE_MAX: not all of
 * it is there yet. `number` 0: any value, or none, may stand there. */
static size_t client_check_item(const struct client *client, size_t at, const char *key,
                                bool shared, uint32_t number) {
    char line[CLIENT_LINE_BYTES];
    char named[CLIENT_KEY_BYTES];
    size_t value_bytes = 0;
    const uint8_t *start = client->input + at;
    size_t left = client->input_bytes - at;
    const uint8_t *end = left == 0 ? NULL : memchr(start, '\n', left);
    if (end == NULL) {
        return SIZE_MAX;
    }
    size_t head = (size_t)(end - start) + 1;
    CHECK(client, head < sizeof(line));
    memcpy(line, start, head);
    line[head] = '\0';
    if (sscanf(line, "VALUE %31s 0 %zu\r\n", named, &value_bytes) != 2 ||
        strcmp(named, key) != 0) {
        CHECK(client, shared || number == 0 || client->config.may_miss);
        return 0;
    }
    CHECK(client, shared || number != 0);
    if (left < head + value_bytes + 2) {
        return SIZE_MAX;
    }
    client_check_value(client, key, start + head, value_bytes, number);
    CHECK(client, memcmp(start + head + value_bytes, "\r\n", 2) == 0);
    return head + value_bytes + 2;
}

static size_t client_check_get(const struct client *client, const struct client_request *request) {
    char key[CLIENT_KEY_BYTES];
    size_t at = 0;
    client_key_text(client, request->shared, request->key, key);
    size_t bytes = client_check_item(client, at, key, request->shared, request->number);
    if (bytes == SIZE_MAX) {
        return 0;
    }
    at += bytes;
    if (request->kind == CLIENT_GET_TWO) {
        client_key_text(client, false, request->second_key, key);
        bytes = client_check_item(client, at, key, false, request->second_number);
        if (bytes == SIZE_MAX) {
            return 0;
        }
        at += bytes;
    }
    if (client->input_bytes - at < 5) {
        return 0;
    }
    CHECK(client, memcmp(client->input + at, "END\r\n", 5) == 0);
    return at + 5;
}

/* How many bytes the oldest request's reply takes; 0: not all of it is there. */
static size_t client_check(const struct client *client) {
    const struct client_request *request =
        &client->requests[client->answered % CLIENT_PIPELINE_MAX];
    switch (request->kind) {
    case CLIENT_SET:
        return client_check_line(client, "STORED\r\n", "STORED\r\n");
    case CLIENT_DELETE:
        if (request->shared || (client->config.may_miss && request->number != 0)) {
            return client_check_line(client, "DELETED\r\n", "NOT_FOUND\r\n");
        }
        return request->number == 0 ? client_check_line(client, "NOT_FOUND\r\n", "NOT_FOUND\r\n")
                                    : client_check_line(client, "DELETED\r\n", "DELETED\r\n");
    case CLIENT_JUNK:
        return client_check_line(client, "ERROR\r\n", "ERROR\r\n");
    default:
        return client_check_get(client, request);
    }
}

static bool client_read(struct client *client) {
    CHECK(client, client->input_bytes + CLIENT_READ_BYTES <= CLIENT_INPUT_BYTES);
    size_t bytes = sim_client_receive(client->net, client->input + client->input_bytes,
                                      CLIENT_READ_BYTES);
    client->input_bytes += bytes;
    size_t used = 0;
    while (client->answered < client->asked && (used = client_check(client)) != 0) {
        memmove(client->input, client->input + used, client->input_bytes - used);
        client->input_bytes -= used;
        client->answered++;
    }
    CHECK(client, client->answered < client->asked || client->input_bytes == 0);
    return bytes != 0;
}

/* -- life -------------------------------------------------------------------------------------- */

struct client *client_create(const struct client_config *config) {
    struct client *client = calloc(1, sizeof(*client));
    assert_non_null(client);
    client->config = *config;
    client->random = config->seed * 31 + config->number;
    client->output = malloc(CLIENT_OUTPUT_BYTES);
    client->input = malloc(CLIENT_INPUT_BYTES);
    assert_non_null(client->output);
    assert_non_null(client->input);
    assert_int_equal(sim_client_connect(config->net, config->port, &client->net), 0);
    return client;
}

void client_close(struct client *client) {
    if (client->net != NULL) {
        sim_client_close(client->net);
        client->net = NULL;
    }
    client->gone = true;
}

void client_destroy(struct client *client) {
    client_close(client);
    free(client->output);
    free(client->input);
    free(client);
}

bool client_is_done(const struct client *client) {
    return client->gone ||
           (client->asked == client->config.requests && client->answered == client->asked);
}

static bool client_send(struct client *client) {
    size_t left = client->output_end - client->output_start;
    size_t sent = left == 0 ? 0
                            : sim_client_send(client->net, client->output + client->output_start,
                                              1 + client_random(client, left));
    client->output_start += sent;
    if (client->output_start == client->output_end) {
        client->output_start = 0;
        client->output_end = 0;
    }
    return sent != 0;
}

bool client_step(struct client *client) {
    if (client->gone) {
        return false;
    }
    if (client->config.leaves && client_random(client, 200) == 0) {
        client_close(client);
        return true;
    }
    bool did = false;
    if (client->config.stalls && client_random(client, 100) == 0) {
        sim_client_stall(client->net, (int64_t)client_random(client, CLIENT_STALL_NS_MAX));
    }
    if (client_random(client, 100) >= client->config.lazy_percent) {
        did = client_read(client);
    }
    if (sim_client_ended(client->net)) {
        CHECK(client, client->config.may_break || client_is_done(client));
        client_close(client);
        return true;
    }
    if (client->output_end == 0 && client->asked < client->config.requests &&
        client->asked - client->answered < CLIENT_PIPELINE_MAX) {
        uint64_t burst = 1 + client_random(client, CLIENT_PIPELINE_MAX / 2);
        for (uint64_t i = 0; i < burst && client->asked < client->config.requests &&
                             client->asked - client->answered < CLIENT_PIPELINE_MAX;
             i++) {
            client_ask(client);
        }
        did = true;
    }
    return client_send(client) || did;
}
