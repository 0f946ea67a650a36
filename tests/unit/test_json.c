/* The JSON reader's rules one by one, and the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/json.h"
#include "livetally/mem.h"

/* What the reader makes of a text: kinds, decoded strings, integers; or "error: …". */
static void describe_value(struct json_reader *reader, enum json_kind kind, struct buffer *out)
{
    struct json_string key;
    char bytes[512];
    switch (kind) {
    case JSON_OBJECT:
        buffer_append_byte(out, '{');
        while (json_reader_key(reader, &key)) {
            assert_true(key.raw.size <= sizeof bytes);
            buffer_append(out, bytes, json_string_decode(key, bytes));
            buffer_append_byte(out, '=');
            describe_value(reader, json_reader_next(reader), out);
            buffer_append_byte(out, ' ');
        }
        buffer_append_byte(out, '}');
        break;
    case JSON_ARRAY:
        buffer_append_byte(out, '[');
        while (json_reader_element(reader)) {
            describe_value(reader, json_reader_next(reader), out);
            buffer_append_byte(out, ' ');
        }
        buffer_append_byte(out, ']');
        break;
    case JSON_STRING:
        assert_true(reader->string.raw.size <= sizeof bytes);
        buffer_append_byte(out, '\'');
        buffer_append(out, bytes, json_string_decode(reader->string, bytes));
        buffer_append_byte(out, '\'');
        break;
    case JSON_INT:
        buffer_append_int(out, reader->integer);
        break;
    case JSON_NUMBER:
        buffer_append_byte(out, '#');
        buffer_append_slice(out, reader->string.raw);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        buffer_append_text(out, kind == JSON_TRUE ? "true" : kind == JSON_FALSE ? "false" : "null");
        break;
    case JSON_ERROR:
        break;
    }
}

static const char *describe(struct slice text, struct buffer *out)
{
    /* In a block of its own size, so that the sanitizer sees a read past the end. */
    char *exact = mem_alloc(text.size);
    if (text.size)
        memcpy(exact, text.data, text.size);
    struct json_reader reader;
    buffer_reset(out);
    json_reader_init(&reader, (struct slice){exact, text.size});
    describe_value(&reader, json_reader_next(&reader), out);
    bool whole = json_reader_end(&reader);
    assert_int_equal(whole, json_reader_ok(&reader));
    if (!whole) {
        buffer_reset(out);
        buffer_printf(out, "%zu: %s", json_reader_offset(&reader), reader.error);
    }

    /* Skipping the value must come to the same verdict, at the same place. */
    struct json_reader skipping;
    json_reader_init(&skipping, (struct slice){exact, text.size});
    bool skipped = json_reader_skip(&skipping) && json_reader_end(&skipping);
    assert_int_equal(skipped, whole);
    assert_int_equal(json_reader_offset(&skipping), json_reader_offset(&reader));
    if (!whole)
        assert_string_equal(skipping.error, reader.error);
    free(exact);
    return buffer_cstr(out);
}

struct sample {
    const char *text;
    const char *expected;
};

static void check_samples(const struct sample *samples, size_t count)
{
    struct buffer out = BUFFER_INIT;
    for (size_t i = 0; i < count; i++) {
        const char *got = describe(slice_of(samples[i].text), &out);
        if (strcmp(got, samples[i].expected) != 0)
            print_error("sample: %s\n", samples[i].text);
        assert_string_equal(got, samples[i].expected);
    }
    buffer_done(&out);
}

static void test_accepted(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"{}", "{}"},
        {"[]", "[]"},
        {" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", "{a=[1 2 ] b={} }"},
        {"null", "null"},
        {"[true,false,null]", "[true false null ]"},
        {"\"\"", "''"},
        {"\"a\x7F\"", "'a\x7F'"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "'\"\\/\b\f\n\r\t'"},
        {"\"\\u0041\\u00e9\\u00E9\\u53bF\\ud83d\\uDE00\"", "'Aéé县😀'"},
        {"\"县😀é\"", "'县😀é'"},
        {"0", "0"},
        {"-0", "0"},
        {"10", "10"},
        {"-7", "-7"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "#9223372036854775808"},
        {"-9223372036854775809", "#-9223372036854775809"},
        {"18446744073709551616", "#18446744073709551616"},
        {"10000000000000000000000", "#10000000000000000000000"},
        {"1.0", "#1.0"},
        {"-0.5e+10", "#-0.5e+10"},
        {"1E999", "#1E999"},
        {"0e0", "#0e0"},
        {"{\"\":1}", "{=1 }"},
        {"{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}", "{a={a=1 } b=[{a=2 } {a=3 } ] }"},
        {"[[[[[[[[]]]]]]]]", "[[[[[[[[] ] ] ] ] ] ] ]"},
    };
    check_samples(samples, sizeof samples / sizeof *samples);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "0: expected a value"},
        {"  ", "2: expected a value"},
        {"{", "1: expected a key in double quotes"},
        {"[", "1: expected a value"},
        {"[1", "2: expected ',' or ']'"},
        {"{\"a\":1", "6: expected ',' or '}'"},
        {"[1,]", "3: expected a value"},
        {"[,1]", "1: expected a value"},
        {"[1 2]", "3: expected ',' or ']'"},
        {"[1}", "2: expected ',' or ']'"},
        {"{\"a\":1,}", "7: expected a key in double quotes"},
        {"{,}", "1: expected a key in double quotes"},
        {"{a:1}", "1: expected a key in double quotes"},
        {"{'a':1}", "1: expected a key in double quotes"},
        {"{\"a\" 1}", "5: expected ':'"},
        {"{\"a\":}", "5: expected a value"},
        {"{\"a\":1]", "6: expected ',' or '}'"},
        {"{\"a\"}", "4: expected ':'"},
        {"{1:1}", "1: expected a key in double quotes"},
        {"]", "0: expected a value"},
        {"{}{}", "2: something follows the value"},
        {"1 2", "2: something follows the value"},
        {"\xEF\xBB\xBF{}", "0: expected a value"},
        {"\xC2\xA0{}", "0: expected a value"},
        {"tru", "0: expected a value"},
        {"True", "0: expected a value"},
        {"nullx", "4: something follows the value"},
        {"NaN", "0: expected a value"},
        {"-", "1: expected a digit"},
        {"-a", "1: expected a digit"},
        {"+1", "0: expected a value"},
        {".5", "0: expected a value"},
        {"00", "0: a number with a leading zero"},
        {"-012", "1: a number with a leading zero"},
        {"1.", "2: expected a digit after the decimal point"},
        {"1.e1", "2: expected a digit after the decimal point"},
        {"1e", "2: expected a digit in the exponent"},
        {"1e+", "3: expected a digit in the exponent"},
        {"0x10", "1: something follows the value"},
        {"-Infinity", "1: expected a digit"},
        {"\"", "1: the text ends within a string"},
        {"\"abcdefghijk", "12: the text ends within a string"},
        {"\"a\nb\"", "2: a control character within a string"},
        {"\"\x1F\"", "1: a control character within a string"},
        {"\"\\", "1: an escape that JSON does not have"},
        {"\"\\a\"", "1: an escape that JSON does not have"},
        {"\"\\u12\"", "1: \\u needs four hexadecimal digits"},
        {"\"\\u12g4\"", "1: \\u needs four hexadecimal digits"},
        {"\"\\ud800\"", "1: half of a surrogate pair"},
        {"\"\\ud800\\n\"", "1: half of a surrogate pair"},
        {"\"\\ud800\\ud800\"", "1: half of a surrogate pair"},
        {"\"\\udc00\\ud800\"", "1: half of a surrogate pair"},
        {"\"\\ud800\\udc0\"", "1: half of a surrogate pair"},
        {"\"\xC0\x80\"", "1: not UTF-8"},
        {"\"\xED\xA0\x80\"", "1: not UTF-8"},
        {"\"ok\xF4\x90\x80\x80\"", "3: not UTF-8"},
        {"\"\xE5\x8E\"", "1: not UTF-8"},
        {"\"\xE5\x8E\xBF\xFF\"", "4: not UTF-8"},
        {"[1,//\n2]", "3: expected a value"},
        {"{\"a\":1,\"a\":2}", "7: the same key twice in one object"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":2}", "13: the same key twice in one object"},
        {"{\"\\u0061\":1,\"b\":2,\"a\":2}", "18: the same key twice in one object"},
        {"{\"é\":1,\"\\u00e9\":2}", "8: the same key twice in one object"},
        {"{\"\\u00e9\":1,\"\\u00E9\":2}", "12: the same key twice in one object"},
        {"{\"\":1,\"\":2}", "6: the same key twice in one object"},
        {"[{\"x\":{\"a\":1,\"a\":2}}]", "13: the same key twice in one object"},
        {"[[[[[[[[[]]]]]]]]]", "8: nested too deep"},
        {"{\"a\":[[[[[[[{}]]]]]]]}", "12: nested too deep"},
    };
    check_samples(samples, sizeof samples / sizeof *samples);
}

static void test_nul_byte(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    assert_string_equal(describe(SLICE("\"a\0b\""), &out),
                        "2: a control character within a string");
    assert_string_equal(describe(SLICE("{}\0"), &out), "2: something follows the value");
    assert_string_equal(describe(SLICE("[\0]"), &out), "1: expected a value");
    assert_string_equal(describe(SLICE("\"\\\0\""), &out), "1: an escape that JSON does not have");
    buffer_done(&out);
}

/* Every byte at every place of a string: the eight-byte steps must not miss or invent anything. */
static void test_every_byte(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    for (size_t size = 1; size <= 20; size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[32];
                memset(text, 'x', sizeof text);
                text[0] = '"';
                text[1 + at] = (char)byte;
                text[1 + size] = '"';
                const char *got = describe((struct slice){text, size + 2}, &out);
                bool accepted = strchr(got, ':') == NULL || byte == ':';
                bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                assert_int_equal(accepted, plain);
            }
        }
    }
    buffer_done(&out);
}

static void test_many_keys(void **state)
{
    (void)state;
    struct buffer text = BUFFER_INIT;
    struct buffer out = BUFFER_INIT;
    for (int count = JSON_KEYS_MAX - 1; count <= JSON_KEYS_MAX + 1; count++) {
        buffer_reset(&text);
        buffer_append_byte(&text, '{');
        for (int i = 0; i < count; i++)
            buffer_printf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
        buffer_append_byte(&text, '}');
        const char *got = describe(buffer_slice(&text), &out);
        assert_int_equal(strstr(got, "too many keys") != NULL, count > JSON_KEYS_MAX);
    }
    buffer_done(&text);
    buffer_done(&out);
}

/* Random small keys, written plain or escaped: duplicates are found exactly when there are any. */
static void test_duplicates_against_model(void **state)
{
    (void)state;
    struct buffer text = BUFFER_INIT;
    struct buffer out = BUFFER_INIT;
    const unsigned first_seed = 4000;
    int duplicates = 0;
    for (unsigned seed = first_seed; seed < first_seed + 20000; seed++) {
        unsigned random = seed;
        char keys[12][4];
        int count = rand_r(&random) % 12;
        bool expected = false;
        buffer_reset(&text);
        buffer_append_byte(&text, '{');
        for (int i = 0; i < count; i++) {
            int size = rand_r(&random) % 4;
            for (int j = 0; j < size; j++)
                keys[i][j] = (char)('a' + rand_r(&random) % 4);
            if (size < 4)
                keys[i][size] = '\0';
            buffer_append_text(&text, i ? ",\"" : "\"");
            for (int j = 0; j < size; j++) {
                if (rand_r(&random) % 8 == 0)
                    buffer_printf(&text, "\\u%04x", (unsigned)keys[i][j]);
                else
                    buffer_append_byte(&text, keys[i][j]);
            }
            buffer_append_text(&text, "\":0");
            for (int j = 0; j < i; j++)
                expected |= strncmp(keys[i], keys[j], 4) == 0;
        }
        buffer_append_byte(&text, '}');
        bool found = strstr(describe(buffer_slice(&text), &out), "twice") != NULL;
        if (found != expected)
            print_error("seed %u: %s\n", seed, buffer_cstr(&text));
        assert_int_equal(found, expected);
        duplicates += expected;
    }
    assert_true(duplicates > 1000 && duplicates < 19000);
    buffer_done(&text);
    buffer_done(&out);
}

static void test_partial_reading(void **state)
{
    (void)state;
    struct json_reader reader;
    struct json_string key;
    json_reader_init(&reader, SLICE("{\"a\":[1,{\"x\":2},3],\"b\":{\"c\":4},\"d\":5} "));
    assert_int_equal(json_reader_next(&reader), JSON_OBJECT);
    assert_true(json_reader_key(&reader, &key));
    assert_true(json_string_equals(key, SLICE("a")));
    assert_int_equal(json_reader_next(&reader), JSON_ARRAY);
    assert_true(json_reader_element(&reader));
    assert_int_equal(json_reader_next(&reader), JSON_INT);
    assert_true(json_reader_leave(&reader));
    assert_true(json_reader_key(&reader, &key));
    assert_true(json_string_equals(key, SLICE("b")));
    assert_true(json_reader_skip(&reader));
    assert_true(json_reader_key(&reader, &key));
    struct json_string string;
    int64_t integer = 0;
    assert_int_equal(json_reader_next_to(&reader, &string, &integer), JSON_INT);
    assert_int_equal(integer, 5);
    assert_false(json_reader_key(&reader, &key));
    assert_true(json_reader_end(&reader));
}

static void test_error_stays(void **state)
{
    (void)state;
    struct json_reader reader;
    struct json_string key;
    json_reader_init(&reader, SLICE("{\"a\":x,\"b\":1}"));
    assert_int_equal(json_reader_next(&reader), JSON_OBJECT);
    assert_true(json_reader_key(&reader, &key));
    assert_int_equal(json_reader_next(&reader), JSON_ERROR);
    const char *error = reader.error;
    assert_int_equal(json_reader_next(&reader), JSON_ERROR);
    assert_false(json_reader_key(&reader, &key));
    assert_false(json_reader_element(&reader));
    assert_false(json_reader_skip(&reader));
    assert_false(json_reader_leave(&reader));
    assert_false(json_reader_end(&reader));
    assert_ptr_equal(reader.error, error);
    assert_int_equal(json_reader_offset(&reader), 5);

    json_reader_init(&reader, SLICE("[1]"));
    assert_int_equal(json_reader_next(&reader), JSON_ARRAY);
    assert_false(json_reader_end(&reader));
    assert_string_equal(reader.error, "the text ends within a value");
}

static void test_compare_strings(void **state)
{
    (void)state;
    const struct json_string escaped = {SLICE("a\\u00e9\\n"), true};
    assert_true(json_string_equals(escaped, SLICE("aé\n")));
    assert_false(json_string_equals(escaped, SLICE("aé")));
    assert_false(json_string_equals(escaped, SLICE("aé\n\n")));
    assert_false(json_string_equals(escaped, SLICE("a\\u00e9\\n")));
    const struct json_string plain = {SLICE("county"), false};
    assert_true(json_string_equals(plain, SLICE("county")));
    assert_false(json_string_equals(plain, SLICE("count")));
    assert_true(json_string_same(escaped, (struct json_string){SLICE("\\u0061\\u00E9\\n"), true}));
}

static void test_writer(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    buffer_append_byte(&out, '{');
    json_field_string(&out, "a", SLICE("x\"\\/\b\f\n\r\t\x01\x1F\x7F县"));
    json_field_int(&out, "b", INT64_MIN);
    json_field_uint(&out, "c", UINT64_MAX);
    json_field_bool(&out, "d", true);
    json_write_key(&out, "e");
    buffer_append_byte(&out, '[');
    for (int i = 0; i < 3; i++) {
        json_write_comma(&out);
        json_write_string(&out, (struct slice){NULL, 0});
    }
    buffer_append_text(&out, "]");
    json_field_bool(&out, "f", false);
    buffer_append_byte(&out, '}');
    assert_string_equal(buffer_cstr(&out),
                        "{\"a\":\"x\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F县\","
                        "\"b\":-9223372036854775808,\"c\":18446744073709551615,\"d\":true,"
                        "\"e\":[\"\",\"\",\"\"],\"f\":false}");
    buffer_reset(&out);
    json_write_string(&out, SLICE("a\xFF"
                                  "b\xE5\x8E"
                                  "c\xED\xA0\x80"));
    assert_string_equal(buffer_cstr(&out), "\"a\xEF\xBF\xBD"
                                           "b\xEF\xBF\xBD\xEF\xBF\xBD"
                                           "c\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    buffer_done(&out);
}

/* What the writer writes, the reader reads back. */
static void test_round_trip(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    unsigned random = 77;
    for (int round = 0; round < 20000; round++) {
        char text[64], back[512];
        size_t size = 0;
        size_t characters = (size_t)rand_r(&random) % 15;
        for (size_t i = 0; i < characters; i++) {
            static const char *const pieces[] = {"a", "\"", "\\", "\n", "\x01",
                                                 "é", "县", "😀",  "/"};
            const char *piece = pieces[(size_t)rand_r(&random) % 9];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        buffer_reset(&out);
        json_write_string(&out, (struct slice){text, size});
        struct json_reader reader;
        json_reader_init(&reader, buffer_slice(&out));
        assert_int_equal(json_reader_next(&reader), JSON_STRING);
        assert_true(json_reader_end(&reader));
        assert_true(json_string_equals(reader.string, (struct slice){text, size}));
        assert_int_equal(json_string_decode(reader.string, back), size);
        assert_memory_equal(back, text, size);
    }
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul_byte),        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_many_keys),       cmocka_unit_test(test_duplicates_against_model),
        cmocka_unit_test(test_partial_reading), cmocka_unit_test(test_error_stays),
        cmocka_unit_test(test_compare_strings), cmocka_unit_test(test_writer),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
