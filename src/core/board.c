/*
 * The board's frame: groups, in a hash and in a list of all, and the counts that its
 * bounds are checked by. A group is allocated alone and never moves while it lives.
 */
#include <assert.h>
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define GROUPS_MIN 256u
#define DIRTY_MIN  256u

static void plan_step(struct board *board, struct group_key key)
{
    struct plan_step *step = &board->plan[board->plan_count++];

    *step = (struct plan_step){.rollup = key.rollup, .period = key.period};
    step->first = group_first_dimension(key);
    step->cell = group_cell_dimension(key);
    step->group_bits = 1u << step->first;
    step->cell_bits = key.period == PERIOD_MINUTE ? DIFFERS_MINUTE : 1u << step->cell;
    step->order =
        (step->group_bits | step->cell_bits) & 1u << DIMENSION_COUNTY ? BY_COUNTY : BY_HOST;
}

static void make_plan(struct board *board)
{
    for (int period = 0; period < PERIOD_COUNT; period++)
        for (int rollup = 0; rollup < ROLLUP_COUNT; rollup++)
            if (rollup_rows[rollup].periods & 1u << period)
                plan_step(board, (struct group_key){(uint16_t)rollup, (uint16_t)period, 0, 0});
}

struct board *board_new(const struct board_options *options)
{
    struct board *board = mem_zalloc(sizeof(*board));

    board->calendar = options->calendar;
    board->max_cells = options->max_cells;
    board->minute_keep_ms = options->minute_keep_ms;
    board->groups = mem_zalloc(GROUPS_MIN * sizeof(*board->groups));
    board->group_mask = GROUPS_MIN - 1;
    board->dirty = mem_alloc(DIRTY_MIN * sizeof(*board->dirty));
    board->dirty_mask = DIRTY_MIN - 1;
    board->hour_start_ms = INT64_MIN;
    board->evict_round_ms = INT64_MIN;
    board->own_lane = LANE_COUNT;
    gathering_init(&board->gathering);
    singles_init(&board->singles);
    make_plan(board);
    return board;
}

static void group_free(struct group *group)
{
    cell_index_done(&group->index);
    free(group->cells);
    free(group->sums);
    free(group->included);
    free(group->log);
    free(group);
}

void board_free(struct board *board)
{
    if (board == NULL)
        return;
    while (board->all_first != NULL) {
        struct group *group = board->all_first;
        board->all_first = group->all_next;
        group_free(group);
    }
    gathering_done(&board->gathering);
    singles_done(&board->singles);
    free(board->groups);
    free(board->dirty);
    free(board->changed);
    free(board);
}

uint64_t board_version(struct board *board)
{
    board_spread(board);
    return board->version;
}

uint64_t board_version_ahead(const struct board *board)
{
    return board->version;
}

void board_continue_version(struct board *board, uint64_t version)
{
    if (version > board->version)
        board->version = version;
}

uint64_t board_touch(struct board *board)
{
    return ++board->version;
}

void board_set_now(struct board *board, int64_t monotonic_ms)
{
    board->now_ms = monotonic_ms;
}

struct group *board_find(struct board *board, struct group_key key)
{
    board_spread(board);
    return group_lookup(board, key, group_key_hash(key));
}

static void put_group(struct board *board, struct group *group)
{
    uint32_t at = group_key_hash(group->key) & board->group_mask;

    while (board->groups[at].group != NULL)
        at = (at + 1) & board->group_mask;
    board->groups[at] = (struct group_slot){group->key, group};
}

static void grow_groups(struct board *board)
{
    size_t slot_count = ((size_t)board->group_mask + 1) * 2;

    free(board->groups);
    board->groups = mem_zalloc(slot_count * sizeof(*board->groups));
    board->group_mask = (uint32_t)(slot_count - 1);
    for (struct group *group = board->all_first; group != NULL; group = group->all_next)
        put_group(board, group);
}

/* Takes it out and closes the gap, so that no probe run is cut. */
static void take_group(struct board *board, const struct group *group)
{
    uint32_t mask = board->group_mask;
    uint32_t gap = group_key_hash(group->key) & mask;

    while (board->groups[gap].group != group)
        gap = (gap + 1) & mask;
    for (uint32_t at = (gap + 1) & mask; board->groups[at].group != NULL; at = (at + 1) & mask) {
        uint32_t start = group_key_hash(board->groups[at].key) & mask;
        if (((at - start) & mask) >= ((at - gap) & mask)) {
            board->groups[gap] = board->groups[at];
            gap = at;
        }
    }
    board->groups[gap].group = NULL;
}

struct group *group_open(struct board *board, struct group_key key, uint32_t hash)
{
    struct group *group = group_lookup(board, key, hash);

    if (group != NULL)
        return group;
    if (board->group_count > board->group_mask / 2)
        grow_groups(board);
    group = mem_zalloc(sizeof(*group));
    group->key = key;
    group->state = GROUP_COLD;
    group->used_ms = board->now_ms;
    cell_index_init(&group->index);
    board->group_bytes += group_memory_bytes(group);
    put_group(board, group);
    group->all_next = board->all_first;
    if (board->all_first != NULL)
        board->all_first->all_prev = group;
    board->all_first = group;
    board->group_count++;
    return group;
}

struct group *board_open(struct board *board, struct group_key key)
{
    board_spread(board);
    return group_open(board, key, group_key_hash(key));
}

void group_set_state(struct board *board, struct group *group, enum group_state state)
{
    uint32_t change = (uint32_t)(state != GROUP_COLD) - (uint32_t)(group->state != GROUP_COLD);
    bool single = rollup_rows[group->key.rollup].first == DIMENSION_NONE &&
                  group->key.period != PERIOD_MINUTE;

    board->shown[group->key.rollup][group->key.period] += change;
    board->shown_others += single ? 0 : change;
    board->loading +=
        (uint32_t)(state == GROUP_LOADING) - (uint32_t)(group->state == GROUP_LOADING);
    board->idle_cells -= group_is_idle(group) ? group->cell_count : 0;
    group->state = state;
    board->idle_cells += group_is_idle(group) ? group->cell_count : 0;
}

void group_drop(struct board *board, struct group *group)
{
    assert(group->watchers == 0 && group->dirty_count == 0 && group->taken_count == 0);
    group_set_state(board, group, GROUP_COLD);
    take_group(board, group);
    for (uint32_t i = 0; i < board->plan_count; i++)
        if (board->plan[i].last == group)
            board->plan[i].last = NULL;
    if (group->all_prev != NULL)
        group->all_prev->all_next = group->all_next;
    else
        board->all_first = group->all_next;
    if (group->all_next != NULL)
        group->all_next->all_prev = group->all_prev;
    if (board->evict_next == group)
        board->evict_next = group->all_next;
    board->cell_count -= group->cell_count;
    board->group_bytes -= group_memory_bytes(group);
    board->group_count--;
    group_free(group);
}

void board_watch(struct board *board, struct group_key key)
{
    struct group *group = board_open(board, key);

    board->held_cells -= group_held_cells(group);
    board->idle_cells -= group_is_idle(group) ? group->cell_count : 0;
    group->watchers++;
    board->held_cells += group_held_cells(group);
    group->used_ms = board->now_ms;
}

void board_unwatch(struct board *board, struct group_key key)
{
    struct group *group = board_find(board, key);

    assert(group != NULL && group->watchers > 0);
    board->held_cells -= group_held_cells(group);
    if (--group->watchers == 0) {
        group_changes_forget(group);
        board_unlist_group(board, group);
    }
    board->held_cells += group_held_cells(group);
    board->idle_cells += group_is_idle(group) ? group->cell_count : 0;
    group->used_ms = board->now_ms;
}

void board_each(struct board *board, board_group_fn *visit, void *context)
{
    board_spread(board);
    for (struct group *group = board->all_first; group != NULL; group = group->all_next)
        visit(context, group);
}

uint32_t board_cell_count(struct board *board)
{
    board_spread(board);
    return board->cell_count;
}

uint32_t board_group_count(struct board *board)
{
    board_spread(board);
    return board->group_count;
}

uint32_t board_held_count(struct board *board)
{
    board_spread(board);
    return board->held_cells;
}

uint32_t board_idle_count(struct board *board)
{
    board_spread(board);
    return board->idle_cells;
}

size_t board_memory_bytes(const struct board *board)
{
    return sizeof(*board) + board->group_bytes + gathering_memory_bytes() +
           singles_memory_bytes(&board->singles) +
           ((size_t)board->group_mask + 1) * sizeof(*board->groups) +
           ((size_t)board->dirty_mask + 1) * sizeof(*board->dirty) +
           board->changed_capacity * sizeof(struct group *);
}

bool board_full(struct board *board)
{
    board_spread(board);
    return board->held_cells > board->max_cells;
}

bool board_has_room(struct board *board, const struct group *group)
{
    if (board_full(board))
        return false;
    if (group == NULL || group->needed == 0)
        return true;
    return board->held_cells - group_held_cells(group) + (uint64_t)group->needed <=
           board->max_cells;
}
