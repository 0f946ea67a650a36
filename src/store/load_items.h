/*
 * The groups of a load, found by their keys; and each lane's images of them.
 */
#ifndef LIVETALLY_STORE_LOAD_ITEMS_H
#define LIVETALLY_STORE_LOAD_ITEMS_H

#include "partition_private.h"

struct load_item {
    struct group_key key;
    struct group *group; /* NULL: it was given up, and so has no images either */
    bool must_fit;       /* else it is loaded whatever is in memory already */
    uint32_t cells;      /* it has at least: the most that one of its images has */
    struct board_image *images[LANE_COUNT]; /* NULL: the lane doesn't exist */
};

struct load_slot;

struct load_items {
    struct load_item *items;
    uint32_t count;
    struct load_slot *slots; /* see load_items.c */
    uint32_t mask;
    uint32_t periods[ROLLUP_COUNT]; /* of any item, as for fact_places() */
};

/* Room for `max`; never more. */
void load_items_init(struct load_items *items, uint32_t max);
void load_items_done(struct load_items *items); /* images are the caller's */
/* The key must not be there yet. */
struct load_item *load_items_add(struct load_items *items, struct group_key key);
struct load_item *load_items_find(const struct load_items *items, struct group_key key);

/* Adds a commit's facts to the lane's images of those groups that they count in. */
void load_items_add_facts(const struct load_items *items, uint32_t lane, uint64_t version,
                          const struct calendar *calendar, const struct fact *facts,
                          uint32_t count);

#endif
