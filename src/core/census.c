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

static void mark_fact(struct census *census, const struct fact *fact)
{
    census_mark(census, DIMENSION_HOST, fact->host);
    census_mark(census, DIMENSION_COUNTY, fact->county);
    census_mark(census, DIMENSION_PRODUCT, fact->product);
    if (fact->session)
        census_mark(census, DIMENSION_SESSION, fact->session);
    if (fact->platform)
        census_mark(census, DIMENSION_PLATFORM, fact->platform);
}

static inline uint32_t bit_of(const struct census *census, enum dimension dimension, uint32_t value)
{
    return (uint32_t)census->dimensions[value] >> dimension & 1;
}

/* Of nearly every fact all has been seen, so that is asked at once, without a branch for each. The
 * capacity is a power of two: values are below it when all their bits are. */
void census_mark_facts(struct census *census, const struct fact *facts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct fact *fact = &facts[i];
        if ((fact->host | fact->product | fact->session | fact->platform) >= census->capacity ||
            !(bit_of(census, DIMENSION_HOST, fact->host) &
              bit_of(census, DIMENSION_PRODUCT, fact->product) &
              (bit_of(census, DIMENSION_SESSION, fact->session) | (fact->session == 0)) &
              (bit_of(census, DIMENSION_PLATFORM, fact->platform) | (fact->platform == 0)) &
              census_seen(census, DIMENSION_COUNTY, fact->county)))
            mark_fact(census, fact);
    }
}
