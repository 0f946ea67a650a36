/*
 * The reader against jansson, on a corpus and on random mutations of it by a fixed plan: both must
 * accept the same texts and read the same values. What that means stands with the fuzz targets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../fuzz/against_jansson.h"

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

static void check(const char *text, size_t size, unsigned seed,
                  size_t counts[JANSSON_OUTCOME_COUNT])
{
    /* In a block of its own size, so that the sanitizer sees a read past the end. */
    char *exact = mem_alloc(size);
    const char *what;
    memcpy(exact, text, size);
    enum jansson_outcome outcome = jansson_compare_text((struct slice){exact, size}, &what);
    counts[outcome]++;
    if (outcome == DIFFERENT)
        print_error("seed %u: %s differs: %.*s\n", seed, what, (int)size, exact);
    assert_int_not_equal(outcome, DIFFERENT);
    free(exact);
}

static void test_corpus(void **state)
{
    (void)state;
    size_t counts[JANSSON_OUTCOME_COUNT] = {0};
    for (size_t i = 0; i < COUNT(corpus); i++)
        check(corpus[i], strlen(corpus[i]), 0, counts);
    assert_int_equal(counts[BOTH_ACCEPT], 10);
    assert_int_equal(counts[INTENDED], 2); /* 1e309 and a huge integer; a key of U+0000 */
}

static void test_every_prefix(void **state)
{
    (void)state;
    size_t counts[JANSSON_OUTCOME_COUNT] = {0};
    for (size_t i = 0; i < COUNT(corpus); i++)
        for (size_t size = 0; size < strlen(corpus[i]); size++)
            check(corpus[i], size, (unsigned)size, counts);
}

static void test_mutations(void **state)
{
    (void)state;
    size_t counts[JANSSON_OUTCOME_COUNT] = {0};
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
