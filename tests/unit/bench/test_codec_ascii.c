/* larder: tests of the load generator's requests and of its checking of replies */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/codec.h"

/* A stream of replies, the ops that it answers, and what the checker makes of it. */
struct bench {
    struct dataset set;
    struct reply reply;
    struct tally tally;
    enum reply_check check;
    char *stream;
    size_t bytes;
    enum feed_result result;
    size_t ops_done;
};

enum {
    STREAM_BYTES = 1 << 20,
    KEYS = 100,
};

static int setup(void **state) {
    struct bench *bench = calloc(1, sizeof(*bench));
    if (bench == NULL)
        return -1;
    bench->set = (struct dataset){.keys = KEYS, .key_bytes = 16, .size_min = 100, .size_max = 100};
    bench->stream = malloc(STREAM_BYTES);
    *state = bench;
    return dataset_init(&bench->set) && bench->stream != NULL ? 0 : -1;
}

static int teardown(void **state) {
    struct bench *bench = *state;
    dataset_fini(&bench->set);
    free(bench->stream);
    free(bench);
    return 0;
}

static void resize(struct bench *bench, uint32_t size_min, uint32_t size_max) {
    dataset_fini(&bench->set);
    bench->set.size_min = size_min;
    bench->set.size_max = size_max;
    assert_true(dataset_init(&bench->set));
}

static void say(struct bench *bench, const char *text) {
    memcpy(bench->stream + bench->bytes, text, strlen(text));
    bench->bytes += strlen(text);
}

/* What a right server would send for a key. */
static void say_value(struct bench *bench, uint64_t number) {
    uint64_t token = dataset_token(number);
    struct dataset_value value =
        dataset_value(&bench->set, token, dataset_size(&bench->set, token));
    char *at = bench->stream + bench->bytes;
    at += sprintf(at, "VALUE ");
    at = dataset_key(&bench->set, token, at);
    at += sprintf(at, " 0 %u\r\n", value.size);
    at = dataset_write(&value, at);
    memcpy(at, "\r\n", 2);
    bench->bytes = (size_t)(at + 2 - bench->stream);
}

struct request {
    enum op_kind kind;
    uint32_t keys;
    uint64_t numbers[8];
};

/* Feeds the stream in pieces of `piece` bytes, as replies to the requests in turn. */
static void feed(struct bench *bench, const struct request *requests, size_t count, size_t piece) {
    memset(&bench->reply, 0, sizeof(bench->reply));
    memset(&bench->tally, 0, sizeof(bench->tally));
    bench->ops_done = 0;
    bench->result = FEED_MORE;
    for (size_t at = 0; at < bench->bytes; at += piece) {
        size_t left = bench->bytes - at;
        struct feed in = {.set = &bench->set,
                          .check = bench->check,
                          .tally = &bench->tally,
                          .at = bench->stream + at,
                          .end = bench->stream + at + (left < piece ? left : piece)};
        while (in.at < in.end && bench->result != FEED_BROKEN) {
            assert_true(bench->ops_done < count);
            const struct request *request = &requests[bench->ops_done];
            const struct op op = {.keys = request->keys, .kind = request->kind};
            uint64_t tokens[8];
            for (int i = 0; i < 8; i++)
                tokens[i] = dataset_token(request->numbers[i]);
            bench->result = codec_table[0].feed(&bench->reply, &op, tokens, &in);
            bench->ops_done += bench->result == FEED_DONE;
        }
    }
}

static void feed_get(struct bench *bench, uint64_t number) {
    const struct request request = {OP_GET, 1, {number}};
    feed(bench, &request, 1, STREAM_BYTES);
}

static void a_right_stream_is_right_however_it_is_cut(void **state) {
    struct bench *bench = *state;
    static const struct request REQUESTS[] = {
        {OP_GET, 1, {1}}, {OP_GET, 1, {2}},          {OP_SET, 1, {3}}, {OP_GET, 1, {4}},
        {OP_SET, 1, {5}}, {OP_GET, 4, {6, 7, 8, 6}}, {OP_GET, 1, {9}},
    };
    resize(bench, 5, 300);
    say_value(bench, 1);
    say(bench, "END\r\n");
    say(bench, "END\r\n");
    say(bench, "STORED\r\n");
    say_value(bench, 4);
    say(bench, "END\r\nSERVER_ERROR out of memory storing object\r\n");
    say_value(bench, 7);
    say_value(bench, 6);
    say(bench, "END\r\n");
    say_value(bench, 9);
    say(bench, "END\r\n");
    for (size_t piece = 1; piece <= bench->bytes; piece++) {
        feed(bench, REQUESTS, 7, piece);
        assert_int_equal(bench->ops_done, 7);
        assert_int_equal(bench->tally.bad, 0);
        assert_int_equal(bench->tally.hits, 5);
        assert_int_equal(bench->tally.misses, 3);
        assert_int_equal(bench->tally.stored, 1);
        assert_int_equal(bench->tally.errors, 1);
        assert_int_equal(bench->tally.keys, 10);
    }
    assert_string_equal(bench->tally.first_error, "SERVER_ERROR out of memory storing object");
}

static void any_changed_byte_of_a_value_is_seen_in_any_cut(void **state) {
    struct bench *bench = *state;
    const struct request request = {OP_GET, 1, {1}};
    say_value(bench, 1);
    say(bench, "END\r\n");
    size_t value_at = bench->bytes - 5 - 2 - 100;
    for (size_t i = 0; i < 100; i++) {
        bench->stream[value_at + i] ^= 1;
        for (size_t piece = 1; piece <= bench->bytes; piece += 7) {
            feed(bench, &request, 1, piece);
            assert_int_equal(bench->tally.bad, 1);
            assert_int_equal(bench->tally.hits, 0);
            assert_int_equal(bench->ops_done, 1);
        }
        bench->stream[value_at + i] ^= 1;
    }
}

static void any_changed_byte_of_the_framing_is_seen(void **state) {
    struct bench *bench = *state;
    const struct request request = {OP_GET, 1, {1}};
    say_value(bench, 1);
    say(bench, "END\r\n");
    for (size_t i = 0; i < bench->bytes; i++) {
        bench->stream[i] ^= 1;
        feed(bench, &request, 1, STREAM_BYTES);
        assert_true(bench->tally.bad + bench->tally.errors > 0 || bench->ops_done == 0);
        assert_int_equal(bench->tally.errors, 0);
        bench->stream[i] ^= 1;
    }
}

static void the_value_of_another_key_is_wrong(void **state) {
    struct bench *bench = *state;
    say_value(bench, 1);
    /* the head of key 1, the data of key 2 */
    struct dataset_value foreign = dataset_value(&bench->set, dataset_token(2), 100);
    dataset_write(&foreign, bench->stream + bench->bytes - 102);
    say(bench, "END\r\n");
    feed_get(bench, 1);
    assert_int_equal(bench->tally.bad, 1);
    assert_non_null(strstr(bench->tally.first_bad, "content"));
}

static void a_torn_value_is_wrong(void **state) {
    struct bench *bench = *state;
    char foreign[100];
    struct dataset_value other = dataset_value(&bench->set, dataset_token(2), 100);
    dataset_write(&other, foreign);
    say_value(bench, 1);
    memcpy(bench->stream + bench->bytes - 102 + 40, foreign + 40, 20);
    say(bench, "END\r\n");
    feed_get(bench, 1);
    assert_int_equal(bench->tally.bad, 1);
}

static void a_key_that_was_not_asked_for_is_wrong(void **state) {
    struct bench *bench = *state;
    say_value(bench, 2);
    say(bench, "END\r\n");
    feed_get(bench, 1);
    assert_int_equal(bench->tally.bad, 1);
    assert_int_equal(bench->ops_done, 1);
    assert_non_null(strstr(bench->tally.first_bad, "asked"));
}

static void keys_of_a_multi_get_in_another_order_are_wrong(void **state) {
    struct bench *bench = *state;
    const struct request request = {OP_GET, 3, {1, 2, 3}};
    say_value(bench, 2);
    say_value(bench, 1);
    say(bench, "END\r\n");
    feed(bench, &request, 1, STREAM_BYTES);
    assert_int_equal(bench->tally.bad, 1);
    assert_int_equal(bench->tally.hits, 1);
}

static void a_value_of_another_length_is_wrong_and_the_stream_goes_on(void **state) {
    struct bench *bench = *state;
    static const struct request REQUESTS[] = {{OP_GET, 1, {1}}, {OP_GET, 1, {2}}};
    resize(bench, 90, 90);
    say_value(bench, 1);
    say(bench, "END\r\n");
    resize(bench, 100, 100);
    say_value(bench, 2);
    say(bench, "END\r\n");
    feed(bench, REQUESTS, 2, STREAM_BYTES);
    assert_int_equal(bench->ops_done, 2);
    assert_int_equal(bench->tally.bad, 1);
    assert_int_equal(bench->tally.hits, 1);
    assert_non_null(strstr(bench->tally.first_bad, "length"));
}

static void an_answer_to_another_command_breaks_the_stream(void **state) {
    struct bench *bench = *state;
    say(bench, "STORED\r\n");
    feed_get(bench, 1);
    assert_int_equal(bench->result, FEED_BROKEN);
    assert_int_equal(bench->tally.bad, 1);
}

static void an_endless_line_breaks_the_stream(void **state) {
    struct bench *bench = *state;
    memset(bench->stream, 'x', 4096);
    bench->bytes = 4096;
    feed_get(bench, 1);
    assert_int_equal(bench->result, FEED_BROKEN);
}

static void a_shape_check_accepts_any_value_of_the_right_length(void **state) {
    struct bench *bench = *state;
    bench->check = CHECK_SHAPE;
    say_value(bench, 2);
    say(bench, "END\r\n");
    feed_get(bench, 1);
    assert_int_equal(bench->tally.bad, 0);
    assert_int_equal(bench->tally.hits, 1);
    feed(bench, &(const struct request){OP_GET, 1, {1}}, 1, 3);
    assert_int_equal(bench->tally.bad, 0);
    assert_int_equal(bench->tally.hits, 1);
}

static void key_texts_are_the_tokens_digits(void **state) {
    struct bench *bench = *state;
    for (uint64_t number = 0; number < 1000; number++) {
        char key[17] = {0};
        char digits[17];
        dataset_key(&bench->set, dataset_token(number), key);
        snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)dataset_token(number));
        assert_string_equal(key, digits);
    }
}

/* All that is queued, in one run of bytes. */
static size_t gather(const struct outq *out, char *bytes) {
    size_t count = 0;
    for (size_t i = out->part_at; i < out->part_count; i++) {
        memcpy(bytes + count, out->parts[i].iov_base, out->parts[i].iov_len);
        count += out->parts[i].iov_len;
    }
    return count;
}

static void a_get_is_written_with_all_its_keys(void **state) {
    struct bench *bench = *state;
    struct outq out;
    const uint64_t tokens[2] = {dataset_token(1), dataset_token(2)};
    char expected[64];
    assert_true(outq_init(&out, 4096));
    codec_table[0].get(&out, &bench->set, tokens, 2);
    size_t bytes = gather(&out, bench->stream);
    snprintf(expected, sizeof(expected), "get %016llx %016llx\r\n", (unsigned long long)tokens[0],
             (unsigned long long)tokens[1]);
    assert_int_equal(bytes, strlen(expected));
    assert_memory_equal(bench->stream, expected, bytes);
    outq_fini(&out);
}

static void a_set_carries_the_value_that_a_get_expects(void **state) {
    struct bench *bench = *state;
    static const uint32_t SIZES[] = {1, 7, 8, 15, 16, 17, 100, 8191, 8192, 70000};
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct outq out;
        struct outq rest;
        char head[64];
        resize(bench, SIZES[i], SIZES[i]);
        assert_true(outq_init(&out, 65536) && outq_init(&rest, 65536));
        codec_table[0].set(&out, &bench->set, dataset_token(5));
        outq_move(&rest, &out);
        assert_true(outq_is_empty(&out));
        size_t bytes = gather(&rest, bench->stream);
        int head_bytes = snprintf(head, sizeof(head), "set %016llx 0 0 %u\r\n",
                                  (unsigned long long)dataset_token(5), SIZES[i]);
        assert_int_equal(bytes, (size_t)head_bytes + SIZES[i] + 2);
        assert_memory_equal(bench->stream, head, (size_t)head_bytes);
        struct dataset_value value = dataset_value(&bench->set, dataset_token(5), SIZES[i]);
        assert_true(dataset_check(&value, 0, bench->stream + head_bytes, SIZES[i]));
        assert_memory_equal(bench->stream + bytes - 2, "\r\n", 2);
        outq_fini(&out);
        outq_fini(&rest);
    }
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(a_right_stream_is_right_however_it_is_cut),
        ONE(any_changed_byte_of_a_value_is_seen_in_any_cut),
        ONE(any_changed_byte_of_the_framing_is_seen),
        ONE(the_value_of_another_key_is_wrong),
        ONE(a_torn_value_is_wrong),
        ONE(a_key_that_was_not_asked_for_is_wrong),
        ONE(keys_of_a_multi_get_in_another_order_are_wrong),
        ONE(a_value_of_another_length_is_wrong_and_the_stream_goes_on),
        ONE(an_answer_to_another_command_breaks_the_stream),
        ONE(an_endless_line_breaks_the_stream),
        ONE(a_shape_check_accepts_any_value_of_the_right_length),
        ONE(key_texts_are_the_tokens_digits),
        ONE(a_get_is_written_with_all_its_keys),
        ONE(a_set_carries_the_value_that_a_get_expects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
