/*
 * Sealed days of a lane (sealed_day.h), read after its hashes: cells only move from hashes into
 * pages. What was given first of a cell counts, so pages come from the newest to the oldest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "livetally/mem.h"
#include "livetally/sealed_day.h"
#include "reading.h"

#define ATTEMPTS_MAX 20

struct page_name {
    enum rollup rollup;
    uint64_t number;
};

/* One day of one lane. */
struct sealed {
    struct reading *reading;
    uint32_t lane, day;
    char key[KEY_MAX_BYTES];
    struct page_name *names;
    uint32_t name_count;
    bool gone; /* a page that was listed */
};

static void find_fault(const struct sealed *sealed, struct slice field, const char *what)
{
    struct reading *reading = sealed->reading;
    const char *key = sealed->key + strlen(reading->keys.prefix);
    findings_add(&reading->audit->findings, "cell", slice_of(key), field, "%s", what);
}

static bool take_section(const struct sealed *sealed, struct sealed_page *page)
{
    struct audit *audit = sealed->reading->audit;
    struct group_key group = {
        .rollup = (uint16_t)page->rollup, .period = PERIOD_DAY, .when = page->day};
    struct group_key as_cell = {.rollup = ROLLUP_COUNTY, .period = PERIOD_DAY};
    struct buffer value = BUFFER_INIT;
    struct slice field;
    struct metrics metrics;
    int found;
    enum dimension dimension = group_first_dimension(group);
    if (dimension == DIMENSION_COUNTY) {
        if (cell_field_read(audit->names, as_cell, page->first, &group.first) != 0)
            return false;
    } else if (dimension != DIMENSION_NONE) {
        group.first = names_intern(audit->names, page->first);
    }
    while ((found = sealed_page_cell(page, &field, &metrics)) == 1) {
        buffer_reset(&value);
        cell_value_write(&value, &metrics, page->version);
        audit_cell(audit, group, field, buffer_slice(&value));
    }
    buffer_done(&value);
    return found == 0;
}

static void take_page(const struct sealed *sealed, const struct page_name *name, struct slice field,
                      struct slice bytes)
{
    struct sealed_page page;
    int found = -1;
    if (sealed_page_open(bytes, &page) == 0 && page.day == sealed->day &&
        page.rollup == name->rollup)
        while ((found = sealed_page_section(&page)) == 1 && take_section(sealed, &page))
            ;
    if (found != 0)
        find_fault(sealed, field, "this is no sealed page of such totals");
    sealed->reading->audit->counts.hashes++;
}

static int read_page(struct sealed *sealed, const struct page_name *name)
{
    struct buffer field = BUFFER_INIT;
    sealed_field_write(&field, name->rollup, name->number);
    redisReply *reply = source_ask(sealed->reading->source, sealed->reading->error, "HGET %s %b",
                                   sealed->key, field.data, field.size);
    if (reply) {
        sealed->gone = reply->type == REDIS_REPLY_NIL;
        if (!sealed->gone)
            take_page(sealed, name, buffer_slice(&field), reply_text(reply));
        freeReplyObject(reply);
    }
    buffer_done(&field);
    return reply ? 0 : ERROR_UNAVAILABLE;
}

static int newest_first(const void *left, const void *right)
{
    const struct page_name *a = left, *b = right;
    return (a->number < b->number) - (a->number > b->number);
}

static int list_pages(struct sealed *sealed)
{
    redisReply *reply =
        source_ask(sealed->reading->source, sealed->reading->error, "HKEYS %s", sealed->key);
    if (!reply)
        return ERROR_UNAVAILABLE;
    sealed->names = mem_resize(sealed->names, reply->elements + 1, sizeof *sealed->names);
    sealed->name_count = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        struct slice field = reply_text(reply->element[i]);
        struct page_name *name = &sealed->names[sealed->name_count];
        if (sealed_field_read(field, &name->rollup, &name->number))
            sealed->name_count++;
        else
            find_fault(sealed, field, "a sealed day has no such page");
    }
    freeReplyObject(reply);
    qsort(sealed->names, sealed->name_count, sizeof *sealed->names, newest_first);
    return 0;
}

static int read_day(struct reading *reading, uint32_t lane, uint32_t day)
{
    struct sealed sealed = {.reading = reading, .lane = lane, .day = day};
    int code = 0;
    key_sealed(&reading->keys, lane, day, sealed.key);
    for (uint32_t attempt = 0; attempt < ATTEMPTS_MAX && !code; attempt++) {
        sealed.gone = false;
        code = list_pages(&sealed);
        for (uint32_t i = 0; i < sealed.name_count && !code && !sealed.gone; i++)
            code = read_page(&sealed, &sealed.names[i]);
        if (!sealed.gone)
            break;
    }
    free(sealed.names);
    if (!code && sealed.gone)
        reading->repeated = true; /* sealed again all the time: nothing can be said of it */
    return code;
}

static int by_number(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* What a scan of keys finds does not tell: days are sealed while it goes on. So every day that may
 * be kept is asked for, and whatever else was found. */
static uint32_t list_days(const struct reading *reading, uint32_t lane,
                          const struct lane_group *groups, uint32_t count, uint32_t **ret_days)
{
    const struct data_set *set = &reading->audit->set;
    size_t kept = (size_t)(set->day_keep_ms / DAY_MS) + 3;
    uint32_t *days = mem_resize(NULL, kept + count + reading->sealed_count, sizeof *days);
    uint32_t day_count = 0, distinct = 0;
    for (size_t age = 0; age < kept; age++)
        days[day_count++] =
            calendar_day(&set->calendar, set->now_ms + DAY_MS - (int64_t)age * DAY_MS);
    for (uint32_t i = 0; i < count; i++)
        if (groups[i].group.period == PERIOD_DAY)
            days[day_count++] = groups[i].group.when;
    for (uint32_t i = 0; i < reading->sealed_count; i++)
        if (reading->sealed[i].lane == lane)
            days[day_count++] = reading->sealed[i].day;
    qsort(days, day_count, sizeof *days, by_number);
    for (uint32_t i = 1; i < day_count; i++)
        if (days[i] != days[distinct])
            days[++distinct] = days[i];
    *ret_days = days;
    return distinct + 1;
}

/* Those that there is a key of; asked for all at once. */
static int keep_sealed(struct reading *reading, uint32_t lane, uint32_t *days, uint32_t *count)
{
    char key[KEY_MAX_BYTES];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        key_sealed(&reading->keys, lane, days[i], key);
        if (source_send(reading->source, reading->error, "EXISTS %s", key))
            return ERROR_UNAVAILABLE;
    }
    for (uint32_t i = 0; i < *count; i++) {
        redisReply *reply = source_answer(reading->source, reading->error);
        if (!reply)
            return ERROR_UNAVAILABLE;
        if (reply->type == REDIS_REPLY_INTEGER && reply->integer)
            days[kept++] = days[i];
        freeReplyObject(reply);
    }
    *count = kept;
    return 0;
}

int reading_sealed(struct reading *reading, uint32_t lane, const struct lane_group *groups,
                   uint32_t count)
{
    uint32_t *days;
    uint32_t day_count = list_days(reading, lane, groups, count, &days);
    int code = keep_sealed(reading, lane, days, &day_count);
    for (uint32_t i = 0; i < day_count && !code; i++)
        code = read_day(reading, lane, days[i]);
    free(days);
    return code;
}
