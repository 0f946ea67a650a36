/* UTF-8 against its definition, and cutting it without harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "livetally/json.h"

/* By its definition: decode, then look whether that is how it must be encoded. */
static bool model_utf8_ok(const unsigned char *at, size_t size)
{
    while (size > 0) {
        size_t length = *at < 0x80   ? 1
                        : *at < 0xC0 ? 0
                        : *at < 0xE0 ? 2
                        : *at < 0xF0 ? 3
                        : *at < 0xF8 ? 4
                                     : 0;
        if (length == 0 || length > size)
            return false;
        uint32_t code = length == 1 ? *at : *at & (0xFFU >> (length + 1));
        for (size_t i = 1; i < length; i++) {
            if ((at[i] & 0xC0U) != 0x80U)
                return false;
            code = code << 6U | (at[i] & 0x3FU);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
            return false;
        at += length;
        size -= length;
    }
    return true;
}

static void test_utf8(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                          0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                          0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    enum { EDGES = sizeof edges };
    for (uint32_t n = 0; n < EDGES * EDGES * EDGES * EDGES; n++) {
        unsigned char bytes[4] = {edges[n % EDGES], edges[n / EDGES % EDGES],
                                  edges[n / EDGES / EDGES % EDGES],
                                  edges[n / EDGES / EDGES / EDGES]};
        for (size_t size = 1; size <= 4; size++) {
            bool expected = model_utf8_ok(bytes, size);
            if (utf8_ok((struct slice){(const char *)bytes, size}) != expected)
                fail_msg("%02x %02x %02x %02x size %zu", bytes[0], bytes[1], bytes[2], bytes[3],
                         size);
        }
    }
    assert_true(utf8_ok((struct slice){NULL, 0}));
}

static void test_utf8_cut_and_controls(void **state)
{
    (void)state;
    static const char text[] = "a县é😀z";
    static const size_t expected[] = {0, 1, 1, 1, 4, 4, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < sizeof expected / sizeof *expected; max++)
        assert_int_equal(utf8_cut(slice_of(text), max), expected[max]);
    assert_true(utf8_no_controls(slice_of(text)));
    assert_true(utf8_no_controls(SLICE("\xC2\xA0"))); /* a no-break space */
    assert_true(utf8_no_controls(SLICE("")));
    assert_false(utf8_no_controls(SLICE("a\tb")));
    assert_false(utf8_no_controls(SLICE("a\0b")));
    assert_false(utf8_no_controls(SLICE("\x7F")));
    assert_false(utf8_no_controls(SLICE("\xC2\x80")));
    assert_false(utf8_no_controls(SLICE("\xC2\x9F")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_cut_and_controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
