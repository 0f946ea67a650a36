/* PROXY headers: what is one, byte by byte, and whom it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/proxy_header.h"

#define SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) text, sizeof(text) - 1

/* In memory of exactly that size, so that a sanitizer sees a byte too many being read. */
static enum proxy_verdict parse(const char *data, size_t size, struct proxy_header *header)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    enum proxy_verdict verdict = proxy_header_parse(copy, size, header);
    free(copy);
    return verdict;
}

/* Every beginning of it is a beginning, and what follows it changes nothing. */
static void assert_header(const char *data, size_t size, const char *source)
{
    struct proxy_header header;
    char text[IP_TEXT_BYTES];
    char longer[512];
    for (size_t i = 0; i < size; i++)
        assert_int_equal(parse(data, i, &header), PROXY_MORE);
    assert_int_equal(parse(data, size, &header), PROXY_DONE);
    assert_int_equal(header.size, size);
    assert_string_equal(ip_write(&header.source, text), source);
    memcpy(longer, data, size);
    memcpy(longer + size, "\r\nGET ", 6);
    assert_int_equal(parse(longer, size + 6, &header), PROXY_DONE);
    assert_int_equal(header.size, size);
}

static void assert_bad(const char *data, size_t size)
{
    struct proxy_header header = {.size = 4711};
    if (parse(data, size, &header) != PROXY_BAD)
        fail_msg("taken: %.*s", (int)size, data);
    assert_int_equal(header.size, 4711);
}

static void test_version_1(void **state)
{
    (void)state;
    assert_header(BYTES("PROXY TCP4 203.0.113.7 198.51.100.1 56324 443\r\n"), "203.0.113.7");
    assert_header(BYTES("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n"), "2001:db8::7");
    assert_header(BYTES("PROXY UNKNOWN\r\n"), "unknown");
    assert_header(BYTES("PROXY UNKNOWN 203.0.113.7 198.51.100.1 56324 443\r\n"), "unknown");
    assert_header(BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void test_what_is_no_version_1(void **state)
{
    (void)state;
    static const char *const bad[] = {"GET / HTTP/1.1\r\n",
                                      "PROXY",
                                      "PROXY \r\n",
                                      "PROXY TCP4\r\n",
                                      "PROXY tcp4 ",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 56324 443\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 56324\r\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 56324 \r\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 56324 443 \r\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 56324 443 9\r\n",
                                      "PROXY TCP4  203.0.113.7 198.51.100.1 56324 443\r\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 56324 65536\r\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 056 443\r\n",
                                      "PROXY TCP4 203.0.113.7 198.51.100.1 +5 443\r\n",
                                      "PROXY TCP4 2001:db8::7 2001:db8::1 56324 443\r\n",
                                      "PROXY TCP6 203.0.113.7 198.51.100.1 56324 443\r\n",
                                      "PROXY TCP4 203.0.113 198.51.100.1 56324 443\r\n",
                                      "PROXY UDP4 203.0.113.7 198.51.100.1 56324 443\r\n",
                                      "PROXY UNKNOWNX\r\n"};
    struct proxy_header header;
    char line[120];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (strcmp(bad[i], "PROXY") == 0 || strcmp(bad[i], "PROXY tcp4 ") == 0)
            assert_int_equal(parse(bad[i], strlen(bad[i]), &header), PROXY_MORE);
        else
            assert_bad(bad[i], strlen(bad[i]));
    }
    memset(line, 'x', sizeof(line));
    memcpy(line, BYTES("PROXY UNKNOWN "));
    assert_int_equal(parse(line, 106, &header), PROXY_MORE);
    assert_bad(line, 107);
    memcpy(line + 106, "\r\n", 2);
    assert_bad(line, 108);
}

static size_t make_2(char *out, uint8_t command, uint8_t family, const char *rest, size_t size)
{
    memcpy(out, BYTES(SIGNATURE));
    out[12] = (char)command;
    out[13] = (char)family;
    out[14] = (char)(size >> 8);
    out[15] = (char)size;
    if (size)
        memcpy(out + 16, rest, size);
    return 16 + size;
}

static void assert_header_2(uint8_t command, uint8_t family, const char *rest, size_t size,
                            const char *source)
{
    char data[512];
    assert_header(data, make_2(data, command, family, rest, size), source);
}

static void assert_bad_2(uint8_t command, uint8_t family, const char *rest, size_t size)
{
    char data[512];
    assert_bad(data, make_2(data, command, family, rest, size));
}

#define V4 "\xcb\x00\x71\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb"
#define V6                                                                                         \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xdc\4\1\xbb"

static void test_version_2(void **state)
{
    (void)state;
    char local[216] = "/run/some.sock";
    assert_header_2(0x21, 0x11, BYTES(V4), "203.0.113.7");
    assert_header_2(0x21, 0x21, BYTES(V6), "2001:db8::7");
    assert_header_2(0x21, 0x11, BYTES(V4 "\x04\x00\x03xyz\x20\x00\x00"), "203.0.113.7");
    assert_header_2(0x20, 0x00, NULL, 0, "unknown");
    assert_header_2(0x20, 0x11, BYTES(V4), "unknown");
    assert_header_2(0x20, 0x00, BYTES("whatever"), "unknown");
    assert_header_2(0x21, 0x00, NULL, 0, "unknown");
    assert_header_2(0x21, 0x12, BYTES(V4), "unknown");
    assert_header_2(0x21, 0x31, local, sizeof(local), "unknown");
}

static void test_what_is_no_version_2(void **state)
{
    (void)state;
    assert_bad_2(0x11, 0x11, BYTES(V4));
    assert_bad_2(0x22, 0x11, BYTES(V4));
    assert_bad_2(0x21, 0x13, BYTES(V4));
    assert_bad_2(0x21, 0x41, BYTES(V4));
    assert_bad_2(0x21, 0x11, V4, 11);
    assert_bad_2(0x21, 0x21, BYTES(V4));
    assert_bad_2(0x21, 0x11, BYTES(V4 "\x04"));
    assert_bad_2(0x21, 0x11, BYTES(V4 "\x04\x00\x04xyz"));
    assert_bad(BYTES("\r\n\r\n\0\r\nQUIT\r"));
    assert_bad(BYTES("\r\nX"));
    char data[16];
    (void)make_2(data, 0x21, 0x11, NULL, 0);
    data[14] = (char)(PROXY_HEADER_BYTES >> 8);
    assert_bad(data, sizeof(data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_what_is_no_version_1),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_what_is_no_version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
