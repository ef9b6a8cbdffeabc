/* larder: the simulated machine's clock - 20 ns a yield point, so that budgets in nanoseconds end
 * after the same steps in every run of a seed */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/schedules/machine_internal.h"

enum { STEP_NS = 20, SECOND_NS = 1000000000 };

/* Stands in front of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    struct machine *machine = machine_now;

    if (!machine || !machine->running)
        return (int)syscall(SYS_clock_gettime, clock, time);
    uint64_t ns = machine->steps * STEP_NS;

    time->tv_sec = (time_t)(ns / SECOND_NS);
    time->tv_nsec = (long)(ns % SECOND_NS);
    return 0;
}
