/*
 * Why this exists: totals are cut into business days, and a day's number stands in Redis keys.
 * Civil dates are computed from day counts (days since 1970-01-01) by shifting the year to start
 * in March, so that the leap day comes last and no tables are needed. No state.
 */
#include "livetally/calendar.h"

#include "livetally/error.h"

#define OFFSET_MIN_MINUTES (-720)
#define OFFSET_MAX_MINUTES 840

/* 4294-12-31: the last year whose hours, as yyyymmddhh, fit uint32_t. */
#define LOCAL_DAYS_MAX INT64_C(849188)

static int64_t offset_ms(const struct calendar *calendar)
{
    return calendar->offset_minutes * MINUTE_MS;
}

/* Business time: milliseconds since 1970-01-01 00:00 on the business's wall clock, clamped. */
static int64_t local_ms(const struct calendar *calendar, int64_t time_ms)
{
    const int64_t max_ms = (LOCAL_DAYS_MAX + 1) * DAY_MS - 1;
    if (time_ms < -DAY_MS)
        return 0;
    if (time_ms > max_ms + DAY_MS)
        return max_ms;
    int64_t local = time_ms + offset_ms(calendar);
    return local < 0 ? 0 : local > max_ms ? max_ms : local;
}

/* yyyymmdd of a day count from 0 to LOCAL_DAYS_MAX. */
static uint32_t day_of_days(int64_t days)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = shifted / 146097;  /* of 400 years */
    int64_t day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    return (uint32_t)(year * 10000 + month * 100 + day);
}

static int64_t days_of_day(uint32_t day_number)
{
    int64_t year = day_number / 10000;
    int64_t month = day_number / 100 % 100;
    int64_t day = day_number % 100;
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year % 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool two_digits(const char *text, int32_t *ret_value)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *ret_value = (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

int calendar_parse_offset(struct slice text, int32_t *ret_offset_minutes)
{
    if (slice_equal(text, SLICE("UTC"))) {
        *ret_offset_minutes = 0;
        return 0;
    }
    int32_t hours, minutes;
    if (text.size != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':' ||
        !two_digits(text.data + 1, &hours) || !two_digits(text.data + 4, &minutes) || minutes > 59)
        return ERROR_INVALID;
    int32_t offset = (text.data[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
    if (offset < OFFSET_MIN_MINUTES || offset > OFFSET_MAX_MINUTES)
        return ERROR_INVALID;
    *ret_offset_minutes = offset;
    return 0;
}

void calendar_format_offset(int32_t offset_minutes, char out[7])
{
    if (offset_minutes == 0) {
        memcpy(out, "UTC", 4);
        return;
    }
    uint32_t minutes = (uint32_t)(offset_minutes < 0 ? -offset_minutes : offset_minutes);
    out[0] = offset_minutes < 0 ? '-' : '+';
    out[1] = (char)('0' + minutes / 600 % 10);
    out[2] = (char)('0' + minutes / 60 % 10);
    out[3] = ':';
    out[4] = (char)('0' + minutes % 60 / 10);
    out[5] = (char)('0' + minutes % 60 % 10);
    out[6] = '\0';
}

uint32_t calendar_day(const struct calendar *calendar, int64_t time_ms)
{
    return day_of_days(local_ms(calendar, time_ms) / DAY_MS);
}

uint32_t calendar_hour(const struct calendar *calendar, int64_t time_ms)
{
    int64_t local = local_ms(calendar, time_ms);
    return day_of_days(local / DAY_MS) * 100 + (uint32_t)(local % DAY_MS / HOUR_MS);
}

uint32_t calendar_minute(const struct calendar *calendar, int64_t time_ms)
{
    return (uint32_t)(local_ms(calendar, time_ms) % HOUR_MS / MINUTE_MS);
}

int64_t calendar_day_start_ms(const struct calendar *calendar, uint32_t day)
{
    return days_of_day(day) * DAY_MS - offset_ms(calendar);
}

int64_t calendar_hour_start_ms(const struct calendar *calendar, uint32_t hour)
{
    return calendar_day_start_ms(calendar, hour / 100) + hour % 100 * HOUR_MS;
}

int64_t calendar_next_midnight_ms(const struct calendar *calendar, int64_t time_ms)
{
    return (local_ms(calendar, time_ms) / DAY_MS + 1) * DAY_MS - offset_ms(calendar);
}
