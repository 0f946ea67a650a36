/*
 * The JSON of topics' payloads (PROTOCOL, "Live: topics"), but for series (series.h). Pure: what is
 * shown is handed in, names come from the view's catalog.
 */
#ifndef LIVETALLY_CORE_PAYLOAD_H
#define LIVETALLY_CORE_PAYLOAD_H

#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/ticker.h"
#include "livetally/topic.h"
#include "livetally/view.h"
#include "rank.h"

void payload_scope(struct buffer *out, const struct view *view, const struct topic *topic,
                   const struct metrics *today, const struct metrics *all);

/* Rows of the group in the order of the rank. group may be NULL: then the board is empty. */
void payload_board(struct buffer *out, const struct view *view, const struct topic *topic,
                   const struct rank *rank, const struct group *group);
/* top/provinces: rows are sums over the counties of `counties`. */
void payload_provinces(struct buffer *out, const struct topic *topic, const struct group *counties);

/*
 * Orders after sequence number `seen`, oldest first, and as `lost` how many more there were. For a
 * first payload pass seen = ring->count: then it is what the ring holds, and none is lost. ring may
 * be NULL: no orders.
 */
void payload_ticker(struct buffer *out, const struct names *names, const struct ticker_ring *ring,
                    uint64_t seen);

#endif
