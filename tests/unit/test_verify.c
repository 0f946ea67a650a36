/*
 * The auditor, fed by hand: a small data set that is right, spelled out cell by cell, and then one
 * thing wrong with it at a time.
 */
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

static struct record usual_record(void)
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

static struct data_set usual_set(void)
{
    return (struct data_set){.calendar = {480},
                             .generation_ms = GENERATION_MS,
                             .generation = GENERATION,
                             .born_known = true,
                             .born_generation = GENERATION,
                             .now_ms = NOW_MS,
                             .minute_keep_ms = 48 * HOUR_MS,
                             .day_keep_ms = 400 * DAY_MS};
}

static void put_record(struct audit *audit, const char *id, const struct record *record)
{
    char bytes[RECORD_MAX_BYTES];
    struct slice encoded = {bytes, record_encode(record, bytes)};
    audit_record(audit, GENERATION, slice_of(id), encoded);
}

static void put_cell(struct audit *audit, const char *key, const char *field, const char *value)
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
static void put_cells(struct audit *audit, size_t left_out)
{
    for (size_t i = 0; i < CELLS; i++)
        if (i != left_out)
            put_cell(audit, cells[i][0], cells[i][1], usual_value(i));
}

static struct fact usual_fact(struct audit *audit, enum fact_kind kind)
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

static void put_entry(struct audit *audit, const char *id, const struct fact *facts,
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

static struct audit *new_audit(const struct data_set *set)
{
    struct audit *audit = malloc(sizeof *audit);
    assert_non_null(audit);
    audit_init(audit, set, SHOWN);
    return audit;
}

static void end_audit(struct audit *audit)
{
    audit_done(audit);
    free(audit);
}

/* A data set with the usual record and its cells at version 5, all checkpointed. */
static struct audit *usual_audit(const struct data_set *set, size_t left_out)
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

/* --- right -------------------------------------------------------------------------------- */

static void test_what_is_right_is_exact(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = usual_audit(&set, CELLS);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    assert_int_equal(audit->counts.cells, CELLS);
    assert_int_equal(audit->counts.days_exact, 1);
    assert_int_equal(audit->findings.unchecked_count, 0);
    end_audit(audit);
}

static void test_a_lane_is_its_hashes_and_the_feed_after_each_cell(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = new_audit(&set);
    struct record record = usual_record();
    put_record(audit, "o1", &record);
    audit_lane_begin(audit, 0, 6, 4);
    /* A checkpoint of version 6 was cut off: two cells have all, the others only the order. */
    put_cell(audit, "all:host", "ling", "1 3 9000 1 3000 1 6");
    put_cell(audit, "minute:2026112212:total", "20", "1 3 9000 0 0 0 5");
    struct fact order = usual_fact(audit, FACT_ORDER), refund = usual_fact(audit, FACT_REFUND);
    put_entry(audit, "4-0", &order, 1); /* older than the checkpoint: counts no more */
    put_entry(audit, "5-0", &order, 1);
    put_entry(audit, "6-0", &refund, 1);
    audit_lane_end(audit);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    end_audit(audit);
}

static void test_lanes_sum_up_and_a_cell_given_twice_counts_once(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = usual_audit(&set, CELLS);
    struct record record = usual_record();
    put_record(audit, "o2", &record);
    audit_lane_begin(audit, 3, 5, 5);
    put_cells(audit, CELLS);
    put_cells(audit, CELLS);
    put_entry(audit, "5-0", NULL, 0);
    audit_lane_end(audit);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    assert_int_equal(audit->counts.lanes, 2);
    end_audit(audit);
}

/* --- totals that are wrong ---------------------------------------------------------------- */

static void test_every_missing_cell_is_found(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    for (size_t i = 0; i < CELLS; i++) {
        struct audit *audit = usual_audit(&set, i);
        char expected[256];
        snprintf(expected, sizeof expected, "ledger lane:*:%s %s", cells[i][0], cells[i][1]);
        audit_compare(audit);
        assert_string_equal(first_finding(audit), expected);
        assert_int_equal(audit->findings.list[0].have, 0);
        end_audit(audit);
    }
}

static void test_every_metric_too_much_is_found(void **state)
{
    (void)state;
    static const char *const values[METRIC_COUNT] = {"1 0 0 0 0 0 5", "0 1 0 0 0 0 5",
                                                     "0 0 1 0 0 0 5", "0 0 0 1 0 0 5",
                                                     "0 0 0 0 1 0 5", "0 0 0 0 0 1 5"};
    struct data_set set = usual_set();
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        struct audit *audit = usual_audit(&set, CELLS);
        audit_lane_begin(audit, 1, 5, 5);
        put_cell(audit, "day:20261122:product", "tea", values[metric]);
        put_entry(audit, "5-0", NULL, 0);
        audit_lane_end(audit);
        audit_compare(audit);
        assert_string_equal(first_finding(audit), "ledger lane:*:day:20261122:product tea");
        const struct finding *finding = &audit->findings.list[0];
        assert_string_equal(finding->metric, metric_names[metric]);
        assert_int_equal(finding->have, finding->want + 1);
        end_audit(audit);
    }
}

static void test_a_cell_that_nobody_sold_is_found(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = usual_audit(&set, CELLS);
    audit_lane_begin(audit, 1, 5, 5);
    put_cell(audit, "all:host", "nobody", "1 1 1 0 0 0 5");
    put_entry(audit, "5-0", NULL, 0);
    audit_lane_end(audit);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "ledger lane:*:all:host nobody");
    assert_string_equal(audit->findings.list[0].text,
                        "orders: 0 by the ledger, but 1 in the lanes");
    end_audit(audit);
}

static void test_a_session_counts_by_its_own_rollups_only(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = usual_audit(&set, CELLS);
    struct record record = usual_record();
    record.session = record.platform = (struct slice){NULL, 0};
    put_record(audit, "o2", &record);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "ledger lane:*:all:total total");
    for (uint32_t i = 0; i < audit->findings.kept; i++)
        assert_null(strstr(audit->findings.list[i].key, "session"));
    assert_int_equal(audit->findings.count, 20); /* 29 cells but for 9 of session or platform */
    end_audit(audit);
}

/* --- records ------------------------------------------------------------------------------ */

static void test_records_keep_their_rules(void **state)
{
    (void)state;
    struct record record = usual_record();
    assert_null(audit_record_problem(&record));
    record.refunds[0].amount = 9001;
    assert_string_equal(audit_record_problem(&record), "more is refunded than was paid");
    record = usual_record();
    record.refunds[0].quantity = 4;
    assert_string_equal(audit_record_problem(&record), "more units are returned than were sold");
    record = usual_record();
    record.refunds[record.refund_count++] = record.refunds[0];
    assert_string_equal(audit_record_problem(&record), "two refunds of one id");
    record = usual_record();
    record.refunds[0].state = REFUND_PARKED;
    assert_string_equal(audit_record_problem(&record),
                        "a refund still waits, though its order is there");
    record.has_order = false;
    assert_null(audit_record_problem(&record));
    record.refunds[0].state = REFUND_VOID;
    assert_string_equal(audit_record_problem(&record), "a refund is settled, but has no order");
    record = usual_record();
    record.refunds[0].state = REFUND_VOID;
    record.refunds[0].amount = 9001; /* which is why it is void */
    assert_null(audit_record_problem(&record));
    record.refunds[0].host = SLICE("ling");
    assert_string_equal(audit_record_problem(&record), "a settled refund has a host of its own");
}

static void test_unreadable_and_misplaced_records_are_found(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = new_audit(&set);
    audit_record(audit, GENERATION, SLICE("o1"), SLICE("\x10"));
    assert_string_equal(first_finding(audit), "record orders:670 o1");
    audit_record_twice(audit, SLICE("o2"));
    assert_string_equal(audit->findings.list[1].key, "orders:669");
    audit_catalog(audit, CATALOG_HOST, SLICE("ling"), SLICE("{\"time\":1,\"name\":\"Ling\"}"));
    assert_int_equal(audit->findings.count, 2);
    audit_catalog(audit, CATALOG_HOST, SLICE("ling"), SLICE("{"));
    assert_string_equal(audit->findings.list[2].key, "catalog:host");
    end_audit(audit);
}

/* --- lanes -------------------------------------------------------------------------------- */

static void check_lane(uint64_t version, uint64_t checkpoint, const char *const entries[],
                       const char *expected)
{
    struct data_set set = usual_set();
    struct audit *audit = new_audit(&set);
    audit_lane_begin(audit, 2, version, checkpoint);
    for (; *entries; entries++)
        put_entry(audit, *entries, NULL, 0);
    audit_lane_end(audit);
    assert_string_equal(first_finding(audit), expected);
    end_audit(audit);
}

static void test_feeds_have_all_that_follows_the_checkpoint(void **state)
{
    (void)state;
    check_lane(0, 0, (const char *const[]){NULL}, "");
    check_lane(2, 0, (const char *const[]){"1-0", "2-0", NULL}, "");
    check_lane(9, 9, (const char *const[]){"9-0", NULL}, "");
    check_lane(9, 7, (const char *const[]){"8-0", "9-0", NULL}, "");
    check_lane(9, 6, (const char *const[]){"8-0", "9-0", NULL}, "feed lane:2:feed ");
    check_lane(9, 9, (const char *const[]){NULL}, "feed lane:2:feed ");
    check_lane(9, 9, (const char *const[]){"8-0", NULL}, "feed lane:2:feed ");
    check_lane(8, 8, (const char *const[]){"8-0", "9-0", NULL}, "feed lane:2:feed ");
    check_lane(9, 5, (const char *const[]){"6-0", "8-0", "9-0", NULL}, "feed lane:2:feed 8-0");
    check_lane(9, 9, (const char *const[]){"9-1", NULL}, "feed lane:2:feed 9-1");
    check_lane(8, 9, (const char *const[]){"8-0", NULL}, "lane lane:2:ckpt ");
}

static void test_unreadable_cells_and_entries_are_found(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    struct audit *audit = new_audit(&set);
    struct group_key group;
    audit_lane_begin(audit, 2, 5, 5);
    assert_true(audit_group_read(audit->names, SLICE("all:county"), &group));
    audit_cell(audit, group, SLICE("422828"), SLICE("1 3 9000 0 0 0"));
    audit_cell(audit, group, SLICE("4228"), SLICE("1 3 9000 0 0 0 5"));
    audit_cell(audit, group, SLICE("422828"), SLICE("1 3 9000 0 0 0 6"));
    audit_entry(audit, SLICE("5-0"), SLICE("\x01"));
    audit_lane_end(audit);
    assert_int_equal(audit->findings.count, 4);
    assert_string_equal(audit->findings.list[0].text, "the cell is unreadable");
    assert_string_equal(audit->findings.list[1].field, "4228");
    assert_string_equal(audit->findings.list[2].text, "counts up to version 6, the lane is at 5");
    assert_string_equal(audit->findings.list[3].check, "feed");
    end_audit(audit);
}

static void test_keys_of_groups(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "all",
        "all:",
        "all:hosts",
        "all:host:ling",
        "all:county+product",
        "all:county+product:",
        "all:county+product:4228",
        "all:county+product:420000",
        "day:20261122:session+product:room",
        "day:2026112:host",
        "day:20261132:host",
        "day:20260229:host",
        "minute:2026112224:total",
        "minute:2026112212:product:tea",
        "minute:2026112212:host",
        "minute:9999999999:total",
        "week:202647:host",
        "all:host+product:two words",
    };
    struct names *names = names_new();
    struct buffer text = BUFFER_INIT;
    struct group_key group;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(audit_group_read(names, slice_of(bad[i]), &group));
    for (size_t i = 0; i < CELLS; i++) {
        assert_true(audit_group_read(names, slice_of(cells[i][0]), &group));
        buffer_reset(&text);
        group_key_write(&text, names, group);
        assert_string_equal(buffer_cstr(&text), cells[i][0]);
    }
    assert_true(audit_group_read(names, SLICE("all:host+product:a:b"), &group));
    assert_true(slice_equal(names_text(names, group.first), SLICE("a:b")));
    buffer_done(&text);
    names_free(names);
}

/* --- what was forgotten ------------------------------------------------------------------- */

/* Adds to day 20261122 a sale or a refund that the ledger doesn't know, consistently. */
static void add_forgotten(struct audit *audit, const char *value)
{
    audit_lane_begin(audit, 1, 5, 5);
    for (size_t i = 0; i < FIRST_MINUTE; i++)
        put_cell(audit, cells[i][0], cells[i][1], value);
    put_entry(audit, "5-0", NULL, 0);
    audit_lane_end(audit);
}

static void test_refunds_may_be_of_forgotten_orders(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    set.born_generation = GENERATION - 2;
    struct audit *audit = usual_audit(&set, CELLS);
    add_forgotten(audit, "0 0 0 1 500 0 5");
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    assert_int_equal(audit->counts.days_partly, 1);
    assert_true(audit->findings.unchecked_count >= 2);
    end_audit(audit);
}

static void test_orders_of_live_days_may_not(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    set.born_known = false;
    struct audit *audit = usual_audit(&set, CELLS);
    add_forgotten(audit, "1 1 500 0 0 0 5");
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "ledger lane:*:day:20261122:total total");
    end_audit(audit);
}

static void test_orders_of_older_days_may(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    set.born_generation = 1;
    set.generation_ms = DAY_MS;
    set.generation = (uint64_t)(NOW_MS / DAY_MS) + 1; /* the day began 16 h before the ledger */
    struct audit *audit = usual_audit(&set, CELLS);
    add_forgotten(audit, "1 1 500 0 0 0 5");
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    assert_int_equal(audit->counts.days_older, 1);
    end_audit(audit);
    audit = usual_audit(&set, 12); /* but nothing that the ledger knows may be missing */
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "ledger lane:*:day:20261122:host ling");
    end_audit(audit);
}

static void test_sums_are_checked_whatever_was_forgotten(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    set.born_generation = GENERATION - 5;
    for (size_t i = 0; i < FIRST_MINUTE; i++) {
        struct audit *audit = usual_audit(&set, CELLS);
        audit_lane_begin(audit, 1, 5, 5);
        put_cell(audit, cells[i][0], cells[i][1], "0 0 0 1 500 0 5");
        put_entry(audit, "5-0", NULL, 0);
        audit_lane_end(audit);
        audit_compare(audit);
        assert_memory_equal(first_finding(audit), "sum lane:*:", 11);
        end_audit(audit);
    }
}

static void test_minutes_are_no_more_than_their_day(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    set.now_ms += 90 * DAY_MS; /* when minutes are long forgotten, or were never counted */
    struct audit *audit = usual_audit(&set, FIRST_MINUTE);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    end_audit(audit);
    audit = usual_audit(&set, CELLS);
    audit_lane_begin(audit, 1, 5, 5);
    put_cell(audit, "minute:2026112212:total", "21", "1 1 500 0 0 0 5");
    put_entry(audit, "5-0", NULL, 0);
    audit_lane_end(audit);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "ledger lane:*:minute:2026112212:total 21");
    assert_string_equal(audit->findings.list[audit->findings.kept - 1].text,
                        "orders: at least 2 by the sum of its minutes, but 1 in the lanes");
    end_audit(audit);
}

static void test_days_that_expired_are_left_out(void **state)
{
    (void)state;
    struct data_set set = usual_set();
    set.now_ms += 401 * DAY_MS;
    struct audit *audit = new_audit(&set);
    struct record record = usual_record();
    put_record(audit, "o1", &record);
    audit_lane_begin(audit, 0, 5, 5);
    for (size_t i = 0; i < CELLS && !strncmp(cells[i][0], "all", 3); i++)
        put_cell(audit, cells[i][0], cells[i][1], usual_value(i));
    put_entry(audit, "5-0", NULL, 0);
    audit_lane_end(audit);
    audit_compare(audit);
    assert_string_equal(first_finding(audit), "");
    assert_int_equal(audit->counts.days_gone, 1);
    end_audit(audit);
}

/* --- findings ----------------------------------------------------------------------------- */

static void test_findings_are_counted_and_the_first_kept(void **state)
{
    (void)state;
    struct findings findings;
    findings_init(&findings, 2);
    for (int i = 0; i < 5; i++)
        findings_add(&findings, "key", SLICE("a b\x1b"), SLICE("\xff"), "number %d", i);
    assert_int_equal(findings.count, 5);
    assert_int_equal(findings.kept, 2);
    assert_string_equal(findings.list[0].key, "a\\x20b\\x1b");
    assert_string_equal(findings.list[0].field, "\\xff");
    assert_string_equal(findings.list[1].text, "number 1");
    findings_done(&findings);
}

static void test_a_tally_holds_many_cells(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally);
    for (uint32_t i = 0; i < 100000; i++) {
        struct tally_key key = {.group = {.rollup = (uint16_t)(i % 7), .when = i / 49},
                                .cell = i / 7 % 7};
        tally_open(&tally, key)->have.v[METRIC_ORDERS] += i;
    }
    assert_int_equal(tally.count, 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        struct tally_key key = {.group = {.rollup = (uint16_t)(i % 7), .when = i / 49},
                                .cell = i / 7 % 7};
        assert_int_equal(tally_open(&tally, key)->have.v[METRIC_ORDERS], i);
    }
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_right_is_exact),
        cmocka_unit_test(test_a_lane_is_its_hashes_and_the_feed_after_each_cell),
        cmocka_unit_test(test_lanes_sum_up_and_a_cell_given_twice_counts_once),
        cmocka_unit_test(test_every_missing_cell_is_found),
        cmocka_unit_test(test_every_metric_too_much_is_found),
        cmocka_unit_test(test_a_cell_that_nobody_sold_is_found),
        cmocka_unit_test(test_a_session_counts_by_its_own_rollups_only),
        cmocka_unit_test(test_records_keep_their_rules),
        cmocka_unit_test(test_unreadable_and_misplaced_records_are_found),
        cmocka_unit_test(test_feeds_have_all_that_follows_the_checkpoint),
        cmocka_unit_test(test_unreadable_cells_and_entries_are_found),
        cmocka_unit_test(test_keys_of_groups),
        cmocka_unit_test(test_refunds_may_be_of_forgotten_orders),
        cmocka_unit_test(test_orders_of_live_days_may_not),
        cmocka_unit_test(test_orders_of_older_days_may),
        cmocka_unit_test(test_sums_are_checked_whatever_was_forgotten),
        cmocka_unit_test(test_minutes_are_no_more_than_their_day),
        cmocka_unit_test(test_days_that_expired_are_left_out),
        cmocka_unit_test(test_findings_are_counted_and_the_first_kept),
        cmocka_unit_test(test_a_tally_holds_many_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
