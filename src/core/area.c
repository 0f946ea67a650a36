/*
 * Places of cells stay while a group is LOADED and new cells come at the end, so only those are
 * looked at; after a reload all of them.
 */
#include "area.h"

#include <stdlib.h>

#include "livetally/mem.h"

#define PLACES_MIN 16u

void area_done(struct area *area)
{
    free(area->places);
    *area = (struct area){0};
}

void area_refresh(struct area *area, const struct group *group, uint32_t divisor, uint32_t code)
{
    if (area->reloaded != group->reloaded) {
        area->reloaded = group->reloaded;
        area->cells_seen = 0;
        area->count = 0;
    }
    for (; area->cells_seen < group->cell_count; area->cells_seen++) {
        if (group->cells[area->cells_seen].key / divisor != code)
            continue;
        if (area->count == area->capacity) {
            area->capacity = area->capacity ? area->capacity * 2 : PLACES_MIN;
            area->places = mem_resize(area->places, area->capacity, sizeof(*area->places));
        }
        area->places[area->count++] = area->cells_seen;
    }
}

bool area_changed(const struct area *area, const struct group *group, uint64_t since_version)
{
    for (uint32_t i = 0; i < area->count; i++) {
        if (group->cells[area->places[i]].changed > since_version)
            return true;
    }
    return false;
}

struct metrics area_sum(const struct area *area, const struct group *group)
{
    struct metrics sum = {{0}};

    for (uint32_t i = 0; i < area->count; i++)
        metrics_add(&sum, &group->sums[area->places[i]]);
    return sum;
}
