/* larder: tests of choosing a back end and of the steps of io_uring's ladder */
#include <string.h>

#include "tests/unit/io/harness.h"

/* io_uring with so many features refused; false where the kernel or the build has none. */
static bool uring_create(uint32_t refused, struct io **out) {
    struct io_config config = {
        .backend = IO_BACKEND_URING, .conns_max = 16, .features_refused = refused};

    return io_create(&config, out) == 0;
}

static void auto_takes_io_uring_where_it_is_granted(void **state) {
    struct io_config config = {.backend = IO_BACKEND_AUTO, .conns_max = 16};
    struct io *uring;
    struct io *io;

    (void)state;
    if (!uring_create(0, &uring)) {
        skip();
    }
    io_destroy(uring);
    assert_int_equal(io_create(&config, &io), 0);
    assert_int_equal(io_backend_of(io), IO_BACKEND_URING);
    assert_ptr_equal(strstr(io_features_text(io), "uring"), io_features_text(io));
    io_destroy(io);
}

static void auto_falls_to_epoll_and_says_why(void **state) {
    struct io_config config = {
        .backend = IO_BACKEND_AUTO, .conns_max = 16, .features_refused = IO_FEATURE_URING};
    struct io *io;

    (void)state;
    assert_int_equal(io_create(&config, &io), 0);
    assert_int_equal(io_backend_of(io), IO_BACKEND_EPOLL);
    assert_int_equal(io_features(io), 0);
    assert_non_null(strstr(io_features_text(io), "epoll (uring refused: "));
    io_destroy(io);
}

static void asking_for_io_uring_never_gives_epoll(void **state) {
    struct io_config config = {
        .backend = IO_BACKEND_URING, .conns_max = 16, .features_refused = IO_FEATURE_URING};
    struct io *io;

    (void)state;
    assert_int_not_equal(io_create(&config, &io), 0);
    assert_null(io);
}

static void each_refused_feature_is_missed_alone(void **state) {
    static const uint32_t features[] = {IO_FEATURE_DEFER_TASKRUN,    IO_FEATURE_REGISTERED_RING,
                                        IO_FEATURE_RECV_MULTISHOT,   IO_FEATURE_BUFFER_RING,
                                        IO_FEATURE_ACCEPT_MULTISHOT, IO_FEATURE_SEND_WAITALL};
    struct io *io;
    uint32_t all;

    (void)state;
    if (!uring_create(0, &io)) {
        skip();
    }
    all = io_features(io);
    io_destroy(io);
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        uint32_t expected = all & ~features[i];

        if ((all & features[i]) == 0) {
            continue;
        }
        assert_true(uring_create(features[i], &io));
        if (features[i] == IO_FEATURE_DEFER_TASKRUN) {
            expected |= io_features(io) & IO_FEATURE_COOP_TASKRUN;
        } else if (features[i] == IO_FEATURE_BUFFER_RING) {
            expected &= ~(uint32_t)IO_FEATURE_RECV_MULTISHOT;
        }
        assert_int_equal(io_features(io), expected);
        io_destroy(io);
    }
}

static void configurations_out_of_bounds_are_refused(void **state) {
    static const struct io_config wrong[] = {
        {.backend = IO_BACKEND_EPOLL, .conns_max = 0},
        {.backend = IO_BACKEND_EPOLL, .conns_max = IO_CONNS_MAX + 1},
        {.backend = IO_BACKEND_EPOLL, .conns_max = 1, .buffer_bytes = 1000},
        {.backend = IO_BACKEND_EPOLL, .conns_max = 1, .buffers_initial = 3},
        {.backend = IO_BACKEND_EPOLL, .conns_max = 1, .buffers_max = 65536},
        {.backend = IO_BACKEND_SIM, .conns_max = 1},
    };
    struct io *io;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(io_create(&wrong[i], &io), EINVAL);
        assert_null(io);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_takes_io_uring_where_it_is_granted),
        cmocka_unit_test(auto_falls_to_epoll_and_says_why),
        cmocka_unit_test(asking_for_io_uring_never_gives_epoll),
        cmocka_unit_test(each_refused_feature_is_missed_alone),
        cmocka_unit_test(configurations_out_of_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
