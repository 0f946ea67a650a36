/*
 * The hub: who watches what, and what they are sent.
 *
 *   viewer ──▶ audience (same topics, same interval) ──▶ live topics ──▶ groups of the board
 *
 * Viewers of one audience share frames: at each tick of its interval the topics that changed since
 * the audience's last update are encoded once. Values are absolute, so a viewer whose socket is
 * full is skipped (conflation) and, when it drains, gets one update of all that changed since what
 * it last got. So it costs a version number, whatever it misses.
 *
 * All viewers of an interval are served together, at multiples of the interval of the monotonic
 * clock (never two pushes closer than half of it), so that they share frames. A topic that didn't
 * visibly change is left out, and when none did nothing is sent.
 *
 * A topic needs its groups loaded. A subscribe whose groups are not waits for them (the snapshot
 * comes later, in order), or is answered `unavailable` when Redis is away or 10 s have passed.
 *
 * Messages of a viewer are handled in order. While one waits (for groups, for room in the socket,
 * for its second to end) at most 64 more, or 256 KiB of them, wait behind it; what is beyond that
 * is a bad message. Nothing else is kept for a viewer whose socket is full.
 *
 * Tickers list orders oldest first.
 *
 * Pure: sockets, timers and Redis are reached through the two function tables below.
 */
#ifndef LIVETALLY_HUB_H
#define LIVETALLY_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/clock.h"
#include "livetally/frame.h"
#include "livetally/grant.h"
#include "livetally/slice.h"
#include "livetally/stats.h"
#include "livetally/view.h"

#define LIVE_TOPICS_MAX       256 /* PROTOCOL: topics per connection, default */
#define LIVE_BAD_MESSAGES_MAX 100
#define HEARTBEAT_MS          15000

struct hub;
struct viewer;

struct hub_options {
    uint32_t max_topics_per_viewer;
    uint32_t max_topics;            /* over all viewers */
    uint32_t push_slice;            /* viewers served in one hub_tick() before it yields */
    uint32_t subscribes_per_second; /* more are answered late: 20 */
};

/* Towards Redis. Called when a topic needs a group; false: Redis is away, or there is no room for
 * it. The store loads it, sets its state to GROUP_LOADED, then calls hub_groups_changed() (also
 * from within want). Called again for the same group while it is GROUP_COLD: at most once a second
 * and for each new subscribe; at each look when a load gave it up (group.needed). */
struct hub_source {
    bool (*want)(void *context, struct group_key key);
    void *context;
};

/* Towards one socket. */
struct viewer_ops {
    /* Sends now and returns true (taking its own reference if it needs one), or returns false
     * because the socket is full: hub_drained() has to be called once it has room again. A socket
     * that broke is "full" too: leave later. Must not call the hub. */
    bool (*send)(void *peer, struct frame *frame);
};

struct hub *hub_new(const struct hub_options *options, const struct view *view,
                    const struct hub_source *source, const struct clock *clock,
                    struct stats *stats);
void hub_free(struct hub *hub); /* all viewers must have left */
/* From the next subscription on; what is subscribed stays. */
void hub_set_limits(struct hub *hub, uint32_t max_topics_per_viewer, uint32_t max_topics);

/* hub_leave() frees the viewer. It may be called from anywhere but viewer_ops.send. */
struct viewer *hub_join(struct hub *hub, const struct viewer_ops *ops, void *peer);
/* Which topics it may subscribe from now on: those of the grant, which must live as long; NULL:
 * all. Others are answered with forbidden_topic. */
void hub_limit(struct viewer *viewer, const struct grant *grant);
void hub_leave(struct viewer *viewer);

/* One message of a viewer, at most 64 KiB of text. Returns false when it is to be closed with 4400
 * (too many bad messages in a row). */
bool hub_receive(struct viewer *viewer, struct slice text);
void hub_drained(struct viewer *viewer);

/* Groups were loaded, the board was replaced, epoch, stale or today changed. Cheap: the hub looks
 * at its next tick, for which it wants to be called soon. */
void hub_groups_changed(struct hub *hub);
/* A commit was applied to the board. Only dates it, for the time from a commit to its push: the hub
 * looks by itself when a round is due. */
void hub_totals_changed(struct hub *hub);

/*
 * Serves what is due now. Returns how many ms until it wants to be called again: 0 means there is
 * more to do right away (after other work of the loop had its turn).
 */
int64_t hub_tick(struct hub *hub);

/*
 * The snapshot object of GET /v1/totals. Calls done once, at once or after groups are loaded; with
 * an absent slice when that cannot be had now (Redis is away). hub_query_cancel() forgets it, and
 * must be called for all that are left before hub_free(). Bad topics, and those that the grant
 * (NULL: none needed) doesn't allow, stand under "errors".
 */
typedef void hub_query_fn(void *context, struct slice json);
struct hub_query;
struct hub_query *hub_query(struct hub *hub, const struct grant *grant, const struct slice *topics,
                            uint32_t count, hub_query_fn *done,
                            void *context); /* NULL: already done */
void hub_query_cancel(struct hub_query *query);

void hub_refresh_stats(const struct hub *hub); /* what is only looked at when it is asked for */
uint32_t hub_viewer_count(const struct hub *hub);
uint32_t hub_topic_count(const struct hub *hub);
uint32_t hub_audience_count(const struct hub *hub);

#endif
