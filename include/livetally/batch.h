/*
 * A batch: the posts that go to Redis in one commit, judged in order, and what becomes of them.
 *
 * Judging works on an overlay over the ledger cache: each order id touched has one `touch`, the
 * record as assumed to stand in Redis and as it shall stand, so an order, its retry and its refund
 * in one batch coalesce into one pair. The same for catalog entries. Nothing judged is true until
 * the commit script has found every assumption right; if it did not, the differing records are
 * learnt (ledger_learn, catalog_put) and the whole batch is judged again from scratch.
 *
 *   judge ─ needs? ─▶ look up, learn, judge again
 *         └ ready  ─▶ commit ─ differs? ─▶ learn, judge again
 *                            └ done    ─▶ batch_commit_done(): the ledger cache learns what we
 * wrote
 */
#ifndef LIVETALLY_BATCH_H
#define LIVETALLY_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/catalog.h"
#include "livetally/county.h"
#include "livetally/fact.h"
#include "livetally/id_filter.h"
#include "livetally/ledger.h"
#include "livetally/names.h"
#include "livetally/post.h"
#include "livetally/rollup.h"

#define BATCH_EVENTS_MAX                                                                           \
    1024 /* events of a commit; posts are not split, so one post always fits                       \
          */

/* Which ids have been seen in which dimension, to refuse new ones beyond a bound. */
struct census {
    uint8_t *dimensions; /* by number in names: bits of enum dimension */
    uint32_t capacity;
    uint32_t counts[DIMENSION_COUNT];
    uint32_t max[DIMENSION_COUNT];
    uint8_t county_seen[1000000 / 8]; /* by code */
};

struct census *census_new(const uint32_t max[DIMENSION_COUNT]);
void census_free(struct census *census);
void census_clear(struct census *census); /* keeps the bounds */
/* For census_mark(): not seen so far. */
void census_add(struct census *census, enum dimension dimension, uint32_t value);
static inline bool census_seen(const struct census *census, enum dimension dimension,
                               uint32_t value)
{
    if (dimension == DIMENSION_COUNTY)
        return census->county_seen[value / 8] >> (value % 8) & 1;
    return value < census->capacity && census->dimensions[value] >> dimension & 1;
}
/* Of nearly every order all has been seen, so that much is inline. */
static inline void census_mark(struct census *census, enum dimension dimension, uint32_t value)
{
    if (!census_seen(census, dimension, value))
        census_add(census, dimension, value);
}
/* All values of other lanes' facts. */
void census_mark_facts(struct census *census, const struct fact *facts, uint32_t count);
static inline bool census_full(const struct census *census, enum dimension dimension)
{
    return census->counts[dimension] >= census->max[dimension];
}

/* What is known, without asking Redis, of the ids that stand in a generation of the ledger. */
struct known_ids {
    struct id_filter *filter; /* NULL: nothing is known */
    bool complete;            /* what it surely doesn't have is not there */
};

/* What judging reads and fills. Borrowed; all but `lane_total` may change while judging. */
struct judge {
    struct ledger *ledger;
    struct catalog *catalog;
    struct names *names;
    struct census *census;
    const struct county_list *counties; /* as event_rules */
    struct known_ids current, previous;
    struct metrics lane_total; /* all our lane ever counted, committed */
};

/* Where the commit looks for an id that is assumed to stand nowhere. */
enum look {
    LOOK_CURRENT = 1,
    LOOK_PREVIOUS = 2,
};

struct touch {
    struct slice id;
    struct slice field;    /* the id, as packed generations spell it: order_field.h */
    struct slice assumed;  /* bytes in Redis; meaningless when NOWHERE */
    struct slice next;     /* bytes as they shall be; absent: nothing there, nothing to write */
    uint64_t hash;         /* of the id, ledger_hash() */
    uint8_t assumed_place; /* enum record_place */
    uint8_t next_place;    /* a record stays where it was born, a stub moves when its order comes */
    uint8_t look;          /* bits of enum look; all, but for batch_plan_looks() */
    bool changed;          /* next is to be written */
};

/* Its field in a generation that is packed, or isn't. */
static inline struct slice touch_field(const struct touch *touch, bool packed)
{
    return packed ? touch->field : touch->id;
}

struct catalog_touch {
    uint8_t kind; /* enum catalog_kind */
    bool changed;
    struct slice id;
    struct slice assumed; /* JSON in Redis, or absent */
    struct slice next;
};

struct batch;

struct batch *batch_new(uint64_t seed);
void batch_free(struct batch *batch); /* no posts may be in it */

/* Takes the post if it fits; an empty batch takes any. */
bool batch_add(struct batch *batch, struct post *post);
uint32_t batch_event_count(const struct batch *batch);
bool batch_is_empty(const struct batch *batch); /* no posts */

/*
 * Judges all of it from scratch. Returns how many records have to be looked up first (refunds whose
 * order nobody here knows): their ids, which live as long as the posts are in the batch. Answers
 * are given by ledger_learn(), also that there is nothing. 0: judged.
 */
uint32_t batch_judge(struct batch *batch, const struct judge *judge);
const struct slice *batch_needs(const struct batch *batch, uint32_t *ret_count);

/* How many ids a commit looks for, and how many that surely are not there it doesn't. */
struct looks {
    uint32_t current, current_spared;
    uint32_t previous, previous_spared;
    uint32_t born; /* records that come into the current generation with it */
};

/* Once a batch is judged: spares it the looks for ids that surely stand nowhere, and adds to the
 * filter of the current generation what the commit will write there. */
struct looks batch_plan_looks(struct batch *batch, const struct judge *judge);

/* The result of judging; valid until it is judged again or taken. */
const struct touch *batch_touches(const struct batch *batch, uint32_t *ret_count);
const struct catalog_touch *batch_catalog(const struct batch *batch, uint32_t *ret_count);
const struct fact *batch_facts(const struct batch *batch, uint32_t *ret_count);
const struct metrics *batch_metrics(const struct batch *batch); /* what it adds to the lane */
bool batch_changes(const struct batch *batch);                  /* something is to be written */
bool batch_verifies(const struct batch *batch); /* something is to be checked in Redis */
/* Encodes facts and catalog changes for the feed. */
void batch_feed_entry(const struct batch *batch, const struct names *names, uint64_t token,
                      struct buffer *out);

/* After the commit succeeded: ledger cache and catalog learn what was written. */
void batch_commit_done(const struct batch *batch, const struct judge *judge);
/* The ledger cache alone: for a commit older than the catalog. What it learns is an assumption. */
void batch_learn_records(const struct batch *batch, const struct judge *judge);
/* Takes the posts out, in order (linked by next), leaving the batch empty for reuse. */
struct post *batch_take(struct batch *batch);

#endif
