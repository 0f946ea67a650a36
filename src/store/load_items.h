/*
 * The groups of a load, found by their keys; each lane's images of them; and whether they fit.
 *
 * How large a group is shows only while it is read. What viewers ask for is given up, a group at a
 * time, as soon as there is no room for it: while hashes and pages come in, when the largest share
 * that a lane has of each group no longer fits together (it can't have fewer cells); and when a
 * share was merged, by the count of cells that there are then. So a load reads at most limits.cells
 * of a lane, and a page more. Its topics learn it from partition_want(). Groups that nobody watches
 * any more go before one is given up.
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
    struct partition *partition;
    struct board *board;
    uint64_t cells; /* of all items, at least */
    uint64_t room;  /* for them */
    struct load_item *items;
    uint32_t count;
    struct load_slot *slots; /* see load_items.c */
    uint32_t mask;
    uint32_t periods[ROLLUP_COUNT]; /* of any item, as for fact_places() */
};

/* Room for `max`; never more. */
void load_items_init(struct load_items *items, struct partition *partition, struct board *board,
                     uint32_t max);
void load_items_done(struct load_items *items); /* images are the caller's */
void load_items_drop_images(struct load_items *items);
/* The key must not be there yet. */
struct load_item *load_items_add(struct load_items *items, struct group_key key);
struct load_item *load_items_find(const struct load_items *items, struct group_key key);

/* Before shares are read: how much room there is. */
void load_items_measure(struct load_items *items);
/* After cells of a lane's share were read. False: it is given up, and its images are gone. */
bool load_items_fit(struct load_items *items, struct load_item *item, uint32_t lane);
/* After a share was merged: gives it up when it doesn't fit, or when nobody waits for it. */
void load_items_merged(struct load_items *items, struct load_item *item);

/* Adds a commit's facts to the lane's images of those groups that they count in. */
void load_items_add_facts(const struct load_items *items, uint32_t lane, uint64_t version,
                          const struct calendar *calendar, const struct fact *facts,
                          uint32_t count);

#endif
