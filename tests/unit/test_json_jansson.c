/*
 * The reader against jansson, on a corpus and on random mutations of it: both must accept the same
 * texts and read the same values. Where they differ by intent, the difference is named below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Both libraries name their kinds of values JSON_OBJECT and so on. */
#define JSON_OBJECT OUR_OBJECT
#define JSON_ARRAY  OUR_ARRAY
#define JSON_STRING OUR_STRING
#define JSON_TRUE   OUR_TRUE
#define JSON_FALSE  OUR_FALSE
#define JSON_NULL   OUR_NULL
#include "livetally/json.h"
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL
#include <jansson.h>

#include "livetally/mem.h"

#define MUTATIONS  250000
#define TEXT_BYTES 1024

static const char *const corpus[] = {
    "{\"type\":\"order\",\"order_id\":\"6917012345678\",\"host_id\":\"host-1\",\"product_id\":\"p-"
    "42\",\"county\":\"422828\",\"quantity\":2,\"amount\":5990,\"time\":1760000000000}",
    "{\"type\":\"refund\",\"refund_id\":\"r1\",\"order_id\":\"\\u0036917\",\"amount\":-0,\"x\":["
    "1.5,-2e10,{\"y\":null}]}",
    "{\"type\":\"session\",\"session_id\":\"room-9\",\"title\":\"\\u6c34 县 \\ud83d\\ude00 😀 "
    "é\\n\\t\\\"\\\\\\/\"}",
    "[{\"a\":1},{\"a\":2},[],[[]],{},\"\",0,-1,true,false,null]",
    " \t\r\n[ 1 , 2 , { \"k\" : [ ] , \"l\" : { } } ] \n",
    "[9223372036854775807,-9223372036854775808,9223372036854775808,1e308,1e309,0.1,1E+2,1e-400]",
    "{\"a\":1,\"b\":2,\"\\u0061b\":3,\"ab \":4,\"\":5,\"\\u0000\":6,\"é\":7,\"\\u00e8\":8}",
    "[[[[[[[[1]]]]]]]]",
    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}",
    "\"just a string of more than eight bytes\"",
    "-12",
    "[\"\\u0000\",\"\\ud800\\udc00\",\"\\udbff\\udfff\",\"\x7F\",\"\xEF\xBF\xBF\"]",
};

/* What mutations put in: tokens of JSON, and bytes that are trouble. */
static const char *const pieces[] = {
    "{",         "}",          "[",
    "]",         ",",          ":",
    "\"",        "\\",         "\\u",
    "0",         "1",          "-",
    "+",         ".",          "e",
    "E5",        "9",          "00",
    " ",         "\n",         "\t",
    "\x0B",      "\xC2",       "\x80",
    "\xE5\x8E",  "\xF0\x9F",   "\xED\xA0\x80",
    "a",         "\"a\":",     "\\ud83d",
    "\\ude00",   "\\u0000",    "true",
    "\"a\":1,",  "[[[[[",      "]]]]]",
    "//",        "null",       "\x01",
    "\x7F",      "\xFF",       "\\n",
    "\"\\u0061", "1234567890", "\xEF\xBB\xBF",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *compare_value(struct json_reader *reader, const json_t *theirs);

static bool same_text(struct json_string ours, const char *data, size_t size)
{
    char decoded[TEXT_BYTES];
    if (ours.raw.size > sizeof decoded || !json_string_equals(ours, (struct slice){data, size}))
        return false;
    return json_string_decode(ours, decoded) == size && memcmp(decoded, data, size) == 0;
}

static const char *compare_object(struct json_reader *reader, const json_t *theirs)
{
    struct json_string key;
    size_t count = 0;
    if (!json_is_object(theirs))
        return "not an object";
    while (json_reader_key(reader, &key)) {
        char name[TEXT_BYTES + 1];
        name[json_string_decode(key, name)] = '\0';
        const json_t *member = json_object_get(theirs, name);
        if (!member || !same_text(key, name, strlen(name)))
            return "another key";
        const char *difference = compare_value(reader, member);
        if (difference)
            return difference;
        count++;
    }
    return count == json_object_size(theirs) ? NULL : "another number of keys";
}

static const char *compare_array(struct json_reader *reader, const json_t *theirs)
{
    size_t count = 0;
    if (!json_is_array(theirs))
        return "not an array";
    while (json_reader_element(reader)) {
        const char *difference = compare_value(reader, json_array_get(theirs, count++));
        if (difference)
            return difference;
    }
    return count == json_array_size(theirs) ? NULL : "another number of elements";
}

/* NULL when the value that the reader reads next is theirs, else what differs. */
static const char *compare_value(struct json_reader *reader, const json_t *theirs)
{
    bool same = false;
    switch (json_reader_next(reader)) {
    case JSON_ERROR:
        return NULL; /* the verdicts are compared by the caller */
    case OUR_OBJECT:
        return compare_object(reader, theirs);
    case OUR_ARRAY:
        return compare_array(reader, theirs);
    case OUR_STRING:
        same = json_is_string(theirs) &&
               same_text(reader->string, json_string_value(theirs), json_string_length(theirs));
        break;
    case JSON_INT:
        same = json_is_integer(theirs) && json_integer_value(theirs) == reader->integer;
        break;
    case JSON_NUMBER:
        same = json_is_real(theirs);
        break;
    case OUR_TRUE:
        same = json_is_true(theirs);
        break;
    case OUR_FALSE:
        same = json_is_false(theirs);
        break;
    case OUR_NULL:
        same = json_is_null(theirs);
        break;
    }
    return same ? NULL : "another value";
}

enum outcome {
    BOTH_ACCEPT,
    BOTH_REFUSE,
    INTENDED, /* they differ, as we want */
    DIFFERENT,
};

static enum outcome compare_text(struct slice text, const char **ret_what)
{
    json_error_t error;
    struct json_reader reader;
    enum outcome outcome;
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *theirs = json_loadb(text.data, text.size, flags, &error);

    json_reader_init(&reader, text);
    bool ours = json_reader_skip(&reader) && json_reader_end(&reader);
    *ret_what = "the verdict";
    if (ours && theirs) {
        json_reader_init(&reader, text);
        *ret_what = compare_value(&reader, theirs);
        if (!*ret_what && !json_reader_end(&reader))
            *ret_what = "the verdict when values are read";
        outcome = *ret_what ? DIFFERENT : BOTH_ACCEPT;
    } else if (!ours && !theirs) {
        outcome = BOTH_REFUSE;
    } else if (ours) {
        /* jansson turns numbers into C numbers, and keys into C strings. */
        enum json_error_code code = json_error_code(&error);
        outcome = code == json_error_numeric_overflow || code == json_error_null_byte_in_key
                      ? INTENDED
                      : DIFFERENT;
    } else {
        /* Our limits; and jansson passes over a NUL byte after a number. */
        outcome = strcmp(reader.error, "nested too deep") == 0 ||
                          strcmp(reader.error, "too many keys in one object") == 0 ||
                          memchr(text.data, '\0', text.size)
                      ? INTENDED
                      : DIFFERENT;
    }
    json_decref(theirs);
    return outcome;
}

static size_t mutate(char *text, size_t size, unsigned *random)
{
    size_t at = size ? (size_t)rand_r(random) % size : 0;
    size_t span = (size_t)rand_r(random) % 12;
    const char *piece = pieces[(size_t)rand_r(random) % COUNT(pieces)];
    size_t piece_size = strlen(piece);
    if (span > size - at)
        span = size - at;
    switch (rand_r(random) % 6) {
    case 0: /* cut out */
        memmove(text + at, text + at + span, size - at - span);
        return size - span;
    case 1: /* double */
        if (size + span > TEXT_BYTES)
            return size;
        memmove(text + at + span, text + at, size - at);
        return size + span;
    case 2: /* change a bit */
        if (size > 0)
            text[at] = (char)((unsigned char)text[at] ^ 1U << (unsigned)(rand_r(random) % 8));
        return size;
    case 3: /* cut off */
        return rand_r(random) % 4 ? size : at;
    default: /* put in */
        if (size + piece_size > TEXT_BYTES)
            return size;
        memmove(text + at + piece_size, text + at, size - at);
        memcpy(text + at, piece, piece_size);
        return size + piece_size;
    }
}

static void check(const char *text, size_t size, unsigned seed, size_t counts[4])
{
    /* In a block of its own size, so that the sanitizer sees a read past the end. */
    char *exact = mem_alloc(size);
    const char *what;
    memcpy(exact, text, size);
    enum outcome outcome = compare_text((struct slice){exact, size}, &what);
    counts[outcome]++;
    if (outcome == DIFFERENT)
        print_error("seed %u: %s differs: %.*s\n", seed, what, (int)size, exact);
    assert_int_not_equal(outcome, DIFFERENT);
    free(exact);
}

static void test_corpus(void **state)
{
    (void)state;
    size_t counts[4] = {0};
    for (size_t i = 0; i < COUNT(corpus); i++)
        check(corpus[i], strlen(corpus[i]), 0, counts);
    assert_int_equal(counts[BOTH_ACCEPT], 10);
    assert_int_equal(counts[INTENDED], 2); /* 1e309 and a huge integer; a key of U+0000 */
}

static void test_every_prefix(void **state)
{
    (void)state;
    size_t counts[4] = {0};
    for (size_t i = 0; i < COUNT(corpus); i++)
        for (size_t size = 0; size < strlen(corpus[i]); size++)
            check(corpus[i], size, (unsigned)size, counts);
}

static void test_mutations(void **state)
{
    (void)state;
    size_t counts[4] = {0};
    for (unsigned seed = 1; seed <= MUTATIONS; seed++) {
        char text[TEXT_BYTES];
        unsigned random = seed * 2654435761U;
        const char *source = corpus[(size_t)rand_r(&random) % COUNT(corpus)];
        size_t size = strlen(source);
        memcpy(text, source, size);
        for (int rounds = 1 + rand_r(&random) % 3; rounds > 0; rounds--)
            size = mutate(text, size, &random);
        check(text, size, seed, counts);
    }
    print_message("%zu accepted, %zu refused by both, %zu differ as intended\n",
                  counts[BOTH_ACCEPT], counts[BOTH_REFUSE], counts[INTENDED]);
    assert_true(counts[BOTH_ACCEPT] > MUTATIONS / 10);
    assert_true(counts[BOTH_REFUSE] > MUTATIONS / 10);
    assert_true(counts[INTENDED] < MUTATIONS / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
