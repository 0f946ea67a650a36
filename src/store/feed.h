/*
 * Feeds as Redis Streams: asking for entries, and taking an answer apart.
 */
#ifndef LIVETALLY_STORE_FEED_H
#define LIVETALLY_STORE_FEED_H

#include "partition_private.h"

/* Asks for version and checkpoint version of every lane: 2 * LANE_COUNT answers in one array. */
void versions_send(struct partition *partition, redis_reply_fn *done, void *context);
/* XRANGE of a lane's feed from a version on, at most `count` entries. */
void feed_send(struct partition *partition, uint32_t lane, uint64_t from_version, uint32_t count,
               redis_reply_fn *done, void *context);
/* One stream entry: [ "<version>-0", [ "e", bytes ] ]. */
bool reply_feed_entry(const redisReply *reply, uint64_t *ret_version, struct slice *ret_bytes);

#endif
