/* larder: the command line of larder-load.
 *
 * Purpose: one table of options, from which parsing and --help come.
 * Owner: the program.   Threads: read-only once parsed.
 * Memory: strings point into argv.
 * Limits: stated in the table; numbers out of range are refused.
 * Errors: load_options_parse() prints one line to stderr and says which exit code to end with.
 */
#ifndef LARDER_BENCH_LOAD_OPTIONS_H
#define LARDER_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/codec.h"
#include "bench/plan.h"

enum {
    LOAD_CPUS_MAX = 256,
};

struct load_options {
    const char *host;
    const char *port;
    const char *socket;
    const struct codec *codec;
    enum reply_check check;
    struct dataset set; /* the numbers, without noise */
    struct plan plan;   /* without keys, zipf and seed */
    double skew;
    uint32_t connections;
    uint32_t pipeline;
    uint32_t threads;
    bool slide;
    double rate;
    bool poisson;
    double seconds;
    double warm_seconds;
    double stall_seconds;
    uint64_t ops_max;
    bool preload;
    bool preload_only;
    uint32_t cpu_count;
    int cpus[LOAD_CPUS_MAX];
    int server_pid;
    bool line_only;
    uint64_t seed;
};

enum load_options_result {
    LOAD_OPTIONS_RUN,
    LOAD_OPTIONS_HELP, /* shown; end with 0 */
    LOAD_OPTIONS_BAD,  /* told; end with 2 */
};

enum load_options_result load_options_parse(struct load_options *options, int argc, char **argv)
    __attribute__((warn_unused_result));

#endif
