/*
 * Words of addresses to listen on: what is cut off where, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "livetally/listen.h"

static void assert_split(const char *text, const char *address, uint32_t traits)
{
    char where[32];
    uint32_t found = UINT32_MAX;

    assert_int_equal(listen_split(text, where, sizeof(where), &found, NULL), 0);
    assert_string_equal(where, address);
    assert_int_equal(found, traits);
}

static void assert_not_split(const char *text, enum error_code code, const char *why)
{
    char where[32] = "as before";
    uint32_t found = UINT32_MAX;
    struct error error;

    assert_int_equal(listen_split(text, where, sizeof(where), &found, &error), code);
    assert_string_equal(error.text, why);
    assert_string_equal(where, "as before");
    assert_int_equal(found, UINT32_MAX);
}

static void words_follow_the_address(void **state)
{
    (void)state;
    assert_split("127.0.0.1:80", "127.0.0.1:80", 0);
    assert_split("127.0.0.1:80 tls", "127.0.0.1:80", LISTEN_TLS);
    assert_split("  [::1]:80 \t tls ", "[::1]:80", LISTEN_TLS);
    assert_split("unix:/run/tls tls", "unix:/run/tls", LISTEN_TLS);
    assert_split("1234567890123456789012345678901", "1234567890123456789012345678901", 0);
}

static void other_words_are_refused(void **state)
{
    (void)state;
    assert_not_split("a:1 TLS", ERROR_INVALID,
                     "\"TLS\" is not a word for an address; known:" LISTEN_WORDS_TEXT);
    assert_not_split("a:1 tls,tls", ERROR_INVALID,
                     "\"tls,tls\" is not a word for an address; known:" LISTEN_WORDS_TEXT);
    assert_not_split("a:1 tls tls", ERROR_INVALID, "\"tls\" stands twice");
    assert_not_split("", ERROR_INVALID, "an address is missing");
    assert_not_split(" \t", ERROR_INVALID, "an address is missing");
    assert_not_split("12345678901234567890123456789012 tls", ERROR_LIMIT,
                     "the address is longer than 31 bytes");
}

static void assert_name(const char *name, uint32_t traits)
{
    uint32_t found = UINT32_MAX;

    assert_int_equal(listen_parse_name(name, &found, NULL), 0);
    assert_int_equal(found, traits);
}

static void names_of_descriptors_are_words_too(void **state)
{
    struct error error;
    uint32_t found = UINT32_MAX;

    (void)state;
    assert_name("tls", LISTEN_TLS);
    assert_name("proxy", LISTEN_PROXY);
    assert_name("tls-proxy", LISTEN_TLS | LISTEN_PROXY);
    assert_name("livetallyd.socket", 0);
    assert_name("unknown", 0);
    assert_name("", 0);
    assert_int_equal(listen_parse_name("tls-tsl", &found, &error), ERROR_INVALID);
    assert_string_equal(error.text,
                        "FileDescriptorName=tls-tsl: \"tsl\" is not known; it is made of these "
                        "words, joined by -:" LISTEN_WORDS_TEXT);
    assert_int_equal(listen_parse_name(".socket", &found, &error), ERROR_INVALID);
    assert_int_equal(found, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_follow_the_address),
        cmocka_unit_test(other_words_are_refused),
        cmocka_unit_test(names_of_descriptors_are_words_too),
    };

    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
