/* larder: what -c, -u, -d and -P do to the process */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/server/process.h"

/* Runs `body` in a process of its own and returns how it exited. */
static int in_child(int (*body)(const struct settings *settings), const struct settings *settings) {
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        _exit(body(settings));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int enter(const struct settings *settings) {
    int exit_code = 0;
    return process_enter(settings, &exit_code) ? 0 : exit_code;
}

/* The defaults, run by whoever runs the test. */
static int make_settings(void **state) {
    struct settings *settings = settings_create_default();
    assert_non_null(settings);
    settings->user = strdup("root");
    assert_non_null(settings->user);
    *state = settings;
    return 0;
}

static int drop_settings(void **state) {
    settings_destroy(*state);
    return 0;
}

static int limit_descriptors(rlim_t count) {
    struct rlimit limit = {count, count};
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static int enter_with_1024_descriptors(const struct settings *settings) {
    if (limit_descriptors(1024) != 0 || enter(settings) != 0) {
        return 100;
    }
    unsigned connections = process_connections_max(settings, settings->threads);
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    bool raised = limit.rlim_cur > 1024 && connections == 1024;
    bool fitted = limit.rlim_cur == 1024 && connections < 1024 && connections > 900;
    return raised || fitted ? 0 : 101;
}

static void connections_fit_the_descriptors_granted(void **state) {
    assert_int_equal(in_child(enter_with_1024_descriptors, *state), 0);
}

static int enter_with_many_descriptors(const struct settings *settings) {
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    int result = enter(settings);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return result != 0 ? result : limit.rlim_cur >= before ? 0 : 102;
}

static void the_limit_of_open_files_is_never_lowered(void **state) {
    struct settings *settings = *state;
    settings->connections_max = 8;
    assert_int_equal(in_child(enter_with_many_descriptors, settings), 0);
}

static int enter_as_nobody_with_64_descriptors(const struct settings *settings) {
    if (limit_descriptors(64) != 0 || (getuid() == 0 && setuid(65534) != 0)) {
        return 100;
    }
    return enter(settings);
}

static void too_few_descriptors_end_with_71(void **state) {
    assert_int_equal(in_child(enter_as_nobody_with_64_descriptors, *state), 71);
}

static void root_has_to_say_whom_to_become(void **state) {
    struct settings *settings = *state;
    free(settings->user);
    settings->user = NULL;
    assert_int_equal(in_child(enter, settings), getuid() == 0 ? 64 : 0);
}

static void an_unknown_user_ends_with_67(void **state) {
    struct settings *settings = *state;
    free(settings->user);
    settings->user = strdup("no-such-user");
    assert_int_equal(in_child(enter, settings), getuid() == 0 ? 67 : 0);
}

/* What the daemon finds is written to the pid file's neighbour, which a pipe's end announces. */
static int enter_in_background(const struct settings *settings) {
    if (enter(settings) != 0) {
        return 1;
    }
    process_write_pid(settings);
    char place[256] = "";
    bool at_root = getcwd(place, sizeof(place)) != NULL && strcmp(place, "/") == 0;
    bool leads = getsid(0) == getpid();
    char told[64];
    int length = snprintf(told, sizeof(told), "%ld %d %d", (long)getpid(), at_root, leads);
    ssize_t written = write(3, told, (size_t)length);
    return written == length ? 0 : 1;
}

static void a_daemon_leads_its_session_and_writes_its_pid(void **state) {
    struct settings *settings = *state;
    char path[] = "/tmp/larder-pid-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    (void)close(made);
    settings->pid_path = strdup(path);
    settings->daemonize = true;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int reader = dup2(ends[0], 200);
    assert_int_equal(dup2(ends[1], 3), 3);
    (void)(ends[0] == 3 ? 0 : close(ends[0]));
    (void)(ends[1] == 3 ? 0 : close(ends[1]));
    assert_int_equal(in_child(enter_in_background, settings), 0);
    (void)close(3);
    char told[64] = "";
    assert_true(read(reader, told, sizeof(told) - 1) > 0);
    (void)close(reader);
    long pid = 0;
    int at_root = 0;
    int leads = 0;
    assert_int_equal(sscanf(told, "%ld %d %d", &pid, &at_root, &leads), 3);
    assert_true(at_root == 1 && leads == 1);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    long written = 0;
    assert_int_equal(fscanf(file, "%ld", &written), 1);
    (void)fclose(file);
    assert_int_equal(written, pid);
    process_remove_pid(settings);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void without_d_the_pid_file_stays(void **state) {
    struct settings *settings = *state;
    char path[] = "/tmp/larder-pid-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    (void)close(made);
    settings->pid_path = strdup(path);
    process_write_pid(settings);
    process_remove_pid(settings);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
}

#define process_test(name) cmocka_unit_test_setup_teardown(name, make_settings, drop_settings)

int main(void) {
    const struct CMUnitTest tests[] = {
        process_test(connections_fit_the_descriptors_granted),
        process_test(the_limit_of_open_files_is_never_lowered),
        process_test(too_few_descriptors_end_with_71),
        process_test(root_has_to_say_whom_to_become),
        process_test(an_unknown_user_ends_with_67),
        process_test(a_daemon_leads_its_session_and_writes_its_pid),
        process_test(without_d_the_pid_file_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
