/* Token buckets and the roster that shares them: exact to the millisecond, and never forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "livetally/roster.h"

static const struct meter_rate rate = {.messages_per_s = 10, .bytes_per_s = 1000, .burst_ms = 2000};

static void test_a_full_bucket_is_a_burst(void **state)
{
    (void)state;
    struct meter meter;
    meter_fill(&meter, &rate, 5000);
    for (int i = 0; i < 20; i++)
        assert_false(meter_take(&meter, &rate, 5000, 1, 0));
    assert_int_equal(meter_due_ms(&meter, &rate, 5000), 5000);
    assert_true(meter_take(&meter, &rate, 5000, 1, 0));
    assert_int_equal(meter_due_ms(&meter, &rate, 5000), 5100);
    assert_true(meter_take(&meter, &rate, 5099, 0, 0));
    assert_false(meter_take(&meter, &rate, 5100, 0, 0));
    assert_true(meter_take(&meter, &rate, 5100, 1, 0));
}

static void test_bytes_count_by_themselves(void **state)
{
    (void)state;
    struct meter meter;
    meter_fill(&meter, &rate, 0);
    assert_false(meter_take(&meter, &rate, 0, 1, 2000));
    assert_true(meter_take(&meter, &rate, 0, 1, 1));
    assert_int_equal(meter_due_ms(&meter, &rate, 0), 1);
    assert_true(meter_take(&meter, &rate, 0, 0, 3000));
    assert_int_equal(meter_due_ms(&meter, &rate, 0), 3001);
    assert_int_equal(meter_due_ms(&meter, &rate, 4000), 4000);
}

/* Whatever the steps of time, no more gets through than burst and rate allow, and no less. */
static void test_the_rate_is_exact_over_any_steps(void **state)
{
    (void)state;
    static const int steps_ms[] = {1, 3, 7, 50, 250, 999};
    for (size_t s = 0; s < sizeof(steps_ms) / sizeof(*steps_ms); s++) {
        struct meter meter;
        int64_t taken = 0, now = 0;
        meter_fill(&meter, &rate, now);
        for (; now < 60000; now += steps_ms[s]) {
            meter_refill(&meter, &rate, now);
            while (!meter_is_over(&meter, &rate)) {
                (void)meter_take(&meter, &rate, now, 1, 0);
                taken++;
            }
        }
        assert_in_range(taken, 20 + 590, 20 + 601);
    }
}

static void test_no_more_is_saved_than_a_burst(void **state)
{
    (void)state;
    struct meter meter;
    meter_fill(&meter, &rate, 0);
    meter_refill(&meter, &rate, 3600000);
    assert_int_equal(meter.messages, 20000);
    meter_refill(&meter, &rate, INT64_C(3000000000000));
    assert_int_equal(meter.bytes, 2000000);
    meter_refill(&meter, &rate, 5); /* a clock that goes back gives nothing */
    assert_int_equal(meter.bytes, 2000000);
}

static void test_a_rate_of_nothing_is_no_limit(void **state)
{
    (void)state;
    static const struct meter_rate none = {.burst_ms = 1000};
    static const struct meter_rate most = {UINT32_MAX, UINT32_MAX, METER_BURST_MS_MAX};
    struct meter meter;
    meter_fill(&meter, &none, 0);
    assert_false(meter_take(&meter, &none, 0, UINT32_MAX, UINT64_C(1) << 50));
    assert_int_equal(meter_due_ms(&meter, &none, 7), 7);
    meter_fill(&meter, &most, 0);
    assert_false(meter_take(&meter, &most, 1, UINT32_MAX, UINT32_MAX));
    meter_refill(&meter, &most, INT64_C(1) << 40);
    assert_int_equal(meter.messages, INT64_C(4294967295) * METER_BURST_MS_MAX);
    /* A lower rate that is set later counts at the next refill, and lifting it at once. */
    meter_refill(&meter, &rate, (INT64_C(1) << 40) + 1);
    assert_int_equal(meter.messages, 20000);
    assert_true(meter_take(&meter, &rate, (INT64_C(1) << 40) + 1, 1000, 0));
    assert_false(meter_is_over(&meter, &none));
}

/* --- roster ----------------------------------------------------------------------------------- */

static const uint8_t *key(uint32_t number)
{
    static uint8_t bytes[ROSTER_KEY_BYTES];
    memcpy(bytes + 4, &number, sizeof(number));
    return bytes;
}

static void test_a_party_lives_while_it_is_held(void **state)
{
    (void)state;
    struct roster roster;
    struct party *held[100];
    roster_init(&roster, 4711, 0);
    for (uint32_t i = 0; i < 100; i++) {
        held[i] = roster_hold(&roster, key(i));
        party_figures(held[i])->members = i;
    }
    assert_int_equal(roster_count(&roster), 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_ptr_equal(roster_hold(&roster, key(i)), held[i]);
        roster_release(&roster, held[i]);
        assert_int_equal(party_figures(held[i])->members, i);
    }
    assert_int_equal(roster_count(&roster), 100);
    for (uint32_t i = 0; i < 100; i += 2)
        roster_release(&roster, held[i]);
    assert_int_equal(roster_count(&roster), 50);
    held[0] = roster_hold(&roster, key(0));
    assert_int_equal(party_figures(held[0])->members, 0);
    roster_release(&roster, NULL);
    roster_done(&roster);
    assert_int_equal(roster_count(&roster), 0);
}

static void test_the_latest_idle_ones_are_remembered(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster, 1, 3);
    for (uint32_t i = 0; i < 5; i++) {
        struct party *party = roster_hold(&roster, key(i));
        party_figures(party)->members = 10 + i;
        roster_release(&roster, party);
    }
    assert_int_equal(roster_count(&roster), 3);
    struct party *kept = roster_hold(&roster, key(3));
    assert_int_equal(party_figures(kept)->members, 13);
    struct party *fresh = roster_hold(&roster, key(0));
    assert_int_equal(party_figures(fresh)->members, 0);
    roster_release(&roster, fresh);
    roster_release(&roster, kept); /* 2, 4, 0, and now 3: 2 has been idle for longest */
    assert_int_equal(roster_count(&roster), 3);
    kept = roster_hold(&roster, key(4));
    assert_int_equal(party_figures(kept)->members, 14);
    fresh = roster_hold(&roster, key(2));
    assert_int_equal(party_figures(fresh)->members, 0);
    roster_done(&roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_bucket_is_a_burst),
        cmocka_unit_test(test_bytes_count_by_themselves),
        cmocka_unit_test(test_the_rate_is_exact_over_any_steps),
        cmocka_unit_test(test_no_more_is_saved_than_a_burst),
        cmocka_unit_test(test_a_rate_of_nothing_is_no_limit),
        cmocka_unit_test(test_a_party_lives_while_it_is_held),
        cmocka_unit_test(test_the_latest_idle_ones_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
