/*
 * See sealed_days.h. A page holds groups that nobody asked for, too: they are passed over.
 */
#include "sealed_days.h"

#include <stdlib.h>

#include "livetally/error.h"
#include "livetally/mem.h"
#include "sealed_read.h"

#define READS_IN_FLIGHT 16

struct day {
    uint32_t day;
    uint32_t rollups; /* bit set of those asked for */
};

struct lane_day {
    struct sealed_days *days;
    uint32_t lane;
    const struct day *day;
    struct sealed_read *read;
};

struct sealed_days {
    struct partition *partition;
    struct sealed_days_ops ops;
    struct day *days;
    uint32_t day_count, day_capacity, day_last; /* day_last: where the last group was found */
    struct lane_day *reads;
    uint32_t read_count, read_next, in_flight;
};

struct sealed_days *sealed_days_new(struct partition *partition, const struct sealed_days_ops *ops)
{
    struct sealed_days *days = mem_zalloc(sizeof *days);
    *days = (struct sealed_days){.partition = partition, .ops = *ops};
    return days;
}

void sealed_days_free(struct sealed_days *days)
{
    if (!days)
        return;
    for (uint32_t i = 0; i < days->read_count; i++)
        sealed_read_free(days->reads[i].read);
    free(days->reads);
    free(days->days);
    free(days);
}

/* Groups mostly come day by day, and there are few days. */
static struct day *open_day(struct sealed_days *days, uint32_t number)
{
    if (days->day_last < days->day_count && days->days[days->day_last].day == number)
        return &days->days[days->day_last];
    for (days->day_last = 0; days->day_last < days->day_count; days->day_last++)
        if (days->days[days->day_last].day == number)
            return &days->days[days->day_last];
    if (days->day_count == days->day_capacity) {
        days->day_capacity = days->day_capacity ? days->day_capacity * 2 : 8;
        days->days = mem_resize(days->days, days->day_capacity, sizeof *days->days);
    }
    days->days[days->day_count] = (struct day){.day = number};
    return &days->days[days->day_count++];
}

void sealed_days_add(struct sealed_days *days, struct group_key key)
{
    if (key.period == PERIOD_DAY)
        open_day(days, key.when)->rollups |= 1u << key.rollup;
}

static int take_page(void *context, struct sealed_page *page)
{
    const struct lane_day *lane_day = context;
    const struct sealed_days *days = lane_day->days;
    struct names *names = days->partition->view.names;
    struct group_key key = {
        .rollup = (uint16_t)page->rollup, .period = PERIOD_DAY, .when = page->day};
    enum dimension dimension = group_first_dimension(key);
    struct slice field;
    struct metrics metrics;
    int found;
    while ((found = sealed_page_section(page)) == 1) {
        key.first = dimension ? dimension_find(names, dimension, page->first) : 0;
        struct board_image *image = dimension && !key.first
                                        ? NULL
                                        : days->ops.image(days->ops.context, lane_day->lane, key);
        if (!image)
            continue;
        while ((found = sealed_page_cell(page, &field, &metrics)) == 1)
            if (board_image_put(image, names, field, &metrics, page->version) != 0)
                return ERROR_CORRUPT;
        if (found < 0)
            return found;
    }
    return found;
}

static void start_some(struct sealed_days *days);

static void one_is_read(void *context, struct sealed_read *read)
{
    struct lane_day *lane_day = context;
    struct sealed_days *days = lane_day->days;
    sealed_read_free(read);
    lane_day->read = NULL;
    days->in_flight--;
    start_some(days);
    if (!days->in_flight)
        days->ops.done(days->ops.context);
}

static void start_some(struct sealed_days *days)
{
    while (days->in_flight < READS_IN_FLIGHT && days->read_next < days->read_count) {
        struct lane_day *lane_day = &days->reads[days->read_next++];
        const struct sealed_read_ops ops = {take_page, one_is_read, lane_day};
        days->in_flight++;
        lane_day->read = sealed_read_new(days->partition, lane_day->lane, lane_day->day->day,
                                         lane_day->day->rollups, &ops);
    }
}

bool sealed_days_start(struct sealed_days *days, uint32_t lanes)
{
    days->reads = mem_resize(NULL, (size_t)days->day_count * LANE_COUNT + 1, sizeof *days->reads);
    for (uint32_t i = 0; i < days->day_count; i++)
        for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
            if (lanes >> lane & 1)
                days->reads[days->read_count++] =
                    (struct lane_day){days, lane, &days->days[i], NULL};
    start_some(days);
    return days->in_flight > 0;
}
