/* Windows of minutes, read from hour groups of a real board. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/core/series.h"
#include "image_fixture.h"

/* 2023-11-15 06:13:20 +08:00, so hours begin in the middle of none. */
#define NOW_MS INT64_C(1700000000000)

static const struct calendar china = {480};
static struct series_bucket buckets[SERIES_MINUTES_MAX];

struct fixture {
    struct board *board;
    uint64_t lane_version;
    const struct group *groups[SERIES_GROUPS_MAX];
    struct series series;
};

static struct group_key hour_key(uint32_t hour)
{
    return (struct group_key){ROLLUP_TOTAL, PERIOD_MINUTE, hour, 0};
}

static void set_up(struct fixture *fixture, int64_t now_ms, uint32_t minutes)
{
    struct board_options options = {china, 1000000, 48 * HOUR_MS};
    uint32_t hours[SERIES_GROUPS_MAX];
    uint32_t count = series_hours(&china, now_ms / MINUTE_MS, minutes, hours);

    memset(fixture, 0, sizeof(*fixture));
    fixture->board = board_new(&options);
    for (uint32_t i = 0; i < count; i++) {
        struct group *group = board_open(fixture->board, hour_key(hours[i]));

        board_load_begin(fixture->board, group);
        assert_true(board_load_finish(fixture->board, group));
        fixture->groups[i] = group;
    }
    fixture->series = (struct series){&china, fixture->groups, count, now_ms / MINUTE_MS, minutes};
}

static void sell(struct fixture *fixture, int64_t time_ms, int64_t amount)
{
    struct fact fact = {.kind = FACT_ORDER,
                        .host = 1,
                        .product = 1,
                        .county = 422828,
                        .quantity = 1,
                        .amount = amount,
                        .time_ms = time_ms};

    fixture->lane_version++;
    board_apply(fixture->board, 0, fixture->lane_version, false, &fact, 1, NOW_MS);
    board_spread(fixture->board);
}

static void check_all(const struct fixture *fixture, const char *expected)
{
    struct buffer out = BUFFER_INIT;

    series_write_all(&out, &fixture->series, buckets);
    assert_string_equal(buffer_cstr(&out), expected);
    buffer_done(&out);
}

/* expected NULL: nothing changed. */
static void check_since(const struct fixture *fixture, struct series_seen seen,
                        const char *expected)
{
    struct buffer out = BUFFER_INIT;
    bool wrote = series_write_since(&out, &fixture->series, seen, buckets);

    assert_int_equal(wrote, expected != NULL);
    assert_int_equal(series_changed(&fixture->series, seen), wrote);
    assert_string_equal(buffer_cstr(&out), expected ? expected : "");
    buffer_done(&out);
}

static struct series_seen seen_now(const struct fixture *fixture)
{
    return (struct series_seen){board_version(fixture->board), fixture->series.minute_now};
}

static void test_hours(void **state)
{
    uint32_t hours[SERIES_GROUPS_MAX];
    int64_t minute = NOW_MS / MINUTE_MS;
    struct calendar india = {330};
    (void)state;

    assert_int_equal(series_hours(&china, minute, 1, hours), 1);
    assert_int_equal(hours[0], 2023111506);
    assert_int_equal(series_hours(&china, minute, 14, hours), 1);
    assert_int_equal(series_hours(&china, minute, 15, hours), 2);
    assert_int_equal(hours[0], 2023111505);
    assert_int_equal(hours[1], 2023111506);
    assert_int_equal(series_hours(&china, minute, 1440, hours), 25);
    assert_int_equal(hours[0], 2023111406);
    assert_int_equal(hours[24], 2023111506);
    /* 03:43:20 */
    assert_int_equal(series_hours(&india, minute, 44, hours), 1);
    assert_int_equal(series_hours(&india, minute, 45, hours), 2);
    assert_int_equal(hours[0], 2023111502);
    for (int64_t m = minute; m < minute + 120; m++) {
        for (uint32_t n = 1; n <= 1440; n += 7) {
            uint32_t count = series_hours(&india, m, n, hours);

            assert_int_equal(hours[0], calendar_hour(&india, (m - n + 1) * MINUTE_MS));
            assert_int_equal(hours[count - 1], calendar_hour(&india, m * MINUTE_MS));
        }
    }
}

static void test_window(void **state)
{
    struct fixture fixture;
    (void)state;

    set_up(&fixture, NOW_MS, 15);
    check_since(&fixture, seen_now(&fixture), NULL);
    sell(&fixture, NOW_MS, 5);
    sell(&fixture, NOW_MS - 14 * MINUTE_MS, 7); /* 05:59:20: the other hour */
    sell(&fixture, NOW_MS - 15 * MINUTE_MS, 11);
    sell(&fixture, NOW_MS + 2 * MINUTE_MS, 13);
    check_all(&fixture, "{\"step_ms\":60000,\"start\":1699999140000,"
                        "\"orders\":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,1],"
                        "\"gross\":[7,0,0,0,0,0,0,0,0,0,0,0,0,0,5],"
                        "\"refunded\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}");
    board_free(fixture.board);
}

static void test_increments(void **state)
{
    struct fixture fixture;
    struct series_seen seen;
    (void)state;

    set_up(&fixture, NOW_MS, 5);
    sell(&fixture, NOW_MS, 5);
    seen = seen_now(&fixture);
    check_since(&fixture, seen, NULL);
    sell(&fixture, NOW_MS - 3 * MINUTE_MS, 1);
    check_since(&fixture, seen,
                "{\"step_ms\":60000,\"start\":1699999800000,\"orders\":[1],\"gross\":[1],"
                "\"refunded\":[0]}");
    sell(&fixture, NOW_MS - MINUTE_MS, 2);
    check_since(&fixture, seen,
                "{\"step_ms\":60000,\"start\":1699999800000,\"orders\":[1,0,1],"
                "\"gross\":[1,0,2],\"refunded\":[0,0,0]}");
    check_since(&fixture, seen_now(&fixture), NULL);
    seen = seen_now(&fixture);
    sell(&fixture, NOW_MS - 5 * MINUTE_MS, 2);
    check_since(&fixture, seen, NULL);
    board_free(fixture.board);
}

/* An order ahead of our clock shows when its minute comes, though nothing changed then. */
static void test_future(void **state)
{
    struct fixture fixture;
    struct series_seen seen;
    (void)state;

    set_up(&fixture, NOW_MS, 3);
    sell(&fixture, NOW_MS + MINUTE_MS, 9);
    seen = seen_now(&fixture);
    check_since(&fixture, seen, NULL);
    fixture.series.minute_now++;
    check_since(&fixture, seen,
                "{\"step_ms\":60000,\"start\":1700000040000,\"orders\":[1],\"gross\":[9],"
                "\"refunded\":[0]}");
    check_since(&fixture, seen_now(&fixture), NULL);
    fixture.series.minute_now++;
    check_since(&fixture, (struct series_seen){seen.version, seen.minute + 1}, NULL);
    board_free(fixture.board);
}

/* What a group held when it was loaded is new to whoever was there before. */
static void test_reload(void **state)
{
    struct fixture fixture;
    struct series_seen seen;
    struct group *group;
    struct board_image *image;
    struct fact fact = {.kind = FACT_REFUND, .amount = 3, .time_ms = NOW_MS};
    (void)state;

    set_up(&fixture, NOW_MS, 3);
    seen = seen_now(&fixture);
    group = board_find(fixture.board, hour_key(2023111506));
    image = board_image_new(group->key);
    add_to_image(image, group->key, &china, 1, &fact);
    board_load_begin(fixture.board, group);
    assert_int_equal(board_load_merge(fixture.board, group, 0, false, 1, image), 0);
    assert_true(board_load_finish(fixture.board, group));
    board_image_free(image);
    check_since(&fixture, seen,
                "{\"step_ms\":60000,\"start\":1699999980000,\"orders\":[0],\"gross\":[0],"
                "\"refunded\":[3]}");
    check_since(&fixture, seen_now(&fixture), NULL);
    board_free(fixture.board);
}

static void test_a_day(void **state)
{
    struct fixture fixture;
    struct buffer out = BUFFER_INIT;
    (void)state;

    set_up(&fixture, NOW_MS, SERIES_MINUTES_MAX);
    assert_int_equal(fixture.series.group_count, SERIES_GROUPS_MAX);
    for (int64_t m = 0; m < 1500; m++)
        sell(&fixture, NOW_MS - m * MINUTE_MS, 1);
    series_write_all(&out, &fixture.series, buckets);
    for (int i = 0; i < SERIES_MINUTES_MAX; i++) {
        assert_int_equal(buckets[i].orders, 1);
        assert_int_equal(buckets[i].gross, 1);
    }
    buffer_done(&out);
    board_free(fixture.board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hours),      cmocka_unit_test(test_window),
        cmocka_unit_test(test_increments), cmocka_unit_test(test_future),
        cmocka_unit_test(test_reload),     cmocka_unit_test(test_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
