/*
 * Loading a group: the sums start from zero, each lane's image is added, and from its version on
 * the lane's facts are added by board_apply(). Until a lane is merged its facts are left out, since
 * they come with its image.
 */
#include <assert.h>
#include <stdlib.h>

#include "board_private.h"
#include "livetally/error.h"
#include "livetally/mem.h"

#define AHEAD 16u /* slots to fetch before cells are looked for */

void board_load_begin(struct board *board, struct group *group)
{
    board_spread(board);
    if (group->included == NULL)
        group->included = mem_alloc(LANE_COUNT * sizeof(*group->included));
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        group->included[lane] = NOT_MERGED;
    group_sums_open(board, group);
    group_set_state(board, group, GROUP_LOADING);
    group->complete = false;
}

/* Our own lane: `own` becomes what the image says, which has all that was pending. */
static void put_own(struct board *board, struct group *group, struct cell *cell,
                    const struct image_cell *image)
{
    cell->own = image->metrics;
    if (image->from_feed)
        cell_mark_dirty(board, group, cell);
}

static void merge_cells(struct board *board, struct group *group, bool own,
                        const struct image_cell *cells, uint32_t count)
{
    group_cells_reserve(board, group, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t ahead = cells[i + AHEAD < count ? i + AHEAD : i].key;
        __builtin_prefetch(&group->index.slots[cell_index_start(&group->index, ahead)], 1);
        struct cell *cell = group_cell_open(board, group, cells[i].key);
        metrics_add(&group->sums[cell - group->cells], &cells[i].metrics);
        if (own)
            put_own(board, group, cell, &cells[i]);
    }
}

/* Cells that are not in our own lane's image have never counted before, so their base is zero. */
static void complete_own(struct group *group, uint64_t version)
{
    for (uint32_t i = 0; i < group->cell_count; i++)
        group->cells[i].flags |= CELL_BASE;
    group->own_version = version;
    group->complete = true;
}

int board_load_merge(struct board *board, struct group *group, uint32_t lane, bool own,
                     uint64_t version, const struct board_image *image)
{
    uint32_t count;
    const struct image_cell *cells = board_image_cells(image, &count);

    board_spread(board);
    assert(group->state == GROUP_LOADING);
    if (group->included[lane] != NOT_MERGED || version < board->lane_versions[lane])
        return ERROR_CONFLICT;
    merge_cells(board, group, own, cells, count);
    if (own)
        complete_own(group, version);
    group->included[lane] = version;
    if (board->merged[lane] < version)
        board->merged[lane] = version;
    return 0;
}

bool board_load_finish(struct board *board, struct group *group)
{
    board_spread(board);
    assert(group->state == GROUP_LOADING);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        if (group->included[lane] == NOT_MERGED && board->lane_versions[lane] > 0)
            return false;
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
        if (group->included[lane] == NOT_MERGED)
            group->included[lane] = 0;
    board->version++;
    for (uint32_t i = 0; i < group->cell_count; i++)
        group->cells[i].changed = board->version;
    group->changed = board->version;
    group->reloaded = board->version;
    group->used_ms = board->now_ms;
    group_set_state(board, group, GROUP_LOADED);
    if (group->watchers > 0 && !group->listed)
        board_list_group(board, group);
    return true;
}

void board_load_abort(struct board *board, struct group *group)
{
    board_spread(board);
    if (group->state != GROUP_LOADING)
        return;
    free(group->included);
    group->included = NULL;
    group->complete = false;
    group_sums_close(board, group);
    group_set_state(board, group, GROUP_COLD);
}

void board_load_give_up(struct board *board, struct group *group, uint32_t cells)
{
    board_load_abort(board, group);
    if (cells < group->cell_count)
        cells = group->cell_count;
    group->needed = cells ? cells : 1;
    group_drop_clean(board, group);
}
