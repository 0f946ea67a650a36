/*
 * The census: a byte of dimension bits for every number in names, a bit for every county code.
 */
#include "livetally/batch.h"

#include <stdlib.h>

#include "livetally/mem.h"

struct census *census_new(const uint32_t max[DIMENSION_COUNT])
{
    struct census *census = mem_zalloc(sizeof *census);
    memcpy(census->max, max, sizeof census->max);
    return census;
}

void census_free(struct census *census)
{
    if (!census)
        return;
    free(census->dimensions);
    free(census);
}

void census_clear(struct census *census)
{
    if (census->capacity)
        memset(census->dimensions, 0, census->capacity);
    memset(census->counts, 0, sizeof census->counts);
    memset(census->county_seen, 0, sizeof census->county_seen);
}

static void make_room(struct census *census, uint32_t value)
{
    uint32_t capacity = census->capacity ? census->capacity : 1024;
    while (capacity <= value)
        capacity *= 2;
    census->dimensions = mem_realloc(census->dimensions, capacity);
    memset(census->dimensions + census->capacity, 0, capacity - census->capacity);
    census->capacity = capacity;
}

void census_add(struct census *census, enum dimension dimension, uint32_t value)
{
    census->counts[dimension]++;
    if (dimension == DIMENSION_COUNTY) {
        census->county_seen[value / 8] |= (uint8_t)(1u << (value % 8));
        return;
    }
    if (value >= census->capacity)
        make_room(census, value);
    census->dimensions[value] |= (uint8_t)(1u << dimension);
}
