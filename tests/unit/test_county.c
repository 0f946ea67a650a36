/* County codes and lists of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/buffer.h"
#include "livetally/county.h"

static const struct slice none = {NULL, 0};

static void test_form(void **state)
{
    (void)state;
    static const uint32_t provinces[] = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34,
                                         35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52,
                                         53, 54, 61, 62, 63, 64, 65, 71, 81, 82};
    size_t known = 0;
    for (uint32_t province = 0; province < 200; province++) {
        bool expected =
            known < sizeof provinces / sizeof *provinces && provinces[known] == province;
        assert_int_equal(county_province_known(province), expected);
        assert_int_equal(county_form_ok(province * 10000 + 101), expected);
        known += expected;
    }
    assert_int_equal(known, 34);
    assert_true(county_form_ok(422828));
    assert_true(county_form_ok(469001));
    assert_false(county_form_ok(420000));
    assert_false(county_form_ok(422800));
    assert_false(county_form_ok(0));
    assert_false(county_form_ok(42282));
    assert_false(county_form_ok(4228281));
    assert_false(county_form_ok(UINT32_MAX));
    assert_int_equal(county_resolve(NULL, 422828), 422828);
    assert_int_equal(county_resolve(NULL, 422800), 0);
}

static void test_list(void **state)
{
    (void)state;
    /* A byte order mark, CRLF, quotes, an empty line, no newline at the end. */
    const struct slice counties = SLICE("\xEF\xBB\xBFname,code,\"note\"\r\n"
                                        "Hefeng,422828,\"tea, and \"\"more\"\"\r\nof it\"\r\n"
                                        "\r\n"
                                        "\"Xuan'en\",\"422825\",\n"
                                        "Miyun,110118,x");
    const struct slice aliases = SLICE("old_code,old_name,primary_code,all\n"
                                       "110228,Miyun,110118,\n"
                                       "130103,Qiaodong,,130102;130104\n");
    struct county_list *list = NULL;
    struct error error = {0};
    int rc = county_list_parse(counties, aliases, &list, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(county_list_count(list), 3);
    assert_int_equal(county_resolve(list, 422828), 422828);
    assert_int_equal(county_resolve(list, 422825), 422825);
    assert_int_equal(county_resolve(list, 110118), 110118);
    assert_int_equal(county_resolve(list, 110228), 110118);
    assert_int_equal(county_resolve(list, 130103), 0); /* divided: no one successor */
    assert_int_equal(county_resolve(list, 422826), 0); /* well formed, but not in the list */
    assert_int_equal(county_resolve(list, 422800), 0);
    county_list_free(list);

    assert_int_equal(county_list_parse(counties, none, &list, &error), 0);
    assert_int_equal(county_resolve(list, 110228), 0);
    county_list_free(list);
    county_list_free(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *counties, *aliases; /* aliases may be NULL */
        enum error_code code;
        const char *text;
    } cases[] = {
        {"", NULL, ERROR_SYNTAX, "county list: it is empty"},
        {"\n\n", NULL, ERROR_SYNTAX, "county list: it is empty"},
        {"code\n", NULL, ERROR_INVALID, "county list: no codes in it"},
        {"Code,name\n422828,x\n", NULL, ERROR_SYNTAX,
         "county list: its first line names no column \"code\""},
        {"code,code\n", NULL, ERROR_SYNTAX, "county list: column \"code\" stands twice"},
        {"code\n422828\n42282\n", NULL, ERROR_INVALID,
         "county list, line 3: expected a 6-digit county code, found \"42282\""},
        {"code\n422828\n\r422825\n", NULL, ERROR_INVALID,
         "county list, line 3: expected a 6-digit county code, found \"\r422825\""},
        {"code\n422800\n", NULL, ERROR_INVALID,
         "county list, line 2: expected a 6-digit county code, found \"422800\""},
        {"code\n 422828\n", NULL, ERROR_INVALID,
         "county list, line 2: expected a 6-digit county code, found \" 422828\""},
        {"code,name\n422828,\"two\nlines\"\n422825,x\n422828,y\n", NULL, ERROR_CONFLICT,
         "county list, line 5: code 422828 stands twice"},
        {"code,name\n422828\n", NULL, ERROR_SYNTAX,
         "county list, line 2: 1 cells where the first line has 2"},
        {"code,name\n422828,x,y\n", NULL, ERROR_SYNTAX,
         "county list, line 2: 3 cells where the first line has 2"},
        {"code,name\n422828,\"x\n", NULL, ERROR_SYNTAX,
         "county list, line 2: a quote is never closed"},
        {"code,name\n422828,\"x\"y\n", NULL, ERROR_SYNTAX,
         "county list, line 2: a quote in the middle of a cell"},
        {"code,name\n422828,x\"y\"\n", NULL, ERROR_SYNTAX,
         "county list, line 2: a quote in the middle of a cell"},
        {"code\n110118\n", "", ERROR_SYNTAX, "list of retired codes: it is empty"},
        {"code\n110118\n", "old_code\n110228\n", ERROR_SYNTAX,
         "list of retired codes: its first line names no column \"primary_code\""},
        {"code\n110118\n", "old_code,primary_code\n110228,110119\n", ERROR_INVALID,
         "list of retired codes, line 2: expected a code of the county list, found \"110119\""},
        {"code\n110118\n", "old_code,primary_code\n110118,110118\n", ERROR_CONFLICT,
         "list of retired codes, line 2: code 110118 stands twice"},
        {"code\n110118\n", "old_code,primary_code\n110228,110118\n110229,110228\n", ERROR_INVALID,
         "list of retired codes, line 3: expected a code of the county list, found \"110228\""},
        {"code\n110118\n", "old_code,primary_code\nx,110118\n", ERROR_INVALID,
         "list of retired codes, line 2: expected a 6-digit county code, found \"x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct county_list *list = NULL;
        struct error error = {0};
        int rc = county_list_parse(slice_of(cases[i].counties), slice_of(cases[i].aliases), &list,
                                   &error);
        assert_string_equal(error.text, cases[i].text);
        assert_int_equal(rc, cases[i].code);
        assert_null(list);
        assert_int_equal(
            county_list_parse(slice_of(cases[i].counties), slice_of(cases[i].aliases), &list, NULL),
            cases[i].code);
    }
}

/* The n-th of all well-formed codes. */
static uint32_t nth_code(uint32_t n)
{
    uint32_t code = 110001;
    for (;; code++)
        if (county_form_ok(code) && n-- == 0)
            return code;
}

static void test_bound(void **state)
{
    (void)state;
    for (uint32_t count = 10000; count <= 10001; count++) {
        struct buffer text = BUFFER_INIT;
        struct county_list *list = NULL;
        struct error error = {0};
        uint32_t code = 110000;
        buffer_append_text(&text, "code\n");
        for (uint32_t i = 0; i < count; i++) {
            do
                code++;
            while (!county_form_ok(code));
            buffer_printf(&text, "%06u\n", code);
        }
        int rc = county_list_parse(buffer_slice(&text), none, &list, &error);
        assert_int_equal(rc, count == 10000 ? 0 : ERROR_LIMIT);
        if (rc == 0) {
            assert_int_equal(county_list_count(list), count);
            for (uint32_t asked = 100000; asked < 830000; asked++) {
                bool expected = county_form_ok(asked) && asked <= code;
                assert_int_equal(county_resolve(list, asked), expected ? asked : 0);
            }
            assert_int_equal(county_resolve(list, nth_code(9999)), code);
            county_list_free(list);
        }
        buffer_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
