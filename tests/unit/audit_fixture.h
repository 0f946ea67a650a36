/*
 * What the auditor's tests share: a small data set that is right, spelled out cell by cell.
 */
#ifndef LIVETALLY_TESTS_AUDIT_FIXTURE_H
#define LIVETALLY_TESTS_AUDIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "verify/audit.h"

#define GENERATION    UINT64_C(670)
#define GENERATION_MS (31 * DAY_MS)
#define NOW_MS        INT64_C(1795321800000) /* 2026-11-22 12:30 at +08:00 */
#define SHOWN         64

/* One order of 12:20 and a refund of 12:25, as they stand in every cell: key, field. */
static const char *const cells[][2] = {
    {"all:total", "total"},
    {"all:host", "ling"},
    {"all:county", "422828"},
    {"all:product", "tea"},
    {"all:session", "room"},
    {"all:platform", "douyin"},
    {"all:session+product:room", "tea"},
    {"all:county+product:422828", "tea"},
    {"all:county+host:422828", "ling"},
    {"all:host+product:ling", "tea"},
    {"all:platform+county:douyin", "422828"},
    {"day:20261122:total", "total"},
    {"day:20261122:host", "ling"},
    {"day:20261122:county", "422828"},
    {"day:20261122:product", "tea"},
    {"day:20261122:session", "room"},
    {"day:20261122:platform", "douyin"},
    {"day:20261122:county+product:422828", "tea"},
    {"day:20261122:county+host:422828", "ling"},
    {"day:20261122:host+product:ling", "tea"},
    {"day:20261122:platform+county:douyin", "422828"},
    {"minute:2026112212:total", "20"},
    {"minute:2026112212:host:ling", "20"},
    {"minute:2026112212:county:422828", "20"},
    {"minute:2026112212:session:room", "20"},
    {"minute:2026112212:total", "25"},
    {"minute:2026112212:host:ling", "25"},
    {"minute:2026112212:county:422828", "25"},
    {"minute:2026112212:session:room", "25"},
};
#define CELLS        (sizeof cells / sizeof *cells)
#define FIRST_MINUTE 21
#define LAST_MINUTE  25

static inline struct record usual_record(void)
{
    struct record record = {.has_order = true,
                            .county = 422828,
                            .host = SLICE("ling"),
                            .product = SLICE("tea"),
                            .session = SLICE("room"),
                            .platform = SLICE("douyin"),
                            .quantity = 3,
                            .amount = 9000,
                            .time_ms = NOW_MS - 10 * MINUTE_MS,
                            .refund_count = 1};
    record.refunds[0] = (struct record_refund){.state = REFUND_APPLIED,
                                               .id = SLICE("r1"),
                                               .amount = 3000,
                                               .quantity = 1,
                                               .time_ms = NOW_MS - 5 * MINUTE_MS};
    return record;
}

static inline struct data_set usual_set(void)
{
    return (struct data_set){.calendar = {480},
                             .generation_ms = GENERATION_MS,
                             .generations = {.current = GENERATION},
                             .born_known = true,
                             .born_generation = GENERATION,
                             .now_ms = NOW_MS,
                             .minute_keep_ms = 48 * HOUR_MS,
                             .day_keep_ms = 400 * DAY_MS};
}

static inline void put_record(struct audit *audit, const char *id, const struct record *record)
{
    char bytes[RECORD_MAX_BYTES];
    struct slice encoded = {bytes, record_encode(record, bytes)};
    audit_record(audit, GENERATION, slice_of(id), encoded);
}

static inline void put_cell(struct audit *audit, const char *key, const char *field,
                            const char *value)
{
    struct group_key group;
    assert_true(audit_group_read(audit->names, slice_of(key), &group));
    audit_cell(audit, group, slice_of(field), slice_of(value));
}

static const char *usual_value(size_t cell)
{
    return cell < FIRST_MINUTE  ? "1 3 9000 1 3000 1 5"
           : cell < LAST_MINUTE ? "1 3 9000 0 0 0 5"
                                : "0 0 0 1 3000 1 5";
}

/* All cells but `left_out` (CELLS: none). */
static inline void put_cells(struct audit *audit, size_t left_out)
{
    for (size_t i = 0; i < CELLS; i++)
        if (i != left_out)
            put_cell(audit, cells[i][0], cells[i][1], usual_value(i));
}

static inline struct fact usual_fact(struct audit *audit, enum fact_kind kind)
{
    bool order = kind == FACT_ORDER;
    return (struct fact){.kind = (uint8_t)kind,
                         .host = names_intern(audit->names, SLICE("ling")),
                         .product = names_intern(audit->names, SLICE("tea")),
                         .session = names_intern(audit->names, SLICE("room")),
                         .platform = names_intern(audit->names, SLICE("douyin")),
                         .county = 422828,
                         .quantity = order ? 3 : 1,
                         .amount = order ? 9000 : 3000,
                         .time_ms = NOW_MS - (order ? 10 : 5) * MINUTE_MS};
}

static inline void put_entry(struct audit *audit, const char *id, const struct fact *facts,
                             uint32_t fact_count)
{
    struct buffer bytes = BUFFER_INIT;
    struct feed_entry entry = {.token = 7, .facts = facts, .fact_count = fact_count};
    feed_entry_encode(&bytes, audit->names, &entry);
    audit_entry(audit, slice_of(id), buffer_slice(&bytes));
    buffer_done(&bytes);
}

/* What was found wrong, in the form "check key field"; "" when nothing was. */
static const char *first_finding(struct audit *audit)
{
    static char text[512];
    const struct findings *findings = &audit->findings;
    text[0] = '\0';
    if (findings->count)
        snprintf(text, sizeof text, "%s %s %s", findings->list[0].check, findings->list[0].key,
                 findings->list[0].field);
    return text;
}

static inline struct audit *new_audit(const struct data_set *set)
{
    struct audit *audit = malloc(sizeof *audit);
    assert_non_null(audit);
    audit_init(audit, set, SHOWN);
    return audit;
}

static inline void end_audit(struct audit *audit)
{
    audit_done(audit);
    free(audit);
}

/* A data set with the usual record and its cells at version 5, all checkpointed. */
static inline struct audit *usual_audit(const struct data_set *set, size_t left_out)
{
    struct audit *audit = new_audit(set);
    struct record record = usual_record();
    put_record(audit, "o1", &record);
    audit_lane_begin(audit, 0, 5, 5);
    put_cells(audit, left_out);
    put_entry(audit, "5-0", NULL, 0);
    audit_lane_end(audit);
    return audit;
}

#endif
