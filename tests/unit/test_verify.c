/*
 * The auditor, fed by hand: a small data set that is right, spelled out cell by cell, and then one
 * thing wrong with it at a time.
 */
#include "audit_fixture.h"

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
        cmocka_unit_test(test_findings_are_counted_and_the_first_kept),
        cmocka_unit_test(test_a_tally_holds_many_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
