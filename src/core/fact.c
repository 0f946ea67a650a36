/*
 * Facts seen through the table of rollups.
 */
#include "livetally/fact.h"

/* A rollup of two dimensions has a group for each value of the first one; by minute, there is a
 * group for each value and hour. */
static bool put_place(const struct fact *fact, uint32_t rollup, uint32_t hour, uint32_t minute,
                      enum period period, struct fact_place *ret_place)
{
    const struct rollup_row *row = &rollup_rows[rollup];
    uint32_t first = fact_dimension(fact, row->first);
    uint32_t second =
        row->second == DIMENSION_NONE ? TOTAL_CELL : fact_dimension(fact, row->second);

    if ((row->first != DIMENSION_NONE && first == 0) || second == 0)
        return false;
    ret_place->group = (struct group_key){.rollup = (uint16_t)rollup,
                                          .period = (uint16_t)period,
                                          .when = period == PERIOD_ALL   ? 0
                                                  : period == PERIOD_DAY ? hour / 100
                                                                         : hour,
                                          .first = first};
    ret_place->cell = second;
    if (period == PERIOD_MINUTE) {
        ret_place->group.first = row->second == DIMENSION_NONE ? 0 : second;
        ret_place->cell = minute;
    }
    return true;
}

uint32_t fact_places(const struct fact *fact, const struct calendar *calendar,
                     const uint32_t periods[ROLLUP_COUNT],
                     struct fact_place places[FACT_PLACES_MAX])
{
    uint32_t hour = calendar_hour(calendar, fact->time_ms);
    uint32_t minute = calendar_minute(calendar, fact->time_ms);
    uint32_t count = 0;

    for (uint32_t rollup = 0; rollup < ROLLUP_COUNT; rollup++) {
        uint32_t wanted = periods[rollup] & rollup_rows[rollup].periods;
        for (uint32_t period = 0; wanted >> period != 0; period++)
            if (wanted >> period & 1)
                count += put_place(fact, rollup, hour, minute, (enum period)period, &places[count]);
    }
    return count;
}
