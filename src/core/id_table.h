/*
 * A hash index from ids to places in an array that somebody else owns: open addressing, linear
 * probing, the hash kept beside the place so that strings are compared only when it matches. Hashes
 * are seeded, so that ids from outside can't be chosen to collide.
 *
 * Entries are removed by rebuilding (id_table_clear, then insert what stays) or by
 * id_table_remove(), which closes the gap.
 */
#ifndef LIVETALLY_CORE_ID_TABLE_H
#define LIVETALLY_CORE_ID_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/slice.h"

struct id_slot {
    uint32_t hash;
    uint32_t place_plus_1; /* 0: free */
};

struct id_table {
    struct id_slot *slots;
    uint32_t mask; /* slots - 1, a power of two minus one; 0 before the first insert */
    uint32_t used;
    uint64_t seed;
};

/* The id that stands at a place, for comparing. */
typedef struct slice id_table_at_fn(const void *array, uint32_t place);

#define ID_TABLE_NONE UINT32_MAX

void id_table_init(struct id_table *table, uint64_t seed);
void id_table_done(struct id_table *table);
void id_table_clear(struct id_table *table);
uint32_t id_table_hash(const struct id_table *table, struct slice id);
/* The place, or ID_TABLE_NONE. */
uint32_t id_table_find(const struct id_table *table, uint32_t hash, struct slice id,
                       id_table_at_fn *at, const void *array);
/* The id must not be there yet. */
void id_table_insert(struct id_table *table, uint32_t hash, uint32_t place);
/* The entry with this hash and place must be there. */
void id_table_remove(struct id_table *table, uint32_t hash, uint32_t place);

#endif
