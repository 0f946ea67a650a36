/*
 * Reading a whole data set from Redis into an audit, and telling whether it stood still meanwhile.
 */
#ifndef LIVETALLY_VERIFY_READING_H
#define LIVETALLY_VERIFY_READING_H

#include "audit.h"
#include "livetally/generations.h"
#include "livetally/keys.h"
#include "source.h"

#define EPOCH_MAX_BYTES 64

/* What moves with every commit. */
struct state {
    char epoch[EPOCH_MAX_BYTES + 1];
    struct generations generations;
    uint32_t lanes; /* bit set of those that exist */
    uint64_t versions[LANE_COUNT];
    uint64_t checkpoints[LANE_COUNT];
};

/* Of a lane: a group that it has a hash of. */
struct lane_group {
    uint32_t lane;
    struct group_key group;
};

/* Of a lane: a day that it has sealed pages of. */
struct lane_day {
    uint32_t lane;
    uint32_t day;
};

struct reading {
    struct source *source;
    struct keys keys;
    struct state state;
    struct audit *audit;
    struct error *error;
    struct lane_group *groups;
    uint32_t group_count, group_capacity;
    struct lane_day *sealed;
    uint32_t sealed_count, sealed_capacity;
    bool repeated; /* something moved on while it was read */
};

int reading_state(struct source *source, const struct keys *keys, struct state *ret_state,
                  struct error *error);
/* What the data set says of itself; keep times are the caller's. */
int reading_data_set(struct source *source, const struct keys *keys, struct data_set *set,
                     struct error *error);

/* reading_lanes.c, reading_sealed.c, reading_ledger.c */
int reading_find_keys(struct reading *reading);
int reading_lanes(struct reading *reading);
/* Every day of which the lane may have sealed pages: those found, and those of its hashes. */
int reading_sealed(struct reading *reading, uint32_t lane, const struct lane_group *groups,
                   uint32_t count);
int reading_ledger(struct reading *reading);
int reading_catalog(struct reading *reading);

/* A page of a hash: field, value, field, value … Returns 0 or an error code. */
typedef int reading_page_fn(struct reading *reading, const void *context, redisReply *const *pairs,
                            size_t count);
/* Asks for the pages of a hash from `cursor` on. */
int reading_scan(struct reading *reading, struct slice key, const char *cursor,
                 reading_page_fn *page, const void *context);
/* Takes one answer to HSCAN apart; the next cursor is "0" after the last page. */
#define CURSOR_BYTES 24
int reading_page(struct reading *reading, const redisReply *reply, reading_page_fn *page,
                 const void *context, char next[CURSOR_BYTES]);

#endif
