/* larder: thread plans for machines of many shapes, pinned word by word */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/server/topology.h"
#include "src/server/topology_machine.h"

#define TWO_SOCKETS "synthetic:pack:2 numa:1 core:64 pu:2"
#define SUB_NUMA "synthetic:pack:2 numa:4 core:4 pu:2"
#define ONE_SOCKET "synthetic:pack:1 numa:1 core:16 pu:2"

/* A plan to make; its text is plans/NAME.txt. The first `instances` ports from `port` on. */
struct planned {
    const char *name;
    struct topology_request request;
    unsigned instances;
};

static void source_path(char *path, size_t capacity, const char *name, const char *ending) {
    const char *top = getenv("TOP_SRCDIR");
    (void)snprintf(path, capacity, "%s/tests/unit/server/plans/%s%s", top == NULL ? "." : top,
                   name, ending);
}

static char *plan_text(const struct planned *planned) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    struct topology_request request = planned->request;
    for (unsigned i = 0; i < planned->instances; i++, request.port++) {
        struct topology_plan *plan = topology_plan_create(&request);
        assert_non_null(plan);
        if (planned->instances > 1) {
            (void)fprintf(out, "port %u\n", request.port);
        }
        topology_plan_print(plan, out);
        topology_plan_destroy(plan);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

/* LARDER_TEST_WRITE=1 writes the texts instead of comparing them; look at the difference then. */
static void expect_plan(const struct planned *planned) {
    char path[4096];
    source_path(path, sizeof(path), planned->name, ".txt");
    char *text = plan_text(planned);
    bool writes = getenv("LARDER_TEST_WRITE") != NULL;
    FILE *file = fopen(path, writes ? "w" : "r");
    assert_non_null(file);
    char *expected = calloc(1, 65536);
    assert_non_null(expected);
    if (writes) {
        assert_true(fputs(text, file) >= 0);
    } else {
        assert_true(fread(expected, 1, 65535, file) > 0);
        assert_string_equal(text, expected);
    }
    assert_int_equal(fclose(file), 0);
    free(expected);
    free(text);
}

static void one_core_runs_all_threads_unpinned(void **state) {
    (void)state;
    expect_plan(&(struct planned){"one-core", {.source = "synthetic:pu:1", .threads = 4}, 1});
}

static void one_core_runs_one_thread_by_auto(void **state) {
    (void)state;
    expect_plan(&(struct planned){"one-core-auto", {.source = "synthetic:pu:1"}, 1});
}

static void two_sockets_take_a_thread_a_core_by_turns(void **state) {
    (void)state;
    expect_plan(&(struct planned){"two-sockets-auto", {.source = TWO_SOCKETS}, 1});
}

static void siblings_come_last(void **state) {
    (void)state;
    expect_plan(&(struct planned){"siblings-last",
                                  {.source = "synthetic:pack:2 numa:1 core:4 pu:2", .threads = 12},
                                  1});
}

static void few_threads_keep_to_nodes(void **state) {
    (void)state;
    expect_plan(&(struct planned){
        "two-sockets-default", {.source = TWO_SOCKETS, .threads = 4, .port = 11211}, 1});
}

static void pin_on_pins_few_threads(void **state) {
    (void)state;
    expect_plan(&(struct planned){"pin-on",
                                  {.source = TWO_SOCKETS,
                                   .threads = 4,
                                   .port = 11211,
                                   .pin = SETTINGS_PIN_ON},
                                  1});
}

static void pin_off_pins_no_thread(void **state) {
    (void)state;
    expect_plan(&(struct planned){"pin-off", {.source = ONE_SOCKET, .pin = SETTINGS_PIN_OFF}, 1});
}

static void sub_numa_clusters_take_turns(void **state) {
    (void)state;
    expect_plan(&(struct planned){"sub-numa", {.source = SUB_NUMA}, 1});
}

static void an_asymmetric_machine_is_filled_where_cores_are_left(void **state) {
    (void)state;
    char path[4096];
    source_path(path, sizeof(path), "asymmetric", ".xml");
    expect_plan(&(struct planned){"asymmetric", {.source = path, .threads = 9}, 1});
}

static void a_restricted_cpuset_is_kept_and_pinned(void **state) {
    (void)state;
    expect_plan(&(struct planned){
        "cpuset", {.source = SUB_NUMA, .allowed = "4-11,17,19,40-43", .threads = 4, .port = 1}, 1});
}

static void only_the_second_sibling_allowed_counts_as_a_core(void **state) {
    (void)state;
    expect_plan(&(struct planned){
        "cpuset-siblings", {.source = ONE_SOCKET, .allowed = "1,3,5,6-7"}, 1});
}

static void more_threads_than_processors_share_unpinned(void **state) {
    (void)state;
    expect_plan(&(struct planned){
        "more-threads", {.source = "synthetic:pack:2 numa:1 core:2 pu:1", .threads = 10}, 1});
}

static void instances_on_neighbouring_ports_take_different_cores(void **state) {
    (void)state;
    expect_plan(&(struct planned){"instances",
                                  {.source = "synthetic:pack:2 numa:1 core:8 pu:2",
                                   .threads = 4,
                                   .port = 11211,
                                   .pin = SETTINGS_PIN_ON},
                                  5});
}

/* No two of as many instances as fit may meet on a physical core. */
static void instances_that_fit_never_share_a_core(void **state) {
    (void)state;
    for (unsigned threads = 1; threads <= 64; threads++) {
        unsigned char taken[128] = {0};
        for (unsigned instance = 0; instance < 128 / threads; instance++) {
            struct topology_request request = {
                .source = TWO_SOCKETS, .threads = threads, .port = 11211 + instance};
            struct topology_plan *plan = topology_plan_create(&request);
            assert_non_null(plan);
            for (unsigned i = 0; i < plan->core_count; i++) {
                assert_int_equal(taken[plan->cores[i].core]++, 0);
            }
            topology_plan_destroy(plan);
        }
    }
}

/* A directory with files of a cgroup mount, removed at the end. */
struct cgroup_tree {
    char root[64];
    char file[128];
};

static void write_file(const struct cgroup_tree *tree, const char *name, const char *text) {
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", tree->root, name);
    for (char *slash = path + strlen(tree->root) + 1; (slash = strchr(slash, '/')) != NULL;) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash++ = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_tree(void **state) {
    static struct cgroup_tree tree;
    (void)snprintf(tree.root, sizeof(tree.root), "/tmp/larder-cgroup-XXXXXX");
    assert_non_null(mkdtemp(tree.root));
    (void)snprintf(tree.file, sizeof(tree.file), "%s/self", tree.root);
    *state = &tree;
    return 0;
}

static int remove_tree(void **state) {
    const struct cgroup_tree *tree = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r %s", tree->root);
    return system(command);
}

static unsigned limit_of(const struct cgroup_tree *tree, const char *self) {
    write_file(tree, "self", self);
    return topology_cgroup_limit_millis(tree->root, tree->file);
}

static void the_least_quota_on_the_way_up_counts(void **state) {
    const struct cgroup_tree *tree = *state;
    write_file(tree, "a/cpu.max", "400000 100000\n");
    write_file(tree, "a/b/cpu.max", "max 100000\n");
    write_file(tree, "a/b/c/cpu.max", "250000 50000\n");
    assert_int_equal(limit_of(tree, "0::/a/b/c\n"), 4000);
    assert_int_equal(limit_of(tree, "0::/a/b\n"), 4000);
    assert_int_equal(limit_of(tree, "0::/\n"), 0);
    write_file(tree, "a/b/c/cpu.max", "25000 100000\n");
    assert_int_equal(limit_of(tree, "0::/a/b/c\n"), 250);
}

static void a_group_that_is_not_mounted_leaves_the_root_to_count(void **state) {
    const struct cgroup_tree *tree = *state;
    write_file(tree, "cpu.max", "150000 100000\n");
    assert_int_equal(limit_of(tree, "0::/docker/0123456789abcdef\n"), 1500);
}

static void version_1_quotas_are_read(void **state) {
    const struct cgroup_tree *tree = *state;
    write_file(tree, "cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n");
    write_file(tree, "cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    write_file(tree, "cpu/y/cpu.cfs_quota_us", "-1\n");
    write_file(tree, "cpu/y/cpu.cfs_period_us", "100000\n");
    assert_int_equal(limit_of(tree, "5:cpuset:/x\n4:cpu,cpuacct:/x\n0::/\n"), 3000);
    assert_int_equal(limit_of(tree, "4:cpu:/y\n"), 0);
    write_file(tree, "cpu/y/cpu.cfs_quota_us", "50000\n");
    assert_int_equal(limit_of(tree, "4:cpuacct,cpu:/y\n"), 500);
}

static void nonsense_for_a_quota_is_no_quota(void **state) {
    const struct cgroup_tree *tree = *state;
    static const char *const texts[] = {"", "max\n", "x y\n", "-5 100000\n", "100000 0\n",
                                        "99999999999999999999999 1\n", "100000\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file(tree, "cpu.max", texts[i]);
        assert_int_equal(limit_of(tree, "0::/\n"), 0);
    }
    assert_int_equal(limit_of(tree, "no colons\n0:\n::::\n"), 0);
    assert_int_equal(topology_cgroup_limit_millis("/nonexistent", "/nonexistent"), 0);
}

static uint64_t memory_of(const struct cgroup_tree *tree, const char *self) {
    write_file(tree, "self", self);
    return topology_cgroup_memory_bytes(tree->root, tree->file);
}

static void the_least_memory_on_the_way_up_counts(void **state) {
    const struct cgroup_tree *tree = *state;
    write_file(tree, "a/memory.max", "1073741824\n");
    write_file(tree, "a/b/memory.max", "max\n");
    write_file(tree, "a/b/c/memory.max", "2147483648\n");
    assert_int_equal(memory_of(tree, "0::/a/b/c\n"), 1073741824);
    assert_int_equal(memory_of(tree, "0::/\n"), 0);
    write_file(tree, "memory/x/memory.limit_in_bytes", "536870912\n");
    write_file(tree, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(memory_of(tree, "7:memory:/x\n4:cpu:/a\n"), 536870912);
    assert_int_equal(memory_of(tree, "7:memory:/\n"), 0);
    write_file(tree, "a/memory.max", "nonsense\n");
    assert_int_equal(memory_of(tree, "0::/a/b\n"), 0);
}

static void a_quota_bounds_auto_and_is_rounded_up(void **state) {
    const struct cgroup_tree *tree = *state;
    write_file(tree, "cpu.max", "250000 100000\n");
    write_file(tree, "self", "0::/\n");
    expect_plan(&(struct planned){"quota",
                                  {.source = TWO_SOCKETS,
                                   .cgroup_mount = tree->root,
                                   .cgroup_file = tree->file},
                                  1});
}

static void a_quota_does_not_change_a_number_that_was_given(void **state) {
    const struct cgroup_tree *tree = *state;
    write_file(tree, "cpu.max", "100000 100000\n");
    write_file(tree, "self", "0::/\n");
    struct topology_request request = {.source = ONE_SOCKET,
                                       .threads = 6,
                                       .cgroup_mount = tree->root,
                                       .cgroup_file = tree->file};
    struct topology_plan *plan = topology_plan_create(&request);
    assert_non_null(plan);
    assert_int_equal(plan->core_count, 6);
    assert_int_equal(plan->cpu_limit_millis, 1000);
    topology_plan_destroy(plan);
}

static void a_description_that_cannot_be_read_is_an_error(void **state) {
    (void)state;
    static const char *const sources[] = {"synthetic:nonsense", "/nonexistent.xml", "/dev/null"};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        errno = 0;
        assert_null(topology_plan_create(&(struct topology_request){.source = sources[i]}));
        assert_int_equal(errno, EINVAL);
    }
    struct topology_request request = {.source = ONE_SOCKET, .allowed = "4000"};
    assert_null(topology_plan_create(&request));
    assert_int_equal(errno, EINVAL);
}

static void a_described_machine_binds_nothing(void **state) {
    (void)state;
    struct topology_plan *plan =
        topology_plan_create(&(struct topology_request){.source = TWO_SOCKETS});
    assert_non_null(plan);
    char byte = 0;
    assert_int_equal(topology_bind_thread(plan, 0), ENOSYS);
    assert_int_equal(topology_prefer_memory(plan, 0, &byte, 1), ENOSYS);
    topology_plan_destroy(plan);
}

/* Binds itself to the plan's last place, and tells where it may run then. */
static void *bind_and_look(void *context) {
    const struct topology_plan *plan = context;
    cpu_set_t set;
    intptr_t reason = topology_bind_thread(plan, plan->core_count - 1);
    if (reason == 0 && sched_getaffinity(0, sizeof(set), &set) == 0 &&
        (CPU_COUNT(&set) != 1 || !CPU_ISSET(plan->cores[plan->core_count - 1].cpu, &set))) {
        reason = -1;
    }
    return (void *)reason;
}

static void on_this_machine_a_thread_binds_to_its_processor(void **state) {
    (void)state;
    struct topology_request request = {.pin = SETTINGS_PIN_ON};
    struct topology_plan *plan = topology_plan_create(&request);
    assert_non_null(plan);
    assert_true(plan->core_count >= 1);
    assert_true(plan->pinned);
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, bind_and_look, plan), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    /* a sandbox may refuse; then it has to say so */
    assert_true(result != (void *)(intptr_t)-1);
    void *memory = aligned_alloc(4096, 8192);
    assert_non_null(memory);
    int preferred = topology_prefer_memory(plan, plan->cores[0].node, (char *)memory + 100, 200);
    assert_true(preferred == 0 || preferred == EPERM || preferred == ENOSYS);
    free(memory);
    topology_plan_destroy(plan);
}

static void without_a_topology_the_affinity_mask_is_the_machine(void **state) {
    (void)state;
    struct topology_machine *machine = topology_machine_create_fallback();
    assert_non_null(machine);
    assert_true(machine->fallback);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    unsigned allowed = 0;
    for (unsigned i = 0; i < machine->cpu_count; i++) {
        allowed += machine->cpus[i].allowed ? 1 : 0;
        assert_int_equal(machine->cpus[i].core, i);
        assert_int_equal(machine->cpus[i].node, 0);
    }
    assert_int_equal(allowed, CPU_COUNT(&set));
    topology_machine_destroy(machine);
}

static void a_request_follows_the_settings(void **state) {
    (void)state;
    struct settings *settings = settings_create_default();
    assert_non_null(settings);
    struct topology_request request = topology_request_from(settings);
    assert_int_equal(request.port, 11211);
    assert_int_equal(request.threads, 4);
    assert_null(request.source);
    char path[] = "/run/a.sock";
    settings->unix_path = path;
    unsigned first = topology_request_from(settings).port;
    path[5] = 'b';
    assert_int_not_equal(first, topology_request_from(settings).port);
    settings->unix_path = NULL;
    settings_destroy(settings);
}

#define cgroup_test(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_core_runs_all_threads_unpinned),
        cmocka_unit_test(one_core_runs_one_thread_by_auto),
        cmocka_unit_test(two_sockets_take_a_thread_a_core_by_turns),
        cmocka_unit_test(siblings_come_last),
        cmocka_unit_test(few_threads_keep_to_nodes),
        cmocka_unit_test(pin_on_pins_few_threads),
        cmocka_unit_test(pin_off_pins_no_thread),
        cmocka_unit_test(sub_numa_clusters_take_turns),
        cmocka_unit_test(an_asymmetric_machine_is_filled_where_cores_are_left),
        cmocka_unit_test(a_restricted_cpuset_is_kept_and_pinned),
        cmocka_unit_test(only_the_second_sibling_allowed_counts_as_a_core),
        cmocka_unit_test(more_threads_than_processors_share_unpinned),
        cmocka_unit_test(instances_on_neighbouring_ports_take_different_cores),
        cmocka_unit_test(instances_that_fit_never_share_a_core),
        cgroup_test(the_least_quota_on_the_way_up_counts),
        cgroup_test(a_group_that_is_not_mounted_leaves_the_root_to_count),
        cgroup_test(version_1_quotas_are_read),
        cgroup_test(nonsense_for_a_quota_is_no_quota),
        cgroup_test(the_least_memory_on_the_way_up_counts),
        cgroup_test(a_quota_bounds_auto_and_is_rounded_up),
        cgroup_test(a_quota_does_not_change_a_number_that_was_given),
        cmocka_unit_test(a_description_that_cannot_be_read_is_an_error),
        cmocka_unit_test(a_described_machine_binds_nothing),
        cmocka_unit_test(on_this_machine_a_thread_binds_to_its_processor),
        cmocka_unit_test(without_a_topology_the_affinity_mask_is_the_machine),
        cmocka_unit_test(a_request_follows_the_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
