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

static inline uint64_t id_load_8(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t id_load_4(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* slice_equal() for ids, which are short: loads that overlap, in place of a call of memcmp. */
static inline bool id_equal(struct slice a, struct slice b)
{
    const char *x = a.data, *y = b.data;
    size_t left = a.size;
    if (a.size != b.size)
        return false;
    if (left >= 8) {
        for (; left > 8; x += 8, y += 8, left -= 8)
            if (id_load_8(x) != id_load_8(y))
                return false;
        return id_load_8(x + left - 8) == id_load_8(y + left - 8);
    }
    if (left >= 4)
        return id_load_4(x) == id_load_4(y) && id_load_4(x + left - 4) == id_load_4(y + left - 4);
    for (; left; x++, y++, left--)
        if (*x != *y)
            return false;
    return true;
}

#define ID_HASH_KEY_ONE UINT64_C(0xa0761d6478bd642f)
#define ID_HASH_KEY_TWO UINT64_C(0xe7037ed1a0b428db)

static inline uint64_t id_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t id_byte(const char *at)
{
    return (uint64_t)(unsigned char)*at;
}

/* Who doesn't know the seed can't choose ids that collide. Loads overlap at the end. */
static inline uint64_t id_hash(uint64_t seed, struct slice id)
{
    const char *at = id.data;
    size_t left = id.size;
    uint64_t a = 0;
    uint64_t b = 0;
    uint64_t hash = seed;

    for (; left > 16; at += 16, left -= 16)
        hash = id_mix(id_load_8(at) ^ ID_HASH_KEY_ONE, id_load_8(at + 8) ^ hash);
    if (left >= 8) {
        a = id_load_8(at);
        b = id_load_8(at + left - 8);
    } else if (left >= 4) {
        a = id_load_4(at);
        b = id_load_4(at + left - 4);
    } else if (left > 0) {
        a = id_byte(at) << 16 | id_byte(at + left / 2) << 8 | id_byte(at + left - 1);
    }
    return id_mix(ID_HASH_KEY_TWO ^ id.size, id_mix(a ^ ID_HASH_KEY_ONE, b ^ hash));
}

/* The half of it that the tables take. */
static inline uint32_t id_hash_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

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
/* Fetches ahead what looking for this hash reads first. */
static inline void id_table_prefetch(const struct id_table *table, uint32_t hash)
{
    if (table->slots)
        __builtin_prefetch(&table->slots[hash & table->mask], 1);
}

/* The place, or ID_TABLE_NONE. */
uint32_t id_table_find(const struct id_table *table, uint32_t hash, struct slice id,
                       id_table_at_fn *at, const void *array);
/* The id must not be there yet. */
void id_table_insert(struct id_table *table, uint32_t hash, uint32_t place);
/* The entry with this hash and place must be there. */
void id_table_remove(struct id_table *table, uint32_t hash, uint32_t place);

#endif
