/*
 * Commands that name a key of every lane.
 */
#ifndef LIVETALLY_STORE_LANES_H
#define LIVETALLY_STORE_LANES_H

#include "partition_private.h"

/* Appends LANE_COUNT arguments. part: as for key_lane(). */
void lanes_put_keys(struct buffer *out, const struct keys *keys, const char *part);
/*
 * Begins partition->command: lua/advance.lua's call, up to that key of every lane. So many more
 * keys and then arguments have to follow.
 */
void lanes_begin_advance(struct partition *partition, const char *part, uint32_t more_keys,
                         uint32_t arguments);

#endif
