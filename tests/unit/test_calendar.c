/* Business days against the C library's calendar, which goes another way about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "livetally/calendar.h"
#include "livetally/error.h"

static const struct calendar china = {480};

static void test_known(void **state)
{
    (void)state;
    /* 2025-10-01T00:00:00+08:00 */
    const int64_t midnight = INT64_C(1759248000000);
    assert_int_equal(calendar_day(&china, midnight), 20251001);
    assert_int_equal(calendar_day(&china, midnight - 1), 20250930);
    assert_int_equal(calendar_hour(&china, midnight - 1), 2025093023);
    assert_int_equal(calendar_minute(&china, midnight - 1), 59);
    assert_int_equal(calendar_hour(&china, midnight), 2025100100);
    assert_int_equal(calendar_minute(&china, midnight), 0);
    assert_int_equal(calendar_day_start_ms(&china, 20251001), midnight);
    assert_int_equal(calendar_hour_start_ms(&china, 2025093023), midnight - HOUR_MS);
    assert_int_equal(calendar_next_midnight_ms(&china, midnight - 1), midnight);
    assert_int_equal(calendar_next_midnight_ms(&china, midnight), midnight + DAY_MS);
}

static void test_ends_of_time(void **state)
{
    (void)state;
    assert_int_equal(calendar_day(&china, INT64_MIN), 19700101);
    assert_int_equal(calendar_day(&china, -9 * HOUR_MS), 19700101);
    assert_int_equal(calendar_hour(&china, 0), 1970010108);
    assert_int_equal(calendar_day(&china, INT64_MAX), 42941231);
    assert_int_equal(calendar_hour(&china, INT64_MAX), UINT32_C(4294123123));
    assert_int_equal(calendar_minute(&china, INT64_MAX), 59);
    assert_int_equal(calendar_next_midnight_ms(&china, INT64_MIN), 16 * HOUR_MS);
}

static void compare(const struct calendar *calendar, int64_t time_ms)
{
    time_t local = (time_t)((time_ms + calendar->offset_minutes * MINUTE_MS) / 1000);
    struct tm tm;
    assert_non_null(gmtime_r(&local, &tm));
    uint32_t day = (uint32_t)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday);
    assert_int_equal(calendar_day(calendar, time_ms), day);
    assert_int_equal(calendar_hour(calendar, time_ms), day * 100 + (uint32_t)tm.tm_hour);
    assert_int_equal(calendar_minute(calendar, time_ms), tm.tm_min);

    int64_t start = calendar_day_start_ms(calendar, day);
    assert_true(start <= time_ms && time_ms < start + DAY_MS);
    assert_int_equal(calendar_day(calendar, start), day);
    assert_int_equal(calendar_next_midnight_ms(calendar, time_ms), start + DAY_MS);
    int64_t hour_start = calendar_hour_start_ms(calendar, calendar_hour(calendar, time_ms));
    assert_true(hour_start <= time_ms && time_ms < hour_start + HOUR_MS);
}

static void test_against_libc(void **state)
{
    (void)state;
    static const int32_t offsets[] = {480, 0, -720, 840, -330, 345};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct calendar calendar = {offsets[i]};
        /* Every day's last and first millisecond, in the years that leap years can go wrong. */
        for (int64_t day = 1; day < 80000; day++) {
            int64_t start = day * DAY_MS - offsets[i] * MINUTE_MS;
            compare(&calendar, start - (day > 1));
            compare(&calendar, start);
        }
        unsigned seed = 7 + (unsigned)i;
        for (int n = 0; n < 20000; n++) {
            int64_t time_ms = ((int64_t)rand_r(&seed) << 15 ^ rand_r(&seed)) + DAY_MS;
            compare(&calendar, time_ms);
        }
    }
}

static void test_offsets(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "8",       "+8:00", "+08:60", "+14:01",
                                      "-12:01", "+0800",   "08:00", "+08:0a", "+99:00",
                                      "utc",    "+08:00 ", "Z",     "+ 8:00", "--8:00"};
    int32_t offset = 12345;
    char text[7];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(calendar_parse_offset(slice_of(bad[i]), &offset), ERROR_INVALID);
        assert_int_equal(offset, 12345);
    }
    assert_int_equal(calendar_parse_offset((struct slice){NULL, 0}, &offset), ERROR_INVALID);
    assert_int_equal(calendar_parse_offset(SLICE("+00:00"), &offset), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(calendar_parse_offset(SLICE("-05:30"), &offset), 0);
    assert_int_equal(offset, -330);
    calendar_format_offset(480, text);
    assert_string_equal(text, "+08:00");
    calendar_format_offset(0, text);
    assert_string_equal(text, "UTC");
    for (int32_t minutes = -720; minutes <= 840; minutes++) {
        calendar_format_offset(minutes, text);
        assert_int_equal(calendar_parse_offset(slice_of(text), &offset), 0);
        assert_int_equal(offset, minutes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_ends_of_time),
        cmocka_unit_test(test_against_libc),
        cmocka_unit_test(test_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
