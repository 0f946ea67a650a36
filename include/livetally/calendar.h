/*
 * Business days. A day is cut at midnight in a fixed offset from UTC (default +08:00, which China
 * uses the whole year); zones with daylight saving have no fixed offset and are not offered.
 *
 * Days are written yyyymmdd and hours yyyymmddhh, both as numbers, in business time: they sort,
 * fit uint32_t, and are what stands in Redis keys. Valid for the years 1970 to 4294 (the last whose
 * hours fit); times outside are clamped to that range.
 */
#ifndef LIVETALLY_CALENDAR_H
#define LIVETALLY_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/slice.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   INT64_C(3600000)
#define DAY_MS    INT64_C(86400000)

struct calendar {
    int32_t offset_minutes; /* east of UTC, -720 … +840 */
};

/* "+08:00", "-05:30" or "UTC"; returns 0 or ERROR_INVALID. */
int calendar_parse_offset(struct slice text, int32_t *ret_offset_minutes);
void calendar_format_offset(int32_t offset_minutes, char out[7]);

uint32_t calendar_day(const struct calendar *calendar, int64_t time_ms);    /* yyyymmdd */
uint32_t calendar_hour(const struct calendar *calendar, int64_t time_ms);   /* yyyymmddhh */
uint32_t calendar_minute(const struct calendar *calendar, int64_t time_ms); /* 0 … 59 */
int64_t calendar_day_start_ms(const struct calendar *calendar, uint32_t day);
int64_t calendar_hour_start_ms(const struct calendar *calendar, uint32_t hour);
/* Start of the business day after the one that time_ms lies in. */
int64_t calendar_next_midnight_ms(const struct calendar *calendar, int64_t time_ms);

#endif
