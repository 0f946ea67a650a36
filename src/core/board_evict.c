/*
 * Dropping what nobody needs. A group nobody looks at exists only to collect what our lane adds to
 * it until the next checkpoint; after that its cells are in Redis. They are kept a while, since a
 * cell that is counted in again would otherwise need its base read again: a cell goes when the hand
 * comes by twice and it wasn't used in between (a clock, as in page replacement). The hand goes
 * round the board once in the time after which things count as idle, a part at each call.
 */
#include <stdlib.h>

#include "board_private.h"

#define EVICT_VISITS_MIN 16384u
#define EVICT_PART       64u
#define EVICT_PART_FULL  8u

struct eviction {
    struct board *board;
    int64_t before_ms;
    bool all;        /* over max_cells: cells get no second chance */
    uint32_t visits; /* left */
    uint32_t freed;
};

static void become_cold(struct board *board, struct group *group)
{
    group_set_state(board, group, GROUP_COLD);
    group_sums_close(board, group);
    group->complete = false;
    free(group->included);
    group->included = NULL;
}

/* Visits cells from the last down to the first, as far as visits are left. */
static void sweep_cells(struct eviction *eviction, struct group *group)
{
    if (group->hand == 0 || group->hand > group->cell_count)
        group->hand = group->cell_count;
    while (group->hand > 0 && eviction->visits > 0) {
        struct cell *cell = &group->cells[--group->hand];
        bool used = cell->flags & CELL_USED;
        eviction->visits--;
        cell->flags &= ~(uint32_t)CELL_USED;
        if ((cell->flags & CELL_DIRTY) || (used && !eviction->all))
            continue;
        group->complete = false;
        group_cell_remove(eviction->board, group, group->hand);
        eviction->freed++;
    }
    if (group->hand == 0)
        group_cells_shrink(eviction->board, group);
}

/* It may have cells that were taken for a checkpoint when the load ended. */
static bool is_given_up(const struct group *group)
{
    return group->state == GROUP_COLD && group->needed > 0;
}

/* True when it is done with the group, which may be gone then. */
static bool visit_group(struct eviction *eviction, struct group *group)
{
    bool idle = group->used_ms < eviction->before_ms;

    eviction->visits--;
    if (group->taken_count > 0 || group->state == GROUP_LOADING ||
        (group->watchers > 0 && !is_given_up(group)))
        return true;
    if (idle && group->dirty_count == 0 && group->watchers == 0) {
        uint32_t cells = group->cell_count;
        eviction->freed += cells;
        eviction->visits -= cells < eviction->visits ? cells : eviction->visits;
        group_drop(eviction->board, group);
        return true;
    }
    if (group->state == GROUP_LOADED) {
        if (!idle)
            return true;
        become_cold(eviction->board, group);
    }
    if (group->cell_count == 0)
        return true;
    sweep_cells(eviction, group);
    return group->hand == 0;
}

uint32_t board_evict(struct board *board, int64_t before_ms)
{
    struct eviction eviction = {.board = board, .before_ms = before_ms};
    uint32_t groups = board->group_count;

    eviction.all = board->cell_count > board->max_cells;
    eviction.visits = board->cell_count / (eviction.all ? EVICT_PART_FULL : EVICT_PART);
    if (eviction.visits < EVICT_VISITS_MIN)
        eviction.visits = EVICT_VISITS_MIN;
    while (groups-- > 0 && eviction.visits > 0) {
        struct group *group = board->evict_next;
        if (group == NULL) {
            if (board->evict_round_ms >= before_ms && !eviction.all)
                break;
            board->evict_round_ms = board->now_ms;
            group = board->all_first;
        }
        board->evict_next = group->all_next;
        if (!visit_group(&eviction, group))
            board->evict_next = group;
    }
    return eviction.freed;
}

void board_forget_idle(struct board *board)
{
    board_spread(board);
    for (struct group *group = board->all_first; group && board->idle_cells > 0;
         group = group->all_next) {
        if (!group_is_idle(group))
            continue;
        become_cold(board, group);
        group_drop_clean(board, group);
    }
}
