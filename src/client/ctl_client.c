/* larder: what larderctl's commands that talk to servers share */
#include "src/client/ctl_client.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_COLUMNS = 30 };
#define NS_PER_S UINT64_C(1000000000)

struct larder *ctl_open(const struct ctl_args *args) {
    const char *why = "";
    struct larder *larder = larder_create(args->config, &why);

    if (larder == NULL) {
        (void)ctl_fail(args->command, CTL_USAGE, "%s: \"%s\"", why, args->tier);
    }
    return larder;
}

char *ctl_flat_servers(const struct ctl_args *args) {
    char *flat = strdup(args->tier);

    for (char *at = flat; at != NULL && *at != '\0'; at++) {
        *at = *at == '+' ? ',' : *at;
    }
    return flat;
}

enum ctl_exit ctl_judge(const struct ctl_args *args, enum larder_result result, const char *key,
                        const char *why) {
    switch (result) {
    case LARDER_STALE: return CTL_DONE;
    case LARDER_MISS:
    case LARDER_NOT_STORED:
    case LARDER_EXISTS:
    case LARDER_NOT_FOUND:
        if (why[0] == '\0') {
            return CTL_MISS;
        }
        break; /* neither of a pair could be asked */
    case LARDER_BAD_ARGUMENT:
    case LARDER_NOT_NUMBER:
        return ctl_fail(args->command, CTL_DATA, "%s: %s%s%s", key, larder_result_text(result),
                        why[0] == '\0' ? "" : ": ", why);
    default:
        if (larder_is_good(result)) {
            return CTL_DONE;
        }
    }
    return ctl_fail(args->command, CTL_FAILED, "%s: %s: %s", key, larder_result_text(result), why);
}

bool ctl_takes(const struct ctl_args *args, unsigned least, unsigned most) {
    bool good = args->word_count >= least && args->word_count <= most;

    if (!good) {
        (void)ctl_fail(args->command, CTL_USAGE, "it takes %s (try larderctl %s --help)",
                       args->command->words, args->command->name);
    }
    return good;
}

uint64_t ctl_now_ns(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- Which keys ---------------------------------------------------------------------------- */

bool ctl_filter_init(struct ctl_filter *filter, const struct ctl_args *args) {
    *filter = (struct ctl_filter){.glob = args->glob};
    if (args->regex == NULL) {
        return true;
    }
    int error = regcomp(&filter->regex, args->regex, REG_EXTENDED | REG_NOSUB);
    char text[100];

    if (error == 0) {
        filter->has_regex = true;
        return true;
    }
    (void)regerror(error, &filter->regex, text, sizeof text);
    (void)ctl_fail(args->command, CTL_USAGE, "--regex: %s: \"%s\"", text, args->regex);
    return false;
}

void ctl_filter_fini(struct ctl_filter *filter) {
    if (filter->has_regex) {
        regfree(&filter->regex);
    }
}

bool ctl_filter_wants(const struct ctl_filter *filter, struct span key) {
    char text[CTL_KEY_BYTES_MAX + 1];

    if (filter->glob == NULL && !filter->has_regex) {
        return true;
    }
    ASSERT(key.len < sizeof text);
    memcpy(text, key.data, key.len);
    text[key.len] = '\0';
    return (filter->glob == NULL || fnmatch(filter->glob, text, 0) == 0) &&
           (!filter->has_regex || regexec(&filter->regex, text, 0, NULL, 0) == 0);
}

/* ---- How far, how fast --------------------------------------------------------------------- */

void ctl_progress_init(struct ctl_progress *progress, const struct ctl_args *args,
                       uint64_t total) {
    *progress = (struct ctl_progress){
        .items_rate = args->items_rate,
        .bytes_rate = args->bytes_rate,
        .total = total,
        .begun_ns = ctl_now_ns(),
        .shown = args->progress == CTL_PICTURE_ALWAYS ||
                 (args->progress == CTL_PICTURE_AUTO && isatty(STDERR_FILENO)),
    };
}

static void draw(struct ctl_progress *progress, uint64_t now_ns) {
    double seconds = (double)(now_ns - progress->begun_ns) / 1e9;
    double rate = seconds > 0 ? (double)progress->bytes / seconds / 1e6 : 0;
    double part = progress->total == 0 ? 0 : (double)progress->done / (double)progress->total;
    int full = (int)((part < 1 ? part : 1) * BAR_COLUMNS);

    progress->drawn_ns = now_ns;
    (void)fputc('\r', stderr);
    if (progress->total > 0) {
        (void)fprintf(stderr, "[%.*s%*s] %3.0f %%  ", full, "##############################",
                      BAR_COLUMNS - full, "", (part < 1 ? part : 1) * 100);
    }
    (void)fprintf(stderr, "%llu items  %.1f MB  %.1f MB/s  ",
                  (unsigned long long)progress->items, (double)progress->bytes / 1e6, rate);
    (void)fflush(stderr);
}

/* When so much may have been done, in ns since the beginning. */
static uint64_t due_ns(uint64_t done, uint64_t rate) {
    return rate == 0 ? 0 : (uint64_t)((double)done / (double)rate * 1e9);
}

void ctl_progress_add(struct ctl_progress *progress, uint64_t items, uint64_t bytes) {
    progress->items += items;
    progress->bytes += bytes;
    uint64_t by_items = due_ns(progress->items, progress->items_rate);
    uint64_t by_bytes = due_ns(progress->bytes, progress->bytes_rate);
    uint64_t due = progress->begun_ns + (by_items > by_bytes ? by_items : by_bytes);
    uint64_t now_ns = ctl_now_ns();

    if (progress->shown && now_ns - progress->drawn_ns > NS_PER_S / 10) {
        draw(progress, now_ns);
    }
    if (due > now_ns) {
        struct timespec until = {.tv_sec = (time_t)(due / NS_PER_S),
                                 .tv_nsec = (long)(due % NS_PER_S)};

        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

void ctl_progress_end(struct ctl_progress *progress) {
    if (progress->shown) {
        draw(progress, ctl_now_ns());
        (void)fputc('\n', stderr);
    }
}
