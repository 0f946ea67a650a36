/*
 * The auditor on data sets with a past: generations that ended, days that expired, and sums that
 * hold whatever was forgotten.
 */
#include "audit_fixture.h"

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
    set.generations.current =
        (uint64_t)(NOW_MS / DAY_MS) + 1; /* the day began 16 h before the ledger */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refunds_may_be_of_forgotten_orders),
        cmocka_unit_test(test_orders_of_live_days_may_not),
        cmocka_unit_test(test_orders_of_older_days_may),
        cmocka_unit_test(test_sums_are_checked_whatever_was_forgotten),
        cmocka_unit_test(test_minutes_are_no_more_than_their_day),
        cmocka_unit_test(test_days_that_expired_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
