/*
 * Where a sale counts, worked out from PROTOCOL and the table of rollups by these few lines and the
 * C library's calendar, and by nothing that the daemon counts with.
 */
#include <time.h>

#include "audit.h"

/* Business time as if it were UTC. */
static struct tm business_time(const struct calendar *calendar, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000 + calendar->offset_minutes * INT64_C(60));
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm);
    return tm;
}

static uint32_t day_number(const struct tm *tm)
{
    return (uint32_t)((tm->tm_year + 1900) * 10000 + (tm->tm_mon + 1) * 100 + tm->tm_mday);
}

struct metrics audit_metrics_of(const struct fact *fact)
{
    struct metrics metrics = {{0}};
    bool order = fact->kind == FACT_ORDER;
    metrics.v[order ? METRIC_ORDERS : METRIC_REFUNDS] = 1;
    metrics.v[order ? METRIC_UNITS : METRIC_RETURNED] = fact->quantity;
    metrics.v[order ? METRIC_GROSS : METRIC_REFUNDED] = fact->amount;
    return metrics;
}

static uint32_t value_of(const struct fact *fact, enum dimension dimension)
{
    switch (dimension) {
    case DIMENSION_HOST:
        return fact->host;
    case DIMENSION_COUNTY:
        return fact->county;
    case DIMENSION_PRODUCT:
        return fact->product;
    case DIMENSION_SESSION:
        return fact->session;
    case DIMENSION_PLATFORM:
        return fact->platform;
    default:
        return TOTAL_CELL;
    }
}

uint32_t audit_cells_of(const struct audit *audit, const struct fact *fact,
                        struct tally_key keys[AUDIT_CELLS_MAX])
{
    struct tm tm = business_time(&audit->set.calendar, fact->time_ms);
    uint32_t day = day_number(&tm), count = 0;
    for (uint32_t rollup = 0; rollup < ROLLUP_COUNT; rollup++) {
        const struct rollup_row *row = &rollup_rows[rollup];
        uint32_t first = row->first ? value_of(fact, row->first) : 0;
        uint32_t second = value_of(fact, row->second);
        struct group_key group = {.rollup = (uint16_t)rollup, .first = first};
        if (!second || (row->first && !first))
            continue;
        if (row->periods & 1u << PERIOD_ALL)
            keys[count++] = (struct tally_key){group, second};
        group.period = PERIOD_DAY;
        group.when = day;
        if (row->periods & 1u << PERIOD_DAY)
            keys[count++] = (struct tally_key){group, second};
        group.period = PERIOD_MINUTE;
        group.when = day * 100 + (uint32_t)tm.tm_hour;
        group.first = row->second ? second : 0;
        if (row->periods & 1u << PERIOD_MINUTE)
            keys[count++] = (struct tally_key){group, (uint32_t)tm.tm_min};
    }
    return count;
}
