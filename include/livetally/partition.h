/*
 * A partition: one self-contained data set in Redis, and all this process knows of it. It owns the
 * Redis connection, the claimed lane, the ledger cache, the batch in flight, board, catalog and
 * names. There is one for now; nothing in it knows that, so that there can be more.
 *
 *   submit ─▶ queue ─▶ batch ─▶ judge ─▶ commit ─▶ done      (one commit in flight)
 *   poll   ─▶ feeds of other lanes ─▶ board
 *   tick   ─▶ checkpoint, lease, generation, health
 *
 * Every (re)connect runs the same way in: check the data set, claim a lane, load, go live.
 */
#ifndef LIVETALLY_PARTITION_H
#define LIVETALLY_PARTITION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "livetally/buffer.h"
#include "livetally/clock.h"
#include "livetally/log.h"
#include "livetally/post.h"
#include "livetally/redis_link.h"
#include "livetally/stats.h"
#include "livetally/view.h"

struct partition;

struct partition_options {
    struct redis_link_options redis;
    char prefix[32]; /* of all keys, "lt:" */
    char currency[4];
    struct calendar calendar;
    char state_dir[256]; /* for the instance id and the high-water mark */
    uint32_t replicas;   /* durability: 0 = local, N = acks wait for N replicas */
    uint32_t lease_ms;
    uint32_t poll_ms; /* of other lanes' feeds */
    uint32_t checkpoint_ms;
    uint32_t seal_after_days;          /* closed days are packed then; 0: never */
    uint32_t feed_keep_ms;             /* how long changes stay readable for other daemons */
    uint32_t max_ids[DIMENSION_COUNT]; /* beyond: too_many_ids */
    uint32_t max_catalog;              /* entries of each kind */
    uint32_t max_cells;
    uint32_t cached_orders; /* ledger records kept in memory */
    uint32_t known_orders;  /* ids of a generation of which we know whether they are in it */
    uint32_t day_keep_days;
    uint32_t minute_keep_hours;
    int64_t generation_ms;                   /* span of a ledger generation */
    const struct county_names *county_names; /* for screens; outlives the partition; NULL: none */
    const struct county_list *counties;      /* those of the event_rules of all posts; the same */
};

struct partition_ops {
    /* Redis became available or went away (for `status` messages); not called at start. */
    void (*available)(void *context, bool available);
    /* The view changed as hub_groups_changed() wants to know. */
    void (*view_changed)(void *context);
    /* A commit was applied to its board, as hub_totals_changed() wants to know. */
    void (*totals_changed)(void *context);
    /* The data set can't be used with this configuration: say so and exit. text: one line. */
    void (*refused)(void *context, const char *text);
    /* First time ready. */
    void (*ready)(void *context);
    void *context;
};

struct partition *partition_new(uv_loop_t *loop, const struct partition_options *options,
                                const struct partition_ops *ops, const struct clock *clock,
                                const struct log *log, struct stats *stats);
void partition_start(struct partition *partition);

/* Takes the post; its done() comes when all of it is durable or rejected. */
void partition_submit(struct partition *partition, struct post *post);
/* For hub_source.want. */
bool partition_want(void *partition, struct group_key key);

const struct view *partition_view(const struct partition *partition);
bool partition_available(const struct partition *partition); /* connected and live */
void partition_refresh_stats(const struct partition *partition);
/* Writes the body of /readyz and says whether it is ready. */
bool partition_health(const struct partition *partition, struct buffer *json);

/*
 * Commits what was submitted (as far as Redis is there, at most timeout_ms), checkpoints, releases
 * the lane, disconnects, then calls stopped(). Posts not committed by then get done() with
 * post->number == 0: not acked.
 */
void partition_stop(struct partition *partition, uint32_t timeout_ms,
                    void (*stopped)(void *context), void *context);
void partition_free(struct partition *partition); /* after stopped() */

#endif
