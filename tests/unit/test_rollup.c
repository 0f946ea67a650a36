/*
 * Groups, cells and values as text: what stands in Redis, written and read back, and everything
 * that must not be read.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "livetally/error.h"
#include "livetally/rollup.h"

#define MOST "9007199254740991" /* TOTAL_MAX */

static struct group_key make_key(enum rollup rollup, enum period period, uint32_t when,
                                 uint32_t first)
{
    return (struct group_key){(uint16_t)rollup, (uint16_t)period, when, first};
}

static void assert_buffer(struct buffer *buffer, const char *expected)
{
    assert_string_equal(buffer_cstr(buffer), expected);
    buffer_reset(buffer);
}

static void keys_are_as_documented(void **state)
{
    (void)state;
    struct names *names = names_new();
    struct buffer out = BUFFER_INIT;
    uint32_t room = names_intern(names, SLICE("room-9"));

    group_key_write(&out, names, make_key(ROLLUP_HOST, PERIOD_ALL, 0, 0));
    assert_buffer(&out, "all:host");
    group_key_write(&out, names, make_key(ROLLUP_TOTAL, PERIOD_DAY, 20261122, 0));
    assert_buffer(&out, "day:20261122:total");
    group_key_write(&out, names, make_key(ROLLUP_COUNTY_PRODUCT, PERIOD_ALL, 0, 422828));
    assert_buffer(&out, "all:county+product:422828");
    group_key_write(&out, names, make_key(ROLLUP_SESSION_PRODUCT, PERIOD_ALL, 0, room));
    assert_buffer(&out, "all:session+product:room-9");
    group_key_write(&out, names, make_key(ROLLUP_HOST, PERIOD_MINUTE, 2026112210, room));
    assert_buffer(&out, "minute:2026112210:host:room-9");
    group_key_write(&out, names, make_key(ROLLUP_COUNTY, PERIOD_MINUTE, 2026112210, 110101));
    assert_buffer(&out, "minute:2026112210:county:110101");
    group_key_write(&out, names, make_key(ROLLUP_TOTAL, PERIOD_MINUTE, 2026112210, 0));
    assert_buffer(&out, "minute:2026112210:total");
    buffer_done(&out);
    names_free(names);
}

static void dimensions_follow_the_period(void **state)
{
    (void)state;
    struct group_key key = make_key(ROLLUP_HOST, PERIOD_MINUTE, 2026112210, 1);

    assert_int_equal(group_first_dimension(key), DIMENSION_HOST);
    assert_int_equal(group_cell_dimension(key), DIMENSION_NONE);
    key.period = PERIOD_DAY;
    assert_int_equal(group_first_dimension(key), DIMENSION_NONE);
    assert_int_equal(group_cell_dimension(key), DIMENSION_HOST);
    key.rollup = ROLLUP_PLATFORM_COUNTY;
    assert_int_equal(group_first_dimension(key), DIMENSION_PLATFORM);
    assert_int_equal(group_cell_dimension(key), DIMENSION_COUNTY);
}

static void assert_field(struct names *names, struct group_key key, uint32_t cell,
                         const char *expected)
{
    struct buffer out = BUFFER_INIT;
    uint32_t back = 4711;

    cell_field_write(&out, names, key, cell);
    assert_int_equal(cell_field_read(names, key, buffer_slice(&out), &back), 0);
    assert_int_equal(back, cell);
    assert_buffer(&out, expected);
    buffer_done(&out);
}

static void fields_read_back(void **state)
{
    (void)state;
    struct names *names = names_new();
    uint32_t tea = names_intern(names, SLICE("tea:@.~_-9"));

    assert_field(names, make_key(ROLLUP_PRODUCT, PERIOD_ALL, 0, 0), tea, "tea:@.~_-9");
    assert_field(names, make_key(ROLLUP_COUNTY, PERIOD_DAY, 20261122, 0), 422828, "422828");
    assert_field(names, make_key(ROLLUP_TOTAL, PERIOD_ALL, 0, 0), 1, "total");
    for (uint32_t minute = 0; minute < 60; minute++) {
        char text[16];
        snprintf(text, sizeof(text), "%" PRIu32, minute);
        assert_field(names, make_key(ROLLUP_HOST, PERIOD_MINUTE, 2026112210, tea), minute, text);
    }
    names_free(names);
}

static void bad_fields_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum rollup rollup;
        enum period period;
        const char *field;
    } bad[] = {
        {ROLLUP_TOTAL, PERIOD_ALL, "totals"},
        {ROLLUP_TOTAL, PERIOD_ALL, ""},
        {ROLLUP_TOTAL, PERIOD_ALL, "1"},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "60"},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "00"},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "07"},
        {ROLLUP_TOTAL, PERIOD_MINUTE, ""},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "-1"},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "5 "},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "+5"},
        {ROLLUP_TOTAL, PERIOD_MINUTE, "total"},
        {ROLLUP_COUNTY, PERIOD_ALL, "42282"},
        {ROLLUP_COUNTY, PERIOD_ALL, "0422828"},
        {ROLLUP_COUNTY, PERIOD_ALL, "42282x"},
        {ROLLUP_COUNTY, PERIOD_ALL, "422800"},
        {ROLLUP_COUNTY, PERIOD_ALL, "992828"},
        {ROLLUP_HOST, PERIOD_ALL, ""},
        {ROLLUP_HOST, PERIOD_ALL, "a b"},
        {ROLLUP_HOST, PERIOD_ALL, "\xe5\xae\xb6"},
        {ROLLUP_HOST, PERIOD_ALL, "a/b"},
    };
    struct names *names = names_new();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t cell = 4711;
        struct group_key key = make_key(bad[i].rollup, bad[i].period, 0, 0);
        assert_int_equal(cell_field_read(names, key, slice_of(bad[i].field), &cell), ERROR_CORRUPT);
        assert_int_equal(cell, 4711);
    }
    assert_int_equal(names_count(names), 0);
    names_free(names);
}

static void values_read_back(void **state)
{
    (void)state;
    static const struct metrics samples[] = {
        {{0, 0, 0, 0, 0, 0}},
        {{12, 30, 158000, 1, 7900, 1}},
        {{TOTAL_MAX, TOTAL_MAX, TOTAL_MAX, TOTAL_MAX, TOTAL_MAX, TOTAL_MAX}},
    };
    static const uint64_t versions[] = {0, 1042, INT64_MAX};
    static const char *const texts[] = {
        "0 0 0 0 0 0 0",
        "12 30 158000 1 7900 1 1042",
        MOST " " MOST " " MOST " " MOST " " MOST " " MOST " 9223372036854775807",
    };

    for (size_t i = 0; i < 3; i++) {
        struct buffer out = BUFFER_INIT;
        struct metrics metrics;
        uint64_t version;
        cell_value_write(&out, &samples[i], versions[i]);
        assert_int_equal(cell_value_read(buffer_slice(&out), &metrics, &version), 0);
        assert_memory_equal(&metrics, &samples[i], sizeof(metrics));
        assert_int_equal(version, versions[i]);
        assert_buffer(&out, texts[i]);
        buffer_done(&out);
    }
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1",
        "1 2 3 4 5 6",
        "1 2 3 4 5 6 ",
        "1 2 3 4 5 6 7 ",
        "1 2 3 4 5 6 7 8",
        " 1 2 3 4 5 6 7",
        "1  2 3 4 5 6 7",
        "1 2 3 4 5 6 -7",
        "-1 2 3 4 5 6 7",
        "+1 2 3 4 5 6 7",
        "01 2 3 4 5 6 7",
        "1 2 3 4 5 6 07",
        "1 2 3 4.0 5 6 7",
        "1 2 3 4 5 6 x",
        "1\t2 3 4 5 6 7",
        "9007199254740992 2 3 4 5 6 7",
        "1 2 3 4 5 6 9223372036854775808",
        "1 2 3 4 5 6 99999999999999999999999",
    };
    struct metrics metrics = {{7, 7, 7, 7, 7, 7}};
    uint64_t version = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(cell_value_read(slice_of(bad[i]), &metrics, &version), ERROR_CORRUPT);
    assert_int_equal(cell_value_read((struct slice){NULL, 0}, &metrics, &version), ERROR_CORRUPT);
    assert_int_equal(version, 7);
    assert_int_equal(metrics.v[0], 7);
}

static void net_is_what_stays(void **state)
{
    (void)state;
    struct metrics sum = {{1, 2, 1000, 0, 0, 0}};
    const struct metrics delta = {{0, 0, 0, 1, 300, 1}};

    metrics_add(&sum, &delta);
    assert_int_equal(metrics_net(&sum), 700);
    assert_int_equal(sum.v[METRIC_RETURNED], 1);
    assert_string_equal(metric_names[METRIC_REFUNDED], "refunded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_as_documented), cmocka_unit_test(dimensions_follow_the_period),
        cmocka_unit_test(fields_read_back),       cmocka_unit_test(bad_fields_are_refused),
        cmocka_unit_test(values_read_back),       cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(net_is_what_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
