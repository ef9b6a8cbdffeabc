/* larder: the simulated machine - the trace of the last accesses and the report of a failure */
#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/schedules/machine_internal.h"

enum { REPORT_EVENTS = 160, ALTERNATE_STACK_BYTES = 64 << 10 };

static const char *const event_names[] = {
    [EVENT_LOAD] = "load",         [EVENT_STALE] = "load STALE", [EVENT_STORE] = "store",
    [EVENT_DRAIN] = "  drained",   [EVENT_EXCHANGE] = "exchange", [EVENT_COMPARE] = "compare",
    [EVENT_ADD] = "fetch_add",     [EVENT_FENCE] = "fence",       [EVENT_PAUSE] = "pause",
};
static const char *const order_names[] = {"relaxed", "acquire", "release", "seq_cst"};

static void report_one(const struct machine *machine, uint64_t number) {
    const struct event *event = &machine->events[number % TRACE_EVENTS];
    const char *order = event->kind == EVENT_COMPARE ? (event->order ? "done" : "failed")
                                                     : order_names[event->order & 3];
    Dl_info info;
    uintptr_t offset = 0;

    if (event->kind == EVENT_DRAIN) {
        fprintf(stderr, "%6" PRIu64 "  fiber %u %-10s %8s [%#" PRIxPTR "]%u = %#" PRIx64 "\n",
                number, event->order, event_names[event->kind], "", event->address, event->bytes,
                event->value);
        return;
    }
    if (dladdr(event->caller, &info))
        offset = (uintptr_t)event->caller - (uintptr_t)info.dli_fbase - 1;
    if (event->kind == EVENT_PAUSE || event->kind == EVENT_FENCE)
        fprintf(stderr, "%6" PRIu64 "  fiber %u %-10s %8s", number, event->fiber,
                event_names[event->kind], event->kind == EVENT_FENCE ? order : "");
    else
        fprintf(stderr, "%6" PRIu64 "  fiber %u %-10s %8s [%#" PRIxPTR "]%u = %#" PRIx64, number,
                event->fiber, event_names[event->kind], order, event->address, event->bytes,
                event->value);
    fprintf(stderr, "  @ %#" PRIxPTR "\n", offset);
}

static void report_trace(const struct machine *machine) {
    uint64_t first =
        machine->events_count > REPORT_EVENTS ? machine->events_count - REPORT_EVENTS : 0;

    for (uint64_t i = first; i < machine->events_count; i++)
        report_one(machine, i);
    fprintf(stderr, "(addresses after @: addr2line -i -f -e PROGRAM)\n");
}

static void report_print(const struct machine *machine, const char *reason) {
    static const char *const memory_names[] = {"sc", "tso", "weak"};
    const struct machine_config *config = &machine->config;

    fflush(stdout);
    report_trace(machine);
    fprintf(stderr,
            "FAILED: %s\n%s (run seed %" PRIu64 ", round %" PRIu64 ", memory %s, %s, step %" PRIu64
            ", fiber %u)\n",
            reason, machine->name, config->seed, machine->round, memory_names[config->memory],
            config->by_priority ? "priorities" : "random walk", machine->steps, machine->current);
}

void report_fail(struct machine *machine, const char *reason) {
    machine->running = false;
    if (!machine->quiet)
        report_print(machine, reason);
    _exit(1);
}

void machine_fail(const char *format, ...) {
    char reason[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    report_fail(machine_now, reason);
}

static void report_signal(int number) {
    struct machine *machine = machine_now;

    if (machine)
        report_fail(machine, strsignal(number));
    _exit(1);
}

void report_install(void) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    static char stack[ALTERNATE_STACK_BYTES];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = report_signal,
                               .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};

    ASSERT(sigaltstack(&alternate, NULL) == 0);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ASSERT(sigaction(numbers[i], &action, NULL) == 0);
}
