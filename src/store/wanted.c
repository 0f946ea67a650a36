/*
 * See wanted.h. Open addressing, at most half full.
 */
#include "wanted.h"

#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"

#define CAPACITY_MIN 64u

/* Where the key stands, or the free slot where it belongs. */
static uint32_t *find_slot(const struct wanted *wanted, struct group_key key)
{
    uint32_t mask = 2 * wanted->capacity - 1;
    uint64_t hash = ((uint64_t)key.when << 32 | key.first) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ (key.rollup * 4u + key.period)) * UINT64_C(0xd6e8feb86659fd93);
    uint32_t at = (uint32_t)(hash >> 32) & mask;
    while (wanted->slots[at] && !group_key_equal(wanted->keys[wanted->slots[at] - 1], key))
        at = (at + 1) & mask;
    return &wanted->slots[at];
}

static void grow(struct wanted *wanted)
{
    wanted->capacity = wanted->capacity ? wanted->capacity * 2 : CAPACITY_MIN;
    wanted->keys = mem_resize(wanted->keys, wanted->capacity, sizeof *wanted->keys);
    free(wanted->slots);
    wanted->slots = mem_zalloc((size_t)2 * wanted->capacity * sizeof *wanted->slots);
    for (uint32_t i = 0; i < wanted->count; i++)
        *find_slot(wanted, wanted->keys[i]) = i + 1;
}

void wanted_add(struct wanted *wanted, struct group_key key)
{
    if (wanted->count == wanted->capacity)
        grow(wanted);
    uint32_t *slot = find_slot(wanted, key);
    if (*slot)
        return;
    wanted->keys[wanted->count++] = key;
    *slot = wanted->count;
}

void wanted_clear(struct wanted *wanted)
{
    if (wanted->count)
        memset(wanted->slots, 0, (size_t)2 * wanted->capacity * sizeof *wanted->slots);
    wanted->count = 0;
}

void wanted_done(struct wanted *wanted)
{
    free(wanted->keys);
    free(wanted->slots);
    *wanted = (struct wanted){0};
}
