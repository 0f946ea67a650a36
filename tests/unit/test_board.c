/*
 * The board, rule by rule. Whether all of it together keeps totals right is in test_board_random.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "livetally/board.h"
#include "livetally/error.h"
#include "livetally/mem.h"

#define NOW_MS  INT64_C(1795312800000) /* 2026-11-22 02:00 UTC, 10:00 in China */
#define KEEP_MS (48 * HOUR_MS)
#define COUNTY  422828u

static const struct calendar china = {480};
static const struct group_key all_total = {ROLLUP_TOTAL, PERIOD_ALL, 0, 0};
static const struct group_key all_host = {ROLLUP_HOST, PERIOD_ALL, 0, 0};

static struct board *new_board(uint32_t max_cells)
{
    const struct board_options options = {china, max_cells, KEEP_MS};
    return board_new(&options);
}

static struct fact order(uint32_t host, uint32_t product, int64_t amount)
{
    return (struct fact){FACT_ORDER, host, product, 0, 0, COUNTY, 1, amount, NOW_MS};
}

static void apply(struct board *board, uint32_t lane, uint64_t version, bool own, struct fact fact)
{
    board_apply(board, lane, version, own, &fact, 1, NOW_MS);
}

/* Loads a group of which Redis has nothing. */
static struct group *load_empty(struct board *board, struct group_key key)
{
    struct group *group = board_open(board, key);
    board_load_begin(board, group);
    assert_true(board_load_finish(board, group));
    return group;
}

static int64_t gross(const struct board *board, struct group_key key, uint32_t cell)
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

/* Writes all that is dirty, with zeros as bases. */
static uint32_t checkpoint(struct board *board)
{
    static const struct metrics zeros = {{0}};
    struct cell_ref refs[64];
    uint32_t written = 0;

    for (uint32_t count; (count = board_dirty_take(board, refs, 64)) > 0; written += count)
        for (uint32_t i = 0; i < count; i++) {
            board_set_base(board, refs[i], &zeros);
            board_dirty_written(board, refs[i]);
        }
    return written;
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
    struct board_image *image = board_image_new(all_host, &china);
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
    struct board_image *image = board_image_new(all_host, &china);
    struct group *group = board_open(board, all_host);
    struct fact fact = order(host, 2, 1000);

    assert_int_equal(image_text(image, names, "mei", "1 1 100 0 0 0 7"), 0);
    board_image_fact(image, 7, &fact); /* in the cell already */
    board_image_fact(image, 8, &fact);
    board_image_fact(image, 8, &fact); /* two facts of one commit */
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
    struct board_image *image = board_image_new(all_host, &china);
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
    struct board_image *image = board_image_new(all_host, &china);
    struct group *group = board_open(board, all_host);
    struct fact pending = order(mei, 2, 10);

    apply(board, 0, 8, true, pending);
    assert_int_equal(group_cell(group, mei)->flags & CELL_BASE, 0);
    checkpoint(board);
    image_text(image, names, "mei", "1 1 100 0 0 0 7");
    image_text(image, names, "lin", "2 2 200 0 0 0 7");
    board_image_fact(image, 8, &pending);
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
    struct board_image *image = board_image_new(all_total, &china);
    struct group *group = board_open(board, all_total);
    struct fact other_day = order(1, 2, 1);

    assert_int_equal(image_text(image, names, "total", "2 2 200 0 0 0 9"), 0);
    assert_int_equal(image_text(image, names, "total", "1 1 100 0 0 0 8"), 0);
    assert_int_equal(image_text(image, names, "total", "2 2 200 0 0 0 9"), 0);
    assert_int_equal(image_text(image, names, "nonsense", "2 2 200 0 0 0 9"), ERROR_CORRUPT);
    assert_int_equal(image_text(image, names, "total", "2 2 200 0 0 9"), ERROR_CORRUPT);
    board_load_begin(board, group);
    assert_int_equal(board_load_merge(board, group, 0, false, 9, image), 0);
    assert_true(board_load_finish(board, group));
    assert_int_equal(gross(board, all_total, 1), 200);
    board_image_free(image);

    image = board_image_new((struct group_key){ROLLUP_HOST, PERIOD_MINUTE, 2026112210, 5}, &china);
    board_image_fact(image, 1, &other_day); /* another host */
    other_day.host = 5;
    other_day.time_ms += HOUR_MS; /* another hour */
    board_image_fact(image, 1, &other_day);
    group = board_open(board, (struct group_key){ROLLUP_HOST, PERIOD_MINUTE, 2026112210, 5});
    board_load_begin(board, group);
    assert_int_equal(board_load_merge(board, group, 0, false, 9, image), 0);
    assert_int_equal(group->cell_count, 0);
    board_image_free(image);
    names_free(names);
    board_free(board);
}

static void dirty_cells_are_taken_oldest_first(void **state)
{
    (void)state;
    struct board *board = new_board(100000);
    struct cell_ref *refs = mem_alloc(sizeof(*refs) * 20000);
    const struct metrics base = {{0, 0, 5000, 0, 0, 0}};
    uint32_t count;

    for (uint32_t host = 1; host <= 200; host++)
        apply(board, 0, host, true, order(host, 2, 1));
    count = board_dirty_take(board, refs, 100);
    assert_int_equal(count, 100);
    for (uint32_t i = 0; i < count; i++)
        board_dirty_return(board, refs[i]); /* to the end, and the ring wraps */
    for (uint32_t host = 201; host <= 1000; host++)
        apply(board, 0, host, true, order(host, 2, 1));
    uint32_t dirty = board_dirty_count(board);
    assert_int_equal(board_dirty_take(board, refs, 20000), dirty);
    assert_int_equal(board_dirty_count(board), 0);
    for (uint32_t i = 1; i < dirty; i++) /* hosts of all:host in order, but for those returned */
        if (group_key_equal(refs[i].group->key, all_host) && cell_of(refs[i])->key > 201)
            assert_non_null(group_cell(refs[i].group, cell_of(refs[i])->key - 1));
    for (uint32_t i = 0; i < dirty; i++) {
        int64_t pending = cell_of(refs[i])->own.v[METRIC_GROSS];
        board_set_base(board, refs[i], &base);
        board_set_base(board, refs[i], &base);
        assert_int_equal(cell_of(refs[i])->own.v[METRIC_GROSS], pending + 5000);
        board_dirty_written(board, refs[i]);
    }
    apply(board, 0, 1001, true, order(1, 2, 1));
    assert_int_equal(group_cell(board_find(board, all_host), 1)->own.v[METRIC_GROSS], 5002);
    assert_int_equal(board_dirty_count(board), 17);
    free(refs);
    board_free(board);
}

static void idle_groups_are_dropped(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct cell_ref ref;

    board_set_now(board, 1000);
    apply(board, 0, 1, true, order(1, 2, 1));
    board_watch(board, all_host);
    board_watch(board, all_host);
    board_unwatch(board, all_host);
    board_set_now(board, 5000);
    assert_int_equal(board_evict(board, 1001), 0); /* all dirty */
    assert_int_equal(board_dirty_take(board, &ref, 1), 1);
    checkpoint(board);
    assert_int_equal(board_evict(board, 5000), 0); /* the last round began only just now */
    board_set_now(board, 9000);
    assert_int_equal(board_evict(board, 5001), 15);
    assert_int_equal(board_group_count(board), 2); /* one watched, one taken */
    board_dirty_return(board, ref);
    checkpoint(board);
    board_set_now(board, 9100);
    board_unwatch(board, all_host);
    assert_int_equal(board_evict(board, 9001), 1);
    assert_ptr_not_equal(board_find(board, all_host), NULL); /* it was watched a moment ago */
    board_set_now(board, 9200);
    board_evict(board, 9101);
    assert_int_equal(board_group_count(board), 0);
    assert_int_equal(board_cell_count(board), 0);
    assert_false(board_full(board));
    board_free(board);
}

static void idle_cells_of_busy_groups_are_dropped(void **state)
{
    (void)state;
    struct board *board = new_board(100000);
    struct group *group;

    for (uint32_t host = 1; host <= 500; host++)
        apply(board, 0, host, true, order(host, 2, 1));
    group = board_find(board, all_host);
    checkpoint(board);
    assert_int_equal(board_evict(board, 0), 0); /* used since the last visit, which never was */
    board_set_now(board, 5000);
    for (uint32_t host = 1; host <= 10; host++)
        apply(board, 0, 500 + host, true, order(host * 7, 2, 1));
    checkpoint(board);
    assert_true(board_evict(board, 1) > 490);
    assert_int_equal(group->cell_count, 10);
    assert_true(group->cell_capacity <= 64);
    for (uint32_t host = 1; host <= 10; host++)
        assert_int_equal(group_cell(group, host * 7)->own.v[METRIC_GROSS], 2);
    assert_null(group_cell(group, 1));
    /* One that comes back needs its base again. */
    apply(board, 0, 600, true, order(1, 2, 1));
    assert_int_equal(group_cell(group, 1)->flags & CELL_BASE, 0);
    board_free(board);
}

static void an_idle_loaded_group_becomes_cold(void **state)
{
    (void)state;
    struct board *board = new_board(1000);
    struct group *group;

    board_set_now(board, 1000);
    group = load_empty(board, all_host);
    board_set_now(board, 9000);
    apply(board, 0, 1, true, order(1, 2, 1)); /* orders don't keep it loaded */
    board_evict(board, 1000);
    assert_int_equal(group->state, GROUP_LOADED);
    board_set_now(board, 20000);
    board_evict(board, 9500);
    assert_ptr_equal(board_find(board, all_host), group);
    assert_int_equal(group->state, GROUP_COLD);
    assert_int_equal(group_cell(group, 1)->own.v[METRIC_GROSS], 1);
    board_load_begin(board, group);
    board_set_now(board, 40000);
    assert_int_equal(board_evict(board, 30000), 0);
    assert_int_equal(group->state, GROUP_LOADING);
    board_free(board);
}

static void full_means_too_much_that_cannot_go(void **state)
{
    (void)state;
    struct board *board = new_board(38);

    apply(board, 0, 1, true, order(1, 2, 1));
    apply(board, 0, 2, true, order(3, 4, 1));
    assert_false(board_full(board));
    apply(board, 0, 3, true, order(5, 6, 1));
    assert_true(board_full(board));
    checkpoint(board);
    assert_false(board_full(board));
    assert_true(board_cell_count(board) > 38);
    board_evict(board, 0); /* over the bound no cell gets a second chance */
    assert_int_equal(board_cell_count(board), 0);
    for (uint32_t host = 1; host <= 39; host++)
        apply(board, 0, 3 + host, true, order(host, 2, 1));
    checkpoint(board);
    assert_false(board_full(board));
    board_watch(board, all_host);
    assert_true(board_full(board));
    board_unwatch(board, all_host);
    assert_false(board_full(board));
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
        cmocka_unit_test(dirty_cells_are_taken_oldest_first),
        cmocka_unit_test(idle_groups_are_dropped),
        cmocka_unit_test(idle_cells_of_busy_groups_are_dropped),
        cmocka_unit_test(an_idle_loaded_group_becomes_cold),
        cmocka_unit_test(full_means_too_much_that_cannot_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
