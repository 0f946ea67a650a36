/*
 * Facts are gathered before they are spread over cells: what that leaves to be seen at the edges.
 * That totals are the same in any case is the matter of test_board_random.c.
 */
#include "board_fixture.h"
#include "image_fixture.h"

#include "core/board_private.h"
#include "livetally/event.h"
#include "livetally/mem.h"

#define LANE 3u

static const struct group_key all_product = {ROLLUP_PRODUCT, PERIOD_ALL, 0, 0};

static int64_t gross(struct board *board, struct group_key key, uint32_t cell)
{
    return group_cell(board_find(board, key), cell)->own.v[METRIC_GROSS];
}

static uint32_t singles_of_host(const struct board *board)
{
    return board->singles.tables[DIMENSION_HOST].count;
}

/* `count` orders, each of a product of its own. */
static struct fact *many_orders(uint32_t count)
{
    struct fact *facts = mem_resize(NULL, count, sizeof(*facts));
    for (uint32_t i = 0; i < count; i++)
        facts[i] = order(1, 10 + i, 100);
    return facts;
}

static void alike_facts_are_gathered_as_one(void **state)
{
    struct board *board = new_board(1000);
    struct fact refund = order(1, 2, 30);

    (void)state;
    refund.kind = FACT_REFUND;
    apply(board, LANE, 1, true, order(1, 2, 100));
    apply(board, LANE, 2, true, order(1, 2, 250));
    assert_int_equal(board->gathering.count, 1);
    apply(board, LANE, 3, true, refund);
    apply(board, LANE, 4, true, order(1, 3, 1));
    assert_int_equal(board->gathering.count, 3);
    assert_int_equal(board->cell_count, 0);
    assert_int_equal(gross(board, all_host, 1), 351);
    assert_int_equal(board->gathering.count, 0);
    const struct cell *cell = group_cell(board_find(board, all_product), 2);
    assert_int_equal(cell->own.v[METRIC_ORDERS], 2);
    assert_int_equal(cell->own.v[METRIC_REFUNDED], 30);
    board_free(board);
}

static void lanes_are_kept_apart(void **state)
{
    struct board *board = new_board(1000);
    struct group *group = load_empty(board, all_total);

    (void)state;
    apply(board, LANE, 1, true, order(1, 2, 100));
    apply(board, LANE + 1, 1, false, order(1, 2, 1000));
    assert_int_equal(board->gathering.count, 1);
    assert_int_equal(singles_of_host(board), 1);
    board_spread(board);
    assert_int_equal(board->gathering.count, 0);
    assert_int_equal(singles_of_host(board), 0);
    assert_int_equal(group_get(group, TOTAL_CELL).v[METRIC_GROSS], 1100);
    assert_int_equal(group_cell(group, TOTAL_CELL)->own.v[METRIC_GROSS], 100);
    board_free(board);
}

static void cells_count_up_to_a_version(void **state)
{
    struct board *board = new_board(1000);

    (void)state;
    assert_int_equal(board_own_version(board, 6), 6);
    apply(board, LANE + 1, 9, false, order(1, 2, 100));
    assert_int_equal(board_own_version(board, 6), 6);
    board_apply(board, LANE, 7, true, NULL, 0, NOW_MS);
    assert_int_equal(board_own_version(board, 7), 7);
    apply(board, LANE, 8, true, order(1, 2, 100));
    apply(board, LANE, 9, true, order(1, 2, 100));
    assert_int_equal(board_own_version(board, 9), 7);
    board_spread(board);
    assert_int_equal(board_own_version(board, 9), 9);
    board_free(board);
}

static void a_commit_is_spread_as_a_whole(void **state)
{
    const uint32_t half = GATHERED_MAX / 2 + 1;
    struct board *board = new_board(1000000);
    struct fact *facts = many_orders(2 * GATHERED_MAX + 1);

    (void)state;
    board_apply(board, LANE, 1, true, facts, half, NOW_MS);
    assert_int_equal(board_own_version(board, 1), 0);
    board_apply(board, LANE, 2, true, facts + half, half, NOW_MS);
    assert_int_equal(board_own_version(board, 2), 1);
    board_apply(board, LANE, 3, true, facts, 2 * GATHERED_MAX + 1, NOW_MS);
    assert_int_equal(board_own_version(board, 3), 3);
    assert_int_equal(gross(board, all_host, 1), 100 * (2 * half + 2 * GATHERED_MAX + 1));
    assert_int_equal(gross(board, all_product, 10), 200);
    assert_int_equal(gross(board, all_product, 10 + 2 * GATHERED_MAX), 100);
    free(facts);
    board_free(board);
}

/* One group has more than what is applied: commits up to there don't count in it, but in others. */
static void what_a_load_overtook_is_not_gathered(void **state)
{
    struct board *board = new_board(1000);
    struct group *group = board_open(board, all_total);
    struct board_image *image = board_image_new(all_total);
    struct fact fact = order(1, 2, 100);

    (void)state;
    apply(board, LANE, 1, true, fact);
    board_load_begin(board, group);
    for (uint64_t version = 1; version <= 3; version++)
        add_to_image(image, all_total, &china, version, &fact);
    assert_int_equal(board_load_merge(board, group, LANE, true, 3, image), 0);
    assert_true(board_load_finish(board, group));
    for (uint64_t version = 2; version <= 3; version++) {
        apply(board, LANE, version, true, fact);
        assert_int_equal(board->gathering.count, 0);
        assert_int_equal(board_own_version(board, version), version);
    }
    apply(board, LANE, 4, true, fact);
    assert_int_equal(board->gathering.count, 1);
    assert_int_equal(gross(board, all_total, TOTAL_CELL), 400);
    assert_int_equal(group_get(group, TOTAL_CELL).v[METRIC_GROSS], 400);
    assert_int_equal(gross(board, all_host, 1), 400);
    board_image_free(image);
    board_free(board);
}

/* More than can be gathered, while our own lane's facts wait: each counts once, in every group. */
static void a_large_commit_that_a_load_overtook(void **state)
{
    const uint32_t count = 2 * GATHERED_MAX + 1;
    struct board *board = new_board(1000000);
    struct group *hosts = load_empty(board, all_host);
    struct group *total = board_open(board, all_total);
    struct board_image *image = board_image_new(all_total);
    struct fact *facts = many_orders(count);
    struct fact fact = order(1, 2, 100);

    (void)state;
    apply(board, LANE + 1, 1, false, fact);
    board_load_begin(board, total);
    add_to_image(image, all_total, &china, 1, &fact);
    for (uint32_t i = 0; i < count; i++)
        add_to_image(image, all_total, &china, 2, &facts[i]);
    assert_int_equal(board_load_merge(board, total, LANE + 1, false, 2, image), 0);
    assert_true(board_load_finish(board, total));
    apply(board, LANE, 1, true, fact);
    assert_int_equal(board_own_version(board, 1), 0);
    board_apply(board, LANE + 1, 2, false, facts, count, NOW_MS);
    assert_int_equal(board->gathering.count, 0);
    assert_int_equal(board_own_version(board, 1), 1);
    apply(board, LANE + 1, 3, false, fact);
    assert_int_equal(singles_of_host(board), 1);
    board_spread(board);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_ORDERS], count + 3);
    assert_int_equal(group_get(hosts, 1).v[METRIC_ORDERS], count + 3);
    assert_int_equal(group_cell(total, TOTAL_CELL)->own.v[METRIC_ORDERS], 1);
    board_image_free(image);
    free(facts);
    board_free(board);
}

/* A lane's facts pass over what no group shows, and count from the moment that one does. */
static void other_lanes_count_in_what_is_shown_alone(void **state)
{
    struct board *board = new_board(1000);
    struct group *hosts;

    (void)state;
    apply(board, LANE, 1, true, order(1, 2, 100));
    apply(board, LANE + 1, 1, false, order(1, 2, 1000));
    assert_int_equal(board->shown[ROLLUP_HOST][PERIOD_ALL], 0);
    assert_int_equal(gross(board, all_host, 1), 100);
    hosts = board_open(board, all_host);
    board_load_begin(board, hosts);
    assert_int_equal(board->shown[ROLLUP_HOST][PERIOD_ALL], 1);
    board_load_abort(board, hosts);
    assert_int_equal(board->shown[ROLLUP_HOST][PERIOD_ALL], 0);
    board_free(board);
    board = new_board(1000);
    hosts = load_empty(board, all_host);
    apply(board, LANE + 1, 1, false, order(1, 2, 1000));
    board_spread(board);
    assert_int_equal(group_get(hosts, 1).v[METRIC_GROSS], 1000);
    board_set_now(board, 1000);
    assert_int_equal(board_evict(board, 1000), 1);
    assert_null(board_find(board, all_host));
    assert_int_equal(board->shown[ROLLUP_HOST][PERIOD_ALL], 0);
    board_free(board);
}

/* Each of these takes another way, and the total tells whether it took exactly one. */
static void other_lanes_count_once_whatever_is_shown(void **state)
{
    const struct group_key day_host = {ROLLUP_HOST, PERIOD_DAY, 20261122, 0};
    const struct group_key host_products = {ROLLUP_HOST_PRODUCT, PERIOD_ALL, 0, 1};
    struct board *board = new_board(1000);
    struct group *total = load_empty(board, all_total);
    struct group *today = load_empty(board, day_host);
    struct fact yesterday = order(1, 2, 20);
    struct fact refund = order(1, 2, 1);

    (void)state;
    yesterday.time_ms -= DAY_MS;
    refund.kind = FACT_REFUND;
    refund.quantity = 7;
    apply(board, LANE + 1, 1, false, order(1, 2, 100));
    apply(board, LANE + 2, 1, false, order(1, 2, 100));
    apply(board, LANE + 2, 2, false, refund);
    assert_int_equal(singles_of_host(board), 1);
    assert_int_equal(board->gathering.count, 0);
    apply(board, LANE + 1, 2, false, yesterday);
    assert_int_equal(board->gathering.count, 1);
    struct group *products = board_open(board, host_products);
    struct board_image *nothing = board_image_new(host_products);
    board_load_begin(board, products);
    assert_int_equal(board_load_merge(board, products, LANE + 1, false, 2, nothing), 0);
    assert_int_equal(board_load_merge(board, products, LANE + 2, false, 2, nothing), 0);
    assert_true(board_load_finish(board, products));
    board_image_free(nothing);
    assert_int_equal(singles_of_host(board) + board->gathering.count, 0);
    assert_int_equal(board->shown_others, 1);
    apply(board, LANE + 1, 3, false, order(1, 2, 3));
    apply(board, LANE + 2, 3, false, order(1, 2, 3));
    apply(board, LANE + 2, 4, false, yesterday);
    assert_int_equal(singles_of_host(board), 1);
    assert_int_equal(board->gathering.count, 2);
    board_spread(board);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_GROSS], 246);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_ORDERS], 6);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_REFUNDED], 1);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_RETURNED], 7);
    assert_int_equal(group_get(today, 1).v[METRIC_GROSS], 206);
    assert_int_equal(group_get(products, 2).v[METRIC_GROSS], 26);
    board_free(board);
}

/* While a group is loading, each lane counts in it from its own version on. */
static void other_lanes_are_told_apart_while_loading(void **state)
{
    struct board *board = new_board(1000);
    struct group *total = load_empty(board, all_total);
    struct group *hosts = board_open(board, all_host);
    struct board_image *images[2];

    (void)state;
    board_load_begin(board, hosts);
    assert_int_equal(board->loading, 1);
    for (uint32_t i = 0; i < 2; i++) {
        struct fact fact = order(1, 2, 100);
        images[i] = board_image_new(all_host);
        apply(board, LANE + i, 1, false, fact);
        add_to_image(images[i], all_host, &china, 1, &fact);
    }
    assert_int_equal(singles_of_host(board), 0);
    assert_int_equal(board_load_merge(board, hosts, LANE, false, 1, images[0]), 0);
    apply(board, LANE, 2, false, order(1, 2, 20));
    assert_int_equal(board_load_merge(board, hosts, LANE + 1, false, 1, images[1]), 0);
    assert_true(board_load_finish(board, hosts));
    assert_int_equal(board->loading, 0);
    apply(board, LANE, 3, false, order(1, 2, 3));
    assert_int_equal(singles_of_host(board), 1);
    board_spread(board);
    assert_int_equal(group_get(hosts, 1).v[METRIC_GROSS], 223);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_GROSS], 223);
    for (uint32_t i = 0; i < 2; i++)
        board_image_free(images[i]);
    board_free(board);
}

/* More products than a table holds, in one commit and in several. */
static void other_lanes_sell_more_than_fits(void **state)
{
    const uint32_t count = SINGLES_MAX - 1;
    struct board *board = new_board(1000000);
    struct group *products = load_empty(board, all_product);
    struct fact *facts = many_orders(2 * SINGLES_MAX);

    (void)state;
    for (uint64_t version = 1; version <= 3; version++)
        board_apply(board, LANE, version, false, facts + version, count, NOW_MS);
    assert_int_equal(board->singles.tables[DIMENSION_PRODUCT].count, count);
    board_apply(board, LANE, 4, false, facts, 2 * SINGLES_MAX, NOW_MS);
    board_spread(board);
    assert_int_equal(products->cell_count, 2 * SINGLES_MAX);
    assert_int_equal(group_get(products, 10).v[METRIC_ORDERS], 1);
    assert_int_equal(group_get(products, 13).v[METRIC_ORDERS], 4);
    assert_int_equal(group_get(products, 10 + count).v[METRIC_ORDERS], 4);
    assert_int_equal(group_get(products, 12 + count).v[METRIC_ORDERS], 2);
    assert_int_equal(group_get(products, 13 + count).v[METRIC_ORDERS], 1);
    free(facts);
    board_free(board);
}

/* Days end; and times beyond those that calendars know are no reason to lose an order. */
static void other_lanes_sell_at_any_time(void **state)
{
    static const int64_t times_ms[] = {0, NOW_MS, TIME_MAX_MS, NOW_MS + 14 * HOUR_MS,
                                       NOW_MS + 14 * HOUR_MS - 1};
    struct board *board = new_board(1000);
    struct group *total = load_empty(board, all_total);

    (void)state;
    for (uint32_t i = 0; i < 3 * 5; i++) {
        struct fact fact = order(1, 2, 1);
        fact.time_ms = times_ms[i % 5];
        apply(board, LANE, i + 1, false, fact);
        if (i % 4 == 3)
            board_spread(board);
    }
    board_spread(board);
    assert_int_equal(group_get(total, TOTAL_CELL).v[METRIC_ORDERS], 15);
    board_free(board);
    board = new_board(1000);
    struct group *today =
        load_empty(board, (struct group_key){ROLLUP_TOTAL, PERIOD_DAY, 20261122, 0});
    for (uint32_t i = 0; i < 5; i++) {
        struct fact fact = order(1, 2, 1);
        fact.time_ms = times_ms[i];
        apply(board, LANE, i + 1, false, fact);
    }
    board_spread(board);
    assert_int_equal(group_get(today, TOTAL_CELL).v[METRIC_ORDERS], 2);
    board_free(board);
}

static void minutes_long_gone_are_not_counted_by(void **state)
{
    struct board *board = new_board(1000);
    struct group_key minute = {ROLLUP_TOTAL, PERIOD_MINUTE, 2026112010, 0};
    struct fact fact = order(1, 2, 100);

    (void)state;
    fact.time_ms = NOW_MS - KEEP_MS;
    apply(board, LANE, 1, true, fact);
    board_apply(board, LANE, 2, true, &fact, 1, NOW_MS + MINUTE_MS);
    assert_int_equal(board->gathering.count, 2);
    assert_int_equal(gross(board, minute, 0), 100);
    assert_int_equal(gross(board, all_total, TOTAL_CELL), 200);
    board_free(board);
}

static void a_bound_is_asked_without_spreading(void **state)
{
    struct board *board = new_board(1000);

    (void)state;
    apply(board, LANE, 1, true, order(1, 2, 100));
    assert_false(board_dirty_over(board, 100));
    assert_int_equal(board->gathering.count, 1);
    assert_false(board_dirty_over(board, board->plan_count - 1));
    assert_int_equal(board->gathering.count, 0);
    uint32_t dirty = board->plan_count - 8; /* no session, no platform */
    assert_int_equal(board_dirty_count(board), dirty);
    assert_true(board_dirty_over(board, dirty - 1));
    board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alike_facts_are_gathered_as_one),
        cmocka_unit_test(lanes_are_kept_apart),
        cmocka_unit_test(cells_count_up_to_a_version),
        cmocka_unit_test(a_commit_is_spread_as_a_whole),
        cmocka_unit_test(what_a_load_overtook_is_not_gathered),
        cmocka_unit_test(a_large_commit_that_a_load_overtook),
        cmocka_unit_test(other_lanes_count_in_what_is_shown_alone),
        cmocka_unit_test(other_lanes_count_once_whatever_is_shown),
        cmocka_unit_test(other_lanes_are_told_apart_while_loading),
        cmocka_unit_test(other_lanes_sell_more_than_fits),
        cmocka_unit_test(other_lanes_sell_at_any_time),
        cmocka_unit_test(minutes_long_gone_are_not_counted_by),
        cmocka_unit_test(a_bound_is_asked_without_spreading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
