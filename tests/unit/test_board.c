/*
 * The board, rule by rule: counting and loading. Whether all of it together keeps totals right is
 * in test_board_random.c.
 */
#include "board_fixture.h"
#include "image_fixture.h"
#include "livetally/error.h"

static int64_t gross(struct board *board, struct group_key key, uint32_t cell)
{
    const struct group *group = board_find(board, key);
    assert_non_null(group);
    assert_int_equal(group->state, GROUP_LOADED);
    return group_get(group, cell).v[METRIC_GROSS];
}

static int image_text(struct board_image *image, struct names *names, const char *field,
                      const char *value)
{
    return board_image_cell(image, names, slice_of(field), slice_of(value));
}

static void an_order_counts_once_in_every_rollup(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct fact fact = {FACT_ORDER, 1, 2, 3, 4, COUNTY, 5, 700, NOW_MS + 61000};
    const struct {
        struct group_key key;
        uint32_t cell;
    } cells[] = {
        {{ROLLUP_TOTAL, PERIOD_ALL, 0, 0}, 1},
        {{ROLLUP_TOTAL, PERIOD_MINUTE, 2026112210, 0}, 1},
        {{ROLLUP_HOST, PERIOD_DAY, 20261122, 0}, 1},
        {{ROLLUP_HOST, PERIOD_MINUTE, 2026112210, 1}, 1},
        {{ROLLUP_SESSION, PERIOD_MINUTE, 2026112210, 3}, 1},
        {{ROLLUP_COUNTY, PERIOD_MINUTE, 2026112210, COUNTY}, 1},
        {{ROLLUP_SESSION_PRODUCT, PERIOD_ALL, 0, 3}, 2},
        {{ROLLUP_PLATFORM_COUNTY, PERIOD_DAY, 20261122, 4}, COUNTY},
        {{ROLLUP_COUNTY_HOST, PERIOD_DAY, 20261122, COUNTY}, 1},
    };

    board_apply(board, 0, 1, true, &fact, 1, NOW_MS);
    assert_int_equal(board_cell_count(board), 25);
    assert_int_equal(board_group_count(board), 25);
    assert_int_equal(board_dirty_count(board), 25);
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        const struct group *group = board_find(board, cells[i].key);
        assert_non_null(group);
        assert_int_equal(group->cell_count, 1);
        assert_non_null(group_cell(group, cells[i].cell));
        assert_int_equal(group_cell(group, cells[i].cell)->own.v[METRIC_GROSS], 700);
        assert_int_equal(group_cell(group, cells[i].cell)->own.v[METRIC_UNITS], 5);
    }
    assert_null(group_cell(board_find(board, all_host), 2));
    board_free(board);
    board_free(NULL);
}

static void no_session_no_platform_no_cells(void **state)
{
    (void)state;
    struct board *board = new_board(1000);

    apply(board, 0, 1, true, order(1, 2, 700));
    assert_int_equal(board_cell_count(board), 25 - 8);
    assert_null(board_find(board, (struct group_key){ROLLUP_SESSION, PERIOD_ALL, 0, 0}));
    assert_null(board_find(board, (struct group_key){ROLLUP_PLATFORM_COUNTY, PERIOD_ALL, 0, 0}));
    board_free(board);
}

static void days_and_minutes_follow_the_business_zone(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    const int64_t midnight_ms = calendar_next_midnight_ms(&china, NOW_MS);
    const struct group_key days[] = {{ROLLUP_TOTAL, PERIOD_DAY, 20261122, 0},
                                     {ROLLUP_TOTAL, PERIOD_DAY, 20261123, 0}};
    struct fact facts[3] = {order(1, 2, 1), order(1, 2, 10), order(1, 2, 100)};

    for (int i = 0; i < 2; i++)
        load_empty(board, days[i]);
    facts[0].time_ms = midnight_ms - 1;
    facts[1].time_ms = midnight_ms;
    facts[2].time_ms = midnight_ms - 1; /* a late one, after midnight */
    board_apply(board, 0, 1, true, facts, 3, midnight_ms);
    assert_int_equal(gross(board, days[0], 1), 101);
    assert_int_equal(gross(board, days[1], 1), 10);
    assert_non_null(
        board_find(board, (struct group_key){ROLLUP_TOTAL, PERIOD_MINUTE, 2026112300, 0}));
    board_free(board);
}

static void old_minutes_are_not_counted_by_minute(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    const struct group_key hour = {ROLLUP_TOTAL, PERIOD_MINUTE, 2026112010, 0};
    struct fact fact = order(1, 2, 1);

    fact.time_ms = NOW_MS - KEEP_MS - 1;
    board_apply(board, 0, 1, true, &fact, 1, NOW_MS);
    assert_null(board_find(board, hour));
    assert_non_null(board_find(board, (struct group_key){ROLLUP_TOTAL, PERIOD_DAY, 20261120, 0}));
    fact.time_ms = NOW_MS - KEEP_MS;
    board_apply(board, 0, 2, true, &fact, 1, NOW_MS);
    assert_int_equal(board_find(board, hour)->cell_count, 1);
    board_free(board);
}

static void versions_count_changes(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct group *group = load_empty(board, all_host);
    uint64_t loaded = board_version(board);

    assert_int_equal(loaded, 1);
    assert_int_equal(group->reloaded, loaded);
    apply(board, 0, 1, true, order(1, 2, 1));
    board_spread(board);
    apply(board, 0, 2, true, order(7, 2, 1));
    assert_int_equal(board_version(board), loaded + 2);
    assert_int_equal(group_cell(group, 1)->changed, loaded + 1);
    assert_int_equal(group_cell(group, 7)->changed, loaded + 2);
    assert_int_equal(group->changed, loaded + 2);
    board_apply(board, 0, 3, true, NULL, 0, NOW_MS);
    assert_int_equal(board_version(board), loaded + 2);
    assert_int_equal(board_touch(board), loaded + 3);
    board_continue_version(board, 5);
    board_continue_version(board, 2);
    assert_int_equal(board_version(board), 5);
    board_free(board);
}

static void a_version_counts_once(void **state)
{
    (void)state;
    struct board *board = new_board(1000);

    load_empty(board, all_host);
    apply(board, 3, 7, false, order(1, 2, 1));
    apply(board, 3, 7, false, order(1, 2, 1));
    apply(board, 3, 6, false, order(1, 2, 1));
    apply(board, 4, 7, false, order(1, 2, 10));
    assert_int_equal(gross(board, all_host, 1), 11);
    board_free(board);
}

static void other_lanes_keep_nothing_that_is_not_shown(void **state)
{
    (void)state;
    struct board *board = new_board(1000);

    apply(board, 1, 1, false, order(1, 2, 1));
    assert_int_equal(board_group_count(board), 0);
    board_open(board, all_host);
    apply(board, 1, 2, false, order(1, 2, 1));
    assert_int_equal(board_cell_count(board), 0);
    /* It is loaded right after a fact found it missing: the next one must find it. */
    struct group *group = board_find(board, all_host);
    struct board_image *image = board_image_new(all_host);
    board_load_begin(board, group);
    assert_false(board_load_finish(board, group)); /* the lane has had facts */
    assert_int_equal(board_load_merge(board, group, 1, false, 2, image), 0);
    assert_true(board_load_finish(board, group));
    apply(board, 1, 3, false, order(1, 2, 5));
    assert_int_equal(gross(board, all_host, 1), 5);
    assert_int_equal(board_dirty_count(board), 0);
    board_image_free(image);
    board_free(board);
}

static void loading_takes_what_the_image_lacks(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct names *names = names_new();
    uint32_t host = names_intern(names, SLICE("mei"));
    struct board_image *image = board_image_new(all_host);
    struct group *group = board_open(board, all_host);
    struct fact fact = order(host, 2, 1000);

    assert_int_equal(image_text(image, names, "mei", "1 1 100 0 0 0 7"), 0);
    add_to_image(image, all_host, &china, 7, &fact); /* in the cell already */
    add_to_image(image, all_host, &china, 8, &fact);
    add_to_image(image, all_host, &china, 8, &fact); /* two facts of one commit */
    board_load_begin(board, group);
    apply(board, 1, 8, false, order(host, 2, 30000)); /* comes with the image, as it should */
    assert_int_equal(board_load_merge(board, group, 1, false, 9, image), 0);
    assert_int_equal(board_load_merge(board, group, 1, false, 9, image), ERROR_CONFLICT);
    assert_true(board_load_finish(board, group));
    assert_int_equal(gross(board, all_host, host), 2100);
    apply(board, 1, 9, false, order(host, 2, 40000)); /* included */
    assert_int_equal(gross(board, all_host, host), 2100);
    apply(board, 1, 10, false, order(host, 2, 1));
    assert_int_equal(gross(board, all_host, host), 2101);
    assert_null(group->included);
    apply(board, 2, 1, false, order(host, 2, 1)); /* a lane that came up later */
    assert_int_equal(gross(board, all_host, host), 2102);
    board_image_free(image);
    names_free(names);
    board_free(board);
}

static void an_image_behind_the_board_is_refused(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct board_image *image = board_image_new(all_host);
    struct group *group = board_open(board, all_host);

    board_load_begin(board, group);
    apply(board, 1, 5, false, order(1, 2, 1));
    assert_int_equal(board_load_merge(board, group, 1, false, 4, image), ERROR_CONFLICT);
    assert_false(board_load_finish(board, group));
    board_load_abort(board, group);
    assert_int_equal(group->state, GROUP_COLD);
    board_load_abort(board, group);
    board_image_free(image);
    board_free(board);
}

static void our_own_image_sets_bases(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct names *names = names_new();
    uint32_t mei = names_intern(names, SLICE("mei"));
    uint32_t lin = names_intern(names, SLICE("lin"));
    struct board_image *image = board_image_new(all_host);
    struct group *group = board_open(board, all_host);
    struct fact pending = order(mei, 2, 10);

    apply(board, 0, 8, true, pending);
    board_spread(board);
    assert_int_equal(group_cell(group, mei)->flags & CELL_BASE, 0);
    checkpoint(board);
    image_text(image, names, "mei", "1 1 100 0 0 0 7");
    image_text(image, names, "lin", "2 2 200 0 0 0 7");
    add_to_image(image, all_host, &china, 8, &pending);
    board_load_begin(board, group);
    assert_int_equal(board_load_merge(board, group, 0, true, 9, image), 0);
    assert_true(board_load_finish(board, group));
    assert_int_equal(group_cell(group, mei)->own.v[METRIC_GROSS], 110);
    assert_int_equal(group_cell(group, lin)->own.v[METRIC_GROSS], 200);
    assert_true(group_cell(group, mei)->flags & CELL_DIRTY);  /* came from the feed */
    assert_false(group_cell(group, lin)->flags & CELL_DIRTY); /* stands in Redis like that */
    assert_true(group_cell(group, lin)->flags & CELL_BASE);
    /* The image was ahead: what it had doesn't count twice, but is still to be checkpointed. */
    apply(board, 0, 9, true, order(lin, 2, 50));
    assert_int_equal(group_cell(group, lin)->own.v[METRIC_GROSS], 200);
    assert_true(group_cell(group, lin)->flags & CELL_DIRTY);
    /* A new cell of a group that is all here starts from zero. */
    apply(board, 0, 10, true, order(99, 2, 5));
    board_spread(board);
    assert_true(group_cell(group, 99)->flags & CELL_BASE);
    assert_int_equal(gross(board, all_host, 99), 5);
    board_image_free(image);
    names_free(names);
    board_free(board);
}

static void images_keep_the_newest_of_a_cell(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct names *names = names_new();
    struct board_image *image = board_image_new(all_total);
    struct group *group = board_open(board, all_total);
    struct fact other_day = order(1, 2, 1);
    const struct group_key minutes = {ROLLUP_HOST, PERIOD_MINUTE, 2026112210, 5};

    assert_int_equal(image_text(image, names, "total", "2 2 200 0 0 0 9"), 0);
    assert_int_equal(image_text(image, names, "total", "2 2 200 0 0 0 9"), 0);
    assert_int_equal(image_text(image, names, "total", "1 1 100 0 0 0 8"), 0);
    assert_int_equal(image_text(image, names, "nonsense", "2 2 200 0 0 0 9"), ERROR_CORRUPT);
    assert_int_equal(image_text(image, names, "total", "2 2 200 0 0 9"), ERROR_CORRUPT);
    board_load_begin(board, group);
    assert_int_equal(board_load_merge(board, group, 0, false, 9, image), 0);
    assert_true(board_load_finish(board, group));
    assert_int_equal(gross(board, all_total, 1), 200);
    board_image_free(image);

    image = board_image_new(minutes);
    add_to_image(image, minutes, &china, 1, &other_day); /* another host */
    other_day.host = 5;
    other_day.time_ms += HOUR_MS; /* another hour */
    add_to_image(image, minutes, &china, 1, &other_day);
    group = board_open(board, minutes);
    board_load_begin(board, group);
    assert_int_equal(board_load_merge(board, group, 0, false, 9, image), 0);
    assert_int_equal(group->cell_count, 0);
    board_image_free(image);
    names_free(names);
    board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_counts_once_in_every_rollup),
        cmocka_unit_test(no_session_no_platform_no_cells),
        cmocka_unit_test(days_and_minutes_follow_the_business_zone),
        cmocka_unit_test(old_minutes_are_not_counted_by_minute),
        cmocka_unit_test(versions_count_changes),
        cmocka_unit_test(a_version_counts_once),
        cmocka_unit_test(other_lanes_keep_nothing_that_is_not_shown),
        cmocka_unit_test(loading_takes_what_the_image_lacks),
        cmocka_unit_test(an_image_behind_the_board_is_refused),
        cmocka_unit_test(our_own_image_sets_bases),
        cmocka_unit_test(images_keep_the_newest_of_a_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
