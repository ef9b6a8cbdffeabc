/* larder: limits, user, background and pid file of the process */
#include "src/server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    DESCRIPTORS_BASE = 32,    /* standard streams, timers, files opened for a moment */
    DESCRIPTORS_A_THREAD = 4, /* ring or epoll, wake-up, timer, spare */
};

static rlim_t own_descriptors(const struct settings *settings, unsigned threads) {
    return DESCRIPTORS_BASE + (rlim_t)threads * DESCRIPTORS_A_THREAD + settings->listen_count * 4;
}

static bool fail(int *exit_code, int code, const char *complaint) {
    (void)fprintf(stderr, "%s\n", complaint);
    *exit_code = code;
    return false;
}

static bool raise_core_limit(int *exit_code) {
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
        struct rlimit hard = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_CORE, &all) != 0) {
            (void)setrlimit(RLIMIT_CORE, &hard);
        }
    }
    if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0) {
        return fail(exit_code, EX_OSERR, "failed to ensure corefile creation");
    }
    return true;
}

/* Never lowers the limit. When the system grants enough for -c but not for larder's own
 * descriptors on top, larder starts and serves that many fewer connections, as memcached does. */
static bool raise_descriptor_limit(const struct settings *settings, int *exit_code) {
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return fail(exit_code, EX_OSERR, "failed to getrlimit number of files");
    }
    unsigned threads = settings->threads == 0 ? SETTINGS_THREADS_MAX : settings->threads;
    rlim_t wanted = settings->connections_max + own_descriptors(settings, threads);
    if (limit.rlim_cur >= wanted) {
        return true;
    }
    struct rlimit raised = {wanted, limit.rlim_max < wanted ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        return true;
    }
    struct rlimit hard = {limit.rlim_max, limit.rlim_max};
    if (limit.rlim_max < settings->connections_max || setrlimit(RLIMIT_NOFILE, &hard) != 0) {
        return fail(exit_code, EX_OSERR,
                    "failed to set rlimit for open files. Try starting as root or requesting "
                    "smaller maxconns value.");
    }
    return true;
}

static bool become_user(const struct settings *settings, int *exit_code) {
    if (getuid() != 0 && geteuid() != 0) {
        return true;
    }
    if (settings->user == NULL || settings->user[0] == '\0') {
        return fail(exit_code, EX_USAGE, "must add '-u root' to start as root");
    }
    const struct passwd *user = getpwnam(settings->user);
    if (user == NULL) {
        (void)fprintf(stderr, "can't find the user %s to switch to\n", settings->user);
        *exit_code = EX_NOUSER;
        return false;
    }
    /* EPERM: already without the right to, so there is nothing to give up */
    if (setgroups(0, NULL) < 0) {
        int reason = errno;
        (void)fprintf(stderr, "failed to drop supplementary groups: %s\n", strerror(reason));
        if (reason != EPERM) {
            *exit_code = EX_OSERR;
            return false;
        }
    }
    if (setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0) {
        (void)fprintf(stderr, "failed to assume identity of user %s\n", settings->user);
        *exit_code = EX_OSERR;
        return false;
    }
    return true;
}

static bool point_streams_at_null(void) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0) {
        return true;
    }
    bool good = dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
                dup2(null, STDERR_FILENO) >= 0;
    if (null > STDERR_FILENO) {
        (void)close(null);
    }
    return good;
}

/* With -v the streams stay, with -r the directory: what is written there is wanted. */
static bool go_to_background(const struct settings *settings, int *exit_code) {
    (void)fflush(NULL);
    pid_t child = fork();
    if (child > 0) {
        _exit(EXIT_SUCCESS);
    }
    bool good = child == 0 && setsid() != -1;
    if (good && !settings->core_dumps && chdir("/") != 0) {
        good = false;
    }
    if (good && settings->verbosity == 0) {
        good = point_streams_at_null();
    }
    return good || fail(exit_code, EXIT_FAILURE, "failed to daemon() in order to daemonize");
}

bool process_enter(const struct settings *settings, int *exit_code) {
    if (settings->core_dumps && !raise_core_limit(exit_code)) {
        return false;
    }
    if (!raise_descriptor_limit(settings, exit_code) || !become_user(settings, exit_code)) {
        return false;
    }
    if (settings->daemonize && !go_to_background(settings, exit_code)) {
        return false;
    }
    if (settings->lock_memory && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        (void)fprintf(stderr, "warning: -k invalid, mlockall() failed: %s\n", strerror(errno));
    }
    return true;
}

unsigned process_connections_max(const struct settings *settings, unsigned threads) {
    struct rlimit limit = {0};
    rlim_t own = own_descriptors(settings, threads);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= settings->connections_max + own) {
        return settings->connections_max;
    }
    return limit.rlim_cur > own ? (unsigned)(limit.rlim_cur - own) : 1;
}

/* Says so when the file names a process that runs. */
static void warn_of_running(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    char line[64];
    bool read = fgets(line, sizeof(line), file) != NULL;
    (void)fclose(file);
    long pid = read ? strtol(line, NULL, 10) : 0;
    if (pid > 0 && kill((pid_t)pid, 0) == 0) {
        (void)fprintf(stderr,
                      "WARNING: The pid file contained the following (running) pid: %ld\n", pid);
    }
}

void process_write_pid(const struct settings *settings) {
    if (settings->pid_path == NULL) {
        return;
    }
    warn_of_running(settings->pid_path);
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.tmp", settings->pid_path) < 0) {
        return;
    }
    FILE *file = fopen(temporary, "we");
    if (file == NULL) {
        (void)fprintf(stderr, "Could not open the pid file %s for writing: %s\n", temporary,
                      strerror(errno));
        free(temporary);
        return;
    }
    (void)fprintf(file, "%ld\n", (long)getpid());
    if (fclose(file) != 0) {
        (void)fprintf(stderr, "Could not close the pid file %s: %s\n", temporary,
                      strerror(errno));
    }
    if (rename(temporary, settings->pid_path) != 0) {
        (void)fprintf(stderr, "Could not rename the pid file from %s to %s: %s\n", temporary,
                      settings->pid_path, strerror(errno));
    }
    free(temporary);
}

void process_remove_pid(const struct settings *settings) {
    if (!settings->daemonize || settings->pid_path == NULL) {
        return;
    }
    if (unlink(settings->pid_path) != 0) {
        (void)fprintf(stderr, "Could not remove the pid file %s: %s\n", settings->pid_path,
                      strerror(errno));
    }
}
