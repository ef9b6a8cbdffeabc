/* larder: larderctl stats and ping: what all servers say */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "src/client/ctl_client.h"

enum { COMMAND_BYTES_MAX = 200, WAITS_MAX = 16 };

/* A handle with all servers, replicas too, as positions. */
static struct larder *open_flat(const struct ctl_args *args) {
    char *flat = ctl_flat_servers(args);
    const char *why = flat == NULL ? "out of memory" : NULL;

    if (why == NULL) {
        why = larder_config_set(args->config, "servers", flat);
    }
    free(flat);
    if (why != NULL) {
        (void)ctl_fail(args->command, CTL_USAGE, "%s", why);
        return NULL;
    }
    return ctl_open(args);
}

/* ---- stats --------------------------------------------------------------------------------- */

/* "STAT NAME VALUE", or as it is */
static void print_line(void *context, const char *line, size_t bytes) {
    const char *server = context;
    bool figure = bytes > 5 && memcmp(line, "STAT ", 5) == 0;
    const char *blank = figure ? memchr(line + 5, ' ', bytes - 5) : NULL;

    if (blank == NULL) {
        (void)printf("%s\t%.*s\n", server, (int)bytes, line);
        return;
    }
    (void)printf("%s\t%.*s\t%.*s\n", server, (int)(blank - line - 5), line + 5,
                 (int)(bytes - (size_t)(blank + 1 - line)), blank + 1);
}

static enum ctl_exit stats_of(const struct ctl_args *args, struct larder *larder,
                              uint32_t position, const char *command) {
    struct larder_server server;
    char name[300];

    if (!larder_server_at(larder, position, false, &server)) {
        return CTL_DONE;
    }
    (void)snprintf(name, sizeof name, "%s", server.name);
    enum larder_result result = larder_command(larder, position, command, print_line, name);

    return ctl_judge(args, result, command, larder_why(larder));
}

enum ctl_exit ctl_stats(const struct ctl_args *args) {
    char command[COMMAND_BYTES_MAX] = "stats";
    size_t used = strlen(command);
    enum ctl_exit code = CTL_DONE;

    for (unsigned i = 0; i < args->word_count; i++) {
        size_t bytes = strlen(args->words[i]);

        if (used + bytes + 2 > sizeof command || strpbrk(args->words[i], "\r\n") != NULL) {
            return ctl_fail(args->command, CTL_USAGE, "this is no word: \"%.50s\"",
                            args->words[i]);
        }
        used += (size_t)snprintf(command + used, sizeof command - used, " %s", args->words[i]);
    }
    struct larder *larder = open_flat(args);

    if (larder == NULL) {
        return CTL_USAGE;
    }
    for (uint32_t i = 0; i < larder_server_count(larder); i++) {
        enum ctl_exit each = stats_of(args, larder, i, command);

        code = each > code ? each : code;
    }
    larder_destroy(larder);
    return code;
}

/* ---- ping ---------------------------------------------------------------------------------- */

/* One server, with a handle of its own: a key would say where it lives, not where to ask. */
struct patient {
    struct larder *larder;
    char name[300];
    bool answered;
    bool is_up;
};

struct ward {
    struct patient *patients;
    struct pollfd *polls;
    uint32_t count;
    uint32_t up;
    uint64_t begun_ns;
};

static enum ctl_exit admit(const struct ctl_args *args, struct patient *patient) {
    static const struct larder_request sign = {.verb = LARDER_NOOP, .key = "ping",
                                               .key_bytes = 4};
    struct larder_server server;

    patient->larder = ctl_open(args);
    if (patient->larder == NULL) {
        return CTL_USAGE;
    }
    if (!larder_server_at(patient->larder, 0, false, &server) ||
        !larder_submit(patient->larder, &sign)) {
        return ctl_fail(args->command, CTL_SYSTEM, "out of memory");
    }
    (void)snprintf(patient->name, sizeof patient->name, "%s", server.name);
    return CTL_DONE;
}

static void look_at(struct ward *ward, struct patient *patient) {
    struct larder_item item;
    void *tag;

    if (!larder_next(patient->larder, 0, &tag, &item)) {
        return;
    }
    patient->answered = true;
    if (item.result == LARDER_DONE) {
        patient->is_up = true;
        ward->up++;
        (void)printf("%s\tup\t%.2f ms\n", patient->name,
                     (double)(ctl_now_ns() - ward->begun_ns) / 1e6);
    } else {
        (void)printf("%s\tdown\t%s\n", patient->name, item.why);
    }
    (void)fflush(stdout);
}

/* Waits for any of those that have not answered; false: all have. */
static bool wait_for_any(struct ward *ward) {
    nfds_t count = 0;
    unsigned least_ms = 1000;
    bool any = false;

    for (uint32_t i = 0; i < ward->count; i++) {
        struct larder_wait waits[WAITS_MAX];
        unsigned wait_ms = 0;

        if (ward->patients[i].answered) {
            continue;
        }
        size_t found = larder_waits(ward->patients[i].larder, waits, WAITS_MAX, &wait_ms);

        any = true;
        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
        for (size_t j = 0; j < found && j < WAITS_MAX; j++) {
            ward->polls[count++] = (struct pollfd){.fd = waits[j].fd, .events = waits[j].events};
        }
    }
    if (any) {
        (void)poll(ward->polls, count, (int)least_ms);
    }
    return any;
}

/* Makes a handle a server of the list. */
static enum ctl_exit admit_all(const struct ctl_args *args, struct ward *ward, char *flat) {
    char *rest = flat;

    for (char *each = strsep(&rest, ","); each != NULL; each = strsep(&rest, ",")) {
        struct ctl_args one = *args;
        const char *why = larder_config_set(args->config, "servers", each);

        one.tier = each;
        if (why != NULL) {
            return ctl_fail(args->command, CTL_USAGE, "%s: \"%s\"", why, each);
        }
        enum ctl_exit code = admit(&one, &ward->patients[ward->count++]);

        if (code != CTL_DONE) {
            return code;
        }
    }
    return CTL_DONE;
}

static enum ctl_exit examine(const struct ctl_args *args, struct ward *ward, char *flat) {
    ward->begun_ns = ctl_now_ns();
    enum ctl_exit code = admit_all(args, ward, flat);

    while (code == CTL_DONE && wait_for_any(ward)) {
        for (uint32_t i = 0; i < ward->count; i++) {
            if (!ward->patients[i].answered) {
                look_at(ward, &ward->patients[i]);
            }
        }
    }
    if (code != CTL_DONE) {
        return code;
    }
    return ward->up == ward->count ? CTL_DONE : ward->up > 0 ? CTL_MISS : CTL_FAILED;
}

enum ctl_exit ctl_ping(const struct ctl_args *args) {
    char *flat = ctl_flat_servers(args);
    struct ward ward = {.count = 0};
    size_t room = 1;
    enum ctl_exit code = CTL_SYSTEM;

    for (const char *at = flat; at != NULL && *at != '\0'; at++) {
        room += *at == ',';
    }
    ward.patients = calloc(room, sizeof(struct patient));
    ward.polls = calloc(room * WAITS_MAX, sizeof(struct pollfd));
    if (flat == NULL || ward.patients == NULL || ward.polls == NULL) {
        code = ctl_fail(args->command, CTL_SYSTEM, "out of memory");
    } else {
        code = examine(args, &ward, flat);
    }
    for (uint32_t i = 0; i < ward.count; i++) {
        larder_destroy(ward.patients[i].larder);
    }
    free(ward.patients);
    free(ward.polls);
    free(flat);
    return code;
}
