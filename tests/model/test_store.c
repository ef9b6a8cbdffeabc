/* larder: the store against a dictionary
 *     test_store [--seconds N] [--seed N] [--profile N] [--operations N]
 * Random seeds until the time is over (LARDER_TEST_SECONDS or 10 for all profiles together). --seed
 * runs one; a failing sequence is shrunk and printed. Every sequence runs in a child, so that a
 * failed assertion is a finding too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/model/profiles.h"
#include "tests/model/session.h"

enum { SHRINK_TRIES_MAX = 400, RUN_SECONDS_MAX = 60 };

struct wish {
    double seconds;
    uint64_t seed;
    bool one_seed;
    int profile;         /* -1: all */
    unsigned operations; /* 0: the profile's */
};

/* Which operations of a sequence are run. */
struct sequence {
    const struct profile *profile;
    uint64_t seed;
    uint8_t *left_out; /* one byte an operation */
    unsigned count;
};

static double seconds_now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void sequence_child(const struct sequence *sequence, bool loud) {
    struct session session;
    const struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    alarm(RUN_SECONDS_MAX);
    if (!loud && !freopen("/dev/null", "w", stderr))
        _exit(2);
    session_open(&session, sequence->profile, sequence->seed, loud);
    for (unsigned i = 0; i < sequence->count; i++) {
        if (sequence->left_out[i])
            continue;
        struct operation operation = operation_draw(sequence->profile, sequence->seed, i);

        session_run(&session, i, &operation);
    }
    session_close(&session);
    _exit(0);
}

/* The child's wait status; 0 = agreed throughout. */
static int sequence_run(const struct sequence *sequence, bool loud) {
    int status = -1;

    fflush(stdout);
    pid_t child = fork();

    if (child == 0)
        sequence_child(sequence, loud);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

/* Leaves out runs of operations, halving their length, as long as the sequence still fails (Zeller
 * and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002). */
static void sequence_shrink(struct sequence *sequence) {
    unsigned tries = 0;

    for (unsigned length = sequence->count / 2; length > 0; length /= 2) {
        for (unsigned from = 0; from < sequence->count && tries < SHRINK_TRIES_MAX;
             from += length) {
            unsigned end = from + length < sequence->count ? from + length : sequence->count;
            uint8_t before[1024];

            if (memchr(sequence->left_out + from, 0, end - from) == NULL)
                continue;
            uint8_t *kept = end - from <= sizeof before ? before : malloc(end - from);

            ASSERT(kept);
            memcpy(kept, sequence->left_out + from, end - from);
            memset(sequence->left_out + from, 1, end - from);
            tries++;
            if (sequence_run(sequence, false) == 0)
                memcpy(sequence->left_out + from, kept, end - from);
            if (kept != before)
                free(kept);
        }
    }
}

static void sequence_report(struct sequence *sequence, unsigned index, int status) {
    if (WIFSIGNALED(status))
        fprintf(stderr, "FAILED: %s, seed %" PRIu64 ": signal %d\n", sequence->profile->name,
                sequence->seed, WTERMSIG(status));
    fprintf(stderr, "again: test_store --profile %u --seed %" PRIu64 " --operations %u\n", index,
            sequence->seed, sequence->count);
    sequence_shrink(sequence);
    fprintf(stderr, "shrunk to:\n");
    for (unsigned i = 0; i < sequence->count; i++) {
        if (sequence->left_out[i])
            continue;
        struct operation operation = operation_draw(sequence->profile, sequence->seed, i);

        operation_print(stderr, i, &operation);
    }
    sequence_run(sequence, true);
}

/* True: the store and the dictionary agree. */
static bool seed_run(const struct wish *wish, unsigned index, uint64_t seed) {
    const struct profile *profile = profile_at(index);
    struct sequence sequence = {.profile = profile, .seed = seed};

    sequence.count = wish->operations ? wish->operations : profile->operations;
    sequence.left_out = calloc(sequence.count, 1);
    ASSERT(sequence.left_out);
    int status = sequence_run(&sequence, true);

    if (status != 0)
        sequence_report(&sequence, index, status);
    free(sequence.left_out);
    return status == 0;
}

static bool profile_run(const struct wish *wish, unsigned index, double seconds) {
    double end = seconds_now() + seconds;
    uint64_t seed = wish->seed;
    unsigned runs = 0;

    do {
        if (!seed_run(wish, index, seed))
            return false;
        runs++;
        seed++;
    } while (!wish->one_seed && seconds_now() < end);
    printf("# %s: %u sequences from seed %" PRIu64 "\n", profile_at(index)->name, runs, wish->seed);
    return true;
}

static struct wish wish_read(int argc, char **argv) {
    const char *seconds = getenv("LARDER_TEST_SECONDS");
    const char *seed = getenv("LARDER_TEST_SEED");
    struct wish wish = {.seconds = seconds ? strtod(seconds, NULL) : 10.0,
                        .seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL),
                        .profile = -1};

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            wish.seconds = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--seed") == 0) {
            wish.seed = strtoull(argv[i + 1], NULL, 10);
            wish.one_seed = true;
        }
        if (strcmp(argv[i], "--profile") == 0)
            wish.profile = (int)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--operations") == 0)
            wish.operations = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    return wish;
}

int main(int argc, char **argv) {
    struct wish wish = wish_read(argc, argv);
    unsigned failed = 0, first = 0, last = profile_count();

    if (wish.profile >= 0 && (unsigned)wish.profile < last) {
        first = (unsigned)wish.profile;
        last = first + 1;
    }
    printf("1..%u\n", last - first);
    for (unsigned i = first; i < last; i++) {
        bool good = profile_run(&wish, i, wish.seconds / (last - first));

        printf("%sok %u - the store agrees with a dictionary: %s\n", good ? "" : "not ",
               i - first + 1, profile_at(i)->name);
        failed += !good;
    }
    return failed > 0;
}
