/*
 * The best n cells of a group, kept up to date without sorting the group.
 *
 * A rank holds the places of the candidates, sorted, and the floor: the best cell it has let go.
 * Metrics mostly grow, so cells outside stay below the floor until they change, and then they are
 * looked at. Only net can fall; when so many candidates sank that fewer than n are surely above the
 * floor, all cells are looked at again. Slack of a good half more than n makes that rare.
 *
 *   refresh = the cells that changed, compared with the floor, and a sort of at most 2n + 32
 *             nearly sorted candidates: however many cells there are
 */
#ifndef LIVETALLY_CORE_RANK_H
#define LIVETALLY_CORE_RANK_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/board.h"
#include "livetally/names.h"
#include "livetally/topic.h"

struct rank_entry {
    int64_t value;
    uint32_t key;   /* of the cell */
    uint32_t place; /* in group->cells */
};

struct rank {
    enum board_by by;
    uint32_t wanted;           /* n */
    uint32_t province;         /* only counties of this province; 0 = all cells */
    const struct names *names; /* keys are numbers in it; NULL: keys are codes */
    uint64_t version;          /* board version it was last refreshed at; 0 = never */
    uint64_t changes_seen;     /* of the group, see group_changes_mark() */
    uint32_t cells_seen;       /* of the group */
    uint32_t matching;         /* of those, how many belong to the board: PROTOCOL's `of` */
    bool has_floor;
    bool sorted; /* all candidates were, in this refresh, before it came to the rows */
    struct rank_entry floor;
    uint32_t count; /* candidates */
    uint32_t capacity;
    uint32_t top; /* the first `top` candidates are the result */
    struct rank_entry *entries;
};

void rank_init(struct rank *rank, enum board_by by, uint32_t wanted, uint32_t province,
               const struct names *names);
void rank_done(struct rank *rank);
void rank_reset(struct rank *rank); /* before it reads another group */
/* Cells of the group that changed have stamps above the last refresh's board_version. False: what
 * the result shows is as it was. */
bool rank_refresh(struct rank *rank, struct group *group, uint64_t board_version);

int64_t rank_value(const struct metrics *metrics, enum board_by by);

#endif
