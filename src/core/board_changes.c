/*
 * Which watched groups changed lately, for a reader that shows parts of very many: a list that it
 * empties at each look.
 *
 * And which cells of a group did, for readers that keep an order of very many: a ring of
 * places, oldest first. A cell is listed once between two looks of the readers, and a reader
 * remembers how far it has read, so a look costs what changed since and not what there is. The
 * ring holds up to an eighth of the cells: who has missed more than that looks at all of them,
 * which then costs no more than a fixed number of cells for each change.
 */
#include <stdlib.h>

#include "board_private.h"
#include "livetally/mem.h"

#define GROUPS_MIN    64u
#define CHANGES_MIN   64u
#define CHANGES_SHARE 8u /* of the cells */

static struct change_log *log_new(uint32_t size)
{
    struct change_log *log = mem_alloc(sizeof(*log) + size * sizeof(log->places[0]));

    *log = (struct change_log){.mask = size - 1};
    return log;
}

/* The numbers of the changes stay, and with them their places modulo the size. What was gone stays
 * so, though there would be room for it now. */
static struct change_log *grow(struct change_log *old)
{
    struct change_log *log = log_new((old->mask + 1) * 2);

    log->count = old->count;
    log->cut = old->cut;
    log->first = old->count - old->mask - 1;
    for (uint64_t i = log->first; i < old->count; i++)
        log->places[i & log->mask] = old->places[i & old->mask];
    free(old);
    return log;
}

void group_list_change(struct group *group, uint32_t place)
{
    struct change_log *log = group->log;

    if (log->count > log->mask && log->mask < group->cell_count / CHANGES_SHARE)
        log = group->log = grow(log);
    log->places[log->count++ & log->mask] = place;
}

uint64_t group_changes_mark(struct group *group)
{
    if (group->log == NULL)
        group->log = log_new(CHANGES_MIN);
    group->log->cut = group->changed;
    return group->log->count;
}

void group_changes_forget(struct group *group)
{
    free(group->log);
    group->log = NULL;
}

void board_list_group(struct board *board, struct group *group)
{
    if (board->changed_count == board->changed_capacity) {
        board->changed_capacity =
            board->changed_capacity ? board->changed_capacity * 2 : GROUPS_MIN;
        board->changed =
            mem_resize(board->changed, board->changed_capacity, sizeof(struct group *));
    }
    group->listed = true;
    group->listed_at = board->changed_count;
    board->changed[board->changed_count++] = group;
}

void board_unlist_group(struct board *board, struct group *group)
{
    struct group *last;

    if (!group->listed)
        return;
    last = board->changed[--board->changed_count];
    last->listed_at = group->listed_at;
    board->changed[group->listed_at] = last;
    group->listed = false;
}

struct group *board_changed_next(struct board *board)
{
    struct group *group;

    board_spread(board);
    if (board->changed_count == 0)
        return NULL;
    group = board->changed[--board->changed_count];
    group->listed = false;
    return group;
}
