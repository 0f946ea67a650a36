/*
 * The counties of a prefecture or province: which cells of a group of counties are theirs. Kept, so
 * that an area costs what it has and not all counties of the country.
 */
#ifndef LIVETALLY_CORE_AREA_H
#define LIVETALLY_CORE_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/board.h"

/* All zeros to begin with. */
struct area {
    uint32_t *places; /* in group->cells */
    uint32_t count;
    uint32_t capacity;
    uint32_t cells_seen; /* of the group */
    uint64_t reloaded;   /* group->reloaded for which the places are */
};

void area_done(struct area *area);
/* Brings it up to date with a LOADED group, one and the same as long as the area lives: its cells
 * are those whose key / divisor is `code`. */
void area_refresh(struct area *area, const struct group *group, uint32_t divisor, uint32_t code);
/* As of the last refresh. */
bool area_changed(const struct area *area, const struct group *group, uint64_t since_version);
struct metrics area_sum(const struct area *area, const struct group *group);

#endif
