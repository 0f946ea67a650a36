/*
 * Reading what a load needs of sealed days: every lane's pages of each day that a group is of, into
 * the images of those groups.
 */
#ifndef LIVETALLY_STORE_SEALED_DAYS_H
#define LIVETALLY_STORE_SEALED_DAYS_H

#include "partition_private.h"

struct sealed_days;

struct sealed_days_ops {
    /* The image of a lane's share of a group; NULL when nobody asked for it. */
    struct board_image *(*image)(void *context, uint32_t lane, struct group_key key);
    void (*done)(void *context); /* the sealed_days is still there */
    void *context;
};

struct sealed_days *sealed_days_new(struct partition *partition, const struct sealed_days_ops *ops);
void sealed_days_free(struct sealed_days *days);
/* Only groups by day matter; others are fine. */
void sealed_days_add(struct sealed_days *days, struct group_key key);
/* lanes: bit set. False when there is nothing to read: then done() is not called. */
bool sealed_days_start(struct sealed_days *days, uint32_t lanes);

#endif
