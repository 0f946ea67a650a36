/*
 * From the keys of a group's cells to their places. Nearly every order touches some two dozen
 * cells, so a slot carries the key: a look-up reads one cache line here and goes to the right cell.
 *
 * Copying a large index when it is full would stop everything for as long as a thousand orders
 * take, so that is spread over the inserts that follow: the old slots stay as they are until all of
 * them are copied, and who isn't found among the new ones is looked for there.
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define SLOTS_MIN      8u
#define AT_ONCE_SLOTS  4096u /* up to so many are copied at once */
#define COPY_AN_INSERT 4u    /* done long before the new slots are full */

void cell_index_init(struct cell_index *index)
{
    *index = (struct cell_index){.mask = SLOTS_MIN - 1};
    index->slots = mem_zalloc(SLOTS_MIN * sizeof(*index->slots));
}

void cell_index_done(struct cell_index *index)
{
    free(index->slots);
    free(index->old);
    *index = (struct cell_index){0};
}

uint32_t cell_index_find_old(const struct cell_index *index, uint32_t key)
{
    const struct cell_index old = {.slots = index->old, .mask = index->old_mask};
    return cell_index_find(&old, key);
}

static void put_slot(struct cell_index *index, struct cell_slot slot)
{
    uint32_t at = cell_index_start(index, slot.key);

    while (index->slots[at].place_plus_1 != 0)
        at = (at + 1) & index->mask;
    index->slots[at] = slot;
}

/* Of the old slots; the last one ends the growing. */
static void copy_slots(struct cell_index *index, uint32_t count)
{
    if (index->old == NULL)
        return;
    for (; count > 0 && index->old_next <= index->old_mask; count--, index->old_next++)
        if (index->old[index->old_next].place_plus_1 != 0)
            put_slot(index, index->old[index->old_next]);
    if (index->old_next <= index->old_mask)
        return;
    free(index->old);
    index->old = NULL;
}

static void begin_resize(struct cell_index *index, size_t slot_count)
{
    copy_slots(index, UINT32_MAX);
    index->old = index->slots;
    index->old_mask = index->mask;
    index->old_next = 0;
    index->slots = mem_zalloc(slot_count * sizeof(*index->slots));
    index->mask = (uint32_t)(slot_count - 1);
}

static void resize(struct cell_index *index, size_t slot_count)
{
    begin_resize(index, slot_count);
    copy_slots(index, UINT32_MAX);
}

/* With one more. */
static bool is_full(size_t slot_count, uint32_t used)
{
    return ((size_t)used + 1) * 3 > slot_count * 2;
}

void cell_index_insert(struct cell_index *index, uint32_t key, uint32_t place)
{
    size_t slot_count = (size_t)index->mask + 1;

    if (is_full(slot_count, index->used))
        begin_resize(index, slot_count * 2);
    copy_slots(index, slot_count <= AT_ONCE_SLOTS ? UINT32_MAX : COPY_AN_INSERT);
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

void cell_index_move(struct cell_index *index, uint32_t key, uint32_t place)
{
    copy_slots(index, UINT32_MAX);
    index->slots[slot_of(index, key)].place_plus_1 = place + 1;
}

void cell_index_remove(struct cell_index *index, uint32_t key)
{
    copy_slots(index, UINT32_MAX);
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

void cell_index_reserve(struct cell_index *index, uint32_t count)
{
    size_t slot_count = (size_t)index->mask + 1;

    while (is_full(slot_count, count))
        slot_count *= 2;
    if (slot_count != (size_t)index->mask + 1)
        resize(index, slot_count);
}

void cell_index_shrink(struct cell_index *index)
{
    size_t slot_count = (size_t)index->mask + 1;

    while (slot_count > SLOTS_MIN && (size_t)index->used * 6 <= slot_count)
        slot_count /= 2;
    if (slot_count != (size_t)index->mask + 1)
        resize(index, slot_count);
}
