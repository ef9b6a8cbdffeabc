/* larder: a worked example of liblarder: counts visits, and remembers a page for a minute
 *
 *     cc counter.c $(pkg-config --cflags --libs liblarder) -o counter
 *     ./counter cache1:11211,cache2:11211
 *     ./counter cache1+cache2,cache3+cache4       (primary+replica)
 */
#include <larder.h>
#include <stdio.h>
#include <string.h>

/* What is dear to make, and worth keeping. */
static size_t make_page(char *page, size_t room, uint64_t visits) {
    int bytes = snprintf(page, room, "This page was made at visit %llu.",
                         (unsigned long long)visits);

    return bytes < 0 ? 0 : (size_t)bytes;
}

static int count_visit(struct larder *larder, uint64_t *visits) {
    struct larder_request request = {0};
    struct larder_item item;

    request.verb = LARDER_INCR;
    request.ask = LARDER_INITIAL; /* begins with `initial` if there is no counter yet */
    request.key = "visits";
    request.key_bytes = strlen("visits");
    request.delta = 1;
    request.initial = 1;
    if (larder_do(larder, &request, &item) != LARDER_STORED) {
        return 0; /* a cache may be away: go on without */
    }
    *visits = item.number;
    return 1;
}

static void show_page(struct larder *larder, uint64_t visits) {
    struct larder_item item;
    struct larder_value value = {0};
    char page[100];

    if (larder_get(larder, "page", 4, &item) == LARDER_HIT) {
        printf("%.*s\n", (int)item.value_bytes, (const char *)item.value);
        return;
    }
    value.data = page;
    value.bytes = make_page(page, sizeof(page), visits);
    value.ttl_s = 60;
    printf("%.*s\n", (int)value.bytes, page);
    if (larder_set(larder, "page", 4, &value) != LARDER_STORED) {
        fprintf(stderr, "not kept: %s\n", larder_why(larder));
    }
}

int main(int argc, char **argv) {
    struct larder_config *config = larder_config_create();
    const char *why = "out of memory";
    struct larder *larder = NULL;
    uint64_t visits = 0;

    if (config != NULL) {
        why = larder_config_set(config, "servers", argc > 1 ? argv[1] : "127.0.0.1:11211");
    }
    if (why == NULL) {
        why = larder_config_parse(config, "request_ms=300 retries=1");
    }
    if (why == NULL) {
        larder = larder_create(config, &why);
    }
    larder_config_destroy(config);
    if (larder == NULL) {
        fprintf(stderr, "counter: %s\n", why);
        return 1;
    }
    if (count_visit(larder, &visits)) {
        printf("Visit %llu.\n", (unsigned long long)visits);
    } else {
        fprintf(stderr, "not counted: %s\n", larder_why(larder));
    }
    show_page(larder, visits);
    larder_destroy(larder);
    return 0;
}
