/*
 * The spelling of order ids as fields of the ledger: both ways the same, no two ids alike, and
 * nothing else is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/error.h"
#include "livetally/event.h"
#include "livetally/order_field.h"

static uint64_t random_state = 7;

static uint32_t random_below(uint32_t below)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % below;
}

static void assert_field(const char *id, const char *bytes, size_t size)
{
    char room[ORDER_FIELD_MAX_BYTES], text[ORDER_FIELD_DIGITS_MAX];
    struct slice field = order_field_of(slice_of(id), room), back;
    assert_int_equal(size, field.size);
    assert_memory_equal(bytes, field.data, size);
    assert_int_equal(0, order_field_read(field, text, &back));
    assert_true(slice_equal(slice_of(id), back));
}

#define ASSERT_FIELD(id, bytes) assert_field(id, bytes, sizeof(bytes) - 1)

static void test_numbers_are_packed(void **state)
{
    (void)state;
    ASSERT_FIELD("0", "\x01\x00");
    ASSERT_FIELD("7", "\x01\x07");
    ASSERT_FIELD("07", "\x02\x07");
    ASSERT_FIELD("000", "\x03\x00\x00");
    ASSERT_FIELD("65535", "\x05\x00\xff\xff");
    ASSERT_FIELD("12345678", "\x08\x00\xbc\x61\x4e");
    ASSERT_FIELD("0000000000000000001", "\x13\x00\x00\x00\x00\x00\x00\x00\x01");
    ASSERT_FIELD("6917000000000000001", "\x13\x5f\xfe\x1e\xda\x27\x60\x80\x01");
    ASSERT_FIELD("9223372036854775807", "\x13\x7f\xff\xff\xff\xff\xff\xff\xff");
    ASSERT_FIELD("9999999999999999999", "\x13\x8a\xc7\x23\x04\x89\xe7\xff\xff");
}

static void test_other_ids_are_their_own_fields(void **state)
{
    (void)state;
    static const char *const ids[] = {"10000000000000000000",
                                      "00000000000000000001",
                                      "18446744073709551615",
                                      "douyin:6917000000000000001",
                                      "6917-1",
                                      "1.5",
                                      "-1",
                                      "1e3",
                                      "A",
                                      "691700000000000000A",
                                      "a917000000000000001",
                                      "~"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_field(ids[i], ids[i], strlen(ids[i]));
}

static void assert_corrupt(const char *bytes, size_t size)
{
    char text[ORDER_FIELD_DIGITS_MAX];
    struct slice id;
    assert_int_equal(ERROR_CORRUPT, order_field_read((struct slice){bytes, size}, text, &id));
}

#define ASSERT_CORRUPT(bytes) assert_corrupt(bytes, sizeof(bytes) - 1)

static void test_anything_else_is_corrupt(void **state)
{
    (void)state;
    ASSERT_CORRUPT("");
    ASSERT_CORRUPT("7"); /* a number as text */
    ASSERT_CORRUPT("6917000000000000001");
    ASSERT_CORRUPT("\x01");             /* cut off */
    ASSERT_CORRUPT("\x01\x07\x00");     /* too long */
    ASSERT_CORRUPT("\x01\x0a");         /* more than one digit */
    ASSERT_CORRUPT("\x05\x01\x86\xa0"); /* 100000 has six */
    ASSERT_CORRUPT("\x13\x8a\xc7\x23\x04\x89\xe8\x00\x00");
    ASSERT_CORRUPT("\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00"); /* no id has such a byte */
    ASSERT_CORRUPT("\x00");
    ASSERT_CORRUPT("\x00\x00");
    ASSERT_CORRUPT("a b");
    ASSERT_CORRUPT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

/* Against printf: every number of digits, any zeros before them. */
static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char id[32], again[32], room[ORDER_FIELD_MAX_BYTES], text[ORDER_FIELD_DIGITS_MAX];
        int digits = 1 + (int)random_below(ORDER_FIELD_DIGITS_MAX);
        for (int d = 0; d < digits; d++)
            id[d] = (char)('0' + (random_below(4) ? random_below(10) : 0));
        id[digits] = '\0';
        uint64_t number;
        assert_true(order_field_number(slice_of(id), &number));
        assert_int_equal(strtoull(id, NULL, 10), number);
        struct slice field = order_field_of(slice_of(id), room), back;
        assert_int_equal(0, order_field_read(field, text, &back));
        snprintf(again, sizeof again, "%.*s", SLICE_ARG(back));
        assert_string_equal(id, again);
    }
}

/* One character that is no digit, anywhere, makes it a text. */
static void test_every_place_is_looked_at(void **state)
{
    (void)state;
    static const char others[] = "/:aAzZ._~@-";
    for (size_t size = 1; size <= ORDER_FIELD_DIGITS_MAX; size++)
        for (size_t place = 0; place < size; place++)
            for (const char *other = others; *other; other++) {
                char id[ORDER_FIELD_DIGITS_MAX];
                uint64_t number;
                memset(id, '4', sizeof id);
                assert_true(order_field_number((struct slice){id, size}, &number));
                id[place] = *other;
                assert_false(order_field_number((struct slice){id, size}, &number));
            }
}

/* Whatever is read is what writing makes: one spelling. */
static void test_mutations_are_refused_or_canonical(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char bytes[12], text[ORDER_FIELD_DIGITS_MAX], room[ORDER_FIELD_MAX_BYTES];
        size_t size = random_below(sizeof bytes);
        struct slice id;
        for (size_t k = 0; k < size; k++)
            bytes[k] = (char)(random_below(2) ? random_below(256) : random_below(21));
        if (order_field_read((struct slice){bytes, size}, text, &id) != 0)
            continue;
        assert_true(id_ok(id));
        assert_true(slice_equal((struct slice){bytes, size}, order_field_of(id, room)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_packed),
        cmocka_unit_test(test_other_ids_are_their_own_fields),
        cmocka_unit_test(test_anything_else_is_corrupt),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_place_is_looked_at),
        cmocka_unit_test(test_mutations_are_refused_or_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
