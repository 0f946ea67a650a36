/*
 * The cells of a group: an array, dense, with another one of their sums, and an index from keys to
 * places in them (board_index.c).
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define CELLS_MIN 2u

static void resize_cells(struct board *board, struct group *group, uint32_t capacity)
{
    size_t bytes = group_memory_bytes(group);

    group->cell_capacity = capacity;
    group->cells = mem_resize(group->cells, group->cell_capacity, sizeof(*group->cells));
    if (group->sums != NULL)
        group->sums = mem_resize(group->sums, group->cell_capacity, sizeof(*group->sums));
    board->group_bytes += group_memory_bytes(group) - bytes;
}

static void grow_cells(struct board *board, struct group *group)
{
    resize_cells(board, group, group->cell_capacity ? group->cell_capacity * 2 : CELLS_MIN);
}

void group_sums_close(struct board *board, struct group *group)
{
    size_t bytes = group_memory_bytes(group);

    free(group->sums);
    group->sums = NULL;
    board->group_bytes -= bytes - group_memory_bytes(group);
}

void group_sums_open(struct board *board, struct group *group)
{
    group_sums_close(board, group);
    if (group->cell_capacity == 0)
        grow_cells(board, group);
    size_t bytes = group_memory_bytes(group);
    group->sums = mem_zalloc(group->cell_capacity * sizeof(*group->sums));
    board->group_bytes += group_memory_bytes(group) - bytes;
}

void group_cells_reserve(struct board *board, struct group *group, uint32_t count)
{
    size_t bytes = cell_index_bytes(&group->index);

    if (count > group->cell_capacity)
        resize_cells(board, group, count);
    cell_index_reserve(&group->index, count);
    board->group_bytes += cell_index_bytes(&group->index) - bytes;
}

struct cell *group_cell_open(struct board *board, struct group *group, uint32_t key)
{
    uint32_t place = cell_index_find(&group->index, key);

    if (place != PLACE_NONE)
        return &group->cells[place];
    if (group->cell_count == group->cell_capacity)
        grow_cells(board, group);
    place = group->cell_count++;
    group->cells[place] = (struct cell){.key = key, .flags = group->complete ? CELL_BASE : 0};
    if (group->sums != NULL)
        group->sums[place] = (struct metrics){{0}};
    size_t bytes = cell_index_bytes(&group->index);
    cell_index_insert(&group->index, key, place);
    board->group_bytes += cell_index_bytes(&group->index) - bytes;
    board->cell_count++;
    if (group->watchers > 0)
        board->held_cells++;
    else if (group->state == GROUP_LOADED)
        board->idle_cells++;
    return &group->cells[place];
}

void group_cell_remove(struct board *board, struct group *group, uint32_t place)
{
    uint32_t last = --group->cell_count;
    size_t bytes = cell_index_bytes(&group->index);

    cell_index_remove(&group->index, group->cells[place].key);
    board->group_bytes -= bytes - cell_index_bytes(&group->index);
    if (place != last) {
        group->cells[place] = group->cells[last];
        cell_index_move(&group->index, group->cells[place].key, place);
    }
    board->cell_count--;
    if (group->watchers > 0)
        board->held_cells--;
}

void group_cells_shrink(struct board *board, struct group *group)
{
    size_t bytes = group_memory_bytes(group);
    uint32_t capacity = group->cell_capacity;

    while (capacity > CELLS_MIN && group->cell_count <= capacity / 4)
        capacity /= 2;
    if (capacity != group->cell_capacity) {
        group->cells = mem_resize(group->cells, capacity, sizeof(*group->cells));
        group->cell_capacity = capacity;
    }
    cell_index_shrink(&group->index);
    board->group_bytes -= bytes - group_memory_bytes(group);
}

void group_drop_clean(struct board *board, struct group *group)
{
    if (group->taken_count > 0)
        return;
    for (uint32_t place = group->cell_count; place-- > 0;)
        if (!(group->cells[place].flags & CELL_DIRTY))
            group_cell_remove(board, group, place);
    group_cells_shrink(board, group);
}

struct cell *group_cell(const struct group *group, uint32_t cell_key)
{
    uint32_t place = cell_index_find(&group->index, cell_key);
    return place == PLACE_NONE ? NULL : &group->cells[place];
}

struct metrics group_get(const struct group *group, uint32_t cell_key)
{
    static const struct metrics zeros = {{0}};
    uint32_t place = cell_index_find(&group->index, cell_key);
    return place == PLACE_NONE ? zeros : group->sums[place];
}
