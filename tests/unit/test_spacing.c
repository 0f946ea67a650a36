/*
 * How far apart checkpoints are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/spacing.h"

static void test_few_cells_are_written_as_often_as_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(1000, checkpoint_spacing_ms(0, 1, 1000));
    assert_int_equal(1000, checkpoint_spacing_ms(50000, 1, 1000));
    assert_int_equal(10, checkpoint_spacing_ms(500, 1, 10));
    assert_int_equal(60000, checkpoint_spacing_ms(UINT32_MAX, 16, 60000));
}

static void test_many_cells_wait_for_each_other(void **state)
{
    (void)state;
    assert_int_equal(1001, checkpoint_spacing_ms(50050, 1, 1000));
    assert_int_equal(4000, checkpoint_spacing_ms(200000, 1, 1000));
    assert_int_equal(5000, checkpoint_spacing_ms(250000, 1, 1000));
    assert_int_equal(5000, checkpoint_spacing_ms(UINT32_MAX, 1, 1000));
}

/* Each of n lanes that writes as many cells as one alone does so every n times as long. */
static void test_lanes_share_the_time_of_redis(void **state)
{
    (void)state;
    for (int64_t seats = 1; seats <= 3; seats++)
        assert_int_equal(4000 * seats, checkpoint_spacing_ms(200000, seats, 1000));
    assert_int_equal(15000, checkpoint_spacing_ms(UINT32_MAX, 3, 1000));
}

static void test_a_start_never_has_to_read_longer_feeds_than_that(void **state)
{
    (void)state;
    assert_int_equal(15000, checkpoint_spacing_ms(UINT32_MAX, 16, 1000));
}

/* Before the seats were counted. */
static void test_no_seat_is_as_good_as_one(void **state)
{
    (void)state;
    assert_int_equal(checkpoint_spacing_ms(200000, 1, 1000),
                     checkpoint_spacing_ms(200000, 0, 1000));
    assert_int_equal(1000, checkpoint_spacing_ms(200, -1, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_cells_are_written_as_often_as_was_asked_for),
        cmocka_unit_test(test_many_cells_wait_for_each_other),
        cmocka_unit_test(test_lanes_share_the_time_of_redis),
        cmocka_unit_test(test_a_start_never_has_to_read_longer_feeds_than_that),
        cmocka_unit_test(test_no_seat_is_as_good_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
