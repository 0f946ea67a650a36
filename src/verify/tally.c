/*
 * Open addressing over an array of cells: an audit looks up every cell that every order counts in.
 */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "livetally/mem.h"

#define FIRST_SLOTS 1024u

_Static_assert(sizeof(struct tally_key) == 16, "keys are hashed and compared as two words");

void tally_init(struct tally *tally)
{
    *tally = (struct tally){.mask = FIRST_SLOTS - 1};
    tally->slots = mem_zalloc(FIRST_SLOTS * sizeof *tally->slots);
}

void tally_done(struct tally *tally)
{
    free(tally->cells);
    free(tally->slots);
    *tally = (struct tally){0};
}

static uint64_t hash_key(struct tally_key key)
{
    uint64_t words[2];
    memcpy(words, &key, sizeof words);
    uint64_t hash = (words[0] ^ words[1] >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ words[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 31;
}

static uint32_t find_slot(const struct tally *tally, struct tally_key key)
{
    uint32_t at = (uint32_t)hash_key(key) & tally->mask;
    while (tally->slots[at]) {
        const struct tally_key *other = &tally->cells[tally->slots[at] - 1].key;
        if (other->cell == key.cell && group_key_equal(other->group, key.group))
            break;
        at = (at + 1) & tally->mask;
    }
    return at;
}

static void grow(struct tally *tally)
{
    if (tally->count == tally->capacity) {
        tally->capacity = tally->capacity ? tally->capacity + tally->capacity / 2 : 512;
        tally->cells = mem_resize(tally->cells, tally->capacity, sizeof *tally->cells);
    }
    if ((tally->count + 1) * UINT64_C(3) <= (tally->mask + UINT64_C(1)) * 2)
        return;
    free(tally->slots);
    tally->mask = tally->mask * 2 + 1;
    tally->slots = mem_zalloc((tally->mask + (size_t)1) * sizeof *tally->slots);
    for (uint32_t place = 0; place < tally->count; place++)
        tally->slots[find_slot(tally, tally->cells[place].key)] = place + 1;
}

struct tally_cell *tally_open(struct tally *tally, struct tally_key key)
{
    uint32_t at = find_slot(tally, key);
    if (tally->slots[at])
        return &tally->cells[tally->slots[at] - 1];
    grow(tally);
    tally->cells[tally->count] = (struct tally_cell){.key = key};
    tally->slots[find_slot(tally, key)] = ++tally->count;
    return &tally->cells[tally->count - 1];
}

void tally_add(struct metrics *sum, const struct metrics *delta)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (__builtin_add_overflow(sum->v[i], delta->v[i], &sum->v[i]))
            sum->v[i] = INT64_MAX;
}
