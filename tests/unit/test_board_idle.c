/*
 * The board's bounds: what waits for a checkpoint, and what is dropped when nobody needs it.
 */
#include "board_fixture.h"
#include "core/board_private.h"
#include "image_fixture.h"
#include "livetally/mem.h"

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

static void taken_cells_of_a_group_stand_together(void **state)
{
    enum { ORDERS = 40, MAX = 1000 };
    struct board *board = new_board(10000);
    struct cell_ref refs[MAX];

    (void)state;
    for (uint32_t i = 1; i <= ORDERS; i++)
        apply(board, 0, i, true, order(i % 7 + 1, i, 1));
    uint32_t dirty = board_dirty_count(board);
    assert_true(dirty < MAX);
    assert_int_equal(board_dirty_take(board, refs, dirty - 5), dirty - 5);
    assert_int_equal(board_dirty_take(board, refs + dirty - 5, MAX), 5);
    for (uint32_t i = 0; i < dirty; i++) {
        assert_false(cell_of(refs[i])->flags & CELL_DIRTY);
        for (uint32_t j = 0; j < i; j++) {
            assert_false(refs[j].group == refs[i].group && refs[j].place == refs[i].place);
            if (i < dirty - 5 && refs[j].group == refs[i].group)
                assert_ptr_equal(refs[i - 1].group, refs[i].group);
        }
        assert_true(refs[i].group->taken_count > 0);
    }
    assert_int_equal(board_dirty_count(board), 0);
    for (uint32_t i = 0; i < dirty; i++)
        board_dirty_return(board, refs[i]);
    assert_int_equal(board_dirty_count(board), dirty);
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
    board_spread(board);
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
    board_spread(board);
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

/* Merges a lane that has hosts 1 to `hosts` into all:host, with a share of 1 each. */
static struct group *load_hosts(struct board *board, uint32_t lane, bool own, uint32_t hosts)
{
    struct group *group = board_find(board, all_host);
    struct board_image *image = board_image_new(all_host);

    for (uint32_t host = 1; host <= hosts; host++) {
        struct fact fact = order(host, 2, 1);
        add_to_image(image, all_host, &china, 1, &fact);
    }
    assert_int_equal(board_image_count(image), hosts);
    assert_int_equal(board_load_merge(board, group, lane, own, 100, image), 0);
    board_image_free(image);
    return group;
}

static void what_is_given_up_keeps_what_is_dirty_and_is_known_to_be_too_large(void **state)
{
    (void)state;
    struct board *board = new_board(60);
    struct group *group;

    board_watch(board, all_host);
    group = board_find(board, all_host);
    assert_true(board_has_room(board, group));
    board_load_begin(board, group);
    load_hosts(board, 0, true, 5); /* dirty, as they came from the feed */
    load_hosts(board, 1, false, 61);
    assert_int_equal(board_held_count(board), 61);
    assert_false(board_has_room(board, NULL));
    board_load_give_up(board, group, 40);
    assert_int_equal(group->state, GROUP_COLD);
    assert_int_equal(board_cell_count(board), 5);
    assert_int_equal(board_held_count(board), 5);
    for (uint32_t host = 1; host <= 5; host++)
        assert_int_equal(group_cell(group, host)->own.v[METRIC_GROSS], 1);
    assert_true(board_has_room(board, NULL));
    assert_false(board_has_room(board, group)); /* 61 it would be, 60 may be */
    assert_int_equal(checkpoint(board), 5);
    board_load_begin(board, group);
    board_load_give_up(board, group, 60);
    assert_int_equal(board_cell_count(board), 0);
    assert_true(board_has_room(board, group));
    board_free(board);
}

static void what_is_given_up_while_a_cell_is_taken_goes_later(void **state)
{
    (void)state;
    struct board *board = new_board(100);
    struct cell_ref refs[20];
    struct group *group;

    board_watch(board, all_host);
    group = board_find(board, all_host);
    board_load_begin(board, group);
    load_hosts(board, 0, true, 3);
    load_hosts(board, 1, false, 50);
    assert_int_equal(board_dirty_take(board, refs, 20), 3);
    board_load_give_up(board, group, 0);
    assert_int_equal(board_cell_count(board), 50); /* places stay as they are */
    assert_int_equal(cell_of(refs[2])->key, 3);
    board_evict(board, 0);
    assert_int_equal(board_cell_count(board), 50);
    for (uint32_t i = 0; i < 3; i++)
        board_dirty_written(board, refs[i]);
    board_set_now(board, 1000);
    board_evict(board, 1);
    assert_int_equal(board_cell_count(board), 0);
    assert_int_equal(board_held_count(board), 0);
    assert_ptr_equal(board_find(board, all_host), group); /* it is watched */
    board_free(board);
}

static void add_group_bytes(void *context, struct group *group)
{
    *(size_t *)context += group_memory_bytes(group);
}

/* What it says it holds is what its groups hold, while they grow, shrink and go. */
static void its_memory_is_that_of_its_groups(void **state)
{
    (void)state;
    struct board *board = new_board(100000);
    size_t most = 0;

    for (uint32_t step = 1; step <= 400; step++) {
        size_t bytes = 0;
        for (uint32_t host = 1; host <= step / 200 * 50 + 1; host++)
            apply(board, 0, step * 1000 + host, true, order(step % 200 + host, host, 1));
        if (step % 10 == 0)
            checkpoint(board);
        board_set_now(board, step * 1000);
        board_evict(board, step * 1000 - 20000);
        board_each(board, add_group_bytes, &bytes);
        assert_int_equal(board->group_bytes, bytes);
        assert_true(board_memory_bytes(board) > bytes);
        most = bytes > most ? bytes : most;
    }
    checkpoint(board);
    for (int64_t now_ms = 1000000; board_group_count(board) && now_ms < 2000000; now_ms += 1000) {
        board_set_now(board, now_ms);
        board_evict(board, now_ms - 1);
    }
    assert_int_equal(board->group_bytes, 0);
    assert_true(most > 100000);
    board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dirty_cells_are_taken_oldest_first),
        cmocka_unit_test(taken_cells_of_a_group_stand_together),
        cmocka_unit_test(idle_groups_are_dropped),
        cmocka_unit_test(idle_cells_of_busy_groups_are_dropped),
        cmocka_unit_test(an_idle_loaded_group_becomes_cold),
        cmocka_unit_test(full_means_too_much_that_cannot_go),
        cmocka_unit_test(what_is_given_up_keeps_what_is_dirty_and_is_known_to_be_too_large),
        cmocka_unit_test(what_is_given_up_while_a_cell_is_taken_goes_later),
        cmocka_unit_test(its_memory_is_that_of_its_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
