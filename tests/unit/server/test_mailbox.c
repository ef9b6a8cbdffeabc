/* larder: tests of the mailbox */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/server/mailbox.h"

enum { POSTERS = 4, MAILS_A_POSTER = 20000 };

static struct mailbox *create(void) {
    struct mailbox *mailbox = NULL;
    assert_int_equal(posix_memalign((void **)&mailbox, CACHE_LINE_BYTES, sizeof(*mailbox)), 0);
    mailbox_init(mailbox);
    return mailbox;
}

static void mail_comes_in_the_order_of_posting(void **state) {
    (void)state;
    struct mailbox *mailbox = create();
    struct mail mail = {0};
    for (int lap = 0; lap < 3; lap++) {
        for (int i = 0; i < MAILBOX_CELLS; i++) {
            assert_true(mailbox_post(mailbox, &(struct mail){.fd = i, .listener = (uint32_t)lap}));
        }
        for (int i = 0; i < MAILBOX_CELLS; i++) {
            assert_true(mailbox_take(mailbox, &mail));
            assert_int_equal(mail.fd, i);
            assert_int_equal(mail.listener, lap);
        }
    }
    assert_false(mailbox_take(mailbox, &mail));
    free(mailbox);
}

static void a_full_mailbox_refuses_until_one_is_taken(void **state) {
    (void)state;
    struct mailbox *mailbox = create();
    struct mail mail = {.fd = 7};
    for (int i = 0; i < MAILBOX_CELLS; i++) {
        assert_true(mailbox_post(mailbox, &mail));
    }
    assert_false(mailbox_post(mailbox, &mail));
    assert_true(mailbox_take(mailbox, &mail));
    assert_true(mailbox_post(mailbox, &mail));
    assert_false(mailbox_post(mailbox, &mail));
    free(mailbox);
}

struct poster {
    struct mailbox *mailbox;
    uint32_t number;
};

static void *post_all(void *argument) {
    struct poster *poster = argument;
    for (int i = 0; i < MAILS_A_POSTER;) {
        i += mailbox_post(poster->mailbox, &(struct mail){.fd = i, .listener = poster->number});
    }
    return NULL;
}

static void many_posters_lose_nothing_and_each_keeps_its_order(void **state) {
    (void)state;
    struct mailbox *mailbox = create();
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    int next[POSTERS] = {0};
    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.mailbox = mailbox, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    for (int taken = 0; taken < POSTERS * MAILS_A_POSTER;) {
        struct mail mail = {0};
        if (mailbox_take(mailbox, &mail)) {
            assert_true(mail.listener < POSTERS);
            assert_int_equal(mail.fd, next[mail.listener]++);
            taken++;
        }
    }
    for (uint32_t i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    free(mailbox);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_comes_in_the_order_of_posting),
        cmocka_unit_test(a_full_mailbox_refuses_until_one_is_taken),
        cmocka_unit_test(many_posters_lose_nothing_and_each_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
