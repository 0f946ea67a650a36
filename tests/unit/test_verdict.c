/* Rejections: what tools read when an event is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "livetally/verdict.h"

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(rejection_code_name(REJECT_BAD_JSON), "bad_json");
    assert_string_equal(rejection_code_name(REJECT_FORBIDDEN_HOST), "forbidden_host");
    int later = 0;
    for (int code = 0; code < REJECTION_CODE_COUNT; code++) {
        assert_non_null(rejection_code_name((enum rejection_code)code));
        later += !rejection_code_final((enum rejection_code)code);
    }
    assert_int_equal(later, 4);
    assert_false(rejection_code_final(REJECT_TIME_IN_FUTURE));
    assert_true(rejection_code_final(REJECT_TOO_OLD));
}

static void assert_echo(struct slice input, const char *expected)
{
    char out[REJECTION_ECHO_BYTES + 1];
    memset(out, 'x', sizeof out);
    rejection_echo(out, input);
    assert_string_equal(out, expected);
}

static void test_echo(void **state)
{
    (void)state;
    char text[100];
    assert_echo((struct slice){NULL, 0}, "");
    assert_echo(SLICE("6917"), "6917");
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    assert_echo((struct slice){text, 64}, text);
    text[64] = 'a';
    char cut[65];
    memset(cut, 'a', 64);
    cut[64] = '\0';
    assert_echo((struct slice){text, 65}, cut);
    /* A character of three bytes across the cut goes whole. */
    for (size_t before = 61; before <= 64; before++) {
        memset(text, 'a', sizeof text);
        memcpy(text + before, "\xE5\x8E\xBF", 3);
        char expected[65];
        memset(expected, 'a', before);
        expected[before] = '\0';
        if (before == 61) {
            memcpy(expected + 61, "\xE5\x8E\xBF", 3);
            expected[64] = '\0';
        }
        assert_echo((struct slice){text, sizeof text}, expected);
    }
    /* Not UTF-8 at all: still 64 bytes at most. */
    memset(text, '\x80', sizeof text);
    char out[REJECTION_ECHO_BYTES + 1];
    rejection_echo(out, (struct slice){text, sizeof text});
    assert_int_equal(strlen(out), 64);
}

static void test_write(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    struct rejection rejection = {.index = 3};
    rejection_set(&rejection, REJECT_BAD_COUNTY, "county", SLICE("6917"),
                  "county must be a 6-digit county code, got \"%d\"", 42);
    buffer_append_byte(&out, '[');
    rejection_write(&out, 57, &rejection);
    rejection.index = REJECTION_WHOLE_MESSAGE;
    rejection_set(&rejection, REJECT_TIME_IN_FUTURE, NULL, (struct slice){NULL, 0}, "soon");
    rejection_write(&out, 58, &rejection);
    buffer_append_byte(&out, ']');
    assert_string_equal(
        buffer_cstr(&out),
        "[{\"message\":57,\"index\":3,\"id\":\"6917\",\"code\":\"bad_county\",\"final\":true,"
        "\"field\":\"county\",\"error\":\"county must be a 6-digit county code, got \\\"42\\\"\"},"
        "{\"message\":58,\"index\":null,\"code\":\"time_in_future\",\"final\":false,"
        "\"error\":\"soon\"}]");
    buffer_done(&out);
}

/* Whatever a peer sent as id or value, what goes out is JSON. */
static void test_write_garbage(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    unsigned seed = 99;
    for (int round = 0; round < 5000; round++) {
        char bytes[300];
        size_t size = (size_t)rand_r(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)(rand_r(&seed) % (round % 2 ? 256 : 48) + 1);
        struct rejection rejection = {.index = 0};
        rejection_set(&rejection, REJECT_BAD_FIELD, "order_id", (struct slice){bytes, size},
                      "got %.*s", (int)size, bytes);
        buffer_reset(&out);
        rejection_write(&out, 1, &rejection);
        json_t *json = json_loadb(out.data, out.size, 0, NULL);
        assert_non_null(json);
        json_decref(json);
    }
    buffer_done(&out);
}

static void test_long_error(void **state)
{
    (void)state;
    struct rejection rejection = {.index = 0};
    char text[400];
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE5\x8E\xBF", 4);
    rejection_set(&rejection, REJECT_BAD_FIELD, NULL, (struct slice){NULL, 0}, "%s", text);
    assert_int_equal(strlen(rejection.error), 222);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),      cmocka_unit_test(test_echo),
        cmocka_unit_test(test_write),      cmocka_unit_test(test_write_garbage),
        cmocka_unit_test(test_long_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
