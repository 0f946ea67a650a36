/*
 * What a checkpoint still has to write: a ring of dirty cells, oldest first, so that no cell waits
 * longer than the others however busy they are. A cell is listed once, as long as it is CELL_DIRTY.
 */
#include <assert.h>
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define TAKE_BLOCK 32u

static void grow_ring(struct board *board)
{
    uint32_t old_size = board->dirty_mask + 1;

    /* Full: unrolled, the part before dirty_first goes behind the rest. */
    board->dirty = mem_resize(board->dirty, (size_t)old_size * 2, sizeof(*board->dirty));
    for (uint32_t i = 0; i < board->dirty_first; i++)
        board->dirty[old_size + i] = board->dirty[i];
    board->dirty_mask = old_size * 2 - 1;
}

void cell_list_dirty(struct board *board, struct group *group, struct cell *cell)
{
    if (board->dirty_count > board->dirty_mask)
        grow_ring(board);
    board->dirty[(board->dirty_first + board->dirty_count++) & board->dirty_mask] =
        (struct dirty_cell){group, cell->key};
    cell->flags |= CELL_DIRTY;
    group->dirty_count++;
    if (group->watchers == 0)
        board->held_cells++;
}

uint32_t board_dirty_count(struct board *board)
{
    board_spread(board);
    return board->dirty_count;
}

uint32_t board_dirty_listed(const struct board *board)
{
    return board->dirty_count;
}

bool board_dirty_over(struct board *board, uint32_t max)
{
    if (board->dirty_count + (uint64_t)board->gathering.count * board->plan_count <= max)
        return false;
    return board_dirty_count(board) > max;
}

static const struct dirty_cell *dirty_at(const struct board *board, uint32_t number)
{
    return &board->dirty[(board->dirty_first + number) & board->dirty_mask];
}

/* In rounds that fetch ahead what the next one reads. */
static void take_block(const struct board *board, uint32_t first, uint32_t count,
                       struct cell_ref *out)
{
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(dirty_at(board, first + i)->group, 1);
        __builtin_prefetch(&dirty_at(board, first + i)->group->taken_count, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct dirty_cell *dirty = dirty_at(board, first + i);
        const struct cell_index *index = &dirty->group->index;
        __builtin_prefetch(&index->slots[cell_index_start(index, dirty->key)]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct dirty_cell *dirty = dirty_at(board, first + i);
        uint32_t place = cell_index_find(&dirty->group->index, dirty->key);
        out[i] = (struct cell_ref){dirty->group, place};
        __builtin_prefetch(&dirty->group->cells[place].flags, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct group *group = out[i].group;
        cell_of(out[i])->flags &= ~(uint32_t)CELL_DIRTY;
        group->dirty_count--;
        group->taken_count++;
        group->run_count++;
    }
}

/* Those of one group together: the group's part of `out` begins where that of the last one to be
 * met first ends. */
static void put_together(const struct cell_ref *taken, uint32_t count, struct cell_ref *out)
{
    uint32_t end = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct group *group = taken[i].group;
        if (group->run_count > 0) {
            group->run_next = end;
            end += group->run_count;
            group->run_count = 0;
        }
        out[group->run_next++] = taken[i];
    }
}

uint32_t board_dirty_take(struct board *board, struct cell_ref *out, uint32_t max)
{
    uint32_t dirty_count = board_dirty_count(board);
    uint32_t count = dirty_count < max ? dirty_count : max;
    struct cell_ref *taken;

    if (count == 0)
        return 0;
    taken = mem_resize(NULL, count, sizeof(*taken));
    for (uint32_t i = 0; i < count; i += TAKE_BLOCK)
        take_block(board, i, count - i < TAKE_BLOCK ? count - i : TAKE_BLOCK, taken + i);
    put_together(taken, count, out);
    free(taken);
    board->dirty_first = (board->dirty_first + count) & board->dirty_mask;
    board->dirty_count -= count;
    return count;
}

static void give_back(struct board *board, struct cell_ref ref)
{
    assert(ref.group->taken_count > 0);
    ref.group->taken_count--;
    if (ref.group->watchers == 0)
        board->held_cells--;
}

void board_dirty_return(struct board *board, struct cell_ref ref)
{
    give_back(board, ref);
    cell_mark_dirty(board, ref.group, cell_of(ref));
}

void board_dirty_written(struct board *board, struct cell_ref ref)
{
    assert(cell_of(ref)->flags & CELL_BASE);
    give_back(board, ref);
}

void board_set_base(struct board *board, struct cell_ref ref, const struct metrics *base)
{
    struct cell *cell = cell_of(ref);

    (void)board;
    if (cell->flags & CELL_BASE)
        return;
    metrics_add(&cell->own, base);
    cell->flags |= CELL_BASE;
}
