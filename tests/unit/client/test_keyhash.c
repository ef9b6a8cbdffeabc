/* larder: the hashes of keys against published values */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "src/client/keyhash.h"

/* RFC 1321, A.5. */
static void md5_gives_the_digests_of_its_rfc(void **state) {
    static const struct {
        const char *text;
        const char *digest;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"1234567890123456789012345678901234567890"
         "1234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t words[KEYHASH_MD5_WORDS];
        char digest[33];

        keyhash_md5_words(span_from_text(cases[i].text), words);
        for (unsigned byte = 0; byte < 16; byte++) {
            (void)snprintf(digest + 2 * byte, 3, "%02x", words[byte / 4] >> 8 * (byte % 4) & 255);
        }
        assert_string_equal(digest, cases[i].digest);
        assert_int_equal(keyhash_md5(span_from_text(cases[i].text)), words[0]);
    }
}

static void one_at_a_time_gives_known_values(void **state) {
    (void)state;
    assert_int_equal(keyhash_one_at_a_time(span_from_text("")), 0);
    assert_int_equal(keyhash_one_at_a_time(span_from_text("a")), 0xca2e9442);
    assert_int_equal(keyhash_one_at_a_time(
                         span_from_text("The quick brown fox jumps over the lazy dog")),
                     0x519e91f5);
}

/* As libhashkit answers; with unsigned bytes it would be another value. */
static void one_at_a_time_takes_bytes_above_127_as_negative(void **state) {
    (void)state;
    assert_int_equal(keyhash_one_at_a_time(span_from_text("\xc3\xa9")), 0x019148ae);
}

/* The check value of CRC-32 is 0xcbf43926. */
static void crc_is_the_upper_half_without_its_sign(void **state) {
    (void)state;
    assert_int_equal(keyhash_crc(span_from_text("123456789")), 0xcbf4 & 0x7fff);
    assert_int_equal(keyhash_crc(span_from_text("")), 0);
    /* CRC-32 0x414fa339 */
    assert_int_equal(
        keyhash_crc(span_from_text("The quick brown fox jumps over the lazy dog")), 0x414f);
}

static uint32_t murmur3(const char *head, const char *tail) {
    return keyhash_murmur3_end(keyhash_murmur3_begin(span_from_text(head)), span_from_text(tail));
}

static void murmur3_gives_known_values(void **state) {
    (void)state;
    assert_int_equal(murmur3("", ""), 0);
    assert_int_equal(murmur3("", "test"), 0xba6bd213);
    assert_int_equal(murmur3("", "Hello, world!"), 0xc0363e43);
    assert_int_equal(murmur3("", "The quick brown fox jumps over the lazy dog"), 0x2e4ff723);
}

static void murmur3_is_the_same_wherever_the_text_is_cut(void **state) {
    const char text[] = "The quick brown fox jumps over the lazy dog";
    (void)state;

    for (size_t length = 0; length < sizeof text; length++) {
        uint32_t whole = keyhash_murmur3_end(keyhash_murmur3_begin(span_of(text, 0)),
                                             span_of(text, length));

        for (size_t cut = 0; cut <= length; cut++) {
            struct keyhash_murmur3 head = keyhash_murmur3_begin(span_of(text, cut));

            assert_int_equal(keyhash_murmur3_end(head, span_of(text + cut, length - cut)), whole);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_gives_the_digests_of_its_rfc),
        cmocka_unit_test(one_at_a_time_gives_known_values),
        cmocka_unit_test(one_at_a_time_takes_bytes_above_127_as_negative),
        cmocka_unit_test(crc_is_the_upper_half_without_its_sign),
        cmocka_unit_test(murmur3_gives_known_values),
        cmocka_unit_test(murmur3_is_the_same_wherever_the_text_is_cut),
    };

    return cmocka_run_group_tests_name("keyhash", tests, NULL, NULL);
}
