/* Names of counties: read from a county list, found by code, written for pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/county_names.h"

static void assert_name(const struct county_names *names, uint32_t code, const char *expected)
{
    struct slice name = county_names_find(names, code);

    assert_true(slice_equal(name, slice_of(expected)));
    assert_int_equal(name.data == NULL, expected == NULL);
}

static void assert_written(const struct county_names *names, const char *expected)
{
    struct buffer out = BUFFER_INIT;

    county_names_write(names, &out);
    assert_string_equal(buffer_cstr(&out), expected);
    buffer_done(&out);
}

static void test_find_and_write(void **state)
{
    (void)state;
    /* Columns in another order and of others' making; codes in any order. */
    const struct slice text = SLICE("note,name_en,code,name_zh,prefecture_zh\n"
                                    "\"a, b\",\"Hefeng, \"\"tea\"\" County\",422828,鹤峰县,恩施\r\n"
                                    ",,110118,密云区,\n"
                                    "x,Nameless,130102,,\n");
    struct county_names *names = NULL;
    struct error error = {0};

    assert_int_equal(county_names_parse(text, &names, &error), 0);
    assert_name(names, 422828, "鹤峰县");
    assert_name(names, 110118, "密云区");
    assert_name(names, 130102, NULL);
    assert_name(names, 422825, NULL);
    assert_name(names, 0, NULL);
    assert_written(names, "code,name_zh,name_en,prefecture_zh,prefecture_en\n"
                          "110118,密云区,,,\n"
                          "130102,,Nameless,,\n"
                          "422828,鹤峰县,\"Hefeng, \"\"tea\"\" County\",恩施,\n");
    county_names_free(names);
}

static void test_no_names(void **state)
{
    (void)state;
    struct county_names *names = NULL;

    assert_int_equal(county_names_parse(SLICE("code,name\n422828,x\n"), &names, NULL), 0);
    assert_null(names);
    assert_name(NULL, 422828, NULL);
    assert_written(NULL, "code,name_zh,name_en,prefecture_zh,prefecture_en\n");
    assert_int_equal(county_names_parse(SLICE("code,name_zh\n"), &names, NULL), 0);
    assert_name(names, 422828, NULL);
    county_names_free(names);
    county_names_free(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    char row[256];
    const char *const rows[] = {"422828,\"two\nlines\",", "422828,a\x01, ", "422828,\xFF,",
                                "422828,x,\xC3", row};

    (void)snprintf(row, sizeof(row), "422828,%0129d,", 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct county_names *names = NULL;
        struct error error = {0};
        char text[512];

        (void)snprintf(text, sizeof(text), "code,name_zh,name_en\n110118,x,y\n%s\n", rows[i]);
        assert_int_equal(county_names_parse(slice_of(text), &names, &error), ERROR_INVALID);
        assert_non_null(strstr(error.text, "county list, line 3: name_"));
        assert_null(names);
    }
}

/* As many as a list can have, each found. */
static void test_many(void **state)
{
    (void)state;
    struct buffer text = BUFFER_INIT;
    struct county_names *names = NULL;

    buffer_append_text(&text, "name_zh,code\n");
    for (uint32_t code = 429999; code >= 420001; code--)
        buffer_printf(&text, "n%u,%u\n", code, code);
    assert_int_equal(county_names_parse(buffer_slice(&text), &names, NULL), 0);
    for (uint32_t code = 420001; code <= 429999; code++) {
        char expected[16];

        (void)snprintf(expected, sizeof(expected), "n%u", code);
        assert_name(names, code, expected);
    }
    county_names_free(names);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_and_write),
        cmocka_unit_test(test_no_names),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
