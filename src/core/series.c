/*
 * Reads windows of minutes out of hour groups. A group's cells are minutes 0 … 59 of its hour;
 * minutes without sales have no cell. A bucket is new to a reader when its cell changed after what
 * the reader has, or its hour was loaded after, or when it entered the window after (an order may
 * come with a time slightly ahead of ours, and is shown when its minute is reached).
 */
#include "series.h"

#include <string.h>

#include "livetally/json.h"

uint32_t series_hours(const struct calendar *calendar, int64_t minute_now, uint32_t minutes,
                      uint32_t hours[SERIES_GROUPS_MAX])
{
    int64_t first_ms = (minute_now - (int64_t)minutes + 1) * MINUTE_MS;
    int64_t at_ms = calendar_hour_start_ms(calendar, calendar_hour(calendar, first_ms));
    uint32_t count = 0;

    while (at_ms <= minute_now * MINUTE_MS && count < SERIES_GROUPS_MAX) {
        hours[count++] = calendar_hour(calendar, at_ms);
        at_ms += HOUR_MS;
    }
    return count;
}

/* Minutes since the epoch at which a group's hour starts. */
static int64_t group_minute(const struct series *series, const struct group *group)
{
    return calendar_hour_start_ms(series->calendar, group->key.when) / MINUTE_MS;
}

static bool is_new(const struct group *group, const struct cell *cell, int64_t minute,
                   struct series_seen seen)
{
    return cell->changed > seen.version || group->reloaded > seen.version || minute > seen.minute;
}

bool series_changed(const struct series *series, struct series_seen seen)
{
    int64_t first = series->minute_now - (int64_t)series->minutes + 1;

    for (uint32_t g = 0; g < series->group_count; g++) {
        const struct group *group = series->groups[g];
        int64_t base = group_minute(series, group);

        for (uint32_t i = 0; i < group->cell_count; i++) {
            const struct cell *cell = &group->cells[i];
            int64_t minute = base + cell->key;

            if (minute >= first && minute <= series->minute_now &&
                is_new(group, cell, minute, seen))
                return true;
        }
    }
    return false;
}

/* Fills the window; returns in *ret_from and *ret_to the range that is new, empty if none is. */
static void collect(const struct series *series, struct series_seen seen,
                    struct series_bucket *buckets, uint32_t *ret_from, uint32_t *ret_to)
{
    int64_t first = series->minute_now - (int64_t)series->minutes + 1;
    uint32_t from = series->minutes;
    uint32_t to = 0;

    memset(buckets, 0, series->minutes * sizeof(*buckets));
    for (uint32_t g = 0; g < series->group_count; g++) {
        const struct group *group = series->groups[g];
        int64_t base = group_minute(series, group);

        for (uint32_t i = 0; i < group->cell_count; i++) {
            const struct cell *cell = &group->cells[i];
            const struct metrics *sum = &group->sums[i];
            int64_t minute = base + cell->key;
            uint32_t at;

            if (minute < first || minute > series->minute_now)
                continue;
            at = (uint32_t)(minute - first);
            buckets[at].orders = sum->v[METRIC_ORDERS];
            buckets[at].gross = sum->v[METRIC_GROSS];
            buckets[at].refunded = sum->v[METRIC_REFUNDED];
            if (!is_new(group, cell, minute, seen))
                continue;
            from = at < from ? at : from;
            to = at + 1 > to ? at + 1 : to;
        }
    }
    *ret_from = from;
    *ret_to = to;
}

static void write_column(struct buffer *out, const char *key, const struct series_bucket *buckets,
                         uint32_t from, uint32_t to, size_t offset)
{
    json_write_key(out, key);
    buffer_append_byte(out, '[');
    for (uint32_t i = from; i < to; i++) {
        int64_t value;

        memcpy(&value, (const char *)&buckets[i] + offset, sizeof(value));
        if (i > from)
            buffer_append_byte(out, ',');
        buffer_append_int(out, value);
    }
    buffer_append_byte(out, ']');
}

static void write_range(struct buffer *out, const struct series *series,
                        const struct series_bucket *buckets, uint32_t from, uint32_t to)
{
    int64_t first = series->minute_now - (int64_t)series->minutes + 1;

    buffer_append_byte(out, '{');
    json_field_int(out, "step_ms", MINUTE_MS);
    json_field_int(out, "start", (first + from) * MINUTE_MS);
    write_column(out, "orders", buckets, from, to, offsetof(struct series_bucket, orders));
    write_column(out, "gross", buckets, from, to, offsetof(struct series_bucket, gross));
    write_column(out, "refunded", buckets, from, to, offsetof(struct series_bucket, refunded));
    buffer_append_byte(out, '}');
}

void series_write_all(struct buffer *out, const struct series *series,
                      struct series_bucket *buckets)
{
    uint32_t from, to;

    collect(series, SERIES_NOTHING_SEEN, buckets, &from, &to);
    write_range(out, series, buckets, 0, series->minutes);
}

bool series_write_since(struct buffer *out, const struct series *series, struct series_seen seen,
                        struct series_bucket *buckets)
{
    uint32_t from, to;

    collect(series, seen, buckets, &from, &to);
    if (from >= to)
        return false;
    write_range(out, series, buckets, from, to);
    return true;
}
