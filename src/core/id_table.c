/*
 * See id_table.h. Kept at most half full, so that a probe run stays a cache line or two.
 */
#include "id_table.h"

#include <assert.h>
#include <stdlib.h>

#include "livetally/mem.h"

void id_table_init(struct id_table *table, uint64_t seed)
{
    *table = (struct id_table){.seed = seed};
}

void id_table_done(struct id_table *table)
{
    free(table->slots);
    *table = (struct id_table){0};
}

void id_table_clear(struct id_table *table)
{
    if (table->used)
        memset(table->slots, 0, ((size_t)table->mask + 1) * sizeof *table->slots);
    table->used = 0;
}

uint32_t id_table_hash(const struct id_table *table, struct slice id)
{
    return id_hash_fold(id_hash(table->seed, id));
}

uint32_t id_table_find(const struct id_table *table, uint32_t hash, struct slice id,
                       id_table_at_fn *at, const void *array)
{
    if (!table->used)
        return ID_TABLE_NONE;
    for (uint32_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct id_slot slot = table->slots[i];
        if (!slot.place_plus_1)
            return ID_TABLE_NONE;
        if (slot.hash == hash && id_equal(at(array, slot.place_plus_1 - 1), id))
            return slot.place_plus_1 - 1;
    }
}

static void put(struct id_table *table, struct id_slot slot)
{
    uint32_t i = slot.hash & table->mask;
    while (table->slots[i].place_plus_1)
        i = (i + 1) & table->mask;
    table->slots[i] = slot;
}

static void grow(struct id_table *table)
{
    uint32_t old_count = table->slots ? table->mask + 1 : 0;
    uint32_t count = old_count ? old_count * 2 : 64;
    struct id_slot *old = table->slots;
    table->slots = mem_zalloc(count * sizeof *table->slots);
    table->mask = count - 1;
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].place_plus_1)
            put(table, old[i]);
    free(old);
}

void id_table_insert(struct id_table *table, uint32_t hash, uint32_t place)
{
    if (!table->slots || (table->used + 1) * 2 > table->mask + 1)
        grow(table);
    put(table, (struct id_slot){hash, place + 1});
    table->used++;
}

void id_table_remove(struct id_table *table, uint32_t hash, uint32_t place)
{
    uint32_t i = hash & table->mask;
    while (table->slots[i].place_plus_1 != place + 1) {
        assert(table->slots[i].place_plus_1);
        i = (i + 1) & table->mask;
    }
    /* Moves back every entry of the run that may stand here, so that no probe ends at a gap. */
    for (uint32_t j = (i + 1) & table->mask; table->slots[j].place_plus_1;
         j = (j + 1) & table->mask) {
        uint32_t home = table->slots[j].hash & table->mask;
        if (((j - home) & table->mask) >= ((j - i) & table->mask)) {
            table->slots[i] = table->slots[j];
            i = j;
        }
    }
    table->slots[i].place_plus_1 = 0;
    table->used--;
}
