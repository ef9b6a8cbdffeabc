/* larder: the program's entry */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "src/server/memory_limit.h"
#include "src/server/memory_plan.h"
#include "src/server/process.h"
#include "src/server/server.h"
#include "src/server/settings.h"
#include "src/server/topology.h"

/* --topology: shows which thread would run where. */
static int print_topology(const struct settings *settings) {
    struct topology_request request = topology_request_from(settings);
    struct topology_plan *plan = topology_plan_create(&request);
    if (plan == NULL) {
        (void)fprintf(stderr, "cannot read the topology %s: %s\n",
                      request.source == NULL ? "of this machine" : request.source,
                      strerror(errno));
        return EX_USAGE;
    }
    topology_plan_print(plan, stdout);
    topology_plan_destroy(plan);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(struct settings *settings) {
    int exit_code = EXIT_FAILURE;
    struct memory_limit limit;
    memory_limit_read(&limit);
    if (!memory_limit_apply(&limit, settings)) {
        return EX_USAGE;
    }
    if (!process_enter(settings, &exit_code)) {
        return exit_code;
    }
    if (settings->listen_count == 0 && settings->unix_path == NULL) {
        (void)fprintf(stderr, "WARNING: nothing to listen on: -p 0 without -s\n");
    }
    return server_main(settings);
}

int main(int argc, char **argv) {
    (void)setvbuf(stderr, NULL, _IONBF, 0);
    struct settings *settings = NULL;
    int exit_code = EXIT_FAILURE;
    if (!settings_create_from_args(argc, argv, &settings, &exit_code)) {
        return exit_code;
    }
    if (settings->topology_print) {
        exit_code = print_topology(settings);
    } else if (settings->memory_plan_print) {
        exit_code = memory_plan_print(settings, stdout) ? EXIT_SUCCESS : EX_USAGE;
    } else {
        exit_code = serve(settings);
    }
    settings_destroy(settings);
    return exit_code;
}
