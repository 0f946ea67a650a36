/*
 * The cells of a group: an array, dense, and an index from keys to places in it. Nearly every order
 * touches some two dozen cells, so an index slot carries the key: a look-up reads one cache line of
 * the index and goes to the right cell.
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define INDEX_SLOTS_MIN 8u
#define CELLS_MIN       2u

void cell_index_init(struct cell_index *index)
{
    index->slots = mem_zalloc(INDEX_SLOTS_MIN * sizeof(*index->slots));
    index->mask = INDEX_SLOTS_MIN - 1;
    index->used = 0;
}

void cell_index_done(struct cell_index *index)
{
    free(index->slots);
    *index = (struct cell_index){0};
}

static void put_slot(struct cell_index *index, struct cell_slot slot)
{
    uint32_t at = cell_index_start(index, slot.key);

    while (index->slots[at].place_plus_1 != 0)
        at = (at + 1) & index->mask;
    index->slots[at] = slot;
}

static void resize_index(struct cell_index *index, size_t slot_count)
{
    struct cell_slot *old = index->slots;
    size_t old_count = (size_t)index->mask + 1;

    index->slots = mem_zalloc(slot_count * sizeof(*index->slots));
    index->mask = (uint32_t)(slot_count - 1);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].place_plus_1 != 0)
            put_slot(index, old[i]);
    free(old);
}

static bool cell_index_is_full(const struct cell_index *index)
{
    return ((size_t)index->used + 1) * 3 > ((size_t)index->mask + 1) * 2;
}

void cell_index_insert(struct cell_index *index, uint32_t key, uint32_t place)
{
    if (cell_index_is_full(index))
        resize_index(index, ((size_t)index->mask + 1) * 2);
    put_slot(index, (struct cell_slot){key, place + 1});
    index->used++;
}

static uint32_t slot_of(const struct cell_index *index, uint32_t key)
{
    uint32_t at = cell_index_start(index, key);

    while (index->slots[at].key != key || index->slots[at].place_plus_1 == 0)
        at = (at + 1) & index->mask;
    return at;
}

void cell_index_remove(struct cell_index *index, uint32_t key)
{
    uint32_t gap = slot_of(index, key);

    /* Closes the gap, so that no probe run is cut: moves back what may stand there. */
    for (uint32_t at = (gap + 1) & index->mask; index->slots[at].place_plus_1 != 0;
         at = (at + 1) & index->mask) {
        uint32_t start = cell_index_start(index, index->slots[at].key);
        if (((at - start) & index->mask) >= ((at - gap) & index->mask)) {
            index->slots[gap] = index->slots[at];
            gap = at;
        }
    }
    index->slots[gap] = (struct cell_slot){0, 0};
    index->used--;
}

static void grow_cells(struct board *board, struct group *group)
{
    size_t bytes = group_memory_bytes(group);

    group->cell_capacity = group->cell_capacity ? group->cell_capacity * 2 : CELLS_MIN;
    group->cells = mem_resize(group->cells, group->cell_capacity, sizeof(*group->cells));
    if (group->sums != NULL)
        group->sums = mem_resize(group->sums, group->cell_capacity, sizeof(*group->sums));
    board->group_bytes += group_memory_bytes(group) - bytes;
}

static void grow_index(struct board *board, struct group *group)
{
    size_t bytes = group_memory_bytes(group);

    resize_index(&group->index, ((size_t)group->index.mask + 1) * 2);
    board->group_bytes += group_memory_bytes(group) - bytes;
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

struct cell *group_cell_open(struct board *board, struct group *group, uint32_t key)
{
    uint32_t place = cell_index_find(&group->index, key);

    if (place != PLACE_NONE)
        return &group->cells[place];
    if (group->cell_count == group->cell_capacity)
        grow_cells(board, group);
    if (cell_index_is_full(&group->index))
        grow_index(board, group);
    place = group->cell_count++;
    group->cells[place] = (struct cell){.key = key, .flags = group->complete ? CELL_BASE : 0};
    if (group->sums != NULL)
        group->sums[place] = (struct metrics){{0}};
    cell_index_insert(&group->index, key, place);
    board->cell_count++;
    if (group->watchers > 0)
        board->held_cells++;
    return &group->cells[place];
}

void group_cell_remove(struct board *board, struct group *group, uint32_t place)
{
    uint32_t last = --group->cell_count;

    cell_index_remove(&group->index, group->cells[place].key);
    if (place != last) {
        group->cells[place] = group->cells[last];
        group->index.slots[slot_of(&group->index, group->cells[place].key)].place_plus_1 =
            place + 1;
    }
    board->cell_count--;
}

void group_cells_shrink(struct board *board, struct group *group)
{
    size_t bytes = group_memory_bytes(group);
    size_t slot_count = (size_t)group->index.mask + 1;
    uint32_t capacity = group->cell_capacity;

    while (capacity > CELLS_MIN && group->cell_count <= capacity / 4)
        capacity /= 2;
    if (capacity != group->cell_capacity) {
        group->cells = mem_resize(group->cells, capacity, sizeof(*group->cells));
        group->cell_capacity = capacity;
    }
    while (slot_count > INDEX_SLOTS_MIN && (size_t)group->cell_count * 6 <= slot_count)
        slot_count /= 2;
    if (slot_count != (size_t)group->index.mask + 1)
        resize_index(&group->index, slot_count);
    board->group_bytes -= bytes - group_memory_bytes(group);
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
