/* larder: larderctl ring: how evenly a ring spreads keys, and what a change moves */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/client/ctl.h"
#include "src/client/ctl_picture.h"

/* The origin of a server that was not in the list. */
#define NEW UINT32_MAX

enum {
    REMOVED_EACH_MAX = 64, /* servers up to which each one's leaving is tried */
    KEY_TEXT_BYTES = 16,
    NAME_COLUMNS_MAX = 40,
    FIXED_COLUMNS = 4 + 2 + 8 + 9 + 7 + 10 + 2, /* of a line, beside name and bar */
};

struct report {
    const struct ctl_args *args;
    struct ring *ring;
    double *shares;
    uint32_t *homes; /* the server of each sample key */
    double *gone;    /* what moves when a server goes, or NULL */
};

/* A list that came out of the servers': `origins` has each one's index there, or NEW. */
struct changed {
    struct ring_server *servers;
    uint32_t *origins;
    uint32_t count;
};

static uint32_t sample_pick(const struct ring *ring, unsigned key) {
    char text[KEY_TEXT_BYTES];
    int bytes = snprintf(text, sizeof text, "key:%u", key);

    return ring_pick(ring, text, (size_t)bytes);
}

static double share_due(const struct report *report, const struct ring_server *server,
                        const struct changed *changed) {
    double sum = 0;

    if (!ring_mode_about(report->args->mode)->weighs) {
        return 1.0 / changed->count;
    }
    for (uint32_t i = 0; i < changed->count; i++) {
        sum += changed->servers[i].weight;
    }
    return server->weight / sum;
}

/* What has to move so that each server has what is due to it before and after. */
static double least_moved(const struct report *report, const struct changed *changed) {
    double least = 0;

    for (uint32_t i = 0; i < changed->count; i++) {
        double due = share_due(report, &changed->servers[i], changed);
        double was = changed->origins[i] == NEW ? 0
                                                : ring_share_due(report->ring,
                                                                 changed->origins[i]);

        least += due > was ? due - was : 0;
    }
    return least;
}

/* The part of the sample keys that another server has in the changed list. False: no memory. */
static bool count_moved(const struct report *report, const struct changed *changed, double *part) {
    const char *why;
    struct ring *ring = ring_create(report->args->mode, changed->servers, changed->count, &why);
    unsigned moved = 0;

    if (ring == NULL) {
        return false;
    }
    for (unsigned i = 0; i < report->args->sample_keys; i++) {
        moved += changed->origins[sample_pick(ring, i)] != report->homes[i];
    }
    ring_destroy(ring);
    *part = (double)moved / report->args->sample_keys;
    return true;
}

/* A list with room for `count` servers. */
static bool changed_init(struct changed *changed, uint32_t count) {
    *changed = (struct changed){.servers = calloc(count, sizeof(*changed->servers)),
                                .origins = calloc(count, sizeof(*changed->origins))};
    return changed->servers != NULL && changed->origins != NULL;
}

static void changed_fini(struct changed *changed) {
    free(changed->servers);
    free(changed->origins);
}

static void changed_add(struct changed *changed, const struct ring_server *server,
                        uint32_t origin) {
    changed->servers[changed->count] = *server;
    changed->origins[changed->count++] = origin;
}

/* The list without the server of an index. */
static void changed_fill_without(struct changed *changed, const struct server_list *list,
                                 uint32_t without) {
    changed->count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (i != without) {
            changed_add(changed, &list->servers[i], i);
        }
    }
}

static bool measure_each_gone(struct report *report) {
    const struct server_list *list = &report->args->servers;
    struct changed changed;
    bool good = true;

    if (list->count < 2 || list->count > REMOVED_EACH_MAX) {
        return true;
    }
    report->gone = calloc(list->count, sizeof(*report->gone));
    good = changed_init(&changed, list->count) && report->gone != NULL;
    for (uint32_t i = 0; i < list->count && good; i++) {
        changed_fill_without(&changed, list, i);
        good = count_moved(report, &changed, &report->gone[i]);
    }
    changed_fini(&changed);
    return good;
}

static bool report_init(struct report *report, const struct ctl_args *args) {
    *report = (struct report){.args = args, .ring = ctl_ring_create(args)};
    if (report->ring == NULL) {
        return false;
    }
    report->shares = calloc(args->servers.count, sizeof(*report->shares));
    report->homes = calloc(args->sample_keys, sizeof(*report->homes));
    if (report->shares == NULL || report->homes == NULL) {
        (void)ctl_fail(args->command, CTL_SYSTEM, "out of memory");
        return false;
    }
    ring_shares(report->ring, report->shares);
    for (unsigned i = 0; i < args->sample_keys; i++) {
        report->homes[i] = sample_pick(report->ring, i);
    }
    return true;
}

static void report_fini(struct report *report) {
    free(report->gone);
    free(report->homes);
    free(report->shares);
    ring_destroy(report->ring);
}

static int name_columns(const struct server_list *list) {
    size_t widest = strlen("server");

    for (uint32_t i = 0; i < list->count; i++) {
        char name[SERVER_NAME_BYTES_MAX];
        size_t bytes = strlen(server_name_write(&list->servers[i], name));

        widest = bytes > widest ? bytes : widest;
    }
    return widest > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : (int)widest;
}

static double largest(const double *values, uint32_t count) {
    double most = 0;

    for (uint32_t i = 0; i < count; i++) {
        most = values[i] > most ? values[i] : most;
    }
    return most;
}

static void print_servers(const struct report *report, struct ctl_canvas canvas) {
    const struct server_list *list = &report->args->servers;
    int name_width = name_columns(list);
    double most = largest(report->shares, list->count);
    unsigned used = (unsigned)name_width + FIXED_COLUMNS;
    unsigned bar = canvas.columns > used + 10 ? canvas.columns - used : 10;

    (void)printf("%4s  %-*s%8s%9s%7s%10s\n", "#", name_width, "server", "weight", "share", "of due",
                 "if gone");
    for (uint32_t i = 0; i < list->count; i++) {
        char name[SERVER_NAME_BYTES_MAX];

        (void)printf("%4u  %-*s%8u%7.2f %%%7.2f", i, name_width,
                     server_name_write(&list->servers[i], name), list->servers[i].weight,
                     100 * report->shares[i], report->shares[i] / ring_share_due(report->ring, i));
        if (report->gone == NULL) {
            (void)printf("%10s  ", "-");
        } else {
            (void)printf("%8.2f %%  ", 100 * report->gone[i]);
        }
        ctl_picture_bar(canvas, i, report->shares[i] / most, bar);
        (void)fputc('\n', stdout);
    }
}

static void print_variation(const struct report *report) {
    uint32_t count = report->args->servers.count;
    double squares = 0;
    double least = INFINITY;
    double most = 0;

    for (uint32_t i = 0; i < count; i++) {
        double relative = report->shares[i] / ring_share_due(report->ring, i);

        squares += (relative - 1) * (relative - 1);
        least = relative < least ? relative : least;
        most = relative > most ? relative : most;
    }
    (void)printf("\ncoefficient of variation %.2f %%, from %.2f to %.2f of what is due\n",
                 100 * sqrt(squares / count), least, most);
}

static void print_moved(const char *what, double part, double least) {
    (void)printf("%s moves %.2f %% of the keys; even shares need %.2f %%\n", what, 100 * part,
                 100 * least);
}

/* The mean over all servers. */
static void print_gone(const struct report *report) {
    uint32_t count = report->args->servers.count;
    double sum = 0;
    double least = 0;

    if (report->gone == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        sum += report->gone[i];
        least += ring_share_due(report->ring, i);
    }
    print_moved("removing a server", sum / count, least / count);
}

/* Adds a server like the last, which nobody has. */
static bool print_one_more(const struct report *report) {
    const struct server_list *list = &report->args->servers;
    struct ring_server more = {.host = "one-more.invalid",
                               .port = RING_PORT_DEFAULT,
                               .weight = list->servers[list->count - 1].weight};
    struct changed changed;
    double part = 0;

    if (list->count == RING_SERVERS_MAX) {
        return true;
    }
    bool good = changed_init(&changed, list->count + 1);

    if (good) {
        changed_fill_without(&changed, list, NEW);
        changed_add(&changed, &more, NEW);
        good = count_moved(report, &changed, &part);
    }
    if (good) {
        print_moved("adding one like the last", part, least_moved(report, &changed));
    }
    changed_fini(&changed);
    return good;
}

static bool same_place(const struct ring_server *a, const struct ring_server *b) {
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool list_has(const struct server_list *list, const struct ring_server *server) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (same_place(&list->servers[i], server)) {
            return true;
        }
    }
    return false;
}

/* What --add and --remove make of the list. */
static enum ctl_exit changed_fill(struct changed *changed, const struct ctl_args *args) {
    for (uint32_t i = 0; i < args->removed.count; i++) {
        char name[SERVER_NAME_BYTES_MAX];

        if (!list_has(&args->servers, &args->removed.servers[i])) {
            return ctl_fail(args->command, CTL_USAGE, "--remove: not in the list: %s",
                            server_name_write(&args->removed.servers[i], name));
        }
    }
    for (uint32_t i = 0; i < args->servers.count; i++) {
        if (!list_has(&args->removed, &args->servers.servers[i])) {
            changed_add(changed, &args->servers.servers[i], i);
        }
    }
    for (uint32_t i = 0; i < args->added.count; i++) {
        changed_add(changed, &args->added.servers[i], NEW);
    }
    if (changed->count == 0 || changed->count > RING_SERVERS_MAX) {
        return ctl_fail(args->command, CTL_USAGE, "the change leaves %s",
                        changed->count == 0 ? "no server" : "more than 4096 servers");
    }
    return CTL_DONE;
}

static enum ctl_exit print_change(const struct report *report) {
    const struct ctl_args *args = report->args;
    struct changed changed;
    double part = 0;
    enum ctl_exit code = CTL_SYSTEM;

    if (args->added.count + args->removed.count == 0) {
        return CTL_DONE;
    }
    if (!changed_init(&changed, args->servers.count + args->added.count)) {
        (void)ctl_fail(args->command, CTL_SYSTEM, "out of memory");
    } else {
        code = changed_fill(&changed, args);
    }
    if (code == CTL_DONE && !count_moved(report, &changed, &part)) {
        code = ctl_fail(args->command, CTL_SYSTEM, "out of memory");
    }
    if (code == CTL_DONE) {
        print_moved("this change", part, least_moved(report, &changed));
    }
    changed_fini(&changed);
    return code;
}

static void print_head(const struct ctl_args *args, const struct ring *ring) {
    (void)printf("%s, %u server%s", ring_mode_about(args->mode)->name, args->servers.count,
                 args->servers.count == 1 ? "" : "s");
    if (ring_point_count(ring) > 0) {
        (void)printf(", %u points", ring_point_count(ring));
    }
    (void)fputs("\n\n", stdout);
}

enum ctl_exit ctl_ring(const struct ctl_args *args) {
    struct ctl_canvas canvas = ctl_canvas_of(args->picture);
    struct report report;
    enum ctl_exit code = CTL_SYSTEM;

    if (report_init(&report, args)) {
        if (!measure_each_gone(&report)) {
            code = ctl_fail(args->command, CTL_SYSTEM, "out of memory");
        } else {
            print_head(args, report.ring);
            if (canvas.colours) {
                ctl_picture_ring(report.ring, report.shares);
            }
            print_servers(&report, canvas);
            print_variation(&report);
            print_gone(&report);
            code = print_one_more(&report) ? print_change(&report) : CTL_SYSTEM;
        }
    }
    report_fini(&report);
    return code;
}
